"""The rate limiter: queues requests with one timer and one future each, and reports which limit bound."""

from __future__ import annotations

import asyncio
from math import ceil, inf

from msgspec import Struct

from mexc_async.errors import ClientClosed, RateLimited
from mexc_async.limits.gate import Duration, Gate
from mexc_async.limits.profiles import Limits
from mexc_async.limits.queue import CONNECTIONS, LimitQueue, Plan, Waiter
from mexc_async.runtime.clock import Clock
from mexc_async.schema.endpoint import Route


class EndpointUse(Struct, frozen=True):
    """Use of the limits by one endpoint."""

    endpoint: str
    """Method and path."""
    requests: int
    weights: dict[str, int]
    """Weight taken from each limit."""
    waited: int
    """Requests that had to wait."""
    waited_s: float


class LimitUse(Struct, frozen=True):
    """State of one limit, and the requests that it delayed."""

    limit: str
    budget: float
    window_s: float
    used: int
    """Weight inside the current window."""
    bound: int
    """Requests that waited for this limit first."""
    waited_s: float
    closed_s: float
    """Seconds until it opens again after a 429 or 418."""


class LimitReport(Struct, frozen=True):
    """Use of the rate limits by endpoint and by limit; `print` it for a table."""

    profile: str
    endpoints: list[EndpointUse]
    limits: list[LimitUse]
    waiting: int
    """Requests in the queue now."""

    @property
    def binding(self) -> str | None:
        """The limit that delayed most requests; None if none did."""
        most = max(self.limits, key=lambda use: use.bound, default=None)
        return most.limit if most is not None and most.bound else None

    def __str__(self) -> str:
        lines = [f"profile {self.profile}, {self.waiting} waiting, bound by {self.binding or 'nothing'}"]
        lines.append(f"{'limit':<14}{'used':>7}{'budget':>9}{'window':>9}{'bound':>7}{'waited s':>10}{'closed s':>10}")
        lines += [
            f"{u.limit:<14}{u.used:>7}{u.budget:>9g}{u.window_s:>9g}{u.bound:>7}{u.waited_s:>10.2f}{u.closed_s:>10.1f}"
            for u in self.limits
        ]
        lines.append(f"{'endpoint':<36}{'requests':>9}{'waited':>8}{'waited s':>10}  weights")
        lines += [
            f"{u.endpoint:<36}{u.requests:>9}{u.waited:>8}{u.waited_s:>10.2f}  "
            + ", ".join(f"{name} {weight}" for name, weight in u.weights.items())
            for u in self.endpoints
        ]
        return "\n".join(lines)


class RateLimiter:
    """Rate limiter of one client; `mexc.limits.report()` shows the use of each limit."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self.now = clock.monotonic
        """The monotonic clock of the limiter, in seconds."""
        self._queue = LimitQueue(limits)
        self._duration = Duration()
        self._futures: dict[Waiter, asyncio.Future[float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._gates: dict[Route, Gate] = {}
        self._bound: dict[str, int] = {}
        self._bound_s: dict[str, float] = {}
        self._closed = False

    def gate(self, route: Route) -> Gate:
        """Return the gate that calls of this route pass."""
        gate = self._gates.get(route)
        if gate is None:
            gate = self._gates[route] = Gate(route, self._queue, self.now, self, self._duration)
        return gate

    async def acquire(self, route: Route, max_wait_s: float | None = None) -> float:
        """Acquire from the limits of a route (`Gate.acquire`)."""
        return await self.gate(route).acquire(max_wait_s)

    def sent(self, route: Route, taken_at: float) -> float:
        """Return the time from which a request counts (`Gate.sent`)."""
        return self.gate(route).sent(taken_at)

    def release(self, route: Route, sent_at: float, is_answered: bool = True) -> float:
        """End a request (`Gate.release`)."""
        return self.gate(route).release(sent_at, is_answered)

    def put_back(self, route: Route) -> None:
        """Free the tokens of a request that was never sent (`Gate.put_back`)."""
        self.gate(route).put_back()

    def penalise(self, route: Route, status: int, seconds: float) -> None:
        """Close limits for `seconds` after the exchange answered 429 or 418.

        A 418 bans the IP address and stops all requests. A 429 does not name the limit that it means: it closes the
        limits of the route, so that orders go on while market data waits.
        """
        names = [cost.limit for cost in route.costs if cost.limit in self._queue.buckets]
        self._queue.close(names if names and status != 418 else ["client"], self.now() + seconds)
        self.serve()

    def spent(self, route: Route) -> float | None:
        """Return the greatest share used of any budget of the route; None if the route has none."""
        now = self.now()
        windows = self.gate(route).plan.windows
        for bucket, _ in windows:
            bucket.settle(now)
        return max((bucket.used / bucket.budget for bucket, _ in windows), default=None)

    def report(self) -> LimitReport:
        """Report, since the client was opened, the use of the limits by endpoint and the delays by each limit."""
        now = self.now()
        for bucket in self._queue.buckets.values():
            bucket.settle(now)
        return LimitReport(
            profile=self.limits.profile,
            endpoints=self._endpoint_uses(),
            limits=[
                LimitUse(
                    bucket.name,
                    bucket.budget,
                    max(bucket.period_s - self.limits.margin_s, 0.0),
                    bucket.used,
                    self._bound.get(bucket.name, 0),
                    self._bound_s.get(bucket.name, 0.0),
                    max(bucket.closed_until - now, 0.0),
                )
                for bucket in self._queue.buckets.values()
            ],
            waiting=self._queue.waiting,
        )

    def _endpoint_uses(self) -> list[EndpointUse]:
        """Return one row an endpoint; several routes may lead to it."""
        rows: dict[str, EndpointUse] = {}
        for route, use in self._gates.items():
            name = f"{route.method} {route.path}"
            row = rows.get(name) or EndpointUse(name, 0, {}, 0, 0.0)
            weights = dict(row.weights)
            for bucket, weight in use.plan.costs:
                if bucket.name != CONNECTIONS:
                    weights[bucket.name] = weights.get(bucket.name, 0) + weight * use.requests
            rows[name] = EndpointUse(
                name, row.requests + use.requests, weights, row.waited + use.waited, row.waited_s + use.waited_s
            )
        return list(rows.values())

    def close(self) -> None:
        """Fail every queued request with ClientClosed; idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for future in self._futures.values():
            if not future.done():
                future.set_exception(ClientClosed("the client was closed while this call waited for a rate limit"))

    async def wait(self, gate: Gate, wait: float, now: float, max_wait_s: float | None) -> float:
        """Queue for a gate's limits; return the time at which the request was released."""
        queue, plan = self._queue, gate.plan
        if self._closed:
            raise ClientClosed("the client is closed")
        if max_wait_s is not None and (max_wait_s <= 0 or max_wait_s < wait < inf):
            raise _would_wait(plan, queue, now, f"more than the max_wait_s {max_wait_s:g} of this call")
        if queue.waiting >= self.limits.max_waiting:
            raise _would_wait(plan, queue, now, f"and {queue.waiting} requests are queued already")
        waiter = queue.join(plan, now)
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._futures[waiter] = future
        if plan.queue[0] is waiter:  # behind others of its plan it can change nothing
            self.serve()
        try:
            async with asyncio.timeout(max_wait_s):
                granted_at = await future
        except BaseException as error:
            if waiter.gone and future.done() and not future.cancelled() and not future.exception():
                queue.put_back(plan)
            queue.leave(waiter)
            self.serve()
            if isinstance(error, TimeoutError):
                message = f"held back by limit {waiter.bound_by} for all of the max_wait_s {max_wait_s:g} of this call"
                raise RateLimited(message) from None
            raise
        finally:
            self._futures.pop(waiter, None)
            gate.waited += 1
            gate.waited_s += self.now() - now
            self._bound[waiter.bound_by] = self._bound.get(waiter.bound_by, 0) + 1
            self._bound_s[waiter.bound_by] = self._bound_s.get(waiter.bound_by, 0.0) + self.now() - now
        return granted_at

    def serve(self) -> None:
        """Release the requests that have room now, and set the timer for the next."""
        if self._closed:
            return
        now = self.now()
        for waiter in self._queue.serve(now):
            future = self._futures[waiter]
            if future.done():  # cancelled at this very moment
                self._queue.put_back(waiter.plan)
            else:
                future.set_result(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at = self._queue.wake_at
        if wake_at != inf:
            # uvloop's timers tick in whole milliseconds and count from a cached time: a timer rounded down would fire
            # too early, find no work and be set again and again.
            delay_ms = max(ceil((wake_at - now) * 1000), 0) + 1
            self._timer = asyncio.get_running_loop().call_later(delay_ms / 1000, self.serve)


def _would_wait(plan: Plan, queue: LimitQueue, now: float, why: str) -> RateLimited:
    """Return the error that names the used up limit and the seconds to wait."""
    wait, bucket = max(((bucket.wait(weight, now), bucket) for bucket, weight in plan.costs), key=lambda pair: pair[0])
    window_s = bucket.period_s - queue.limits.margin_s
    limit = f"{bucket.budget:g} per {window_s:g} s" if bucket.budget != inf and window_s != inf else "all in use"
    known = f" for {wait:.3f} s" if 0 < wait < inf else ""
    return RateLimited(
        f"limit {bucket.name} ({limit}) is used up{known}, {why}", retry_after_s=wait if wait != inf else None
    )
