"""Events of orders."""

from __future__ import annotations

from mexc_async.orders.record import OrderState
from mexc_async.runtime.events import Event


class OrderSettled(Event, frozen=True, gc=False):
    """Outcome found for an order whose answer was missing."""

    client_order_id: str
    order_id: str | None
    """None if it was never placed."""
    state: OrderState
