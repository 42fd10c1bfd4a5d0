"""The client's process in a seed: faults kill and freeze it, a supervisor starts it again, or a guard cleans up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from mexc_async.backtest.rehearsal.guard import leave_none
from mexc_async.backtest.rehearsal.life import Life, Surroundings, described
from mexc_async.backtest.rehearsal.outcome import Breach
from mexc_async.backtest.rehearsal.plan import Plan
from mexc_async.call_log.log import abandon
from mexc_async.errors import MexcError
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_process import ProcessKilled, VirtualProcess

LEAST_RUN_S = 5.0
"""Virtual time for which a strategy runs after a restart before it is cancelled, seconds."""
RETRY_S = 1.0
"""Virtual time after which a process starts again that could not open its client, seconds."""
GUARDED = 0.3
"""Share of the seeds in which a killed client does not start again: a guard cancels its orders."""


class Trader:
    """One client over all its processes, of which one lives at a time."""

    def __init__(
        self, plan: Plan, around: Surroundings, loop: VirtualLoop, seed: int, on_process: Callable[[str], None]
    ) -> None:
        """`on_process` hears of starts, kills and stops."""
        self._plan = plan
        self._around = around
        self._loop = loop
        self._seed = seed
        self._on_process = on_process
        self._is_guarded = Random(f"{seed}:guard").random() < GUARDED
        self._processes: list[VirtualProcess[None]] = []
        self._down_s = 0.0
        self._is_stopping = self._is_abandoned = False
        self.life: Life | None = None
        """The present life, or the last one."""
        self.breaches: list[Breach] = []

    @property
    def has_ended(self) -> bool:
        """True once the strategy has ended, or was killed for good."""
        return self.life is not None and self.life.has_ended

    async def run(self) -> None:
        """Start the process, and again after each kill, until it ends by itself or a guard has cleaned up."""
        while True:
            if await self._lived() or self._is_abandoned:
                return
            if self._is_guarded and self.life is not None:
                self.life.ended = "killed"
                self._on_process("stays down, and a guard cancels its orders")
                await self._guarded()
                return
            await asyncio.sleep(self._down_s)

    async def _lived(self) -> bool:
        """Run one process; return False if it was killed, or could not begin after a kill."""
        is_restart = bool(self._processes)
        self._on_process("starts again, and restores its orders" if is_restart else "starts")
        process = self._process(lambda: life.run(), lambda: abandon(life.log))
        self.life = life = Life(self._plan, self._around, process.loop.clock, is_restart=is_restart)
        process.start()
        if self._is_stopping:
            self._loop.call_later(LEAST_RUN_S, life.stop)
        error = await _end_of(process)
        if isinstance(error, MexcError) and is_restart and life.work is None:
            self._down_s = RETRY_S  # as a supervisor does
            return False
        if error is not None and not isinstance(error, ProcessKilled):
            self.breaches.append(Breach("raised", described(error)))
        if left := process.left():
            self.breaches.append(Breach("left", f"{len(left)} tasks go on at the end: {', '.join(left[:3])}"))
        return not isinstance(error, ProcessKilled)

    async def _guarded(self) -> None:
        """Let a guard cancel the orders of the process that was killed."""
        process = self._process(lambda: leave_none(self._plan, self._around, process.loop.clock), lambda: None)
        process.start()
        if (error := await _end_of(process)) is not None and not isinstance(error, ProcessKilled):
            self.breaches.append(Breach("raised", f"the guard: {described(error)}"))

    def _process(
        self, main: Callable[[], Coroutine[Any, Any, None]], close: Callable[[], None]
    ) -> VirtualProcess[None]:
        """Make a process; `close` closes its files at its end, whatever the end is."""

        def release(loop: VirtualLoop) -> None:
            self._around.join.drop(loop)
            close()

        process = VirtualProcess(self._loop, main, self._seed + len(self._processes), release)
        process.loop.set_exception_handler(self._loop.get_exception_handler())
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """Cancel the strategy, as by Ctrl-C; one that is not running now runs for a while before."""
        self._is_stopping = True
        if self._can_suffer and self.life is not None:
            self.life.stop()

    def kill(self, down_ms: int) -> None:
        """Kill the process while its strategy runs; it starts again after `down_ms`, or a guard cleans up."""
        if self._can_suffer:
            self._down_s = down_ms / 1000
            self._on_process("is killed")
            self._processes[-1].kill()

    def freeze(self, ms: int) -> None:
        """Let the process stand still while its strategy runs."""
        if self._can_suffer:
            self._on_process(f"stands still for {ms:,} ms")
            self._processes[-1].freeze(ms / 1000)

    @property
    def _can_suffer(self) -> bool:
        return bool(self._processes) and self._processes[-1].is_alive and not self.has_ended

    def abandon(self) -> None:
        """Kill a process that does not end, for good."""
        self._is_abandoned = True
        if self._processes:
            self._processes[-1].kill()

    def bury(self) -> None:
        """Drop what the killed processes have in memory."""
        for process in self._processes:
            if not process.ended.cancelled() and isinstance(process.ended.exception(), ProcessKilled):
                process.bury()


async def _end_of(process: VirtualProcess[None]) -> BaseException | None:
    """Wait for the end of a process and return its error; None if it returned or was cancelled."""
    await asyncio.wait({process.ended})
    return None if process.ended.cancelled() else process.ended.exception()
