"""The client's process in a seed: it is killed and frozen by faults, and started again by a supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mexc_async.backtest.memory import MemoryJoin
from mexc_async.backtest.rehearsal.life import Life, described
from mexc_async.backtest.rehearsal.outcome import Breach
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_process import ProcessKilled, VirtualProcess

LEAST_RUN_S = 5.0
"""Virtual time for which a strategy runs after a restart before it is cancelled, seconds."""


class Trader:
    """One client over all its processes, of which one lives at a time."""

    def __init__(
        self,
        loop: VirtualLoop,
        join: MemoryJoin,
        seed: int,
        make_life: Callable[[bool], Life],
        on_process: Callable[[str], None],
    ) -> None:
        """`make_life` returns a life, after a kill if its argument is True; `on_process` hears of starts and kills."""
        self._loop = loop
        self._join = join
        self._seed = seed
        self._make_life = make_life
        self._on_process = on_process
        self._processes: list[VirtualProcess[None]] = []
        self._down_s = 0.0
        self._is_stopping = False
        self._is_abandoned = False
        self.life: Life | None = None
        """The present life, or the last one."""
        self.breaches: list[Breach] = []

    async def run(self) -> None:
        """Start the process, and again after each kill, until it ends by itself."""
        while True:
            if await self._lived():
                return
            await asyncio.sleep(self._down_s)

    async def _lived(self) -> bool:
        """Run one process; return False if it was killed."""
        number = len(self._processes)
        self.life = life = self._make_life(number > 0)
        process = VirtualProcess(self._loop, life.run, self._seed + number, self._join.drop)
        process.loop.set_exception_handler(self._loop.get_exception_handler())
        self._processes.append(process)
        self._on_process("starts" if number == 0 else "starts again, and restores its orders")
        process.start()
        if self._is_stopping:
            self._loop.call_later(LEAST_RUN_S, life.stop)
        await asyncio.wait({process.ended})
        error = None if process.ended.cancelled() else process.ended.exception()
        if isinstance(error, ProcessKilled):
            return self._is_abandoned
        if error is not None:
            self.breaches.append(Breach("raised", described(error)))
        if left := process.left():
            self.breaches.append(Breach("left", f"{len(left)} tasks go on at the end: {', '.join(left[:3])}"))
        return True

    def stop(self) -> None:
        """Cancel the strategy, as by Ctrl-C; one that is not running now runs for a while before."""
        self._is_stopping = True
        if self._processes and self._processes[-1].is_alive and self.life is not None:
            self.life.stop()

    def kill(self, down_ms: int) -> None:
        """Kill the process while its strategy runs; it starts again after `down_ms`."""
        if self._can_suffer():
            self._down_s = down_ms / 1000
            self._on_process("is killed")
            self._processes[-1].kill()

    def freeze(self, ms: int) -> None:
        """Let the process stand still while its strategy runs."""
        if self._can_suffer():
            self._on_process(f"stands still for {ms} ms")
            self._processes[-1].freeze(ms / 1000)

    def _can_suffer(self) -> bool:
        return (
            bool(self._processes) and self._processes[-1].is_alive and self.life is not None and not self.life.has_ended
        )

    def abandon(self) -> None:
        """Kill a process that does not end, for good."""
        self._is_abandoned = True
        if self._processes:
            self._processes[-1].kill()

    def bury(self) -> None:
        """Drop what the killed processes have in memory."""
        for process in self._processes:
            if isinstance(process.ended.exception() if not process.ended.cancelled() else None, ProcessKilled):
                process.bury()
