"""One route's way through the limits, looked up once: what every call of it passes, where nothing has to be waited for.

`compiled.Gate` is the same in C; waiting is left to whoever keeps the limits (`limiter.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Protocol

from mexc_async.limits.bucket import Bucket
from mexc_async.limits.queue import LimitQueue, Plan
from mexc_async.native.loader import compiled
from mexc_async.schema.endpoint import Route

_FEW = 20
"""With fewer requests of a kind, what is known of all kinds tells more about how long one takes at least."""
_FORGET = 0.001
"""How fast a least duration grows towards what is seen,"""
_FORGET_S = 0.000_01
"""and by how much at most with each request: a stall of hundreds must not pass for the usual."""
_USUAL_S = 0.5
"""More is no usual round trip: all of it may have been the way."""


class LimitKeeper(Protocol):
    """What a gate asks where it cannot go on by itself."""

    async def wait(self, gate: PureGate, wait: float, now: float, max_wait_s: float | None) -> float:
        """Stand in line until there is room, take, and return when that was. Raises RateLimited and ClientClosed."""

    def serve(self) -> None:
        """Let go whose turn has come."""


class PureDuration:
    """The least time that requests take from sending to their end."""

    __slots__ = ("known", "least_s")

    def __init__(self) -> None:
        self.known = 0
        self.least_s = inf

    def count(self, took_s: float) -> None:
        """Take in how long a request took."""
        self.known += 1
        if took_s < self.least_s:
            self.least_s = took_s
        else:  # the way may have become longer for good
            self.least_s += min((took_s - self.least_s) * _FORGET, _FORGET_S)


class PureGate:
    """Each acquire ends with one `release` or one `put_back`."""

    __slots__ = (
        "_connections",
        "_keeper",
        "_late_s",
        "_longest_way_s",
        "_margin_s",
        "_most_slots",
        "_now",
        "_queue",
        "_quick",
        "_seen",
        "plan",
        "requests",
        "route",
        "waited",
        "waited_s",
    )  # fmt: skip

    def __init__(
        self, route: Route, queue: LimitQueue, clock: Callable[[], float], keeper: LimitKeeper, all_of: PureDuration
    ) -> None:
        self.route = route
        self.requests = 0
        self.waited = 0
        """Requests that had to wait."""
        self.waited_s = 0.0
        self.plan: Plan = queue.plan(route)
        """What the route costs."""
        self._queue = queue
        self._now = clock
        self._keeper = keeper
        self._margin_s = queue.limits.margin_s
        self._late_s = self._margin_s / 4
        self._longest_way_s = queue.limits.longest_way_s
        self._seen = PureDuration(), all_of
        """Of this route and of all."""
        self._connections = queue.connections
        self._most_slots = queue.connections.budget
        self._quick = [(b, b.budget - weight, weight) for b, weight in self.plan.windows]
        """(limit, most that this may hold before, weight)."""

    def try_acquire(self, now: float) -> bool:
        """Take what the route costs if there is room at `now`, which the clock just told, and nobody waits for it."""
        connections = self._connections
        if now < self._queue.clear_from or connections.held >= self._most_slots:
            if self._queue.try_acquire(self.plan, now) > 0:
                return False
            self.requests += 1
            return True
        for bucket, most, weight in self._quick:
            if bucket.held + len(bucket.spent) > most:  # looked at only when it seems used up
                bucket.settle(now)
                if bucket.held + len(bucket.spent) > most:
                    return self._refuse(bucket)
            bucket.held += weight
        connections.held += 1
        self.requests += 1
        return True

    def _refuse(self, used_up: Bucket) -> bool:
        """Put back what was taken before a limit turned out to be used up."""
        for bucket, weight in self.plan.windows:
            if bucket is used_up:
                break
            bucket.put_back(weight)
        return False

    async def acquire(self, max_wait_s: float | None = None) -> float:
        """Wait until every limit of the route has room, take from all, and return the moment that this was.

        Raises RateLimited if the wait is known to be, or turns out to be, longer than `max_wait_s`.
        """
        now = self._now()
        if not self.try_acquire(now):
            now = await self._keeper.wait(self, self._queue.wait(self.plan, now), now, max_wait_s)
            self.requests += 1
        return now

    def sent(self, taken_at: float) -> float:
        """The request goes out now; returns when it counts from: now, if it was let go noticeably earlier."""
        now = self._now()
        return taken_at if now - taken_at <= self._late_s else now

    def release(self, sent_at: float, is_answered: bool = True) -> float:
        """End the request that was sent at `sent_at`: its connection is free, and its tokens come back. Returns now.

        What an answered one took longer than others of its kind, it may have spent on its way to the exchange, which
        counts it on arrival. Beyond half of the margin (the rest is for what this cannot tell) it is therefore counted
        from the latest moment at which a request of the usual, least duration would have been sent. As long as that is
        not known, all of the time may have been the way.

        One without an answer may still arrive, until the longest time that a way takes is over.
        """
        now = self._now()
        if not is_answered:
            counts_at = max(now, sent_at + self._longest_way_s)
        else:
            took_s = now - sent_at
            own, all_of = self._seen
            known = own if own.known > _FEW else all_of
            usual_s = known.least_s if known.known > _FEW and known.least_s <= _USUAL_S else 0.0
            counts_at = sent_at + max(took_s - usual_s - self._margin_s / 2, 0.0)
            own.count(took_s)
            all_of.count(took_s)
        if self._queue.end(self.plan, counts_at):
            self._keeper.serve()
        return now

    def put_back(self) -> None:
        """The request ended before any of it was sent: what it took is free again."""
        self.requests -= 1
        self._queue.put_back(self.plan)
        if self._queue.waiting:
            self._keeper.serve()


Duration = PureDuration
Gate = PureGate
if compiled and not TYPE_CHECKING:  # types are the same
    Duration, Gate = compiled.Duration, compiled.Gate
