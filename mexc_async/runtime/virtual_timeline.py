"""Time of a run in virtual time, and what is due in it: one order over all event loops of the run."""

from __future__ import annotations

import asyncio
from collections import deque
from heapq import heapify, heappop
from itertools import count

from mexc_async.errors import VirtualTimeError

ORIGIN_US = 100_000 * 1_000_000
"""Monotonic time at the start, microseconds: not near zero, which some programs take for "never"."""
NEVER_US = 10**18


class VirtualTimer(asyncio.TimerHandle):
    """Timer of a loop of virtual time."""

    __slots__ = ()
    _loop: asyncio.AbstractEventLoop
    _scheduled: bool
    _cancelled: bool


class Timeline:
    """Clock that jumps, the timers in it, and the callbacks that are ready, of all loops of a run."""

    __slots__ = ("_wall_offset_us", "cancelled", "failure", "next_number", "next_timer", "now", "now_us", "ready",
                 "timers", "turns")  # fmt: skip

    def __init__(self, start_ms: int) -> None:
        self.now_us = ORIGIN_US
        """Monotonic time, microseconds."""
        self.now = ORIGIN_US / 1e6
        """The same in seconds."""
        self._wall_offset_us = start_ms * 1000 - ORIGIN_US
        self.ready: deque[asyncio.Handle] = deque()
        """Callbacks of the next turn, in the order in which they run, whatever their loop."""
        self.timers: list[tuple[int, int, VirtualTimer]] = []
        """Heap of due times, in microseconds, numbers and timers; some are cancelled."""
        self.cancelled = 0
        """Number of those."""
        self.turns = 0
        """Turns at this instant; after a failure, turns since it."""
        self.failure: VirtualTimeError | None = None
        """The first refusal."""
        self.next_timer = count().__next__
        """Return the next number of a timer: those of one microsecond run in the order in which they were set."""
        self.next_number = count(1).__next__
        """Return the next number of a task or future."""

    def time(self) -> float:
        """Return monotonic time, seconds."""
        return self.now

    def wall_ns(self) -> int:
        """Return wall time, nanoseconds since 1970, UTC."""
        return (self.now_us + self._wall_offset_us) * 1000

    def jump(self) -> bool:
        """Set the clock to the next timer. Returns False without one."""
        timers = self.timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)[2]._scheduled = False
            self.cancelled -= 1
        if not timers or timers[0][0] >= NEVER_US:
            return False
        due_us = timers[0][0]
        if due_us > self.now_us:
            self.now_us = due_us
            self.now = due_us / 1e6
            if self.failure is None:
                self.turns = 0
        return True

    def drop_cancelled(self, latest: VirtualTimer) -> None:
        """Drop the cancelled timers, and the one that is being cancelled, which does not say so yet."""
        self.timers[:] = [entry for entry in self.timers if not (entry[2] is latest or entry[2]._cancelled)]
        heapify(self.timers)
        self.cancelled = 0
        latest._scheduled = False

    def take_timers(self, loop: asyncio.AbstractEventLoop) -> list[VirtualTimer]:
        """Remove the timers of a loop, and return them in the order in which they would have run."""
        taken = sorted(entry for entry in self.timers if entry[2]._loop is loop)
        self.timers[:] = [entry for entry in self.timers if entry[2]._loop is not loop]
        heapify(self.timers)
        self.cancelled -= sum(timer._cancelled for _, _, timer in taken)
        for _, _, timer in taken:
            timer._scheduled = False
        return [timer for _, _, timer in taken]
