"""Times of the simulator's steps: on a grid in real time, at the next event in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import ceil, inf

from mexc_async.runtime.clock import Clock

log = logging.getLogger("mexc_async.sim")


class Steps:
    """Timer of the steps that the simulator makes without a request."""

    def __init__(
        self, clock: Clock, step: Callable[[int], None], *, width_ms: Callable[[], int], due_ms: Callable[[], float]
    ) -> None:
        """Call `step(now_ms)` at every multiple of `width_ms()`; where that is 0, when something is due.

        `due_ms()` is the time of the next event, infinity without one. What is due already waits for the next
        millisecond: of two requests in one millisecond, neither sees a step between them.
        """
        self._clock = clock
        self._step = step
        self._width_ms = width_ms
        self._due_ms = due_ms
        self._timer: asyncio.TimerHandle | None = None
        self._at_ms = -inf
        """Time of the planned step; infinity where nothing is due, minus infinity before `start` and after `stop`."""

    def start(self) -> None:
        """Make a step, and more until `stop`."""
        self._at_ms = -inf
        try:
            self._step(self._clock.wall_ms())
        except Exception:
            log.exception("a step of the background market failed; the market continues")
        now_ns = self._clock.wall_ns()
        self._plan(self._next_ms(now_ns // 1_000_000), now_ns)

    def stop(self) -> None:
        """Make no more steps."""
        if self._timer is not None:
            self._timer.cancel()
        self._at_ms = -inf

    def hasten(self) -> None:
        """Bring the next step forward if a change has made something due earlier."""
        if self._at_ms == -inf:
            return
        now_ns = self._clock.wall_ns()
        at_ms = self._next_ms(now_ns // 1_000_000)
        if at_ms < self._at_ms:
            if self._timer is not None:
                self._timer.cancel()
            self._plan(at_ms, now_ns)

    def plan(self) -> None:
        """Plan the next step again, after a jump of the clock."""
        if self._at_ms == -inf:
            return
        if self._timer is not None:
            self._timer.cancel()
        now_ns = self._clock.wall_ns()
        self._plan(self._next_ms(now_ns // 1_000_000), now_ns)

    def _next_ms(self, now_ms: int) -> float:
        width_ms = self._width_ms()
        if width_ms:
            return (now_ms // width_ms + 1) * width_ms
        due_ms = self._due_ms()
        if due_ms == inf:
            return due_ms
        return ceil(due_ms) if due_ms > now_ms else now_ms + 1

    def _plan(self, at_ms: float, now_ns: int) -> None:
        self._at_ms = at_ms
        self._timer = None
        if at_ms != inf:
            delay_s = (at_ms * 1_000_000 - now_ns) / 1e9
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.start)
