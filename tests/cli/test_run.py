"""`mexc-async run`: one strategy on a simulated exchange and as if live, and wrong input."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from mexc_async.sim.rest.background import BackgroundSimulator
from tests.support.command import COMMAND, Run, Terminal, invoke

SOURCE = '''
"""A strategy for tests."""
from __future__ import annotations

import asyncio
from decimal import Decimal

from mexc_async import Mexc


async def main(mexc: Mexc, *, quantity: Decimal = Decimal("0.01"), fail: bool = False) -> None:
    ticker = await mexc.spot.book_ticker(symbol="BTCUSDT")
    order = await mexc.orders.ioc_buy("BTCUSDT", quantity=quantity, price=ticker.ask_price)
    await order.closed()
    print("bought", order.filled_quantity.normalize())
    if fail:
        deeper()


def deeper():
    return 1 / 0


async def waits(mexc: Mexc) -> None:
    async with mexc.orders.session() as session:
        ticker = await mexc.spot.book_ticker(symbol="BTCUSDT")
        await mexc.load_rules()
        price = mexc.rules("BTCUSDT").price(ticker.bid_price * Decimal("0.9"))
        await mexc.orders.limit_buy("BTCUSDT", quantity=Decimal("0.01"), price=price)
        print("waiting", flush=True)
        await asyncio.sleep(600)


async def accounts_by_name(accounts) -> None:
    print(*accounts, *[balance.free for name in accounts for balance in (await accounts[name].spot.account()).balances])


def plain(mexc): ...
'''


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "taker.py"
    path.write_text(SOURCE)
    return path


def test_strategy_runs_on_a_simulated_exchange_by_default(strategy: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    ended = invoke("run", str(strategy), "--param", "quantity=0.02", "--balance", "USDT=5000", "--json", str(out))
    assert ended.status == 0, ended.err
    first, table, *rows = ended.out.splitlines()
    assert first == "bought 0.02"
    assert table == "taker.py:main(quantity=0.02, fail=false) on simulator, seed 7"
    assert "orders     1: 1 filled" in rows
    assert ended.err == "taker.py:main(quantity=0.02, fail=false) runs on a simulated exchange; Ctrl-C ends it\n"
    result = json.loads(out.read_bytes())
    (fill,) = result["fills"]
    assert (fill["symbol"], fill["side"], fill["quantity"]) == ("BTCUSDT", "BUY", "0.02")
    balances = {one["asset"]: one for one in result["balances"]}
    assert balances["BTC"] == {"account": "main", "asset": "BTC", "free": "0.02", "locked": "0", "start": "0"}
    assert balances["USDT"]["start"] == "5000"


def test_several_accounts_are_given_to_the_strategy_together(strategy: Path, tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    file.write_text('[{"name": "grid", "api_key": "sim-grid", "api_secret": "grid-secret", "balances": {"USDT": "5"}}]')
    arguments = ["--balance", "USDT=7", "--accounts", str(file)]
    ended = invoke("run", f"{strategy}:accounts_by_name", *arguments)
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[0] == "main grid 7 5"


def test_error_of_a_strategy_is_a_line_after_its_own_traceback(strategy: Path) -> None:
    ended = invoke("run", str(strategy), "--param", "fail=true")
    assert ended.status == 1
    _, top, *trace, last = ended.err.splitlines()
    assert top == "Traceback (most recent call last):"
    assert trace[0].strip().startswith(f'File "{strategy}", line 17, in main')
    assert not any("mexc_async" in line for line in trace)
    assert last == "error: taker.py:21: ZeroDivisionError: division by zero"


def test_ctrl_c_cancels_the_strategy_and_shows_the_result(strategy: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    command = [*COMMAND, "run", f"{strategy}:waits", "--json", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in shown.splitlines()[1]
    assert errors.splitlines()[-1] == "error: interrupted"
    (order,) = json.loads(out.read_bytes())["orders"]
    assert order["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.py"], "strategy 'nowhere.py': there is no file nowhere.py"),
        (["grid:main"], "strategy 'grid:main' names no Python file: give FILE.py:FUNCTION, as in grid.py:main"),
        (["{file}:mian"], "taker.py has no mian; its async functions are main, waits, accounts_by_name"),
        (["{file}:plain"], "taker.py:plain is not async: a strategy is async def main(mexc, ...)"),
        (["{file}", "--param", "quantity"], "--param 'quantity' is not NAME=VALUE, as in levels=5"),
        (["{file}", "--param", "fail=1", "--param", "fail=0"], "--param fail is given twice"),
        (["{file}", "--param", "quantity=much"], "parameter quantity 'much' of taker.py:main is not an exact number"),
        (["{file}", "--param", "amount=1"], "parameter amount is none of taker.py:main: it takes quantity, fail"),
        (["{file}", "--sim", "--live"], "--sim and --live exclude each other"),
        (["{file}", "--live", "--json", "x.json"], "--json needs --sim or --backtest"),
        (["{file}", "--rest", "http://127.0.0.1:1"], "--rest and --ws need --live"),
        (["{file}", "--json", "no/such/folder/x.json"], "--json no/such/folder/x.json: cannot be written"),
        (["{file}", "--balance", "USDT"], "balance 'USDT' is not ASSET=AMOUNT"),
    ],
)
def test_wrong_input_is_one_line(strategy: Path, arguments: list[str], words: str) -> None:
    ended = invoke("run", *(one.replace("{file}", str(strategy)) for one in arguments))
    assert words in ended.error()


def test_file_that_is_no_python_is_one_line_with_its_place(strategy: Path) -> None:
    strategy.write_text("async def main(mexc):\n    x = = 1\n")
    assert invoke("run", str(strategy)).error() == "error: taker.py:2: invalid syntax"


def test_file_that_raises_is_shown_from_its_own_line_on(strategy: Path) -> None:
    strategy.write_text("levels = int('five')\n")
    ended = invoke("run", str(strategy))
    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith("error: taker.py:1: ValueError: invalid literal")
    assert "importlib" not in ended.err


def test_live_asks_first_and_runs_the_same_function(strategy: Path, exchange: BackgroundSimulator, run: Run) -> None:
    ended = run("run", str(strategy), "--live")
    assert "run taker.py:main(quantity=0.01, fail=false), which trades on its own: not done" in ended.error()
    ended = run("run", str(strategy), "--live", stdin=Terminal("n\n"))
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.splitlines()[-1] == "Go on? [y/N] error: not confirmed; nothing was sent"
    orders = len(exchange.call(lambda simulator: simulator.statement().orders))
    ended = run("run", str(strategy), "--live", stdin=Terminal("y\n"))
    assert (ended.status, ended.out) == (0, "bought 0.01\n"), ended.err
    assert len(exchange.call(lambda simulator: simulator.statement().orders)) == orders + 1
