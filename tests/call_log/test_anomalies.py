"""Unusual activity: counts per hour, and orders that this client did not place."""

from __future__ import annotations

import pytest

from mexc_async.call_log.anomalies import (
    AT_ONCE,
    GRACE_S,
    HOUR_MS,
    CallCounts,
    Excess,
    ForeignOrders,
    excess,
    excesses,
)

ORDER = "POST /api/v3/order"


def hours(*counts: int, first: int = 100) -> dict[int, int]:
    """Build calls of hours one after the other."""
    return {(first + number) * HOUR_MS: count for number, count in enumerate(counts)}


@pytest.mark.parametrize(
    ("counts", "usual"),
    [
        ([100, 100, 100, 501], 100.0),
        ([100, 100, 100, 500], None),  # five times as many is not more than that
        ([100, 100, 501], None),  # too early to know the usual number
        ([10, 20, 90, 101], 20.0),
        ([1, 1, 1, 9], None),  # few calls are never too many
        ([1, 1, 1, 10], 1.0),
        ([100, 0, 0, 100, 100, 501], 100.0),  # hours of rest say nothing about hours of work
        ([0, 0, 0, 0, 1000], None),
        ([1000, 1000, 1000, *[100] * 24, 501], 100.0),  # what is older than a day is forgotten
        ([100, 100, 100, 0], None),
    ],
)
def test_hour_is_held_against_the_median_of_those_before(counts: list[int], usual: float | None) -> None:
    by_hour = hours(*counts)
    last = max(by_hour)
    found = excess(ORDER, by_hour, last)
    assert found == (None if usual is None else Excess(ORDER, last, counts[-1], usual))


def test_factor_can_be_chosen() -> None:
    by_hour = hours(100, 100, 100, 250)
    assert excess(ORDER, by_hour, max(by_hour), factor=2.0) is not None
    assert excess(ORDER, by_hour, max(by_hour), factor=3.0) is None


def test_every_such_hour_of_every_endpoint_is_found() -> None:
    counts = {ORDER: hours(10, 10, 10, 60, 10, 60), "GET /api/v3/order": hours(10, 10, 10, 10, 70)}
    found = [(one.endpoint, one.hour_ms // HOUR_MS) for one in excesses(counts)]
    assert found == [(ORDER, 103), ("GET /api/v3/order", 104), (ORDER, 105)]


def test_growing_counters_are_counted_by_the_hour_and_told_once() -> None:
    counts, total, told = CallCounts(), 0, []
    for hour in range(4):
        for minute in range(60):
            total += 1 if hour < 3 else 10
            told += counts.add({ORDER: total}, hour * HOUR_MS + minute * 60_000)
    assert [(one.hour_ms // HOUR_MS, one.calls, one.median) for one in told] == [(3, 310, 60.0)]
    assert counts.by_endpoint[ORDER] == {0: 60, HOUR_MS: 60, 2 * HOUR_MS: 60, 3 * HOUR_MS: 600}


def test_counts_of_more_than_a_day_ago_are_forgotten() -> None:
    counts = CallCounts()
    for hour in range(100):
        counts.add({ORDER: hour}, hour * HOUR_MS)
    assert len(counts.by_endpoint[ORDER]) == 25


def test_order_of_somebody_else_is_told_once() -> None:
    strangers = ForeignOrders(("grid2-",))
    assert strangers.see("C1", "other-1", "BTCUSDT", 0.0)
    assert not strangers.see("C1", "other-1", "BTCUSDT", 0.1)
    (found,) = strangers.judge(0.2, lambda name: False, is_waiting=False)
    assert (found.order_id, found.client_order_id, found.symbol) == ("C1", "other-1", "BTCUSDT")
    assert strangers.calls_due == 0
    assert not strangers.see("C1", "other-1", "BTCUSDT", 9.0)


def test_order_with_a_prefix_that_was_declared_is_no_stranger() -> None:
    assert not ForeignOrders(("grid2-", "x")).see("C1", "grid2-7", "BTCUSDT", 0.0)
    assert ForeignOrders(("grid2-", "x")).see("C1", "", "BTCUSDT", 0.0)
    assert ForeignOrders(()).see("C1", "grid2-7", "BTCUSDT", 0.0)


@pytest.mark.parametrize("known", ["C1", "m-1"])
def test_order_that_turns_out_to_be_ours_is_not_told(known: str) -> None:
    strangers = ForeignOrders(())
    strangers.see("C1", "m-1", "BTCUSDT", 0.0)
    assert strangers.judge(1.0, lambda name: name == known, is_waiting=False) == []
    assert strangers.calls_due == 0


def test_order_without_a_name_may_be_one_whose_answer_is_still_to_come() -> None:
    strangers = ForeignOrders(())
    strangers.see("C1", "", "BTCUSDT", 0.0)
    assert strangers.judge(GRACE_S - 0.1, lambda name: False, is_waiting=False) == []
    assert strangers.judge(GRACE_S + 1, lambda name: False, is_waiting=True) == []
    assert strangers.calls_due == 1
    assert [one.order_id for one in strangers.judge(GRACE_S + 2, lambda name: False, is_waiting=False)] == ["C1"]


def test_very_many_orders_are_judged_a_few_at_a_time() -> None:
    strangers = ForeignOrders(())
    for number in range(5 * AT_ONCE):
        strangers.see(f"C{number}", "" if number < AT_ONCE else "x", "BTCUSDT", 0.0)
    assert strangers.calls_due == 5
    found = [len(strangers.judge(1.0, lambda name: False, is_waiting=True)) for _ in range(5)]
    assert found == [0, AT_ONCE, AT_ONCE, AT_ONCE, AT_ONCE]
    assert strangers.calls_due == 1  # the unnamed ones wait


def test_what_is_remembered_has_a_bound() -> None:
    strangers = ForeignOrders((), most=3)
    for number in range(10):
        strangers.see(f"C{number}", "x", "BTCUSDT", 0.0)
    assert len(strangers.judge(1.0, lambda name: False, is_waiting=False)) == 3
