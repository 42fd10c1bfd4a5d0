"""Client and simulated exchange joined by calls: a request is a call of the exchange, a frame a call of the client.

Signatures, rate limits, JSON and protobuf are as over a network; HTTP and WebSocket framing are left out. A request is
handled inside the call that sends it, and its answer comes in a later turn of the event loop, before the pushes that
the request caused.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Awaitable, Container, Generator, Mapping
from typing import Any
from urllib.parse import urlsplit

from multidict import CIMultiDict

from mexc_async.client.settings import Network
from mexc_async.errors import ClientClosed, ConnectFailed, ConnectionLost, ProtocolError, RequestTimeout
from mexc_async.schema.answers import Reply
from mexc_async.sim.rest.http import Delivery, Handler, NoResponse, Outcome, Peer, Request, Response
from mexc_async.sim.stream.channel import NORMAL, Channel, End, Message
from mexc_async.streams.websocket import Listener, Socket, SocketConfig
from mexc_async.transport.addresses import unreachable
from mexc_async.transport.config import TransportConfig
from mexc_async.transport.request_fields import Fields
from mexc_async.transport.transport import OnConnected
from mexc_async.transport.urls import place_of

_HOST = "127.0.0.1"
"""Address of every exchange and client: loopback, so that a client knows its exchange for a simulated one."""
_FIRST_PORT = 1024


class DirectJoin:
    """Join of clients and simulated exchanges in one process and one event loop, by calls.

    simulator = Simulator(config, clock, join.listen)
    client = Mexc(..., prepared=Prepared(network=join.network))
    """

    def __init__(self) -> None:
        self._ports: dict[str, DirectPort] = {}
        self.network = Network(self._pool, None, self._connect)
        """Makers of a client's connections."""

    def listen(self, handler: Handler, host: str, port: int) -> DirectPort:
        """Build the port of a simulated exchange; host and port do not matter."""
        place = f"{_HOST}:{_FIRST_PORT + len(self._ports)}"
        self._ports[place] = found = DirectPort(handler, place)
        return found

    def port_at(self, place: str) -> DirectPort:
        """Return the port at `host:port`. Raises ConnectionRefusedError if none accepts connections there."""
        port = self._ports.get(place)
        if port is None or not port.is_open:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return port

    def _pool(self, config: TransportConfig) -> DirectPool:
        return DirectPool(self, config)

    async def _connect(self, url: str, listener: Listener, config: SocketConfig) -> Socket:
        return await _connected(self, url, listener, config)


class _Sender:
    """A request under way; `is_closing` once its sender waits no longer."""

    is_closing = False


class DirectPort:
    """Port of a simulated exchange that clients call."""

    def __init__(self, handler: Handler, place: str) -> None:
        self._handler = handler
        self._place = place
        self._tasks: dict[asyncio.Task[Outcome], _Sender | DirectChannel] = {}
        self.is_open = False
        """True while connections are accepted."""

    async def open(self) -> str:
        """Start to serve and return the base URL."""
        self.is_open = True
        return f"http://{self._place}"

    def reset_all(self, spared: Container[Peer]) -> int:
        """Reset every stream and every request under way except the spared ones, and return their number."""
        struck = [peer for peer in self._tasks.values() if peer not in spared]
        for peer in struck:
            if isinstance(peer, DirectChannel):
                peer.reset()
            else:
                peer.is_closing = True
        return len(struck)

    async def pause(self, seconds: float) -> None:
        """Refuse connections for `seconds`."""
        self.is_open = False
        await asyncio.sleep(seconds)
        self.is_open = True

    async def aclose(self) -> None:
        """Stop serving. Safe to call again."""
        self.is_open = False
        self.reset_all(())
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def begin(self, request: Request) -> Outcome | asyncio.Task[Outcome]:
        """Handle a request up to its first wait: return its outcome, or the task that goes on."""
        work = self._handler(request).__await__()
        try:
            first = next(work)
        except StopIteration as done:
            outcome: Outcome = done.value
            return outcome
        return self._start(_rest_of(work, first), request.peer)

    def serve(self, request: Request, channel: DirectChannel) -> asyncio.Task[Outcome]:
        """Handle a request for a stream in a task."""
        return self._start(_whole(self._handler(request)), channel)

    def _start(self, work: Any, peer: Any) -> asyncio.Task[Outcome]:
        task: asyncio.Task[Outcome] = asyncio.get_running_loop().create_task(work, name="mexc-sim-request")
        self._tasks[task] = peer
        task.add_done_callback(self._tasks.pop)
        return task


async def _whole(work: Awaitable[Outcome]) -> Outcome:
    return await work


class _Begun:
    """Work that has begun and waits for `first`."""

    def __init__(self, work: Generator[Any, Any, Outcome], first: object) -> None:
        self._work = work
        self._waits_for = first

    def __await__(self) -> Generator[Any, Any, Outcome]:
        work, waits_for = self._work, self._waits_for
        try:
            while True:
                try:
                    yield waits_for
                except BaseException as error:
                    waits_for = work.throw(error)
                else:
                    waits_for = next(work)
        except StopIteration as done:
            outcome: Outcome = done.value
            return outcome


async def _rest_of(work: Generator[Any, Any, Outcome], first: object) -> Outcome:
    return await _Begun(work, first)


class DirectPool:
    """Transport that calls the exchange. It raises the errors of the pool over a network."""

    def __init__(self, join: DirectJoin, config: TransportConfig) -> None:
        self._join = join
        self._place = place_of(config.urls.rest)
        self._timeouts = config.timeouts
        self._most_bytes = config.max_response_bytes
        self._waiting: dict[asyncio.Future[Outcome], None] = {}
        self._is_closed = False
        self.users = 0
        """Open clients that use the pool; the last one closes it."""

    def send(
        self,
        method: str,
        target: str,
        headers: Fields,
        timeout_s: float | None,
        on_connected: OnConnected,
        body: bytes = b"",
    ) -> Awaitable[Reply]:
        """Send one request, once, and await its whole answer.

        Raises ConnectFailed, ConnectionLost, RequestTimeout, ProtocolError, ClientClosed.
        """
        if self._is_closed:
            raise ClientClosed("the client is closed")
        try:
            port = self._join.port_at(self._place)
        except OSError as error:
            raise unreachable(self._place, error) from None
        on_connected(None)
        sender = _Sender()
        outcome = port.begin(Request(method, target, CIMultiDict(headers.items()), _HOST, sender, body))
        if isinstance(outcome, asyncio.Task):
            return self._later(outcome, sender, timeout_s)
        if _is_stalled(outcome):
            return self._later(None, sender, timeout_s)
        return self._soon(outcome)

    async def _soon(self, outcome: Outcome) -> Reply:
        await asyncio.sleep(0)
        return self._reply(outcome)

    async def _later(self, task: asyncio.Task[Outcome] | None, sender: _Sender, timeout_s: float | None) -> Reply:
        """Wait for an answer; None never comes. The exchange handles the request to its end, whatever ends the wait."""
        loop = asyncio.get_running_loop()
        total_s = self._timeouts.total_s if timeout_s is None else timeout_s
        waiter: asyncio.Future[Outcome] = loop.create_future()
        self._waiting[waiter] = None
        if task is not None:
            task.add_done_callback(lambda done: _settle(waiter, done))
        timer = loop.call_later(min(self._timeouts.read_s, total_s), _expire, waiter)
        try:
            return self._reply(await waiter)
        finally:
            sender.is_closing = True
            timer.cancel()
            del self._waiting[waiter]

    def _reply(self, outcome: Outcome) -> Reply:
        if not isinstance(outcome, Response) or outcome.delivery is Delivery.BROKEN_OFF:
            raise ConnectionLost("the connection ended before the answer was complete")
        if len(outcome.body) > self._most_bytes:
            text = f"the answer is larger than max_response_bytes {self._most_bytes}"
            raise ProtocolError(text, status=outcome.status)
        return Reply(outcome.status, CIMultiDict(outcome.headers), outcome.body)

    def distrust(self) -> None:
        """Do nothing: an answer belongs to the call that returns it."""

    async def aclose(self) -> None:
        """End every call under way; idempotent."""
        self._is_closed = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(ConnectionLost("the client was closed while this call was under way"))


def _settle(waiter: asyncio.Future[Outcome], done: asyncio.Task[Outcome]) -> None:
    outcome = NoResponse.DROPPED if done.cancelled() else done.result()
    if not waiter.done() and not _is_stalled(outcome):
        waiter.set_result(outcome)


def _is_stalled(outcome: Outcome) -> bool:
    return isinstance(outcome, Response) and outcome.delivery is Delivery.STALLED


def _expire(waiter: asyncio.Future[Outcome]) -> None:
    if not waiter.done():
        waiter.set_exception(RequestTimeout("no complete answer in time"))


class DirectChannel:
    """A stream's connection: the exchange's end, which calls the client's listener, and the client's socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: Listener) -> None:
        self._loop = loop
        self._listener = listener
        self._sent: list[str | bytes | End] = []
        """Messages on their way to the client; at an `End` the exchange closes."""
        self._received: deque[Message] = deque()
        self._receiver: asyncio.Future[None] | None = None
        self._is_due = False
        self.is_closing = False
        """True once either end has closed or reset the connection."""

    # The exchange's end

    async def receive(self) -> Message:
        """Return the client's next message."""
        while not self._received:
            if self.is_closing:
                return End.LOST
            self._receiver = self._loop.create_future()
            await self._receiver
        return self._received.popleft()

    async def send(self, data: str | bytes) -> None:
        """Send a message. All that is sent in one turn of the event loop arrives in one call of it."""
        if self.is_closing:
            raise ConnectionResetError
        self._put(data)

    async def pong(self, data: bytes) -> None:
        """Do nothing: the client sends no pings below its messages."""

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the connection once what was sent has arrived."""
        if not self.is_closing:
            self._put(End.CLOSE)

    async def cut(self, data: bytes, share: float) -> None:
        """Close the connection once what was sent has arrived; a part of a message is none."""
        await self.close()

    def reset(self) -> None:
        """Reset the connection: what is on its way is lost."""
        if not self.is_closing:
            self.abandon()
            self._loop.call_soon(self._listener.on_closed)

    def _put(self, data: str | bytes | End) -> None:
        self._sent.append(data)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_due = False
        sent, self._sent = self._sent, []
        listener = self._listener
        for data in sent:
            if self.is_closing:
                return
            if isinstance(data, bytes):
                listener.on_frame(data)
            elif isinstance(data, str):
                listener.on_text(data)
            else:
                self.hang_up()

    # The client's end

    def take(self, text: str) -> None:
        """Take a text message of the client. Raises ConnectionLost when the connection has ended."""
        if self.is_closing:
            raise ConnectionLost("the WebSocket is closed")
        self._received.append(text)
        self._wake()

    def hang_up(self) -> None:
        """End the connection for both ends; the listener hears of it at once."""
        if not self.is_closing:
            self.abandon()
            self._listener.on_closed()

    def abandon(self) -> None:
        """End the connection without a word to the listener."""
        self.is_closing = True
        self._sent.clear()
        self._wake()

    def _wake(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)


class _DirectSocket:
    """The client's end of a stream's connection."""

    def __init__(self, channel: DirectChannel) -> None:
        self._channel = channel

    def send(self, text: str) -> None:
        """Send a text message. Raises ConnectionLost when the connection has ended."""
        self._channel.take(text)

    async def aclose(self) -> None:
        """Close the connection; idempotent."""
        self._channel.hang_up()


async def _connected(join: DirectJoin, url: str, listener: Listener, config: SocketConfig) -> Socket:
    """Open a stream. Raises ConnectFailed, without the URL, which may hold a listen key."""
    parts = urlsplit(url)
    del url
    place, target = place_of(f"ws://{parts.netloc}"), f"{parts.path}?{parts.query}"
    try:
        port = join.port_at(place)
    except OSError as error:
        raise ConnectFailed(f"no WebSocket connection to {place}: {error.strerror}") from None
    loop = asyncio.get_running_loop()
    channel = DirectChannel(loop, listener)
    accepted = loop.create_future()

    async def accept(headers: Mapping[str, str]) -> Channel:
        if not accepted.done():
            accepted.set_result(None)
        return channel

    def ended(task: asyncio.Task[Outcome]) -> None:
        if not accepted.done():
            outcome = NoResponse.DROPPED if task.cancelled() else task.result()
            reason = f"it answered with status {outcome.status}" if isinstance(outcome, Response) else "it was reset"
            accepted.set_exception(ConnectFailed(f"no WebSocket connection to {place}: {reason}"))

    request = Request("GET", target, CIMultiDict(), _HOST, channel, b"", accept)
    port.serve(request, channel).add_done_callback(ended)
    del target, request, parts
    try:
        async with asyncio.timeout(config.connect_s):
            await accepted
    except BaseException as error:
        channel.abandon()
        if isinstance(error, TimeoutError):
            raise ConnectFailed(f"no WebSocket connection to {place} in time") from None
        raise
    return _DirectSocket(channel)
