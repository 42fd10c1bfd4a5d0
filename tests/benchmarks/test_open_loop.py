"""Orders at a fixed rate, on a fake clock."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import order_client

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
