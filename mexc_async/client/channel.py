"""Channel of a view: the request pipeline with one set of options, and handlers for special requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeAlias, TypeVar

from mexc_async.errors import InvalidRequest
from mexc_async.rest.call import Options
from mexc_async.rest.pipeline import Api
from mexc_async.schema.endpoint import Request, Route
from mexc_async.spot.trading import NewOrder

T = TypeVar("T")

Handler: TypeAlias = Callable[[Any, Options], Coroutine[Any, Any, Any]]
"""Executes a kind of request by means of `Api.run`, such as `OrderExecution.place`."""


class Handlers(dict[type, Handler]):
    """Handlers by kind of request: its own, else that of the class that it extends, else the pipeline's."""

    def __init__(self, own: Mapping[type[Request[Any]], Handler], deliver: Handler) -> None:
        super().__init__(own)
        self._own = dict(own)
        self._deliver = deliver

    def __missing__(self, kind: type) -> Handler:
        if not (issubclass(kind, Request) and isinstance(getattr(kind, "route", None), Route)):
            raise InvalidRequest(
                f"a request is a value such as DepthQuery(symbol=...), with a route, not {kind.__name__}"
            )
        found = next((self._own[base] for base in kind.__mro__ if base in self._own), self._deliver)
        self[kind] = found
        return found


class Calls:
    """All calls of a client: requests of some kinds have handlers, the others go straight to the pipeline."""

    def __init__(
        self,
        api: Api,
        handlers: Mapping[type[Request[Any]], Handler],
        start_order: Callable[[NewOrder, Options], asyncio.Future[Any]],
        sign_ahead: Callable[[NewOrder, Options], Awaitable[NewOrder]],
        new_order_id: Callable[[], str],
        held: object = None,
    ) -> None:
        self.api = api
        self.handlers = Handlers(handlers, api.deliver)
        self.start_order = start_order
        self.sign_ahead = sign_ahead
        self.new_order_id = new_order_id
        self._held = held

    def send(self, request: Request[T], options: Options) -> Coroutine[Any, Any, T]:
        """Send one request and return its typed answer, by its handler if its kind has one."""
        answer: Coroutine[Any, Any, T] = self.handlers[type(request)](request, options)
        return answer

    def start(self, request: Request[T], options: Options) -> asyncio.Future[T]:
        """Start `send` and return its future, which runs by itself."""
        if isinstance(request, NewOrder):
            return self.start_order(request, options)
        return self.api.tasks.begin(self.send(request, options))


class Channel:
    """Calls of a client with one set of options; a view's resources send through it."""

    __slots__ = ("_calls", "_handlers", "_options")

    def __init__(self, calls: Calls, options: Options) -> None:
        self._calls = calls
        self._options = options
        self._handlers = calls.handlers

    def send(self, request: Request[T], /) -> Coroutine[Any, Any, T]:
        """Send one request."""
        # same as `Calls.send`, in one step
        answer: Coroutine[Any, Any, T] = self._handlers[type(request)](request, self._options)
        return answer

    def start(self, request: Request[T], /) -> asyncio.Future[T]:
        """Start to send one request and return its future, which runs by itself."""
        return self._calls.start(request, self._options)

    @property
    def new_order_id(self) -> Callable[[], str]:
        """Generator of client order ids."""
        return self._calls.new_order_id

    async def sign_ahead(self, order: NewOrder, /) -> NewOrder:
        """Sign an order before it is sent."""
        return await self._calls.sign_ahead(order, self._options)
