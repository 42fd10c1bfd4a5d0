"""Hundreds of books within the limits, in time that is skipped: an exchange in memory, a loop that never waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

from mexc_async.books.live_book import FETCHES, LiveBook
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Network, Prepared
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.schema.answers import Reply
from mexc_async.sim.rest.limits import LIMITS, SlidingWindow
from mexc_async.spot.channels import depth
from mexc_async.spot.push import Push, encode_push
from mexc_async.spot.push_models import DepthUpdate
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.session import Timing
from mexc_async.streams.websocket import Listener, Socket, SocketConfig
from mexc_async.transport.request_fields import Fields
from mexc_async.transport.transport import OnConnected
from tests.support.fake_transport import reply

SYMBOLS = [f"COIN{number:03}USDT" for number in range(500)]
WEIGHTS = {"/api/v3/depth": 3, "/api/v3/time": 1, "/api/v3/ping": 1}
WAY_S = 0.05
"""Delay from the client to the exchange, and back again."""


class Exchange:
    """Exchange that counts as MEXC does, on arrival, and answers; its sockets accept everything."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.windows = [(SlidingWindow(LIMITS["ip"]), True), (SlidingWindow(LIMITS["requests"]), False)]
        self.fetched: list[str] = []
        """Symbols whose books were requested, in that order."""
        self.refused = 0
        self.versions: dict[str, int] = {}
        self.listeners: dict[str, Listener] = {}
        """By channel."""

    async def send(
        self,
        method: str,
        target: str,
        headers: Fields,
        timeout_s: float | None,
        on_connected: OnConnected,
        body: bytes = b"",
    ) -> Reply:
        on_connected(None)
        path, params = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        if path == "/api/v3/depth":
            self.fetched.append(params["symbol"])
        await asyncio.sleep(WAY_S)
        answer = self.answer(path, params)
        await asyncio.sleep(WAY_S)
        return answer

    def answer(self, path: str, params: dict[str, str]) -> Reply:
        now, weight = self.loop.time(), WEIGHTS[path]
        if any(window.wait_s(weight if is_weight else 1, now) for window, is_weight in self.windows):
            self.refused += 1
            return reply({"code": 429, "msg": "Too many requests"}, 429, retry_after="1")
        for window, is_weight in self.windows:
            window.add(weight if is_weight else 1, now)
        if path == "/api/v3/time":
            return reply({"serverTime": int(time.time() * 1000)})
        version = self.versions.get(params["symbol"], 1)
        return reply({"lastUpdateId": version, "bids": [["1", "5"]], "asks": [["2", str(version)]]})

    async def connect(self, url: str, listener: Listener, config: SocketConfig) -> Socket:
        await asyncio.sleep(2 * WAY_S)
        return Accepting(self, listener)

    def skip(self, symbol: str) -> None:
        """Push a change that continues one which nobody got."""
        version = self.versions[symbol] = self.versions.get(symbol, 1) + 10
        channel = depth(symbol)
        update = DepthUpdate(asks=(), bids=(), from_version_text=str(version), to_version_text=str(version))
        self.listeners[channel].on_frame(encode_push(Push(channel, update)))

    def drop(self) -> None:
        """Close every socket."""
        for listener in {id(listener): listener for listener in self.listeners.values()}.values():
            listener.on_closed()

    def distrust(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Accepting:
    def __init__(self, exchange: Exchange, listener: Listener) -> None:
        self.exchange = exchange
        self.listener = listener

    def send(self, text: str) -> None:
        asked = json.loads(text)
        names = asked.get("params", [])
        self.exchange.listeners.update(dict.fromkeys(names, self.listener))
        answer = json.dumps({"id": asked.get("id", 0), "code": 0, "msg": ",".join(names) or "PONG"})
        self.exchange.loop.call_later(2 * WAY_S, self.listener.on_text, answer)

    async def aclose(self) -> None:
        pass


def run(scenario: Callable[[Mexc, Exchange], Awaitable[None]]) -> None:
    """Run a scenario with a client of the default limits; no request may be refused."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(1_700_000_000_000, 7)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        exchange = Exchange(loop)

        async def main() -> None:
            timing = Timing(silence_s=3600.0)
            async with Mexc(
                rest="https://here",
                ws="wss://here/ws",
                streams=StreamSettings(timing=timing),
                clock=Clock(monotonic=loop.time),
                prepared=Prepared(network=Network(connect=exchange.connect)),
            ) as mexc:
                mexc._api.transport = exchange
                await scenario(mexc, exchange)
            assert exchange.refused == 0

        runner.run(main())


def test_five_hundred_books_come_up_in_order_at_the_pace_of_the_budget() -> None:
    async def scenario(mexc: Mexc, exchange: Exchange) -> None:
        began = exchange.loop.time()
        async with mexc.books(SYMBOLS) as books:
            assert exchange.loop.time() - began < 1
            await books.synced()
            assert 40 < exchange.loop.time() - began < 51  # 300 a window of 10 s; 3 a book, and the clock is measured
            in_order = exchange.fetched[FETCHES:]  # the first ones are those whose sockets were quickest
            assert in_order == sorted(in_order)
            assert sorted(exchange.fetched) == list(books) == SYMBOLS
            assert books["COIN499USDT"].best_bid == (Decimal(1), Decimal(5))
            assert repr(books) == "<LiveBooks 500 of 500 synced>"

    run(scenario)


def test_a_lower_priority_passes_those_who_wait() -> None:
    async def scenario(mexc: Mexc, exchange: Exchange) -> None:
        many = mexc.books(SYMBOLS[:200])
        later = [mexc.books("LATEUSDT", priority=5), mexc.books("SOONUSDT", priority=-1), mexc.books("NEXTUSDT")]
        async with many, later[0], later[1], later[2]:
            await asyncio.sleep(5.0)
            assert len(exchange.fetched) < 150
            await many.synced()
            await later[0].synced()
            at = {symbol: exchange.fetched.index(symbol) for symbol in ("SOONUSDT", "NEXTUSDT", "LATEUSDT")}
            under_way = FETCHES * 4  # requested before its turn came
            assert at["SOONUSDT"] < under_way
            assert (at["NEXTUSDT"], at["LATEUSDT"]) == (201, 202)

    run(scenario)


def test_a_gap_goes_ahead_of_books_that_are_still_to_come() -> None:
    async def scenario(mexc: Mexc, exchange: Exchange) -> None:
        async with mexc.books(SYMBOLS) as books:
            lost = books[SYMBOLS[7]]
            await lost.synced()
            await asyncio.sleep(5.0)  # the budget is used up
            before = len(exchange.fetched)
            exchange.skip(lost.symbol)
            assert not lost.is_synced
            await lost.synced()
            assert exchange.fetched[before] == lost.symbol
            assert lost.asks(1)[0].quantity == 11

    run(scenario)


def test_all_lost_at_once_come_back_by_priority_and_leave_room_for_the_account() -> None:
    async def scenario(mexc: Mexc, exchange: Exchange) -> None:
        low, high = mexc.books(SYMBOLS[:100], priority=2), mexc.books(SYMBOLS[100:120], priority=1)
        async with low, high:
            await low.synced()
            await high.synced()
            before = len(exchange.fetched)
            exchange.drop()
            while low[SYMBOLS[0]].is_synced:
                await low[SYMBOLS[0]].changed()
            await asyncio.sleep(5.0)
            assert mexc.limits.report().waiting <= FETCHES
            await low.synced()
            await high.synced()
            again = exchange.fetched[before:]
            assert sorted(again) == SYMBOLS[:120]
            assert set(again[: 20 + FETCHES]) >= set(SYMBOLS[100:120])

    run(scenario)


def test_leaving_gives_all_of_them_up() -> None:
    async def scenario(mexc: Mexc, exchange: Exchange) -> None:
        async with mexc.books(SYMBOLS[:300]) as books:
            await books[SYMBOLS[0]].synced()
        fetched = len(exchange.fetched)
        await asyncio.sleep(60.0)
        assert len(exchange.fetched) <= fetched + FETCHES
        assert not any(book.is_synced for book in books.values())
        one: LiveBook[float] = mexc.books(SYMBOLS[0], numbers="float")
        async with one:  # the places of those who left are free
            await one.synced()
            assert type(one.mid) is float

    run(scenario)
