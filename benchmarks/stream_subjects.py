"""Subjects that receive pushes and hand every push of a channel to a meter.

Each subject imports its library, so the benchmark measures the installed ones only.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter, process_time
from types import ModuleType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import orjson

from benchmarks.decode import frames_by_case, structs
from benchmarks.harness import OWN, OWN_PURE, Sample
from mexc_async.client.mexc import Mexc
from mexc_async.spot import channels
from mexc_async.spot.push import Push, decode_push
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.websocket import Library

TICKER, DEPTH = "book ticker", "depth, 30 levels"
CHANNELS = {TICKER: channels.book_ticker("BTCUSDT"), DEPTH: channels.depth("BTCUSDT")}
BARE, HAND_MADE = "picows bare", "aiohttp + protobuf + Structs text"
AIOMEXC = "aiomexc"
"""A known client that offers neither channel."""


class Meter:
    """Counter of pushes and timer from the subscription to the last push.

    Timing from the first push would favour clients that queue: they may have read all pushes by then.
    """

    def __init__(self, frames: int) -> None:
        self.done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        """Future of the last push."""
        self.sample: Sample = {}
        self._frames = frames
        self._count = 0
        self._started = self._used = 0.0

    def start(self) -> None:
        """Start the timer, right before subscribing; a library that connects only then pays for it."""
        self._started, self._used = perf_counter(), process_time()

    def heard(self, push: object) -> None:
        self._count = count = self._count + 1
        if count == self._frames:
            taken, used = perf_counter() - self._started, process_time() - self._used
            self.sample = {"frames_per_s": count / taken, "cpu_us_per_frame": used / count * 1e6}
            self.done.set_result(push)


Subject: TypeAlias = Callable[[str, str, Meter], AbstractAsyncContextManager[None]]
"""Function that returns a context manager: it subscribes a case's channel at a URL, and closes all at its end."""


def check(last: object, case: str) -> None:
    """Compare the last push with the last frame: no subject wins by doing less. Raises AssertionError."""
    sent = _last_frame(case)
    if isinstance(last, Push | bytes):
        assert last == (sent if isinstance(last, bytes) else structs(sent)), "not what was sent"
    assert last is not None, "nothing was handed out"


@cache
def _last_frame(case: str) -> bytes:
    return frames_by_case()[case][-1]


def request(case: str) -> str:
    return orjson.dumps({"method": "SUBSCRIPTION", "params": [CHANNELS[case]], "id": 1}).decode()


@asynccontextmanager
async def _sdk(url: str, case: str, meter: Meter, library: Library) -> AsyncIterator[None]:
    """Run the SDK as users do: session, reconnects, counts, lag, and a callback."""
    rest = f"http://{urlsplit(url).netloc}"
    async with Mexc(rest=rest, ws=url, limits="unlimited", streams=StreamSettings(library=library)) as mexc:
        stream: Any = mexc.streams.book_ticker if case == TICKER else mexc.streams.depth
        meter.start()
        async with stream("BTCUSDT", callback=meter.heard):
            yield


@asynccontextmanager
async def _picows(url: str, case: str, meter: Meter, decode: Callable[[bytes], object] | None) -> AsyncIterator[None]:
    """Run picows alone."""
    import picows

    binary, heard = picows.WSMsgType.BINARY, meter.heard

    class Bare(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type is binary:
                heard(frame.get_payload_as_bytes())

    class Decoding(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type is binary and decode is not None:
                heard(decode(frame.get_payload_as_bytes()))

    transport, _ = await picows.ws_connect(Decoding if decode else Bare, url, use_aiofastnet=False)
    meter.start()
    transport.send(picows.WSMsgType.TEXT, request(case).encode())
    try:
        yield
    finally:
        transport.disconnect(graceful=False)
        await transport.wait_disconnected()


@asynccontextmanager
async def _aiohttp(url: str, case: str, meter: Meter) -> AsyncIterator[None]:
    """Run aiohttp with protobuf's C runtime, its values in the same Structs as ours."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=0) as socket:

        async def read() -> None:
            binary, heard = aiohttp.WSMsgType.BINARY, meter.heard
            await socket.send_str(request(case))
            async for message in socket:
                if message.type is binary:
                    heard(structs(message.data))

        meter.start()
        async with _meanwhile(read()):
            yield


@asynccontextmanager
async def _ccxt(url: str, case: str, meter: Meter) -> AsyncIterator[None]:
    """Run ccxt.pro with its one market loaded; count each ticker that it returns."""
    exchange: Any = import_module("ccxt.pro").mexc({"enableRateLimit": False})
    market = {"id": "BTCUSDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
    exchange.set_markets([exchange.safe_market_structure(market)])
    exchange.urls["api"]["ws"]["spot"] = url
    handle = exchange.handle_ticker

    def counted(client: Any, message: Any) -> None:
        handle(client, message)
        meter.heard(exchange.tickers["BTC/USDT"])

    async def watch() -> None:
        while True:
            await exchange.watch_ticker("BTC/USDT")

    exchange.handle_ticker = counted
    meter.start()
    try:
        async with _meanwhile(watch()):
            yield
    finally:
        await exchange.close()


@asynccontextmanager
async def _pymexc(url: str, case: str, meter: Meter) -> AsyncIterator[None]:
    """Run pymexc's asyncio client; it returns protobuf's message with no field read."""
    sys.modules.setdefault("pymexc._async.web", ModuleType("web"))  # the package imports it, but its wheel lacks it
    spot = import_module("pymexc._async.spot")
    client: Any = type("Local", (spot.WebSocket,), {"is_spot": True})()
    client.endpoint = url

    async def on_push(message: object) -> None:
        meter.heard(message)

    subscribe = client.book_ticker_stream if case == TICKER else client.depth_stream
    meter.start()
    await subscribe(on_push, "BTCUSDT", "100ms")
    try:
        yield
    finally:
        client.restart_on_error = False
        client.exit()


@asynccontextmanager
async def _typed_mexc(url: str, case: str, meter: Meter) -> AsyncIterator[None]:
    """Run typed-mexc's stream of one channel."""
    market: Any = import_module("typed_mexc").MEXC.new("key", "secret", spot_ws_url=url).spot.streams.market
    subscribe = market.book_ticker if case == TICKER else market.depth_updates

    async def read() -> None:
        async with subscribe("100ms", "BTCUSDT") as stream:
            async for message in stream:
                meter.heard(message)

    meter.start()
    async with _meanwhile(read()):
        yield


@asynccontextmanager
async def _meanwhile(work: Any) -> AsyncIterator[None]:
    """Run a coroutine during the block; its failure shows as missing pushes."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


SUBJECTS: dict[str, Subject] = {
    OWN: partial(_sdk, library="picows"),
    OWN_PURE: partial(_sdk, library="picows"),  # in a process on the pure core
    f"{OWN} aiohttp text": partial(_sdk, library="aiohttp"),
    "picows + decode_push text": partial(_picows, decode=decode_push),
    BARE: partial(_picows, decode=None),
    HAND_MADE: _aiohttp,
    "ccxt float": _ccxt,
    "pymexc bare protobuf": _pymexc,
    "typed-mexc own objects": _typed_mexc,
}
PEERS = {"ccxt float": "ccxt", "pymexc bare protobuf": "pymexc", "typed-mexc own objects": "typed_mexc"}
"""Subject -> the package that it needs."""
PEER_GOALS = {"ccxt float": 1 / 14, "typed-mexc own objects": 1 / 12}
"""Largest share of a peer's CPU time that the pure core may take."""
ONLY = {"ccxt float": (TICKER,)}
"""Subjects for some cases only: for depth, ccxt returns a book instead of pushes."""
MOST = {"ccxt float": 2048}
"""Most frames of a run: ccxt empties aiohttp's buffer itself, and then newer aiohttp never reads again."""


def absent() -> dict[str, str]:
    """List the peers that cannot be measured, with the reasons."""
    missing = {package: "not installed" for package in (*PEERS.values(), AIOMEXC) if find_spec(package) is None}
    return {AIOMEXC: "has neither channel"} | missing
