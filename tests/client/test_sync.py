"""The client without `await`: calls, streams, books and orders from a program without an event loop."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.client.sync import SyncMexc
from mexc_async.errors import (
    ClientClosed,
    ConfigError,
    InvalidRequest,
    InvalidSymbol,
    MissingCredentials,
    OrderNotFilled,
    WaitTimeout,
)
from mexc_async.orders.record import OrderState
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from mexc_async.spot.market import DepthQuery

PRICE, QUANTITY = Decimal("20000.00"), Decimal("0.001")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def exchange() -> Iterator[BackgroundSimulator]:
    with BackgroundSimulator(SimConfig(limits="none")) as simulator:
        yield simulator


def own_threads() -> int:
    return sum(thread.name == "mexc_async" for thread in threading.enumerate())


def client_of(exchange: BackgroundSimulator) -> SyncMexc:
    return Mexc.sync(Credentials(exchange.api_key, exchange.api_secret), rest=exchange.rest, ws=exchange.spot_ws)


@pytest.fixture
def mexc(exchange: BackgroundSimulator) -> Iterator[SyncMexc]:
    with client_of(exchange) as mexc:
        yield mexc
    assert own_threads() == 0


def test_calls_return_their_answers_and_raise_their_errors(mexc: SyncMexc) -> None:
    assert mexc.spot.depth(symbol="BTCUSDT", limit=5).bids
    assert len(mexc.spot.book_ticker()) > len([mexc.spot.book_ticker(symbol="BTCUSDT")])
    assert mexc.send(DepthQuery(symbol="BTCUSDT")).asks
    assert isinstance(mexc.request("GET", "/api/v3/time"), dict)
    assert mexc.using(timeout_s=20).spot.account().balances
    with pytest.raises(InvalidSymbol):
        mexc.spot.depth(symbol="NOSUCH")
    with pytest.raises(InvalidRequest):
        mexc.spot.depth(symbol="BTCUSDT", limit=0)
    mexc.load_rules()
    assert mexc.rules("BTCUSDT").price(Decimal("1.23456")) == Decimal("1.23")
    assert repr(mexc).startswith("<SyncMexc SIM 127.0.0.1:")


def test_a_stream_is_an_iterator(mexc: SyncMexc) -> None:
    seen = []
    for push in mexc.streams.book_ticker("BTCUSDT", interval="10ms"):
        seen.append(push.symbol)
        if len(seen) == 3:
            break
    assert seen == ["BTCUSDT"] * 3
    bare = mexc.streams.trades("BTCUSDT")
    for _ in bare:
        break
    assert list(bare) == []
    with mexc.streams.trades(["BTCUSDT", "ETHUSDT"]) as trades:
        for _ in range(2):
            assert next(iter(trades)).symbol in ("BTCUSDT", "ETHUSDT")
    assert not trades.real.is_connected


def test_a_callback_runs_and_an_ended_stream_raises_its_error(mexc: SyncMexc) -> None:
    seen = threading.Event()
    with mexc.streams.book_ticker("BTCUSDT", callback=lambda push: seen.set()):
        assert seen.wait(30)


def test_a_book_is_read_whole(mexc: SyncMexc) -> None:
    with mexc.books("BTCUSDT") as book:
        book.synced()
        assert book.is_synced
        book.changed()
        best, bids = book.best_bid, book.bids(3)
        assert best is not None
        assert isinstance(best.price, Decimal)
        assert len(bids) == 3
        assert book.vwap("BUY", Decimal("0.001")).price is not None
    with mexc.books("BTCUSDT", numbers="float") as floats:
        floats.synced()
        assert isinstance(floats.mid, float)
    with pytest.raises(InvalidRequest, match="of one symbol"):
        mexc.books(["BTCUSDT"])  # type: ignore[call-overload]  # a list is for Mexc


def test_orders_are_placed_followed_and_cancelled(mexc: SyncMexc) -> None:
    order = mexc.orders.limit_buy("BTCUSDT", price=PRICE, quantity=QUANTITY)
    assert order.accepted().status is OrderState.NEW
    with pytest.raises(WaitTimeout):
        order.filled(timeout_s=0.01)
    higher = order.replace(price=PRICE + 1)
    assert (order.status, higher.price) == (OrderState.CANCELED, PRICE + 1)
    assert [each.client_order_id for each in mexc.orders.live()] == [higher.client_order_id]
    assert mexc.orders.get(higher.client_order_id) == higher
    assert mexc.orders.get("nobody's") is None
    assert mexc.orders.cancel_all() == [higher]
    assert mexc.orders.all()[-2:] == [order, higher]
    with pytest.raises(OrderNotFilled):
        higher.filled()
    bought = mexc.orders.market_buy("BTCUSDT", quote=Decimal(20))
    assert bought.filled(timeout_s=60).filled_quantity > 0


def test_a_session_cancels_its_orders_in_its_thread_only(mexc: SyncMexc) -> None:
    def place() -> object:
        return mexc.orders.limit_buy("BTCUSDT", price=PRICE, quantity=QUANTITY)

    with mexc.orders.session() as session:
        inside = [place(), session.limit_buy("BTCUSDT", price=PRICE, quantity=QUANTITY)]
        with ThreadPoolExecutor(1) as other:
            outside = other.submit(place).result()
    assert mexc.orders.live() == [outside]
    assert outside not in inside
    mexc.orders.cancel_all()


def test_threads_share_a_client(mexc: SyncMexc) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: mexc.spot.server_time().server_time, range(40)))
    assert len(answers) == 40
    assert own_threads() == 1


def test_ctrl_c_ends_a_wait_and_leaves_the_client_usable(mexc: SyncMexc) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with mexc.streams.account() as changes:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                next(iter(changes))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert mexc.spot.ping() is not None


def test_close_may_be_called_twice_and_before_the_first_call(exchange: BackgroundSimulator) -> None:
    for use in (lambda mexc: None, lambda mexc: mexc.spot.ping()):
        mexc = client_of(exchange)
        use(mexc)
        mexc.close()
        mexc.close()
        assert own_threads() == 0
        with pytest.raises(ClientClosed):
            mexc.spot.ping()


def test_a_dropped_client_ends_its_thread_with_a_warning(exchange: BackgroundSimulator) -> None:
    clients = [client_of(exchange)]
    clients[0].spot.ping()
    assert own_threads() == 1

    def let_go() -> None:
        clients.clear()
        gc.collect()

    with pytest.warns(ResourceWarning, match="a synchronous client was dropped without close"):
        let_go()
    assert own_threads() == 0


async def test_a_running_loop_is_not_blocked(exchange: BackgroundSimulator) -> None:
    mexc = client_of(exchange)
    with pytest.raises(ConfigError, match=r"would block the event loop that runs here: await Mexc\(\.\.\.\) instead"):
        mexc.spot.ping()
    assert own_threads() == 0


def test_a_forked_process_is_refused(mexc: SyncMexc, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        with pytest.raises(ClientClosed, match="make one in each process, after the fork"):
            mexc.spot.ping()


def test_keys_come_from_the_environment(exchange: BackgroundSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEXC_API_KEY", exchange.api_key)
    monkeypatch.setenv("MEXC_API_SECRET", exchange.api_secret)
    with Mexc.sync.from_env(rest=exchange.rest, read_only=True) as mexc:
        assert mexc.spot.account().balances
    monkeypatch.delenv("MEXC_API_SECRET")
    with pytest.raises(MissingCredentials):
        Mexc.sync.from_env()


def test_a_simulator_starts_and_stops_with_a_program_that_forgets_to_close() -> None:
    code = "from mexc_async import Mexc\nmexc = Mexc.sync.sim()\nprint(mexc.spot.ping())"
    command = [sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "Empty()\n")
    assert "Traceback" not in done.stderr


SNIPPET = """
from decimal import Decimal

from mexc_async import Mexc, NewOrder

with Mexc.sync.sim(seed=3) as mexc:
    reveal_type(mexc)
    reveal_type(mexc.spot.depth(symbol="X"))
    reveal_type(mexc.spot.ticker_price(symbol="X"))
    reveal_type(mexc.spot.ticker_price())
    reveal_type(mexc.spot.new_order(symbol="X", side="BUY", type="LIMIT", quantity=Decimal(1), price=Decimal(1)))
    reveal_type(mexc.send(NewOrder(symbol="X", side="BUY", type="MARKET", quantity=Decimal(1))))
    reveal_type(mexc.orders.limit_buy("X", price=Decimal(1), quantity=Decimal(1)))
    reveal_type(mexc.orders.live())
    reveal_type(mexc.orders.get("m1"))
    reveal_type(mexc.books("X").best_bid)
    reveal_type(mexc.books("X", numbers="float").bids(3))
    for push in mexc.streams.trades("X"):
        reveal_type(push)
mexc.spot.depth(symbl="X")
mexc.spot.depth(symbol="X").bid
mexc.spot.klines(symbol="X", interval="1h")
mexc.orders.limit_buy("X", price=1.5, quantity=Decimal(1))
mexc.streams.trades("X", interval="1s")
Mexc.sync.sim(sed=3)
Mexc.sync.from_env(limit="default")
"""
WRONG = 7
"""Lines at the end of the snippet that are errors."""
REVEALED = [
    "SyncMexc", "Depth", "PriceTicker", "list[PriceTicker]", "OrderAck", "OrderAck", "SyncOrder", "list[SyncOrder]",
    "SyncOrder | None", "BookLevel[Decimal] | None", "list[BookLevel[float]]", "Push[TradesPush]",
]  # fmt: skip


def members(text: str) -> str:
    """Return a type with the members of its unions in order: versions of the checkers differ in it."""
    return " | ".join(sorted(text.split(" | ")))


def of_mypy(file: Path) -> tuple[list[str], set[int]]:
    """Return the revealed types, and the lines with errors."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-pretty", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    shown = re.findall(r'Revealed type is "(.*)"', done.stdout)
    plain = [re.sub(r"\btuple\[[^\"]*?fallback=([^\]]*\])\]", r"\1", text) for text in shown]
    return [re.sub(r"\b(?:\w+\.)+", "", text) for text in plain], {
        int(line) for line in re.findall(r"\.py:(\d+): error", done.stdout)
    }


def of_pyright(file: Path) -> tuple[list[str], set[int]]:
    """Return the revealed types, and the lines with errors."""
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    found = json.loads(done.stdout)["generalDiagnostics"]
    shown = [re.findall(r'is "(.*)"', one["message"])[0] for one in found if one["severity"] == "information"]
    return shown, {one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"}


@pytest.mark.parametrize("checker", [of_mypy, of_pyright])
def test_type_checkers_see_exact_results(checker: Callable[[Path], tuple[list[str], set[int]]], tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET, encoding="utf-8")
    shown, wrong = checker(snippet)
    assert list(map(members, shown)) == list(map(members, REVEALED))
    last = SNIPPET.count("\n")
    assert wrong == set(range(last - WRONG + 1, last + 1))
