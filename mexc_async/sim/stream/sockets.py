"""All stream connections: admission, subscriptions, pushes and closing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from math import inf
from typing import TypeAlias

from mexc_async.runtime.clock import Clock
from mexc_async.sim.exchange.events import BalanceEvent, BookEvent, DealEvent, Event, OrderEvent, TradeEvent
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.symbols import OFFLINE
from mexc_async.sim.faults.faults import Fault, Faults, Kind, matcher
from mexc_async.sim.market.latency import Travel
from mexc_async.sim.stream import pushes
from mexc_async.sim.stream.channel import GOING_AWAY, POLICY_VIOLATION, Channel, End, Ping
from mexc_async.sim.stream.connection import ClientSocket
from mexc_async.sim.stream.feeds import Feeds
from mexc_async.sim.stream.listen_keys import ListenKeys
from mexc_async.sim.stream.socket_lifetime import SocketRules
from mexc_async.sim.stream.subscriptions import Subscriptions
from mexc_async.sim.stream.topics import Topic, parse_topic

log = logging.getLogger("mexc_async.sim")

PATH = "/ws"
INVALID_KEY = "Invalid listen key"
KEY_ENDED = "listen key ended"
_CLOSE_S = 1.0
"""Longest wait for the client's end of a connection that is closed."""
_LOOK_S = 0.05
"""Time between two looks at a half-open connection, which does not say that its client has left."""

_PrivateEvent: TypeAlias = OrderEvent | DealEvent | BalanceEvent


class Sockets:
    """The stream's connections. `tick` sends what is due and closes what has ended."""

    def __init__(
        self,
        exchange: Exchange,
        keys: ListenKeys,
        faults: Faults,
        rules: SocketRules,
        clock: Clock,
        feed: Travel,
        on_due: Callable[[], None],
    ) -> None:
        """Start without connections. `on_due` is called when a message or an event may bring `due_ms` forward."""
        self._exchange = exchange
        self._keys = keys
        self._faults = faults
        self._rules = rules
        self._clock = clock
        self._on_due = on_due
        self._feed = feed
        self._symbols = {symbol for symbol, market in exchange.markets.items() if market.rules.status != OFFLINE}
        self._feeds = Feeds(exchange.markets, rules)
        self._connections: dict[ClientSocket, asyncio.Task[object] | None] = {}
        self._readers: dict[tuple[str, str], dict[ClientSocket, Topic]] = {}
        """Subscribers by (uid, or empty for public topics; topic name)."""
        self._ends_s = self._keys_ms = inf
        """Times of the next end of a socket: by its life in monotonic seconds, by its listen key in ms."""
        self._measured: int | None = None
        """Number of changed listen keys when these were found; None if a socket has changed since."""
        self._leave: Callable[[], None] | None = None
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def shortest_ms(self) -> int | None:
        """Length of the shortest subscribed window; None without public subscriptions."""
        return self._feeds.shortest_ms

    @property
    def private_topics(self) -> int:
        """Number of subscribed private channels, each counted once per account."""
        return sum(bool(uid) for uid, _ in self._readers)

    # Connections

    def refuses(self) -> bool:
        """Return True if a new connection has to be reset."""
        return self._is_closed or self._faults.strikes("refuse", PATH) is not None

    async def serve(self, channel: Channel, key: str | None) -> None:
        """Serve an accepted connection until its end. `key` is its listen key; None for public pushes only."""
        uid = None if key is None else self._admit(key)
        if key is not None and uid is None:
            with contextlib.suppress(ConnectionError):
                await channel.send(INVALID_KEY)
                await channel.close(POLICY_VIOLATION)
            return
        subscriptions = Subscriptions(lambda name: self._open(name, uid), self._rules.most_topics)
        connection = ClientSocket(
            channel, subscriptions, self._rules, self._faults, self._clock, self._feed, uid=uid, listen_key=key
        )
        self._connections[connection] = asyncio.current_task()
        self._changed()
        try:
            await self._run(connection)
        finally:
            self._forget(connection)

    async def _run(self, connection: ClientSocket) -> None:
        """Receive and send until either ends, then close the connection."""
        receiver = asyncio.create_task(self._receive(connection), name="mexc-sim-receiver")
        sender = asyncio.create_task(connection.send_all(), name="mexc-sim-sender")
        try:
            await asyncio.wait([receiver, sender], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (receiver, sender):
                task.cancel()
            ended = await asyncio.gather(receiver, sender, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                raise error
        await connection.part()

    def _admit(self, key: str) -> str | None:
        """Return the uid of a listen key that may open one more socket, else None."""
        if sum(connection.listen_key == key for connection in self._connections) >= self._rules.sockets_a_key:
            return None
        return self._keys.owner(key, self._clock.wall_ms())

    def _open(self, name: str, uid: str | None) -> Topic | None:
        topic = parse_topic(name, self._symbols)
        if topic is None or (topic.is_private and uid is None) or self._faults.strikes("block", name):
            return None
        return topic

    async def _receive(self, connection: ClientSocket) -> None:
        channel = connection.channel
        while not isinstance(message := await channel.receive(), End):
            if isinstance(message, Ping):
                if not connection.is_silent:
                    await channel.pong(message.data)
            elif connection.life.hear(self._clock.monotonic()):
                self._control(connection, message)
            else:
                connection.abort()
                return
        if connection.is_silent:
            await connection.gone.wait()
        elif message is End.CLOSE:
            await channel.close()

    def _control(self, connection: ClientSocket, message: str | bytes) -> None:
        outcome = connection.subscriptions.receive(message)
        for topic in outcome.removed:
            self._unread(connection, topic)
        for topic in outcome.added:
            self._read(connection, topic)
        connection.life.use(bool(connection.subscriptions.topics), self._clock.monotonic())
        connection.reply(outcome.reply)
        self._changed()

    # Subscriptions

    def _read(self, connection: ClientSocket, topic: Topic) -> None:
        self._readers.setdefault(_place(connection, topic), {})[connection] = topic
        if not topic.is_private:
            self._feeds.open(topic)
        if self._leave is None:
            self._leave = self._exchange.subscribe(self._on_event)

    def _unread(self, connection: ClientSocket, topic: Topic) -> None:
        place = _place(connection, topic)
        readers = self._readers[place]
        del readers[connection]
        if readers:
            return
        del self._readers[place]
        if not topic.is_private:
            self._feeds.close(topic)
        if not self._readers and self._leave is not None:
            self._leave()
            self._leave = None

    def _forget(self, connection: ClientSocket) -> None:
        self._connections.pop(connection, None)
        for topic in connection.subscriptions.topics.values():
            self._unread(connection, topic)
        connection.subscriptions.topics.clear()

    # Pushes

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TradeEvent | BookEvent):
            due_ms = self._feeds.due_ms
            self._feeds.on_event(event)
            if self._feeds.due_ms < due_ms:
                self._on_due()
            return
        now_ms = self._clock.wall_ms()
        if isinstance(event, BalanceEvent):
            self._push_private(event, pushes.ACCOUNT, lambda: pushes.account(event, now_ms))
        elif isinstance(event, DealEvent):
            self._push_private(event, pushes.DEALS, lambda: pushes.deal(event, now_ms))
        else:
            self._push_private(event, pushes.ORDERS, lambda: pushes.order(event, now_ms))

    def _push_private(self, event: _PrivateEvent, channel: str, build: Callable[[], bytes]) -> None:
        readers = self._readers.get((event.account, channel))
        if readers:
            frame = build()
            for connection, topic in tuple(readers.items()):
                self._push(connection, topic, frame, event)

    def _push(self, connection: ClientSocket, topic: Topic, frame: bytes, event: _PrivateEvent | None = None) -> None:
        broken = connection.push(topic, frame, event)
        if broken is not None:
            self._break(broken, connection)

    # Time

    @property
    def due_ms(self) -> float:
        """Time of the next push or end of a socket, 0 for soon; infinity without one."""
        if self._measured != self._keys.changes:
            self._measure()
        due_ms = min(self._feeds.due_ms, self._keys_ms)
        if self._ends_s == inf:
            return due_ms
        return min(due_ms, self._clock.wall_ms() + (self._ends_s - self._clock.monotonic()) * 1000)

    def _changed(self) -> None:
        """Calculate again when the next socket must be closed."""
        self._measured = None
        self._on_due()

    def _measure(self) -> None:
        """Find the next end of a socket."""
        self._measured = self._keys.changes
        self._ends_s = self._keys_ms = inf
        for connection in self._connections:
            if connection.is_silent:
                self._ends_s = min(self._ends_s, self._clock.monotonic() + _LOOK_S)
            elif not connection.is_ending:
                self._ends_s = min(self._ends_s, connection.life.ends_s)
                if connection.listen_key is not None:
                    self._keys_ms = min(self._keys_ms, self._keys.ends_ms(connection.listen_key))

    def window_end(self, time_ms: float, most_ms: int) -> float:
        """Return the end of the shortest public window that has `time_ms` in it, at most `most_ms` later."""
        return min(time_ms + most_ms, self._feeds.window_end(time_ms))

    def tick(self, now_ms: int) -> None:
        """Send the pushes that are due, and close the sockets whose time is over."""
        for topic, frame in self._feeds.due(now_ms):
            for connection in tuple(self._readers[("", topic.name)]):
                self._push(connection, topic, frame)
        if self._measured != self._keys.changes:
            self._measure()
        now_s = self._clock.monotonic()
        if now_ms >= self._keys_ms or now_s >= self._ends_s:
            self._end_old(now_ms, now_s)

    def _end_old(self, now_ms: int, now_s: float) -> None:
        """Close the sockets whose time is over."""
        self._measured = None
        for connection in tuple(self._connections):
            if connection.is_lost:
                connection.gone.set()
            elif connection.listen_key is not None and self._keys.owner(connection.listen_key, now_ms) is None:
                connection.end(KEY_ENDED)
            else:
                reason = connection.life.end(now_s)
                if reason is not None:
                    connection.end(reason)

    # Faults

    def strike(self, fault: Fault) -> int:
        """Apply a fault to every socket that is subscribed to a matching channel, and return their number."""
        struck = [connection for connection in self._connections if _matches(connection, fault.on)]
        for connection in struck:
            self._break(fault.kind, connection)
        return len(struck)

    def _break(self, kind: Kind, connection: ClientSocket) -> None:
        self._measured = None
        match kind:
            case "drop":
                connection.abort()
            case "half_open":
                connection.silence()
            case "hang_up":
                connection.hang_up()
            case "expire_key" if connection.listen_key is not None and connection.uid is not None:
                now_ms = self._clock.wall_ms()
                if self._keys.owner(connection.listen_key, now_ms) is not None:
                    self._keys.close(connection.uid, connection.listen_key, now_ms)
                connection.end(KEY_ENDED)

    def shift(self, ms: int) -> None:
        """Take a jump of the clock: what is due stays as far away as it was."""
        self._feeds.shift(ms)
        self._measured = None

    async def aclose(self) -> None:
        """Close every socket and wait for its end."""
        self._is_closed = True
        tasks = [task for task in self._connections.values() if task is not None]
        for connection in tuple(self._connections):
            if connection.is_silent:
                connection.abort()
            else:
                connection.end("the simulator stops", GOING_AWAY)
        if tasks:
            await asyncio.wait(tasks, timeout=2 * _CLOSE_S)
        for connection in tuple(self._connections):
            connection.abort()


def _place(connection: ClientSocket, topic: Topic) -> tuple[str, str]:
    return (connection.uid or "") if topic.is_private else "", topic.name


def _matches(connection: ClientSocket, pattern: str) -> bool:
    """Return True if a socket is subscribed to a matching channel. Without subscriptions it matches only `*`."""
    return pattern == "*" or any(map(matcher(pattern), connection.subscriptions.topics))
