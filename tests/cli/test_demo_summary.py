"""The demo's counters and summary, without an exchange."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest
from rich.console import Console

from mexc_async.cli.demo.summary import BUCKETS_MS, BalanceDifference, Counters, Summary, bars, latency, render
from mexc_async.errors import MexcError, OrderNotFound, TooManyRequests
from mexc_async.limits.limiter import RateLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.rest.events import ClockSynced, RequestDone
from mexc_async.runtime.clock import SYSTEM


def done(method: str, path: str, *, status: int | None = 200, error: MexcError | None = None) -> RequestDone:
    return RequestDone(method, path, 1, 0.0, 0.003, status, error)


def test_percentiles_are_nearest_rank_and_every_call_is_in_the_histogram() -> None:
    row = latency("GET /x", [float(value) for value in range(1, 101)])
    assert (row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms) == (50, 90, 99, 100)
    assert sum(row.histogram) == row.count == 100
    assert row.histogram[-1] == sum(1 for value in range(1, 101) if value >= BUCKETS_MS[-1])


def test_one_call_is_every_percentile() -> None:
    row = latency("GET /x", [0.25])
    assert (row.p50_ms, row.p99_ms, row.max_ms) == (0.25, 0.25, 0.25)
    assert row.histogram[0] == 1


@pytest.mark.parametrize(
    ("histogram", "line"), [([0, 8, 4], " █▄"), ([1, 1000], "▁█"), ([0, 0], "  "), ([], "")]
)  # fmt: skip
def test_bars_show_whatever_is_not_empty(histogram: list[int], line: str) -> None:
    assert bars(histogram) == line


def test_counters_tell_orders_cancels_races_and_errors_apart() -> None:
    counters = Counters(SYSTEM)
    for event in (
        done("POST", "/api/v3/order"),
        done("DELETE", "/api/v3/order"),
        done("DELETE", "/api/v3/order", status=400, error=OrderNotFound("gone", code=-2011)),
        done("GET", "/api/v3/depth", status=429, error=TooManyRequests("slow down", code=429)),
        done("GET", "/api/v3/depth", status=None, error=MexcError("no answer")),
        done("POST", "/api/v3/order", status=None),
        done("GET", "/api/v3/order", status=400, error=OrderNotFound("not there yet", code=-2013)),
        ClockSynced(0.0, 0.1),
    ):
        counters.listen(event)
    assert (counters.orders, counters.cancels, counters.too_late, counters.requests) == (1, 1, 1, 5)
    assert counters.errors == {"TooManyRequests 429": 1, "MexcError": 1}


def summary(**changes: object) -> Summary:
    counters = Counters(SYSTEM)
    counters.listen(done("GET", "/api/v3/depth"))
    phase = counters.phase("market data and grid", 2.0, RateLimiter(Limits.named("guide"), SYSTEM).report())
    values: dict[str, object] = {
        "ok": True,
        "interrupted": False,
        "symbols": ["BTCUSDT"],
        "seed": 7,
        "tape": None,
        "phases": [phase],
        "balances": [BalanceDifference("BTC", Decimal("2"), Decimal("1.50"))],
        "problems": [],
    } | changes
    return Summary(**values)  # type: ignore[arg-type]  # a table of values for a test


def test_summary_as_json_keeps_amounts_exact_and_rates() -> None:
    plain = orjson.loads(summary().as_json())
    assert plain["balances"] == [{"asset": "BTC", "before": "2", "after": "1.50"}]
    assert plain["phases"][0]["requests_per_s"] == 0.5
    assert plain["phases"][0]["latencies"][0]["endpoint"] == "GET /api/v3/depth"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "everything went through"),
        ({"ok": False, "problems": ["burst: too slow"]}, "problem: burst: too slow"),
        ({"interrupted": True}, "interrupted; until then everything went through"),
    ],
)
def test_summary_as_text_says_how_it_went(changes: dict[str, object], words: str) -> None:
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(render(summary(**changes)))
    assert words in captured.get()
    assert "-0.5" in captured.get()
