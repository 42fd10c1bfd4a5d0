"""When a socket's life ends, and what it may do until then. The time is passed in, in monotonic seconds."""

from __future__ import annotations

from collections import deque

import msgspec

_LARGEST = 1_000_000_000


class SocketRules(msgspec.Struct, frozen=True, kw_only=True):
    """The stream's limits: MEXC's unless a test wants them shorter."""

    most_topics: int = 30
    """Subscriptions of one socket."""
    unused_s: float = 30.0
    """A socket without a subscription is closed after this."""
    idle_s: float = 60.0
    """A socket whose client says nothing is closed after this."""
    lifetime_s: float = 86_400.0
    messages_a_second: int = 100
    """More from the client, and the socket is cut."""
    listen_key_s: float = 3600.0
    listen_keys: int = 60
    """Per account."""
    sockets_a_key: int = 5
    queue: int = 10_000
    """Frames that may wait for a client that does not read; beyond it the socket is cut."""
    kline_ms: int = 1000
    mini_ticker_ms: int = 3000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 < getattr(self, name) <= _LARGEST:
                raise ValueError(f"{name} {getattr(self, name)} is not above 0 and at most {_LARGEST}")


class Life:
    """One socket's age, silence and haste."""

    def __init__(self, rules: SocketRules, now_s: float) -> None:
        self._rules = rules
        self._born_s = self._heard_s = now_s
        self._unused_since_s: float | None = now_s
        self._recent: deque[float] = deque()

    def hear(self, now_s: float) -> bool:
        """Count a message of the client; False when there were too many within a second."""
        self._heard_s = now_s
        recent = self._recent
        recent.append(now_s)
        while recent[0] <= now_s - 1.0:
            recent.popleft()
        return len(recent) <= self._rules.messages_a_second

    def use(self, is_used: bool, now_s: float) -> None:
        """Say whether the socket has a subscription now."""
        if is_used:
            self._unused_since_s = None
        elif self._unused_since_s is None:
            self._unused_since_s = now_s

    def end(self, now_s: float) -> str | None:
        """Why the socket must be closed now, or None."""
        rules = self._rules
        if now_s - self._born_s >= rules.lifetime_s:
            return "open for too long"
        if self._unused_since_s is not None and now_s - self._unused_since_s >= rules.unused_s:
            return "no subscription"
        if now_s - self._heard_s >= rules.idle_s:
            return "idle"
        return None
