"""A simulated exchange and traders beside it that are killed, all in virtual time.

`python -m tests.support.killed_world SEED FOLDER` prints what two killed traders and their successor leave.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from mexc_async.backtest.memory import MemoryJoin
from mexc_async.call_log.log import CallLog, abandon
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Prepared
from mexc_async.client.sweep import SweepTask, Watch, sweeper_settings, watch_and_cancel
from mexc_async.errors import MexcError
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_process import VirtualProcess
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.rest.server import SimConfig, Simulator
from tests.support.call_logs import lines
from tests.support.killed_trader import FAULTS, PREFIX, WINDOW_MS, call_log, client, place, restored

START_MS = 1_700_000_000_000
OPEN = ("NEW", "PARTIALLY_FILLED")


class World:
    """An exchange in the first loop, and the processes beside it."""

    def __init__(self, loop: VirtualLoop, join: MemoryJoin, simulator: Simulator, folder: Path, seed: int) -> None:
        self.loop = loop
        self.join = join
        self.simulator = simulator
        self.random = Random(seed)
        self.log = folder / "calls.jsonl"
        self.beat = folder / "trader.beat"
        self._logs = dict[VirtualLoop, CallLog]()

    def process(self, work: Callable[[Mexc], Coroutine[Any, Any, Any]]) -> VirtualProcess[Any]:
        """Start a trader's process."""

        async def main() -> Any:
            own = process.loop
            log = self._logs[own] = call_log(self.log, own.clock)
            prepared = Prepared(network=self.join.network)
            async with client(self.simulator.rest, self.simulator.spot_ws, log, own.clock, prepared) as mexc:
                return await work(mexc)

        process = VirtualProcess(self.loop, main, self.random.getrandbits(32), self.release)
        process.start()
        return process

    def release(self, loop: VirtualLoop) -> None:
        """Close what the system closes at the end of a process."""
        self.join.drop(loop)
        if (log := self._logs.pop(loop, None)) is not None:
            abandon(log)

    async def trade(self, mexc: Mexc) -> None:
        async with mexc.orders.heartbeat(self.beat, every_s=0.5):
            await place(mexc, self.random.getrandbits(32))

    async def until_placed(self, orders: int) -> None:
        """Wait until so many orders are at the exchange, and for a random moment after that."""
        while len(self.simulator.statement().orders) < orders:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.005)
        await asyncio.sleep(self.random.random() / 20)

    async def killed_in_the_midst(self, orders: int) -> VirtualProcess[Any]:
        """Start a trader, and kill it after so many orders."""
        process = self.process(self.trade)
        await self.until_placed(orders)
        assert process.is_alive
        process.kill()
        return process

    def guard(self, watch: Watch) -> VirtualProcess[bool]:
        """Start a guard's process."""

        async def main() -> bool:
            settings = sweeper_settings() | {"rest": self.simulator.rest, "clock": process.loop.clock}
            prepared = Prepared(network=self.join.network)
            mexc = Mexc(Credentials(DEMO_KEY, DEMO_SECRET), prepared=prepared, **settings)
            task = SweepTask(PREFIX, WINDOW_MS, give_up_s=120)
            return await watch_and_cancel(mexc, watch, task, Quiet())

        process = VirtualProcess(self.loop, main, self.random.getrandbits(32), self.join.drop)
        process.start()
        return process

    def open_orders(self) -> list[str | None]:
        return [line.client_id for line in self.simulator.statement().orders if line.status in OPEN]


class Quiet:
    """Progress that nobody reads."""

    def say(self, event: str, text: str, **facts: object) -> None:
        """Say nothing."""

    def fail(self, error: MexcError) -> None:
        """Say nothing."""


class EndWatch:
    """Liveness check of a process in virtual time."""

    subject = "the trader"

    def __init__(self, process: VirtualProcess[Any]) -> None:
        self._process = process

    def gone(self, now_s: float) -> str | None:
        return None if self._process.is_alive else "the trader has ended"


def play(seed: int, folder: Path, scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    loop = VirtualLoop(START_MS, seed)

    async def main() -> None:
        join = MemoryJoin()
        async with Simulator(SimConfig(seed=seed, limits="none", flow=0, step_ms=0), loop.clock, join.listen) as sim:
            sim.inject(*FAULTS)
            await scenario(World(loop, join, sim, folder, seed))
            await asyncio.sleep(5)
            assert join.open_ends(loop) == 0
            assert not sim.sockets

    run_virtual(main(), loop)


def left_by_two(seed: int, folder: Path) -> bytes:
    """Return what two killed traders and their successor leave: the call log, and the exchange's statement."""
    left: list[object] = []

    async def scenario(world: World) -> None:
        for orders in (20, 40):
            (await world.killed_in_the_midst(orders)).bury()
        left.append(await world.process(restored).ended)
        left.append(world.simulator.statement())
        unlike = ("pid", "hash", "prev")
        left.extend({name: value for name, value in entry.items() if name not in unlike} for entry in lines(world.log))

    play(seed, folder, scenario)
    return b"\n".join(map(msgspec.json.encode, left))


if __name__ == "__main__":
    sys.stdout.buffer.write(left_by_two(int(sys.argv[1]), Path(sys.argv[2])))
