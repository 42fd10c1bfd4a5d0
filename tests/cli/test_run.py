"""`mexc-async run`: one strategy on a simulated exchange and as if live, and wrong input."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from mexc_async.backtest.recorded_run import Progress
from mexc_async.cli.progress_line import ProgressLine
from mexc_async.sim.rest.background import BackgroundSimulator
from tests.support.command import COMMAND, Run, Terminal, invoke
from tests.support.tape_file import START_MS, write_tape

SOURCE = '''
"""A strategy for tests."""
from __future__ import annotations

import asyncio
from decimal import Decimal

from mexc_async import Mexc


async def main(mexc: Mexc, *, quantity: Decimal = Decimal("0.01"), fail: bool = False) -> None:
    order = await mexc.orders.market_buy("BTCUSDT", quantity=quantity)
    await order.filled()

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


class Screen(io.StringIO):
    """Standard error that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


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
    assert {(fill["symbol"], fill["side"]) for fill in result["fills"]} == {("BTCUSDT", "BUY")}
    assert sum(Decimal(fill["quantity"]) for fill in result["fills"]) == Decimal("0.02")
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


def test_strategy_runs_on_a_recorded_market_in_virtual_time(strategy: Path, tmp_path: Path) -> None:
    tape, out = write_tape(tmp_path / "minute.jsonl"), tmp_path / "result.json"
    arguments = ["--backtest", str(tape), "--param", "quantity=0.5", "--balance", "USDT=100", "--json", str(out)]
    ended = invoke("run", str(strategy), *arguments)
    assert (ended.status, ended.err) == (0, "")
    first, table, *rows = ended.out.splitlines()
    assert first == "bought 0.5"
    assert table == "taker.py:main(quantity=0.5, fail=false) on minute.jsonl, seed 7"
    assert "profit     -0.025005 USDT (-0.0250% of 100)" in rows
    result = json.loads(out.read_bytes())
    assert (result["start_time"], result["profit"]) == (START_MS, "-0.025005")
    assert invoke("run", str(strategy), *arguments).out == ended.out
    assert json.loads(out.read_bytes()) == result


def test_bars_with_their_facts_and_a_model(strategy: Path, tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    rows = [f"{START_MS + minute * 60_000},100,101,99,100.5,50000" for minute in range(3)]
    bars.write_text("timestamp,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    facts = [
        "--data",
        "symbol=BTCUSDT",
        "--data",
        "volume_in=quote",
        "--model",
        "spread_ticks=2",
        "--latency",
        "order=5",
    ]
    ended = invoke("run", str(strategy), "--backtest", str(bars), *facts)
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[0] == "bought 0.01"
    assert "warnings   bars show no order book" in ended.out


def test_progress_is_one_line_that_is_removed_at_the_end() -> None:
    screen = Screen()
    with ProgressLine(screen) as line:
        line.show(Progress(START_MS, 0.25, 1234.5))
    assert screen.getvalue() == "\r\x1b[K2023-11-14 22:13:20 UTC   25%  1,234 times real time\r\x1b[K"
    with ProgressLine(io.StringIO()) as line:
        assert not line.is_shown


def test_what_does_not_belong_in_virtual_time_is_one_line(strategy: Path, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "minute.jsonl")
    strategy.write_text("import time\nasync def main(mexc):\n    time.sleep(1)\n")
    assert "taker.py:3 calls time.sleep" in invoke("run", str(strategy), "--backtest", str(tape)).error(1)


def test_tape_or_bars_that_cannot_be_used_are_one_line(strategy: Path, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "minute.jsonl")
    lines = tape.read_text().splitlines()
    tape.write_text("\n".join([lines[0], lines[4], lines[1]]))
    assert f"{tape}, line 3" in invoke("run", str(strategy), "--backtest", str(tape)).error()
    bars = tmp_path / "BTCUSDT.csv"
    bars.write_text("timestamp,open,high,low,close,volume\n1700000000,1,1,1,1,0\n1700000060,1,1,1,1,0\n")
    assert "has no volume in any bar" in invoke("run", str(strategy), "--backtest", str(bars)).error()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.py"], "strategy 'nowhere.py': there is no file nowhere.py"),
        (["grid:main"], "strategy 'grid:main' names no Python file: give FILE.py:FUNCTION, as in grid.py:main"),
        (["{file}:mian"], "taker.py has no mian; its async functions are main, waits, accounts_by_name"),
        (["{file}:plain"], "taker.py:plain is not async: a strategy is async def main(mexc, ...)"),
        (["{file}", "--param", "quantity"], "--param 'quantity' is not NAME=VALUE"),
        (["{file}", "--param", "fail=1", "--param", "fail=0"], "--param fail is given twice"),
        (["{file}", "--param", "quantity=much"], "parameter quantity 'much' of taker.py:main is not an exact number"),
        (["{file}", "--param", "amount=1"], "parameter amount is none of taker.py:main: it takes quantity, fail"),
        (["{file}", "--sim", "--live"], "--sim and --live exclude each other"),
        (["{file}", "--backtest", "nowhere.jsonl"], "nowhere.jsonl: No such file or directory"),
        (["{file}", "--backtest", "x", "--live"], "--backtest and --live exclude each other"),
        (["{file}", "--data", "symbol=BTCUSDT"], "--data and --model need --backtest"),
        (["{file}", "--backtest", "x", "--data", "size=1"], "--data size is none of symbol, volume_in, exchange_info"),
        (["{file}", "--backtest", "x", "--model", "queue=front"], "Invalid enum value 'front'"),
        (["{file}", "--backtest", "x", "--model", "queue_power=99"], "queue_power 99.0 is not between 0 and 20"),
        (["{file}", "--backtest", "x", "--latency", "order=fast"], "latency order: fast"),
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
