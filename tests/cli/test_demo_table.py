"""The demo's live table, on terminals of two widths."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from rich.console import Console

from mexc_async.cli.demo.market import Demo
from mexc_async.cli.demo.run import live_table
from mexc_async.cli.demo.summary import Counters
from mexc_async.client.mexc import Mexc
from mexc_async.runtime.clock import SYSTEM


@pytest.mark.parametrize("width", [80, 120])
async def test_table_shows_every_figure_whole(width: int) -> None:
    counters = Counters(SYSTEM)
    mexc = Mexc.sim()
    demo = Demo(mexc, ["BTCUSDT", "ETHUSDT", "SOLUSDT"], counters, SYSTEM)
    for quote in demo.quotes.values():
        quote.bid, quote.ask, quote.last = Decimal("167247.80"), Decimal("167253.27"), Decimal("167250.00")
        quote.change, quote.lag_ms, quote.open_orders = Decimal("-0.1234"), -5.0, 14
        quote.pushes, quote.filled = 9_990, Decimal("12345.67")
    counters.requests, counters.pushes, counters.orders, counters.fills = 34_512, 714_812, 10_412, 2_412
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=True, color_system=None).print(
        live_table(demo, counters, 10.0, 15.0, width)
    )
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    rows = [line.split() for line in lines if "USDT" in line]
    last = ["167250.00"] if width == 120 else []
    state = demo.quotes["BTCUSDT"].book.state.value
    figures = ["167247.80", "167253.27", *last, "-12.34", "%", state, "999", "0", "14", "12345.67"]
    assert rows == [[symbol, *figures] for symbol in demo.quotes]
    assert any("34512 requests  714812 pushes  10412 orders  2412 fills  0 errors" in line for line in lines)
    await mexc.aclose()
