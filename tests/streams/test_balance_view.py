"""The pure part of live balances: pushes and reads in any order."""

from __future__ import annotations

from decimal import Decimal

from mexc_async.spot.models import Balance
from mexc_async.streams.balance_view import LAG_S, BalanceView


def held(asset: str, free: int, locked: int = 0) -> Balance:
    return Balance(asset=asset, free=Decimal(free), locked=Decimal(locked))


def push(view: BalanceView, asset: str, free: int, now: float) -> None:
    view.push(asset, Decimal(free), Decimal(0), now)


def frees(view: BalanceView) -> dict[str, int] | None:
    return None if view.balances is None else {asset: int(each.free) for asset, each in view.balances.items()}


def test_a_read_after_the_connection_makes_it_live() -> None:
    view = BalanceView()
    view.read([held("A", 1)], 0.0)
    assert frees(view) is None
    view.connected()
    assert frees(view) is None
    view.read([held("A", 1), held("B", 0), held("C", 0, 2)], 1.0)
    assert frees(view) == {"A": 1, "C": 0}
    push(view, "A", 3, 2.0)
    push(view, "D", 4, 2.0)
    push(view, "C", 0, 2.0)
    assert frees(view) == {"A": 3, "D": 4}


def test_a_push_counts_more_than_a_read_that_was_under_way() -> None:
    view = BalanceView()
    view.connected()
    push(view, "A", 2, 1.0)  # long before the read, whose answer may still be older
    push(view, "B", 0, 100.0)
    view.read([held("A", 1), held("B", 1), held("C", 1)], 50.0)
    assert frees(view) == {"A": 2, "C": 1}
    assert view.corrections == 0


def test_a_loss_ends_it_and_what_was_pushed_before_counts_no_more() -> None:
    view = BalanceView()
    view.connected()
    push(view, "A", 2, 1.0)
    view.read([held("B", 1)], 1.0)
    view.lost()
    assert frees(view) is None
    push(view, "A", 9, 2.0)  # a straggler of the old connection
    view.read([held("A", 9)], 2.0)
    assert frees(view) is None
    view.connected()
    assert frees(view) is None
    view.read([held("A", 5)], 3.0)
    assert frees(view) == {"A": 5}


def test_a_check_corrects_what_no_push_has_reported() -> None:
    view = BalanceView()
    view.connected()
    view.read([held("A", 1), held("B", 1)], 0.0)
    push(view, "A", 2, 10.0)
    view.read([held("A", 1), held("B", 7)], 10.0 + LAG_S)
    assert (frees(view), view.corrections) == ({"A": 2, "B": 7}, 1)
    view.read([held("A", 1)], 10.1 + LAG_S)
    assert (frees(view), view.corrections) == ({"A": 1}, 3)
