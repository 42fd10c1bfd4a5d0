"""Subscriber: the queue of one consumer with its overflow policy, or its callback."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from mexc_async.errors import StreamOverflow
from mexc_async.spot.push import Push

Overflow: TypeAlias = Literal["latest", "drop_oldest", "raise"]
"""Policy for a slow consumer: keep each channel's newest push, the newest that fit, or raise StreamOverflow."""


class Subscriber:
    """Queue or callback of one consumer. Sockets refer to this alone, so that a dropped consumer is noticed."""

    __slots__ = (
        "arrived_at", "callback", "channels", "dropped", "error", "gaps", "is_closed", "is_joined", "newest", "on_back",
        "on_end", "on_gap", "overflow", "packs", "queue", "received", "sent_ms", "server_ms", "size", "waiters",
    )  # fmt: skip

    def __init__(
        self,
        channels: tuple[str, ...],
        size: int,
        overflow: Overflow,
        callback: Callable[[Any], None] | None,
        server_ms: Callable[[float], int],
        *,
        packs: bool = False,
        on_gap: Callable[[], None] | None = None,
        on_back: Callable[[], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.channels = channels
        self.size = size
        self.overflow = overflow
        self.callback = callback
        self.server_ms = server_ms
        self.packs = packs
        """True if levels may come as they were sent, by `decode_push(..., packs=True)`."""
        self.on_gap = on_gap
        self.on_back = on_back
        self.on_end = on_end
        self.queue: deque[Push[Any]] = deque()
        self.newest: dict[str, Push[Any]] = {}
        self.waiters: list[asyncio.Future[None]] = []
        """Futures of all who wait for a push or the end; each is woken once."""
        self.received = 0
        self.dropped = 0
        self.gaps = 0
        self.sent_ms = 0
        """Time at which the exchange sent the newest push that has one."""
        self.arrived_at = 0.0
        """Arrival of that push, in monotonic seconds."""
        self.error: BaseException | None = None
        self.is_joined = False
        """True once every channel was accepted: later refusals end the stream, earlier ones `Router.join` raises."""
        self.is_closed = False

    @property
    def lag_ms(self) -> float | None:
        """Age of the newest push when it arrived, by the exchange's clock as known now; None before the first."""
        return self.server_ms(self.arrived_at) - self.sent_ms if self.sent_ms else None

    def put(self, push: Push[Any], now: float) -> None:
        """Accept one push, by the consumer's policy."""
        if self.is_closed:
            return
        self.received += 1
        if sent := push.send_time or push.create_time:  # bars and balances carry only the latter
            self.sent_ms, self.arrived_at = sent, now
        if self.callback is not None:
            self.callback(push)
            return
        queue = self.queue
        if self.overflow == "latest":
            if push.channel in self.newest:
                self.dropped += 1
                self.newest[push.channel] = push
                return
            self.newest[push.channel] = push
        elif len(queue) >= self.size:
            self.dropped += 1
            if self.overflow == "raise":
                self.fail(StreamOverflow(f"the consumer of {self.channels[0]} is {self.size} pushes behind"))
                return
            queue.popleft()
        queue.append(push)
        if self.waiters:
            self._wake()

    def take(self) -> Push[Any]:
        """Return the next push, in order of arrival; with `latest` the newest of the channel whose turn it is."""
        push = self.queue.popleft()
        return self.newest.pop(push.channel) if self.overflow == "latest" else push

    def gap(self) -> None:
        """Report that pushes may have been missed."""
        self.gaps += 1
        if self.on_gap is not None:
            self.on_gap()

    def back(self) -> None:
        """Report that a channel was accepted, for the first time or after a loss."""
        if self.on_back is not None:
            self.on_back()

    def fail(self, error: BaseException) -> None:
        """End with an error; the consumer gets it after the pushes that it has not read yet."""
        if not self.is_closed:
            self.error = error
            self.close()

    def close(self) -> None:
        """End without an error."""
        self.is_closed = True
        if self.on_end is not None:
            self.on_end()
        if self.waiters:
            self._wake()

    def _wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
