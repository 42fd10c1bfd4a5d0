"""The compiled gate and bucket have the results of the pure ones in every sequence of events."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.limits.bucket import Bucket, PureBucket
from mexc_async.limits.gate import Duration, Gate, PureDuration, PureGate
from mexc_async.limits.profiles import Limits
from mexc_async.limits.queue import LimitQueue, Waiter
from mexc_async.native.loader import compiled
from tests.support.limit_tables import PAUSES, PICK, ROUTES, START, TABLES, limit, limits

KINDS: list[Any] = [(PureBucket, PureDuration, PureGate)] + [(Bucket, Duration, Gate)] * (compiled is not None)
both_kinds = pytest.mark.parametrize("kind", KINDS, ids=["pure", "compiled"][: len(KINDS)])
compared = pytest.mark.skipif(compiled is None, reason="the compiled core was not built, or is switched off")

SMALL = limits(limit("a", 3), limit("b", 2), limit("c", 1), margin_s=0.02)


class Player:
    """Limiter over one kind of gates, as the edge uses them; records all their visible state."""

    def __init__(self, table: Limits, kind: Any, clock: Callable[[], float] | None = None) -> None:
        bucket, duration, gate = kind
        self.now = START
        self.seen: list[Any] = []
        self.queue = LimitQueue(table, bucket)
        overall = duration()
        self.gates = [gate(route, self.queue, clock or (lambda: self.now), self, overall) for route in ROUTES]
        self.waiting: list[tuple[Waiter, Any]] = []
        self.live: list[tuple[Any, float, bool]] = []
        """(gate, time from which it counts, True if it was sent)."""

    async def wait(self, gate: PureGate, wait: float, now: float, max_wait_s: float | None) -> float:
        self.seen.append((gate.route, wait, now, max_wait_s))
        return now + 7.0

    def serve(self) -> None:
        gates = dict(self.waiting)
        for waiter in self.queue.serve(self.now):
            self.seen.append(("served", waiter.seq))
            self.waiting = [pair for pair in self.waiting if pair[0] is not waiter]
            gates[waiter].requests += 1
            self.live.append((gates[waiter], self.now, False))

    def ask(self, pick: int) -> None:
        gate = self.gates[pick % len(self.gates)]
        if gate.try_acquire(self.now):
            self.live.append((gate, self.now, False))
            return
        self.seen.append(self.queue.wait(gate.plan, self.now))
        assert self.seen[-1] > 0
        if pick % 3:
            waiter = self.queue.join(gate.plan, self.now)
            self.waiting.append((waiter, gate))
            if gate.plan.queue[0] is waiter:
                self.serve()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        if self.queue.wake_at <= self.now:
            self.serve()

    def wait_long(self, seconds: float) -> None:
        """Let time pass beyond the timer."""
        self.now += seconds

    def send(self, pick: int) -> None:
        gate, at, was_sent = self.live[pick % len(self.live)]
        if not was_sent:
            self.live[pick % len(self.live)] = (gate, gate.sent(at), True)

    def end(self, pick: int) -> None:
        gate, at, was_sent = self.live.pop(pick % len(self.live))
        self.seen.append(gate.release(at, pick % 4 > 0) if was_sent else gate.put_back())

    def leave(self, pick: int) -> None:
        waiter, _ = self.waiting.pop(pick % len(self.waiting))
        self.queue.leave(waiter)
        self.serve()

    def close(self, pick: int) -> None:
        self.queue.close([["a", "b", "c", "client"][pick % 4]], self.now + pick / 40)
        self.serve()

    def play(self, what: str, how: Any) -> Any:
        """Do an action if possible; return the visible state."""
        if (what not in ("send", "end") or self.live) and (what != "leave" or self.waiting):
            getattr(self, what)(how)
        for bucket in self.queue.buckets.values():
            bucket.settle(self.now)
            self.seen.append((bucket.used, bucket.claimed_by, bucket.closed_until, bucket.wait(1, self.now)))
        self.seen += [(gate.requests, gate.waited, gate.waited_s) for gate in self.gates]
        self.seen.append([(at, was_sent) for _, at, was_sent in self.live])
        self.seen += [self.queue.wake_at, self.queue.waiting, self.queue.clear_from]
        seen, self.seen = self.seen, []
        return seen


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "ask", "ask", "send", "send", "end", "end", "leave", "close"]), PICK),
        st.tuples(st.sampled_from(["advance", "wait_long"]), st.one_of(PAUSES, st.floats(1e-9, 0.2))),
    ),
    min_size=30,
    max_size=120,
)


@compared
@settings(max_examples=200, deadline=None)
@given(TABLES, STEPS)
def test_both_kinds_let_the_same_calls_through_at_the_same_moments(table: Limits, steps: list[tuple[str, Any]]) -> None:
    players = [Player(table, kind) for kind in KINDS]
    for what, how in steps:
        pure, other = (player.play(what, how) for player in players)
        assert pure == other, what


@compared
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([6, 6, 6, 6, 0]), st.floats(0.0, 0.25)), min_size=25, max_size=60))
def test_both_kinds_count_long_calls_from_the_same_moment(calls: list[tuple[int, float]]) -> None:
    """Of the first calls all of the time counts; later only the time beyond the usual."""
    players = [Player(SMALL, kind) for kind in KINDS]
    for which, took_s in calls:
        for what, how in (("ask", which), ("send", 0), ("wait_long", took_s), ("end", 0), ("wait_long", 3.0)):
            pure, other = (player.play(what, how) for player in players)
            assert pure == other, what


@compared
@settings(deadline=None)
@given(
    st.integers(1, 40),
    st.lists(
        st.tuples(
            st.sampled_from(["take", "take", "put_back", "settle", "end", "end"]), st.integers(1, 9), st.integers(0, 9)
        ),
        max_size=150,
    ),
    st.sampled_from([0.5, inf]),
)
def test_both_kinds_of_bucket_count_the_same_in_any_order_of_time(
    budget: int, steps: list[tuple[str, int, int]], period_s: float
) -> None:
    """Requests end in any order; `used` after `settle` shows the tokens in use."""
    pure, other = PureBucket("x", budget, period_s), Bucket("x", budget, period_s)
    outcomes: list[float] = []
    for number, (what, weight, jitter) in enumerate(steps):
        now = number * 0.01 + jitter * 0.125
        for bucket in (pure, other):
            if what == "settle":
                bucket.settle(now)
            elif what == "take":
                bucket.take(weight)
            elif what == "put_back" and bucket.held >= weight:
                bucket.put_back(weight)
            elif what == "end" and bucket.held >= weight:
                outcomes.append(bucket.end(weight, now))
        assert outcomes[::2] == outcomes[1::2]
        assert (pure.used, pure.held) == (other.used, other.held)
        for weight in range(1, min(budget, 9) + 1):
            at = pure.spent[0] - 1e-3 if pure.spent else now  # looking returns no tokens
            assert pure.wait(weight, at) == other.wait(weight, at)


@both_kinds
@pytest.mark.parametrize("margin_s", [0.0, 0.25])
def test_a_token_is_back_exactly_one_window_and_the_margin_later(kind: Any, margin_s: float) -> None:
    player = Player(limits(limit("a", 3), limit("b", 2), limit("c", 2), margin_s=margin_s), kind)
    gate = player.gates[6]
    assert [gate.try_acquire(START + later) for later in (0.0, 0.5, 0.5)] == [True, True, False]
    assert not gate.try_acquire(START + 100.0), "neither has ended"
    player.queue.end(gate.plan, START + 0.5)
    player.queue.end(gate.plan, START)
    assert not gate.try_acquire(START + 0.999 + margin_s)
    assert [gate.try_acquire(START + later + margin_s) for later in (1.0, 1.0, 1.5)] == [True, False, True]


@both_kinds
def test_half_of_the_margin_is_left_when_requests_were_late(kind: Any) -> None:
    player = Player(limits(limit("a", 3), limit("b", 2), limit("c", 2), margin_s=0.02), kind)
    gate = player.gates[6]

    def request(took_s: float) -> float:
        at = player.now
        assert gate.try_acquire(at)
        assert gate.sent(at) == at
        player.now += took_s
        gate.release(at)
        return at

    for _ in range(30):
        request(0.001)
        player.now += 2.0
    at = request(0.016)  # it may count 15 ms later than the requests before: within the margin
    player.now = at + 0.02
    request(0.001)
    assert not gate.try_acquire(at + 1.02 + 0.004)
    assert gate.try_acquire(at + 1.02 + 0.006)


@both_kinds
def test_the_end_of_a_request_lets_go_who_waits_for_its_connection(kind: Any) -> None:
    player = Player(limits(limit("a", 3), limit("b", 2), limit("c", 2), in_flight=1), kind)
    player.ask(4)
    player.ask(7)
    player.send(0)
    player.end(0)
    assert player.seen == [inf, ("served", 1), START]
    assert [gate.requests for gate in player.gates[4:8:3]] == [1, 1]


@both_kinds
def test_freeing_more_than_was_taken_is_refused(kind: Any) -> None:
    bucket = kind[0]("connections", 5, inf)
    for back, arguments in ((bucket.put_back, (1,)), (bucket.end, (1, START))):
        with pytest.raises(ValueError, match="more of limit connections comes back than was taken"):
            back(*arguments)


@both_kinds
def test_a_clock_that_fails_is_heard(kind: Any) -> None:
    def clock() -> float:
        raise RuntimeError("no time")

    gate = Player(SMALL, kind, clock).gates[0]
    for read in (gate.sent, gate.release):
        with pytest.raises(RuntimeError, match="no time"):
            read(START)


@both_kinds
def test_the_monotonic_clock_is_read_as_it_is(kind: Any) -> None:
    """Compiled code reads the clock in C: the same seconds, to the bit."""
    player = Player(SMALL, kind, time.monotonic)
    gate = player.gates[0]
    before = time.monotonic()
    assert gate.try_acquire(before)
    at = gate.sent(before - 1.0)
    assert before <= at <= time.monotonic()
    assert at <= gate.release(at) <= time.monotonic()
    assert (at * 1e9).is_integer() or abs(at * 1e9 - round(at * 1e9)) < 0.5


def outcome(work: Coroutine[Any, Any, float]) -> float:
    """Run a coroutine that does not suspend; return its result."""
    with pytest.raises(StopIteration) as done:
        work.send(None)
    return float(done.value.value)


@both_kinds
def test_awaiting_room_that_is_there_suspends_nobody_and_else_asks_who_keeps_the_limits(kind: Any) -> None:
    player = Player(SMALL, kind)
    gate = player.gates[6]  # its limit is one
    assert outcome(gate.acquire()) == START
    assert (gate.requests, player.seen) == (1, [])
    assert outcome(gate.acquire(2.5)) == START + 7.0
    assert (gate.requests, player.seen) == (2, [(gate.route, inf, START, 2.5)])
    gate.release(START)
    assert outcome(gate.acquire(2.5)) == START + 7.0
    assert player.seen[1:] == [(gate.route, pytest.approx(1.02), START, 2.5)]


@both_kinds
def test_a_gate_that_nobody_uses_any_more_is_collected(kind: Any) -> None:
    player = Player(SMALL, kind)
    known = weakref.ref(player)  # in a circle with its gates, so that both are collected or neither
    del player
    gc.collect()
    assert known() is None
