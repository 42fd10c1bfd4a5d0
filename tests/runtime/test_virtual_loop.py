"""The loop of virtual time: its clock, the order of its timers and of its tasks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual

T = TypeVar("T")
START_MS = 1_700_000_000_000


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], seed: int = 7) -> T:
    loop = VirtualLoop(START_MS, seed)
    return run_virtual(main(loop), loop)


def test_clock_jumps_to_the_next_timer() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, float]:
        before = loop.time()
        await asyncio.sleep(86_400)
        return loop.clock.wall_ms(), loop.time() - before

    assert run(main) == (START_MS + 86_400_000, 86_400)


@pytest.mark.parametrize("lead_s", [0.0, 0.0000004, 0.1, 1 / 3, 3_000_000.1])
def test_timer_for_a_millisecond_does_not_wake_before_it(lead_s: float) -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        await asyncio.sleep(lead_s)
        late = []
        for _ in range(1000):
            due_ms = loop.clock.wall_ms() + 1
            await asyncio.sleep((due_ms * 1_000_000 - loop.clock.wall_ns()) / 1e9)
            late.append(loop.clock.wall_ns() - due_ms * 1_000_000)
        return late

    assert set(run(main)) == {0}


def test_timers_of_one_instant_run_in_the_order_in_which_they_were_set() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        ran: list[int] = []
        due = loop.time() + 0.3
        loop.call_at(due, ran.append, 0)
        loop.call_later(0.1 + 0.2, ran.append, 1)  # 0.30000000000000004
        loop.call_later(0.2, loop.call_later, 0.1, ran.append, 3)
        loop.call_at(due, ran.append, 2)
        for number in range(4, 50):
            loop.call_later(0.3 if number % 2 else 0.25, ran.append, number)
        await asyncio.sleep(1)
        return ran

    early = list(range(4, 50, 2))
    assert run(main) == [*early, 0, 1, 2, *range(5, 50, 2), 3]


@pytest.mark.parametrize("delay_s", [1e-30, 1e-9, 4e-7])
def test_any_wait_moves_time(delay_s: float) -> None:
    """A limiter that asks for a wait of almost nothing must not ask for ever."""

    async def main(loop: VirtualLoop) -> int:
        await asyncio.sleep(delay_s)
        await asyncio.get_running_loop().create_task(asyncio.sleep(delay_s))
        return loop.clock.wall_ns() - START_MS * 1_000_000

    assert run(main) == 2000


def test_cancelled_timers_do_not_run_and_are_dropped() -> None:
    async def main(loop: VirtualLoop) -> tuple[list[int], int, int]:
        ran: list[int] = []
        timers = [loop.call_later(number, ran.append, number) for number in range(1, 1001)]
        for timer in timers[:-3]:
            timer.cancel()
            timer.cancel()
        left = len(loop._line.timers)
        await asyncio.sleep(2000)
        return ran, left, loop._line.cancelled

    ran, left, cancelled = run(main)
    assert ran == [998, 999, 1000]
    assert left < 250
    assert cancelled == 0


def test_timeouts_and_waits_follow_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        before = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(math.inf)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 10)
        return loop.time() - before

    assert run(main) == 15


def test_sets_of_tasks_iterate_in_the_same_order_in_every_run() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        async def after(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return seconds

        done, _ = await asyncio.wait([loop.create_task(after(number % 7)) for number in range(500)])
        return [task.result() for task in done]

    kept = [object() for _ in range(1000)]  # other addresses in the second run
    first = run(main)
    del kept
    assert run(main) == first


def test_tasks_that_are_left_are_cancelled_in_order_of_creation() -> None:
    ended: list[int] = []

    async def main(loop: VirtualLoop) -> None:
        async def wait(number: int) -> None:
            try:
                await loop.create_future()
            finally:
                await asyncio.sleep(1)
                ended.append(number)

        kept = [loop.create_task(wait(number)) for number in range(50)]
        await asyncio.sleep(0)
        assert len(kept) == 50

    run(main)
    assert ended == list(range(50))


def test_clock_draws_what_the_seed_says() -> None:
    async def main(loop: VirtualLoop) -> str:
        return loop.clock.token(9)

    assert run(main, seed=1) == run(main, seed=1)
    assert run(main, seed=1) != run(main, seed=2)


def test_result_and_error_of_main_pass() -> None:
    async def fails(loop: VirtualLoop) -> None:
        await asyncio.sleep(1)
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        run(fails)
