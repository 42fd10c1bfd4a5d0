"""The demo's grid on a simulated exchange of this process, whose answers can be held back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from mexc_async.cli.demo.market import Demo
from mexc_async.cli.demo.summary import Counters
from mexc_async.rest.events import RequestDone
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.runtime.events import Event
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from tests.support.streams import nothing_left, sim_client, until


class Lookups:
    """Counts look-ups that find no order."""

    def __init__(self) -> None:
        self.absent = 0

    def listen(self, event: Event) -> None:
        self.absent += isinstance(event, RequestDone) and event.error is not None and event.error.code == -2013


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(SimConfig(limits="none")) as simulator:
        yield simulator


async def test_orders_under_way_at_the_end_are_seen_through(sim: Simulator) -> None:
    counters, lookups = Counters(SYSTEM), Lookups()
    async with nothing_left(), sim_client(sim, limits="unlimited") as mexc:
        await mexc.warm_up()
        mexc.hooks.add(counters.listen)
        mexc.hooks.add(lookups.listen)
        sim.inject(Fault(kind="hold", on="new_order", delay_ms=1500, after=4))  # from the second round on
        await Demo(mexc, ["BTCUSDT"], counters, Clock(random=Random(7))).run(3.0)
        assert counters.orders > 4
        assert counters.errors == {}
        assert lookups.absent == 0
    assert not [order for order in sim.statement().orders if order.status in ("NEW", "PARTIALLY_FILLED")]


async def test_finding_out_what_became_of_an_interrupted_order_is_no_error(sim: Simulator) -> None:
    counters, lookups = Counters(SYSTEM), Lookups()
    async with nothing_left(), sim_client(sim, limits="unlimited") as mexc:
        await mexc.warm_up()
        mexc.hooks.add(counters.listen)
        mexc.hooks.add(lookups.listen)
        sim.inject(Fault(kind="mute", on="new_order", at="read", after=4))
        running = asyncio.create_task(Demo(mexc, ["BTCUSDT"], counters, Clock(random=Random(7))).run(60.0))
        await until(lambda: sim.fault_counts()[0].struck == 4)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: lookups.absent)
        assert (counters.orders, counters.errors) == (4, {})
