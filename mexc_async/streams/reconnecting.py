"""A socket that reconnects: after every loss, and before it gets too old, with all its channels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable, Iterable
from math import inf
from typing import Protocol

from msgspec.structs import replace

from mexc_async.errors import ApiError, ConfigError, ConnectFailed, ConnectionLost, MexcError
from mexc_async.runtime.clock import Clock
from mexc_async.spot.push import Dispatch, Push
from mexc_async.spot.push_models import Body
from mexc_async.streams.handover import Handover
from mexc_async.streams.session import Acknowledgement, Backoff, Session, Timing, Verdict
from mexc_async.streams.websocket import Connect, Socket, SocketConfig

HANDOVER_S = 10.0
"""Longest time for a move to a new socket; after that the move is abandoned and retried later."""


class SocketOwner(Protocol):
    """Receiver of everything that a reconnecting socket brings."""

    dispatch: Dispatch | None
    """Fast path for ordinary frames of the present socket; False for a frame that needs `decode` and `on_push`."""

    @property
    def was_connected(self) -> bool:
        """True once there was a socket to this exchange: every later failure to connect is retried."""
        ...

    def decode(self, frame: bytes) -> Push[Body] | None:
        """Decode a frame; return None for one that cannot be understood."""
        ...

    def identity(self, push: Push[Body]) -> Hashable:
        """Return a key: equal for the same push on two sockets, different for other pushes of its channel."""
        ...

    def on_bad_frame(self) -> None:
        """Handle a frame that could not be understood."""
        ...

    def on_push(self, push: Push[Body], now: float) -> None:
        """Handle one decoded push, exactly once and in order; `now` is its arrival in monotonic seconds."""
        ...

    def on_answer(self, answer: Acknowledgement) -> None:
        """Handle MEXC's answer that it accepted or refused channels."""
        ...

    def on_failed(self, error: MexcError) -> None:
        """Handle a final failure: a wrong key or setting, a missing permission, an exchange that was never reached."""
        ...

    def on_state(self, state: str, reason: str) -> None:
        """Handle a change of state: `connected`, `lost`, `moved` or `failed`."""
        ...


def _is_final(error: MexcError) -> bool:
    return isinstance(error, ConfigError | ApiError) and not error.retryable


class _Connected:
    """One socket and its session."""

    def __init__(self, kept: ReconnectingSocket) -> None:
        self.kept = kept
        self._monotonic = kept.clock.monotonic
        self.session = Session(kept.timing, self._monotonic())
        self.socket: Socket | None = None
        self.closed = asyncio.Event()
        self.changed = asyncio.Event()
        """Set by every control frame."""
        self._woken = asyncio.Event()
        """Set when the session may have work earlier than planned."""

    def on_frame(self, frame: bytes) -> None:
        self.session.heard_at = now = self._monotonic()
        kept = self.kept
        if kept.dispatch is not None and kept.handover is None and self is kept.link and kept.dispatch(frame, now):
            return
        push = kept.decode(frame)
        if push is None:
            kept.owner.on_bad_frame()
        elif self is kept.link if kept.handover is None else kept.is_due(self, push, now):
            kept.on_push(push, now)

    def on_text(self, text: str) -> None:
        answer = self.session.receive(text, self._monotonic())
        self.changed.set()
        self.kept.answered(self, answer)

    def on_closed(self) -> None:
        for event in (self.closed, self.changed, self._woken):
            event.set()

    def subscribe(self, channels: Iterable[str]) -> None:
        """Subscribe channels, once there is a socket."""
        if self.socket is not None:
            self.send(self.session.subscribe(channels, self._monotonic()))
            self._woken.set()

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Unsubscribe channels."""
        if self.socket is not None:
            self.send(self.session.unsubscribe(channels, self._monotonic()))
            self._woken.set()

    def send(self, frames: Iterable[str]) -> None:
        """Send frames; a socket that is gone sets `closed`."""
        if self.socket is None:
            return
        try:
            for frame in frames:
                self.socket.send(frame)
        except ConnectionLost:
            self.on_closed()

    async def until_tick(self) -> Verdict:
        """Wait until the session's next tick or the end of the socket, and act on it."""
        wait_s = max(self.session.next_tick() - self._monotonic(), 0.001)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._woken.wait()
        self._woken.clear()
        if self.closed.is_set():
            return Verdict.SILENT
        frames, verdict = self.session.tick(self._monotonic())
        self.send(frames)
        return verdict

    async def aclose(self) -> None:
        socket, self.socket = self.socket, None
        if socket is not None:
            await socket.aclose()


class ReconnectingSocket:
    """Socket that keeps `channels` subscribed, one connection at a time, while `run` runs."""

    def __init__(
        self,
        url: Callable[[], Awaitable[str]],
        owner: SocketOwner,
        config: SocketConfig,
        timing: Timing,
        clock: Clock,
        connect: Connect,
    ) -> None:
        self._url = url
        self._connect = connect
        self.owner = owner
        self.decode = owner.decode
        self.on_push = owner.on_push
        self.dispatch = owner.dispatch
        self._config = config
        self.timing = timing
        self.clock = clock
        self.channels: dict[str, None] = {}
        """Channels to subscribe, in order of arrival."""
        self.link: _Connected | None = None
        self._next: _Connected | None = None
        self.handover: Handover[Push[Body]] | None = None
        self._moving: frozenset[str] = frozenset()
        """Channels that were subscribed when the move to the next socket began."""
        self._moved_at = 0.0
        self._started_at = 0.0
        self._backoff = Backoff(timing.retry_s, timing.longest_retry_s)
        self.connects = 0

    @property
    def is_complete(self) -> bool:
        """True when the exchange has accepted every channel on the present socket."""
        return self.link is not None and self.link.session.active.issuperset(self.channels)

    def add(self, channels: Iterable[str]) -> None:
        """Subscribe more channels."""
        new = [channel for channel in channels if channel not in self.channels]
        self.channels.update(dict.fromkeys(new))
        link = self._next or self.link
        if new and link is not None:
            link.subscribe(new)

    def remove(self, channels: Iterable[str]) -> None:
        """Unsubscribe some channels."""
        old = [channel for channel in channels if channel in self.channels]
        for channel in old:
            del self.channels[channel]
        for link in (self.link, self._next):
            if old and link is not None:
                link.unsubscribe(old)

    def reconnect(self) -> None:
        """Drop the present socket and connect again."""
        if self.link is not None:
            self.link.on_closed()

    async def run(self) -> None:
        """Connect, serve, and reconnect, until cancelled."""
        self._started_at, first = self.clock.monotonic(), None
        try:
            while True:
                link = self.link = _Connected(self)
                try:
                    await self._open(link)
                except MexcError as error:
                    if _is_final(error):
                        self.owner.on_failed(error)
                        return
                    pause_s, first = self._pause_s(), first or error
                    if isinstance(first, ConnectFailed) and pause_s >= self._left_s():
                        self.owner.on_failed(first)  # it had the whole time-out, and knows the reason
                        return
                    self.owner.on_state("failed", error.message)
                else:
                    self.connects += 1
                    self.owner.on_state("connected", "")
                    await self._serve()
                    if self.link.session.age(self.clock.monotonic()) >= self.timing.ping_s:
                        self._backoff.succeeded()
                    await self._drop()
                    self.owner.on_state("lost", "the socket ended or fell silent")
                    pause_s = self._pause_s()
                await asyncio.sleep(pause_s)
        finally:
            await self._drop()

    async def _open(self, link: _Connected) -> None:
        url, config = await self._url(), self._config
        if (left_s := self._left_s()) < config.connect_s:
            config = replace(config, connect_s=max(left_s, 0.001))
        link.socket = await self._connect(url, link, config)
        link.subscribe(self.channels)

    def _left_s(self) -> float:
        """Return the seconds left for the first connection; inf once there was one."""
        if self.owner.was_connected:
            return inf
        return self._config.connect_s - (self.clock.monotonic() - self._started_at)

    def _pause_s(self) -> float:
        return self._backoff.pause(self.clock.random.random())

    async def _serve(self) -> None:
        """Serve the present socket until it has to be replaced."""
        while self.link is not None and not self.link.closed.is_set():
            verdict = await self.link.until_tick()
            if verdict is Verdict.SILENT:
                return
            if verdict is Verdict.OLD and not await self._move():
                again_s = min(HANDOVER_S, self.timing.lifetime_s / 10)
                self.link.session.postpone(again_s, self.clock.monotonic())

    async def _move(self) -> bool:
        """Move to a new socket while the old one serves; return False if that failed."""
        old = self.link
        assert old is not None
        new = self._next = _Connected(self)
        self.handover = Handover()
        self._moving = frozenset(self.channels)
        try:
            async with asyncio.timeout(HANDOVER_S):
                await self._open(new)
                while not new.session.active.issuperset(self._moving & self.channels.keys()):
                    await self._next_answer(new)
                old.send([old.session.ping(self.clock.monotonic())])
                while old.session.pings_unanswered and not old.closed.is_set():
                    await self._next_answer(old)
        except (MexcError, TimeoutError):
            self.handover = None
            self._next = None
            old.subscribe(self.channels.keys() - old.session.active)
            await new.aclose()
            return False
        self.link, self._next, self._moved_at = new, None, self.clock.monotonic()
        self.connects += 1
        is_lost = old.closed.is_set()  # it ended before its pong: pushes may be missing
        if is_lost:
            self.owner.on_state("lost", "the old socket ended during the move to a new one")
            self.owner.on_state("connected", "")
            self.owner.on_answer(Acknowledgement(accepted=tuple(new.session.active)))
        for push in self.handover.switch():
            self.on_push(push, self._moved_at)
        await old.aclose()
        if not is_lost:
            self.owner.on_state("moved", "")
        return True

    @staticmethod
    async def _next_answer(link: _Connected) -> None:
        if not link.closed.is_set():
            link.changed.clear()
            await link.changed.wait()
        if link.closed.is_set() and link.kept._next is link:
            raise ConnectionLost("the new socket ended")

    async def _drop(self) -> None:
        links = [link for link in (self.link, self._next) if link is not None]
        self.link = self._next = self.handover = None
        for link in links:
            await link.aclose()

    def is_due(self, link: _Connected, push: Push[Body], now: float) -> bool:
        """Return True if a push goes to the owner now, during or shortly after a move."""
        handover = self.handover
        assert handover is not None
        identity = self.owner.identity(push)
        if link is self.link:  # the old socket before the switch, the new one after it
            if not handover.is_switched:
                return handover.from_old(push.channel, identity)
            if now > self._moved_at + HANDOVER_S:
                self.handover = None
            return handover.from_new(push.channel, identity, push)
        if link is not self._next or self.link is None:
            return False
        if push.channel not in self._moving:  # subscribed since the move began
            return True
        return handover.from_new(push.channel, identity, push)

    def answered(self, link: _Connected, answer: Acknowledgement) -> None:
        """Handle a control frame of either socket."""
        if link is self._next:  # the owner has these channels already
            answer = answer._replace(accepted=tuple(c for c in answer.accepted if c not in self._moving))
        if answer.accepted or answer.refused or not answer.is_understood:
            self.owner.on_answer(answer)
