"""One keep-alive connection of a lane: a request is one write and one future, which gets the answer.

`Wire` handles the common case of every request, in C where the compiled core is built; `Connection` handles the rest.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from bisect import insort
from collections.abc import Callable
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, cast

from mexc_async.errors import ConnectionLost, MexcError, ProtocolError, RequestTimeout
from mexc_async.native.loader import compiled
from mexc_async.schema.answers import Reply, is_refusal, names_code
from mexc_async.transport.addresses import Address
from mexc_async.transport.config import TransportConfig
from mexc_async.transport.delivery import is_undelivered
from mexc_async.transport.http1 import MAX_HEAD_BYTES, KnownHeads, ResponseReader

_LOOK_S = 1.0
"""Seconds of idleness after which a connection is polled before use: the loop may not have noticed its end yet."""
_AT_ONCE = struct.pack("ii", 1, 0)
"""Socket option to close at once, by a reset."""
nearness_of = attrgetter("nearness")


class ConnectionOwner(Protocol):
    """The lane, as its connections see it."""

    config: TransportConfig
    heads: KnownHeads | None
    connections: set[Connection]
    monotonic: Callable[[], float]
    patience_s: float

    def hold(self, connection: Connection) -> None:
        """Have a ping test a connection after an answer that may not be its last, or close it."""
        ...

    def forget(self, connection: Connection) -> None:
        """Give no further request to a connection."""
        ...

    def gone(self, connection: Connection) -> None:
        """Drop a connection that is closed."""
        ...

    def slow(self, connection: Connection, waited_s: float) -> None:
        """Avoid the address of a connection that is silent for long."""
        ...


class PureWire:
    """The common part of a connection: write a request, read an ordinary answer. `compiled.Wire` is the same in C."""

    def __init__(
        self,
        idle: list[PureWire],
        new_future: Callable[[], asyncio.Future[Reply]],
        reply_type: type[Reply],
        usual_bytes: int,
        patience_s: float,
        now: float,
    ) -> None:
        self.idle = idle
        """Connections that can take a request, the nearest last."""
        self.patience_s = patience_s
        """Period of the timer, which outlives requests that are answered in time."""
        self.nearness = -inf
        """The measured round trip in seconds, negated; -inf before the first measurement."""
        self.used_at = now
        self.checked_at = -inf
        """Time of the latest ping."""
        self.heard_at = 0.0
        """Time at which a part of an answer arrived."""
        self.timeout_s = 0.0
        """Time-out of the request in flight."""
        self.answer: asyncio.Future[Reply] | None = None
        """The future that gets the answer."""
        self.on_end: Callable[[bool], object] | None = None
        """Called at the end of the request in flight, also when its caller was cancelled."""
        self.is_watched = False
        """True if `read` must handle all bytes: a part of an answer has arrived, or the connection is held."""
        self.timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport
        self._new_future = new_future

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport of the open connection."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not derive from it

    def data_received(self, data: bytes) -> None:
        """Take bytes: of the answer, or unasked."""
        self.read(data)

    def free(self) -> None:
        """Offer the connection for the next request."""
        if self.idle:
            insort(self.idle, self, key=nearness_of)
        else:  # the usual case when all others are in use
            self.idle.append(self)

    def request(self, data: bytes, timeout_s: float, now: float) -> asyncio.Future[Reply]:
        """Write a request; return the future of its answer."""
        self.answer = answer = self._new_future()
        self.used_at = now
        self.timeout_s = timeout_s
        if self.timer is None or timeout_s < self.patience_s:
            self.watch(min(timeout_s, self.patience_s))
        try:
            self.transport.write(data)
        finally:
            data = b""  # a traceback may show all variables, and none with a signature or a key
        return answer

    def read(self, data: bytes) -> None:
        """Take bytes that are not one whole, ordinary answer."""
        raise NotImplementedError

    def ended(self, is_answered: bool) -> None:
        """Report the end of the request in flight."""
        raise NotImplementedError

    def watch(self, seconds: float) -> None:
        """Set the timer."""
        raise NotImplementedError


if TYPE_CHECKING:
    Wire = PureWire
else:
    Wire = compiled.Wire if compiled else PureWire


class Connection(Wire, asyncio.Protocol):
    """One connection, with all of its special cases."""

    def __init__(self, lane: ConnectionOwner, idle: list[Connection], address: Address) -> None:
        config = lane.config
        self.address = address
        self.is_held = False
        """True while it may carry a ping only: its last answer proves nothing yet, or that ping is in flight."""
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._reader = ResponseReader(config.max_response_bytes, lane.heads)
        self._read_s = config.timeouts.read_s
        usual_bytes = min(config.max_response_bytes, MAX_HEAD_BYTES)
        wires = cast(list[PureWire], idle)
        patience_s = min(lane.patience_s, self._read_s)
        Wire.__init__(self, wires, self._loop.create_future, Reply, usual_bytes, patience_s, lane.monotonic())

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the open connection with its lane."""
        Wire.connection_made(self, transport)
        self._lane.connections.add(self)

    def read(self, data: bytes) -> None:
        """Take bytes that are not one whole, ordinary answer; on a held connection take all bytes."""
        answer = self.answer
        if answer is None:
            self.close()  # unasked bytes must not answer the next request
            return
        try:
            reply = self._reader.feed(data)
        except ProtocolError as error:
            self.close(error)
            return
        self.is_watched = reply is None or self.is_held
        if reply is None:
            self.heard_at = self._lane.monotonic()
            return
        is_refused = (reply.status != 200 or names_code(reply.body)) and is_refusal(reply)
        if is_refused and self._is_foreign(reply, data):
            self.close(ConnectionLost("a refusal came that may be the answer to another request"))
            return
        self.answer = None
        is_taken = not answer.done()
        if is_taken:
            answer.set_result(reply)
        self.ended(True)
        if not self._reader.is_reusable:
            self.close()
        elif (is_refused or not is_taken) and not self.is_held:  # if its caller was cancelled, nobody checks the answer
            self._lane.hold(self)
        elif not self.is_held:
            self.free()

    def _is_foreign(self, reply: Reply, data: bytes) -> bool:
        """Return True if a refusal may answer another request: it came with another answer, or too soon."""
        if self._reader.is_followed:
            more = data[data.find(b"\r\n\r\n") + 4 + len(reply.body) :]
            return not data.startswith(more)  # two equal answers mean the same, whichever is this request's
        return is_undelivered(self.transport)

    def eof_received(self) -> None:
        """Take the connection out of use: the host sends nothing more."""
        self._lane.forget(self)  # the transport closes itself, a moment later

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request in flight: with an answer that lasts until the connection closes, or with an error."""
        if self.timer is not None:
            self.timer.cancel()
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():
            try:
                reply = self._reader.end()
            except ProtocolError as failure:
                answer.set_exception(failure)
            else:
                if reply is not None and exc is None:
                    answer.set_result(reply)
                else:
                    kind = type(exc).__name__ if exc else "closed by the host"
                    text = f"the connection ended before the answer was complete ({kind})"
                    answer.set_exception(ConnectionLost(text))
        self._lane.gone(self)
        self.ended(False)

    # What the lane calls

    def is_fit(self, now: float) -> bool:
        """Return True if it is open and has no unread bytes, as far as can be known before writing."""
        if self.transport.is_closing():
            return False
        return now - self.used_at < _LOOK_S or not self._is_readable()

    def _is_readable(self) -> bool:
        """Return True if the socket holds unread bytes: on an idle connection these are its end or garbage."""
        own = self.transport.get_extra_info("socket")
        if own is None or not hasattr(select, "poll"):
            return False
        look = select.poll()
        look.register(own.fileno(), select.POLLIN)
        return bool(look.poll(0))

    def hold(self) -> None:
        """Accept a ping only from now on; its answer goes through `read`."""
        self.is_held = self.is_watched = True

    def release(self) -> None:
        """Accept requests again."""
        self.is_held = self.is_watched = False
        self.free()

    def close(self, error: MexcError | None = None) -> None:
        """Close the connection; the request in flight fails with `error`."""
        answer, self.answer = self.answer, None
        if answer is not None:
            self._drop_unsent()
            if not answer.done() and error is not None:
                answer.set_exception(error)
        self._lane.forget(self)
        self.transport.abort()
        self.ended(False)

    def _drop_unsent(self) -> None:
        """Make the kernel drop unsent bytes: it would resend them for minutes after the connection's end."""
        own = None if self.transport.is_closing() else self.transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    def when_ended(self, on_end: Callable[[bool], object]) -> None:
        """Call `on_end(is_answered)` once, at the end of the request in flight, or now if it has ended."""
        if self.answer is not None and self.on_end is None:
            self.on_end = on_end
        else:  # an open connection that waits for nothing has its answers
            on_end(self.answer is None and not self.transport.is_closing())

    def ended(self, is_answered: bool) -> None:
        """Report the end of the request in flight."""
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end(is_answered)

    def watch(self, seconds: float) -> None:
        """Set the timer, which outlives requests that are answered in time."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self._loop.call_later(seconds + 0.001, self._look)

    def _look(self) -> None:
        self.timer = None
        if self.answer is None:
            return
        now = self._lane.monotonic()
        waited_s, silent_s = now - self.used_at, now - max(self.used_at, self.heard_at)
        left_s = min(self.timeout_s - waited_s, self._read_s - silent_s)
        if left_s <= 0:
            self.close(RequestTimeout("no complete answer in time"))
            return
        if silent_s >= self.patience_s:
            self._lane.slow(self, silent_s)
        self.watch(min(left_s, self.patience_s))
