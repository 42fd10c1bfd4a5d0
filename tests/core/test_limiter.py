"""The ledger in simulated time: whatever is asked, given up, counted late or closed, its promises hold."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.core.bucket import Bucket
from mexc_async.core.endpoint import Cost, Priority, Route
from mexc_async.core.limiter import CONNECTIONS, Ledger, Waiter
from mexc_async.core.limits import Limit, Limits
from mexc_async.errors import ConfigError

START = 5000.0
EVER = 10_000


def limit(name: str, budget: int, window_s: float = 1.0) -> Limit:
    return Limit(name, budget, window_s, "client", "test")


def limits(*table: Limit, margin_s: float = 0.0, in_flight: int = EVER) -> Limits:
    return Limits("test", table, margin_s, in_flight)


def route(*costs: Cost, priority: Priority = Priority.MARKET) -> Route:
    return Route("GET", "/x", costs=costs, priority=priority)


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
    """Plays the edge's part: asks, waits in line, wakes the ledger when it says so, and ends requests."""

    limits: Limits
    now: float = START
    waiting: list[Asked] = field(default_factory=list)
    live: list[Asked] = field(default_factory=list)
    log: list[Asked] = field(default_factory=list)
    closed: dict[str, float] = field(default_factory=lambda: defaultdict(lambda: -inf))

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.limits)
        self._numbers = count()

    def ask(self, what: Route) -> Asked:
        asked = Asked(next(self._numbers), what, self.now)
        plan = self.ledger.plan(what)
        wait = self.ledger.try_acquire(plan, self.now)
        if wait == 0:
            self._grant(asked)
        else:
            assert wait > 0
            asked.waiter = self.ledger.join(plan, self.now)
            assert asked.waiter.bound_by
            self.waiting.append(asked)
            self.serve()
        return asked

    def serve(self) -> None:
        by_waiter = {asked.waiter: asked for asked in self.waiting}
        for waiter in self.ledger.serve(self.now):
            asked = by_waiter[waiter]
            self.waiting.remove(asked)
            self._grant(asked)
        assert self.ledger.waiting == len(self.waiting)
        if not self.waiting:
            assert self.ledger.wake_at == inf
        else:
            assert self.ledger.wake_at > self.now, "a wake-up that is already over would be armed again and again"

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self.ledger.wake_at <= until:
            self.now = max(self.now, self.ledger.wake_at)
            self.serve()
        self.now = until

    def leave(self, asked: Asked) -> None:
        assert asked.waiter is not None
        self.waiting.remove(asked)
        self.ledger.leave(asked.waiter)
        self.serve()

    def end(self, asked: Asked) -> None:
        self.live.remove(asked)
        if self.ledger.connections.free():
            self.serve()

    def put_back(self, asked: Asked) -> None:
        assert asked.taken_at is not None
        self.live.remove(asked)
        asked.is_void = True
        self.ledger.put_back(self.ledger.plan(asked.route), asked.taken_at)
        self.serve()

    def send_late(self, asked: Asked) -> None:
        """Count from now, unless that happened before."""
        assert asked.taken_at is not None
        if asked.counts_at == asked.taken_at:
            self.ledger.sent_late(self.ledger.plan(asked.route), asked.taken_at, self.now)
            asked.counts_at = self.now
            self.serve()

    def close(self, names: list[str], seconds: float) -> None:
        for name in names:
            self.closed[name] = max(self.closed[name], self.now + seconds)
        self.ledger.close(names, self.now + seconds)
        self.serve()

    def drain(self) -> None:
        """End everything and follow `wake_at` until nobody waits."""
        for _ in range(20 * (len(self.waiting) + 5)):
            for asked in list(self.live):
                self.end(asked)
            if not self.waiting:
                return
            if not self.live:
                assert self.ledger.wake_at != inf, "somebody waits and nothing would ever wake him"
                self.now = self.ledger.wake_at
                self.serve()
        raise AssertionError(f"{len(self.waiting)} requests are never served")

    def _grant(self, asked: Asked) -> None:
        asked.taken_at = asked.counts_at = self.now
        self.live.append(asked)
        self.log.append(asked)
        assert len(self.live) <= self.limits.max_in_flight
        for name in {*asked.limits, "client"}:
            assert self.now >= self.closed[name], f"let through while {name} was closed"
        for other in self.waiting:
            if other.order < asked.order and other.limits == asked.limits:
                raise AssertionError(f"request {asked.number} passed request {other.number} of the same limits")

    def check_windows(self) -> None:
        """No half-open window [t, t + window) of any limit holds more than its budget."""
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
        """Once every window is over, nothing is lost and nothing is left."""
        self.now += 100.0
        for bucket in self.ledger.buckets.values():
            bucket.settle(self.now)
            assert bucket.used == (len(self.live) if bucket.name == CONNECTIONS else 0)


ROUTES = [
    route(Cost("a")),
    route(Cost("a", 3)),
    route(Cost("b")),
    route(Cost("a", 2), Cost("b")),
    route(Cost("b", 2), priority=Priority.ACCOUNT),
    route(Cost("a"), Cost("c"), priority=Priority.ACCOUNT),
    route(Cost("c"), priority=Priority.ORDER),
    route(Cost("a"), priority=Priority.ORDER),
    route(Cost("c"), priority=Priority.CANCEL),
    route(),
]
TABLES = st.builds(
    lambda a, b, c, client, windows, margin_s, in_flight: limits(
        limit("a", a, windows[0]),
        limit("b", b, windows[1]),
        limit("c", c, windows[2]),
        *([limit("client", client)] if client else []),
        margin_s=margin_s,
        in_flight=in_flight,
    ),
    st.integers(3, 8),
    st.integers(2, 5),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 6)),
    st.tuples(*[st.sampled_from([0.3, 1.0, 2.0])] * 3),
    st.sampled_from([0.0, 0.02]),
    st.sampled_from([1, 2, 4, EVER]),
)
PAUSES = st.sampled_from([0.001, 0.02, 0.1, 0.29, 0.3, 0.5, 1.0, 1.02, 2.5])
PICK = st.integers(0, 100)
ASK = st.tuples(st.just("ask"), st.sampled_from(ROUTES))
ADVANCE = st.tuples(st.just("advance"), PAUSES)
CLOSE = st.tuples(st.just("close"), st.tuples(st.sampled_from(["a", "b", "c", "client"]), PAUSES))
OPERATIONS: st.SearchStrategy[list[tuple[str, Any]]] = st.lists(
    st.one_of(
        ASK,
        ASK,
        ASK,
        ADVANCE,
        st.tuples(st.sampled_from(["leave", "end", "put_back"]), PICK),
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
        elif what in ("end", "put_back", "send_late") and world.live:
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


@settings(max_examples=150, deadline=None)
@given(
    TABLES,
    st.lists(
        st.one_of(ASK, ASK, ASK, st.tuples(st.just("advance"), st.sampled_from([0.001, 0.02, 0.1, 0.25]))), max_size=60
    ),
)
def test_windows_hold_for_requests_that_are_sent_some_time_after_they_were_let_go(
    table: Limits, operations: list[tuple[str, Any]]
) -> None:
    world = World(table)
    for operation in operations:
        for asked in list(world.live):
            if world.now - asked.at > 0.2 and asked.number % 2:
                world.send_late(asked)
        play(world, [operation])
        for asked in list(world.live):  # what is still unsent when its shortest window ends goes now
            if asked.taken_at is not None and world.now - asked.taken_at >= 0.02:
                world.send_late(asked)
    world.drain()
    world.check_windows()
    world.check_books_balance()


@settings(max_examples=100, deadline=None)
@given(TABLES, st.lists(st.one_of(ASK, ADVANCE, st.tuples(st.sampled_from(["end", "put_back", "send_late"]), PICK))))
def test_counting_late_never_forgets_anybody_or_leaves_anything_behind(
    table: Limits, operations: list[tuple[str, Any]]
) -> None:
    world = World(table)
    for what, how in operations:
        if what == "put_back" and world.live and world.live[how % len(world.live)].counts_at != START:
            continue  # what is on its way is not put back
        play(world, [(what, how)])
    world.drain()
    world.check_books_balance()


@given(st.integers(1, 50), st.sampled_from([0.5, 1.0, 10.0]), st.sampled_from([0.0, 0.02]))
def test_idle_client_sends_its_whole_budget_at_once_and_each_token_returns_after_one_window(
    budget: int, window_s: float, margin_s: float
) -> None:
    ledger = Ledger(limits(limit("orders", budget, window_s), margin_s=margin_s))
    plan = ledger.plan(ORDER)
    spent = [START + i * 0.001 for i in range(budget)]
    assert [ledger.try_acquire(plan, at) for at in spent] == [0.0] * budget
    for at in spent:
        just_before = at + window_s + margin_s - 1e-6
        assert ledger.try_acquire(plan, just_before) == pytest.approx(1e-6, abs=1e-9)
        assert ledger.try_acquire(plan, at + window_s + margin_s) == 0.0


@pytest.mark.parametrize("margin_s", [0.0, 0.02])
@pytest.mark.parametrize(("budget", "window_s"), [(1, 1.0), (12, 1.0), (100, 1.0), (300, 10.0)])
def test_full_rate_is_sustained_while_requests_queue(budget: int, window_s: float, margin_s: float) -> None:
    world = World(limits(limit("orders", budget, window_s), margin_s=margin_s))
    windows = 5
    for _ in range(budget * (windows + 1)):
        world.ask(ORDER)
    world.advance(windows * (window_s + margin_s) - 1e-6)
    assert len(world.log) == budget * windows
    world.check_windows()


def test_full_rate_is_sustained_when_requests_arrive_one_by_one() -> None:
    world = World(limits(limit("orders", 12), margin_s=0.02))
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
    world = World(limits(limit("ip", budget)))
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
    """Its limits are never both free at the same moment by chance: it has to keep what it claimed."""
    world = World(limits(limit("a", 2), limit("b", 2)))
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
    world = World(limits(limit("ip", budget)))
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
    world = World(limits(limit("client", 2), limit("orders", 12), limit("uid", 500), limit("ip", 300)))
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
    world = World(limits(limit("ip", 10)))
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
    ledger = world.ledger
    assert ledger.try_acquire(ledger.plan(ORDER), START) == 2.0
    assert ledger.try_acquire(ledger.plan(ORDER), START + 1.999) == pytest.approx(0.001)
    assert ledger.try_acquire(ledger.plan(MARKET), START) == 0.0
    assert ledger.try_acquire(ledger.plan(ORDER), START + 2.0) == 0.0


def test_closing_the_client_wide_limit_stops_everything_in_every_profile() -> None:
    ledger = Ledger(limits())
    ledger.close(["client", "no such limit"], START + 120.0)
    assert ledger.try_acquire(ledger.plan(MARKET), START) == 120.0
    assert ledger.try_acquire(ledger.plan(ORDER), START + 120.0) == 0.0


def test_without_limits_nothing_waits() -> None:
    ledger = Ledger(limits())
    assert {ledger.try_acquire(ledger.plan(ORDER), START) for _ in range(1000)} == {0.0}


def test_leaving_frees_those_behind_and_spends_nothing() -> None:
    world = World(limits(limit("ip", 3)))
    world.ask(route(Cost("ip", 2)))
    heavy = world.ask(route(Cost("ip", 3)))
    light = world.ask(MARKET)
    assert world.waiting == [heavy, light]
    world.leave(heavy)
    assert light.taken_at == START
    assert world.ledger.buckets["ip"].used == 3
    assert heavy.waiter is not None
    world.ledger.leave(heavy.waiter)  # twice is once
    assert world.ledger.waiting == 0


def test_what_is_put_back_can_be_taken_at_once() -> None:
    world = World(limits(limit("ip", 1), in_flight=1))
    first = world.ask(MARKET)
    second = world.ask(MARKET)
    world.put_back(first)
    assert second.taken_at == START


def test_putting_back_what_has_come_back_by_itself_invents_nothing() -> None:
    world = World(limits(limit("ip", 2)))
    first = world.ask(MARKET)
    world.advance(1.0)
    world.ask(MARKET), world.ask(MARKET)
    world.put_back(first)
    assert world.ledger.buckets["ip"].used == 2
    assert world.ledger.try_acquire(world.ledger.plan(MARKET), world.now) == 1.0


def test_putting_back_what_is_due_but_not_settled_yet_counts_once() -> None:
    bucket = Bucket("ip", 2, 1.0)
    bucket.take(1, START)
    bucket.put_back(1, START)
    bucket.settle(START + 5.0)
    assert bucket.used == 0


def test_request_counted_late_holds_its_token_for_a_window_from_then() -> None:
    ledger = Ledger(limits(limit("ip", 1)))
    plan = ledger.plan(MARKET)
    assert ledger.try_acquire(plan, START) == 0.0
    ledger.sent_late(plan, START, START + 0.4)
    assert ledger.try_acquire(plan, START + 1.0) == pytest.approx(0.4)
    assert ledger.try_acquire(plan, START + 1.4) == 0.0


def test_request_counted_late_keeps_the_order_in_which_tokens_come_back() -> None:
    ledger = Ledger(limits(limit("ip", 2)))
    plan = ledger.plan(MARKET)
    ledger.try_acquire(plan, START)
    ledger.try_acquire(plan, START + 0.8)
    ledger.sent_late(plan, START, START + 0.5)
    assert ledger.try_acquire(plan, START + 1.2) == pytest.approx(0.3)
    assert ledger.try_acquire(plan, START + 1.5) == 0.0
    assert ledger.try_acquire(plan, START + 1.6) == pytest.approx(0.2)


def test_request_whose_token_came_back_before_it_was_sent_is_counted_all_the_same() -> None:
    ledger = Ledger(limits(limit("ip", 1)))
    plan = ledger.plan(MARKET)
    ledger.try_acquire(plan, START)
    ledger.try_acquire(plan, START + 1.0)
    ledger.sent_late(plan, START, START + 1.5)
    assert ledger.try_acquire(plan, START + 2.0) == pytest.approx(0.5)
    assert ledger.try_acquire(plan, START + 2.5) == 0.0


def test_free_connections_are_a_limit_of_their_own() -> None:
    world = World(limits(in_flight=2))
    first, _, third, fourth = (world.ask(MARKET) for _ in range(4))
    assert third.waiter is not None
    assert third.waiter.bound_by == CONNECTIONS
    assert world.ledger.wake_at == inf  # only an end can tell
    plan = world.ledger.plan(MARKET)
    assert world.ledger.try_acquire(plan, START) == inf
    world.advance(100.0)
    world.end(first)
    assert third.taken_at == START + 100.0
    assert fourth.taken_at is None


def test_end_of_a_request_says_whether_somebody_waits_for_its_connection() -> None:
    ledger = Ledger(limits(limit("ip", 1), in_flight=2))
    plan = ledger.plan(MARKET)
    ledger.try_acquire(plan, START)
    ledger.join(plan, START)
    ledger.serve(START)
    assert ledger.connections.free() is False  # the one in line waits for the other limit
    ledger = Ledger(limits(in_flight=1))
    plan = ledger.plan(MARKET)
    ledger.try_acquire(plan, START)
    ledger.join(plan, START)
    ledger.serve(START)
    assert ledger.connections.free() is True
    assert len(ledger.serve(START)) == 1


def test_request_that_outweighs_a_limit_is_refused_rather_than_left_to_wait_for_ever() -> None:
    ledger = Ledger(limits(limit("ip", 20)))
    with pytest.raises(ConfigError, match=r"GET /x weighs 25; limit ip is 20"):
        ledger.plan(route(Cost("ip", 25)))


def test_limits_of_a_route_that_the_profile_does_not_have_cost_nothing() -> None:
    ledger = Ledger(limits(limit("client", 1)))
    assert [bucket.name for bucket, _ in ledger.plan(ORDER).costs] == ["client", CONNECTIONS]
    assert ledger.plan(ORDER) is ledger.plan(ORDER)


def test_trying_behind_a_line_tells_when_it_is_worth_asking_again() -> None:
    world = World(limits(limit("ip", 10)))
    world.ask(route(Cost("ip", 8)))
    world.advance(0.25)
    world.ask(route(Cost("ip", 5)))
    ledger = world.ledger
    assert ledger.try_acquire(ledger.plan(MARKET), world.now) == pytest.approx(0.75)
    assert ledger.try_acquire(ledger.plan(MARKET), world.now + 2) > 0  # the timer is late, the line stands


def test_without_a_budget_nothing_is_remembered_of_requests_that_went_out_late() -> None:
    ledger = Ledger(Limits.named("unlimited"))
    plan = ledger.plan(Route("GET", "/api/v3/depth", costs=(Cost("ip", 3),)))
    for number in range(1000):
        assert ledger.try_acquire(plan, float(number)) == 0.0
        ledger.sent_late(plan, float(number), number + 0.5)
        ledger.connections.free()
    assert [bucket.used for bucket in ledger.buckets.values()] == [0, 0]


def test_what_a_request_took_is_put_back_when_another_limit_is_used_up() -> None:
    ledger = Ledger(limits(limit("client", 10), limit("ip", 6), limit("orders", 1)))
    both = ledger.plan(route(Cost("ip", 2), Cost("orders")))
    assert ledger.try_acquire(both, START) == 0.0
    assert ledger.try_acquire(both, START + 0.25) == 0.75
    used = {name: bucket.used for name, bucket in ledger.buckets.items()}
    assert used == {"client": 1, "ip": 2, "orders": 1, CONNECTIONS: 1}


def test_costs_of_the_same_limit_add_up() -> None:
    ledger = Ledger(limits(limit("client", 3), limit("ip", 4)))
    plan = ledger.plan(route(Cost("ip"), Cost("ip", 2), Cost("client")))
    assert {bucket.name: weight for bucket, weight in plan.costs} == {"client": 2, CONNECTIONS: 1, "ip": 3}
    assert ledger.try_acquire(plan, START) == 0.0
    assert ledger.try_acquire(plan, START) == 1.0
    with pytest.raises(ConfigError, match="weighs 5; limit ip is 4"):
        ledger.plan(route(Cost("ip", 2), Cost("ip", 3)))
