"""One keep-alive connection of the order lane: a request is one write and one future, its answer ends that future.

`Wire` is what every request passes, compiled where that core is built; `Connection` is what happens now and then.
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
from time import monotonic
from typing import TYPE_CHECKING, Protocol, cast

from mexc_async.errors import ConnectionLost, MexcError, ProtocolError, RequestTimeout
from mexc_async.native.loader import compiled
from mexc_async.schema.answers import Reply, is_refusal, names_code
from mexc_async.transport.addresses import Address
from mexc_async.transport.delivery import is_undelivered
from mexc_async.transport.http1 import MAX_HEAD_BYTES, KnownHeads, ResponseReader
from mexc_async.transport.pool import PoolConfig

_PATIENCE_S = 0.5
"""An address that lets a request wait for so long is passed over until it has proven itself again."""
_LOOK_S = 1.0
"""Before a connection that was unused for so long is used, it is looked at: the loop may not have seen its end yet."""
_AT_ONCE = struct.pack("ii", 1, 0)
"""To close without lingering, by a reset."""
nearness_of = attrgetter("nearness")


class ConnectionOwner(Protocol):
    """What a connection needs of the lane that it belongs to."""

    config: PoolConfig
    heads: KnownHeads | None
    connections: set[Connection]

    def hold(self, connection: Connection) -> None:
        """Have a connection proven, or replaced, after a refusal on it."""
        ...

    def forget(self, connection: Connection) -> None:
        """Give no further request to a connection."""
        ...

    def gone(self, connection: Connection) -> None:
        """Drop a connection that is closed."""
        ...

    def slow(self, connection: Connection, waited_s: float) -> None:
        """Pass over the address of a connection that lets a request wait."""
        ...


class PureWire:
    """A connection as far as every request needs it. `compiled.Wire` is the same in C."""

    def __init__(
        self,
        idle: list[PureWire],
        new_future: Callable[[], asyncio.Future[Reply]],
        reply_type: type[Reply],
        usual_bytes: int,
        patience_s: float,
    ) -> None:
        self.idle = idle
        """Connections that can take a request, the nearest last."""
        self.patience_s = patience_s
        """The timer, which outlives requests that are answered in time, looks after so long."""
        self.nearness = -inf
        """The measured round trip in seconds, negated; -inf before."""
        self.used_at = monotonic()
        self.checked_at = -inf
        """When it was pinged."""
        self.heard_at = 0.0
        """When a part of an answer came."""
        self.timeout_s = 0.0
        """Of the request under way."""
        self.answer: asyncio.Future[Reply] | None = None
        """What waits for the answer."""
        self.on_end: Callable[[bool], object] | None = None
        """Whom the end of the request under way concerns beside that."""
        self.is_watched = False
        """Whether `read` is to see what comes: a part of an answer has come, or the connection is held."""
        self.timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport
        self._new_future = new_future

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's do not derive from it

    def data_received(self, data: bytes) -> None:
        """Bytes came: of the answer, or unasked."""
        self.read(data)

    def free(self) -> None:
        """It can take a request."""
        if self.idle:
            insort(self.idle, self, key=nearness_of)
        else:  # as always when every connection is in use
            self.idle.append(self)

    def request(self, data: bytes, timeout_s: float, now: float) -> asyncio.Future[Reply]:
        """Write a request; the future gets its answer."""
        self.answer = answer = self._new_future()
        self.used_at = now
        self.timeout_s = timeout_s
        if self.timer is None or timeout_s < self.patience_s:
            self.watch(min(timeout_s, self.patience_s))
        self.transport.write(data)
        return answer

    def read(self, data: bytes) -> None:
        """Take in what is no whole ordinary answer, or any."""
        raise NotImplementedError

    def ended(self, is_answered: bool) -> None:
        """The request under way ended."""
        raise NotImplementedError

    def watch(self, seconds: float) -> None:
        """Set the timer."""
        raise NotImplementedError


if TYPE_CHECKING:
    Wire = PureWire
else:
    Wire = compiled.Wire if compiled else PureWire


class Connection(Wire, asyncio.Protocol):
    """One connection, with everything that can happen to it."""

    def __init__(self, lane: ConnectionOwner, idle: list[Connection], address: Address) -> None:
        config = lane.config
        self.address = address
        self.is_held = False
        """Whether it carries nothing but a ping: its last answer was a refusal, or that ping is under way."""
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._reader = ResponseReader(config.max_response_bytes, lane.heads)
        self._read_s = config.timeouts.read_s
        usual_bytes = min(config.max_response_bytes, MAX_HEAD_BYTES)
        wires = cast(list[PureWire], idle)
        Wire.__init__(self, wires, self._loop.create_future, Reply, usual_bytes, min(_PATIENCE_S, self._read_s))

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        Wire.connection_made(self, transport)
        self._lane.connections.add(self)

    def read(self, data: bytes) -> None:
        """Take in what is no whole ordinary answer, or any."""
        answer = self.answer
        if answer is None:
            self.close()  # nobody asked: those bytes must not answer the next request
            return
        try:
            reply = self._reader.feed(data)
        except ProtocolError as error:
            self.close(error)
            return
        self.is_watched = reply is None or self.is_held
        if reply is None:
            self.heard_at = monotonic()
            return
        is_refused = (reply.status != 200 or names_code(reply.body)) and is_refusal(reply)
        if is_refused and self._is_foreign(reply, data):
            self.close(ConnectionLost("a refusal came that may be the answer to another request"))
            return
        self.answer = None
        if not answer.done():  # or else its caller was cancelled
            answer.set_result(reply)
        self.ended(True)
        if not self._reader.is_reusable:
            self.close()
        elif is_refused and not self.is_held:
            self._lane.hold(self)
        elif not self.is_held:
            self.free()

    def _is_foreign(self, reply: Reply, data: bytes) -> bool:
        """Whether a refusal may answer something else: it came with another answer, or too soon."""
        if self._reader.is_followed:
            more = data[data.find(b"\r\n\r\n") + 4 + len(reply.body) :]
            return not data.startswith(more)  # the same answer twice says the same, whichever is this request's
        return is_undelivered(self.transport)

    def eof_received(self) -> None:
        """The host sends nothing more."""
        self._lane.forget(self)  # the transport closes itself, a moment later

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed: whoever waits for an answer gets one that lasts until the end, or an error."""
        if self.timer is not None:
            self.timer.cancel()
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():
            try:
                reply = self._reader.end()
            except ProtocolError as failure:
                answer.set_exception(failure)
            else:
                if reply is not None and error is None:
                    answer.set_result(reply)
                else:
                    kind = type(error).__name__ if error else "closed by the host"
                    text = f"the connection ended before the answer was complete ({kind})"
                    answer.set_exception(ConnectionLost(text))
        self._lane.gone(self)
        self.ended(False)

    # What the lane calls

    def is_fit(self, now: float) -> bool:
        """Whether it is open and silent as far as can be known before anything is written."""
        if self.transport.is_closing():
            return False
        return now - self.used_at < _LOOK_S or not self._is_readable()

    def _is_readable(self) -> bool:
        """Whether something has come that the loop has not read: nothing was asked, so it is an end or garbage."""
        if not hasattr(select, "poll"):
            return False
        look = select.poll()
        look.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(look.poll(0))

    def hold(self) -> None:
        """Take nothing but a ping from now on, whose answer goes through `read`."""
        self.is_held = self.is_watched = True

    def release(self) -> None:
        """Take requests again."""
        self.is_held = self.is_watched = False
        self.free()

    def close(self, error: MexcError | None = None) -> None:
        """End it; whoever waits for an answer gets `error`."""
        answer, self.answer = self.answer, None
        if answer is not None:
            self._drop_unsent()
            if not answer.done() and error is not None:
                answer.set_exception(error)
        self._lane.forget(self)
        self.transport.abort()
        self.ended(False)

    def _drop_unsent(self) -> None:
        """Have the kernel forget what it has not got through: it would try for minutes after the connection's end."""
        if not self.transport.is_closing():
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    def when_ended(self, on_end: Callable[[bool], object]) -> None:
        """Call `on_end`, once, when the request under way ends, or now if it has: with True if it was answered."""
        if self.answer is not None and self.on_end is None:
            self.on_end = on_end
        else:  # what is open and waits for nothing has its answers
            on_end(self.answer is None and not self.transport.is_closing())

    def ended(self, is_answered: bool) -> None:
        """The request under way ended."""
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end(is_answered)

    def watch(self, seconds: float) -> None:
        """One timer, which outlives requests that are answered in time."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self._loop.call_later(seconds + 0.001, self._look)

    def _look(self) -> None:
        self.timer = None
        if self.answer is None:
            return
        now = monotonic()
        waited_s, silent_s = now - self.used_at, now - max(self.used_at, self.heard_at)
        left_s = min(self.timeout_s - waited_s, self._read_s - silent_s)
        if left_s <= 0:
            self.close(RequestTimeout("no complete answer in time"))
            return
        if waited_s >= self.patience_s:
            self._lane.slow(self, waited_s)
        self.watch(min(left_s, self.patience_s))
