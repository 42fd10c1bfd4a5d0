"""A trader is killed or frozen in virtual time: its successor knows every order, or a guard leaves none open."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mexc_async.call_log.files import archived, verified
from mexc_async.cli.guard.watch import HeartbeatWatch
from mexc_async.client.sweep import MARGIN_MS
from mexc_async.native.loader import compiled
from tests.support.killed_trader import WINDOW_MS, check_knowledge, restored
from tests.support.killed_world import EndWatch, World, play

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1,2,3,4").split(",")]
ORDERS = 120


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


def test_same_seed_gives_the_same_bytes_whatever_the_process_hashes_by_and_the_core(tmp_path: Path) -> None:
    processes = []
    for seed, pure in (("1", ""), ("2", "1")):
        folder = tmp_path / seed
        folder.mkdir()
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.support.killed_world", "7", str(folder)],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONHASHSEED": seed, "MEXC_ASYNC_PURE": pure or ("" if compiled else "1")},
                cwd=Path(__file__).parents[2],
            )
        )
    first, second = (process.communicate(timeout=120)[0] for process in processes)
    assert first.count(b"\n") > 100
    assert first == second
