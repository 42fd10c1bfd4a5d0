"""A client that trades for a long time: `python -m benchmarks.soak_client mexc_async --seconds N --flood URL`.

Prints one JSON line: the figures of each tenth of the time after the warm-up, and of the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter_ns, thread_time_ns
from typing import TypeVar

import orjson

from benchmarks.harness import OWN, Sample, resident_mb
from benchmarks.histogram import Histogram
from mexc_async.books.live_book import LiveBook
from mexc_async.call_log.log import CallLog
from mexc_async.client.mexc import Mexc
from mexc_async.runtime.runner import run

T = TypeVar("T")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
TENTHS = 10
WARM_UP_ORDERS = 200_000
"""Orders of the warm-up: the client's table of finished orders, 200,000 with two ids each, grows last at 350,000."""
WORKERS = 8
TRADES_EVERY = 16
"""One order in this many trades at once; the others rest and are cancelled."""
_AMPLE = Decimal(10**12)
_LOOKS = 20
"""Memory readings per tenth."""


class Tenth:
    """Measurements of a tenth of the time."""

    def __init__(self) -> None:
        self.latencies = Histogram()
        self.orders = self.frames = 0
        self.pause_ns = self.pause_cpu_ns = 0
        self.resident: list[float] = []
        self.others: list[float] = []

    def sample(self, seconds: float) -> Sample:
        """Return the figures of the tenth."""
        return self.latencies.sample() | {
            "seconds": seconds,
            "rss_mb": median(self.resident),
            "simulator_rss_mb": median(self.others),
            "gc_pause_max_ms": self.pause_ns / 1e6,
            "gc_pause_cpu_max_ms": self.pause_cpu_ns / 1e6,
            "orders_per_s": self.orders / seconds,
            "frames_per_s": self.frames / seconds,
        }


class Soak:
    """One run; `now` is the current tenth."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = Tenth()
        self.is_over = False

    def heard(self, push: object) -> None:
        self.now.frames += 1

    async def timed(self, call: Awaitable[T]) -> T:
        """Time an order or a cancel, from the call to the answer."""
        started = perf_counter_ns()
        answer = await call
        self.now.latencies.record(perf_counter_ns() - started)
        return answer

    async def trade(self, mexc: Mexc, book: LiveBook[Decimal], symbol: str) -> None:
        """Place and cancel; now and then buy and sell again."""
        rules, number = mexc.rules(symbol), 0
        while not self.is_over:
            number += 1
            bid, ask = book.best_bid, book.best_ask
            if bid is None or ask is None:
                await book.changed()
                continue
            price = rules.price(bid.price * Decimal("0.97"))
            quantity = rules.quantity(Decimal(20) / price, "up")
            if number % TRADES_EVERY:
                order = await self.timed(mexc.orders.limit_buy(symbol, quantity=quantity, price=price))
                await self.timed(order.cancel())
            else:
                await self.timed(mexc.orders.ioc_buy(symbol, quantity=quantity, price=ask.price))
                await self.timed(mexc.orders.ioc_sell(symbol, quantity=quantity, price=bid.price))
                self.now.orders += 1
            self.now.orders += 1

    async def warm_up(self) -> float:
        """Run until the tables are full, from a tenth to half of the time; return the seconds taken."""
        started, parts = monotonic(), 100
        for part in range(parts):
            await asyncio.sleep(self.seconds / 2 / parts)
            if part >= parts / 5 and self.now.orders > WARM_UP_ORDERS:
                break
        return monotonic() - started

    async def look(self) -> list[Sample]:
        """Warm up, then measure the rest of the time in tenths."""
        tenths, each = [], (self.seconds - await self.warm_up()) / TENTHS
        for _ in range(TENTHS):
            tenth = self.now = Tenth()
            started = monotonic()
            for _ in range(_LOOKS):
                await asyncio.sleep(each / _LOOKS)
                tenth.resident.append(resident_mb())
                tenth.others.append(sum(map(resident_mb, _children())))
            tenths.append(tenth.sample(monotonic() - started))
        self.is_over = True
        return tenths

    @contextmanager
    def pauses(self) -> Iterator[None]:
        """Time the garbage collector during the block."""
        started = used = 0

        def told(phase: str, info: dict[str, int]) -> None:
            nonlocal started, used
            if phase == "start":
                started, used = perf_counter_ns(), thread_time_ns()
                return
            tenth = self.now
            tenth.pause_cpu_ns = max(tenth.pause_cpu_ns, thread_time_ns() - used)
            tenth.pause_ns = max(tenth.pause_ns, perf_counter_ns() - started)

        gc.callbacks.append(told)
        try:
            yield
        finally:
            gc.callbacks.remove(told)


async def soak(seconds: float, flood: str) -> list[Sample]:
    """Trade on a simulated exchange with all features on, while frames come from there and from `flood`."""
    run_of = Soak(seconds)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="soak-")))
        mexc = await stack.enter_async_context(
            Mexc.sim(sim_limits="none", limits="unlimited", call_log=CallLog(folder / "calls.log", keep=2))
        )
        other = await stack.enter_async_context(Mexc(rest=mexc.rest, ws=flood, limits="unlimited"))
        await mexc.warm_up(WORKERS)
        await mexc.orders.follow()
        books = {symbol: await stack.enter_async_context(mexc.books(symbol)) for symbol in SYMBOLS}
        mexc.orders.limits(
            round="down",
            collar=Decimal("0.2"),
            max_order_notional=_AMPLE,
            max_symbol_notional=_AMPLE,
            max_total_notional=_AMPLE,
            max_open_orders=100 * WORKERS,
            max_daily_loss=_AMPLE,
            symbols=SYMBOLS,
        )
        for stream in (
            mexc.streams.book_ticker(SYMBOLS, interval="10ms", callback=run_of.heard),
            mexc.streams.trades(SYMBOLS, interval="10ms", callback=run_of.heard),
            other.streams.book_ticker(SYMBOLS[0], callback=run_of.heard),
        ):
            await stack.enter_async_context(stream)
        stack.enter_context(run_of.pauses())
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(run_of.look())
            for number in range(WORKERS):
                symbol = SYMBOLS[number % len(SYMBOLS)]
                tasks.create_task(run_of.trade(mexc, books[symbol], symbol))
    return looking.result()


async def measure(seconds: float, flood: str) -> dict[str, object]:
    """Measure the tenths, and the resources left after the client has closed."""
    sockets = _sockets()
    tenths = await soak(seconds, flood)
    await asyncio.sleep(0)  # transports close in the loop's next round
    left = {"sockets_left": _sockets() - sockets, "tasks_left": len(asyncio.all_tasks()) - 1}
    return {"tenths": tenths, "left": left}


def _sockets() -> int:
    """Count the open sockets of this process; Linux only."""
    if not os.path.isdir("/proc/self/fd"):
        return 0
    return sum(_points_to_socket(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd"))


def _points_to_socket(path: str) -> bool:
    try:
        return os.readlink(path).startswith("socket:")
    except OSError:  # the descriptor that listed the folder
        return False


def _children() -> list[str]:
    """List the process ids of children; Linux only."""
    return [pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("subject", choices=[OWN])
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--flood", required=True, help="URL of a WebSocket that pushes book tickers")
    options = parser.parse_args()
    print(orjson.dumps(run(measure(options.seconds, options.flood), gc="freeze")).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
