"""The direct join raises the pool's errors, and ends its streams as sockets end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mexc_async.backtest.direct import DirectJoin, DirectPool
from mexc_async.errors import ClientClosed, ConnectFailed, ConnectionLost, ProtocolError, RequestTimeout
from mexc_async.schema.answers import Reply
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.streams.websocket import SocketConfig
from mexc_async.transport.config import Timeouts, TransportConfig
from mexc_async.transport.urls import ExchangeUrls

TIME = "/api/v3/time"
PING = '{"method":"PING"}'
LATE = Fault(kind="late_answer", on="server_time", delay_ms=50)


class Heard:
    """Listener that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_frame(self, frame: bytes) -> None:
        self.heard.append(frame)

    def on_text(self, text: str) -> None:
        self.heard.append(text)

    def on_closed(self) -> None:
        self.heard.append("closed")

    async def until(self, count: int) -> list[object]:
        async with asyncio.timeout(30):
            while len(self.heard) < count:  # noqa: ASYNC110 - a few turns of the loop
                await asyncio.sleep(0)
        return self.heard


@asynccontextmanager
async def joined(
    *faults: Fault, max_response_bytes: int = 1 << 20
) -> AsyncIterator[tuple[DirectJoin, DirectPool, Simulator]]:
    join = DirectJoin()
    async with Simulator(SimConfig(flow=0, limits="none", faults=faults), listen=join.listen) as sim:
        urls = ExchangeUrls(rest=sim.rest, ws=sim.spot_ws)
        pool = DirectPool(
            join, TransportConfig(urls=urls, timeouts=Timeouts(30, 30, 30), max_response_bytes=max_response_bytes)
        )
        yield join, pool, sim


def send(pool: DirectPool, target: str = TIME, timeout_s: float | None = None) -> asyncio.Future[Reply]:
    """Send a request."""
    return asyncio.ensure_future(pool.send("GET", target, {}, timeout_s, lambda _: None))


async def test_an_answer_has_its_headers_in_any_case() -> None:
    async with joined() as (_, pool, _sim):
        reply = await send(pool)
        assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="reset"), ConnectionLost),
        (Fault(kind="truncate"), ConnectionLost),
        (Fault(kind="restart", delay_ms=0), ConnectionLost),
        (Fault(kind="mute"), RequestTimeout),
    ],
)
async def test_lost_answers_raise_the_pools_errors(fault: Fault, error: type[Exception]) -> None:
    async with joined(fault) as (_, pool, _sim):
        with pytest.raises(error):
            await send(pool, timeout_s=0.05)


async def test_an_exchange_that_is_down_refuses() -> None:
    async with joined() as (join, pool, sim):
        sim.restart(600_000)
        await asyncio.sleep(0)
        with pytest.raises(ConnectFailed, match=r"no connection to 127\.0\.0\.1:1024: Connection refused"):
            pool.send("GET", TIME, {}, None, lambda _: pytest.fail("nothing was sent"))
        with pytest.raises(ConnectFailed, match=r"no WebSocket connection to .*: Connection refused"):
            await join.network.connect(sim.spot_ws, Heard(), SocketConfig())


async def test_a_large_answer_is_refused() -> None:
    async with joined(max_response_bytes=1024) as (_, pool, _sim):
        with pytest.raises(ProtocolError, match="max_response_bytes 1024"):
            await send(pool, "/api/v3/exchangeInfo")


async def test_a_closed_pool_ends_the_calls_under_way_and_takes_no_more() -> None:
    async with joined(LATE) as (_, pool, _sim):
        call = send(pool)
        await asyncio.sleep(0)
        await pool.aclose()
        with pytest.raises(ConnectionLost, match="the client was closed"):
            await call
        with pytest.raises(ClientClosed):
            pool.send("GET", TIME, {}, None, lambda _: None)


async def test_the_exchange_goes_on_with_a_request_that_nobody_waits_for() -> None:
    async with joined(Fault(kind="hold", on="server_time", delay_ms=20)) as (_, pool, sim):
        call = send(pool)
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert sim._gate._waiting
        async with asyncio.timeout(30):
            while sim._gate._waiting:  # noqa: ASYNC110 - the test's own wait for the exchange
                await asyncio.sleep(0.005)


async def test_a_stream_answers_in_order_and_closes_once() -> None:
    async with joined() as (join, _, sim):
        heard = Heard()
        socket = await join.network.connect(sim.spot_ws, heard, SocketConfig())
        socket.send(PING)
        socket.send('{"method":"PING","id":2}')
        assert await heard.until(2) == ['{"id":0,"code":0,"msg":"PONG"}', '{"id":2,"code":0,"msg":"PONG"}']
        await socket.aclose()
        await socket.aclose()
        with pytest.raises(ConnectionLost):
            socket.send(PING)
        assert heard.heard[2:] == ["closed"]


async def test_a_stream_that_the_exchange_ends_is_closed_once() -> None:
    for end in (lambda sim: sim.inject(Fault(kind="drop", now=True)), lambda sim: sim.restart(0), None):
        heard = Heard()
        async with joined() as (join, _, sim):
            await join.network.connect(sim.spot_ws, heard, SocketConfig())
            await asyncio.sleep(0)
            if end is not None:
                assert end(sim) == 1
                await heard.until(1)
        assert heard.heard == ["closed"]
        assert len(sim.sockets) == 0


async def test_an_unknown_listen_key_is_said_before_the_close() -> None:
    async with joined() as (join, _, sim):
        heard = Heard()
        await join.network.connect(f"{sim.spot_ws}?listenKey=unknown", heard, SocketConfig())
        assert await heard.until(2) == ["Invalid listen key", "closed"]


async def test_a_refused_stream_fails_to_connect_and_hears_nothing() -> None:
    async with joined(Fault(kind="refuse")) as (join, _, sim):
        heard = Heard()
        with pytest.raises(ConnectFailed, match="it was reset"):
            await join.network.connect(sim.spot_ws, heard, SocketConfig())
        with pytest.raises(ConnectFailed, match="it answered with status 404"):
            await join.network.connect(sim.spot_ws.replace("/ws", "/other"), heard, SocketConfig())
        assert heard.heard == []
