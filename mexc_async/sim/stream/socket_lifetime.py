"""Limits of a stream connection and of its lifetime. Times are arguments, in monotonic seconds."""

from __future__ import annotations

from collections import deque

import msgspec

_LARGEST = 1_000_000_000


class SocketRules(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the stream; the defaults are MEXC's."""

    most_topics: int = 30
    """Largest number of subscriptions on one socket."""
    unused_s: float = 30.0
    """Time after which a socket without a subscription is closed."""
    idle_s: float = 60.0
    """Time after which a socket without a message from the client is closed."""
    lifetime_s: float = 86_400.0
    messages_a_second: int = 100
    """Messages per second from the client; with more, the connection is reset."""
    listen_key_s: float = 3600.0
    listen_keys: int = 60
    """Largest number of listen keys per account."""
    sockets_a_key: int = 5
    queue: int = 10_000
    """Frames that may wait for a client that does not read; with more, the connection is reset."""
    kline_ms: int = 1000
    mini_ticker_ms: int = 3000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 < getattr(self, name) <= _LARGEST:
                raise ValueError(f"{name} {getattr(self, name)} is not above 0 and at most {_LARGEST}")


class Life:
    """Age, idle time and message rate of one socket."""

    def __init__(self, rules: SocketRules, now_s: float) -> None:
        self._rules = rules
        self._born_s = self._heard_s = now_s
        self._unused_since_s: float | None = now_s
        self._recent: deque[float] = deque()

    def hear(self, now_s: float) -> bool:
        """Count a message from the client. Return False if there were too many within a second."""
        self._heard_s = now_s
        recent = self._recent
        recent.append(now_s)
        while recent[0] <= now_s - 1.0:
            recent.popleft()
        return len(recent) <= self._rules.messages_a_second

    def use(self, is_used: bool, now_s: float) -> None:
        """Start or stop the timer for a socket without a subscription."""
        if is_used:
            self._unused_since_s = None
        elif self._unused_since_s is None:
            self._unused_since_s = now_s

    @property
    def ends_s(self) -> float:
        """Time at which the socket is closed if nothing happens before."""
        rules = self._rules
        ends_s = min(self._born_s + rules.lifetime_s, self._heard_s + rules.idle_s)
        return ends_s if self._unused_since_s is None else min(ends_s, self._unused_since_s + rules.unused_s)

    def end(self, now_s: float) -> str | None:
        """Return the reason to close the socket now, or None."""
        rules = self._rules
        if now_s - self._born_s >= rules.lifetime_s:
            return "open for too long"
        if self._unused_since_s is not None and now_s - self._unused_since_s >= rules.unused_s:
            return "no subscription"
        if now_s - self._heard_s >= rules.idle_s:
            return "idle"
        return None
