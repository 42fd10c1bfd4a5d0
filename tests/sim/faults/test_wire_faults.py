"""Faults of bytes and connections, over sockets and in memory, and as a caller without a network gets them."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import orjson
import pytest

from mexc_async.backtest.direct import DirectJoin, DirectPool
from mexc_async.backtest.memory import MemoryJoin
from mexc_async.errors import ConnectionLost, MexcError, RequestTimeout
from mexc_async.schema.answers import Reply
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.faults.faults import BadFault, Fault, Strike
from mexc_async.sim.rest.http import Delivery, Response
from mexc_async.sim.rest.http_server import beginning, binary_frame, on_the_wire
from mexc_async.sim.rest.port import Port
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.streams.websocket import Socket, SocketConfig, connect
from mexc_async.transport.config import Timeouts, TransportConfig
from mexc_async.transport.urls import ExchangeUrls
from tests.support.naive_client import NaiveClient
from tests.support.naive_trader import BTC, GOOD, ORDER

Join: TypeAlias = Literal["sockets", "memory", "direct"]
ON_WIRES = pytest.mark.parametrize("join", ["sockets", "memory"])
EVERYWHERE = pytest.mark.parametrize("join", ["sockets", "memory", "direct"])
TICKER = "spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"
LIMIT_S = 30.0


class Line(asyncio.Protocol):
    """A connection that keeps what comes, and its end."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.end: str | None = None
        self.transport: asyncio.Transport
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += data
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end = "closed" if exc is None else "reset"
        self._changed.set()

    @property
    def answers(self) -> list[Any]:
        """The bodies of the whole answers so far."""
        found, left = [], bytes(self.got)
        while match := re.search(rb"Content-Length: (\d+)\r\n(?:.*\r\n)*?\r\n", left):
            size = int(match[1])
            if len(left) < match.end() + size:
                break
            found.append(left[match.end() : match.end() + size])
            left = left[match.end() + size :]
        return found

    async def until(self, count: int) -> list[Any]:
        """Wait for a number of answers, and return their contents."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.answers) < count:
                self._changed.clear()
                await self._changed.wait()
        return [orjson.loads(body) for body in self.answers]

    async def ended(self) -> str:
        async with asyncio.timeout(LIMIT_S):
            while self.end is None:
                self._changed.clear()
                await self._changed.wait()
        return self.end


class Heard:
    """Listener of a stream that keeps what it hears."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed = asyncio.Event()

    def on_frame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def on_text(self, text: str) -> None:
        pass

    def on_closed(self) -> None:
        self.closed.set()


class World:
    """An exchange and its clients."""

    def __init__(self, sim: Simulator, join: MemoryJoin | DirectJoin | None, strikes: Sequence[Strike]) -> None:
        self.sim = sim
        self.strikes = strikes
        self.lines: list[Line] = []
        self.sockets: list[Socket] = []
        self._join = join
        self._client = NaiveClient(sim.rest, DEMO_KEY, DEMO_SECRET, clock=sim.clock)

    async def line(self) -> Line:
        url = urlsplit(self.sim.rest)
        assert url.hostname is not None
        assert url.port is not None
        if isinstance(self._join, MemoryJoin):
            made = await self._join._memory.dial(Line, url.hostname, url.port)
        else:
            _, made = await asyncio.get_running_loop().create_connection(Line, url.hostname, url.port)
        assert isinstance(made, Line)
        self.lines.append(made)
        return made

    def ask(self, line: Line, method: str, path: str, **parameters: object) -> None:
        line.transport.write(self._client.request(method, path, **parameters))

    def place(self, line: Line, name: str, **changes: object) -> None:
        self.ask(line, "POST", ORDER, **{**GOOD, "newClientOrderId": name, **changes})

    async def call(self, method: str, path: str, timeout_s: float = LIMIT_S, **parameters: object) -> Reply:
        """Send a request over the direct join."""
        assert isinstance(self._join, DirectJoin)
        urls = ExchangeUrls(rest=self.sim.rest, ws=self.sim.spot_ws)
        pool = DirectPool(self._join, TransportConfig(urls=urls, timeouts=Timeouts(LIMIT_S, LIMIT_S, LIMIT_S)))
        request = self._client.request(method, path, **parameters).decode().split(" ", 2)
        return await pool.send(method, request[1], {"X-MEXC-APIKEY": DEMO_KEY}, timeout_s, lambda _: None)

    async def listen(self) -> Heard:
        """Open a stream and subscribe to a ticker."""
        heard, config = Heard(), SocketConfig()
        if self._join is None:
            socket = await connect(self.sim.spot_ws, heard, config)
        else:
            socket = await self._join.network.connect(self.sim.spot_ws, heard, config)
        self.sockets.append(socket)
        socket.send(orjson.dumps({"method": "SUBSCRIPTION", "params": [TICKER]}).decode())
        return heard

    @property
    def orders(self) -> list[str | None]:
        """Client order ids in the order in which they were accepted."""
        return [line.client_id for line in self.sim.statement().orders]


@asynccontextmanager
async def exchange(join: Join, *faults: Fault) -> AsyncIterator[World]:
    strikes: list[Strike] = []
    made = {"sockets": None, "memory": MemoryJoin(), "direct": DirectJoin()}[join]
    config = SimConfig(flow=0, limits="none", faults=faults)
    listen = Port if made is None else made.listen
    async with Simulator(config, listen=listen, on_strike=strikes.append) as sim:
        world = World(sim, made, strikes)
        try:
            yield world
        finally:
            for line in world.lines:
                line.transport.close()
            for socket in world.sockets:
                await socket.aclose()


def kinds(world: World) -> list[str]:
    return [strike.fault.kind for strike in world.strikes]


# The end of a connection, and parts of answers


@ON_WIRES
@pytest.mark.parametrize(("kind", "end"), [("hang_up", "closed"), ("reset", "reset")])
@pytest.mark.parametrize("at", ["unread", "read", "processed"])
async def test_a_connection_ends_by_fin_or_rst_at_each_stage(join: Join, kind: Any, end: str, at: Any) -> None:
    async with exchange(join, Fault(kind=kind, on="new_order", at=at)) as world:
        line = await world.line()
        world.place(line, "a")
        assert (await line.ended(), bytes(line.got)) == (end, b"")
        assert world.orders == (["a"] if at == "processed" else [])


@ON_WIRES
async def test_a_truncated_answer_ends_the_connection(join: Join) -> None:
    async with exchange(join, Fault(kind="truncate", on="new_order")) as world:
        line = await world.line()
        world.place(line, "a")
        assert await line.ended() == "closed"
        assert line.got
        assert line.answers == []
        assert world.orders == ["a"]


@ON_WIRES
async def test_a_clipped_answer_has_the_length_that_it_says(join: Join) -> None:
    async with exchange(join, Fault(kind="clip", on="new_order", times=1)) as world:
        line = await world.line()
        world.place(line, "a")
        async with asyncio.timeout(LIMIT_S):
            while not line.answers:  # noqa: ASYNC110 - a part of an answer has no event
                await asyncio.sleep(0)
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(line.answers[0])
        line.got.clear()
        world.place(line, "b")
        (answer,) = await line.until(1)
        assert answer["orderId"]


@ON_WIRES
async def test_a_stalled_answer_begins_and_stays_open(join: Join) -> None:
    async with exchange(join, Fault(kind="stall", on="new_order")) as world:
        line = await world.line()
        world.place(line, "a")
        await asyncio.sleep(0.1)
        assert line.got.startswith(b"HTTP/1.1 200 OK"[: len(line.got)])
        assert (line.end, line.answers, world.orders) == (None, [], ["a"])
        line.transport.close()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_beginning_is_never_nothing_and_never_all(share: float) -> None:
    response = Response(b"{}", delivery=Delivery.STALLED, share=share)
    assert 1 <= len(beginning(response)) < len(on_the_wire(response))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="hang_up"), ConnectionLost),
        (Fault(kind="truncate"), ConnectionLost),
        (Fault(kind="stall"), RequestTimeout),
        (Fault(kind="hang_up", at="unread"), ConnectionLost),
    ],
)
@pytest.mark.parametrize("late", [(), (Fault(kind="late_answer", delay_ms=5),)])
async def test_a_caller_without_a_network_gets_the_same_errors(
    fault: Fault, error: type[MexcError], late: tuple[Fault, ...]
) -> None:
    async with exchange("direct", fault, *late) as world:
        with pytest.raises(error):
            await world.call("POST", ORDER, 0.1, **GOOD)


async def test_a_caller_without_a_network_gets_clipped_bodies_and_no_copies() -> None:
    faults = (Fault(kind="clip", on="query_order"), Fault(kind="repeat_answer"), Fault(kind="stale_answer"))
    async with exchange("direct", *faults) as world:
        placed = await world.call("POST", ORDER, **GOOD, newClientOrderId="a")
        assert orjson.loads(placed.body)["orderId"]
        clipped = await world.call("GET", ORDER, symbol=BTC, origClientOrderId="a")
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(clipped.body)


# Copies


@ON_WIRES
async def test_an_answer_comes_again_before_any_later_one(join: Join) -> None:
    async with exchange(join, Fault(kind="repeat_answer", on="new_order", times=1, delay_ms=30)) as world:
        line = await world.line()
        world.place(line, "a")
        world.place(line, "b")
        first, again, second = await line.until(3)
        assert first == again != second


@ON_WIRES
async def test_a_copy_comes_behind_later_answers(join: Join) -> None:
    async with exchange(join, Fault(kind="stale_answer", on="new_order", times=1, delay_ms=100)) as world:
        line = await world.line()
        world.place(line, "a")
        world.place(line, "b")
        first, second, copy = await line.until(3)
        assert first == copy != second


@ON_WIRES
async def test_no_stale_copy_is_made_of_a_refusal_that_names_no_order(join: Join) -> None:
    async with exchange(join, Fault(kind="stale_answer", delay_ms=0)) as world:
        line = await world.line()
        world.place(line, "a", quantity="0")
        await line.until(1)
        assert kinds(world) == []
        world.ask(line, "GET", ORDER, symbol=BTC, origClientOrderId="none")
        assert [answer["code"] for answer in (await line.until(3))[1:]] == [-2013, -2013]


# Changed places


async def both(world: World, join: Join, *changes: dict[str, object]) -> tuple[Any, Any]:
    """Place the orders a and b at the same time; return their answers."""
    more = (*changes, {}, {})
    if join == "direct":
        named = [
            world.call("POST", ORDER, **{**GOOD, "newClientOrderId": n, **c}) for n, c in zip("ab", more, strict=False)
        ]
        replies = await asyncio.gather(*named)
        return orjson.loads(replies[0].body), orjson.loads(replies[1].body)
    first, second = await world.line(), await world.line()
    world.place(first, "a", **more[0])
    await asyncio.sleep(0.05)  # the first waits for a partner, for a long time
    world.place(second, "b", **more[1])
    return (await first.until(1))[0], (await second.until(1))[0]


def order_id(world: World, name: str) -> str:
    (found,) = (line.order_id for line in world.sim.statement().orders if line.client_id == name)
    return found


@EVERYWHERE
async def test_answers_of_two_connections_change_places(join: Join) -> None:
    async with exchange(join, Fault(kind="swap_answers", times=1, delay_ms=20_000)) as world:
        first, second = await both(world, join)
        assert (first["orderId"], second["orderId"]) == (order_id(world, "b"), order_id(world, "a"))
        assert [(strike.fault.kind, strike.orders) for strike in world.strikes] == [("swap_answers", ("a",))]
        assert world.orders == ["a", "b"]


@EVERYWHERE
async def test_requests_of_two_connections_change_places_and_so_do_their_answers(join: Join) -> None:
    async with exchange(join, Fault(kind="swap_requests", times=1, delay_ms=20_000)) as world:
        first, second = await both(world, join)
        assert world.orders == ["b", "a"]
        assert (first["orderId"], second["orderId"]) == (order_id(world, "b"), order_id(world, "a"))
        assert kinds(world) == ["swap_requests"]


@pytest.mark.parametrize("refused", [0, 1])
@pytest.mark.parametrize("kind", ["swap_requests", "swap_answers"])
async def test_a_refusal_takes_no_others_place(kind: Any, refused: int) -> None:
    changes: list[dict[str, object]] = [{}, {}]
    changes[refused] = {"quantity": "0"}
    async with exchange("memory", Fault(kind=kind, times=1, delay_ms=200)) as world:
        answers = await both(world, "memory", *changes)
        assert "orderId" not in answers[refused]
        assert answers[1 - refused]["orderId"] == order_id(world, "ab"[1 - refused])


@ON_WIRES
@pytest.mark.parametrize("kind", ["swap_requests", "swap_answers"])
async def test_who_finds_no_partner_goes_on(join: Join, kind: Any) -> None:
    async with exchange(join, Fault(kind=kind, delay_ms=20)) as world:
        line = await world.line()
        world.place(line, "a")
        (answer,) = await line.until(1)
        assert answer["orderId"] == order_id(world, "a")
        assert kinds(world) == []


async def test_who_waits_for_a_partner_is_lost_when_the_exchange_restarts() -> None:
    async with exchange("memory", Fault(kind="swap_requests", delay_ms=20_000)) as world:
        line = await world.line()
        world.place(line, "a")
        await asyncio.sleep(0.01)
        world.sim.restart(0)
        assert await line.ended() == "reset"
        assert world.orders == []


# Repeated requests


@EVERYWHERE
async def test_a_request_is_carried_out_twice_where_the_second_is_refused(join: Join) -> None:
    async with exchange(join, Fault(kind="request_twice")) as world:
        maker = {**GOOD, "type": "LIMIT_MAKER", "newClientOrderId": "maker"}
        if join == "direct":
            await world.call("POST", ORDER, **maker)
            await world.call("POST", ORDER, **GOOD)
            reply = await world.call("DELETE", ORDER, symbol=BTC, origClientOrderId="maker")
            answer = orjson.loads(reply.body)
        else:
            line = await world.line()
            world.ask(line, "POST", ORDER, **maker)
            world.ask(line, "POST", ORDER, **GOOD)
            world.ask(line, "DELETE", ORDER, symbol=BTC, origClientOrderId="maker")
            answer = (await line.until(3))[-1]
        assert answer["origClientOrderId"] == "maker"
        assert world.orders == ["maker", None]
        assert [strike.label for strike in world.strikes] == ["new_order", "cancel_order"]


# Limits and the clock


@EVERYWHERE
@pytest.mark.parametrize(("kind", "status"), [("throttle", 429), ("ban", 418)])
async def test_an_address_is_refused_for_a_while_as_if_another_program_had_used_it(
    join: Join, kind: Any, status: int
) -> None:
    async with exchange(join, Fault(kind=kind, on="new_order", delay_ms=1500)) as world:
        if join == "direct":
            reply = await world.call("POST", ORDER, **GOOD)
            assert (reply.status, reply.headers["Retry-After"]) == (status, "2")
            reply = await world.call("GET", "/api/v3/time")
            assert reply.status == status
        else:
            line = await world.line()
            world.place(line, "a")
            world.ask(line, "GET", "/api/v3/time")
            await line.until(2)
            assert re.findall(rb"HTTP/1.1 (\d+)", line.got) == [str(status).encode()] * 2
            assert b"Retry-After: 2" in line.got
        assert world.orders == []
        assert dict(world.sim.rejected) == {kind: 2}
        assert kinds(world) == [kind]


@EVERYWHERE
@pytest.mark.parametrize("jump_ms", [3_600_000, -90_000])
async def test_the_clock_jumps_and_the_market_goes_on(join: Join, jump_ms: int) -> None:
    async with exchange(join, Fault(kind="clock", on="server_time", times=1, delay_ms=jump_ms)) as world:
        heard = await world.listen()
        before = world.sim._now_ms()
        if join == "direct":
            answer = orjson.loads((await world.call("GET", "/api/v3/time")).body)
        else:
            line = await world.line()
            world.ask(line, "GET", "/api/v3/time")
            (answer,) = await line.until(1)
        assert 0 <= answer["serverTime"] - before - jump_ms < 60_000
        count = len(heard.frames)
        async with asyncio.timeout(LIMIT_S):
            while len(heard.frames) < count + 3:  # noqa: ASYNC110 - the market's own pushes
                await asyncio.sleep(0.005)


def test_only_the_clock_goes_back() -> None:
    assert Fault(kind="clock", delay_ms=-5).delay_ms == -5
    with pytest.raises(BadFault, match="delay_ms cannot be negative"):
        Fault(kind="hold", delay_ms=-5)


# Streams and processes


@EVERYWHERE
@pytest.mark.parametrize("kind", ["cut", "hang_up"])
async def test_a_stream_ends_in_the_middle_of_a_push(join: Join, kind: Any) -> None:
    async with exchange(join, Fault(kind=kind, on="spot@*", after=2)) as world:
        heard = await world.listen()
        async with asyncio.timeout(LIMIT_S):
            await heard.closed.wait()
        assert len(heard.frames) == 2
        assert kinds(world) == [kind]


@pytest.mark.parametrize("size", [3, 200, 70_000])
def test_a_frame_has_the_length_of_its_message(size: int) -> None:
    frame = binary_frame(bytes(size))
    assert len(frame) - size == {3: 2, 200: 4, 70_000: 10}[size]
    assert int.from_bytes(frame[1:2] if size == 3 else frame[2:-size], "big") == size


@pytest.mark.parametrize("kind", ["kill", "freeze"])
@pytest.mark.parametrize("at", ["unread", "read", "processed"])
async def test_what_befalls_the_process_is_reported_at_its_stage(kind: Any, at: Any) -> None:
    faults = (Fault(kind=kind, on="new_order", at=at), Fault(kind="hold", on="new_order", delay_ms=5))
    async with exchange("memory", *faults) as world:
        line = await world.line()
        world.place(line, "a")
        await line.until(1)
        expected = [kind, "hold"] if at != "processed" else ["hold", kind]
        assert [(strike.fault.kind, strike.orders) for strike in world.strikes] == [(k, ("a",)) for k in expected]
        assert world.orders == ["a"]


async def test_what_befalls_the_process_is_reported_at_a_push() -> None:
    async with exchange("memory", Fault(kind="kill", on="spot@*", after=1, times=1)) as world:
        heard = await world.listen()
        async with asyncio.timeout(LIMIT_S):
            while len(heard.frames) < 3:  # noqa: ASYNC110 - the market's own pushes
                await asyncio.sleep(0.005)
        assert [strike.label for strike in world.strikes] == [TICKER]


@pytest.mark.parametrize("kind", ["kill", "freeze"])
def test_nobody_but_a_rehearsal_kills_a_process(kind: Any) -> None:
    with pytest.raises(BadFault, match=f"^fault {kind}: only a rehearsal can carry it out$"):
        Simulator(SimConfig(faults=(Fault(kind=kind),)))
    with pytest.raises(BadFault, match="only a rehearsal"):
        Simulator().inject(Fault(kind=kind))


@ON_WIRES
async def test_a_request_and_a_reset_at_once_raise_nothing_at_the_exchange(join: Join) -> None:
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failed.append(context))
    async with exchange(join) as world:
        line = await world.line()
        await asyncio.sleep(0.01)
        world.place(line, "a")
        line.transport.abort()
        await asyncio.sleep(0.05)
    gc.collect()
    assert failed == []
