"""The programs in `examples/` run as they are, and their strategies in a back-test too."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from mexc_async import backtest
from mexc_async.backtest.strategy import load
from mexc_async.sim.rest.config import SimConfig, main_account
from tests.support.tape_file import START_MS, write_tape

D = Decimal
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TRIANGLE = EXAMPLES / "triangular_arbitrage.py"


def test_triangular_arbitrage_gains_where_the_simulator_opens_a_gap() -> None:
    program = [sys.executable, "-W", "error", str(TRIANGLE), "--seconds", "3"]
    result = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    *lines, last = result.stdout.splitlines()
    assert any("200 became 200." in line for line in lines), lines  # the market moves: some rounds meet another price
    assert last.endswith(" rounds")


def test_triangular_arbitrage_is_short_enough_to_read_at_once() -> None:
    assert len(TRIANGLE.read_text().splitlines()) < 120


def test_triangular_arbitrage_takes_a_recorded_gap_until_the_limit_on_orders_binds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twelve orders are sent in a second: four rounds. The fifth waits, and the gap is gone."""
    tape = tmp_path / "triangle.jsonl"

    def book(second: int, symbol: str, bid: str, ask: str) -> bytes:
        levels = {"bids": [[bid, "9.000001"]], "asks": [[ask, "9.000001"]]}
        return orjson.dumps({"ts_ms": START_MS + second * 1000, "symbol": symbol, "kind": "snapshot", **levels})

    books = [
        book(0, "BTC-USDT", "49990.00", "50000.00"),
        book(0, "ETH-BTC", "0.039990", "0.040000"),
        book(0, "ETH-USDT", "1999.00", "2001.00"),
        book(5, "ETH-USDT", "2020.00", "2021.00"),  # 1 % more than 50,000 x 0.04
        book(6, "ETH-USDT", "1999.00", "2001.00"),
        book(9, "ETH-USDT", "1999.00", "2001.00"),
    ]
    tape.write_bytes(b"\n".join(books))
    result = backtest.run(load(str(TRIANGLE)), tape=tape, parameters={"stake": "200"})
    rounds = [f"round {number}: 200 became 201.6971 USDT, +0.849 %" for number in range(1, 5)]
    assert capsys.readouterr().out.splitlines() == [
        *rounds,
        "ETHUSDT: filled 0 of 0.099900; the round continues with that",
        "round 5: 200 became 0.0000 USDT, the rest is left as it is",
    ]
    assert [(fill.symbol, fill.side) for fill in result.fills[:3]] == [
        ("BTCUSDT", "BUY"),
        ("ETHBTC", "BUY"),
        ("ETHUSDT", "SELL"),
    ]
    assert all(START_MS + 5000 < fill.time < START_MS + 6000 for fill in result.fills[:12])
    assert [limit.limit for limit in result.limits if limit.kind == "waited"] == ["orders"]


def test_grid_earns_a_step_for_each_rung_that_the_price_crosses_twice(tmp_path: Path) -> None:
    """The price falls from 100.01 to 97.01 and comes back."""
    tape = write_tape(tmp_path / "minute.jsonl")
    parameters = {"levels": 3, "step": "0.005", "value": 40}
    exchange = SimConfig(accounts=(main_account(balances={"USDT": D(1000), "BTC": D(5)}),))
    result = backtest.run(load(str(EXAMPLES / "grid.py")), tape=tape, parameters=parameters, exchange=exchange)
    prices = [D("98.50"), D("99.00"), D("99.50"), D("100.01")]
    rungs = [(low, high, round(40 / low - D("0.0005"), 3)) for low, high in pairwise(prices)]
    filled = [order for order in result.orders if order.status == "FILLED"]
    bought = {(order.price, order.filled_quantity) for order in filled if order.side == "BUY"}
    sold = {(order.price, order.filled_quantity) for order in filled if order.side == "SELL"}
    assert bought == {(low, quantity) for low, _, quantity in rungs}
    assert sold == {(high, quantity) for _, high, quantity in rungs}
    assert result.profit == sum((high - low) * quantity for low, high, quantity in rungs)
    assert {order.status for order in result.orders} == {"FILLED", "CANCELED"}
