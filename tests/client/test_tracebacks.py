"""Tracebacks with the locals of every frame, as error trackers record them, hold no key, secret or signature."""

from __future__ import annotations

import asyncio
import io
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from rich.console import Console
from rich.traceback import Traceback

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError, ConnectFailed
from mexc_async.keys.encryption import encrypt
from mexc_async.keys.environment import from_environment
from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.key_ring import KeyBook, StoredKey
from mexc_async.native.loader import compiled
from mexc_async.rest.call import Options, call_of
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from mexc_async.spot.trading import NewOrder
from mexc_async.streams.websocket import Library, SocketConfig, connect
from tests.support.settings import flat

KEY, SECRET = "mx0vglTRACEBACKTEST", "5ecre7-of-the-traceback-test"
SIGNED = re.compile(r"signature=[0-9a-f]{8}|listenKey=\w{8}|[0-9a-f]{64}")
ORDER = NewOrder(symbol="XRPUSDT", side="BUY", type="LIMIT", quantity=Decimal(20), price=Decimal("0.5"))
Act = Callable[[Mexc], Awaitable[object]]
ONCE = RetryPolicy(budget_s=0.0)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that led to it, suppressed ones too."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def frames(error: BaseException) -> Iterator[FrameType]:
    for one in chain(error):
        trace = one.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals.get("__name__") != __name__:
                yield trace.tb_frame
            trace = trace.tb_next


def leaks(error: BaseException) -> list[str]:
    """Return the locals of all frames, this test's own apart, that show a secret; and texts of the errors."""
    found = [f"{type(one).__name__}: {one!r} {one}" for one in chain(error)]
    for frame in frames(error):
        for name, value in frame.f_locals.items():
            found.append(f"{frame.f_code.co_qualname} {name} = {value!r}")
    shown = io.StringIO()
    traceback = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, suppress=[__file__])
    Console(file=shown, width=400).print(traceback)
    found += shown.getvalue().splitlines()
    return [text for text in found if KEY in text or SECRET in text or SIGNED.search(text)]


@pytest.fixture
def exchange() -> Iterator[BackgroundSimulator]:
    account = AccountSpec(name="main", api_key=KEY, api_secret=SECRET, balances={"USDT": Decimal(1000)})
    with BackgroundSimulator(SimConfig(limits="none", flow=0, accounts=(account,))) as simulator:
        yield simulator


class Silent:
    """A listener that nothing reaches."""

    def on_frame(self, frame: bytes) -> None: ...

    def on_text(self, text: str) -> None: ...

    def on_closed(self) -> None: ...


@asynccontextmanager
async def warm(exchange: BackgroundSimulator, **settings: Any) -> AsyncIterator[Mexc]:
    """Open a client with connections, so that a short time-out is that of an answer."""
    mexc = Mexc(
        Credentials(KEY, SECRET),
        **flat(**{"rest": exchange.rest, "ws": exchange.spot_ws, "limits": "unlimited", "retry": ONCE} | settings),
    )
    async with mexc:
        await mexc.warm_up(1)
        await mexc.spot.account()
        yield mexc


async def read(mexc: Mexc) -> object:
    return await mexc.using(timeout_s=0.5).spot.account()


async def place(mexc: Mexc) -> object:
    return await mexc._api.deliver(ORDER, Options(timeout_s=0.5))


async def place_in_python(mexc: Mexc) -> object:
    return await mexc._api.carry_out(call_of(ORDER, Options()), Options(timeout_s=0.5))


async def undeclared(mexc: Mexc) -> object:
    return await mexc.using(timeout_s=0.5).request("POST", "/api/v3/order", {"symbol": "XRPUSDT"}, signed=True)


ACTS = [read, place, place_in_python, undeclared]
FAULTS = (
    Fault(kind="reset"),
    Fault(kind="truncate"),
    Fault(kind="error"),
    Fault(kind="mute"),
    Fault(kind="restart", delay_ms=5000, at="unread"),  # the next connection is refused
)


async def outcome(act: Act, mexc: Mexc) -> BaseException | None:
    try:
        await act(mexc)
    except Exception as error:
        return error
    return None


async def failure(act: Act, mexc: Mexc) -> BaseException:
    with pytest.raises(BaseException) as caught:
        await act(mexc)
    return caught.value


@pytest.mark.parametrize("transport", ["lane", "pool"])
@pytest.mark.parametrize("act", ACTS)
async def test_a_lost_answer_leaves_no_secret(act: Act, transport: str, exchange: BackgroundSimulator) -> None:
    async with warm(exchange, transport=transport) as mexc:
        for fault in FAULTS:
            exchange.call(lambda simulator, fault=fault: simulator.inject(fault))  # type: ignore[misc]
            assert leaks(await failure(act, mexc)) == [], fault
            exchange.call(lambda simulator: simulator.clear_faults())
        assert leaks(await failure(act, mexc)) == []  # no connection


@pytest.mark.parametrize("act", ACTS)
async def test_a_refusal_leaves_no_secret(act: Act, exchange: BackgroundSimulator) -> None:
    async with warm(exchange) as mexc:
        mexc._api.sign_with(Credentials(KEY, SECRET + "x"))
        assert leaks(await failure(act, mexc)) == []
        mexc._api.sign_with(Credentials("mx0unknown" + KEY, SECRET))
        assert leaks(await failure(act, mexc)) == []


PARTS = {
    "transport": ("mexc_async.transport.pool.Pool._read", "mexc_async.transport.connection.Connection.request"),
    "signature": ("mexc_async.rest.pipeline.signed", "mexc_async.rest.pipeline.query_of"),
    "answer": ("mexc_async.rest.pipeline.error_of", "mexc_async.rest.pipeline.decode"),
    "report": ("mexc_async.rest.pipeline.RequestDone",),
}
"""Functions that raise in each part of a call, as a bug in them would."""


@pytest.mark.parametrize("act", ACTS)
async def test_a_bug_in_any_part_leaves_no_secret(
    act: Act, exchange: BackgroundSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("a bug")

    async with warm(exchange) as mexc:
        mexc.hooks.add(lambda event: None)
        for part, names in PARTS.items():
            with monkeypatch.context() as patched:
                for name in names:
                    patched.setattr(name, broken)
                error = await outcome(act, mexc)
            assert compiled or error, part  # the compiled core does some parts by itself
            assert ([] if error is None else leaks(error)) == [], part


@pytest.mark.parametrize("act", ACTS)
async def test_a_cancelled_call_leaves_no_secret(act: Act, exchange: BackgroundSimulator) -> None:
    async def impatient(mexc: Mexc) -> None:
        async with asyncio.timeout(0.3):
            await act(mexc)

    async with warm(exchange) as mexc:
        exchange.call(lambda simulator: simulator.inject(Fault(kind="mute")))
        error = await failure(impatient, mexc)
        assert isinstance(error, TimeoutError)
        assert leaks(error) == []
        exchange.call(lambda simulator: simulator.clear_faults())


@pytest.mark.parametrize("library", ["picows", "aiohttp"])
async def test_a_socket_that_cannot_be_opened_leaves_no_listen_key(library: Library) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{closed.getsockname()[1]}/ws?listenKey={'a1' * 32}"
        with pytest.raises(ConnectFailed) as caught:
            await connect(url, Silent(), SocketConfig(library=library))
        assert leaks(caught.value) == []


def test_a_malformed_key_leaves_no_secret() -> None:
    wrong = (SECRET + " ", f"{SECRET} x", SECRET + "\u20ac", "")
    for key, secret in [(KEY + " ", SECRET), *((KEY, secret) for secret in wrong)]:
        environment = {"MEXC_API_KEY": key, "MEXC_API_SECRET": secret}
        for make in (partial(Credentials, key, secret), partial(from_environment, environment)):
            with pytest.raises(ConfigError) as caught:
                make()
            assert leaks(caught.value) == []


def test_a_key_store_that_cannot_be_read_leaves_no_secret(tmp_path: Path) -> None:
    store = KeyFile(tmp_path / "keys", lambda _: SECRET, cost=10)
    store.change(lambda book: book.added("a", StoredKey(api_key=KEY, api_secret=SECRET, created_ms=1)))
    errors = []
    for act in (
        KeyFile(tmp_path / "keys", lambda _: f"{SECRET}-wrong", cost=10).read,
        partial(store.change, lambda book: book.added("a", StoredKey(api_key="b", api_secret="c", created_ms=1))),
        partial(encrypt, SECRET.encode(), SECRET[:7]),
        partial(KeyBook.decode, b"{" + SECRET.encode()),
    ):
        with pytest.raises(ConfigError) as caught:
            act()
        errors.append(caught.value)
    assert [leaks(error) for error in errors] == [[], [], [], []]


def test_the_search_finds_what_it_looks_for() -> None:
    space: dict[str, Any] = {"__name__": "elsewhere"}
    exec("def reveal(text): raise ValueError", space)
    for text in (SECRET, KEY, "signature=0123456789abcdef", "a1" * 32):
        with pytest.raises(ValueError) as caught:
            space["reveal"](text)
        assert leaks(caught.value)
