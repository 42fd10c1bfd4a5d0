"""A trader in its own process, for tests that kill it: `place` orders until then, or `restore` and print them.

python -m tests.support.killed_trader place|restore REST WS LOG SEED
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from random import Random
from typing import Literal

import msgspec

from mexc_async.call_log.log import CallLog
from mexc_async.client.mexc import Mexc
from mexc_async.errors import MexcError
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.spot.trading import NewOrder
from mexc_async.transport.pool import Timeouts
from tests.support.settings import flat

SYMBOLS = ("XRPUSDT", "SOLUSDT")
TRADERS = 20
WINDOW_MS, LAG_MS = 600, 300


def client(rest: str, ws: str, log: str) -> Mexc:
    return Mexc(
        Credentials(DEMO_KEY, DEMO_SECRET),
        **flat(
            rest=rest,
            ws=ws,
            call_log=CallLog(log, max_bytes=100_000, keep=1000),
            limits="unlimited",
            order_id_prefix="crash",
            recv_window_ms=WINDOW_MS,
            orders=OrderSettings(settle_s=30.0, lag_ms=2 * LAG_MS, keep_s=1e6, poll_s=0.1, watch_s=0.5),
            timeouts=Timeouts(read_s=0.4),
            retry=RetryPolicy(budget_s=20.0, first_s=0.02, longest_s=0.2),
        ),
    )


class Trader:
    """A trader, one of many: places orders of every kind for ever, and cancels or replaces some."""

    def __init__(self, mexc: Mexc, random: Random, prices: dict[str, Decimal]) -> None:
        self.mexc = mexc
        self.random = random
        self.prices = prices

    async def run(self) -> None:
        while True:
            try:
                await self.act()
            except MexcError:
                await asyncio.sleep(0.01)

    async def act(self) -> None:
        random, orders = self.random, self.mexc.orders
        if random.random() < 0.2:
            await orders.place_many([self.order(rests=True) for _ in range(5)])
            return
        placed = await orders.place(self.order(rests=random.random() < 0.7))
        if placed.is_final:
            return
        if random.random() < 0.4:
            await placed.cancel()
        elif random.random() < 0.3:
            assert placed.price is not None
            price = self.mexc.rules(placed.symbol).price(placed.price * self.factor(placed.side, Decimal("0.01")))
            await placed.replace(price=price)

    def factor(self, side: str, away: Decimal) -> Decimal:
        return 1 - away if side == "BUY" else 1 + away

    def order(self, rests: bool) -> NewOrder:
        symbol = self.random.choice(SYMBOLS)
        side: Literal["BUY", "SELL"] = "BUY" if self.random.random() < 0.5 else "SELL"
        rules = self.mexc.rules(symbol)
        price = rules.price(self.prices[symbol] * self.factor(side, Decimal("0.05" if rests else "-0.02")))
        quantity = rules.quantity(Decimal(self.random.randint(6, 30)) / price, "up")
        kind: Literal["LIMIT", "IMMEDIATE_OR_CANCEL"] = "LIMIT" if rests else "IMMEDIATE_OR_CANCEL"
        return NewOrder(symbol=symbol, side=side, type=kind, quantity=quantity, price=price)


async def place(mexc: Mexc, seed: int) -> None:
    random = Random(seed)
    await mexc.warm_up()
    prices = {t.symbol: t.bid_price or Decimal(0) for t in await mexc.spot.book_ticker()}
    async with asyncio.TaskGroup() as group:
        for _ in range(TRADERS):
            group.create_task(Trader(mexc, Random(random.random()), prices).run())


async def restore(mexc: Mexc) -> None:
    """Print every order after a restore, a JSON line each."""
    await mexc.orders.restore()
    for order in mexc.orders.all():
        if order.is_final and order.error is None:
            await order.settled(20)
    for order in mexc.orders.all():
        line = {
            "name": order.client_order_id,
            "order_id": order.order_id,
            "state": str(order.status),
            "filled": order.filled_quantity,
            "quote": order.filled_quote_quantity,
            "fills": sorted(fill.trade_id for fill in order.fills),
        }
        print(msgspec.json.encode(line).decode(), flush=True)


async def main(what: str, rest: str, ws: str, log: str, seed: str) -> None:
    async with client(rest, ws, log) as mexc:
        await (place(mexc, int(seed)) if what == "place" else restore(mexc))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
