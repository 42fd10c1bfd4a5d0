"""The poll of REST behind the private stream: it wakes when something is due, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from mexc_async.orders.reconciler import Reconciler
from mexc_async.orders.record import OrderRecord
from mexc_async.orders.table import OrderTable
from mexc_async.orders.tracker import OrderSettings
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual


class World:
    """A reconciler without an exchange: the requests that it makes, and the times at which it woke."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.woke: list[float] = []
        self.order = OrderRecord("m-1", "BTCUSDT", "BUY", "LIMIT", Decimal(1), Decimal(100))
        self.order.place("C1")
        self.table = OrderTable()
        self.due = asyncio.Event()
        self.lacking: dict[str, tuple[OrderRecord, float]] = {}
        tracker: Any = SimpleNamespace(
            settings=OrderSettings(), table=self.table, lacking=self.lacking, due=self.due, read=self.read
        )
        now = asyncio.get_running_loop().time
        api: Any = SimpleNamespace(clock=SimpleNamespace(local=SimpleNamespace(monotonic=now), now_ms=lambda: 0))
        router: Any = None
        self.now, self.began_at = now, now()
        self.reconciler = Reconciler(api, tracker, router)
        live = self.table.live

        def counted() -> Any:
            self.woke.append(now())
            return live()

        self.table.live = counted  # type: ignore[method-assign]  # the first thing that a wake does

    async def read(self, query: Any, options: Any) -> Any:
        self.asked.append((self.now(), type(query).__name__))
        return [SimpleNamespace(order_id="C1")] if type(query).__name__ == "OpenOrdersQuery" else []

    @property
    def swept(self) -> list[float]:
        return [at for at, name in self.asked if name == "OpenOrdersQuery"]


def watched(during: Callable[[World], Any]) -> World:
    """Run a reconciler's poll in virtual time while `during` goes on."""

    async def main() -> World:
        world = World()
        task = asyncio.create_task(world.reconciler._watch())
        await during(world)
        task.cancel()
        world.asked = [(round(at - world.began_at, 2), name) for at, name in world.asked]
        return world

    return run_virtual(main(), VirtualLoop(1_700_000_000_000, 1))


def test_a_resting_order_wakes_nobody_between_two_sweeps_while_the_stream_is_up() -> None:
    async def rest(world: World) -> None:
        world.reconciler._set_followed(True)
        world.table.add(world.order)
        await asyncio.sleep(61)

    world = watched(rest)
    assert world.swept == pytest.approx([0, 15, 30, 45, 60], abs=0.1)
    assert len(world.woke) <= 20


def test_orders_are_swept_every_second_while_the_stream_is_down() -> None:
    async def rest(world: World) -> None:
        world.table.add(world.order)
        await asyncio.sleep(3.5)

    assert watched(rest).swept == pytest.approx([0, 1, 2, 3], abs=0.1)


def test_a_change_of_the_stream_is_followed_by_a_sweep_at_once() -> None:
    async def drop(world: World) -> None:
        world.reconciler._set_followed(True)
        world.table.add(world.order)
        await asyncio.sleep(5)
        world.reconciler._set_followed(False)
        await asyncio.sleep(0.5)

    assert watched(drop).swept == pytest.approx([0, 5], abs=0.1)


def test_without_orders_nothing_wakes_until_the_first_one() -> None:
    async def wait(world: World) -> None:
        world.reconciler._set_followed(True)
        await asyncio.sleep(1000)
        idle = len(world.woke)
        assert idle <= 4
        world.table.add(world.order)
        idle_then = [world.reconciler.is_idle]
        world.reconciler.wake()
        await asyncio.sleep(1)
        idle_then.append(world.reconciler.is_idle)
        assert idle_then == [True, False]
        await asyncio.sleep(1)
        assert len(world.woke) <= idle + 6

    assert watched(wait).swept == pytest.approx([1000], abs=0.1)


def test_missing_fills_are_fetched_once_they_are_late() -> None:
    async def end(world: World) -> None:
        world.reconciler._set_followed(True)
        world.table.add(world.order)
        await asyncio.sleep(5.5)
        world.lacking["m-1"] = world.order, world.now()
        world.due.set()
        await asyncio.sleep(2.4)

    fetched = [at for at, name in watched(end).asked if name == "MyTradesQuery"]
    assert fetched == pytest.approx([6.5, 7.5], abs=0.1)
