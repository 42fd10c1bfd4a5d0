"""Runner of a program in virtual time: it ends as under `mexc_async.run`, and its tasks end in order of creation."""

from __future__ import annotations

import asyncio
import gc as collector
import threading
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

from mexc_async.errors import ConfigError, VirtualTimeError
from mexc_async.runtime.program_lines import line_of_task
from mexc_async.runtime.real_world import refused_world, sealed, watchdog
from mexc_async.runtime.runner import run_on
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_world import virtual_world

T = TypeVar("T")
END_S = 60.0
"""Virtual seconds in which a task has to end once it is cancelled at the end of the run."""
_IS_HEARD = "_log_destroy_pending"
"""Attribute of a task: it complains if it is dropped before its end."""
_one_run = threading.Lock()
"""Held during a run: the time of Python's functions belongs to the process."""


def run_virtual(main: Coroutine[Any, Any, T], loop: VirtualLoop, *, watchdog_s: float | None = 60.0) -> T:
    """Run `main` on `loop` until it ends, close the loop, and return what `main` returns.

    The first SIGTERM or Ctrl-C cancels `main`, as in `mexc_async.run`: SystemExit 143 or 130 follows unless `main`
    caught the cancellation and returned.

    Args:
        main: the coroutine. Python's time and random functions give it the loop's time and the seed's randomness
            (`runtime/virtual_world.py` says which).
        loop: a new loop. It is closed at the end.
        watchdog_s: most real time in which `main` may keep the loop from turning, seconds; None sets no limit.

    Raises ConfigError inside another run or event loop, VirtualTimeError for what only real time allows (also if `main`
    catches it), and what `main` raises.
    """
    try:
        with ExitStack() as undo:
            _enter(undo, loop, watchdog_s)
            undo.callback(_drop_siblings, loop)
            result = run_on(_supervised(main, loop), lambda: loop)
        if loop.failure is not None:
            raise loop.failure
        return result
    except BaseException:
        main.close()
        if loop.failure is not None:
            raise loop.failure from None
        raise
    finally:
        loop.close()
        _abandon(loop)


def _enter(undo: ExitStack, loop: VirtualLoop, watchdog_s: float | None) -> None:
    """Set up the world of the run. Raises ConfigError."""
    if asyncio._get_running_loop() is not None or not _one_run.acquire(blocking=False):
        raise ConfigError("a run in virtual time needs the process for itself: start it outside event loops and runs")
    undo.callback(_one_run.release)
    undo.enter_context(virtual_world(loop))
    undo.enter_context(refused_world(loop))
    undo.enter_context(watchdog(loop, watchdog_s))


async def _supervised(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    own = asyncio.current_task()
    assert own is not None
    loop.supervise(own)
    try:
        return await main
    finally:
        await cancel_others(loop, own)


async def cancel_others(loop: VirtualLoop, own: asyncio.Task[Any]) -> None:
    """Cancel the tasks that are left, in order of creation, and wait for their end.

    Those that go on for END_S are closed, and the run fails with the line of the first.
    """
    while own.cancelling():  # a client's keeper waits for tasks that are cancelled
        own.uncancel()
    left = [task for task in loop.tasks() if task is not own]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=END_S)
    going_on = [task for task in left if not task.done()]
    if going_on and loop.failure is None:
        line = next(filter(None, map(line_of_task, going_on)), "a task")
        loop.failure = VirtualTimeError(
            f"{line} goes on {END_S:g} s after its cancellation: let asyncio.CancelledError end the task"
        )
    for task in going_on:
        _close(task)
        task.cancel()  # it cannot catch this one
    await asyncio.gather(*left, return_exceptions=True)


def _abandon(loop: VirtualLoop) -> None:
    """Drop the tasks that would not end, without a word: the failure of the run says why."""
    for task in loop.tasks():
        setattr(task, _IS_HEARD, False)
        _close(task)


def _close(task: asyncio.Task[Any]) -> None:
    """End the coroutine of a task, whatever it says to that."""
    with suppress(BaseException):
        work: Any = task.get_coro()
        work.close()


def _drop_siblings(loop: VirtualLoop) -> None:
    for each in loop.siblings:
        drop(each)


def drop(loop: VirtualLoop) -> None:
    """Drop all tasks of a sibling, and close it, without output and without an effect on files."""
    before = asyncio._get_running_loop()
    loop.kill()
    loop.set_exception_handler(lambda _, __: None)
    with sealed():
        asyncio._set_running_loop(loop)
        try:
            while any(getattr(task, _IS_HEARD) for task in loop.tasks()):  # a `finally` may start others
                _abandon(loop)
        finally:
            asyncio._set_running_loop(before)
        loop.close()
        collector.collect()
