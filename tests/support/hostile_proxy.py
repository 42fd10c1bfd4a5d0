"""A proxy between a client and the simulated exchange that injects faults, chosen by a seed, and counts them.

It reads whole HTTP/1.1 messages and doubles, swaps, delays, truncates and stalls them, both ways. It cuts connections
at any point, and delays or cuts the stream behind a WebSocket's handshake.

    async with HostileProxy(sim.rest, seed=7) as proxy:
        proxy.unleash(Fault("double_answer", 0.05, on="POST /api/v3/order", most_s=0.003))
        ...  # point a client at proxy.rest and proxy.ws
    assert proxy.struck["double_answer"]

The n-th request of an endpoint meets the same faults in every run with the same seed; the order of requests depends on
the machine. The proxy injects no fault that a client cannot detect:

- A refusal names no order. One that arrives alone, in the place of another answer, looks like a true one. So no refusal
  is swapped except "order does not exist", after which the client looks the order up anyway. A refused order gets no
  other's answer, which could fit it. A doubled refusal is fair: a ping over the connection detects it.
- A request that trades, sent twice, trades twice: the exchange accepts a client order id again once its order has
  ended. Of new orders, only requests for one LIMIT_MAKER order are doubled; the exchange refuses the second while the
  first rests. The answer to the second is dropped, because it refuses an existing order without naming it.
- Bytes are not changed at random: TLS detects that.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from random import Random
from typing import Literal, NamedTuple, Self, TypeAlias
from urllib.parse import urlsplit

from mexc_async.sim.faults.faults import matcher
from tests.support.http_messages import Answer, Question, read_answer, read_question
from tests.support.raw_server import LINGER_RESET

Kind: TypeAlias = Literal[
    "delay_request",
    "truncate_request",
    "double_request",
    "swap_requests",
    "cut_before",
    "cut_after",
    "delay_answer",
    "truncate_answer",
    "clip_answer",
    "stall_answer",
    "double_answer",
    "copy_answer",
    "swap_answers",
    "hold_stream",
    "cut_stream",
]
"""Kinds of faults.

delay_request: passed on late, although its sender may have left. truncate_request: its beginning is passed on, and
the connection then cut, or left without an answer. double_request: passed on twice. swap_requests: the requests of two
connections change places, and so do the answers. cut_before, cut_after: the connection ends before or after the request
was passed on. delay_answer: arrives late. truncate_answer: its beginning arrives, then the connection ends.
clip_answer: the beginning of its body arrives as a complete body. stall_answer: its beginning, or none of it, arrives,
then silence. double_answer: arrives twice, before any later answer on its connection. copy_answer: arrives again,
maybe behind a later answer. swap_answers: the answers of two connections change places. hold_stream: pushes arrive
late. cut_stream: the stream ends, maybe in the middle of a frame.
"""

PLACING = ("POST /api/v3/order", "POST /api/v3/batchOrders")
NOT_FOUND = (-2011, -2013)
SWAP_S = 0.05
"""Seconds that a message waits for another to swap with."""


class Fault(NamedTuple):
    """A fault and its probability."""

    kind: Kind
    chance: float
    """Probability for each message; for the stream, for each piece of it."""
    on: str = "*"
    """Patterns (`*`, `?`), divided by `|`, of method and path: `POST /api/v3/order|DELETE *`."""
    least_s: float = 0.0
    most_s: float = 0.0
    """Bounds of the pause: of delay, hold, double_answer and copy_answer."""
    of: Literal["any", "refused", "accepted"] = "any"
    """Answers that it affects."""


class Strike(NamedTuple):
    """An injected fault, or a written answer."""

    kind: Kind | Literal["answered"]
    name: str
    """Method and path of the request."""
    number: int
    """Counts the requests of that name, or the pieces of streams, from 1."""
    connection: int
    moment: float
    """Time by the event loop's clock."""
    order: str | None
    """Client order id that the request names."""


class _Rule:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.matches = matcher(fault.on)


class Exchange:
    """A request, its faults and its answer."""

    def __init__(self, link: Link, question: Question, number: int, random: Random, drawn: dict[Kind, Fault]) -> None:
        self.link = link
        self.question = question
        self.number = number
        self.random = random
        self.drawn = drawn
        self.partner: Exchange | None = None
        """The exchange whose place its request took."""
        self.sent = asyncio.Event()
        self.answered = asyncio.Event()
        self.answer: Answer | None = None

    def take(self, kind: Kind) -> Fault | None:
        """Return and count the fault of this kind; None without one."""
        fault = self.drawn.get(kind)
        if fault is None or (self.answer is not None and not self._is_meant(fault, self.answer)):
            return None
        self.link.proxy.note(kind, self)
        return fault

    @staticmethod
    def _is_meant(fault: Fault, answer: Answer) -> bool:
        return fault.of == "any" or (fault.of == "refused") == answer.is_refusal

    def pause_s(self, fault: Fault) -> float:
        return self.random.uniform(fault.least_s, fault.most_s)

    @property
    def is_swappable(self) -> bool:
        """True if the receivers of both swapped answers can detect the swap."""
        answer = self.answer
        return answer is not None and (not answer.is_refusal or answer.code in NOT_FOUND)

    @property
    def is_doublable(self) -> bool:
        """True if the exchange carries out a doubled request only once."""
        name, parameters = self.question.name, self.question.parameters
        return name not in PLACING or parameters.get("type") == "LIMIT_MAKER"


class Meeting:
    """A meeting point where messages wait for a partner of another connection to swap with."""

    def __init__(self) -> None:
        self._waiting: dict[Exchange, asyncio.Future[Exchange]] = {}

    def join(self, own: Exchange) -> Exchange | None:
        """Return the waiting exchange, which then gets `own`; None without one."""
        for other, waiter in self._waiting.items():
            if not waiter.done():
                del self._waiting[other]
                waiter.set_result(own)
                return other
        return None

    async def wait(self, own: Exchange) -> Exchange | None:
        """Wait for a partner and return it; None if none joins in time."""
        waiter: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self._waiting[own] = waiter
        try:
            async with asyncio.timeout(SWAP_S):
                return await waiter
        except TimeoutError:
            return waiter.result() if waiter.done() and not waiter.cancelled() else None
        finally:
            self._waiting.pop(own, None)


class HostileProxy:
    """Proxy on loopback to one HTTP server; it injects no fault before `unleash`."""

    def __init__(self, upstream: str, *, seed: int = 0) -> None:
        self.upstream = urlsplit(upstream)
        self.seed = seed
        self.struck = Counter[Kind]()
        self.log: list[Strike] = []
        self.connections = 0
        """Count of accepted connections."""
        self.links: set[Link] = set()
        """Open connections."""
        self.requests = Meeting()
        self.answers = Meeting()
        self._rules: list[_Rule] = []
        self._numbers = Counter[str]()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def rest(self) -> str:
        """Base URL of the REST API behind it."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def ws(self) -> str:
        """URL of the stream behind it."""
        return f"ws{self.rest.removeprefix('http')}/ws"

    def unleash(self, *faults: Fault) -> None:
        """Inject these faults from now on, and no others."""
        self._rules = [_Rule(fault) for fault in faults]

    def calm(self) -> None:
        """Stop injecting faults; pass on waiting messages, leave broken connections broken."""
        self._rules = []

    def drawn(self, name: str) -> tuple[int, Random, dict[Kind, Fault]]:
        """Draw the next message of this name: its number, its source of choices, and the faults that befall it."""
        self._numbers[name] += 1
        number = self._numbers[name]
        random = Random(f"{self.seed}:{name}:{number}")
        hits = [(rule, random.random() < rule.fault.chance) for rule in self._rules]
        return number, random, {rule.fault.kind: rule.fault for rule, hit in hits if hit and rule.matches(name)}

    def note(self, kind: Kind | Literal["answered"], exchange: Exchange) -> None:
        """Record an event, and count it if it is a fault."""
        question = exchange.question
        order = question.parameters.get("newClientOrderId") or question.parameters.get("origClientOrderId")
        now, link = asyncio.get_running_loop().time(), exchange.link
        if kind != "answered":
            self.struck[kind] += 1
        self.log.append(Strike(kind, question.name, exchange.number, link.number, now, order))

    def story(self, orders: Iterable[str]) -> str:
        """Describe the requests of these orders, and the last requests before them on the same connections."""
        orders = tuple(orders)
        lines = [f"{len(orders)} in all, of which the first:"]
        for order in orders[:5]:
            for index, strike in enumerate(self.log):
                if strike.order == order:
                    before = [each for each in self.log[:index] if each.connection == strike.connection][-4:]
                    lines += [f"{order}:", *(f"    {each}" for each in (*before, strike))]
        return "\n".join(lines)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        link = Link(self, self.connections, reader, writer)
        self.links.add(link)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await link.serve()  # only the proxy's end cancels it
        finally:
            self.links.discard(link)
            await link.aclose()
            self._tasks.discard(task)


class Link:
    """A client's connection with its connection to the server."""

    def __init__(
        self, proxy: HostileProxy, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.proxy = proxy
        self.number = number
        self._reader = reader
        self._writer = writer
        self._behind: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._copies: set[asyncio.TimerHandle] = set()

    async def serve(self) -> None:
        """Pass on requests until either side closes."""
        while (question := await read_question(self._reader)) is not None:
            exchange = Exchange(self, question, *self.proxy.drawn(question.name))
            if question.is_upgrade:
                await self._tunnel(exchange)
                return
            try:
                goes_on = await self._ask(exchange) and await self._deliver(exchange)
            finally:
                exchange.sent.set()  # wakes the partner in a swap
                exchange.answered.set()
            if not goes_on:
                return

    async def aclose(self) -> None:
        """Close both."""
        for copy in self._copies:
            copy.cancel()
        for writer in (self._writer, self._behind and self._behind[1]):
            if writer is not None:
                writer.close()
                with suppress(OSError, asyncio.CancelledError):
                    await writer.wait_closed()

    # The request

    async def _ask(self, exchange: Exchange) -> bool:
        """Pass the request on and get its answer; False if the connection has to end."""
        question, random = exchange.question, exchange.random
        if exchange.take("cut_before"):
            return self._cut(exchange)
        if late := exchange.take("delay_request"):
            await asyncio.sleep(exchange.pause_s(late))
        await self._take_places(exchange)
        if exchange.take("truncate_request"):
            _, writer = await self._server()
            writer.write(question.raw[: random.randrange(1, len(question.raw))])
            await self._leave()
            return self._cut(exchange) if random.random() < 0.5 else await self._stall()
        if exchange.take("cut_after"):
            (await self._server())[1].write(question.raw)
            await self._leave()
            return self._cut(exchange)
        if (answer := await self._round_trip(exchange)) is None:
            return False
        if exchange.is_doublable and exchange.take("double_request"):
            await self._round_trip(exchange)
        exchange.answer = answer
        exchange.answered.set()
        return True

    async def _take_places(self, exchange: Exchange) -> None:
        """Let a request of another connection go first, and take its answer."""
        meeting = self.proxy.requests
        if (other := meeting.join(exchange)) is not None:
            exchange.partner = other
        elif "swap_requests" in exchange.drawn and (other := await meeting.wait(exchange)) is not None:
            exchange.take("swap_requests")
            exchange.partner = other
            await other.sent.wait()

    async def _round_trip(self, exchange: Exchange) -> Answer | None:
        for attempt in (1, 2):
            reader, writer = await self._server(reconnect=attempt == 2)
            if writer.transport.is_closing() or reader.at_eof():
                continue  # it closed while idle
            writer.write(exchange.question.raw)
            exchange.sent.set()
            return await read_answer(reader, exchange.question)
        return None

    async def _server(self, reconnect: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if reconnect:
            await self._leave()
        if self._behind is None:
            url = self.proxy.upstream
            self._behind = await asyncio.open_connection(url.hostname, url.port)
        return self._behind

    async def _leave(self) -> None:
        """End the connection to the server once everything is written."""
        if self._behind is not None:
            (_, writer), self._behind = self._behind, None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    # The answer

    async def _deliver(self, exchange: Exchange) -> bool:
        """Send the answer or the rest of it; False if the connection has to end."""
        answer, random = await self._swapped(exchange), exchange.random
        raw = answer.raw
        if late := exchange.take("delay_answer"):
            await asyncio.sleep(exchange.pause_s(late))
        if exchange.take("truncate_answer"):
            self._write(raw[: random.randrange(1, len(raw))])
            return self._cut(exchange, gently=True)
        if exchange.take("stall_answer"):
            self._write(raw[: random.choice((0, random.randrange(len(raw))))])
            return await self._stall()
        if answer.body and exchange.take("clip_answer"):
            raw = answer.clipped(random.randrange(len(answer.body)))
        self._write(raw)
        self.proxy.note("answered", exchange)
        if again := exchange.take("double_answer"):
            await asyncio.sleep(exchange.pause_s(again) if random.random() < 0.8 else 0)
            self._write(raw)
        if again := exchange.take("copy_answer"):
            loop = asyncio.get_running_loop()
            self._copies.add(loop.call_later(exchange.pause_s(again), self._write, raw))
        return True

    async def _swapped(self, exchange: Exchange) -> Answer:
        """Return the answer for this connection: its own, or another's if the clients can detect that."""
        assert exchange.answer is not None
        other, meeting = exchange.partner, self.proxy.answers
        if other is not None:
            await other.answered.wait()
        elif exchange.is_swappable:
            other = meeting.join(exchange)
            if other is None and "swap_answers" in exchange.drawn and (other := await meeting.wait(exchange)):
                exchange.take("swap_answers")
        if other is None or other.answer is None or not (exchange.is_swappable and other.is_swappable):
            return exchange.answer
        return other.answer

    def _write(self, data: bytes) -> None:
        if not self._writer.transport.is_closing():
            self._writer.write(data)

    def _cut(self, exchange: Exchange, gently: bool = False) -> bool:
        """End the client's connection, by RST or by FIN."""
        is_open = not self._writer.transport.is_closing()
        if not gently and exchange.random.random() < 0.5 and is_open:
            sock: socket.socket = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            self._writer.transport.abort()
        return False

    async def _stall(self) -> bool:
        """Send nothing more until the client leaves."""
        with suppress(ConnectionError):
            await self._reader.read()
        return False

    # The stream

    async def _tunnel(self, exchange: Exchange) -> None:
        """Pass on a WebSocket, both ways, until either side ends it."""
        reader, writer = await self._server()
        writer.write(exchange.question.raw)
        there = asyncio.ensure_future(_copy(self._reader, writer))
        try:
            await self._pour(reader, exchange)
        finally:
            there.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await there

    async def _pour(self, reader: asyncio.StreamReader, exchange: Exchange) -> None:
        """Pass on the stream, with delays."""
        name = exchange.question.name
        while data := await reader.read(65536):
            exchange.number, exchange.random, exchange.drawn = self.proxy.drawn(f"{name} piece")
            if late := exchange.take("hold_stream"):
                await asyncio.sleep(exchange.pause_s(late))
            if exchange.take("cut_stream"):
                self._write(data[: exchange.random.randrange(len(data))])
                return
            self._write(data)
            await self._writer.drain()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    target.close()
