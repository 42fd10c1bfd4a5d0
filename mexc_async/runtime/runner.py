"""Runner of a program's coroutine: uses the fastest event loop, and turns SIGTERM and Ctrl-C into a cancellation.

Only this module touches signal handlers, the garbage collector and the CPUs of the process. It restores them at the
end.
"""

from __future__ import annotations

import asyncio
import gc as collector
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, Literal, TypeAlias, TypeVar

from mexc_async.errors import ConfigError

T = TypeVar("T")
Loop: TypeAlias = Literal["uvloop", "asyncio"]
Factory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
THRESHOLDS = (1_000, 1, 10_000)
"""Thresholds of the garbage collector. Young objects are collected often, in small amounts.

The longest pause was 9 ms with these in `python -m benchmarks loop`, 45 ms with (50_000, 20, 100), for the same CPU.
Old objects are hardly ever collected: one such collection would take longer than those pauses.
"""


def run(
    main: Coroutine[Any, Any, T],
    *,
    loop: Loop | None = None,
    spin: bool = False,
    pin_cpu: int | None = None,
    gc: Literal["freeze"] | None = "freeze",
) -> T:
    """Run a program and return what `main` returns: `mexc_async.run(main())`, in place of `asyncio.run`.

    The first SIGTERM or Ctrl-C cancels `main`, so that sessions cancel their orders and clients close. The process then
    ends with status 143 or 130 (SystemExit), unless `main` caught the cancellation and returned. A second Ctrl-C ends
    it at once and leaves everything as it is.

    Args:
        main: the coroutine.
        loop: `uvloop` or `asyncio`; uvloop where it is installed if not given.
        spin: never let the loop sleep. Answers and pushes arrive sooner, by the time of a wake-up from idle; the loop
            uses a whole CPU all the time.
        pin_cpu: run this thread on one CPU. Caches stay warm; that CPU should run no other busy process.
        gc: `freeze` shortens the pauses of the garbage collector. It excludes all objects that exist now from later
            collections, collects young objects often and old ones hardly ever. Old cyclic garbage then holds its
            memory until `gc.collect()` is called, at a quiet moment. None leaves the collector as it is.

    Raises ConfigError, and what `main` raises.
    """
    try:
        if not asyncio.iscoroutine(main):
            raise ConfigError(f"run takes a coroutine, as in run(main()), not {main!r}")
        _refuse_running_loop()
        with ExitStack() as undo:
            factory = loop_factory(loop)
            undo.enter_context(pinned(pin_cpu))
            undo.enter_context(collected(gc))
            return run_on(main, factory, spin)
    except ConfigError:
        if asyncio.iscoroutine(main):
            main.close()  # a coroutine that never ran would warn
        raise


def run_on(main: Coroutine[Any, Any, T], factory: Factory, spin: bool = False) -> T:
    """Run `main` on the loop that `factory` makes, as `run` does: SIGTERM and Ctrl-C cancel it."""
    was_reported = False

    async def supervised() -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None

        def end(number: int, frame: FrameType | None) -> None:
            nonlocal was_reported
            if not was_reported:
                was_reported = True
                task.cancel()
                loop.call_soon_threadsafe(lambda: None)  # wakes a loop that sleeps

        with _on_sigterm(end), _awake(loop, spin):
            return await main

    try:
        with asyncio.Runner(loop_factory=factory) as runner:  # cancels at the first Ctrl-C
            return runner.run(supervised())
    except asyncio.CancelledError as error:
        if not was_reported:
            raise
        _report(error)
        raise SystemExit(TERMINATED) from None
    except KeyboardInterrupt as interrupt:
        _report(interrupt.__context__)
        raise SystemExit(INTERRUPTED) from None


def _report(ended_by: BaseException | None) -> None:
    """Print the texts of a cancellation, such as orders that a session could not cancel: no traceback shows them."""
    if isinstance(ended_by, asyncio.CancelledError):
        for text in (*ended_by.args, *getattr(ended_by, "__notes__", ())):
            if text:
                sys.stderr.write(f"{text}\n")


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigError("run starts a loop of its own, and one is running already: await main() instead")


def loop_factory(loop: Loop | None) -> Factory:
    """Return the maker of such a loop, of the fastest one installed by default. Raises ConfigError."""
    if loop not in ("uvloop", "asyncio", None):
        raise ConfigError(f"loop {loop!r} is not one of 'uvloop', 'asyncio', None")
    if loop == "asyncio":
        return asyncio.new_event_loop
    try:
        from uvloop import new_event_loop
    except ImportError:
        if loop is None:
            return asyncio.new_event_loop
        raise ConfigError("loop 'uvloop' is not installed here") from None
    return new_event_loop


@contextmanager
def _on_sigterm(end: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _awake(loop: asyncio.AbstractEventLoop, spin: bool) -> Iterator[None]:
    """Always have a callback ready, so that the loop polls instead of sleeping."""
    if not spin:
        yield
        return
    handle = loop.call_soon(lambda: None)

    def again() -> None:
        nonlocal handle
        handle = loop.call_soon(again)

    again()
    try:
        yield
    finally:
        handle.cancel()


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Run this thread on one CPU, if one is given. Raises ConfigError."""
    if cpu is None:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise ConfigError("pin_cpu: this system does not let a process choose its CPU")
    before = os.sched_getaffinity(0)
    if type(cpu) is not int or cpu not in before:
        raise ConfigError(f"pin_cpu {cpu!r} is not one of this process's CPUs, {', '.join(map(str, sorted(before)))}")
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def collected(gc: Literal["freeze"] | None) -> Iterator[None]:
    """Shorten the pauses of the garbage collector as `run` describes. Raises ConfigError."""
    if gc not in ("freeze", None):
        raise ConfigError(f"gc {gc!r} is not one of 'freeze', None")
    if gc is None:
        yield
        return
    before, was_frozen = collector.get_threshold(), collector.get_freeze_count()
    collector.collect()
    collector.freeze()
    collector.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        collector.set_threshold(*before)
        if not was_frozen:
            collector.unfreeze()
