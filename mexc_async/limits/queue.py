"""All rate limits of one client, and the queue of the requests that wait for them.

Each kind of request has a FIFO queue; the highest priority is served first, within it the oldest request. A waiting
request claims the limits that delay it: no request of the same or a lower priority overtakes it there, while requests
that need other limits go on. The claims last until the request is served, so that small requests cannot starve one of
great weight.

This module is pure: it neither waits nor reads a clock. "now" is an argument, in monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from math import inf

from mexc_async.errors import ConfigError
from mexc_async.limits.bucket import UNCLAIMED, Bucket
from mexc_async.limits.profiles import Limits
from mexc_async.schema.endpoint import Cost, Priority, Route

CONNECTIONS = "connections"
"""The name under which waits for a free connection are reported."""


class Plan:
    """Weights that one kind of request takes from the limits, looked up once."""

    __slots__ = ("costs", "priority", "queue", "windows")

    def __init__(self, costs: tuple[tuple[Bucket, int], ...], priority: Priority) -> None:
        self.costs = costs
        # Connections return by themselves, and a limit without a budget needs no count.
        self.windows = tuple((b, weight) for b, weight in costs if b.period_s != inf and b.budget != inf)
        self.priority = priority
        self.queue: deque[Waiter] = deque()


class Waiter:
    """A request in its plan's queue."""

    __slots__ = ("bound_by", "claims", "gone", "plan", "seq", "since")

    def __init__(self, plan: Plan, seq: int, since: float) -> None:
        self.plan = plan
        self.seq = seq
        self.since = since
        self.claims: set[Bucket] = set()
        self.bound_by = ""
        """The limit that delayed it first."""
        self.gone = False


class LimitQueue:
    """All rate limits of one client. `try_acquire` takes at once, `join` queues, `serve` releases waiting requests."""

    def __init__(self, limits: Limits, bucket: Callable[[str, float, float], Bucket] = Bucket) -> None:
        self.limits = limits
        self.buckets = {
            limit.name: bucket(limit.name, limit.budget, limit.window_s + limits.margin_s) for limit in limits.table
        }
        # Every request pays these two, so that a ban or a full pool stops all requests in any profile.
        self._client = self.buckets.setdefault("client", bucket("client", inf, 0.0))
        self.connections = self.buckets[CONNECTIONS] = bucket(CONNECTIONS, limits.max_in_flight, inf)
        """One slot for each request in flight."""
        self._plans: dict[tuple[tuple[Cost, ...], Priority], Plan] = {}
        self._seq = 0
        self._closed_until = -inf
        self.clear_from = -inf
        """Earliest time at which only the budgets limit: no queue, no ban. inf while a request waits."""
        self.waiting = 0
        """Requests in the queue."""
        self.wake_at = inf
        """Time of the next `serve` that can release a request."""

    def plan(self, route: Route) -> Plan:
        """Return the weights of a request of this route. Raises ConfigError if one exceeds its limit's budget."""
        key = (route.costs, route.priority)
        if plan := self._plans.get(key):
            return plan
        weights = {self._client: 1, self.connections: 1}
        for cost in route.costs:
            if bucket := self.buckets.get(cost.limit):
                weights[bucket] = weights.get(bucket, 0) + cost.weight
        for bucket, weight in weights.items():
            if weight > bucket.budget:
                raise ConfigError(
                    f"{route.method} {route.path} weighs {weight}; limit {bucket.name} is {bucket.budget}"
                )
        return self._plans.setdefault(key, Plan(tuple(weights.items()), route.priority))

    def try_acquire(self, plan: Plan, now: float) -> float:
        """Take the plan's cost and return 0.0, or take nothing and return the seconds until it is worth asking again.

        A request never overtakes one of the same or a higher priority that waits for one of the same limits.
        """
        for bucket, weight in plan.costs:
            if bucket.claimed_by <= plan.priority or bucket.wait(weight, now) > 0:
                return self.wait(plan, now)
        for bucket, weight in plan.costs:
            bucket.take(weight)
        return 0.0

    def wait(self, plan: Plan, now: float) -> float:
        """Return the seconds to wait after a failed `try_acquire`; inf if a request in flight has to end first."""
        own = max(bucket.wait(weight, now) for bucket, weight in plan.costs)
        if any(bucket.claimed_by <= plan.priority for bucket, _ in plan.costs):
            return max(own, self.wake_at - now, 1e-9)
        return own

    def join(self, plan: Plan, now: float) -> Waiter:
        """Queue a request after a failed `try_acquire`. Call `serve` next."""
        self._seq += 1
        waiter = Waiter(plan, self._seq, now)
        for bucket, weight in plan.costs:
            if bucket.claimed_by <= plan.priority or bucket.wait(weight, now) > 0:
                waiter.bound_by = bucket.name
                break
        plan.queue.append(waiter)
        self.waiting += 1
        self.clear_from = inf
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Remove a request from the queue. Call `serve` next: its claims are free."""
        if not waiter.gone:
            waiter.gone = True
            self.waiting -= 1
            self.clear_from = inf if self.waiting else self._closed_until

    def serve(self, now: float) -> list[Waiter]:
        """Take the tokens of all requests that have room now; return these, oldest first. Sets `wake_at`."""
        for bucket in self.buckets.values():
            bucket.claimed_by = UNCLAIMED
        self.wake_at = inf
        served: list[Waiter] = []
        heads = [(head.plan.priority, head.seq, head) for head in self._heads()]
        heapify(heads)
        while heads:
            priority, _, head = heappop(heads)
            plan = head.plan
            free = all(bucket.claimed_by == UNCLAIMED for bucket, _ in plan.costs)
            waits = [(bucket.wait(weight, now), bucket) for bucket, weight in plan.costs]
            longest = max(wait for wait, _ in waits)
            if free and longest <= 0:
                for bucket, weight in plan.costs:
                    bucket.take(weight)
                self.leave(head)
                served.append(head)
                if following := self._head(plan):
                    heappush(heads, (priority, following.seq, following))
                continue
            if any(bucket.closed_until > now for bucket, _ in plan.costs):
                head.claims.clear()  # a ban ends on its own: until then others pass where there is room
            if free:
                head.claims.update(bucket for wait, bucket in waits if wait > 0)
                self.wake_at = min(self.wake_at, now + longest)
            for bucket in head.claims:
                bucket.claimed_by = min(bucket.claimed_by, priority)
        return served

    def _heads(self) -> Iterator[Waiter]:
        for plan in self._plans.values():
            if head := self._head(plan):
                yield head

    def _head(self, plan: Plan) -> Waiter | None:
        queue = plan.queue
        while queue and queue[0].gone:
            queue.popleft()
        return queue[0] if queue else None

    def put_back(self, plan: Plan) -> None:
        """Free the tokens of a request of which no byte was sent. Call `serve` next."""
        for bucket, weight in plan.costs:
            bucket.put_back(weight)

    def end(self, plan: Plan, counts_at: float) -> bool:
        """End a request, which counts from `counts_at`. True if a waiting request may go sooner: call `serve` next."""
        soonest = inf
        for bucket, weight in plan.costs:
            soonest = min(soonest, bucket.end(weight, counts_at))
        return soonest < self.wake_at

    def close(self, names: Iterable[str], until: float) -> None:
        """Close these limits until `until`; closing the client-wide limit stops all requests."""
        for name in names:
            bucket = self.buckets.get(name)
            if bucket is not None:
                bucket.closed_until = max(bucket.closed_until, until)
                self._closed_until = max(self._closed_until, until)
                self.clear_from = max(self.clear_from, until)
