"""Which consumer gets which push: channels spread over few sockets, shared by their consumers.

A frame is decoded once and handed to every consumer of its channel in the call that read it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, cast

from msgspec import Struct

from mexc_async.errors import (
    ClientClosed,
    ConfigError,
    ConnectionLost,
    MexcError,
    MissingCredentials,
    ProtocolError,
    SubscriptionRefused,
)
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import logger
from mexc_async.runtime.tasks import Tasks
from mexc_async.spot.channels import PRIVATE
from mexc_async.spot.push import Push, decode_push, dispatcher
from mexc_async.spot.push_models import Body, BookTickerBatch, BookTickerPush, MiniTicker, MiniTickers
from mexc_async.streams.events import BadFrame, StreamState, UnknownFields
from mexc_async.streams.reconnecting import KeptSocket
from mexc_async.streams.session import Answer, Timing
from mexc_async.streams.subscriber import Inbox
from mexc_async.streams.websocket import SocketConfig

MAX_PER_SOCKET = 30
"""Subscriptions that MEXC serves on one socket."""


class StreamSettings(Struct, frozen=True):
    """How streams use sockets."""

    per_socket: int = 20
    """Channels on one socket; MEXC serves 30, and others have seen errors from 25 on."""
    queue: int = 1024
    """Pushes that a consumer may lag behind."""
    timing: Timing = Timing()

    def __post_init__(self) -> None:
        if not 1 <= self.per_socket <= MAX_PER_SOCKET:
            raise ConfigError(f"per_socket {self.per_socket!r} must be from 1 to {MAX_PER_SOCKET}")
        if self.queue < 1:
            raise ConfigError(f"queue {self.queue!r} must be at least 1")


class Private(Protocol):
    """What the hub needs of the private stream's keeper."""

    async def url(self) -> str:
        """Where to connect, with a key that is in force."""
        ...

    def forget_key(self) -> None:
        """The exchange does not know the key."""
        ...

    def on_connected(self, is_first: bool) -> None:
        """Every private channel is subscribed, for the first time or again after a loss."""
        ...

    def on_lost(self) -> None:
        """The private socket is gone."""
        ...

    def on_bad_frame(self) -> None:
        """A private push could not be understood."""
        ...

    def is_news(self, push: Push[Any]) -> bool:
        """Whether consumers are to get a push."""
        ...

    def replace_key(self, former: Api) -> None:
        """Close the listen key of the former API key, and take one of the new key."""
        ...

    async def aclose(self) -> None:
        """End the listen key; idempotent."""
        ...


class _Topic:
    """One channel and who consumes it."""

    __slots__ = ("inboxes", "is_accepted", "ready", "shard")

    def __init__(self, shard: _Shard) -> None:
        self.shard = shard
        self.inboxes: tuple[Inbox, ...] = ()
        """Never changed, only replaced: a callback may make consumers come and go."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_accepted = False


class _Shard:
    """One kept socket of the hub, and what it tells."""

    def __init__(self, hub: Hub, url: Callable[[], Awaitable[str]], is_private: bool) -> None:
        self.hub = hub
        self.is_private = is_private
        self.is_up = False
        """Whether every channel is accepted on the present socket."""
        self.was_up = False
        self.decode = hub.decode
        self.on_push = hub.deliver
        self.dispatch = hub.dispatch
        self.kept = KeptSocket(url, self, hub.config, hub.settings.timing)
        self.task = hub.tasks.spawn(self.kept.run())
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A keeper that breaks, as none should, must not leave its streams waiting for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            failure = ConnectionLost(f"the socket's keeper broke: {type(error).__name__}")
            failure.__cause__ = error
            self.hub.failed(self, failure)

    def on_bad_frame(self) -> None:
        if self.is_private and self.hub.private is not None:
            self.hub.private.on_bad_frame()

    def identity(self, push: Push[Body]) -> Hashable:
        """The body, which holds an id, a version or a running sum; where it may come back unchanged, its time too."""
        body = push.body
        if isinstance(body, MiniTicker | MiniTickers | BookTickerBatch) or (
            isinstance(body, BookTickerPush) and not body.version_text
        ):
            return push
        return cast(Hashable, body)

    def on_answer(self, answer: Answer) -> None:
        self.hub.answered(self, answer)

    def on_failed(self, error: MexcError) -> None:
        self.hub.failed(self, error)

    def on_state(self, state: str, reason: str) -> None:
        self.hub.changed(self, state, reason)


class Hub:
    """All streams of a client."""

    def __init__(
        self,
        url: str | None,
        config: SocketConfig,
        settings: StreamSettings,
        *,
        tasks: Tasks,
        hooks: Hooks,
        server_ms: Callable[[float], int],
        on_use: Callable[[], None],
        private: Callable[[Hub], Private] | None = None,
        on_private_push: Callable[[Push[Any]], None] | None = None,
    ) -> None:
        """Set up the streams; nothing is connected before the first consumer.

        Args:
            url: URL of the push streams.
            config: how sockets connect.
            settings: how streams share sockets.
            tasks: owns the sockets' tasks.
            hooks: gets the streams' events.
            server_ms: the exchange's time at a moment of the monotonic clock.
            on_use: called when the first consumer comes.
            private: makes what leases the key of the private socket and knows what it missed; None without credentials.
            on_private_push: called with every private push, whoever consumes it, and with what REST answered instead.
        """
        self.url = url
        self._on_use = on_use
        self.config = config
        self.settings = settings
        self.tasks = tasks
        self.server_ms = server_ms
        """The exchange's time at a moment of the monotonic clock."""
        self.bad_frames = 0
        """Frames that could not be understood."""
        self.unknown_fields = 0
        self._on_private_push = on_private_push
        self._hooks = hooks
        self._topics: dict[str, _Topic] = {}
        self._packed: set[bytes] = set()
        """Channels that only books consume, as a frame has them."""
        self._public: dict[str, tuple[Inbox, ...]] = {}
        """Who consumes each public channel."""
        self.dispatch = dispatcher(self._public, self._packed, self._broke)
        self._shards: list[_Shard] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.private = None if private is None else private(self)

    def check(self) -> None:
        """Raise ConfigError where it is not known where the streams are."""
        if self.url is None:
            raise ConfigError(
                "this needs push streams, and only MEXC's own address and this machine are known to have them: "
                'name those of another exchange, Mexc(..., rest=..., ws="wss://...")'
            )

    async def _public_url(self) -> str:
        self.check()
        return self.url or ""

    def now_ms(self) -> int:
        """The exchange's time."""
        return self.server_ms(time.monotonic())

    # Consumers come and go

    async def join(self, *inboxes: Inbox) -> None:
        """Subscribe the inboxes' channels and wait until each is accepted. Raises SubscriptionRefused.

        What no attempt can mend, such as a key without the permission, is raised as it came.
        """
        self.check()
        self._on_use()
        self._loop = asyncio.get_running_loop()
        fresh: dict[_Shard, list[str]] = {}
        joined: list[_Topic] = []
        for inbox in inboxes:
            for channel in inbox.channels:
                topic = self._topics.get(channel)
                if topic is None:
                    shard = self._shard_for(channel, fresh)
                    topic = self._topics[channel] = _Topic(shard)
                    fresh.setdefault(shard, []).append(channel)
                self._set_inboxes(channel, topic, (*topic.inboxes, inbox))
                joined.append(topic)
        for shard, channels in fresh.items():
            shard.kept.add(channels)
        results = await asyncio.gather(*(asyncio.shield(topic.ready) for topic in joined), return_exceptions=True)
        for inbox in inboxes:
            inbox.is_joined = True
        refused = tuple(
            name for result in results if isinstance(result, SubscriptionRefused) for name in result.channels
        )
        if refused:
            reasons = {result.message: None for result in results if isinstance(result, SubscriptionRefused)}
            raise SubscriptionRefused.of("; ".join(reasons), refused)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def leave(self, inbox: Inbox) -> None:
        """Take an inbox out; channels without a consumer are given up, sockets without channels closed."""
        inbox.close()
        unused: dict[_Shard, list[str]] = {}
        for channel in inbox.channels:
            topic = self._topics.get(channel)
            if topic is None or inbox not in topic.inboxes:
                continue
            self._set_inboxes(channel, topic, tuple(other for other in topic.inboxes if other is not inbox))
            if not topic.inboxes:
                del self._topics[channel]
                self._public.pop(channel, None)
                unused.setdefault(topic.shard, []).append(channel)
        for shard, channels in unused.items():
            self._hooks.emit(StreamState("closed", tuple(channels)))
            shard.kept.remove(channels)
            if (
                not shard.kept.channels and shard in self._shards
            ):  # what was refused is not kept: it may be gone already
                self._shards.remove(shard)
                self.tasks.cancel(shard.task)

    def _set_inboxes(self, channel: str, topic: _Topic, inboxes: tuple[Inbox, ...]) -> None:
        topic.inboxes = inboxes
        if not topic.shard.is_private:
            self._public[channel] = inboxes
        if inboxes and all(inbox.packs for inbox in inboxes):
            self._packed.add(channel.encode())
        else:
            self._packed.discard(channel.encode())

    def leave_later(self, inbox: Inbox) -> None:
        """The same from wherever the garbage collector runs."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.leave, inbox)

    def _shard_for(self, channel: str, fresh: dict[_Shard, list[str]]) -> _Shard:
        is_private = channel in PRIVATE
        for shard in self._shards:
            taken = len(shard.kept.channels) + len(fresh.get(shard, ()))
            if shard.is_private == is_private and (is_private or taken < self.settings.per_socket):
                return shard  # the few private channels share one socket and its key
        if is_private and self.private is None:
            raise MissingCredentials("private streams need an API key and its secret")
        shard = _Shard(self, self.private.url if is_private and self.private else self._public_url, is_private)
        self._shards.append(shard)
        return shard

    # What the sockets bring

    def decode(self, frame: bytes) -> Push[Body] | None:
        """What a frame holds; None, counted, if it is no push."""
        try:
            push = decode_push(frame, packs=bool(self._packed) and _channel_of(frame) in self._packed)
        except ProtocolError as error:
            self._bad_frame(error)
            return None
        if push.unknown_fields:
            self.unknown_fields += push.unknown_fields
            self._hooks.emit(UnknownFields(push.channel, push.unknown_fields))
        return push

    def _bad_frame(self, error: ProtocolError) -> None:
        self.bad_frames += 1
        logger.warning("a push could not be understood: %s", error)
        self._hooks.emit(BadFrame(error.message))

    def deliver(self, push: Push[Any], now: float) -> None:
        """Hand a push that came now to everyone who consumes its channel."""
        topic = self._topics.get(push.channel)
        if topic is None or (topic.shard.is_private and not self._is_news(push)):
            return
        self._hand_out(topic, push, now)

    def _is_news(self, push: Push[Any]) -> bool:
        """Whether consumers are to get a private push; one with text that is no number is as good as lost."""
        try:
            if self.private is not None and not self.private.is_news(push):
                return False
        except ProtocolError as error:
            self._bad_frame(error)
            if self.private is not None:
                self.private.on_bad_frame()
            return False
        try:
            if self._on_private_push is not None:
                self._on_private_push(push)
        except ProtocolError as error:
            self._bad_frame(error)
        return True

    def tell(self, channel: str, symbol: str | None, body: Body) -> None:
        """Hand out what was learnt otherwise, as if it had been pushed."""
        push = Push(channel=channel, body=body, symbol=symbol)
        if self._on_private_push is not None:
            self._on_private_push(push)
        if topic := self._topics.get(channel):
            self._hand_out(topic, push, time.monotonic())

    def _hand_out(self, topic: _Topic, push: Push[Any], now: float) -> None:
        for inbox in topic.inboxes:
            try:
                inbox.put(push, now)
            except Exception as error:
                self._broke(inbox, push, error)

    def _broke(self, inbox: Inbox, push: Push[Any], error: Exception) -> None:
        """A consumer's callback failed: its stream ends."""
        self._hooks.emit(BadFrame(f"a callback of {push.channel} failed: {type(error).__name__}"))
        inbox.fail(error)
        self.leave(inbox)

    def answered(self, shard: _Shard, answer: Answer) -> None:
        """The exchange accepted or refused channels."""
        again = []
        for channel in answer.accepted:
            topic = self._topics.get(channel)
            if topic is None:
                continue
            if topic.is_accepted:
                again.append(channel)
            topic.is_accepted = True
            for inbox in topic.inboxes:
                inbox.back()
            if not topic.ready.done():
                topic.ready.set_result(None)
        if again:
            self._hooks.emit(StreamState("resubscribed", tuple(again)))
        if answer.refused:
            self._refuse(answer)
        if shard.is_private and not shard.is_up and shard.kept.is_complete and self.private is not None:
            self.private.on_connected(is_first=not shard.was_up)
            shard.is_up = shard.was_up = True
        if not answer.is_understood:
            logger.warning("WebSocket: not understood: %s", answer.reason[:100])
            if shard.is_private and "listen key" in answer.reason.lower() and self.private is not None:
                self.private.forget_key()

    def _refuse(self, answer: Answer) -> None:
        self._hooks.emit(StreamState("refused", answer.refused, answer.reason))
        for channel in answer.refused:
            topic = self._topics.get(channel)
            if topic is None:
                continue
            names = ", ".join(answer.refused)
            error = SubscriptionRefused.of(f"refused: {names}: {answer.reason or 'no reason given'}", (channel,))
            topic.shard.kept.remove([channel])
            if not topic.ready.done():
                topic.ready.set_exception(error)
                topic.ready.exception()  # whoever joins awaits it; nobody may be left to
            for inbox in topic.inboxes:
                if inbox.is_joined:
                    inbox.fail(error)
                    self.leave(inbox)

    def changed(self, shard: _Shard, state: str, reason: str) -> None:
        """A socket was connected, lost, or could not be opened."""
        channels = tuple(shard.kept.channels)
        if state == "lost":
            for inbox in {id(i): i for c in channels if (t := self._topics.get(c)) for i in t.inboxes}.values():
                inbox.gap()
        if shard.is_private and self.private is not None and state == "lost":
            shard.is_up = False
            self.private.on_lost()
        self._hooks.emit(StreamState("gap" if state == "lost" else state, channels, reason))

    def failed(self, shard: _Shard, error: MexcError) -> None:
        """A socket cannot be had for good: end its streams with the reason."""
        channels = tuple(shard.kept.channels)
        self._hooks.emit(StreamState("refused", channels, error.message))
        for channel in channels:
            topic = self._topics.get(channel)
            if topic is None:
                continue
            if not topic.ready.done():
                topic.ready.set_exception(error)
                topic.ready.exception()  # whoever joins awaits it; nobody may be left to
            for inbox in topic.inboxes:
                inbox.fail(error)
                self.leave(inbox)

    def is_consumed(self, channel: str) -> bool:
        """Whether anybody consumes a channel."""
        return channel in self._topics

    def reconnect_private(self) -> None:
        """Drop the private socket; a new one, with a new key, follows."""
        for shard in self._shards:
            if shard.is_private:
                shard.kept.reconnect()

    async def aclose(self) -> None:
        """End every stream; idempotent."""
        for topic in list(self._topics.values()):
            if not topic.ready.done():
                topic.ready.set_exception(ClientClosed("the client was closed"))
                topic.ready.exception()
            for inbox in topic.inboxes:
                inbox.close()
                self.leave(inbox)


def _channel_of(frame: bytes) -> bytes:
    """The channel, where a frame begins with it as all do so far: a tag, its size, its text."""
    return frame[2 : 2 + frame[1]] if len(frame) > 1 else b""
