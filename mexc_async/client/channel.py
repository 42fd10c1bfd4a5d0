"""The pipeline with one set of options: what a view's resources send through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from mexc_async.rest.call import Options
from mexc_async.rest.pipeline import Api, Keeper
from mexc_async.schema.endpoint import Request
from mexc_async.spot.trading import NewOrder

T = TypeVar("T")


class Channel:
    """The pipeline with one set of options: what a view's resources send through."""

    __slots__ = ("_api", "_options")

    def __init__(self, api: Api, options: Options) -> None:
        self._api = api
        self._options = options

    def send(self, request: Request[T], /) -> Coroutine[Any, Any, T]:
        """Send one request."""
        api = self._api  # what `Api.send` does, in one step
        keeper: Keeper = api.keepers.get(type(request), api.deliver)
        answer: Coroutine[Any, Any, T] = keeper(request, self._options)
        return answer

    def start(self, request: Request[T], /) -> asyncio.Future[T]:
        """Begin to send one request, which goes on by itself."""
        return self._api.start(request, self._options)

    @property
    def new_order_id(self) -> Callable[[], str] | None:
        """Makes client order ids, where this client does."""
        return self._api.new_order_id

    async def sign_ahead(self, order: NewOrder, /) -> NewOrder:
        """Sign an order before it is sent."""
        return await self._api.sign_ahead(order, self._options)
