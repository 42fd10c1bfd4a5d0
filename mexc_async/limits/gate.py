"""The gate of one route: looks up its limits once, and lets each call through without a wait while there is room.

`compiled.Gate` does the same in C. `limiter.py` handles the calls that have to wait.
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
"""With fewer requests of one route, the least duration over all routes is the better estimate."""
_FORGET = 0.001
"""Share of the difference by which the least duration grows towards each longer one that is measured,"""
_FORGET_S = 0.000_01
"""and the most that it grows with one request: a stall of hundreds of requests must not become the estimate."""
_USUAL_S = 0.5
"""Longest usual round trip; of a longer one all of the time may have been the way to the exchange."""


class Limiter(Protocol):
    """The limiter as a gate sees it: queues calls that have to wait, and serves them."""

    async def wait(self, gate: PureGate, wait: float, now: float, max_wait_s: float | None) -> float:
        """Queue until there is room, take the tokens, return the time of it. Raises RateLimited and ClientClosed."""
        ...

    def serve(self) -> None:
        """Release the waiting requests that have room now."""
        ...


class PureDuration:
    """Estimate of the least time from sending a request to its end."""

    __slots__ = ("_until", "known", "least_s")

    def __init__(self) -> None:
        self.known = 0
        """Requests of which each was sent after the end of the one before: one stall delays one of them."""
        self.least_s = inf
        self._until = -inf

    def count(self, sent_at: float, now: float) -> None:
        """Add a request's duration to the estimate."""
        took_s = now - sent_at
        if took_s < self.least_s:
            self.least_s = took_s
        elif sent_at >= self._until:  # the route to the exchange may have become longer for good
            self.least_s += min((took_s - self.least_s) * _FORGET, _FORGET_S)
        if sent_at >= self._until:
            self.known += 1
            self._until = now


class PureGate:
    """Limits of one route. Each acquire ends with one `release` or one `put_back`."""

    __slots__ = (
        "_connections",
        "_late_s",
        "_limiter",
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
        self, route: Route, queue: LimitQueue, clock: Callable[[], float], limiter: Limiter, all_of: PureDuration
    ) -> None:
        self.route = route
        self.requests = 0
        self.waited = 0
        """Requests that had to wait."""
        self.waited_s = 0.0
        self.plan: Plan = queue.plan(route)
        """The route's cost: weight by limit."""
        self._queue = queue
        self._now = clock
        self._limiter = limiter
        self._margin_s = queue.limits.margin_s
        self._late_s = self._margin_s / 4
        self._longest_way_s = queue.limits.longest_way_s
        self._seen = PureDuration(), all_of
        """Durations of this route, and of all routes."""
        self._connections = queue.connections
        self._most_slots = queue.connections.budget
        self._quick = [(b, b.budget - weight, weight) for b, weight in self.plan.windows]
        """(limit, greatest use before this request, weight)."""

    def try_acquire(self, now: float) -> bool:
        """Take the route's cost if there is room at `now`, the current time, and no request waits; True if taken."""
        connections = self._connections
        if now < self._queue.clear_from or connections.held >= self._most_slots:
            if self._queue.try_acquire(self.plan, now) > 0:
                return False
            self.requests += 1
            return True
        for bucket, most, weight in self._quick:
            if bucket.held + len(bucket.spent) > most:  # settled only when it seems used up
                bucket.settle(now)
                if bucket.held + len(bucket.spent) > most:
                    return self._refuse(bucket)
            bucket.held += weight
        connections.held += 1
        self.requests += 1
        return True

    def _refuse(self, used_up: Bucket) -> bool:
        """Put back the tokens taken before a limit turned out to be used up."""
        for bucket, weight in self.plan.windows:
            if bucket is used_up:
                break
            bucket.put_back(weight)
        return False

    async def acquire(self, max_wait_s: float | None = None) -> float:
        """Wait until every limit of the route has room, take from all, and return the time of taking.

        Raises RateLimited if the wait is known to be, or turns out to be, longer than `max_wait_s`.
        """
        now = self._now()
        if not self.try_acquire(now):
            now = await self._limiter.wait(self, self._queue.wait(self.plan, now), now, max_wait_s)
            self.requests += 1
        return now

    def sent(self, taken_at: float) -> float:
        """Return the time from which a request sent now counts: `taken_at`, or now if that is noticeably later."""
        now = self._now()
        return taken_at if now - taken_at <= self._late_s else now

    def release(self, sent_at: float, is_answered: bool = True) -> float:
        """End the request that was sent at `sent_at`: free its connection, return its tokens later. Returns now.

        The exchange counts a request on arrival. An answered request that took longer than usual may have spent the
        extra time on its way there. Extra time beyond half of the margin therefore moves the moment from which the
        request counts: to the latest time at which a request of the least duration would have been sent. Half of the
        margin stays for delays that this cannot detect. While no least duration is known, all of the time may have
        been the way to the exchange.

        A request without an answer may still arrive, until `longest_way_s` is over.
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
            own.count(sent_at, now)
            all_of.count(sent_at, now)
        if self._queue.end(self.plan, counts_at):
            self._limiter.serve()
        return now

    def put_back(self) -> None:
        """Free the tokens of a request that ended before any of it was sent."""
        self.requests -= 1
        self._queue.put_back(self.plan)
        if self._queue.waiting:
            self._limiter.serve()


Duration = PureDuration
Gate = PureGate
if compiled and not TYPE_CHECKING:  # types are the same
    Duration, Gate = compiled.Duration, compiled.Gate
