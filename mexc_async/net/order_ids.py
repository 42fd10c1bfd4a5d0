"""Client order ids: every order carries one, so that its fate can always be looked up."""

from __future__ import annotations

import secrets
from copy import copy
from itertools import count
from typing import TypeVar

from msgspec.structs import force_setattr, replace

from mexc_async.core.endpoint import Request
from mexc_async.errors import ConfigError
from mexc_async.spot.trading import BatchOrders, NewOrder, TestOrder

T = TypeVar("T")
MAX_LENGTH = 32
MAX_PREFIX = 8


class OrderIds:
    """Makes ids `<prefix><72 random bits of this client>-<counter>`, unique over processes and restarts."""

    def __init__(self, prefix: str = "m") -> None:
        if not prefix.isascii() or not prefix.replace("-", "").isalnum() or len(prefix) > MAX_PREFIX:
            raise ConfigError(f"order id prefix {prefix!r} must be 1 to {MAX_PREFIX} ASCII letters, digits and '-'")
        self._stem = f"{prefix}{secrets.token_urlsafe(9).replace('_', '.').replace('-', '.')}-"
        self._count = count(1)

    def next(self) -> str:
        """A new id, at most 32 characters."""
        return f"{self._stem}{next(self._count)}"

    def named(self, order: NewOrder) -> NewOrder:
        """The order with an id, its own if it has one."""
        if order.new_client_order_id is not None:
            return order
        named = copy(order)  # `replace` would check every field a second time
        force_setattr(named, "new_client_order_id", self.next())
        return named


def name_orders(request: Request[T], ids: OrderIds) -> Request[T]:
    """Give every order of a request that places some a client order id."""
    named: object = request
    if isinstance(request, NewOrder):
        named = ids.named(request)
    elif isinstance(request, BatchOrders):
        named = replace(request, orders=tuple(ids.named(order) for order in request.orders))
    return named  # type: ignore[return-value]  # `replace` keeps the class


def orders_of(request: Request[object]) -> tuple[NewOrder | TestOrder, ...]:
    """The orders that a request places or tests."""
    if isinstance(request, NewOrder | TestOrder):
        return (request,)
    return tuple(request.orders) if isinstance(request, BatchOrders) else ()
