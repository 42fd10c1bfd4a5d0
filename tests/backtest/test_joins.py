"""Both joins of a client and an exchange in one process give the same results."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from random import Random
from typing import TypeAlias

import pytest
from msgspec.structs import replace

from mexc_async.backtest.direct import DirectJoin
from mexc_async.backtest.memory import MemoryJoin
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Prepared
from mexc_async.errors import MexcError
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.market.latency import Latency
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.transport.config import Timeouts

START_MS = 1_700_000_000_000
BTC = "BTCUSDT"
SEEDS = int(os.environ.get("JOIN_SEEDS", "6"))
"""Number of seeds; `JOIN_SEEDS=200` runs them all."""

Join: TypeAlias = MemoryJoin | DirectJoin
Record: TypeAlias = list[object]

MEASURED = Latency(order=(3.0, 4.5, 20.0), answer=(2.0, 9.0), feed=(5.0, 6.25, 40.0))
FAULTS = (
    Fault(kind="error", on="new_order", chance=0.1, at="read"),
    Fault(kind="reset", on="new_order|cancel_order", chance=0.1),
    Fault(kind="truncate", on="cancel_order", chance=0.1),
    Fault(kind="late_answer", on="new_order", chance=0.1, delay_ms=150),
    Fault(kind="mute", on="new_order", chance=0.03),
    Fault(kind="skip", on="*private*", chance=0.1),
    Fault(kind="drop", on="*", chance=0.005),
)


async def trade(mexc: Mexc, seed: int, record: Record) -> None:
    """Place and cancel orders at random, one after the other, and record what the client sees."""
    random = Random(seed)
    now = asyncio.get_running_loop().time

    async def order_at(price: Decimal, is_buy: bool, is_cancelled: bool) -> None:
        place = mexc.orders.limit_buy if is_buy else mexc.orders.limit_sell
        try:
            order = await place(BTC, quantity=Decimal("0.002"), price=price.quantize(Decimal("0.01")))
            if is_cancelled:
                await order.cancel()
            record.append(("order", round(now(), 6), order.status, order.filled_quantity))
        except MexcError as error:
            record.append(("failed", round(now(), 6), type(error), str(error)))

    async with mexc.books(BTC) as book, mexc.streams.orders() as pushes:

        async def watch() -> None:
            async for push in pushes:
                record.append(("push", round(now(), 6), push.body.status, push.body.executed_quantity))

        watcher = asyncio.create_task(watch())
        for _ in range(12):
            await asyncio.sleep(random.choice((0.0, 0.01, 0.3)))
            price = (
                ((book.mid if book.is_synced else None) or Decimal(60_000))
                * Decimal(random.randrange(9990, 10010))
                / 10000
            )
            await order_at(price, random.random() < 0.5, random.random() < 0.6)
        watcher.cancel()


def played(join: Join, transport: str, seed: int, latency: Latency, faults: tuple[Fault, ...]) -> Record:
    """Run one seed and return what happened, for the client and in the exchange's books."""
    loop = VirtualLoop(START_MS, seed)
    record: Record = []

    async def main() -> None:
        config = SimConfig(seed=seed, step_ms=0, latency=latency, faults=faults)
        async with (
            Simulator(config, loop.clock, join.listen) as sim,
            Mexc(
                Credentials(DEMO_KEY, DEMO_SECRET),
                rest=sim.rest,
                ws=sim.spot_ws,
                clock=loop.clock,
                network=NetworkSettings(transport=transport, timeouts=Timeouts(2, 2, 2)),  # type: ignore[arg-type]  # one of the two
                prepared=Prepared(network=join.network),
            ) as mexc,
        ):
            await trade(mexc, seed, record)
            books = sim.statement()
            record.extend(replace(each, client_id="") for each in books.orders)
            record.extend((t.price, t.quantity, t.fee, t.time_ms, t.is_maker) for t in books.fills)
            record.append(books.balances)

    run_virtual(main(), loop)
    return record


@pytest.mark.parametrize(
    ("latency", "faults"),
    [(Latency(), ()), (MEASURED, ()), (MEASURED, FAULTS)],
    ids=["at once", "far away", "far away with faults"],
)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_both_joins_give_the_same_results(seed: int, latency: Latency, faults: tuple[Fault, ...]) -> None:
    by_calls = played(DirectJoin(), "pool", seed, latency, faults)
    assert len(by_calls) > 12
    assert played(MemoryJoin(), "pool", seed, latency, faults) == by_calls


def test_the_transport_of_orders_makes_no_difference() -> None:
    by_lane = played(MemoryJoin(), "lane", 5, MEASURED, ())
    assert by_lane == played(MemoryJoin(), "pool", 5, MEASURED, ())
