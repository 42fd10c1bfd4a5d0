"""The owner of background tasks: no task outlives it, and no caller is cancelled by it."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import pytest

from mexc_async.errors import ClientClosed
from mexc_async.runtime.tasks import Tasks


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_closing_cancels_what_runs_and_waits_for_its_end() -> None:
    tasks, ended = Tasks(), []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    for name in "ab":
        tasks.spawn(work(name))
    await settle()
    await asyncio.gather(tasks.aclose(), tasks.aclose())
    assert sorted(ended) == ["a", "b"]
    await tasks.aclose()


async def test_closing_ends_a_task_in_which_a_timeout_strikes_at_the_same_moment() -> None:
    tasks, limits = Tasks(), list[asyncio.Timeout]()

    async def work() -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as limit:
                    limits.append(limit)
                    await asyncio.Event().wait()

    tasks.spawn(work())
    await settle()
    limits[0].reschedule(0)
    await asyncio.sleep(0)  # the timeout has cancelled its block, which has not run since
    async with asyncio.timeout(1):
        await tasks.aclose()
    assert len(limits) == 1


async def test_a_task_that_was_cancelled_by_its_owner_ends_undisturbed() -> None:
    tasks, ended = Tasks(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)

    task = tasks.spawn(work())
    await settle()
    tasks.cancel(task)
    await settle()
    tasks.cancel(task)
    await tasks.aclose()
    assert ended


async def test_what_was_begun_goes_on_whoever_loses_interest_and_tells_its_outcome() -> None:
    tasks, may_end, ended = Tasks(), asyncio.Event(), []

    async def work(result: int) -> int:
        await may_end.wait()
        ended.append(result)
        return 10 // result

    given_up, fine, failing = (tasks.begin(work(number)) for number in (1, 2, 0))
    await settle()
    given_up.cancel()
    may_end.set()
    assert await fine == 5
    with pytest.raises(ZeroDivisionError):
        await failing
    assert ended == [1, 2, 0]
    never = tasks.begin(asyncio.sleep(3600))
    await tasks.aclose()
    too_late = tasks.begin(asyncio.sleep(3600))
    for outcome in (never, too_late):
        with pytest.raises(ClientClosed):
            await outcome


async def test_nothing_starts_after_the_close() -> None:
    tasks = Tasks()
    await tasks.aclose()

    async def work() -> None:
        raise AssertionError

    with pytest.raises(ClientClosed):
        tasks.spawn(work())
    with pytest.raises(ClientClosed):
        await tasks.shared("key", work)


async def test_a_task_may_close_its_own_owner() -> None:
    tasks = Tasks()
    task = tasks.spawn(tasks.aclose())
    async with asyncio.timeout(1):
        await task


async def test_a_failure_that_nobody_awaits_is_no_warning() -> None:
    tasks = Tasks()

    async def fail() -> None:
        raise ZeroDivisionError

    tasks.spawn(fail())
    await settle()
    gc.collect()
    await tasks.aclose()


async def test_one_task_serves_all_who_ask_for_the_same() -> None:
    tasks, started = Tasks(), 0

    async def work() -> int:
        nonlocal started
        started += 1
        await asyncio.sleep(0)
        return started

    assert await asyncio.gather(*(tasks.shared("key", work) for _ in range(5))) == [1] * 5
    assert await tasks.shared("key", work) == 2
    assert tuple(await asyncio.gather(tasks.shared("a", work), tasks.shared("b", work))) == (4, 4)


async def test_its_failure_reaches_all_and_the_next_one_starts_anew() -> None:
    tasks, started = Tasks(), 0

    async def work() -> None:
        nonlocal started
        started += 1
        await asyncio.sleep(0)
        raise ZeroDivisionError

    results = await asyncio.gather(*(tasks.shared("key", work) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError] * 3
    with pytest.raises(ZeroDivisionError):
        await tasks.shared("key", work)
    assert started == 2


async def test_a_later_task_under_the_same_key_is_shared_though_an_earlier_one_still_ends() -> None:
    tasks, started = Tasks(), 0
    may_end = asyncio.Event()

    async def work() -> int:
        nonlocal started
        started += 1
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # it takes its time to end
            raise
        return started

    first = asyncio.create_task(tasks.shared("key", work))
    await settle()
    first.cancel()
    await asyncio.sleep(0)
    second = asyncio.create_task(tasks.shared("key", work))
    await settle()
    third = asyncio.create_task(tasks.shared("key", work))
    await settle()
    may_end.set()
    assert tuple(await asyncio.gather(second, third)) == (2, 2)
    assert started == 2
    assert not tasks._shared
    assert first.cancelled()


async def test_a_caller_is_not_cancelled_by_the_close() -> None:
    tasks = Tasks()

    async def work() -> None:
        await asyncio.Event().wait()

    caller = asyncio.create_task(tasks.shared("key", work))
    await settle()
    await tasks.aclose()
    with pytest.raises(ClientClosed):
        await caller
    assert not caller.cancelled()
