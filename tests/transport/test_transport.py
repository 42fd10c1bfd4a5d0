"""Every transport against a server of bytes: one request a call, on every failure, no secret in any error."""

from __future__ import annotations

import asyncio
import gc
import hmac
import logging
import socket
import ssl
import traceback
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import (
    ClientClosed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    MexcError,
    OutcomeUnknown,
    ProtocolError,
    RequestTimeout,
    TransportError,
)
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.runtime.clock import SYSTEM
from mexc_async.schema.answers import Reply
from mexc_async.transport.config import Timeouts, TransportConfig
from mexc_async.transport.lane import Lane
from mexc_async.transport.pool import Pool
from mexc_async.transport.request_fields import Fields
from mexc_async.transport.transport import OnConnected
from mexc_async.transport.urls import ExchangeUrls
from tests.support import raw_server as server
from tests.support.fake_transport import KEY, SECRET
from tests.support.raw_server import TLS, Arrival, Behaviour, RawServer, Way, server_tls
from tests.support.settings import flat

SIGNED = f"/api/v3/order?signature={'5161' * 16}"
METHODS = ["GET", "POST", "PUT", "DELETE"]
HURRIED = Timeouts(connect_s=5.0, read_s=0.2, total_s=5.0)
"""Every request reaches the server, however busy the machine is."""


_way = "pool"


@pytest.fixture(params=["pool", "lane", "orders"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test on both transports, and on the connections for orders."""
    monkeypatch.setattr(f"{__name__}._way", request.param)


@asynccontextmanager
async def pool_to(rest: str, **config: Any) -> AsyncIterator[Pool | Lane]:
    settings = TransportConfig(urls=ExchangeUrls(rest), **config)
    pool = Pool(settings) if _way == "pool" else Lane(settings, SYSTEM, _way == "orders")
    try:
        yield pool
    finally:
        await pool.aclose()


async def send(
    pool: Pool | Lane,
    method: str = "GET",
    target: str = "/api/v3/ping",
    *,
    headers: Fields | None = None,
    timeout_s: float | None = None,
    on_connected: OnConnected = lambda carrier: None,
) -> Reply:
    async with asyncio.timeout(10):  # a hang is a failure, not a test that never ends
        return await pool.send(method, target, headers or {}, timeout_s, on_connected)


# --- one call is one request ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ending", [server.close, server.reset])
async def test_a_dead_kept_connection_is_an_error_and_never_a_second_request(method: str, ending: Behaviour) -> None:
    async with RawServer(server.answer(), ending, server.answer()) as raw, pool_to(raw.url) as pool:
        await send(pool)
        with pytest.raises(ConnectionLost):
            await send(pool, method)
        assert [arrival.connection for arrival in raw.arrivals] == [1, 1]  # over the keep-alive connection, once
        await send(pool)
        assert len(raw.arrivals) == 3


@pytest.mark.parametrize("method", METHODS)
async def test_a_connection_that_dies_while_idle_costs_no_request_twice(method: str) -> None:
    """The server closes right after an answer that promised keep-alive."""
    async with RawServer(server.answer(keep=False)) as raw, pool_to(raw.url) as pool:
        for sent in range(1, 4):
            try:
                await send(pool, method)
            except ConnectionLost:
                assert not ConnectionLost("").outcome_known
            assert len(raw.arrivals) <= sent
            await raw.until(lambda: raw.open == 0)


@pytest.mark.parametrize(
    "behaviour",
    [
        server.close,
        server.reset,
        server.cut(),
        server.raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
        server.chunked(b'{"a":', end=False),
    ],
    ids=["closed", "reset", "truncated-body", "truncated-head", "truncated-chunks"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_answer_that_ends_early_is_a_lost_connection(method: str, behaviour: Behaviour) -> None:
    async with RawServer(behaviour) as raw, pool_to(raw.url) as pool:
        with pytest.raises(ConnectionLost) as caught:
            await send(pool, method)
        assert not caught.value.outcome_known
        assert len(raw.arrivals) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.0\r\n\r\n",
        b"\x00\xff\x00garbage\r\n\r\n",
        b"HTTP/9.9 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_told_apart(data: bytes) -> None:
    async with RawServer(server.raw(data)) as raw, pool_to(raw.url) as pool:
        with pytest.raises((ProtocolError, ConnectionLost)) as caught:
            await send(pool, target=SIGNED)
        assert "5161" not in "".join(traceback.format_exception(caught.value))
        assert not caught.value.outcome_known
        assert len(raw.arrivals) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", METHODS)
async def test_redirects_are_handed_back_and_not_followed(method: str, status: int) -> None:
    async with RawServer() as elsewhere, RawServer(server.redirect(status, elsewhere.url + "/x")) as raw:
        async with pool_to(raw.url) as pool:
            reply = await send(pool, method)
        assert reply.status == status
        assert (len(raw.arrivals), len(elsewhere.arrivals)) == (1, 0)


async def test_bytes_that_came_on_an_idle_connection_never_answer_a_later_request() -> None:
    """Gateways send 408 on a connection that was idle for too long."""
    asked = asyncio.Event()

    async def answer_and_more(arrival: Arrival, way: Way) -> bool:
        await server.answer(b'{"n":1}')(arrival, way)
        await asked.wait()
        await way.write(server.head(408, "Content-Length: 0"))
        return True

    async with RawServer(answer_and_more, server.answer(b'{"n":2}')) as raw, pool_to(raw.url) as pool:
        assert (await send(pool)).body == b'{"n":1}'
        asked.set()
        async with asyncio.timeout(5):
            while may_be_used(pool):  # noqa: ASYNC110 - no event reports those bytes
                await asyncio.sleep(0)
        assert (await send(pool, "POST")).body == b'{"n":2}'
        assert [arrival.connection for arrival in raw.arrivals] == [1, 2]


def may_be_used(pool: Pool | Lane) -> int:
    """Count the idle connections without unasked bytes."""
    if isinstance(pool, Lane):
        return pool.open_connections
    assert pool._session is not None
    assert pool._session.connector is not None
    kept = pool._session.connector._conns.values()
    return sum(not protocol.should_close for connections in kept for protocol, _ in connections)


async def test_a_connection_is_kept_for_the_next_call() -> None:
    async with RawServer() as raw, pool_to(raw.url) as pool:
        for _ in range(5):
            await send(pool)
        assert (raw.connections, len(raw.arrivals), pool.open_connections) == (1, 5, 1)


async def test_a_connection_that_is_announced_to_close_is_not_used_again() -> None:
    async with RawServer(server.answer(b"{}", 200, "Connection: close", keep=False)) as raw, pool_to(raw.url) as pool:
        await send(pool)
        await send(pool)
        assert [arrival.connection for arrival in raw.arrivals] == [1, 2]


async def test_calls_at_the_same_time_have_a_connection_each() -> None:
    async with RawServer() as raw, pool_to(raw.url) as pool:
        await asyncio.gather(*(send(pool) for _ in range(20)))
        assert raw.connections == 20
        assert pool.open_connections == 20


async def test_cookies_are_not_kept() -> None:
    async with RawServer(server.answer(b"{}", 200, "Set-Cookie: a=b")) as raw, pool_to(raw.url) as pool:
        await send(pool)
        await send(pool)
        assert "cookie" not in raw.arrivals[1].headers


# --- bodies ---


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [
        (server.answer(b'{"a":1}'), b'{"a":1}'),
        (server.answer(b""), b""),
        (server.answer(b"x" * 200_000), b"x" * 200_000),
        (server.chunked(b'{"a"', b":1}"), b'{"a":1}'),
        (server.compressed(b'{"a":1}' * 100), b'{"a":1}' * 100),
        (server.raw(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), b"until the end"),
    ],
    ids=["length", "empty", "long", "chunked", "gzip", "until-close"],
)
async def test_bodies_arrive_whole(behaviour: Behaviour, body: bytes) -> None:
    async with RawServer(behaviour) as raw, pool_to(raw.url) as pool:
        reply = await send(pool)
        assert (reply.status, reply.body) == (200, body)


@pytest.mark.parametrize(
    "behaviour",
    [
        server.answer(b"x" * 5000),
        server.answer(b"x" * 100_000),
        server.chunked(b"x" * 1500, b"x" * 1500),
        server.compressed(b"x" * 5_000_000),
        server.raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000),
    ],
    ids=["length", "long", "chunked", "gzip-bomb", "until-close"],
)
async def test_a_larger_answer_than_allowed_is_refused(behaviour: Behaviour) -> None:
    async with RawServer(behaviour) as raw, pool_to(raw.url, max_response_bytes=2000) as pool:
        with pytest.raises(ProtocolError, match="larger than max_response_bytes 2000") as caught:
            await send(pool)
        assert caught.value.status == 200


async def test_a_body_that_does_not_decompress_is_an_error_of_the_tree() -> None:
    broken = server.answer(b"this is no gzip", 200, "Content-Encoding: gzip")
    async with RawServer(broken) as raw, pool_to(raw.url) as pool:
        with pytest.raises((ProtocolError, ConnectionLost)):
            await send(pool)


def deflated(body: bytes, bits: int) -> bytes:
    pack = zlib.compressobj(wbits=bits)
    return pack.compress(body) + pack.flush()


BODY = b'{"orderId":"C02__1","symbol":"BTCUSDT"}' * 20
GZIP, ZLIB, BARE = (deflated(BODY, bits) for bits in (16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS))
framed = pytest.mark.parametrize("framing", ["length", "chunked", "until-close"])


@framed
@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", GZIP), ("GZIP", GZIP), ("deflate", ZLIB), ("deflate", BARE)],
    ids=["gzip", "GZIP", "zlib", "bare"],
)
async def test_a_packed_body_is_unpacked_whatever_was_asked_for(encoding: str, packed: bytes, framing: str) -> None:
    async with RawServer(server.encoded(encoding, packed, framing)) as raw, pool_to(raw.url) as pool:
        assert (await send(pool)).body == BODY


@framed
@pytest.mark.parametrize(
    ("encoding", "packed", "words"),
    [
        ("gzip", GZIP[:-8], "truncated"),  # without its trailer: all of the body is there, and nothing says so
        ("gzip", GZIP[:-1], "truncated"),
        ("gzip", GZIP[:-9], "truncated"),
        ("gzip", GZIP[:12], "truncated"),
        ("gzip", GZIP[:-8] + bytes(8), "cannot be decompressed"),
        ("deflate", ZLIB[:-4], "truncated"),
        ("deflate", ZLIB[:-1], "truncated"),
        ("deflate", BARE[:-1], "truncated"),
        ("deflate", ZLIB[:-4] + bytes(4), "cannot be decompressed"),
        ("br", b"\x1b" + BODY, "'br', which was not requested"),
        ("zstd", b"\x28" + BODY, "'zstd', which was not requested"),
        ("gzip, gzip", GZIP, "'gzip, gzip', which was not requested"),
    ],
    ids=[
        "gzip-8",
        "gzip-1",
        "gzip-9",
        "gzip-head",
        "gzip-checksum",
        "zlib-4",
        "zlib-1",
        "bare-1",
        "zlib-checksum",
        "br",
        "zstd",
        "twice",
    ],
)
async def test_a_packed_body_without_its_end_is_truncated(
    encoding: str, packed: bytes, words: str, framing: str
) -> None:
    async with RawServer(server.encoded(encoding, packed, framing)) as raw, pool_to(raw.url) as pool:
        with pytest.raises(ProtocolError, match=words) as caught:
            await send(pool)
        assert caught.value.status == 200


# --- time-outs ---


async def test_a_silent_server_runs_into_the_read_time_out() -> None:
    async with RawServer(server.silence) as raw, pool_to(raw.url, timeouts=Timeouts(5, 0.1, 5)) as pool:
        with pytest.raises(RequestTimeout) as caught:
            await send(pool)
        assert not caught.value.outcome_known
        assert len(raw.arrivals) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        server.stalled(b"HTTP/1.1 200 OK\r\n"),
        server.stalled(server.head(200, "Content-Length: 10")),
        server.stalled(server.head(200, "Content-Length: 10"), b"12345"),
        server.stalled(server.head(200, "Transfer-Encoding: chunked"), b"5\r\n12345\r\n"),
    ],
    ids=["head", "no-body", "body", "chunks"],
)
async def test_an_answer_that_stalls_runs_into_a_time_out(behaviour: Behaviour) -> None:
    async with RawServer(behaviour) as raw, pool_to(raw.url, timeouts=Timeouts(5, 0.1, 5)) as pool:
        with pytest.raises(RequestTimeout):
            await send(pool)


async def test_a_trickle_runs_into_the_total_time_out() -> None:
    async def trickle(_: Arrival, way: Way) -> bool:
        await way.write(server.head(200, "Content-Length: 1000"))
        while True:
            await way.write(b" ")
            await asyncio.sleep(0.02)

    async with RawServer(trickle) as raw, pool_to(raw.url, timeouts=Timeouts(5, 5, 0.2)) as pool:
        with pytest.raises(RequestTimeout):
            await send(pool)


async def test_one_calls_own_time_out_goes_before_the_pools() -> None:
    async with RawServer(server.silence) as raw, pool_to(raw.url) as pool:
        with pytest.raises(RequestTimeout):
            await send(pool, timeout_s=0.1)


@pytest.fixture
def deaf() -> Iterator[int]:
    """Open a port that accepts connections and never reads."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("timeouts", [Timeouts(0.1, 5, 5), Timeouts(5, 5, 0.1)], ids=["connect", "total"])
async def test_no_tls_in_time_is_a_failed_connection(deaf: int, timeouts: Timeouts) -> None:
    async with pool_to(f"https://localhost:{deaf}", timeouts=timeouts) as pool:
        with pytest.raises(ConnectFailed, match=rf"no connection to localhost:{deaf} in time") as caught:
            await send(pool, target=SIGNED)
        assert caught.value.outcome_known
        assert "5161" not in "".join(traceback.format_exception(caught.value))


async def test_a_cancelled_call_takes_its_connection_with_it() -> None:
    async with RawServer(server.silence) as raw, pool_to(raw.url) as pool:
        task = asyncio.create_task(send(pool))
        await raw.until(lambda: bool(raw.arrivals))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.open_connections == 0


# --- the way to the server ---


async def test_a_closed_port_is_a_failed_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: no other process can take it meanwhile
        async with pool_to(f"http://127.0.0.1:{taken.getsockname()[1]}") as pool:
            connected: list[bool] = []
            with pytest.raises(ConnectFailed) as caught:
                await send(pool, on_connected=lambda carrier: connected.append(True))
    assert caught.value.outcome_known
    assert not connected


async def test_an_unknown_host_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: str, *_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}: no such host")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with pool_to("https://api.mexc.invalid") as pool:
        with pytest.raises(ConnectFailed, match="no such host") as caught:
            await send(pool)
    assert caught.value.outcome_known


async def test_the_transport_says_when_the_first_byte_may_leave() -> None:
    async with RawServer() as raw, pool_to(raw.url) as pool:
        arrived: list[int] = []
        for _ in range(2):
            await send(pool, on_connected=lambda carrier: arrived.append(len(raw.arrivals)))
        assert arrived == [0, 1]


async def test_the_local_address_is_the_one_asked_for() -> None:
    seen: list[str] = []

    async def peer(arrival: Arrival, way: Way) -> bool:
        seen.append(way.peer)
        return await server.answer()(arrival, way)

    async with RawServer(peer) as raw, pool_to(raw.url, local_address="127.0.0.1") as pool:
        await send(pool)
    assert seen == ["127.0.0.1"]


@pytest.mark.parametrize("address", ["203.0.113.7", "not-an-address"])
async def test_a_local_address_that_this_machine_lacks_is_a_failed_connection(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RES_OPTIONS", "attempts:1 timeout:1")
    async with RawServer() as raw, pool_to(raw.url, local_address=address) as pool:
        with pytest.raises((ConnectFailed, ConfigError)):
            await send(pool)
        assert raw.connections == 0


# --- TLS ---


async def test_an_unknown_authority_is_refused_and_nothing_sent() -> None:
    async with RawServer(tls=server_tls()) as raw, pool_to(raw.url) as pool:
        with pytest.raises(ConnectFailed, match="certificate") as caught:
            await send(pool, "POST")
        assert caught.value.outcome_known
        assert not raw.arrivals


async def test_an_authority_of_ones_own_is_trusted() -> None:
    trusting = ssl.create_default_context(cafile=TLS / "authority.pem")
    async with RawServer(tls=server_tls()) as raw, pool_to(raw.url, tls=trusting) as pool:
        assert (await send(pool)).body == b"{}"


async def test_a_certificate_of_another_host_is_refused() -> None:
    trusting = ssl.create_default_context(cafile=TLS / "authority.pem")
    context = server_tls()
    async with RawServer(tls=context) as raw:
        wrong = f"https://127.0.0.2:{raw.port}"
        server_at_any = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.2", 0, ssl=context)
        port = server_at_any.sockets[0].getsockname()[1]
        async with pool_to(wrong.replace(str(raw.port), str(port)), tls=trusting) as pool:
            with pytest.raises(ConnectFailed, match="certificate"):
                await send(pool)
        server_at_any.close()


# --- closing ---


async def test_closing_twice_and_at_the_same_time() -> None:
    async with RawServer() as raw, pool_to(raw.url) as pool:
        await send(pool)
        await asyncio.gather(pool.aclose(), pool.aclose())
        await pool.aclose()
        assert pool.open_connections == 0
        with pytest.raises(ClientClosed):
            await send(pool)


async def test_closing_before_anything_was_sent() -> None:
    async with pool_to("https://api.mexc.com") as pool:
        assert pool.open_connections == 0


async def test_a_call_under_way_ends_when_the_pool_closes() -> None:
    async with RawServer(server.silence) as raw, pool_to(raw.url) as pool:
        task = asyncio.create_task(send(pool, "POST"))
        await raw.until(lambda: bool(raw.arrivals))
        await pool.aclose()
        with pytest.raises(TransportError) as caught:
            await task
        assert not caught.value.outcome_known


async def test_a_call_that_still_connects_ends_when_the_pool_closes(deaf: int) -> None:
    async with pool_to(f"https://localhost:{deaf}", timeouts=Timeouts(1, 1, 1)) as pool:
        task = asyncio.create_task(send(pool, "POST"))
        await asyncio.sleep(0)
        await pool.aclose()
        with pytest.raises((TransportError, ClientClosed)) as caught:
            await task
        assert caught.value.outcome_known


# --- through the client: signed text, and hidden secrets ---


def on(path: str, behaviour: Behaviour) -> Behaviour:
    """Limit a behaviour to one path; serve the time on its path and an empty answer elsewhere."""

    async def behave(arrival: Arrival, way: Way) -> bool:
        if arrival.path == "/api/v3/time":
            return await server.answer(b'{"serverTime":1700000000000}')(arrival, way)
        return await (behaviour if arrival.path == path else server.answer())(arrival, way)

    return behave


@asynccontextmanager
async def client_of(rest: str, **settings: Any) -> AsyncIterator[Mexc]:
    options: dict[str, Any] = {"limits": "unlimited", "retry": RetryPolicy(budget_s=0), "check_rules": False} | settings
    transport = "pool" if _way == "pool" else "lane"
    mexc = Mexc(Credentials(KEY, SECRET), **flat(rest=rest, transport=transport, **options))
    if _way == "orders":
        assert mexc._lane is not None
        mexc._api.transport = mexc._lane  # for all calls, not orders only
    try:
        yield mexc
    finally:
        await mexc.aclose()


@pytest.mark.parametrize(
    "value", ["BEP20(BSC)", "a,b,c", "two words", "ümläut ☃ 你好", "50% + x/y=z&q?#", "~_-.!*'()", '[{"a":"b c"}]', ""]
)
@pytest.mark.parametrize("method", METHODS)
async def test_the_bytes_signed_are_the_bytes_received(method: str, value: str) -> None:
    async with RawServer(on("/x", server.answer())) as raw, client_of(raw.url) as mexc:
        await mexc.request(method, "/x", {"note": value, "A": "1"}, signed=True)
    arrival = raw.arrivals[-1]
    query, found, signature = arrival.target.partition("?")[2].rpartition("&signature=")
    assert found
    assert signature == hmac.new(SECRET.encode(), query.encode(), sha256).hexdigest()
    assert parse_qs(query, keep_blank_values=True)["note"] == [value]
    names = [pair.split("=")[0] for pair in query.split("&")]
    assert names == sorted(names)


@pytest.mark.parametrize("order_id", ["11", "123456789012345678901", "1e3", "1.10", "-0"])
async def test_an_order_is_cancelled_by_the_id_that_stood_on_the_wire(order_id: str) -> None:
    """The id came as a number, in an answer that the lenient decoder reads."""
    terms = f'"symbol":"BTCUSDT","orderId":{order_id},"price":1.50,"origQty":"2","type":"LIMIT","side":"BUY"'
    ack = f'{{{terms},"status":"CANCELED","executedQty":"0"}}'.encode()
    async with RawServer(on("/api/v3/order", server.answer(ack))) as raw, client_of(raw.url) as mexc:
        made = await mexc.spot.new_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=Decimal(2), price=Decimal("1.5")
        )
        assert (made.order_id, made.price_text) == (order_id, "1.50")
        gone = await mexc.spot.cancel_order(symbol="BTCUSDT", order_id=made.order_id)
        assert (gone.order_id, gone.price) == (order_id, Decimal("1.5"))
    (cancel,) = [arrival for arrival in raw.arrivals if arrival.method == "DELETE"]
    assert parse_qs(cancel.target.partition("?")[2])["orderId"] == [order_id]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_after_a_keep_alive_race_the_policy_repeats_a_read_and_nothing_repeats_a_change(method: str) -> None:
    behaviours = iter([server.answer(b'{"n":0}'), server.close, server.answer(b'{"n":2}')])

    async def behave(arrival: Arrival, way: Way) -> bool:
        return await next(behaviours)(arrival, way)

    async with RawServer(on("/x", behave)) as raw, client_of(raw.url, retry=RetryPolicy(first_s=0.01)) as mexc:
        assert await mexc.request("GET", "/x", signed=True) == {"n": 0}
        if method == "GET":
            assert await mexc.request("GET", "/x", signed=True) == {"n": 2}
        else:
            with pytest.raises(OutcomeUnknown):
                await mexc.request("POST", "/x", signed=True)
        used = [arrival.connection for arrival in raw.arrivals if arrival.path == "/x"]
    assert len(used) == (3 if method == "GET" else 2)
    assert used[0] == used[1]


async def test_public_targets_are_not_quoted_again() -> None:
    async with RawServer(on("/x", server.answer())) as raw, client_of(raw.url) as mexc:
        await mexc.request("GET", "/x", {"b": "BEP20(BSC)", "a": "1,2 3"})
    assert "/x?a=1%2C2%203&b=BEP20%28BSC%29" in [arrival.target for arrival in raw.arrivals]


async def test_the_key_goes_with_signed_calls_only() -> None:
    async with RawServer(on("/x", server.answer())) as raw, client_of(raw.url) as mexc:
        await mexc.request("GET", "/x", signed=True)
        await mexc.request("POST", "/x", signed=True)
        await mexc.request("GET", "/x")
        await mexc.request("POST", "/x")
    *_, get, post, public_get, public_post = raw.arrivals
    for arrival in (get, post):
        assert arrival.headers["x-mexc-apikey"] == KEY
        assert arrival.headers["content-type"] == "application/json"
    for arrival in (public_get, public_post, raw.arrivals[0]):
        assert "x-mexc-apikey" not in arrival.headers
    for arrival in raw.arrivals:
        assert arrival.headers["accept"] == "application/json"
        assert ("gzip" in arrival.headers["accept-encoding"]) is (_way != "orders")  # an ack is too short to gain by it
        assert "mexc_async" in arrival.headers["user-agent"]
        assert SECRET not in arrival.head.decode()


FAULTS: dict[str, Behaviour] = {
    "closed": server.close,
    "reset": server.reset,
    "silent": server.silence,
    "truncated": server.cut(),
    "truncated head": server.raw(b"HTTP/1.1 200 OK\r\nConte"),
    "garbage": server.raw(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "bad chunks": server.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "redirect": server.redirect(307, "http://127.0.0.1:1/elsewhere"),
    "html": server.answer(b"<html>Access Denied</html>", 403),
    "5xx": server.answer(b"oops", 502),
    "no JSON": server.answer(b"{"),
}


def echoing(status: int) -> Behaviour:
    """Make a gateway that repeats the request in its error page."""

    async def behave(arrival: Arrival, way: Way) -> bool:
        return await server.answer(arrival.head.replace(b"\r\n", b" "), status)(arrival, way)

    return behave


FAULTS |= {"echo 400": echoing(400), "echo 500": echoing(500), "echo 200": echoing(200)}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_error_traceback_or_log_record_holds_a_secret(
    method: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[object] = []
    retry = RetryPolicy(budget_s=0.05, first_s=0.01, longest_s=0.01)
    async with (
        RawServer(on("/x", FAULTS[fault])) as raw,
        client_of(raw.url, timeouts=HURRIED, retry=retry) as mexc,
    ):
        mexc.hooks.add(events.append)
        with pytest.raises(MexcError) as caught:
            await mexc.request(method, "/x", {"coin": "BTC"}, signed=True)
        await raw.until(lambda: any(arrival.path == "/x" for arrival in raw.arrivals))
    error = caught.value
    logging.getLogger("mexc_async").error("as a user would log it", exc_info=error)
    calls = [arrival for arrival in raw.arrivals if arrival.path == "/x"]
    assert len(calls) == 1 or method == "GET"
    if method == "POST":
        assert isinstance(error, OutcomeUnknown) or error.outcome_known
    told = [str(error), repr(error), "".join(traceback.format_exception(error)), caplog.text, repr(events)]
    told += [str(record.args) for record in caplog.records]
    for secret in [KEY, SECRET, *(arrival.target.rpartition("=")[2] for arrival in calls)]:
        for text in told:
            assert secret not in text


async def test_only_the_loggers_of_the_sdk_are_used(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with RawServer(on("/x", server.answer(b"", 502))) as raw, client_of(raw.url) as mexc:
        with pytest.raises(MexcError):
            await mexc.request("GET", "/x", signed=True)
    assert {record.name for record in caplog.records} <= {"mexc_async", "asyncio"}


async def test_nothing_is_left_open() -> None:
    async with RawServer(on("/x", server.answer())) as raw, client_of(raw.url) as mexc:
        await mexc.request("GET", "/x", signed=True)
        await mexc.aclose()
        await raw.until(lambda: raw.open == 0)
    gc.collect()  # an open resource would warn now, and warnings are errors
