"""One trader in a separate process: `python -m benchmarks.tick_client TRADER --port N`; prints one JSON line.

The mock exchange times the latency, from the push to the order.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import Coroutine
from contextlib import suppress
from time import process_time
from typing import Any

import orjson

from benchmarks.harness import Sample
from benchmarks.order_client import last_order
from benchmarks.order_subjects import HOST, QUANTITY
from benchmarks.tick_subjects import TRADERS, Trader
from benchmarks.ticks import PRICES
from mexc_async.runtime.runner import run
from mexc_async.spot.prepared import Outcome

GRACE_S = 1.5
"""Seconds to wait for orders after the last push: a trader that skipped ticks never sends its last order."""
CONNECTIONS = 8


class Meter:
    """Sender of orders that counts the answers and measures CPU time from the first order after the warm-up."""

    def __init__(self, warm_up: int, most: int) -> None:
        self.done = asyncio.Event()
        self.count = 0
        self._warm_up = warm_up
        self._most = most
        self._used = 0.0
        self._under_way: set[Outcome[Any]] = set()
        self._loop = asyncio.get_running_loop()

    def fire(self, order: Coroutine[Any, Any, object]) -> None:
        """Send an order in its own task."""
        self.sent(self._loop.create_task(order))

    def sent(self, order: Outcome[Any]) -> None:
        """Count an order that the trader has sent itself."""
        self._under_way.add(order)
        order.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Future[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.result()  # a failed order does not count, and its error is shown
            self.traded()

    async def aclose(self) -> None:
        """Cancel the orders without an answer."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def traded(self) -> None:
        self.count = count = self.count + 1
        if count == self._warm_up:
            self._used = process_time()
        if count == self._most:
            self.done.set()

    def sample(self) -> Sample:
        """Return CPU time per order. Raises AssertionError without any order."""
        assert self.count > self._warm_up, f"only {self.count} orders"
        return {"cpu_us_per_op": (process_time() - self._used) / (self.count - self._warm_up) * 1e6}


async def measure(trader: Trader, port: int, rate: float, ticks: int, warm_up: int) -> Sample:
    """Answer every tick of a run. Raises the trader's errors."""
    await trader.open(port, CONNECTIONS)
    try:
        meter = Meter(warm_up, ticks)
        if not rate:  # as for orders
            gc.collect()
            gc.freeze()
        trading = asyncio.ensure_future(trader.trade(meter))
        ended = asyncio.ensure_future(meter.done.wait())
        wait_s = ticks / rate + GRACE_S if rate else None
        await asyncio.wait({trading, ended}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        sample = meter.sample() if rate else {}
        if trading.done():
            trading.result()
        for task in (trading, ended):
            task.cancel()
        with suppress(asyncio.CancelledError, Exception):  # the end of a peer's stream does not matter
            await trading
        await meter.aclose()
        sent = await last_order(port)
        assert f"{float(sent['price']):.2f}" in PRICES, f"another price: {sent['price']}"
        assert float(sent["quantity"]) == float(QUANTITY), f"another quantity: {sent['quantity']}"
        return sample
    finally:
        gc.unfreeze()
        await trader.close()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("trader", choices=TRADERS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=400.0, help="pushes a second; 0: each after the last one's order")
    parser.add_argument("--ticks", type=int, default=1200)
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--core", type=int)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"))
    parser.add_argument("--spin", action="store_true")
    parser.add_argument("--gc", choices=("freeze",))
    options = parser.parse_args()
    trader = TRADERS[options.trader](f"ws://{HOST}:{options.port}/ws/{options.rate:g}/{options.ticks}")
    measured = measure(trader, options.port, options.rate, options.ticks, options.warm_up)
    answers, sys.stdout = sys.stdout, sys.stderr  # keep the libraries' output out of the answer
    found = run(measured, loop=options.loop, spin=options.spin, pin_cpu=options.core, gc=options.gc)
    print(orjson.dumps(found).decode(), file=answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
