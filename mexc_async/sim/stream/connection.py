"""One WebSocket connection of the stream: its send queue and its end.

All messages go through one queue in order. Each connection sends from its own task, so that no client delays another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from mexc_async.runtime.clock import Clock
from mexc_async.sim.exchange.events import Event, order_of
from mexc_async.sim.faults.faults import Faults, Kind
from mexc_async.sim.faults.wire import Wire
from mexc_async.sim.market.latency import Travel
from mexc_async.sim.stream.channel import NORMAL, Channel
from mexc_async.sim.stream.socket_lifetime import Life, SocketRules
from mexc_async.sim.stream.subscriptions import Subscriptions
from mexc_async.sim.stream.topics import Topic


class ClientSocket:
    """A client's WebSocket connection."""

    def __init__(
        self,
        channel: Channel,
        subscriptions: Subscriptions,
        rules: SocketRules,
        faults: Faults,
        clock: Clock,
        feed: Travel,
        *,
        uid: str | None = None,
        listen_key: str | None = None,
    ) -> None:
        """Attach to an accepted connection. `uid` is the account of the listen key; None without a listen key."""
        self.channel = channel
        self.subscriptions = subscriptions
        self.uid = uid
        self.listen_key = listen_key
        self.life = Life(rules, clock.monotonic())
        self.gone = asyncio.Event()
        """Event that is set once the client can send nothing more."""
        self.is_silent = False
        """True for a half-open connection: it sends nothing more, and the client gets no close frame."""
        self._clock = clock
        self._feed = feed
        self._most = rules.queue
        self._faults = faults
        self._wire = Wire(faults)
        self._queue: deque[tuple[float, bytes | str]] = deque()
        self._wake = asyncio.Event()
        self._close: Callable[[], Awaitable[None]] | None = None

    @property
    def is_lost(self) -> bool:
        """True once the client has disconnected."""
        return self.channel.is_closing

    @property
    def is_ending(self) -> bool:
        """True once `end` or `hang_up` was called."""
        return self._close is not None

    def reply(self, text: str) -> None:
        """Send a text frame."""
        self._put(text)

    def push(self, topic: Topic, frame: bytes, event: Event | None = None) -> Kind | None:
        """Send a push about a private event, if any, subject to faults.

        Return the kind of the fault that must break the connection, or None.
        """
        if self.is_silent or self._close is not None:
            return None
        if not (self._faults or self._wire.is_holding):
            self._put(frame)
            return None
        passage = self._wire.carry(topic.name, frame, lambda: order_of(event))
        for each in passage.frames:
            self._put(each, passage.delay_ms)
        if passage.broken in ("cut", "hang_up"):
            self.hang_up(frame, passage.share)
        return passage.broken

    def end(self, reason: str, code: int = NORMAL) -> None:
        """Close the socket once the queued messages are sent."""
        if self._close is None:
            self._close = partial(self.channel.close, code, reason)
            self._wake.set()

    def hang_up(self, frame: bytes = b"", share: float = 0.0) -> None:
        """Close the connection once the queued messages and this share of a frame are sent, without a close frame."""
        if self._close is None:
            self._close = partial(self.channel.cut, frame, share)
            self._wake.set()

    def abort(self) -> None:
        """Reset the connection without a close frame."""
        self._queue.clear()
        self.gone.set()
        self.channel.reset()

    def silence(self) -> None:
        """Send nothing from now on, but leave the socket open."""
        self.is_silent = True
        self._queue.clear()

    async def send_all(self) -> None:
        """Send the queued messages until the connection ends or has to be closed."""
        while self._close is None or self._queue:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                due_s, data = self._queue.popleft()
                if due_s and (left_s := due_s - self._clock.monotonic()) > 0:
                    await asyncio.sleep(left_s)
                if not await self._send(data):
                    return
        if self.is_silent:
            await self.gone.wait()

    async def part(self) -> None:
        """Close the socket as `end` or `hang_up` demanded, if it is still open."""
        if self._close is not None and not self.is_silent:
            await self._close()

    async def _send(self, data: bytes | str) -> bool:
        if self.is_silent:
            return True
        try:
            await self.channel.send(data)
        except ConnectionError:
            return False
        return True

    def _put(self, data: bytes | str, delay_ms: float = 0.0) -> None:
        if self.is_silent or self._close is not None:
            return
        if len(self._queue) >= self._most:
            self.abort()
            return
        if not self._feed.is_instant:
            delay_ms += self._feed.draw_ms()
        self._queue.append((self._clock.monotonic() + delay_ms / 1000 if delay_ms else 0.0, data))
        self._wake.set()
