"""A refusal counts for the request that it answers only, even if a host answers twice."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConnectionLost, InsufficientBalance, MexcError, OrderNotFound
from mexc_async.limits.profiles import Limits
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest import keep_warm as keep_warm_module
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import SYSTEM
from mexc_async.schema.answers import Reply
from mexc_async.spot.market import Ping
from mexc_async.transport import connection as connection_module
from mexc_async.transport import pool as pool_module
from mexc_async.transport.config import TransportConfig
from mexc_async.transport.delivery import is_undelivered
from mexc_async.transport.lane import Lane
from mexc_async.transport.pool import Pool
from mexc_async.transport.urls import ExchangeUrls
from tests.support import raw_server as server
from tests.support.raw_server import Arrival, RawServer, Way
from tests.support.settings import flat

KEY, SECRET = "mx0vglTESTkey12345", "s3cr3tOfTheTests0123456789abcdef"
REFUSED = b'{"code":10101,"msg":"insufficient balance"}'
TOO_MUCH = Decimal(7)
"""Quantity that the exchange refuses."""
PING = "/api/v3/ping"


def whole(body: bytes, status: int = 200) -> bytes:
    return server.head(status, f"Content-Length: {len(body)}") + body


class Exchange:
    """Exchange that places, cancels and shows orders, and sends each refusal of a new order twice."""

    def __init__(self, seed: int = 1, longest_s: float = 0.003, *, by_timer: bool = False, twice: bool = True) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.doubled = 0
        self.random = random.Random(seed)
        self.longest_s = longest_s
        self.by_timer = by_timer
        """True if the second answer comes by a timer, even behind answers to later requests."""
        self.twice = twice
        self.tasks: set[asyncio.Task[None]] = set()

    async def behave(self, arrival: Arrival, way: Way) -> bool:
        """Answer one request."""
        status, body = self.answer(arrival)
        await way.write(whole(body, status))
        if body == REFUSED and self.twice:
            self.doubled += 1
            again = self.again(way, self.random.choice([0.0, self.random.uniform(0, self.longest_s)]))
            if self.by_timer:
                self.tasks.add(asyncio.create_task(again))
            else:
                await again
        return True

    async def again(self, way: Way, pause_s: float) -> None:
        """Send the refusal again."""
        if pause_s:
            await asyncio.sleep(pause_s)
        with suppress(ConnectionError):  # the client may have closed it
            await way.write(whole(REFUSED, 400))

    def answer(self, arrival: Arrival) -> tuple[int, bytes]:
        """Return status and body of the answer to a request."""
        given = {name: values[0] for name, values in parse_qs(urlsplit(arrival.target).query).items()}
        if arrival.path == "/api/v3/time":
            return 200, b'{"serverTime":%d}' % (time.time() * 1000)
        if arrival.path == "/api/v3/exchangeInfo":
            return 200, b'{"timezone":"CST","serverTime":1,"symbols":[]}'
        if arrival.path != "/api/v3/order":
            return 200, b"{}" if arrival.path == PING else b"[]"
        if arrival.method == "POST":
            if Decimal(given["quantity"]) == TOO_MUCH:
                return 400, REFUSED
            name = given["newClientOrderId"]
            self.orders[name] = order = {
                "symbol": given["symbol"],
                "orderId": f"C02__{len(self.orders)}",
                "clientOrderId": name,
                "price": given["price"],
                "origQty": given["quantity"],
                "executedQty": "0",
                "cummulativeQuoteQty": "0",
                "type": given["type"],
                "side": given["side"],
                "status": "NEW",
                "time": 1,
            }
            return 200, json.dumps({key: order[key] for key in ("symbol", "orderId", "price", "origQty")}).encode()
        order = self.orders.get(given["origClientOrderId"], {})
        if not order or (arrival.method == "DELETE" and order["status"] != "NEW"):
            return 400, b'{"code":%d,"msg":"no such order"}' % (-2011 if arrival.method == "DELETE" else -2013)
        if arrival.method == "DELETE":
            order["status"] = "CANCELED"
        return 200, json.dumps(order).encode()


@asynccontextmanager
async def client(exchange: Exchange, **settings: Any) -> AsyncIterator[tuple[Mexc, RawServer]]:
    usual: dict[str, Any] = {"limits": "unlimited", "check_rules": False, "orders": OrderSettings(lag_ms=100)}
    async with (
        RawServer(exchange.behave) as raw,
        Mexc(Credentials(KEY, SECRET), **flat(rest=raw.url, **usual | settings)) as mexc,
    ):
        yield mexc, raw


async def place(mexc: Mexc, name: str, quantity: Decimal = Decimal(1)) -> Any:
    return await mexc.using(recv_window_ms=400).spot.new_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=quantity, price=Decimal(9), new_client_order_id=name
    )


@pytest.mark.parametrize("by_timer", [False, True], ids=["in line", "by a timer"])
@pytest.mark.parametrize("transport", ["lane", "pool"])
async def test_no_order_or_cancel_is_refused_by_another_orders_second_answer(transport: Any, by_timer: bool) -> None:
    exchange, count = Exchange(by_timer=by_timer), 400
    refused = set(exchange.random.sample(range(count), 75))
    wrong: list[str] = []
    told = 0

    async def trade(mexc: Mexc, first: int) -> None:
        nonlocal told
        for number in range(first, count, 4):
            name = f"own{number}"
            try:
                await place(mexc, name, TOO_MUCH if number in refused else Decimal(1))
            except InsufficientBalance:
                told += number in refused
            except MexcError as error:
                wrong.append(f"{name}: {error}")
            if (name in exchange.orders) != (number not in refused):
                wrong.append(f"{name} is wrongly {'there' if number in refused else 'refused'}")
            elif number not in refused:
                try:
                    await mexc.spot.cancel_order(symbol="BTCUSDT", orig_client_order_id=name)
                except MexcError as error:
                    wrong.append(f"cancel of {name}: {error}")
                if exchange.orders[name]["status"] != "CANCELED":
                    wrong.append(f"{name} is not cancelled")

    async with client(exchange, transport=transport) as (mexc, _):
        await mexc.warm_up(4)
        await asyncio.gather(*(trade(mexc, first) for first in range(4)))
        records = [mexc.orders[f"own{number}"] for number in range(count)]
        wrong += [
            f"{record} is believed refused" for n, record in enumerate(records) if record.error and n not in refused
        ]
    assert exchange.doubled == 75
    assert (wrong, told) == ([], 75)


# --- the lane ---


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - no event reports the condition
            await asyncio.sleep(0.001)


@asynccontextmanager
async def warm(exchange: Exchange, count: int, **settings: Any) -> AsyncIterator[tuple[Mexc, RawServer, Lane]]:
    """Open a client whose lane has `count` connections."""
    async with client(exchange, **settings) as (mexc, raw):
        assert mexc._lane is not None
        await mexc.warm_up(count)
        yield mexc, raw, mexc._lane


def paths(raw: RawServer, connection: int) -> list[str]:
    return [arrival.path for arrival in raw.arrivals if arrival.connection == connection]


def of_order(raw: RawServer, name: str) -> int:
    """Return the number of the connection that carried an order."""
    return next(a.connection for a in raw.arrivals if a.method == "POST" and f"newClientOrderId={name}&" in a.target)


@pytest.mark.parametrize("status", [400, 200])
async def test_a_connection_carries_a_ping_before_it_carries_another_order(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_warm_module, "QUIET_S", 0.0)
    exchange = Exchange(twice=False)
    usual = exchange.answer
    exchange.answer = lambda arrival: (  # type: ignore[method-assign]  # some refusals come with the status 200
        (status, REFUSED) if usual(arrival)[1] == REFUSED else usual(arrival)
    )
    async with warm(exchange, 2) as (mexc, raw, lane):
        with pytest.raises(InsufficientBalance):
            await place(mexc, "no", TOO_MUCH)
        assert lane.open_connections == 1
        await place(mexc, "yes")
        first = of_order(raw, "no")
        assert of_order(raw, "yes") != first
        await until(lambda: lane.open_connections == 2)
        assert paths(raw, first)[-2:] == ["/api/v3/order", PING]
        await asyncio.gather(place(mexc, "a"), place(mexc, "b"))
        assert first in (of_order(raw, "a"), of_order(raw, "b"))


@pytest.mark.parametrize(
    "instead",
    [(400, REFUSED), (200, b'{"symbol":"BTCUSDT","orderId":"C02__0"}'), (200, b"[]"), (200, b"")],
    ids=["refusal", "ack", "list", "empty"],
)
async def test_a_ping_that_is_answered_otherwise_proves_nothing(
    instead: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_warm_module, "QUIET_S", 0.0)
    exchange, has_refused = Exchange(twice=False), set[int]()
    usual = exchange.answer

    def answer(arrival: Arrival) -> tuple[int, bytes]:
        if arrival.path == PING and arrival.connection in has_refused:
            return instead
        if (given := usual(arrival))[1] == REFUSED:
            has_refused.add(arrival.connection)
        return given

    exchange.answer = answer  # type: ignore[method-assign]  # the refused connection's ping
    async with warm(exchange, 2) as (mexc, raw, lane):
        before = raw.connections
        with pytest.raises(InsufficientBalance):
            await place(mexc, "no", TOO_MUCH)
        await until(lambda: raw.connections > before and lane.open_connections == 2)
        await asyncio.gather(place(mexc, "a"), place(mexc, "b"))
        assert paths(raw, of_order(raw, "no"))[-1] == PING


async def test_what_comes_while_a_connection_is_left_alone_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_warm_module, "QUIET_S", 60.0)
    async with warm(Exchange(longest_s=0.001), 1) as (mexc, raw, lane):
        (connection,) = lane.connections
        with pytest.raises(InsufficientBalance):
            await place(mexc, "no", TOO_MUCH)
        await until(lambda: connection not in lane.connections)
        assert paths(raw, of_order(raw, "no"))[-1] == "/api/v3/order"


@pytest.mark.parametrize("is_closed", [False, True], ids=["half is spent", "closed for a while"])
async def test_where_the_limits_leave_no_ping_another_connection_is_opened(
    is_closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_warm_module, "QUIET_S", 0.0)
    limits = Limits.custom(client=None)
    async with warm(Exchange(twice=False), 1, limits=limits) as (mexc, raw, lane):
        if is_closed:
            mexc._api.limiter.penalise(Ping.route, 429, 60.0)
        else:
            monkeypatch.setattr(mexc.limits, "spent", lambda route: 0.6)
        (connection,) = lane.connections
        with pytest.raises(InsufficientBalance):
            await place(mexc, "no", TOO_MUCH)
        await until(lambda: lane.open_connections == 1 and connection not in lane.connections)
        assert paths(raw, of_order(raw, "no"))[-1] == "/api/v3/order"
        await place(mexc, "yes")


async def test_a_burst_of_refusals_keeps_no_order_waiting_for_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_warm_module, "QUIET_S", 60.0)
    async with warm(Exchange(twice=False), 2) as (mexc, raw, lane):
        for number in range(10):
            with pytest.raises(InsufficientBalance):
                await place(mexc, f"no{number}", TOO_MUCH)
        await place(mexc, "yes")
        assert len({of_order(raw, f"no{number}") for number in range(10)} | {of_order(raw, "yes")}) == 11
        assert len(lane.connections) == 11


async def test_closing_does_not_wait_for_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_warm_module, "QUIET_S", 60.0)
    async with asyncio.timeout(5), warm(Exchange(twice=False), 1) as (mexc, _, _):
        with pytest.raises(InsufficientBalance):
            await place(mexc, "no", TOO_MUCH)


# --- both ways ---


@asynccontextmanager
async def way_to(kind: str, raw: RawServer) -> AsyncIterator[Lane | Pool]:
    config = TransportConfig(urls=ExchangeUrls(raw.url))
    way = Pool(config) if kind == "pool" else Lane(config, SYSTEM, kind == "orders")
    try:
        yield way
    finally:
        await way.aclose()


def send(way: Lane | Pool) -> Awaitable[Reply]:
    return way.send("POST", "/api/v3/order", {}, 5.0, lambda _: None)


ALL = pytest.mark.parametrize("kind", ["pool", "lane", "orders"])


@ALL
@pytest.mark.parametrize(("status", "body"), [(400, REFUSED), (200, REFUSED), (200, b'[{"code":30002,"msg":"less"}]')])
async def test_a_connection_with_a_refusal_is_not_used_for_the_next_call(kind: str, status: int, body: bytes) -> None:
    async with RawServer(server.answer(body, status), server.answer()) as raw, way_to(kind, raw) as way:
        assert (await send(way)).body == body
        await send(way)
        await send(way)
        assert [arrival.connection for arrival in raw.arrivals] == [1, 2, 2]


@ALL
async def test_a_success_in_an_envelope_is_no_refusal(kind: str) -> None:
    async with RawServer(server.answer(b'{"code":200,"msg":"","data":[]}')) as raw, way_to(kind, raw) as way:
        await send(way)
        await send(way)
        assert raw.connections == 1


@ALL
async def test_a_refusal_that_comes_before_the_request_can_have_arrived_is_not_believed(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawServer(server.answer(REFUSED, 400), server.answer()) as raw, way_to(kind, raw) as way:
        for module in (connection_module, pool_module):
            monkeypatch.setattr(module, "is_undelivered", lambda _: True)
        with pytest.raises(ConnectionLost) as caught:
            await send(way)
        assert not caught.value.outcome_known
        assert (await send(way)).body == b"{}"
        assert raw.connections == 2


class Astray(Exchange):
    """Answers the first placing, which it accepts, with `first`; holds that and look-ups back until `go`."""

    def __init__(self) -> None:
        super().__init__(twice=False)
        self.go = asyncio.Event()
        self.first = whole(REFUSED, 400)

    async def behave(self, arrival: Arrival, way: Way) -> bool:
        """Answer one request."""
        if arrival.path != "/api/v3/order":
            return await super().behave(arrival, way)
        is_first = arrival.method == "POST" and not self.orders
        status, body = self.answer(arrival)
        await self.go.wait()
        await way.write(self.first if is_first else whole(body, status))
        return True


def sent(raw: RawServer, method: str) -> bool:
    return any((arrival.method, arrival.path) == (method, "/api/v3/order") for arrival in raw.arrivals)


@pytest.mark.parametrize("transport", ["lane", "pool"])
async def test_no_refusal_of_an_order_under_way_is_believed_once_answers_went_astray(transport: str) -> None:
    exchange = Astray()
    async with client(exchange, transport=transport) as (mexc, raw):
        placing = asyncio.create_task(place(mexc, "mine"))
        await raw.until(lambda: sent(raw, "POST"))
        mexc._api.distrust()
        exchange.go.set()
        assert (await placing).order_id == "C02__0"  # by a look-up
        with pytest.raises(InsufficientBalance):  # asked after that
            await place(mexc, "other", TOO_MUCH)


@pytest.mark.parametrize("transport", ["lane", "pool"])
async def test_no_ack_of_an_order_under_way_is_believed_once_answers_went_astray(transport: str) -> None:
    exchange = Astray()
    exchange.first = whole(b'{"symbol":"BTCUSDT","orderId":"C02__equal","price":"9","origQty":"1","side":"BUY"}')
    async with client(exchange, transport=transport) as (mexc, raw):
        placing = asyncio.create_task(place(mexc, "mine"))
        await raw.until(lambda: sent(raw, "POST"))
        mexc._api.distrust()
        exchange.go.set()
        assert (await placing).order_id == "C02__0"  # by a look-up
        assert mexc.orders["mine"].order_id == "C02__0"


@pytest.mark.parametrize("transport", ["lane", "pool"])
async def test_a_refused_read_is_believed_while_answers_go_astray(transport: str) -> None:
    exchange = Astray()
    async with client(exchange, transport=transport) as (mexc, raw):
        asking = asyncio.create_task(mexc.spot.query_order(symbol="BTCUSDT", orig_client_order_id="mine"))
        await raw.until(lambda: sent(raw, "GET"))
        mexc._api.distrust()
        exchange.go.set()
        with pytest.raises(OrderNotFound):
            await asking


class Shifted(Exchange):
    """Answers the second placing with the ack of the first, and its own answer, a refusal, to the third."""

    def __init__(self) -> None:
        super().__init__(twice=False)
        self.go = asyncio.Event()
        self.acks: list[bytes] = []
        self.late: Way | None = None

    async def behave(self, arrival: Arrival, way: Way) -> bool:
        """Answer one request."""
        if arrival.method != "POST":
            return await super().behave(arrival, way)
        status, body = self.answer(arrival)
        self.acks.append(body)
        if len(self.acks) == 2:
            await self.go.wait()
            self.late, status, body = way, 200, self.acks[0]
        elif self.late is not None:
            await self.late.write(whole(REFUSED, 400))
            if self.late is way:
                return True  # the caller has its answer, and it is another's
        await way.write(whole(body, status))
        return True


@pytest.mark.parametrize("transport", ["lane", "pool"])
async def test_the_answer_to_a_cancelled_order_leaves_its_connection_unproven(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_warm_module, "QUIET_S", 60.0)
    exchange = Shifted()
    async with client(exchange, transport=transport) as (mexc, raw):
        await place(mexc, "first")
        cancelled = asyncio.create_task(place(mexc, "cancelled", TOO_MUCH))
        await raw.until(lambda: len([arrival for arrival in raw.arrivals if arrival.method == "POST"]) == 2)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        exchange.go.set()
        lane = mexc._lane
        await until(lambda: lane is None or all(connection.answer is None for connection in lane.connections))
        assert (await place(mexc, "mine")).order_id == exchange.orders["mine"]["orderId"]


@ALL
async def test_once_an_answer_was_another_requests_no_idle_connection_is_used(kind: str) -> None:
    async with RawServer() as raw, way_to(kind, raw) as way:
        await send(way)
        way.distrust()
        await send(way)
        assert [arrival.connection for arrival in raw.arrivals] == [1, 2]


@pytest.mark.parametrize("more", [whole(b'{"symbol":"BTCUSDT","orderId":"C02__1"}'), b"\x00"])
async def test_a_refusal_with_something_else_behind_it_is_not_believed(more: bytes) -> None:
    both = server.raw(whole(REFUSED, 400) + more, keep=True)
    async with RawServer(both, server.answer()) as raw, way_to("orders", raw) as lane:
        with pytest.raises(ConnectionLost):
            await send(lane)


@ALL
async def test_a_refusal_that_comes_twice_at_once_is_believed(kind: str) -> None:
    async with RawServer(server.raw(whole(REFUSED, 400) * 2, keep=True)) as raw, way_to(kind, raw) as way:
        assert (await send(way)).body == REFUSED
        assert (await send(way)).body == REFUSED
        assert raw.connections == 2


# --- acknowledgements in the kernel ---


class _Over:
    """A transport that has a socket only."""

    def __init__(self, sock: object) -> None:
        self.sock = sock

    def get_extra_info(self, name: str) -> object:
        return self.sock if name == "socket" else None


def undelivered(sock: object) -> bool:
    return is_undelivered(cast(asyncio.BaseTransport, _Over(sock)))


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="this kernel does not tell")
def test_an_answer_that_was_sent_before_the_request_arrived_is_seen_as_such() -> None:
    seen = {"early": 0, "own": 0}
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as here:
        there, _ = listener.accept()
        with there:
            for _ in range(20):
                there.send(b"early")
                here.send(b"request")
                here.recv(100)
                seen["early"] += undelivered(here)  # loopback acknowledges some at once
                there.recv(100)
                there.send(b"own")
                here.recv(100)
                seen["own"] += undelivered(here)
    assert seen["early"] > 0
    assert seen["own"] == 0


def test_where_nothing_can_be_asked_nothing_is_held_against_an_answer() -> None:
    closed = socket.socket()
    closed.close()

    class Short:
        def getsockopt(self, *_: object) -> bytes:
            return b"\1" * 10

    assert not any(undelivered(sock) for sock in (None, closed, Short()))
    assert not is_undelivered(None)
