"""Connections inside one process: pairs of transports that hand bytes to each other, without sockets.

A connection behaves as TCP does over a line without delay: bytes arrive in order, in a later turn of the event loop;
a reader that pauses holds its writer back; what was written before a close arrives, what was not read at a reset is
lost. The ends of a connection may belong to different event loops of one virtual time: each end's protocol runs in its
own loop, and in the context in which the end was made.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import NamedTuple, TypeAlias, TypeVarTuple, cast

HOST = "127.0.0.1"
"""Address of every port: loopback, so that a client knows its exchange for a simulated one."""
_FIRST_PORT = 1024
_MOST_PORTS = 60_000
_HIGH_WATER = 64 << 10
"""High-water mark of a write buffer, in bytes; the low-water mark is a quarter of it."""

MakeProtocol: TypeAlias = Callable[[], asyncio.BaseProtocol]
Ts = TypeVarTuple("Ts")


class Place(NamedTuple):
    """Event loop and context of an end."""

    loop: asyncio.AbstractEventLoop
    context: Context

    @classmethod
    def here(cls) -> Place:
        """Return the running loop with the current context."""
        return cls(asyncio.get_running_loop(), copy_context())

    def call(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call `callback` there, in the next turn."""
        self.loop.call_soon(callback, *args, context=self.context)


Ends: TypeAlias = "dict[MemoryTransport, asyncio.AbstractEventLoop]"
"""Ends that exist, with their loops."""


class MemoryTransport(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, ends: Ends, place: Place, own: tuple[str, int], peer: tuple[str, int]) -> None:
        super().__init__({"sockname": own, "peername": peer})
        self._ends = ends
        ends[self] = place.loop
        self._place = place
        self._protocol: asyncio.BaseProtocol
        self._peer: MemoryTransport
        self._arrived: list[bytes] = []
        """Bytes for this end's protocol."""
        self._size = 0
        """Their number."""
        self._is_ended = False
        """True once the peer writes nothing more."""
        self._is_reset = False
        """True if the peer was reset then."""
        self._is_paused = False
        self._is_closing = False
        self._is_lost = False
        self._is_due = False
        """True while a delivery is scheduled."""
        self._is_held_back = False
        """True between `pause_writing` and `resume_writing`."""
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4

    def join(self, peer: MemoryTransport) -> None:
        """Connect this end with the other one."""
        self._peer, peer._peer = peer, self

    def begin(self, make: MakeProtocol) -> asyncio.BaseProtocol:
        """Make the protocol of this end, and tell it of the connection."""
        protocol = self._protocol = make()
        protocol.connection_made(self)
        return protocol

    # Reading

    def is_reading(self) -> bool:
        """Return True while arriving bytes go to the protocol."""
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        """Keep arriving bytes back."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Give arriving bytes to the protocol again."""
        self._is_paused = False
        self._schedule()

    def _arrive(self, data: bytes) -> None:
        self._arrived.append(data)
        self._size += len(data)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_due and not self._is_lost and (self._arrived or self._is_ended):
            self._is_due = True
            self._place.call(self._deliver)

    def _deliver(self) -> None:
        self._is_due = False
        if self._is_closing or self._is_paused:
            return
        if self._arrived:
            parts, self._arrived, self._size = self._arrived, [], 0
            peer = self._peer
            if peer._is_held_back and not peer._is_lost:
                peer._place.call(peer._relieve)
            self._hand_over(parts[0] if len(parts) == 1 else b"".join(parts))
            self._schedule()
        elif self._is_ended:
            self._is_ended = False
            if self._is_reset:
                self._lose(_reset_error())
            elif not cast(asyncio.Protocol, self._protocol).eof_received():
                self.close()

    def _hand_over(self, data: bytes) -> None:
        """Give bytes to the protocol; one that raises loses its connection."""
        protocol = self._protocol
        try:
            if isinstance(protocol, asyncio.BufferedProtocol):
                while data:
                    buffer = memoryview(protocol.get_buffer(len(data)))
                    size = min(len(buffer), len(data))
                    buffer[:size] = data[:size]
                    protocol.buffer_updated(size)
                    data = data[size:]
            else:
                cast(asyncio.Protocol, protocol).data_received(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            words = {"message": "a protocol failed", "exception": error, "transport": self, "protocol": protocol}
            self._place.loop.call_exception_handler(words)
            self._reset(error if isinstance(error, Exception) else None)

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        if self._is_closing or not data:
            return
        peer = self._peer
        if not peer._is_closing:
            peer._arrive(bytes(data))
            if peer._size > self._high and not self._is_held_back:
                self._is_held_back = True
                self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces at once."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return False: a connection ends in both directions."""
        return False

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the other end has not read."""
        return self._peer._size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low-water and the high-water mark of the write buffer, in bytes."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the high-water and the low-water mark of the write buffer, in bytes."""
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low

    def _relieve(self) -> None:
        """Let the protocol write again."""
        if self._is_held_back and self._peer._size <= self._low:
            self._is_held_back = False
            if not self._is_lost:
                self._protocol.resume_writing()

    # Ends

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replace the protocol."""
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Return True if the connection is closing or closed."""
        return self._is_closing

    def close(self) -> None:
        """Close the connection. The other end still gets what was written before."""
        if self._is_closing:
            return
        self._is_closing = True
        self._peer._is_ended = True
        self._peer._schedule()
        self._place.call(self._lose, None)

    def abort(self) -> None:
        """Reset the connection: the other end loses what it has not read."""
        self._reset(None)

    def _reset(self, reason: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_closing, peer = True, self._peer
        self._place.call(self._lose, reason)
        if not peer._is_lost:
            # As over a socket, what arrived before and the reset come in different turns of the loop.
            peer._place.call(peer._place.call, peer._lose, _reset_error())

    def _lose(self, error: Exception | None) -> None:
        """Tell the protocol that its connection has ended, once."""
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._forget()
        self._protocol.connection_lost(error)

    def drop(self) -> None:
        """End as the system ends the connections of a process that is gone; the own protocol learns nothing.

        The other end gets what was written before. Then it sees a close, or a reset if this end left data unread.
        """
        if self._is_lost:
            return
        peer, is_told = self._peer, self._is_closing
        self._is_closing = self._is_lost = True
        if not is_told and not peer._is_closing:
            peer._is_reset = bool(self._arrived)
            peer._is_ended = True
            peer._schedule()
        self._forget()

    def _forget(self) -> None:
        self._arrived.clear()
        self._size = 0
        self._ends.pop(self, None)


def _reset_error() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


class _Port(NamedTuple):
    place: Place
    make: MakeProtocol


class MemoryNetwork:
    """Ports of one process, and the connections to them."""

    def __init__(self) -> None:
        self._ports: dict[int, _Port] = {}
        self._ends: Ends = {}
        self._listened = 0
        self._dialled = 0

    def free_port(self) -> int:
        """Return the number of a port that was never in use."""
        self._listened += 1
        return _FIRST_PORT + self._listened

    def listen(self, port: int, make: MakeProtocol) -> None:
        """Accept connections at a port, in the running loop. Raises OSError if it is in use."""
        if port in self._ports:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self._ports[port] = _Port(Place.here(), make)

    def close(self, port: int) -> None:
        """Refuse connections at a port; those that are open stay."""
        self._ports.pop(port, None)

    async def dial(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Protocol:
        """Connect a protocol with a port. Raises ConnectionRefusedError where nobody listens."""
        server = self._ports.get(port) if host == HOST else None
        if server is None:
            await asyncio.sleep(0)
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        self._dialled += 1
        near, far = (HOST, 1024 + self._dialled % _MOST_PORTS), (HOST, port)
        own, peer = (
            MemoryTransport(self._ends, Place.here(), near, far),
            MemoryTransport(self._ends, server.place, far, near),
        )
        own.join(peer)
        server.place.call(peer.begin, server.make)
        try:
            await asyncio.sleep(0)
            return cast(asyncio.Protocol, own.begin(make))
        except BaseException:
            own.drop()
            raise

    def open_ends(self, loop: asyncio.AbstractEventLoop) -> list[MemoryTransport]:
        """Return the ends of connections that a loop has, the oldest first."""
        return [end for end, owner in self._ends.items() if owner is loop]

    def drop(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the connections of a loop whose process is gone, as the system does. Its protocols learn nothing."""
        for end in self.open_ends(loop):
            end.drop()
