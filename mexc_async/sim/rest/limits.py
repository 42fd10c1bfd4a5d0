"""Rate limits, counted when a request arrives.

A refused request costs nothing. A sender that continues during Retry-After is banned, each time for longer.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

Profile = Literal["default", "guide", "none"]
Windows = Literal["sliding", "fixed"]

PROFILES: tuple[Profile, ...] = ("default", "guide", "none")
WINDOWS: tuple[Windows, ...] = ("sliding", "fixed")


class CountedLimit(NamedTuple):
    """Budget of one rate limit per window."""

    budget: int
    window_s: float
    per: Literal["ip", "account"]


LIMITS: dict[str, CountedLimit] = {
    "requests": CountedLimit(100, 1.0, "ip"),  # MEXC's guides; every request counts one
    "ip": CountedLimit(300, 10.0, "ip"),  # 2026: weight per IP, one pool for all endpoints
    "uid": CountedLimit(500, 10.0, "account"),  # 2026: weight per account
    "orders": CountedLimit(12, 1.0, "account"),  # 2026-03-11: placing and cancelling share it
    "account": CountedLimit(2, 1.0, "account"),  # GET /api/v3/account
    "batchOrders": CountedLimit(2, 1.0, "account"),
    "announcements": CountedLimit(5, 2.0, "ip"),
}
_ENFORCED: dict[Profile, frozenset[str]] = {
    "default": frozenset(LIMITS),
    "guide": frozenset({"requests"}),
    "none": frozenset(),
}

GRACE_S = 0.25
"""Time after a 429 in which further requests are no offence, because they were already on their way."""
OFFENCES = 20
"""Number of requests during Retry-After that get 429 before the ban."""
FIRST_BAN_S = 120.0
LONGEST_BAN_S = 3 * 86400.0


class Rejection(NamedTuple):
    """Refusal of a request that exceeds a rate limit."""

    status: int
    """HTTP status: 429, or 418 during a ban."""
    retry_after_s: int
    limit: str
    """Name of the exceeded limit, `ban` or `throttle`."""


class Window(Protocol):
    """Interface of a counter for one window."""

    def wait_s(self, weight: int, now_s: float) -> float:
        """Return 0.0 if `weight` fits now, else the seconds until it fits."""
        ...

    def add(self, weight: int, now_s: float) -> None:
        """Count `weight`."""
        ...


class SlidingWindow:
    """Counter over a sliding window: no period of the window's length exceeds the budget, wherever it begins."""

    def __init__(self, limit: CountedLimit) -> None:
        self._budget = limit.budget
        self._window_s = limit.window_s
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0

    def wait_s(self, weight: int, now_s: float) -> float:
        """Return 0.0 if `weight` fits now, else the seconds until it fits."""
        spent = self._spent
        while spent and spent[0][0] + self._window_s <= now_s:
            self._total -= spent.popleft()[1]
        over = self._total + weight - self._budget
        if over <= 0:
            return 0.0
        for at_s, amount in spent:
            over -= amount
            if over <= 0:
                return at_s + self._window_s - now_s
        return self._window_s

    def add(self, weight: int, now_s: float) -> None:
        """Count `weight`."""
        self._spent.append((now_s, weight))
        self._total += weight


class FixedWindow:
    """Counter over fixed windows: the count restarts at every multiple of the window's length."""

    def __init__(self, limit: CountedLimit) -> None:
        self._budget = limit.budget
        self._window_s = limit.window_s
        self._index = -1
        self._total = 0

    def wait_s(self, weight: int, now_s: float) -> float:
        """Return 0.0 if `weight` fits now, else the seconds until it fits."""
        index = int(now_s // self._window_s)
        if index != self._index:
            self._index, self._total = index, 0
        if self._total + weight <= self._budget:
            return 0.0
        return (index + 1) * self._window_s - now_s

    def add(self, weight: int, now_s: float) -> None:
        """Count `weight`."""
        self._total += weight


class _Offender:
    """Record of one IP address that exceeded a limit."""

    __slots__ = ("ban_s", "banned_until_s", "offences", "warned_at_s", "warned_until_s")

    def __init__(self) -> None:
        self.warned_at_s = self.warned_until_s = self.banned_until_s = -math.inf
        self.offences = 0
        self.ban_s = 0.0


class RateCounters:
    """The rate limit counters of one simulator."""

    def __init__(self, profile: Profile, windows: Windows) -> None:
        self._enforced = _ENFORCED[profile]
        self._window = SlidingWindow if windows == "sliding" else FixedWindow
        self._counters: dict[tuple[str, str], Window] = {}
        self._offenders: dict[str, _Offender] = {}
        self._closed: dict[str, tuple[int, float]] = {}
        """Status and end of the rejections of an address, by its IP."""
        self.rejected: dict[str, int] = {}
        """Number of rejected requests by limit; `ban` for those of a banned address, `throttle` for those that a
        fault rejected."""

    def close(self, ip: str, status: int, until_s: float) -> None:
        """Reject every request of an address with 429 or 418 until a monotonic time, whatever it has sent itself."""
        self._closed[ip] = status, until_s

    def arrive(self, ip: str, account: str | None, costs: Iterable[tuple[str, int]], now_s: float) -> Rejection | None:
        """Count a request, or count nothing and return its rejection.

        `account` is None for an unknown or missing key; the limits per account then do not apply. `now_s` is monotonic
        seconds.
        """
        if self._closed and (rejection := self._rejected(ip, now_s)) is not None:
            return rejection
        if not self._enforced:
            return None
        offender = self._offenders.get(ip)
        if offender is not None and now_s < offender.banned_until_s:
            self.rejected["ban"] = self.rejected.get("ban", 0) + 1
            return Rejection(418, math.ceil(offender.banned_until_s - now_s), "ban")
        taken: list[tuple[Window, int]] = []
        longest, name = 0.0, ""
        for limit, weight in (("requests", 1), *costs):
            owner = ip if LIMITS[limit].per == "ip" else account
            if limit not in self._enforced or owner is None or not weight:
                continue
            window = self._counter(limit, owner)
            wait_s = window.wait_s(weight, now_s)
            taken.append((window, weight))
            if wait_s > longest:
                longest, name = wait_s, limit
        if longest:
            self.rejected[name] = self.rejected.get(name, 0) + 1
            return self._reject(ip, longest, name, now_s)
        for window, weight in taken:
            window.add(weight, now_s)
        return None

    def _rejected(self, ip: str, now_s: float) -> Rejection | None:
        """Return the rejection of a request of an address that `close` has closed."""
        status, until_s = self._closed.get(ip, (0, -math.inf))
        if now_s >= until_s:
            self._closed.pop(ip, None)
            return None
        name = "ban" if status == 418 else "throttle"
        self.rejected[name] = self.rejected.get(name, 0) + 1
        return Rejection(status, max(1, math.ceil(until_s - now_s)), name)

    def _counter(self, limit: str, owner: str) -> Window:
        window = self._counters.get((limit, owner))
        if window is None:
            window = self._counters[limit, owner] = self._window(LIMITS[limit])
        return window

    def _reject(self, ip: str, wait_s: float, limit: str, now_s: float) -> Rejection:
        offender = self._offenders.setdefault(ip, _Offender())
        retry_after_s = max(1, math.ceil(wait_s))
        if now_s >= offender.warned_until_s:
            offender.offences, offender.warned_at_s = 0, now_s
        elif now_s >= offender.warned_at_s + GRACE_S:
            offender.offences += 1
        offender.warned_until_s = max(offender.warned_until_s, now_s + retry_after_s)
        if offender.offences <= OFFENCES:
            return Rejection(429, retry_after_s, limit)
        offender.offences = 0
        offender.ban_s = min(max(FIRST_BAN_S, offender.ban_s * 2), LONGEST_BAN_S)
        offender.banned_until_s = now_s + offender.ban_s
        return Rejection(418, math.ceil(offender.ban_s), "ban")
