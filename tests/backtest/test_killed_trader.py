"""A trader is killed or frozen in virtual time: its successor knows every order, or a guard leaves none open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mexc_async.backtest.memory import MemoryJoin
from mexc_async.call_log.files import archived, verified
from mexc_async.call_log.log import CallLog, abandon
from mexc_async.cli.guard.watch import HeartbeatWatch
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Prepared
from mexc_async.client.sweep import MARGIN_MS, SweepTask, Watch, sweeper_settings, watch_and_cancel
from mexc_async.errors import MexcError
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_process import VirtualProcess
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.rest.server import SimConfig, Simulator
from tests.support.killed_trader import FAULTS, PREFIX, WINDOW_MS, call_log, check_knowledge, client, place, restored

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1,2,3,4").split(",")]
START_MS = 1_700_000_000_000
ORDERS = 120


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


OPEN = ("NEW", "PARTIALLY_FILLED")


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


@pytest.mark.parametrize("seed", SEEDS)
def test_successor_of_a_killed_trader_knows_every_order(seed: int, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        first = await world.killed_in_the_midst(ORDERS // 2)
        second = await world.killed_in_the_midst(ORDERS)  # it has not restored what the first left
        assert not verified(world.log).is_closed
        assert verified(world.log).is_whole
        successor = world.process(restored)
        check_knowledge(await successor.ended, world.simulator.statement())
        assert successor.left() == ()
        assert archived(world.log), "the log is to span several files"
        assert verified(world.log).is_closed
        before = world.log.read_bytes()
        for process in (first, second, successor):
            process.bury()
        assert world.log.read_bytes() == before

    play(seed, tmp_path, scenario)


@pytest.mark.parametrize("seed", SEEDS)
def test_guard_leaves_no_order_of_a_killed_trader(seed: int, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        trader = world.process(world.trade)
        await world.until_placed(10)
        guard = world.guard(EndWatch(trader))
        await world.until_placed(ORDERS)
        assert world.open_orders()
        trader.kill()
        assert await guard.ended is True
        assert world.open_orders() == []
        orders = len(world.simulator.statement().orders)
        world.simulator.clear_faults()
        await asyncio.sleep((WINDOW_MS + MARGIN_MS) / 1000)
        assert len(world.simulator.statement().orders) == orders

    play(seed, tmp_path, scenario)


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_guard_notices_by_its_heartbeat_that_a_trader_is_frozen(seed: int, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        trader = world.process(world.trade)
        await world.until_placed(10)
        guard = world.guard(HeartbeatWatch(world.beat, 3.0, world.loop.clock.monotonic()))
        await world.until_placed(ORDERS)
        assert not guard.ended.done()
        trader.freeze(60)
        assert await guard.ended is True
        assert world.open_orders() == []
        trader.kill()
        successor = world.process(restored)
        check_knowledge(await successor.ended, world.simulator.statement())

    play(seed, tmp_path, scenario)


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_trader_that_stood_still_for_a_while_knows_its_orders(seed: int, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for moment in range(1, 6):
            trader = world.process(world.trade)
            await world.until_placed(ORDERS * moment // 5)
            trader.freeze(world.random.random() * 20)
            await world.until_placed(ORDERS * moment // 5 + 10)
            trader.interrupt()
            await asyncio.wait([trader.ended])
            assert trader.ended.cancelled()
            assert trader.left() == ()
        successor = world.process(restored)
        check_knowledge(await successor.ended, world.simulator.statement())

    play(seed, tmp_path, scenario)
