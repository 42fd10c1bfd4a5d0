"""All limits of one client, and who waits for them.

Who waits stands in queues, one for each kind of request; the one that came first among the highest priority is served
first. A waiter claims the limits that hold it back: nobody of its own or a lower priority passes it there, while
requests that need other limits go on. Claims are kept until the waiter is served, so that a request of great weight is
never overtaken for ever.

Nothing here reads a clock or waits: "now" is monotonic seconds and comes in.
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
    """What requests of one kind take, looked up once."""

    __slots__ = ("costs", "priority", "queue", "windows")

    def __init__(self, costs: tuple[tuple[Bucket, int], ...], priority: Priority) -> None:
        self.costs = costs
        # Connections come back by themselves, and what has no budget needs no account.
        self.windows = tuple((b, weight) for b, weight in costs if b.period_s != inf and b.budget != inf)
        self.priority = priority
        self.queue: deque[Waiter] = deque()


class Waiter:
    """A request that stands in its plan's queue."""

    __slots__ = ("bound_by", "claims", "gone", "plan", "seq", "since")

    def __init__(self, plan: Plan, seq: int, since: float) -> None:
        self.plan = plan
        self.seq = seq
        self.since = since
        self.claims: set[Bucket] = set()
        self.bound_by = ""
        """The limit that held it back first."""
        self.gone = False


class LimitQueue:
    """All limits of one client. `try_acquire` and `join` are the two ways in; `serve` lets waiters go."""

    def __init__(self, limits: Limits, bucket: Callable[[str, float, float], Bucket] = Bucket) -> None:
        self.limits = limits
        self.buckets = {
            limit.name: bucket(limit.name, limit.budget, limit.window_s + limits.margin_s) for limit in limits.table
        }
        # Every request pays these two, so that a ban or a full pool holds back everything in any profile.
        self._client = self.buckets.setdefault("client", bucket("client", inf, 0.0))
        self.connections = self.buckets[CONNECTIONS] = bucket(CONNECTIONS, limits.max_in_flight, inf)
        """One slot for each request on the wire."""
        self._plans: dict[tuple[tuple[Cost, ...], Priority], Plan] = {}
        self._seq = 0
        self._closed_until = -inf
        self.clear_from = -inf
        """From when nobody and nothing but what is spent stands in the way; inf while somebody waits."""
        self.waiting = 0
        """Requests that stand in line."""
        self.wake_at = inf
        """When `serve` is worth calling next."""

    def plan(self, route: Route) -> Plan:
        """What a request of this route takes. Raises ConfigError if it is more than a limit ever allows."""
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
        """Take what the plan costs and return 0.0, or take nothing and return the seconds until it is worth asking.

        Someone of the same or a higher priority who waits for one of the same limits is not overtaken.
        """
        for bucket, weight in plan.costs:
            if bucket.claimed_by <= plan.priority or bucket.wait(weight, now) > 0:
                return self.wait(plan, now)
        for bucket, weight in plan.costs:
            bucket.take(weight)
        return 0.0

    def wait(self, plan: Plan, now: float) -> float:
        """Seconds until it is worth asking again, for who tried in vain; inf if only the end of a request can tell."""
        own = max(bucket.wait(weight, now) for bucket, weight in plan.costs)
        if any(bucket.claimed_by <= plan.priority for bucket, _ in plan.costs):
            return max(own, self.wake_at - now, 1e-9)
        return own

    def join(self, plan: Plan, now: float) -> Waiter:
        """Stand in line; the caller has tried in vain. Call `serve` next."""
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
        """Give up a place in line. Call `serve` next: what it claimed is free."""
        if not waiter.gone:
            waiter.gone = True
            self.waiting -= 1
            self.clear_from = inf if self.waiting else self._closed_until

    def serve(self, now: float) -> list[Waiter]:
        """Take for everyone whose turn has come and return them, first come first; sets `wake_at`."""
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
                head.claims.clear()  # its wait has an end of its own: meanwhile nobody is held back where there is room
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
        """Give back what a request took of which nothing was sent. Call `serve` next."""
        for bucket, weight in plan.costs:
            bucket.put_back(weight)

    def end(self, plan: Plan, counts_at: float) -> bool:
        """End a request, which counts from `counts_at`. True if somebody may go sooner by it: call `serve` next."""
        soonest = inf
        for bucket, weight in plan.costs:
            soonest = min(soonest, bucket.end(weight, counts_at))
        return soonest < self.wake_at

    def close(self, names: Iterable[str], until: float) -> None:
        """Let nothing through these limits before `until`; the client-wide one stands for everything."""
        for name in names:
            bucket = self.buckets.get(name)
            if bucket is not None:
                bucket.closed_until = max(bucket.closed_until, until)
                self._closed_until = max(self._closed_until, until)
                self.clear_from = max(self.clear_from, until)
