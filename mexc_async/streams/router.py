"""Router of pushes: channels spread over few sockets, each push handed to its subscribers.

A frame is decoded once and handed to every subscriber of its channel in the call that read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Annotated, Any, Protocol, cast

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
from mexc_async.rest.server_clock import ServerClock
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import OutageLog, logger
from mexc_async.runtime.tasks import Tasks
from mexc_async.schema.settings import CheckedSettings
from mexc_async.schema.validation import Rule, between
from mexc_async.spot.channels import PRIVATE
from mexc_async.spot.push import Push, decode_push, dispatcher
from mexc_async.spot.push_models import Body, BookTickerBatch, BookTickerPush, MiniTicker, MiniTickers
from mexc_async.streams.events import BadFrame, StreamState, UnknownFields
from mexc_async.streams.reconnecting import ReconnectingSocket
from mexc_async.streams.session import Acknowledgement, Timing
from mexc_async.streams.subscriber import Subscriber
from mexc_async.streams.websocket import Connect, Library, SocketConfig, connect
from mexc_async.transport.urls import ExchangeUrls

MAX_PER_SOCKET = 30
"""Most subscriptions that MEXC serves on one socket."""


class StreamSettings(CheckedSettings, frozen=True):
    """Settings for the sockets of streams."""

    per_socket: Annotated[int, Rule(between(1, MAX_PER_SOCKET))] = 20
    """Channels on one socket; MEXC serves 30, and others have seen errors from 25 on."""
    queue: Annotated[int, Rule(between(1, 1_000_000_000))] = 1024
    """Most pushes that a consumer may lag behind."""
    timing: Timing = Timing()
    """Pings, time-outs and reconnects of each socket."""
    library: Library = "auto"
    """WebSocket library: `picows` or `aiohttp`; `auto` takes picows where it is installed."""


class PrivateStream(Protocol):
    """Lease of the private stream's listen key, as the router needs it."""

    async def url(self) -> str:
        """Return the URL to connect to, with a valid listen key."""
        ...

    def forget_key(self) -> None:
        """Forget the listen key: the exchange does not know it."""
        ...

    def on_connected(self, is_first: bool) -> None:
        """Handle that every private channel is subscribed, for the first time or after a loss."""
        ...

    def on_lost(self) -> None:
        """Handle the loss of the private socket."""
        ...

    def on_bad_frame(self) -> None:
        """Handle a private push that could not be understood."""
        ...

    def is_news(self, push: Push[Any]) -> bool:
        """Return True if consumers are to get a push."""
        ...

    def replace_key(self, former: Api) -> None:
        """Close the listen key of the former API key, and take one of the new key."""
        ...

    async def aclose(self) -> None:
        """Close the listen key; idempotent."""
        ...


class _Topic:
    """One channel and its subscribers."""

    __slots__ = ("is_accepted", "ready", "shard", "subscribers")

    def __init__(self, shard: _RoutedSocket) -> None:
        self.shard = shard
        self.subscribers: tuple[Subscriber, ...] = ()
        """Never changed, only replaced: a callback may add or remove subscribers."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_accepted = False


class _RoutedSocket:
    """One reconnecting socket of the router, and the handler of what it brings."""

    def __init__(self, router: Router, url: Callable[[], Awaitable[str]], is_private: bool) -> None:
        self.router = router
        self.is_private = is_private
        self.is_up = False
        """True while every channel is accepted on the present socket."""
        self.was_up = False
        self.decode = router.decode
        self.on_push = router.deliver
        self.dispatch = router.dispatch
        timing, clock = router.settings.timing, router.clock.local
        self.kept = ReconnectingSocket(url, self, router.config, timing, clock, router.connect)
        self.task = router.tasks.spawn(self.kept.run())
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End the streams of a socket whose task broke, so that they do not wait for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            failure = ConnectionLost(f"the socket's task failed: {type(error).__name__}")
            failure.__cause__ = error
            self.router.failed(self, failure)

    @property
    def was_connected(self) -> bool:
        return self.router.was_connected

    def on_bad_frame(self) -> None:
        if self.is_private and self.router.private is not None:
            self.router.private.on_bad_frame()

    def identity(self, push: Push[Body]) -> Hashable:
        """Return the push's body, which holds an id, a version or a running sum; with its time if bodies may repeat."""
        body = push.body
        if isinstance(body, MiniTicker | MiniTickers | BookTickerBatch) or (
            isinstance(body, BookTickerPush) and not body.version_text
        ):
            return push
        return cast(Hashable, body)

    def on_answer(self, answer: Acknowledgement) -> None:
        self.router.answered(self, answer)

    def on_failed(self, error: MexcError) -> None:
        self.router.failed(self, error)

    def on_state(self, state: str, reason: str) -> None:
        self.router.changed(self, state, reason)


class Router:
    """All streams of a client."""

    def __init__(
        self,
        urls: ExchangeUrls,
        config: SocketConfig,
        settings: StreamSettings,
        *,
        tasks: Tasks,
        hooks: Hooks,
        clock: ServerClock,
        on_use: Callable[[], Awaitable[None]],
        outages: OutageLog,
        private: Callable[[Router], PrivateStream] | None = None,
        on_private_push: Callable[[Push[Any]], None] | None = None,
        connect: Connect = connect,
    ) -> None:
        """Set up the streams; nothing connects before the first subscriber.

        Args:
            urls: the exchange's URLs.
            config: how sockets connect.
            settings: how streams share sockets.
            tasks: owns the sockets' tasks.
            hooks: gets the streams' events.
            clock: the exchange's clock, which measures the age of pushes.
            on_use: awaited before a subscriber joins; opens the client.
            outages: gets the warnings that the exchange cannot be reached.
            private: makes the lease of the private socket's listen key and its gap recovery; None without credentials.
            on_private_push: called with every private push, whoever consumes it, and with every push from a REST
                backfill.
            connect: opens sockets.
        """
        self.connect = connect
        self._urls = urls
        self._on_use = on_use
        self._outages = outages
        self.config = config
        self.settings = settings
        self.tasks = tasks
        self.clock = clock
        self.was_connected = False
        """True once there was a socket to the exchange."""
        self.bad_frames = 0
        """Frames that could not be understood."""
        self.unknown_fields = 0
        self._on_private_push = on_private_push
        self._hooks = hooks
        self._topics: dict[str, _Topic] = {}
        self._packed: set[bytes] = set()
        """Channels that only books consume, as bytes of a frame."""
        self._public: dict[str, tuple[Subscriber, ...]] = {}
        """Subscribers of each public channel."""
        self.dispatch = dispatcher(self._public, self._packed, self._broke)
        self._shards: list[_RoutedSocket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.private = None if private is None else private(self)

    @property
    def url(self) -> str | None:
        """URL of the push streams; None if it is unknown."""
        return self._urls.ws

    def check(self) -> None:
        """Raise ConfigError if the address of the push streams is unknown."""
        if self.url is None:
            raise ConfigError(
                "this needs push streams, whose URL has a default for MEXC and for this machine only: give it, as in "
                'Mexc(..., rest=..., ws="wss://...")'
            )

    async def _public_url(self) -> str:
        self.check()
        return self.url or ""

    def now_ms(self) -> int:
        """Return the exchange's time in milliseconds."""
        return self.clock.now_ms()

    # Subscribers join and leave

    async def join(self, *subscribers: Subscriber) -> None:
        """Subscribe the channels and wait until each is accepted. Raises SubscriptionRefused, ConnectFailed.

        An error that no retry can mend, such as a key without the permission, is raised as it came. So is a failure to
        connect within `Timeouts.connect_s`, if there was no connection before; later ones are retried for ever.
        """
        self.check()
        await self._on_use()
        self._loop = asyncio.get_running_loop()
        fresh: dict[_RoutedSocket, list[str]] = {}
        joined: list[_Topic] = []
        for subscriber in subscribers:
            for channel in subscriber.channels:
                topic = self._topics.get(channel)
                if topic is None:
                    shard = self._shard_for(channel, fresh)
                    topic = self._topics[channel] = _Topic(shard)
                    fresh.setdefault(shard, []).append(channel)
                self._set_subscribers(channel, topic, (*topic.subscribers, subscriber))
                joined.append(topic)
        for shard, channels in fresh.items():
            shard.kept.add(channels)
        results = await asyncio.gather(*(asyncio.shield(topic.ready) for topic in joined), return_exceptions=True)
        for subscriber in subscribers:
            subscriber.is_joined = True
        refused = tuple(
            name for result in results if isinstance(result, SubscriptionRefused) for name in result.channels
        )
        if refused:
            reasons = {result.message: None for result in results if isinstance(result, SubscriptionRefused)}
            raise SubscriptionRefused.of("; ".join(reasons), refused)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def leave(self, subscriber: Subscriber) -> None:
        """Remove a subscriber; unsubscribe channels and close sockets that nobody uses any more."""
        subscriber.close()
        unused: dict[_RoutedSocket, list[str]] = {}
        for channel in subscriber.channels:
            topic = self._topics.get(channel)
            if topic is None or subscriber not in topic.subscribers:
                continue
            self._set_subscribers(
                channel, topic, tuple(other for other in topic.subscribers if other is not subscriber)
            )
            if not topic.subscribers:
                del self._topics[channel]
                self._public.pop(channel, None)
                unused.setdefault(topic.shard, []).append(channel)
        for shard, channels in unused.items():
            self._hooks.emit(StreamState("closed", tuple(channels)))
            shard.kept.remove(channels)
            if not shard.kept.channels and shard in self._shards:  # a refused channel may be gone already
                self._shards.remove(shard)
                self.tasks.cancel(shard.task)

    def _set_subscribers(self, channel: str, topic: _Topic, subscribers: tuple[Subscriber, ...]) -> None:
        topic.subscribers = subscribers
        if not topic.shard.is_private:
            self._public[channel] = subscribers
        if subscribers and all(subscriber.packs for subscriber in subscribers):
            self._packed.add(channel.encode())
        else:
            self._packed.discard(channel.encode())

    def leave_later(self, subscriber: Subscriber) -> None:
        """Remove a subscriber from the garbage collector, in whatever thread it runs."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.leave, subscriber)

    def _shard_for(self, channel: str, fresh: dict[_RoutedSocket, list[str]]) -> _RoutedSocket:
        is_private = channel in PRIVATE
        for shard in self._shards:
            taken = len(shard.kept.channels) + len(fresh.get(shard, ()))
            if shard.is_private == is_private and (is_private or taken < self.settings.per_socket):
                return shard  # the few private channels share one socket and its key
        if is_private and self.private is None:
            raise MissingCredentials("private streams need an API key and its secret")
        shard = _RoutedSocket(self, self.private.url if is_private and self.private else self._public_url, is_private)
        self._shards.append(shard)
        return shard

    # What the sockets bring

    def decode(self, frame: bytes) -> Push[Body] | None:
        """Decode a frame; return None, and count it, if it is no push."""
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
        logger.warning("a push could not be decoded: %s", error)
        self._hooks.emit(BadFrame(error.message))

    def deliver(self, push: Push[Any], now: float) -> None:
        """Hand a push that arrived now to every subscriber of its channel."""
        topic = self._topics.get(push.channel)
        if topic is None or (topic.shard.is_private and not self._is_news(push)):
            return
        self._hand_out(topic, push, now)

    def _is_news(self, push: Push[Any]) -> bool:
        """Return True if consumers are to get a private push; one whose numbers cannot be read counts as lost."""
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

    def publish(self, channel: str, symbol: str | None, body: Body) -> None:
        """Hand out news from elsewhere, such as REST, as if it had been pushed."""
        push = Push(channel=channel, body=body, symbol=symbol)
        if self._on_private_push is not None:
            self._on_private_push(push)
        if topic := self._topics.get(channel):
            self._hand_out(topic, push, self.clock.local.monotonic())

    def _hand_out(self, topic: _Topic, push: Push[Any], now: float) -> None:
        for subscriber in topic.subscribers:
            try:
                subscriber.put(push, now)
            except Exception as error:
                self._broke(subscriber, push, error)

    def _broke(self, subscriber: Subscriber, push: Push[Any], error: Exception) -> None:
        """End the stream of a consumer whose callback failed."""
        self._hooks.emit(BadFrame(f"a callback of {push.channel} failed: {type(error).__name__}"))
        subscriber.fail(error)
        self.leave(subscriber)

    def answered(self, shard: _RoutedSocket, answer: Acknowledgement) -> None:
        """Handle the exchange's answer that it accepted or refused channels."""
        again = []
        for channel in answer.accepted:
            topic = self._topics.get(channel)
            if topic is None:
                continue
            if topic.is_accepted:
                again.append(channel)
            topic.is_accepted = True
            for subscriber in topic.subscribers:
                subscriber.back()
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
            logger.warning("an answer on the WebSocket could not be decoded: %s", answer.reason[:100])
            if shard.is_private and "listen key" in answer.reason.lower() and self.private is not None:
                self.private.forget_key()

    def _refuse(self, answer: Acknowledgement) -> None:
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
            for subscriber in topic.subscribers:
                if subscriber.is_joined:
                    subscriber.fail(error)
                    self.leave(subscriber)

    def changed(self, shard: _RoutedSocket, state: str, reason: str) -> None:
        """Handle a socket that was connected, lost, or could not be opened."""
        channels = tuple(shard.kept.channels)
        if state in ("failed", "lost"):
            self._outages.warn(f"streams: {reason}; trying again; down: {', '.join(channels[:3])} ({len(channels)})")
        else:
            self.was_connected = True
        if state == "lost":
            for subscriber in {
                id(i): i for c in channels if (t := self._topics.get(c)) for i in t.subscribers
            }.values():
                subscriber.gap()
        if shard.is_private and self.private is not None and state == "lost":
            shard.is_up = False
            self.private.on_lost()
        self._hooks.emit(StreamState("gap" if state == "lost" else state, channels, reason))

    def failed(self, shard: _RoutedSocket, error: MexcError) -> None:
        """End the streams of a socket that cannot be opened at all, with the reason."""
        channels = tuple(shard.kept.channels)
        self._hooks.emit(StreamState("refused", channels, error.message))
        topics = [topic for channel in channels if (topic := self._topics.get(channel)) is not None]
        for topic in topics:  # all of them, before the first subscriber leaves its other channels too
            if not topic.ready.done():
                topic.ready.set_exception(error)
                topic.ready.exception()  # whoever joins awaits it; nobody may be left to
        for topic in topics:
            for subscriber in topic.subscribers:
                subscriber.fail(error)
                self.leave(subscriber)

    def is_connected(self, channel: str) -> bool:
        """Return True while the exchange serves a channel."""
        topic = self._topics.get(channel)
        link = None if topic is None else topic.shard.kept.link
        return link is not None and channel in link.session.active

    def is_consumed(self, channel: str) -> bool:
        """Return True if the channel has a subscriber."""
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
            for subscriber in topic.subscribers:
                subscriber.close()
                self.leave(subscriber)


def _channel_of(frame: bytes) -> bytes:
    """Return the channel, if the frame begins with it as all do so far: a tag, its size, its text."""
    return frame[2 : 2 + frame[1]] if len(frame) > 1 else b""
