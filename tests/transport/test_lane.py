"""Behaviour of the order lane alone: choice of the connection, no second sending, keep-warm.

`test_transport.py` tests the behaviour that lane and pool share.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from math import inf
from typing import Any, cast

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings
from mexc_async.errors import ClientClosed, ConfigError, ConnectFailed, ConnectionLost, RequestTimeout
from mexc_async.rest import keep_warm as keep_warm_module
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import SYSTEM
from mexc_async.schema.answers import Reply
from mexc_async.transport import lane as lane_module
from mexc_async.transport.addresses import Address
from mexc_async.transport.config import Timeouts, TransportConfig
from mexc_async.transport.connection import Connection
from mexc_async.transport.lane import Lane, PinnedConnection
from mexc_async.transport.pool import Pool
from mexc_async.transport.urls import ExchangeUrls
from tests.support import raw_server as server
from tests.support.fake_transport import KEY, SECRET
from tests.support.raw_server import TLS, Arrival, Behaviour, RawServer, Way, server_tls
from tests.support.settings import flat

NEAR, FAR = "127.0.0.1", "127.0.0.2"
BODIES = {
    "/api/v3/time": b'{"serverTime":1700000000000}',
    "/api/v3/exchangeInfo": b'{"timezone":"CST","serverTime":1,"symbols":[]}',
    "/api/v3/order": b'{"symbol":"BTCUSDT","orderId":"C02__1"}',
}


@asynccontextmanager
async def lane_to(rest: str, for_orders: bool = True, **config: Any) -> AsyncIterator[Lane]:
    lane = Lane(TransportConfig(urls=ExchangeUrls(rest), **config), SYSTEM, for_orders)
    try:
        yield lane
    finally:
        await lane.aclose()
        assert not lane.connections


async def send(
    lane: Lane | PinnedConnection, target: str = "/x", timeout_s: float | None = None, body: bytes = b""
) -> Reply:
    async with asyncio.timeout(10):
        return await lane.send("POST", target, {}, timeout_s, lambda carrier: None, body)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - no event reports the condition
            await asyncio.sleep(0.001)


async def test_a_scheme_in_capitals_is_not_sent_in_the_clear() -> None:
    async with RawServer() as raw, lane_to(raw.url.replace("http", "HTTPS")) as lane:
        with pytest.raises(ConnectFailed):
            await send(lane, timeout_s=0.5)
        assert not raw.arrivals


# --- never twice ---


async def test_a_connection_that_is_known_to_be_closed_is_replaced_before_anything_is_written() -> None:
    async with RawServer(server.answer(keep=False)) as raw, lane_to(raw.url) as lane:
        await send(lane)
        await until(lambda: lane.open_connections == 0)
        await send(lane)
        assert [arrival.connection for arrival in raw.arrivals] == [1, 2]


@pytest.fixture
def closing() -> Iterator[tuple[int, threading.Event]]:
    """Serve in a thread: answer each first request, and close its connection when the event is set."""
    told, listener = threading.Event(), socket.create_server((NEAR, 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(server.head(200, "Content-Length: 2") + b"{}")
                told.wait(10)
                told.clear()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1], told
    told.set()
    thread.join(10)
    listener.close()


async def test_an_end_that_the_loop_has_not_seen_yet_is_looked_for(closing: tuple[int, threading.Event]) -> None:
    port, told = closing
    async with lane_to(f"http://{NEAR}:{port}") as lane:
        await send(lane)
        (connection,) = lane.connections
        connection.used_at -= 60
        told.set()
        while told.is_set() or not connection._is_readable():
            time.sleep(0.001)  # noqa: ASYNC251 - the loop must not run meanwhile
        assert lane.open_connections == 1
        assert (await send(lane)).status == 200  # over another connection: that one was closed
        assert connection not in lane.connections


async def test_the_answer_to_a_cancelled_call_answers_no_other() -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def late(arrival: Arrival, way: Way) -> bool:
        asked.set()
        await go.wait()
        return await server.answer(b'{"late":1}')(arrival, way)

    async with RawServer(late, server.answer(b'{"next":1}'), server.answer()) as raw, lane_to(raw.url) as lane:
        call = asyncio.create_task(send(lane, "/late"))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await send(lane, "/next")).body == b'{"next":1}'
        go.set()
        held = await lane.unproven.get()  # its answer was read, and checked by nobody: another may follow
        assert lane.open_connections == 1
        await send(PinnedConnection(lane, held))
        assert lane.open_connections == raw.connections == 2


@pytest.mark.parametrize("more", [b"HTTP/1.1 408 X\r\n\r\n", b"\x00", b"{"])
async def test_what_comes_behind_an_answer_closes_the_connection(more: bytes) -> None:
    usual = server.head(200, "Content-Length: 2") + b"{}"
    async with RawServer(server.raw(usual + more, keep=True), server.answer()) as raw, lane_to(raw.url) as lane:
        assert (await send(lane)).body == b"{}"
        assert lane.open_connections == 0
        assert (await send(lane)).body == b"{}"
        assert [arrival.connection for arrival in raw.arrivals] == [1, 2]


async def test_announcements_go_before_the_answer() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    usual = early + server.head(201, "Content-Length: 2") + b"{}"
    async with RawServer(server.raw(usual, keep=True)) as raw, lane_to(raw.url) as lane:
        for _ in range(2):
            assert (await send(lane)).status == 201
        assert raw.connections == 1


async def test_an_answer_that_comes_before_the_request_is_whole_counts() -> None:
    async def early(arrival: Arrival, way: Way) -> bool:
        await server.answer(b'{"too":"large"}', 413, "Connection: close")(arrival, way)
        return False

    async with RawServer(early) as raw, lane_to(raw.url) as lane:
        assert (await send(lane, body=b"x" * 100)).status == 413
        assert raw.arrivals[0].headers["content-length"] == "100"


async def test_a_short_time_out_is_kept_although_a_long_one_is_being_watched() -> None:
    async with RawServer(server.answer(), server.silence) as raw, lane_to(raw.url) as lane:
        await send(lane)
        with pytest.raises(RequestTimeout):
            await send(lane, timeout_s=0.05)
        assert not lane.connections or lane.open_connections == 0


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\n": "a"}])
async def test_a_header_with_a_line_break_is_refused(headers: dict[str, str]) -> None:
    async with lane_to("http://127.0.0.1:1") as lane:
        with pytest.raises(ConfigError, match="line break"):
            await lane.send("POST", "/x", headers, None, lambda carrier: None)


async def test_the_path_of_the_base_url_goes_before_every_target() -> None:
    async with RawServer() as raw, lane_to(raw.url + "/mexc/") as lane:
        await send(lane, "/api/v3/order?a=b")
        assert raw.arrivals[0].line == "POST /mexc/api/v3/order?a=b HTTP/1.1"
        assert raw.arrivals[0].headers["host"] == f"127.0.0.1:{raw.port}"


async def test_the_host_is_named_to_a_tls_server() -> None:
    names: list[str] = []
    context = server_tls()
    context.sni_callback = lambda _, name, __: names.append(name)
    trusting = ssl.create_default_context(cafile=TLS / "authority.pem")
    async with RawServer(tls=context) as raw, lane_to(raw.url, tls=trusting) as lane:
        await send(lane)
        await send(lane)
        assert names == ["localhost"]


# --- which connection ---


def by_name(raw: RawServer) -> str:
    """Return the URL of a server with a name in it, which has to be resolved."""
    return raw.url.replace(NEAR, "localhost")


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve any name to two addresses."""

    async def resolve(self: object, host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in (NEAR, FAR)]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)


@asynccontextmanager
async def two_servers(near: Behaviour, far: Behaviour) -> AsyncIterator[tuple[RawServer, RawServer]]:
    async with RawServer(near) as first, RawServer(far, host=FAR, port=first.port) as second:
        yield first, second


def connection_to(lane: Lane, host: str) -> Connection:
    return next(connection for connection in lane.connections if connection.address.host == host)


async def open_to_both(lane: Lane) -> None:
    for address in await lane.addresses.ranked():
        await lane.open(5, address)


@pytest.mark.usefixtures("two_addresses")
async def test_the_connection_with_the_least_round_trip_is_used_first() -> None:
    async with two_servers(server.answer(), server.answer()) as (near, far), lane_to(by_name(near)) as lane:
        await open_to_both(lane)
        lane.measured(connection_to(lane, NEAR), 0.020)
        lane.measured(connection_to(lane, FAR), 0.010)
        await send(lane)
        assert (len(near.arrivals), len(far.arrivals)) == (0, 1)
        lane.measured(connection_to(lane, NEAR), 0.005)
        await send(lane)
        await asyncio.gather(send(lane), send(lane))  # one each: no connection has two at a time
        assert (len(near.arrivals), len(far.arrivals)) == (2, 2)
        for _ in range(3):  # whichever of the two was free last
            await send(lane)
        assert (len(near.arrivals), len(far.arrivals)) == (5, 2)


@pytest.mark.usefixtures("two_addresses")
async def test_an_address_that_lets_an_order_wait_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "_ORDER_PATIENCE_S", 0.02)
    async with two_servers(server.silence, server.answer()) as (near, far), lane_to(by_name(near)) as lane:
        await open_to_both(lane)
        await lane.open(5, connection_to(lane, NEAR).address)
        for connection in lane.connections:
            lane.measured(connection, 0.001 if connection.address.host == NEAR else 0.005)
        lane.attention.clear()
        stuck = asyncio.create_task(send(lane))
        await near.until(lambda: len(near.arrivals) == 1)
        await until(lane.attention.is_set)
        await send(lane)
        assert len(far.arrivals) == 1  # though another connection to the near one is free, and was measured nearer
        await lane.open(5)
        assert [connection.address.host for connection in lane.connections].count(FAR) == 2
        stuck.cancel()


@pytest.mark.usefixtures("two_addresses")
async def test_an_address_that_does_not_connect_is_passed_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = asyncio.BaseEventLoop.create_connection

    async def never_to_the_first(self: Any, factory: Any, host: str, *args: Any, **settings: Any) -> Any:
        if host == NEAR:
            await asyncio.Event().wait()
        return await connect(self, factory, host, *args, **settings)

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", never_to_the_first)
    async with two_servers(server.answer(), server.answer()) as (near, far), lane_to(by_name(near)) as lane:
        assert lane_module._HEAD_START_S < 0.5
        await send(lane)
        assert (len(near.arrivals), len(far.arrivals)) == (0, 1)
        first, second = await lane.addresses.ranked()
        assert (first.host, second.host) == (FAR, NEAR)


@pytest.mark.usefixtures("two_addresses")
async def test_an_address_that_refuses_is_passed_at_once() -> None:
    async with RawServer(host=FAR) as far, lane_to(f"http://localhost:{far.port}") as lane:
        await send(lane)
        assert [address.round_trip_s for address in await lane.addresses.ranked()][1] == inf


@pytest.mark.usefixtures("two_addresses")
async def test_where_no_address_connects_it_is_a_failed_connection() -> None:
    with socket.socket() as taken:
        taken.bind((NEAR, 0))
        async with lane_to(f"http://localhost:{taken.getsockname()[1]}") as lane:
            with pytest.raises(ConnectFailed, match="no connection") as caught:
                await send(lane)
    assert caught.value.outcome_known


async def test_a_name_that_cannot_be_resolved_any_more_stands_for_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawServer() as raw, lane_to(by_name(raw), dns_cache_s=0) as lane:
        await send(lane)

        async def fail(*_: object, **__: object) -> Any:
            raise socket.gaierror(socket.EAI_AGAIN, "later")

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", fail)
        await asyncio.gather(send(lane), send(lane))
        assert raw.connections == 2


# --- connections for calls that are no orders ---


async def test_connections_that_were_idle_for_long_are_not_used_again() -> None:
    async with RawServer() as raw, lane_to(raw.url, for_orders=False, keepalive_s=30) as lane:
        await asyncio.gather(*(send(lane) for _ in range(4)))
        for connection in lane.connections:
            connection.used_at -= 29
        await send(lane)
        assert (raw.connections, len(lane.connections)) == (4, 4)
        fresh = max(lane.connections, key=lambda connection: connection.used_at)
        for connection in lane.connections - {fresh}:
            connection.used_at -= 2
        for left in (3, 2, 1):  # each request closes one
            await send(lane)
            assert lane.open_connections == left
        fresh.used_at -= 31
        await send(lane)
        assert raw.connections == 5


async def test_a_cancellation_behind_the_answer_does_not_hit_the_next_request_on_the_connection() -> None:
    async with RawServer(server.silence) as raw, lane_to(raw.url, for_orders=False) as lane:
        first = asyncio.create_task(send(lane))
        await raw.until(lambda: len(raw.arrivals) == 1)
        (connection,) = lane.connections
        connection.data_received(server.head(200, "Content-Length: 2") + b"{}")
        second = cast(Coroutine[Any, Any, Reply], lane.send("GET", "/y", {}, None, lambda carrier: None))
        answer = second.send(None)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert connection.answer is answer
        assert not connection.transport.is_closing()
        second.close()
        assert connection.transport.is_closing()


@pytest.mark.usefixtures("two_addresses")
async def test_a_silent_address_loses_the_idle_connections_that_may_be_dead() -> None:
    begun = server.stalled(server.head(200, "Content-Length: 10"))
    async with two_servers(begun, server.answer()) as (near, _), lane_to(by_name(near), for_orders=False) as lane:
        await open_to_both(lane)
        waiting, elsewhere = connection_to(lane, NEAR), connection_to(lane, FAR)
        lane.forget(elsewhere)
        stuck = asyncio.create_task(send(lane))
        await until(lambda: waiting.heard_at > 0)
        await lane.open(5, waiting.address)
        await lane.open(5, waiting.address)
        elsewhere.free()
        doubtful, proven, _ = lane.ready
        waiting.used_at -= 5
        doubtful.used_at = elsewhere.used_at = waiting.used_at - 1
        waiting._look()  # a long answer that keeps coming
        assert lane.open_connections == 3
        waiting.heard_at -= 5
        waiting._look()
        assert lane.ready == [proven, elsewhere]
        assert (await lane.addresses.ranked())[0].host == FAR
        stuck.cancel()


async def test_connections_opened_at_the_same_time_share_one_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def resolve(self: object, host: str, port: int, **_: object) -> list[Any]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (NEAR, port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    async with RawServer() as raw, lane_to(by_name(raw), for_orders=False) as lane:
        await asyncio.gather(*(send(lane) for _ in range(10)))
    assert (asked, raw.connections) == (1, 10)


async def test_a_lane_belongs_to_one_event_loop() -> None:
    async with RawServer() as raw, lane_to(raw.url, for_orders=False) as lane:
        await send(lane)
        with pytest.raises(ClientClosed, match="another event loop"):
            await asyncio.to_thread(asyncio.run, send(lane))
        await send(lane)


# --- warm ---


CANCELLED = b'{"symbol":"BTCUSDT","orderId":"1","status":"CANCELED","executedQty":"0"}'


def exchange(delay_s: float = 0.0) -> Behaviour:
    async def behave(arrival: Arrival, way: Way) -> bool:
        await asyncio.sleep(delay_s)
        body = CANCELLED if arrival.method == "DELETE" else BODIES.get(arrival.path, b"{}")
        return await server.answer(body)(arrival, way)

    return behave


@asynccontextmanager
async def client_of(rest: str, **settings: Any) -> AsyncIterator[tuple[Mexc, Lane]]:
    options: dict[str, Any] = {"limits": "unlimited", "check_rules": False} | settings
    async with Mexc(Credentials(KEY, SECRET), **flat(rest=rest, **options)) as mexc:
        assert mexc._lane is not None
        yield mexc, mexc._lane


async def order(mexc: Mexc) -> None:
    await mexc.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=Decimal(1), price=Decimal(9))


def pings(*servers: RawServer) -> int:
    return sum(arrival.path == "/api/v3/ping" for raw in servers for arrival in raw.arrivals)


async def test_orders_and_cancels_have_connections_of_their_own() -> None:
    async with RawServer(exchange()) as raw, client_of(raw.url) as (mexc, _):
        await order(mexc)
        await mexc.spot.cancel_order(symbol="BTCUSDT", order_id="1")
        await mexc.spot.ping()
        for_orders = {a.connection for a in raw.arrivals if a.headers["accept-encoding"] == "identity"}
        sent = [(a.method, a.path) for a in raw.arrivals if a.connection in for_orders]
        assert sent == [("POST", "/api/v3/order"), ("DELETE", "/api/v3/order")]


@pytest.mark.parametrize("settings", [{"transport": "pool"}, {"proxy": "http://127.0.0.1:1"}])
async def test_without_the_lane_everything_goes_by_the_pool(settings: dict[str, Any]) -> None:
    async with Mexc(Credentials(KEY, SECRET), **flat(rest="https://api.mexc.com", **settings)) as mexc:
        assert mexc._lane is None
        assert mexc._api._order_transport is mexc._transport
        assert isinstance(mexc._transport, Pool)


def test_an_unknown_transport_is_refused() -> None:
    with pytest.raises(ConfigError, match="transport 'lanes' is not one of 'lane', 'pool'"):
        Mexc(**flat(transport="lanes"))


def test_the_former_name_of_the_setting_names_the_present_one() -> None:
    text = "order_transport is now transport, for all calls: NetworkSettings(transport='pool')"
    with pytest.raises(ConfigError, match=re.escape(text)):
        NetworkSettings(order_transport="pool")


async def test_warming_up_opens_and_measures_the_lane() -> None:
    async with RawServer(exchange()) as raw, client_of(raw.url) as (mexc, lane):
        await mexc.warm_up(3)
        assert lane.open_connections == 3
        assert all(-5 < connection.nearness < 0 for connection in lane.connections)
        before = raw.connections
        await asyncio.gather(*(order(mexc) for _ in range(3)))
        assert raw.connections == before


async def test_warming_up_twice_at_the_same_time_opens_no_more() -> None:
    async with RawServer(exchange()) as raw, client_of(raw.url) as (mexc, lane):
        await asyncio.gather(mexc.warm_up(3), mexc.warm_up(3))
        assert len(lane.connections) == 3


async def test_a_client_that_may_not_order_warms_no_lane() -> None:
    async with RawServer(exchange()) as raw:
        async with client_of(raw.url, read_only=True) as (mexc, lane):
            await mexc.warm_up(2)
            assert not lane.connections
        async with Mexc(rest=raw.url) as mexc:
            await mexc.warm_up(2)
            assert mexc._lane is not None
            assert not mexc._lane.connections


async def test_idle_connections_are_pinged_as_the_limits_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_warm_module, "TURN_S", 0.01)
    async with RawServer(exchange()) as raw, client_of(raw.url) as (mexc, lane):
        await mexc.warm_up(2)
        at_first = pings(raw)
        monkeypatch.setattr(keep_warm_module, "PING_S", 0.02)
        await raw.until(lambda: pings(raw) >= at_first + 6)
        (use,) = [use for use in mexc.limits.report().endpoints if use.endpoint == "GET /api/v3/ping"]
        assert use.requests >= pings(raw)
        assert len(lane.connections) == 2


async def test_pings_leave_a_budget_alone_of_which_half_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_warm_module, "TURN_S", 0.01)
    async with RawServer(exchange()) as raw, client_of(raw.url) as (mexc, _):
        await mexc.warm_up(2)
        shares = [0.6] * 5 + [0.5]
        monkeypatch.setattr(mexc.limits, "spent", lambda route: shares.pop(0) if len(shares) > 1 else shares[0])
        at_first, turns = pings(raw), len(shares)
        monkeypatch.setattr(keep_warm_module, "PING_S", 0.0)
        await raw.until(lambda: pings(raw) > at_first)
        assert len(shares) < turns
        assert shares == [0.5]  # none went out before


async def test_a_lost_connection_is_replaced_before_an_order_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_warm_module, "TURN_S", 0.01)
    async with RawServer(exchange()) as raw, client_of(raw.url) as (mexc, lane):
        await mexc.warm_up(2)
        first, _ = lost = list(lane.connections)
        for connection in lost:
            connection.close()
        await until(lambda: lane.open_connections == 2 and first not in lane.connections)
        before = raw.connections
        await order(mexc)
        assert raw.connections == before


async def test_connections_that_a_burst_opened_are_closed_when_they_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keep_warm_module, "TURN_S", 0.01)
    async with RawServer(exchange(0.02)) as raw, client_of(raw.url, connections=2) as (mexc, lane):
        await mexc.warm_up()
        await asyncio.gather(*(order(mexc) for _ in range(6)))
        assert len(lane.connections) == 6
        for connection in lane.connections:
            connection.used_at -= lane.config.keepalive_s
        await until(lambda: len(lane.connections) == 2)


@pytest.mark.usefixtures("two_addresses")
async def test_every_address_is_held_and_the_spares_are_at_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_warm_module, "TURN_S", 0.01)
    servers = two_servers(exchange(0.05), exchange())
    async with servers as (near, far), client_of(f"http://localhost:{near.port}") as (mexc, lane):
        await mexc.warm_up(4)

        def held(host: str) -> int:
            return sum(connection.address.host == host for connection in lane.connections)

        await until(lambda: (held(NEAR), held(FAR)) == (1, 3))  # the near one is the slow one
        await order(mexc)
        assert [a.path for a in far.arrivals].count("/api/v3/order") == 1


async def test_a_dead_exchange_does_not_end_the_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_warm_module, "TURN_S", 0.01)
    async with RawServer(exchange()) as raw:
        port = raw.port
        async with client_of(raw.url) as (mexc, lane):
            await mexc.warm_up(2)
            await raw.__aexit__()
            await until(lambda: not lane.connections)
            with pytest.raises(ConnectFailed):
                await order(mexc)
            async with RawServer(exchange(), port=port):
                await until(lambda: lane.open_connections == 2)
                await order(mexc)


async def test_a_connection_that_is_in_use_is_not_pinged() -> None:
    async with RawServer(server.silence) as raw, lane_to(raw.url) as lane:
        call = asyncio.create_task(send(lane))
        await raw.until(lambda: len(raw.arrivals) == 1)
        (connection,) = lane.connections
        with pytest.raises(ConnectFailed, match="in use"):
            await send(PinnedConnection(lane, connection))
        call.cancel()


# --- closing ---


async def test_closing_ends_calls_at_every_stage() -> None:
    async with RawServer(server.silence) as raw:
        lane = Lane(TransportConfig(urls=ExchangeUrls(raw.url), timeouts=Timeouts(5, 5, 5)), SYSTEM, True)
        waiting = asyncio.create_task(send(lane))
        await raw.until(lambda: len(raw.arrivals) == 1)
        opening = asyncio.create_task(send(lane))
        await asyncio.sleep(0)
        await asyncio.gather(lane.aclose(), lane.aclose())
        results = await asyncio.gather(waiting, opening, return_exceptions=True)
        assert isinstance(results[0], ConnectionLost)
        assert isinstance(results[1], ClientClosed)
        with pytest.raises(ClientClosed):
            await send(lane)
        await raw.until(lambda: raw.open == 0)


def test_an_address_shows_how_far_it_is() -> None:
    address = Address(NEAR, 443)
    address.round_trip_s = 0.0123
    assert repr(address) == "<127.0.0.1 12.3 ms>"


@pytest.mark.parametrize("tls", [False, True])
def test_the_lane_works_on_uvloop(tls: bool) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def run() -> None:
        trusting = ssl.create_default_context(cafile=TLS / "authority.pem")
        script = [server.answer(), server.answer(), server.close, server.answer(), server.silence]
        async with RawServer(*script, tls=server_tls() if tls else None) as raw, lane_to(raw.url, tls=trusting) as lane:
            for _ in range(2):
                assert (await send(lane)).body == b"{}"
            with pytest.raises(ConnectionLost):
                await send(lane)
            assert lane.open_connections == 0
            await send(lane)
            with pytest.raises(RequestTimeout):
                await send(lane, timeout_s=0.05)
            with pytest.raises(ConnectFailed):
                await lane.open(5, Address("203.0.113.300", raw.port))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
