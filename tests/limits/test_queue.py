"""Invariants of the limit queue in simulated time: requests wait, leave, end late or never, and limits close."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.errors import ConfigError
from mexc_async.limits.bucket import Bucket
from mexc_async.limits.profiles import Limits
from mexc_async.limits.queue import CONNECTIONS, LimitQueue, Waiter
from mexc_async.schema.endpoint import Cost, Priority, Route
from tests.support.limit_tables import PAUSES, PICK, ROUTES, START, TABLES, limit, limits, route

ORDER = route(Cost("orders"), priority=Priority.ORDER)
MARKET = route(Cost("ip"))


@dataclass(eq=False)
class Asked:
    """One request in the simulation."""

    number: int
    route: Route
    at: float
    waiter: Waiter | None = None
    taken_at: float | None = None
    counts_at: float | None = None
    is_void: bool = False

    @property
    def order(self) -> tuple[int, int]:
        return (self.route.priority, self.number)

    @property
    def limits(self) -> set[str]:
        return {cost.limit for cost in self.route.costs}


@dataclass
class World:
    """The edge's part in simulated time: acquires, queues, calls `serve` at `wake_at`, and ends requests."""

    limits: Limits
    ends_at_once: bool = False
    """True if requests end at the moment in which they pass."""
    now: float = START
    waiting: list[Asked] = field(default_factory=list)
    live: list[Asked] = field(default_factory=list)
    log: list[Asked] = field(default_factory=list)
    closed: dict[str, float] = field(default_factory=lambda: defaultdict(lambda: -inf))

    def __post_init__(self) -> None:
        self.queue = LimitQueue(self.limits)
        self._numbers = count()

    def ask(self, what: Route) -> Asked:
        asked = Asked(next(self._numbers), what, self.now)
        plan = self.queue.plan(what)
        wait = self.queue.try_acquire(plan, self.now)
        if wait == 0:
            if self._grant(asked):
                self.serve()
        else:
            assert wait > 0
            asked.waiter = self.queue.join(plan, self.now)
            assert asked.waiter.bound_by
            self.waiting.append(asked)
            self.serve()
        return asked

    def serve(self) -> None:
        by_waiter = {asked.waiter: asked for asked in self.waiting}
        is_sooner = False
        for waiter in self.queue.serve(self.now):
            asked = by_waiter[waiter]
            self.waiting.remove(asked)
            is_sooner |= self._grant(asked)
        if is_sooner:
            self.serve()
        assert self.queue.waiting == len(self.waiting)
        if not self.waiting:
            assert self.queue.wake_at == inf
        else:
            assert self.queue.wake_at > self.now, "a wake-up that is already over would be armed again and again"

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self.queue.wake_at <= until:
            self.now = max(self.now, self.queue.wake_at)
            self.serve()
        self.now = until

    def leave(self, asked: Asked) -> None:
        assert asked.waiter is not None
        self.waiting.remove(asked)
        self.queue.leave(asked.waiter)
        self.serve()

    def end(self, asked: Asked) -> None:
        if self._end(asked):
            self.serve()

    def end_late(self, asked: Asked) -> None:
        """End a request that may have been on its way until now."""
        asked.counts_at = self.now
        self.end(asked)

    def lose(self, asked: Asked) -> None:
        """End a request without an answer; it may still be on its way for long."""
        asked.counts_at = self.now + 1.5
        self.end(asked)

    def put_back(self, asked: Asked) -> None:
        self.live.remove(asked)
        asked.is_void = True
        self.queue.put_back(self.queue.plan(asked.route))
        self.serve()

    def _end(self, asked: Asked) -> bool:
        assert asked.counts_at is not None
        self.live.remove(asked)
        return self.queue.end(self.queue.plan(asked.route), asked.counts_at)

    def close(self, names: list[str], seconds: float) -> None:
        for name in names:
            self.closed[name] = max(self.closed[name], self.now + seconds)
        self.queue.close(names, self.now + seconds)
        self.serve()

    def drain(self) -> None:
        """End all requests and follow `wake_at` until none waits."""
        for _ in range(20 * (len(self.waiting) + 5)):
            for asked in list(self.live):
                self.end(asked)
            if not self.waiting:
                return
            if not self.live:
                assert self.queue.wake_at != inf, "somebody waits and nothing would ever wake him"
                self.now = self.queue.wake_at
                self.serve()
        raise AssertionError(f"{len(self.waiting)} requests are never served")

    def _grant(self, asked: Asked) -> bool:
        """Let a request pass; return True if it ended at once and a waiting one may go sooner."""
        asked.taken_at = asked.counts_at = self.now
        self.live.append(asked)
        self.log.append(asked)
        assert len(self.live) <= self.limits.max_in_flight
        for name in {*asked.limits, "client"}:
            assert self.now >= self.closed[name], f"let through while {name} was closed"
        for other in self.waiting:
            if other.order < asked.order and other.limits == asked.limits:
                raise AssertionError(f"request {asked.number} passed request {other.number} of the same limits")
        return self.ends_at_once and self._end(asked)

    def check_windows(self) -> None:
        """Check that no half-open window [t, t + window) of any limit holds more than its budget."""
        for row in self.limits.table:
            counted = [
                (asked.counts_at, cost.weight)
                for asked in self.log
                for cost in (*asked.route.costs, Cost("client"))
                if cost.limit == row.name and asked.counts_at is not None and not asked.is_void
            ]
            for start, _ in counted:
                inside = sum(weight for at, weight in counted if start <= at < start + row.window_s)
                assert inside <= row.budget, f"{inside} of {row.budget} in the window of {row.name} from {start}"

    def check_books_balance(self) -> None:
        """Check that all tokens have returned once every window is over."""
        self.now += 100.0
        for asked in list(self.live):
            self.end(asked)
        self.now += 100.0
        for bucket in self.queue.buckets.values():
            bucket.settle(self.now)
            assert bucket.used == 0


ASK = st.tuples(st.just("ask"), st.sampled_from(ROUTES))
ADVANCE = st.tuples(st.just("advance"), PAUSES)
CLOSE = st.tuples(st.just("close"), st.tuples(st.sampled_from(["a", "b", "c", "client"]), PAUSES))
OPERATIONS: st.SearchStrategy[list[tuple[str, Any]]] = st.lists(
    st.one_of(
        ASK,
        ASK,
        ASK,
        ADVANCE,
        st.tuples(st.sampled_from(["leave", "end", "end", "end_late", "lose", "put_back"]), PICK),
        CLOSE,
    ),
    max_size=60,
)


def play(world: World, operations: list[tuple[str, Any]]) -> None:
    for what, how in operations:
        if what == "ask":
            world.ask(how)
        elif what == "advance":
            world.advance(how)
        elif what == "close":
            world.close([how[0]], how[1])
        elif what == "leave" and world.waiting:
            world.leave(world.waiting[how % len(world.waiting)])
        elif what in ("end", "end_late", "lose", "put_back") and world.live:
            getattr(world, what)(world.live[how % len(world.live)])


@settings(max_examples=250, deadline=None)
@given(TABLES, OPERATIONS)
def test_no_window_overflows_nobody_is_forgotten_and_the_books_balance(
    table: Limits, operations: list[tuple[str, Any]]
) -> None:
    world = World(table)
    play(world, operations)
    world.drain()
    world.check_windows()
    world.check_books_balance()


@given(st.integers(1, 50), st.sampled_from([0.5, 1.0, 10.0]), st.sampled_from([0.0, 0.02]))
def test_idle_client_sends_its_whole_budget_at_once_and_each_token_returns_after_one_window(
    budget: int, window_s: float, margin_s: float
) -> None:
    queue = LimitQueue(limits(limit("orders", budget, window_s), margin_s=margin_s))
    plan = queue.plan(ORDER)
    spent = [START + i * 0.001 for i in range(budget)]
    assert [queue.try_acquire(plan, at) for at in spent] == [0.0] * budget
    assert queue.try_acquire(plan, START + 100.0) == inf, "as long as none has ended, none comes back"
    for at in spent:
        queue.end(plan, at)
    for at in spent:
        just_before = at + window_s + margin_s - 1e-6
        assert queue.try_acquire(plan, just_before) == pytest.approx(1e-6, abs=1e-9)
        assert queue.try_acquire(plan, at + window_s + margin_s) == 0.0
        queue.end(plan, at + 1e6)


@pytest.mark.parametrize("margin_s", [0.0, 0.02])
@pytest.mark.parametrize(("budget", "window_s"), [(1, 1.0), (12, 1.0), (100, 1.0), (300, 10.0)])
def test_full_rate_is_sustained_while_requests_queue(budget: int, window_s: float, margin_s: float) -> None:
    world = World(limits(limit("orders", budget, window_s), margin_s=margin_s), ends_at_once=True)
    windows = 5
    for _ in range(budget * (windows + 1)):
        world.ask(ORDER)
    world.advance(windows * (window_s + margin_s) - 1e-6)
    assert len(world.log) == budget * windows
    world.check_windows()


def test_full_rate_is_sustained_when_requests_arrive_one_by_one() -> None:
    world = World(limits(limit("orders", 12), margin_s=0.02), ends_at_once=True)
    for _ in range(1015):
        world.ask(ORDER)
        world.advance(0.01)
    assert len(world.log) == 12 * 10


@given(
    st.integers(2, 30), st.integers(1, 5), st.lists(st.sampled_from([0.001, 0.01, 0.05]), min_size=250, max_size=250)
)
def test_heavy_request_is_served_within_a_window_although_light_ones_keep_coming(
    budget: int, light: int, gaps: list[float]
) -> None:
    world = World(limits(limit("ip", budget)), ends_at_once=True)
    for _ in range(budget):
        world.ask(route(Cost("ip", 1)))
    heavy = world.ask(route(Cost("ip", budget)))
    for gap in gaps:
        world.ask(route(Cost("ip", min(light, budget))))
        world.advance(gap)
        if world.now >= START + 1.0:
            break
    world.advance(max(START + 1.0 - world.now, 0.0) + 1e-9)
    assert heavy.taken_at == START + 1.0


def test_heavy_request_of_two_limits_is_not_overtaken_for_ever_by_light_ones_of_either() -> None:
    """The two limits are never free at the same moment by chance: the request must hold its claims."""
    world = World(limits(limit("a", 2), limit("b", 2)), ends_at_once=True)
    a, b = route(Cost("a")), route(Cost("b"))
    world.ask(a), world.ask(a)
    world.advance(0.5)
    world.ask(b), world.ask(b)
    heavy = world.ask(route(Cost("a", 2), Cost("b", 2)))
    for _ in range(300):
        world.ask(a), world.ask(b)
        world.advance(0.01)
    assert heavy.taken_at is not None
    assert heavy.taken_at <= START + 2.5 + 1e-9


@given(st.lists(st.sampled_from([0.0, 0.01, 0.3, 1.0]), max_size=60), st.integers(1, 4))
def test_requests_of_one_kind_are_served_first_come_first(gaps: list[float], budget: int) -> None:
    world = World(limits(limit("ip", budget)), ends_at_once=True)
    for gap in gaps:
        world.ask(MARKET)
        world.advance(gap)
    world.drain()
    assert [asked.number for asked in world.log] == list(range(len(gaps)))


def test_higher_priority_passes_everyone_who_was_not_let_go() -> None:
    world = World(limits(limit("orders", 1)))
    routes = {name: route(Cost("orders"), priority=priority) for name, priority in Priority.__members__.items()}
    first = world.ask(routes["MARKET"])
    waiting = [world.ask(routes[name]) for name in ("MARKET", "ACCOUNT", "ORDER", "CANCEL", "ORDER", "CANCEL")]
    world.drain()
    assert world.log == [first, *sorted(waiting, key=lambda asked: asked.order)]


def test_higher_priority_that_fits_is_not_held_back_by_lower_ones_in_line() -> None:
    world = World(limits(limit("ip", 10)))
    world.ask(route(Cost("ip", 8)))
    heavy = world.ask(route(Cost("ip", 5)))
    assert heavy.taken_at is None
    assert world.ask(route(Cost("ip", 2), priority=Priority.CANCEL)).taken_at == START
    assert world.ask(route(Cost("ip", 1))).taken_at is None


def test_request_that_shares_no_exhausted_limit_is_not_delayed() -> None:
    world = World(limits(limit("orders", 1), limit("ip", 1), limit("client", 100)))
    world.ask(ORDER)
    held = world.ask(ORDER)
    market = world.ask(MARKET)
    assert held.taken_at is None
    assert market.taken_at == START
    assert world.ask(route()).taken_at == START


@pytest.mark.parametrize("status", ["orders", "uid"])
def test_waiter_whose_limit_is_closed_gives_up_its_claim_on_limits_that_have_room(status: str) -> None:
    """An order waits for the client-wide limit; a 429 then closes the order limit: market data must go on."""
    world = World(
        limits(limit("client", 2), limit("orders", 12), limit("uid", 500), limit("ip", 300)), ends_at_once=True
    )
    costs = (Cost("uid"), Cost("orders"))
    world.ask(MARKET), world.ask(MARKET)
    held = [world.ask(route(*costs, priority=priority)) for priority in (Priority.ORDER, Priority.CANCEL)]
    assert [asked.waiter.bound_by for asked in held if asked.waiter] == ["client", "client"]
    world.close([status], 30.0)
    world.advance(1.0)
    assert world.ask(MARKET).taken_at == world.now
    world.drain()
    assert [asked.taken_at for asked in held] == [START + 30.0] * 2


def test_waiter_is_served_first_when_its_closed_limit_opens() -> None:
    world = World(limits(limit("ip", 10)), ends_at_once=True)
    world.close(["ip"], 5.0)
    heavy = world.ask(route(Cost("ip", 10)))
    light = world.ask(MARKET)
    world.advance(5.0)
    assert heavy.taken_at == START + 5.0
    assert light.taken_at is None


def test_closed_limit_lets_nothing_through_before_its_end_whatever_its_budget() -> None:
    world = World(limits(limit("orders", 100), limit("ip", 100)))
    world.close(["orders"], 2.0)
    world.close(["orders"], 1.0)  # an earlier end does not open it earlier
    queue = world.queue
    assert queue.try_acquire(queue.plan(ORDER), START) == 2.0
    assert queue.try_acquire(queue.plan(ORDER), START + 1.999) == pytest.approx(0.001)
    assert queue.try_acquire(queue.plan(MARKET), START) == 0.0
    assert queue.try_acquire(queue.plan(ORDER), START + 2.0) == 0.0


def test_closing_the_client_wide_limit_stops_everything_in_every_profile() -> None:
    queue = LimitQueue(limits())
    queue.close(["client", "no such limit"], START + 120.0)
    assert queue.try_acquire(queue.plan(MARKET), START) == 120.0
    assert queue.try_acquire(queue.plan(ORDER), START + 120.0) == 0.0


def test_without_limits_nothing_waits() -> None:
    queue = LimitQueue(limits())
    assert {queue.try_acquire(queue.plan(ORDER), START) for _ in range(1000)} == {0.0}


def test_leaving_frees_those_behind_and_spends_nothing() -> None:
    world = World(limits(limit("ip", 3)))
    world.ask(route(Cost("ip", 2)))
    heavy = world.ask(route(Cost("ip", 3)))
    light = world.ask(MARKET)
    assert world.waiting == [heavy, light]
    world.leave(heavy)
    assert light.taken_at == START
    assert world.queue.buckets["ip"].used == 3
    assert heavy.waiter is not None
    world.queue.leave(heavy.waiter)  # leaving twice has no further effect
    assert world.queue.waiting == 0


def test_what_is_put_back_can_be_taken_at_once() -> None:
    world = World(limits(limit("ip", 1), in_flight=1))
    first = world.ask(MARKET)
    second = world.ask(MARKET)
    world.put_back(first)
    assert second.taken_at == START


def test_more_than_was_taken_does_not_come_back() -> None:
    bucket = Bucket("ip", 2, 1.0)
    bucket.take(1)
    with pytest.raises(ValueError, match="more of limit ip comes back than was taken"):
        bucket.put_back(2)
    with pytest.raises(ValueError, match="more of limit ip comes back than was taken"):
        bucket.end(2, START)
    assert bucket.used == 1


def test_request_that_has_not_ended_keeps_its_token() -> None:
    world = World(limits(limit("ip", 1)))
    stalled = world.ask(MARKET)
    second = world.ask(MARKET)
    assert world.queue.wake_at == inf, "only its end can tell"
    world.advance(50.0)
    assert second.taken_at is None
    world.end(stalled)
    assert second.taken_at == START + 50.0, "it counts from long ago"


def test_request_that_counts_from_its_end_holds_its_token_for_a_window_from_then() -> None:
    world = World(limits(limit("ip", 1)))
    stalled = world.ask(MARKET)
    second = world.ask(MARKET)
    world.advance(50.0)
    world.end_late(stalled)
    assert world.queue.wake_at == START + 51.0
    world.advance(1.0)
    assert second.taken_at == START + 51.0


def test_earlier_end_of_a_later_request_sets_the_alarm_and_the_earlier_one_sets_it_forward() -> None:
    world = World(limits(limit("ip", 2)))
    first = world.ask(MARKET)
    world.advance(0.5)
    later = world.ask(MARKET)
    waiting = [world.ask(MARKET), world.ask(MARKET)]
    world.end(later)
    assert world.queue.wake_at == START + 1.5
    world.end(first)
    assert world.queue.wake_at == START + 1.0
    world.advance(1.0)
    assert [asked.taken_at for asked in waiting] == [START + 1.0, START + 1.5]


def test_order_of_ends_does_not_change_when_tokens_come_back() -> None:
    queue = LimitQueue(limits(limit("ip", 3)))
    plan = queue.plan(MARKET)
    for later in (0.0, 0.3, 0.6):
        assert queue.try_acquire(plan, START + later) == 0.0
    for counts_at in (0.3, 0.6, 0.0):
        queue.end(plan, START + counts_at)
    assert [queue.try_acquire(plan, START + at) for at in (1.0, 1.0, 1.3, 1.6)] == [
        0.0,
        pytest.approx(0.3),
        0.0,
        0.0,
    ]


def test_free_connections_are_a_limit_of_their_own() -> None:
    world = World(limits(in_flight=2))
    first, _, third, fourth = (world.ask(MARKET) for _ in range(4))
    assert third.waiter is not None
    assert third.waiter.bound_by == CONNECTIONS
    assert world.queue.wake_at == inf  # only the end of a request helps
    plan = world.queue.plan(MARKET)
    assert world.queue.try_acquire(plan, START) == inf
    world.advance(100.0)
    world.end(first)
    assert third.taken_at == START + 100.0
    assert fourth.taken_at is None


def test_end_of_a_request_says_whether_somebody_may_go_sooner_by_it() -> None:
    queue = LimitQueue(limits(limit("ip", 1), in_flight=3))
    plan, free = queue.plan(MARKET), queue.plan(route())
    queue.try_acquire(plan, START), queue.try_acquire(free, START)
    queue.join(plan, START)
    queue.serve(START)
    assert queue.end(free, START) is False  # the queued one waits for the other limit
    assert queue.end(plan, START) is True
    queue = LimitQueue(limits(in_flight=1))
    plan = queue.plan(MARKET)
    queue.try_acquire(plan, START)
    queue.join(plan, START)
    queue.serve(START)
    assert queue.end(plan, START) is True
    assert len(queue.serve(START)) == 1


def test_request_that_outweighs_a_limit_is_refused_rather_than_left_to_wait_for_ever() -> None:
    queue = LimitQueue(limits(limit("ip", 20)))
    with pytest.raises(ConfigError, match=r"GET /x weighs 25; limit ip is 20"):
        queue.plan(route(Cost("ip", 25)))


def test_limits_of_a_route_that_the_profile_does_not_have_cost_nothing() -> None:
    queue = LimitQueue(limits(limit("client", 1)))
    assert [bucket.name for bucket, _ in queue.plan(ORDER).costs] == ["client", CONNECTIONS]
    assert queue.plan(ORDER) is queue.plan(ORDER)


def test_trying_behind_a_line_tells_when_it_is_worth_asking_again() -> None:
    world = World(limits(limit("ip", 10)), ends_at_once=True)
    world.ask(route(Cost("ip", 8)))
    world.advance(0.25)
    world.ask(route(Cost("ip", 5)))
    queue = world.queue
    assert queue.try_acquire(queue.plan(MARKET), world.now) == pytest.approx(0.75)
    assert queue.try_acquire(queue.plan(MARKET), world.now + 2) > 0  # the timer is late, the queue remains


def test_without_a_budget_nothing_is_remembered_of_requests_that_went_out_late() -> None:
    queue = LimitQueue(Limits.named("unlimited"))
    plan = queue.plan(Route("GET", "/api/v3/depth", costs=(Cost("ip", 3),)))
    for number in range(1000):
        assert queue.try_acquire(plan, float(number)) == 0.0
        queue.end(plan, number + 0.5)
    assert [bucket.used for bucket in queue.buckets.values()] == [0, 0]


def test_what_a_request_took_is_put_back_when_another_limit_is_used_up() -> None:
    queue = LimitQueue(limits(limit("client", 10), limit("ip", 6), limit("orders", 1)))
    both = queue.plan(route(Cost("ip", 2), Cost("orders")))
    assert queue.try_acquire(both, START) == 0.0
    assert queue.try_acquire(both, START + 0.25) == inf
    used = {name: bucket.used for name, bucket in queue.buckets.items()}
    assert used == {"client": 1, "ip": 2, "orders": 1, CONNECTIONS: 1}


def test_costs_of_the_same_limit_add_up() -> None:
    queue = LimitQueue(limits(limit("client", 3), limit("ip", 4)))
    plan = queue.plan(route(Cost("ip"), Cost("ip", 2), Cost("client")))
    assert {bucket.name: weight for bucket, weight in plan.costs} == {"client": 2, CONNECTIONS: 1, "ip": 3}
    assert queue.try_acquire(plan, START) == 0.0
    assert queue.try_acquire(plan, START) == inf
    queue.end(plan, START)
    assert queue.try_acquire(plan, START) == 1.0
    with pytest.raises(ConfigError, match="weighs 5; limit ip is 4"):
        queue.plan(route(Cost("ip", 2), Cost("ip", 3)))
