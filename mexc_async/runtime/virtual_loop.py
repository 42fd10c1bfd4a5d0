"""Event loop of virtual time: when nothing is ready, its clock jumps to the next timer.

Time moves in whole microseconds. Timers of the same microsecond run in the order in which they were set, and tasks
hash by their number, so that the order of a set of tasks repeats itself in every run.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from heapq import heapify, heappop, heappush
from itertools import count
from math import ceil
from random import Random
from typing import Any, TypeAlias, TypeVar, TypeVarTuple

from mexc_async.runtime.clock import Clock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Work: TypeAlias = Generator[Any, None, T] | Coroutine[Any, Any, T]

ORIGIN_US = 100_000 * 1_000_000
"""Monotonic time at the start, microseconds: not near zero, which some programs take for "never"."""
NEVER_US = 10**18
DUST_US = 0.05
"""A timer this little after a microsecond is due at it: the rest of a sum of floats."""
MOST_TURNS = 1_000_000
"""Most turns of the loop at one instant."""


class VirtualTask(asyncio.Task[T]):
    """Task that hashes by its number, so that sets of tasks iterate alike in every run."""

    def __init__(self, work: Work[T], *, number: int, loop: asyncio.AbstractEventLoop, **how: Any) -> None:
        self.number = number
        """Position in the order of creation."""
        super().__init__(work, loop=loop, **how)

    def __hash__(self) -> int:
        return self.number


class VirtualTimer(asyncio.TimerHandle):
    """Timer of a loop of virtual time."""

    _scheduled: bool
    _cancelled: bool


class VirtualLoop(asyncio.BaseEventLoop):
    """Event loop whose clock jumps to the next timer when nothing is ready; it has no file descriptor and no thread.

    Args:
        start_ms: wall time at the start, milliseconds since 1970, UTC.
        seed: seed of the random numbers of `clock`.
    """

    _ready: deque[asyncio.Handle]
    _stopping: bool
    _thread_id: int | None
    _check_closed: Callable[[], None]

    def __init__(self, start_ms: int, seed: int) -> None:
        super().__init__()
        self._now_us = ORIGIN_US
        self._now = ORIGIN_US / 1e6
        self._wall_offset_us = start_ms * 1000 - ORIGIN_US
        self._timers: list[tuple[int, int, VirtualTimer]] = []
        self._timers_cancelled = 0
        self._turns = 0
        self._next_timer = count().__next__
        self._next_task = count(1).__next__
        self.seed = seed
        self.clock = Clock(monotonic=self.time, wall_ns=self._wall_ns, random=Random(seed))  # noqa: S311 - repeats itself
        """Virtual time and seeded random numbers, for a client and a simulator on this loop."""
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Return virtual monotonic time, seconds."""
        return self._now

    def _wall_ns(self) -> int:
        return (self._now_us + self._wall_offset_us) * 1000

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> VirtualTimer:
        """Call `callback` after `delay` seconds: at least a microsecond later if `delay` is positive."""
        if delay <= 0:
            return self._set_timer(self._now_us, callback, args, context)
        after_us = delay * 1e6 - DUST_US
        due_us = self._now_us + max(1, ceil(after_us)) if after_us < NEVER_US else NEVER_US
        return self._set_timer(due_us, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> VirtualTimer:
        """Call `callback` at `when`, in seconds of `time()`: at least a microsecond from now if `when` is later."""
        if when <= self._now:
            return self._set_timer(self._now_us, callback, args, context)
        at_us = when * 1e6 - DUST_US
        due_us = max(self._now_us + 1, ceil(at_us)) if at_us < NEVER_US else NEVER_US
        return self._set_timer(due_us, callback, args, context)

    def _set_timer(
        self, due_us: int, callback: Callable[[*Ts], object], args: tuple[*Ts], context: Context | None
    ) -> VirtualTimer:
        self._check_closed()
        timer = VirtualTimer(due_us / 1e6, callback, args, self, context)
        heappush(self._timers, (due_us, self._next_timer(), timer))
        timer._scheduled = True
        return timer

    def _timer_handle_cancelled(self, handle: VirtualTimer) -> None:
        """Count the cancelled timers; drop them once they are the most."""
        if not handle._scheduled:
            return
        self._timers_cancelled += 1
        if self._timers_cancelled > 100 and self._timers_cancelled * 2 > len(self._timers):
            # The timer that is being cancelled does not say so yet.
            self._timers = [entry for entry in self._timers if not (entry[2] is handle or entry[2].cancelled())]
            heapify(self._timers)
            self._timers_cancelled = 0
            handle._scheduled = False

    def _run_once(self) -> None:
        """Run what is ready, else jump to the next timer and run what is due then."""
        ready = self._ready
        if ready or self._stopping:
            self._turns += 1
            if self._turns > MOST_TURNS:
                raise RuntimeError("endless")
        else:
            self._jump()
        timers, now_us = self._timers, self._now_us
        while timers and timers[0][0] <= now_us:
            timer = heappop(timers)[2]
            timer._scheduled = False
            if timer._cancelled:
                self._timers_cancelled -= 1
            else:
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _jump(self) -> None:
        """Set the clock to the next timer."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)[2]._scheduled = False
            self._timers_cancelled -= 1
        if not timers or timers[0][0] >= NEVER_US:
            raise RuntimeError("nothing is ready and no timer is set")
        due_us = timers[0][0]
        if due_us > self._now_us:
            self._now_us = due_us
            self._now = due_us / 1e6
            self._turns = 0

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Work[T], **how: Any) -> VirtualTask[T]:
        return VirtualTask(work, number=self._next_task(), loop=loop, **how)

    def _process_events(self, event_list: list[object]) -> None:
        """Do nothing: there is no file descriptor."""

    def _write_to_self(self) -> None:
        """Do nothing in the loop's own thread, which never sleeps."""
        if self._thread_id not in (None, threading.get_ident()):
            raise RuntimeError("another thread")

    def close(self) -> None:
        """Close the loop; drop its timers."""
        super().close()
        self._timers.clear()
