"""Orders at a fixed rate, on a fake clock."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import order_client, tails_client

MS = 1_000_000


class Clock:
    """A clock in nanoseconds that advances by a thousand per read."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1000
        return self.now


class Stalling:
    """A subject that answers at once, except one order that blocks for 50 ms."""

    def __init__(self, clock: Clock, stalls_at: int) -> None:
        self.clock = clock
        self.stalls_at = stalls_at
        self.sent: list[tuple[int, int]] = []

    async def open(self, port: int, connections: int) -> None:
        """Do nothing: there is no connection."""

    async def order(self, index: int) -> object:
        self.sent.append((index, self.clock.now))
        if index == self.stalls_at:
            self.clock.now += 50 * MS
        return index

    async def close(self) -> None:
        """Do nothing, as `open` does."""


def paced(monkeypatch: pytest.MonkeyPatch, stalls_at: int) -> tuple[Stalling, dict[str, float]]:
    clock = Clock()
    monkeypatch.setattr(order_client, "perf_counter_ns", clock)
    subject = Stalling(clock, stalls_at)
    return subject, asyncio.run(order_client._at_a_pace(subject, orders=100, in_flight=50, rate=1000))


def test_orders_go_out_when_they_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, sample = paced(monkeypatch, stalls_at=-1)
    assert [index for index, _ in subject.sent] == list(range(100))
    assert all(0 <= at - index * MS < MS for index, at in subject.sent)
    assert sample["p999_us"] < 100


def test_a_stall_is_late_for_every_order_that_it_delayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of all orders waited: the stalled one and the 49 due meanwhile, for 50, 49, ... 1 ms."""
    _, sample = paced(monkeypatch, stalls_at=20)
    assert sample["p50_us"] < 1500
    assert sample["p99_us"] == pytest.approx(49_000, rel=0.05)
    assert sample["p999_us"] == pytest.approx(50_000, rel=0.05)


# --- pauses by cause ---


class Clocks:
    """Wall and CPU time of a process, advanced by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.cpu = 1
        monkeypatch.setattr(tails_client, "thread_time_ns", lambda: self.cpu)

    def work(self, ms: float) -> None:
        self.wall += int(ms * MS)
        self.cpu += int(ms * MS)

    def wait(self, ms: float) -> None:
        self.wall += int(ms * MS)


def test_a_long_turn_counts_under_what_took_most_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks, pauses = Clocks(monkeypatch), tails_client.Pauses()
    clean_up = pauses.timed("housekeeping", lambda: clocks.work(3))
    timer = pauses.timed("timers", lambda: clocks.work(0.6))

    def collect() -> None:
        pauses.on_collect("start", {})
        clocks.work(2)
        pauses.on_collect("stop", {})

    pauses.turn(clocks.wall)
    for during in (lambda: clocks.work(0.9), clean_up, timer, collect, lambda: clocks.wait(5), lambda: clocks.work(4)):
        during()
        pauses.turn(clocks.wall)
    assert pauses.count == {"preempted": 1, "collector": 1, "housekeeping": 1, "timers": 0, "work": 1}
    longest_ms = {cause: took / MS for cause, took in pauses.longest_ns.items()}
    assert longest_ms == {"preempted": 5, "collector": 2, "housekeeping": 3, "timers": 0.6, "work": 4}


def test_orders_that_waited_for_the_cpu_are_left_out() -> None:
    lost = [tails_client.Span(100, 110)]
    orders = [(90, 5), (95, 20), (105, 8), (115, 2), (125, 3)]
    assert tails_client.undisturbed(orders, lost) == [(90, 5), (125, 3)]
