"""Limits as the exchange counts them, by arrivals, over a network with arbitrary delays and losses.

Time is simulated. Each way takes its usual time and up to ten seconds more, independently for each request. Answers are
lost, connections are cut while their request goes on to the exchange, and callers cancel and time out. The tests use a
transport that sees the end of a cancelled request (the lane) and one that does not (the pool).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.limits.bucket import Bucket, PureBucket
from mexc_async.limits.gate import Duration, Gate, PureDuration, PureGate
from mexc_async.limits.profiles import Limit, Limits
from mexc_async.limits.queue import LimitQueue, Waiter
from mexc_async.native.loader import compiled
from mexc_async.schema.endpoint import Cost, Priority, Route

KINDS: list[Any] = [(PureBucket, PureDuration, PureGate)] + [(Bucket, Duration, Gate)] * (compiled is not None)
both_kinds = pytest.mark.parametrize("kind", KINDS, ids=["pure", "compiled"][: len(KINDS)])

START = 5000.0
LONGEST_WAY_S = 10.0
USUAL_CALLS = 25
"""Calls of a route after which its usual duration is known."""

ROUTES = [
    Route("DELETE", "/order", costs=(Cost("uid"), Cost("orders")), priority=Priority.CANCEL),
    Route("POST", "/order", costs=(Cost("uid"), Cost("orders")), priority=Priority.ORDER),
    Route("GET", "/order", costs=(Cost("ip", 2),), priority=Priority.ACCOUNT),
    Route("GET", "/depth", costs=(Cost("ip", 5),)),
    Route("GET", "/ping", costs=(Cost("ip"),)),
]


class Fate(NamedTuple):
    """Course of one request, in seconds."""

    gap_s: float
    """Pause after the start of the previous request."""
    route: int = 1
    opening_s: float = 0.0
    """Time from passing the limits to the first byte, to open a connection."""
    there_s: float = 0.0
    """Extra time of the way to the exchange."""
    back_s: float = 0.0
    is_answered: bool = True
    cut_s: float = inf
    """Time from sending to the end of its connection; it may arrive in spite of that."""
    timeout_s: float = 10.0
    cancel_s: float = inf
    """Time from its start to its caller's cancellation."""
    is_pooled: bool = False
    """True if a cancellation closes its connection."""


@dataclass(eq=False)
class Sent:
    """A request that passed the limits."""

    gate: Any
    fate: Fate
    asked_at: float
    taken_at: float
    sent_at: float = 0.0
    is_over: bool = False


@dataclass
class Network:
    """Client, exchange and the network between them."""

    table: Limits
    kind: Any
    there_s: float
    back_s: float
    now: float = START
    arrivals: list[tuple[float, Route]] = field(default_factory=list)

    def __post_init__(self) -> None:
        bucket, duration, gate = self.kind
        self.queue = LimitQueue(self.table, bucket)
        overall = duration()
        self.gates = [gate(route, self.queue, lambda: self.now, self, overall) for route in ROUTES]
        self.waiting: dict[Waiter, tuple[Any, Fate, float]] = {}
        self.served = 0
        self._events: list[tuple[float, int, Any, Any]] = []
        self._numbers = count()

    def at(self, when: float, what: Any, whom: Any) -> None:
        if when < inf:
            heappush(self._events, (max(when, self.now), next(self._numbers), what, whom))

    def run(self) -> None:
        """Run until no event is left; a request that still waits would wait for ever."""
        while self._events or self.queue.wake_at < inf:
            event_at = self._events[0][0] if self._events else inf
            if self.queue.wake_at < event_at:
                self.now = max(self.queue.wake_at, self.now)
                self.serve()
                assert self.queue.wake_at > self.now, "the timer would be set again and again"
                continue
            self.now, _, what, whom = heappop(self._events)
            what(whom)
        assert not self.waiting, f"{len(self.waiting)} requests wait for ever"

    # Actions of a client

    def ask(self, fate: Fate) -> None:
        gate = self.gates[fate.route]
        if gate.try_acquire(self.now):
            self.passed(gate, fate, self.now)
            return
        waiter = self.queue.join(gate.plan, self.now)
        self.waiting[waiter] = gate, fate, self.now
        self.at(self.now + fate.cancel_s, self.leave, waiter)
        if gate.plan.queue[0] is waiter:
            self.serve()

    def leave(self, waiter: Waiter) -> None:
        if self.waiting.pop(waiter, None) is not None:
            self.queue.leave(waiter)
            self.serve()

    def serve(self) -> None:
        for waiter in self.queue.serve(self.now):
            self.passed(*self.waiting.pop(waiter))

    def passed(self, gate: Any, fate: Fate, asked_at: float) -> None:
        self.served += 1
        sent = Sent(gate, fate, asked_at, self.now)
        self.at(self.now + fate.opening_s, self.send, sent)

    def send(self, sent: Sent) -> None:
        gate, fate = sent.gate, sent.fate
        if self.now > sent.asked_at + fate.cancel_s:
            gate.put_back()
            return
        sent.sent_at = gate.sent(sent.taken_at)
        way_s = min(self.there_s + fate.there_s, LONGEST_WAY_S)
        self.at(self.now + way_s, self.arrive, gate.route)
        if fate.is_answered:
            self.at(self.now + way_s + self.back_s + fate.back_s, self.answer, sent)
        self.at(self.now + fate.cut_s, self.lose, sent)
        self.at(self.now + fate.timeout_s, self.lose, sent)
        if fate.is_pooled:
            self.at(sent.asked_at + fate.cancel_s, self.lose, sent)

    def arrive(self, route: Route) -> None:
        self.arrivals.append((self.now, route))

    def answer(self, sent: Sent) -> None:
        self.end(sent, True)

    def lose(self, sent: Sent) -> None:
        self.end(sent, False)

    def end(self, sent: Sent, is_answered: bool) -> None:
        if not sent.is_over:
            sent.is_over = True
            sent.gate.release(sent.sent_at, is_answered)

    # Checks

    def know(self) -> None:
        """Let every route learn how long a request usually takes."""
        for route in range(len(ROUTES)):
            for number in range(USUAL_CALLS):
                self.at(self.now + (route * USUAL_CALLS + number) * 3.0, self.ask, Fate(0.0, route))
        self.run()
        self.now += 100.0

    def play(self, fates: list[Fate]) -> None:
        at = self.now
        for fate in fates:
            at += fate.gap_s
            self.at(at, self.ask, fate)
        self.run()

    def check_windows(self) -> None:
        """Check that no half-open window of any limit has more arrivals than its budget."""
        for row in self.table.table:
            weighed = [
                (at, cost.weight)
                for at, route in self.arrivals
                for cost in (*route.costs, Cost("client"))
                if cost.limit == row.name
            ]
            first = inside = 0
            for at, weight in weighed:
                inside += weight
                while weighed[first][0] <= at - row.window_s + 1e-9:
                    inside -= weighed[first][1]
                    first += 1
                assert inside <= row.budget, f"{inside} of {row.budget} of {row.name} in one window before {at - START}"

    def check_books_balance(self) -> None:
        self.now += 100.0
        for bucket in self.queue.buckets.values():
            bucket.settle(self.now)
            assert bucket.used == 0, f"{bucket.used} of {bucket.name} never come back"


def table(in_flight: int) -> Limits:
    rows = [("client", 8, 1.0), ("ip", 12, 3.0), ("uid", 9, 2.0), ("orders", 4, 1.0)]
    return Limits("test", tuple(Limit(*row, "client", "test") for row in rows), max_in_flight=in_flight)


ANY = st.one_of(st.sampled_from([0.0, 0.0, 0.004, 0.9, 1.0, 1.01, 3.0, 10.0]), st.floats(0.0, 10.0))
STALLED = st.one_of(st.just(0.0), st.floats(0.5, 10.0))


def fates(delay: st.SearchStrategy[float]) -> st.SearchStrategy[list[Fate]]:
    fate = st.builds(
        Fate,
        gap_s=st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.01, 0.1, 1.02, 3.0]),
        route=st.sampled_from([0, 1, 1, 1, 1, 2, 3, 4]),
        opening_s=st.one_of(st.just(0.0), st.sampled_from([0.003, 0.2, 2.0])),
        there_s=delay,
        back_s=delay,
        is_answered=st.sampled_from([True, True, True, False]),
        cut_s=st.one_of(st.just(inf), st.just(inf), st.floats(0.0, 10.0)),
        timeout_s=st.sampled_from([0.05, 1.0, 10.0, 10.0, 25.0]),
        cancel_s=st.one_of(st.just(inf), st.just(inf), st.floats(0.0, 5.0)),
        is_pooled=st.booleans(),
    )
    return st.lists(fate, min_size=5, max_size=70)


WAYS = st.sampled_from([(0.0, 0.0), (0.001, 0.001), (0.1, 0.08), (0.0, 0.4), (0.4, 0.0)])
IN_FLIGHT = st.sampled_from([2, 6, 1000])


@both_kinds
@settings(max_examples=300, deadline=None)
@given(WAYS, IN_FLIGHT, fates(ANY))
def test_no_window_has_too_many_arrivals_whatever_the_network_does_and_nobody_waits_for_ever(
    kind: Any, ways: tuple[float, float], in_flight: int, requests: list[Fate]
) -> None:
    network = Network(table(in_flight), kind, *ways)
    network.know()
    network.play(requests)
    network.check_windows()
    network.check_books_balance()


@both_kinds
@settings(max_examples=150, deadline=None)
@given(WAYS, IN_FLIGHT, fates(STALLED))
def test_a_client_that_begins_in_a_stall_takes_it_for_nothing_usual(
    kind: Any, ways: tuple[float, float], in_flight: int, requests: list[Fate]
) -> None:
    network = Network(table(in_flight), kind, *ways)
    network.play(requests)
    network.check_windows()
    network.check_books_balance()


@both_kinds
def test_hundreds_of_stalled_requests_do_not_pass_for_the_usual(kind: Any) -> None:
    network = Network(table(1000), kind, 0.001, 0.001)
    network.know()
    network.play([Fate(0.0, there_s=3.0)] * 400 + [Fate(0.0)] * 20)
    network.check_windows()


@both_kinds
@pytest.mark.parametrize("is_known", [False, True])
def test_a_burst_in_one_stall_does_not_pass_for_the_usual(kind: Any, is_known: bool) -> None:
    """A hundred requests at once, the first of their route, meet an exchange that stands still for 0.45 s."""
    limits = Limits("test", (Limit("uid", 100, 1.0, "client", "test"),), max_in_flight=1000)
    network = Network(limits, kind, 0.001, 0.001)
    if is_known:
        for number in range(USUAL_CALLS):
            network.at(network.now + number, network.ask, Fate(0.0, route=0))
        network.run()
        network.now += 100.0
    network.play([Fate(0.0, there_s=0.45)] * 100 + [Fate(0.0)] * 100)
    network.check_windows()


@both_kinds
@pytest.mark.parametrize("ways", [(0.001, 0.001), (0.1, 0.08), (0.0, 0.4), (0.4, 0.0)])
def test_ordinary_round_trips_cost_no_throughput(kind: Any, ways: tuple[float, float]) -> None:
    """Arrivals are those of a network without delay, later by the way there."""

    def arrivals(there_s: float, back_s: float) -> list[float]:
        network = Network(table(1000), kind, there_s, back_s)
        network.know()
        began, known = network.now, len(network.arrivals)
        network.play([Fate(0.0)] * 45)
        return [at - began - there_s for at, _ in network.arrivals[known:]]

    assert arrivals(*ways) == pytest.approx(arrivals(0.0, 0.0), abs=1e-6)
