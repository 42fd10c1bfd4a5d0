"""A plain grid: buy orders below the price and sell orders above it, each followed by its opposite one step away.

    mexc-async run examples/grid.py --param step=0.0002                  # on a simulated exchange, until Ctrl-C
    mexc-async run examples/grid.py --backtest BTCUSDT.csv               # on recorded bars, or on a tape
    mexc-async run examples/grid.py --live --param symbol=ETHUSDT        # on MEXC; asks first

Each pair of prices next to each other is traded by a task of its own: buy at the lower one, sell at the higher one, in
turns. At the end the session cancels what is open, and the holdings stay as they are.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from mexc_async import Mexc


class Rung(NamedTuple):
    """Two prices of the grid next to each other, and the quantity to trade between them."""

    symbol: str
    low: Decimal
    high: Decimal
    quantity: Decimal

    async def trade(self, mexc: Mexc, is_buying: bool) -> None:
        """Buy low and sell high, in turns."""
        while True:
            if is_buying:
                order = await mexc.orders.limit_buy(self.symbol, price=self.low, quantity=self.quantity)
            else:
                order = await mexc.orders.limit_sell(self.symbol, price=self.high, quantity=self.quantity)
            await order.filled()
            is_buying = not is_buying


async def main(
    mexc: Mexc,
    *,
    symbol: str = "BTCUSDT",
    levels: int = 5,
    step: Decimal = Decimal("0.001"),
    value: Decimal = Decimal(20),
) -> None:
    """Trade `levels` rungs below the price and as many above, `step` apart as a ratio, each with `value` in quote."""
    await mexc.load_rules()
    rules = mexc.rules(symbol)
    book = await mexc.spot.depth(symbol=symbol, limit=5)
    middle = (book.bids[0].price + book.asks[0].price) / 2
    prices = [rules.price(middle * (1 + step * level)) for level in range(-levels, levels + 1)]
    async with mexc.orders.session(), asyncio.TaskGroup() as group:
        for low, high in pairwise(prices):
            rung = Rung(symbol, low, high, rules.quantity(value / low))
            group.create_task(rung.trade(mexc, is_buying=high <= prices[levels]))
