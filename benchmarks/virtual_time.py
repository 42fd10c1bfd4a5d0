"""Back-tests: start of a simulator, orders and cancels by either join, an hour of a recorded market, a month of bars.

Client and simulator share one process on a clock that jumps. Every figure is CPU time, because other processes of the
machine add to wall time. Recordings are read from the directory `shared/data` beside the checkout.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.harness import OWN, Goal, Report, Sample, Settings, interleave, summarise
from mexc_async.backtest.direct import DirectJoin
from mexc_async.backtest.memory import MemoryJoin
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Prepared
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.market.listing import MarketData
from mexc_async.sim.rest.server import SimConfig, Simulator

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TAPE, BARS = DATA / "book-tape.jsonl.gz", DATA / "btc-1m-2022-01.csv.gz"
START_MS = 1_700_000_000_000
DIRECT, MEMORY = f"{OWN} direct", f"{OWN} in memory"
JOINS: dict[str, Callable[[], DirectJoin | MemoryJoin]] = {DIRECT: DirectJoin, MEMORY: MemoryJoin}
START, CALLS, HOUR, RESTING, MONTH = (
    "start of a simulator",
    "orders and cancels",
    "an hour of ten recorded markets, ten books",
    "the same, with an order of ours at rest",
    "45,031 bars, klines, an order and a cancel per ten",
)
ALL_BARS = 45_031
_seeds = count(1000)

Work = Callable[[VirtualLoop, Mexc, Simulator], Awaitable[Sample]]


def run(settings: Settings) -> Report:
    """Measure the start, the joins and the playback of recordings."""
    quick = settings.quick
    rows = summarise(START, interleave({OWN: _start}, settings.rounds))
    cases: dict[str, tuple[SimConfig, Work]] = {CALLS: (_config(), partial(_calls, 100 if quick else 4000))}
    notes = ["cpu_s of hours and months: scaled up from the part that was played"]
    if TAPE.exists():
        seconds = 2 if quick else 120
        tape = _config(tape=TAPE, generated=False)
        cases[HOUR] = tape, partial(_hour, seconds, False)
        cases[RESTING] = tape, partial(_hour, seconds, True)
    if BARS.exists():
        bars = _config(tape=BARS, generated=False, market_data=MarketData(symbol="BTCUSDT", volume_in="quote"))
        cases[MONTH] = bars, partial(_month, 20 if quick else 2000)
    notes += [f"absent: {path} is not there" for path in (TAPE, BARS) if not path.exists()]
    for case, (config, work) in cases.items():
        subjects = {name: partial(_measure, make, config, work) for name, make in JOINS.items()}
        rows += summarise(case, interleave(subjects, settings.rounds))
    goals = [
        Goal(START, "cpu_ms", None, 20),
        Goal(CALLS, "cpu_us_a_call", None, 100, DIRECT),
        Goal(CALLS, "cpu_us_a_call", None, 250, MEMORY),
        Goal(HOUR, "cpu_s", None, 25, DIRECT),
        Goal(RESTING, "cpu_s", None, 60, DIRECT),
        Goal(MONTH, "cpu_s", None, 60, DIRECT),
    ]
    return Report(rows, goals, notes)


def _cpu_s() -> float:
    """Return the process's CPU seconds; Python's own clocks are virtual during a run."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _config(**settings: Any) -> SimConfig:
    return SimConfig(limits="none", flow=0, step_ms=0, **settings)


def _start() -> Sample:
    """Start a simulator of a new seed with all its generated markets."""
    loop = VirtualLoop(START_MS, 7)
    config = SimConfig(seed=next(_seeds), step_ms=0)

    async def main() -> Sample:
        before_s = _cpu_s()
        async with Simulator(config, loop.clock, DirectJoin().listen):
            return {"cpu_ms": (_cpu_s() - before_s) * 1000}

    return run_virtual(main(), loop)


def _measure(make: Callable[[], DirectJoin | MemoryJoin], config: SimConfig, work: Work) -> Sample:
    loop = VirtualLoop(START_MS, 7)

    async def main() -> Sample:
        async with _joined(loop, make(), config) as (mexc, simulator):
            return await work(loop, mexc, simulator)

    return run_virtual(main(), loop)


@asynccontextmanager
async def _joined(
    loop: VirtualLoop, join: DirectJoin | MemoryJoin, config: SimConfig
) -> AsyncIterator[tuple[Mexc, Simulator]]:
    """Join a client and a simulator; warm connections for the calls alone, since their pings cost 50 calls a minute."""
    async with (
        Simulator(config, loop.clock, join.listen) as simulator,
        Mexc(
            Credentials(DEMO_KEY, DEMO_SECRET),
            rest=simulator.rest,
            ws=simulator.spot_ws,
            clock=loop.clock,
            limits="unlimited",
            network=NetworkSettings(transport="lane" if config.tape is None else "pool"),
            prepared=Prepared(network=join.network),
        ) as mexc,
    ):
        yield mexc, simulator


async def _order(mexc: Mexc, price: str) -> None:
    """Place a buy that rests, and cancel it."""
    order = await mexc.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity="0.001", price=price)
    await mexc.spot.cancel_order(symbol="BTCUSDT", order_id=order.order_id)


async def _calls(calls: int, loop: VirtualLoop, mexc: Mexc, simulator: Simulator) -> Sample:
    await _order(mexc, "60000")
    before_s = _cpu_s()
    for _ in range(calls // 2):
        await _order(mexc, "60000")
    each_us = (_cpu_s() - before_s) / calls * 1e6
    return {"cpu_us_a_call": each_us, "calls_a_cpu_s": 1e6 / each_us}


async def _hour(seconds: float, is_resting: bool, loop: VirtualLoop, mexc: Mexc, simulator: Simulator) -> Sample:
    async with AsyncExitStack() as stack:
        for symbol in simulator.exchange.markets:
            await stack.enter_async_context(mexc.books(symbol))
        if is_resting:
            market = next(iter(simulator.exchange.markets.values()))
            price = (market.last_price * Decimal("0.9")).quantize(market.tick)
            quantity = (market.rules.min_value * 2 / price).quantize(market.step) + market.step
            await mexc.orders.limit_buy(market.rules.symbol, quantity=quantity, price=price)
        await asyncio.sleep(2)
        before_s = _cpu_s()
        await asyncio.sleep(seconds)
        return {"cpu_s": (_cpu_s() - before_s) * 3600 / seconds}


async def _month(bars: int, loop: VirtualLoop, mexc: Mexc, simulator: Simulator) -> Sample:
    async with mexc.streams.klines("BTCUSDT", interval="Min1") as stream:
        before_s, seen, opened = _cpu_s(), 0, 0
        async for push in stream:
            if push.body.open_time_s == opened:
                continue
            opened, seen = push.body.open_time_s, seen + 1
            if seen % 10 == 0:
                await _order(mexc, f"{push.body.close * Decimal('0.996'):.2f}")
            if seen == bars:
                break
        return {"cpu_s": (_cpu_s() - before_s) * ALL_BARS / bars}
