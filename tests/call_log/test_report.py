"""Reports on a call log: filters and sums."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mexc_async.call_log.anomalies import HOUR_MS
from mexc_async.call_log.entries import (
    Anomaly,
    AnyEntry,
    Closed,
    Done,
    Lost,
    Opened,
    OrderChanged,
    Pushed,
    Renamed,
    Sending,
)
from mexc_async.call_log.report import Filter, Summing, same_order, select
from mexc_async.orders.snapshot import OrderFacts, RecordedError

PLACE, CANCEL, QUERY = "POST /api/v3/order", "DELETE /api/v3/order", "GET /api/v3/order"
BATCH = '[{"symbol":"ETHUSDT","side":"BUY","type":"LIMIT","newClientOrderId":"m-5"}]'
REFUSED = RecordedError("InsufficientBalance", "too little", 30004)
LOST = RecordedError("ConnectionLost", "gone")
FACTS = OrderFacts("m-1", "BTCUSDT", "BUY", "LIMIT", Decimal(1), Decimal(2), None, "C1", True)
ENTRIES: list[AnyEntry] = [
    Opened(0, 0, 1, 17),
    Sending(10, 10, "m@1", 1, PLACE, {"symbol": "BTCUSDT", "newClientOrderId": "m-1"}, 99, "m-1"),
    Done(20, 20, "m@1", PLACE, "ok", 3000, 500, 1, 200, "m-1", "C1"),
    OrderChanged(20, 20, "m@1", FACTS),
    Pushed(25, 25, "m@1", "spot@private.orders.v3.api.pb", {}, "BTCUSDT", "m-1", "C1"),
    Sending(30, 30, "m@1", 2, CANCEL, {"symbol": "BTCUSDT", "orderId": "C1"}, 99),
    Done(40, 40, "m@1", CANCEL, "unknown", 9000, 0, 2, error=LOST),
    Done(50, 50, "m@1", QUERY, "refused", 2000, 0, status=400, params={"symbol": "BTCUSDT", "orderId": "C9"},
         error=RecordedError("OrderNotFound", "no", -2013)),
    Sending(60, 60, "x@2", 1, "POST /api/v3/batchOrders", {"batchOrders": BATCH}, 99, "m-5"),
    Anomaly(70, 70, "m@1", "foreign_order", "text", "other-1", "C7", "BTCUSDT"),
    OrderChanged(80, 80, "x@2", OrderFacts("m-5", "ETHUSDT", "BUY", "LIMIT", Decimal(1), error=REFUSED)),
    Lost(85, 85, 4),
    Closed(90, 90),
]  # fmt: skip


def numbers(**wanted: Any) -> list[int]:
    """Return the entries that pass."""
    return [number for number, _ in select(enumerate(ENTRIES), Filter(**wanted))]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, list(range(len(ENTRIES)))),
        ({"endpoints": frozenset({PLACE})}, [1, 2]),
        ({"kinds": frozenset({"push", "closed"})}, [4, 12]),
        ({"client": "x@2"}, [8, 10]),
        ({"symbol": "BTCUSDT"}, [1, 2, 3, 4, 5, 6, 7, 9]),
        ({"symbol": "ETHUSDT"}, [8, 10]),
        ({"order_ids": frozenset({"m-1"})}, [1, 2, 3, 4]),
        ({"order_ids": frozenset({"C1"})}, [2, 3, 4, 5, 6]),
        ({"order_ids": frozenset({"C9"})}, [7]),
        ({"order_ids": frozenset({"m-5"})}, [8, 10]),
        ({"order_ids": frozenset({"C7"})}, [9]),
        ({"error": "any"}, [6, 7, 10]),
        ({"error": "unknown"}, [6]),
        ({"error": "refused"}, [7]),
        ({"error": "ConnectionLost"}, [6]),
        ({"error": "-2013"}, [7]),
        ({"error": "30004"}, [10]),
        ({"since_ms": 30, "until_ms": 60}, [5, 6, 7]),
        ({"since_ms": 86}, [12]),
        ({"symbol": "BTCUSDT", "error": "any", "since_ms": 45}, [7]),
    ],
)
def test_filter_takes_what_meets_every_condition(wanted: dict[str, Any], found: list[int]) -> None:
    assert numbers(**wanted) == found


def test_both_names_of_an_order_lead_to_each_other() -> None:
    assert same_order(ENTRIES, "C1") == same_order(ENTRIES, "m-1") == {"C1", "m-1"}
    assert same_order(ENTRIES, "C9") == {"C9"}


def test_call_that_ends_after_its_client_was_renamed_has_an_answer() -> None:
    sums = Summing()
    for entry in (ENTRIES[1], Renamed(15, 15, "m@1", "m@2"), Done(20, 20, "m@2", PLACE, "ok", 3000, 500, 1, 200)):
        sums.take(entry)
    assert sums.result().unanswered == 0


def test_sums() -> None:
    sums = Summing()
    for entry in ENTRIES:
        sums.take(entry)
    found = sums.result()
    assert (found.entries, found.first_ms, found.last_ms, found.lost) == (13, 0, 90, 4)
    assert found.clients == ["m@1", "x@2"]
    assert found.unanswered == 1  # the batch
    by_endpoint = {one.endpoint: one for one in found.endpoints}
    assert set(by_endpoint) == {PLACE, CANCEL, QUERY}
    placed = by_endpoint[PLACE]
    assert (placed.calls, placed.ok, placed.p50_ms, placed.max_ms, placed.waited_s) == (1, 1, 3.0, 3.0, 0.0005)
    assert (by_endpoint[CANCEL].unknown, by_endpoint[QUERY].refused) == (1, 1)
    assert {(one.error, one.code, one.count) for one in found.errors} == {
        ("ConnectionLost", None, 1), ("OrderNotFound", -2013, 1),
    }  # fmt: skip
    assert [(hour.hour_ms, hour.calls, hour.errors, hour.pushes) for hour in found.hours] == [(0, 3, 2, 1)]
    assert found.unusual == {"foreign_order": 1}


def test_sums_of_nothing() -> None:
    found = Summing().result()
    assert (found.entries, found.first_ms, found.endpoints, found.hours) == (0, None, [], [])


def test_percentiles_and_unusual_hours() -> None:
    sums = Summing()
    for hour, count in enumerate([20, 20, 20, 101]):
        for number in range(count):
            sums.take(Done(hour * HOUR_MS + number, 0, "m@1", PLACE, "ok", 1000 * (number + 1), 0, number, 200))
    found = sums.result()
    (placed,) = found.endpoints
    assert (placed.calls, placed.max_ms) == (161, 101.0)
    assert placed.p50_ms == 21.0
    assert [(one.hour_ms // HOUR_MS, one.calls, one.median) for one in found.excesses] == [(3, 101, 20.0)]
    assert [hour.calls for hour in found.hours] == [20, 20, 20, 101]
