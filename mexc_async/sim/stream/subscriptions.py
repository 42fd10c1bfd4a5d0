"""Control messages of a WebSocket connection: subscriptions, acknowledgements and pings, as text in and text out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import orjson

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.stream.topics import Topic

Open = Callable[[str], Topic | None]


class _Request(msgspec.Struct, frozen=True):
    """A control message."""

    method: str
    params: list[str] = []
    id: int | None = None


class SubscriptionResult(NamedTuple):
    """Result of a control message: the reply and the change of subscriptions."""

    reply: str
    added: tuple[Topic, ...] = ()
    removed: tuple[Topic, ...] = ()


_DECODER = msgspec.json.Decoder(_Request)


class Subscriptions:
    """The subscriptions of one socket."""

    def __init__(self, open_topic: Open, most: int) -> None:
        """Start empty, with room for `most` topics. `open_topic` returns the topic of a name, or None to refuse it."""
        self._open = open_topic
        self._most = most
        self.topics: dict[str, Topic] = {}
        """Topics by name, in the order of subscribing."""

    def receive(self, message: str | bytes) -> SubscriptionResult:
        """Apply one control message to the subscriptions and return the reply."""
        try:
            request = _DECODER.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return SubscriptionResult(_reply(0, assumptions.WS_MALFORMED_TEXT, assumptions.WS_MALFORMED_CODE))
        number = request.id or 0
        if number < 0:
            return SubscriptionResult(_reply(0, assumptions.WS_MALFORMED_TEXT, assumptions.WS_MALFORMED_CODE))
        if request.method in ("PING", "ping"):
            return SubscriptionResult(_reply(number, "PONG"))
        if request.method == "SUBSCRIPTION":
            return self._subscribe(request.params, number)
        if request.method == "UNSUBSCRIPTION":
            return self._unsubscribe(request.params, number)
        return SubscriptionResult(_reply(number, assumptions.WS_UNKNOWN_METHOD_TEXT, assumptions.WS_MALFORMED_CODE))

    def _subscribe(self, names: list[str], number: int) -> SubscriptionResult:
        added: list[Topic] = []
        refused: list[str] = []
        for name in dict.fromkeys(names):
            if name in self.topics:
                continue
            topic = self._open(name) if len(self.topics) < self._most else None
            if topic is None:
                refused.append(name)
            else:
                self.topics[name] = topic
                added.append(topic)
        return SubscriptionResult(
            _reply(number, _subscribed([topic.name for topic in added], refused)), added=tuple(added)
        )

    def _unsubscribe(self, names: list[str], number: int) -> SubscriptionResult:
        removed = [self.topics.pop(name) for name in dict.fromkeys(names) if name in self.topics]
        return SubscriptionResult(_reply(number, _echo([topic.name for topic in removed])), removed=tuple(removed))


def _subscribed(accepted: list[str], refused: list[str]) -> str:
    if not refused:
        return _echo(accepted)
    refusal = f"Not Subscribed successfully! [{','.join(refused)}].  Reason： Blocked! "
    return f"Subscribed successful! [{_echo(accepted)}]. {refusal}" if accepted else refusal


def _echo(names: list[str]) -> str:
    """Join names in reverse: MEXC's order is not the request's either, so no client may rely on it."""
    return ",".join(reversed(names))


def _reply(number: int, text: str, code: int = 0) -> str:
    return orjson.dumps({"id": number, "code": code, "msg": text}).decode()
