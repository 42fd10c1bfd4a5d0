"""An order session's memory: ended orders are forgotten one by one, live ones never."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mexc_async.orders.record import OrderRecord
from mexc_async.orders.session import OrderSession
from tests.support.steps import steps_of


def placed(number: int) -> OrderRecord:
    it = OrderRecord(f"m-{number}", "BTCUSDT", "BUY", "LIMIT", Decimal(1), Decimal(100))
    it.place(f"C{number}")
    return it


def test_of_very_many_orders_those_that_ended_are_forgotten_a_few_at_a_time() -> None:
    orders: Any = None
    session = OrderSession(orders, True, 30.0)
    live = [placed(number) for number in range(0, 3000, 50)]
    for number in range(3000):
        it = live[number // 50] if not number % 50 else placed(number)
        assert steps_of(lambda it=it: session.take(it)) < 500  # type: ignore[misc]  # bound now
        if number % 50:
            it.report(None, Decimal(0), Decimal(0), is_cancelled=True, is_filled=False)
    held = [order.record for order in session.opened]
    assert len(held) < 1300
    assert set(live) <= set(held)
