"""The short commands end to end: market data, account, orders, transfers, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.wallet.account_audit import AccountAudit, OrderLine
from tests.support.command import Run, invoke


def truth(exchange: BackgroundSimulator) -> AccountAudit:
    return exchange.call(lambda simulator: simulator.statement())


def order(exchange: BackgroundSimulator, client_id: str) -> OrderLine | None:
    """Return the exchange's order with this id."""
    return next((line for line in truth(exchange).orders if line.client_id == client_id), None)


def test_ticker_shows_one_or_all(run: Run) -> None:
    one, every = run("ticker", "BTCUSDT", "--json").json, run("ticker", "--json").json
    assert isinstance(one, dict)
    assert isinstance(every, list)
    assert isinstance(one["last_price"], str)
    assert one["symbol"] in {row["symbol"] for row in every}
    head, *rows = run("ticker").out.splitlines()
    assert head.split()[:2] == ["symbol", "last_price"]
    assert len(rows) == len(every)


def test_book_shows_both_sides(run: Run) -> None:
    book = run("book", "BTCUSDT", "--limit", "2", "--json").json
    assert isinstance(book, dict)
    assert [len(book["bids"]), len(book["asks"])] == [2, 2]
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    shown = run("book", "BTCUSDT", "--limit", "2").out.split()
    assert {bid, ask, "bids", "asks"} <= set(shown)


def test_trades_show_times_as_people_read_them(run: Run) -> None:
    run("buy", "XRPUSDT", "--quantity", "10", "--yes")
    first = run("trades", "XRPUSDT", "--limit", "1").out.splitlines()[1].split()
    assert first[0].count("-") == 2
    assert first[1].count(":") == 2


def test_balances_leave_out_what_is_not_there(run: Run) -> None:
    rows = run("balances", "--json").json
    assert isinstance(rows, list)
    assert "USDT" in {row["asset"] for row in rows}
    assert all(float(row["free"]) or float(row["locked"]) for row in rows)


def test_a_market_order_is_followed_to_its_end(run: Run, exchange: BackgroundSimulator) -> None:
    told = run("buy", "BTCUSDT", "--quote", "50", "--client-order-id", "by-value", "--yes", "--json").json
    assert isinstance(told, dict)
    assert told["status"] == "FILLED"
    line = order(exchange, "by-value")
    assert line is not None
    assert told["filled_quantity"] == f"{line.executed:f}"
    assert told["fills"]
    assert told["fees"]


def test_a_limit_order_rests_is_listed_and_cancelled(run: Run, exchange: BackgroundSimulator) -> None:
    words = ["--quantity", "0.001", "--price", "20000", "--client-order-id", "rests"]
    told = run("buy", "BTCUSDT", *words, "--yes").out.split()
    assert "NEW" in told
    assert "rests" in run("orders", "BTCUSDT").out.split()
    assert "CANCELED" in run("cancel", "BTCUSDT", "--client-order-id", "rests", "--yes").out.split()
    assert run("orders").out == "no open order\n"
    assert run("orders", "BTCUSDT").out == "no open order of BTCUSDT\n"
    assert run("orders", "MXUSDT", "--all").out == "no order of MXUSDT in the last 24 hours\n"
    assert run("cancel", "MXUSDT", "--all", "--yes").out == "no order was open\n"
    assert "rests" in run("orders", "BTCUSDT", "--all").out.split()
    line = order(exchange, "rests")
    assert line is not None
    assert line.status == "CANCELED"


def test_cancelling_again_tells_how_the_order_ended(run: Run) -> None:
    words = ["--quantity", "0.001", "--price", "20000", "--client-order-id", "again"]
    run("buy", "BTCUSDT", *words, "--yes")
    for _ in range(2):
        assert "CANCELED" in run("cancel", "BTCUSDT", "--client-order-id", "again", "--yes").out.split()


def test_every_open_order_of_a_symbol_is_cancelled(run: Run) -> None:
    for price in ("20000", "20001"):
        run("sell", "ETHUSDT", "--quantity", "0.1", "--price", price, "--yes")
    rows = run("cancel", "ETHUSDT", "--all", "--yes", "--json").json
    assert isinstance(rows, list)
    assert len(rows) == 2
    assert run("orders", "--json").json == []


def test_an_order_that_cannot_be_filled_whole_says_so(run: Run) -> None:
    words = ["--quantity", "0.001", "--price", "20000", "--type", "FILL_OR_KILL"]
    told = run("buy", "BTCUSDT", *words, "--yes", "--json").json
    assert isinstance(told, dict)
    assert told["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["buy", "BTCUSDT"], "how much? give --quantity in the base asset, or --quote, a value in the quote asset"),
        (["buy", "BTCUSDT", "--price", "1"], "an order with --price needs --quantity, in the base asset"),
        (["sell", "BTCUSDT", "--quote", "5", "--price", "1"], "an order with --price needs --quantity"),
        (["sell", "BTCUSDT", "--quote", "5", "--quantity", "1"], "give --quantity or --quote, not both"),
        (["buy", "BTCUSDT", "--quantity", "x"], "--quantity 'x' is not a number"),
        (["buy", "BTCUSDT", "--quantity", "-1"], "quantity -1 must be above zero"),
        (["sell", "btcusdt", "--quantity", "1"], "as in BTCUSDT"),
        (["sell", "BTCUSDT", "--quantity", "1", "--type", "STOP"], "type 'STOP' is not one of"),
        (["sell", "BTCUSDT", "--quantity", "1", "--wait", "-1"], "--wait -1 must be from 0"),
        (["sell", "NOPEUSDT", "--quantity", "1", "--yes"], "'NOPEUSDT'"),
        (["buy", "BTCUSDT", "--quantity", "0.0000000001", "--price", "20000", "--yes"], "quantity"),
        (["buy", "BTCUSDT", "--quantity", "1"], "BUY 1 BTCUSDT at the market's price: not done"),
        (["sell", "BTCUSDT", "--quantity", "2", "--price", "30000"], "SELL 2 BTCUSDT at 30000 (LIMIT), worth 60000"),
        (["cancel", "BTCUSDT"], "give exactly one of --order-id, --client-order-id and --all"),
        (
            ["cancel", "BTCUSDT", "--all", "--order-id", "1"],
            "give exactly one of --order-id, --client-order-id and --all",
        ),
        (["cancel", "BTCUSDT", "--all"], "cancel every open order of BTCUSDT: not done"),
        (["orders", "--all"], "--all needs a symbol"),
        (["transfer", "USDT", "5"], "from_account_type and to_account_type are both SPOT"),
        (["transfer", "USDT", "5", "--to", "MARGIN"], "to_account_type 'MARGIN' is not one of 'SPOT', 'FUTURES'"),
        (["transfer", "USDT", "0", "--to", "FUTURES"], "amount 0 must be above zero"),
        (["transfer", "USDT", "5", "--to", "FUTURES"], "transfer 5 USDT from SPOT of the main account to FUTURES of"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(run: Run, arguments: list[str], words: str) -> None:
    assert words in run(*arguments).error(2)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (["--sim", "--ws", "ws://127.0.0.1:1/ws"], "--sim and --ws exclude each other"),
        (["--rest", "http://127.0.0.1:1", "--ws", "wss://gateway.example/ws"], "two exchanges"),
        (["--ws", "ws://127.0.0.1:1/ws"], "two exchanges"),
        (["--rest", "http://gateway.example", "--ws", "wss://gateway.example/ws"], "is not encrypted"),
    ],
)
def test_an_order_goes_to_one_exchange(target: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEXC_API_KEY", "key-of-nobody")
    monkeypatch.setenv("MEXC_API_SECRET", "secret-of-nobody")
    ended = invoke("buy", "BTCUSDT", "--quantity", "0.001", "--price", "20000", "--yes", *target)
    assert words in ended.error(2)


def test_more_than_there_is_is_refused_with_status_1(run: Run) -> None:
    assert "InsufficientBalance" in run("buy", "BTCUSDT", "--quantity", "30", "--price", "60000", "--yes").error(1)
    assert "InsufficientBalance" in run("transfer", "USDT", "90000000", "--to", "FUTURES", "--yes").error(1)


def test_a_transfer_moves_money_once(run: Run, exchange: BackgroundSimulator) -> None:
    told = run("transfer", "USDT", "5", "--to", "FUTURES", "--yes", "--json").json
    assert isinstance(told, dict)
    (line,) = [line for line in truth(exchange).transfers if line.tran_id == told["tran_id"]]
    assert (line.asset, line.amount, line.from_type, line.to_type) == ("USDT", Decimal(5), "SPOT", "FUTURES")


def test_a_transfer_reaches_a_sub_account(run: Run) -> None:
    run("call", "create_sub_account", "--sub-account", "grid00001", "--note", "grid", "--yes")
    told = run("transfer", "USDT", "7", "--to-account", "grid00001", "--yes", "--json").json
    assert isinstance(told, dict)
    rows = run("call", "sub_account_asset", "--sub-account", "grid00001", "--account-type", "SPOT", "--json").json
    assert isinstance(rows, dict)
    assert [(row["asset"], row["free"]) for row in rows["balances"]] == [("USDT", "7")]


def test_a_simulated_exchange_is_started_for_one_call() -> None:
    told = invoke("buy", "BTCUSDT", "--quantity", "0.001", "--sim", "--yes", "--json").json
    assert isinstance(told, dict)
    assert told["status"] == "FILLED"


@contextmanager
def started(exchange: BackgroundSimulator, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a separate process."""
    environment = {**os.environ, "MEXC_API_KEY": exchange.api_key, "MEXC_API_SECRET": exchange.api_secret}
    command = [sys.executable, "-m", "mexc_async", *arguments, "--rest", exchange.rest]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=environment) as p:
        yield p
        p.kill()


def until(is_so: Callable[[], bool]) -> None:
    """Wait until a process has an effect."""
    give_up = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def struck(exchange: BackgroundSimulator) -> Iterator[Callable[[Fault], Callable[[], bool]]]:
    """Order a fault; return a function that is True once it has occurred."""

    def order(fault: Fault) -> Callable[[], bool]:
        exchange.call(lambda simulator: simulator.inject(fault))
        return lambda: any(one.fault == fault and one.struck for one in exchange.call(lambda s: s.fault_counts()))

    yield order
    exchange.call(lambda simulator: simulator.clear_faults())


Struck = Callable[[Fault], Callable[[], bool]]


def test_ctrl_c_while_an_order_is_under_way_cancels_it(exchange: BackgroundSimulator, struck: Struck) -> None:
    has_struck = struck(Fault(kind="mute", on="new_order", times=1))
    words = ["buy", "BTCUSDT", "--quantity", "0.001", "--price", "20000", "--client-order-id", "ctrl-c", "--yes"]
    with started(exchange, *words) as process:
        until(lambda: has_struck() and order(exchange, "ctrl-c") is not None)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    told, last = err.splitlines()
    assert "ctrl-c BUY 0.001 BTCUSDT at 20000: CANCELED" in told
    assert last == "error: interrupted"
    line = order(exchange, "ctrl-c")
    assert line is not None
    assert line.status == "CANCELED"


def test_ctrl_c_while_an_order_is_waited_for_leaves_it_and_tells_its_state(exchange: BackgroundSimulator) -> None:
    words = ["--quantity", "0.001", "--price", "20000", "--client-order-id", "waited", "--wait", "60", "--yes"]
    with started(exchange, "buy", "BTCUSDT", *words) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waited is open; waiting 60 s for its end\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "error: interrupted\n"
    assert "NEW" in out.split()
    line = order(exchange, "waited")
    assert line is not None
    assert line.status == "NEW"


def test_ctrl_c_while_a_transfer_is_under_way_waits_for_its_answer(
    exchange: BackgroundSimulator, struck: Struck
) -> None:
    before = len(truth(exchange).transfers)
    has_struck = struck(Fault(kind="late_answer", on="universal_transfer", times=1, delay_ms=1500))
    with started(exchange, "transfer", "USDT", "3", "--to", "FUTURES", "--yes") as process:
        until(has_struck)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out.startswith("tran_id")
    assert "waiting for the answer" in err
    assert len(truth(exchange).transfers) == before + 1
