"""Delayed requests hold their tokens, on every transport and however their callers leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from random import Random
from typing import Any, Literal

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import MexcError, OrderNotFound, RateLimited
from mexc_async.limits.profiles import Limits
from mexc_async.limits.queue import CONNECTIONS
from mexc_async.native.loader import compiled
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.events import RequestDone
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.spot.trading import CancelOrder, NewOrder
from tests.support import raw_server as server
from tests.support.raw_server import Arrival, RawServer, Way
from tests.support.settings import flat
from tests.support.streams import until

KEY, SECRET = "mx0key", "c0ffee" * 5
ANSWERS = {
    "/api/v3/time": b'{"serverTime":1700000000000}',
    "/api/v3/exchangeInfo": b'{"timezone":"CST","serverTime":1,"symbols":[]}',
    "/api/v3/order": b'{"symbol":"BTCUSDT","orderId":"C02__1","origQty":"1","price":"9.5","type":"LIMIT","side":"BUY",'
    b'"transactTime":1700000000000,"status":"CANCELED","executedQty":"0"}',
}
WAYS = ["lane", "pool", *(["express", "started"] if compiled else [])]
every_way = pytest.mark.parametrize("way", WAYS)
WINDOW_S = 0.04
SEVERAL_WINDOWS_S = 0.15
ORDER = NewOrder(symbol="BTCUSDT", side="BUY", type="LIMIT", price=Decimal("9.5"), quantity=Decimal(1))

CANCEL = CancelOrder(symbol="BTCUSDT", order_id="C02__1")


class Exchange:
    """Exchange that answers orders on command."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.is_lost = False
        """True to close the next order's connection without an answer."""

    async def behave(self, arrival: Arrival, way: Way) -> bool:
        if arrival.path == "/api/v3/order":
            if self.is_lost:
                self.is_lost = False
                return False
            await self.may_answer.wait()
        return await server.answer(ANSWERS.get(arrival.path, b"{}"))(arrival, way)


@asynccontextmanager
async def client(exchange: Exchange, way: str, **limits: Any) -> AsyncIterator[tuple[Mexc, RawServer]]:
    allowed = Limits.custom("unlimited", margin_s=0.01, **{"orders": (1, WINDOW_S)} | limits)
    settings: dict[str, Any] = {"limits": allowed, "check_rules": False, "orders": OrderSettings(settle_s=0.05)}
    if way == "pool":
        settings["transport"] = "pool"
    async with (
        RawServer(exchange.behave) as raw,
        Mexc(Credentials(KEY, SECRET), **flat(rest=raw.url, **settings)) as mexc,
    ):
        await mexc.sync_clock()
        if way == "lane":
            mexc._api._express = None
        if way in ("express", "started"):
            await mexc.warm_up(1)
        yield mexc, raw


def begin(mexc: Mexc, way: str) -> asyncio.Future[Any]:
    """Send a cancel, or an order where only those are started."""
    if way == "started":
        return mexc._calls.start_order(ORDER, Options(repeat=False))
    return asyncio.ensure_future(cancel(mexc))


async def cancel(mexc: Mexc, **options: Any) -> Any:
    return await mexc._api.deliver(CANCEL, Options(repeat=False, **options))


async def arrived(raw: RawServer, count: int) -> None:
    await raw.until(lambda: sum(arrival.method != "GET" for arrival in raw.arrivals) >= count)


async def is_held_back(mexc: Mexc) -> None:
    """Check that there is no room for several windows."""
    with pytest.raises(RateLimited, match="limit orders"):
        await cancel(mexc, max_wait_s=SEVERAL_WINDOWS_S)


def in_flight(mexc: Mexc) -> int:
    return next(use.used for use in mexc.limits.report().limits if use.limit == CONNECTIONS)


@every_way
async def test_a_stalled_request_keeps_its_token_until_it_is_answered(way: str) -> None:
    exchange = Exchange()
    async with client(exchange, way) as (mexc, raw):
        stalled = begin(mexc, way)
        await arrived(raw, 1)
        await is_held_back(mexc)
        waiting = asyncio.ensure_future(cancel(mexc))
        await asyncio.sleep(0)
        exchange.may_answer.set()
        await asyncio.wait_for(asyncio.gather(stalled, waiting), 5)
        assert in_flight(mexc) == 0


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("pool", "started")])
async def test_a_request_whose_caller_was_cancelled_keeps_its_token_until_it_is_answered(way: str) -> None:
    exchange = Exchange()
    async with client(exchange, way) as (mexc, raw):
        stalled = begin(mexc, way)
        await arrived(raw, 1)
        stalled.cancel()
        await asyncio.wait((stalled,))
        await is_held_back(mexc)
        assert in_flight(mexc) == 1
        exchange.may_answer.set()
        await asyncio.wait_for(cancel(mexc), 5)
        await until(lambda: not in_flight(mexc))  # a ping proves the connection whose answer nobody took


@every_way
@pytest.mark.parametrize("end", ["time-out", "lost", "cancelled"])
async def test_a_request_without_an_answer_may_arrive_until_the_longest_way_is_over(way: str, end: str) -> None:
    if end == "cancelled" and way != "pool":
        pytest.skip("the lane hears the answer")
    if end != "lost" and way == "started":
        pytest.skip("it cannot be given up, and its time-out is that of the others")
    exchange = Exchange()
    exchange.is_lost = end == "lost"
    async with client(exchange, way, longest_way_s=0.4) as (mexc, raw):
        if end == "time-out":
            with pytest.raises(MexcError):
                await cancel(mexc, timeout_s=0.02)
        else:
            stalled = begin(mexc, way)
            await arrived(raw, 1)
            if end == "cancelled":
                stalled.cancel()
            await asyncio.wait((stalled,))
        exchange.may_answer.set()
        await is_held_back(mexc)
        await asyncio.wait_for(cancel(mexc), 5)


async def test_an_answer_that_came_as_its_caller_was_cancelled_is_an_answer() -> None:
    exchange = Exchange()
    async with client(exchange, "lane", longest_way_s=600.0) as (mexc, raw):
        stalled = begin(mexc, "lane")
        await arrived(raw, 1)
        assert mexc._lane is not None
        (answer,) = [connection.answer for connection in mexc._lane.connections if connection.answer is not None]
        answer.add_done_callback(lambda _: stalled.cancel())  # runs before the caller goes on
        exchange.may_answer.set()
        await asyncio.wait((stalled,))
        await asyncio.wait_for(cancel(mexc), 5)


@every_way
async def test_every_request_ends_once_however_it_ends(way: str) -> None:
    """Slow answers, lost connections, time-outs, cancelled callers: no token is lost or freed too soon."""
    random = Random(way)

    async def behave(arrival: Arrival, way: Way) -> bool:
        await asyncio.sleep(random.choice([0, 0, 0.001, 0.01, 0.05]))
        if arrival.path == "/api/v3/order" and random.random() < 0.1:
            return False
        return await server.answer(ANSWERS.get(arrival.path, b"{}"))(arrival, way)

    exchange = Exchange()
    exchange.behave = behave  # type: ignore[method-assign]  # another script
    async with client(exchange, way, orders=(40, 0.01), longest_way_s=0.0, max_in_flight=7) as (mexc, _):
        tasks = []
        for _ in range(300):
            task: asyncio.Future[Any] = begin(mexc, way)
            if random.random() < 0.5:
                task = asyncio.ensure_future(cancel(mexc, timeout_s=random.choice([0.005, 1.0, 1.0])))
            if random.random() < 0.3:
                asyncio.get_running_loop().call_later(random.random() * 0.1, task.cancel)
            tasks.append(task)
            await asyncio.sleep(random.choice([0, 0, 0.001]))
        async with asyncio.timeout(60):
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()
        await until(lambda: in_flight(mexc) == 0)
        assert mexc.limits.report().waiting == 0


class Stall:
    """A proxy that can delay the bytes of the client."""

    def __init__(self, port: int) -> None:
        self.is_open = asyncio.Event()
        self.is_open.set()
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(self._pass_on(reader, back, self.is_open), self._pass_on(there, writer, None))
        back.close()
        writer.close()

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, gate: asyncio.Event | None
    ) -> None:
        while data := await source.read(65536):
            if gate is not None:
                await gate.wait()
            target.write(data)
        target.close()


@pytest.mark.parametrize("transport", ["lane", "pool"])
async def test_a_stall_of_more_than_a_window_draws_no_429(transport: Literal["lane", "pool"]) -> None:
    async with Simulator(SimConfig(seed=1, limits="default", flow=0)) as sim:
        stall = Stall(int(sim.rest.rsplit(":", 1)[1]))
        async with stall as url:
            login = Credentials(DEMO_KEY, DEMO_SECRET)
            async with Mexc(login, **flat(rest=url, ws=sim.spot_ws, limits="default", transport=transport)) as mexc:
                await mexc.sync_clock()
                refused: list[RequestDone] = []
                mexc.hooks.add(lambda e: refused.append(e) if isinstance(e, RequestDone) and e.status == 429 else None)

                async def one() -> None:
                    with suppress(OrderNotFound):
                        await mexc.spot.cancel_order(symbol="BTCUSDT", order_id="C02__404")

                stall.is_open.clear()
                asyncio.get_running_loop().call_later(3.0, stall.is_open.set)
                async with asyncio.timeout(30):
                    await asyncio.gather(*(one() for _ in range(30)))
                assert refused == []
