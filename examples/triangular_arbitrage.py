"""Triangular arbitrage: three live order books, three orders, back to the first asset.

    python examples/triangular_arbitrage.py                                # on a simulated exchange that opens a gap
    mexc-async run examples/triangular_arbitrage.py --backtest tape.jsonl  # on a recorded market of the three symbols
    mexc-async run examples/triangular_arbitrage.py --live --param seconds=3600

It watches USDT -> BTC -> ETH -> USDT. When a round gains more than its fees, it sends an IMMEDIATE_OR_CANCEL order per
leg, at the book's price and with the proceeds of the leg before.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from typing import Literal, NamedTuple

from mexc_async import BookNotSynced, LiveBook, Mexc, Side

FEE = Decimal("0.0005")
"""Taker fee of one leg, as a ratio; `mexc.spot.trade_fee` returns yours."""


class Leg(NamedTuple):
    """One order of the round."""

    book: LiveBook[Decimal]
    side: Literal[Side.BUY, Side.SELL]

    def quote(self) -> tuple[Decimal, Decimal] | None:
        """Return the best price to take and its quantity in base; None while the book is empty or out of sync."""
        with suppress(BookNotSynced):
            level = self.book.best_ask if self.side is Side.BUY else self.book.best_bid
            return (level.price, level.quantity) if level else None
        return None


def weigh(quotes: list[tuple[Decimal, Decimal]], legs: list[Leg], stake: Decimal) -> tuple[Decimal, bool]:
    """Return a round's gain after fees, as a ratio, and True if every level holds enough for the stake."""
    amount, is_enough = stake, True
    for (price, quantity), leg in zip(quotes, legs, strict=True):
        needed = amount / price / (1 + FEE) if leg.side is Side.BUY else amount
        is_enough = is_enough and needed <= quantity
        amount = needed if leg.side is Side.BUY else amount * price * (1 - FEE)
    return amount / stake - 1, is_enough


async def trade(mexc: Mexc, legs: list[Leg], prices: list[Decimal], amount: Decimal) -> tuple[Decimal, bool]:
    """Send the three orders, each with the proceeds of the last; return the amount, and True if all filled."""
    is_whole = True
    for price, leg in zip(prices, legs, strict=True):
        rules = mexc.rules(leg.book.symbol)
        quantity = rules.quantity(amount / price / (1 + FEE) if leg.side is Side.BUY else amount)
        place = mexc.orders.ioc_buy if leg.side is Side.BUY else mexc.orders.ioc_sell
        order = await place(leg.book.symbol, quantity=quantity, price=price)
        await order.closed()
        if order.filled_quantity < quantity:
            print(f"{leg.book.symbol}: filled {order.filled_quantity:f} of {quantity:f}; the round continues with that")
            is_whole = False
        if not order.filled_quantity:
            return Decimal(0), False
        amount = order.filled_quantity if leg.side is Side.BUY else order.filled_quote_quantity * (1 - FEE)
    return amount, is_whole


async def main(
    mexc: Mexc, *, seconds: float | None = None, stake: Decimal = Decimal(200), least: Decimal = Decimal("0.001")
) -> int:
    """Invest `stake` USDT in each round that gains more than `least`, as a ratio after fees; return their number."""
    rounds = 0
    await mexc.warm_up()
    await mexc.orders.follow(10)
    async with AsyncExitStack() as stack:
        sides: tuple[Literal[Side.BUY, Side.SELL], ...] = (Side.BUY, Side.BUY, Side.SELL)
        legs = [
            Leg(await stack.enter_async_context(mexc.books(symbol, interval="10ms")), side)
            for symbol, side in zip(("BTCUSDT", "ETHBTC", "ETHUSDT"), sides, strict=True)
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    quotes = [quote for leg in legs if (quote := leg.quote())]
                    gain, is_enough = weigh(quotes, legs, stake) if len(quotes) == len(legs) else (Decimal(0), False)
                    is_worth_it = gain > least and is_enough
                    changes = [asyncio.ensure_future(leg.book.changed()) for leg in legs]
                    try:
                        if is_worth_it:
                            back, is_whole = await trade(mexc, legs, [price for price, _ in quotes], stake)
                            rounds += 1
                            gained = f"{(back / stake - 1) * 100:+.3f} %" if is_whole else "the rest is left as it is"
                            print(f"round {rounds}: {stake:f} became {back:.4f} USDT, {gained}")
                        # after a round wait for a change of every book, else of any
                        when = asyncio.ALL_COMPLETED if is_worth_it else asyncio.FIRST_COMPLETED
                        await asyncio.wait(changes, return_when=when)
                    finally:
                        for change in changes:
                            change.cancel()
    return rounds


async def on_simulator() -> None:
    """Trade on a simulated exchange of our own."""
    parser = argparse.ArgumentParser(description="Triangular arbitrage over BTCUSDT, ETHBTC and ETHUSDT.")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    async with Mexc.sim(sim_faults=True) as mexc:
        await mexc.request("POST", "/sim/gap")  # the simulator moves a price
        print(f"{await main(mexc, seconds=options.seconds)} rounds")


if __name__ == "__main__":
    asyncio.run(on_simulator())
