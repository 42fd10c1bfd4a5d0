"""A strategy for rehearsals: places orders of several kinds on three symbols, and cancels those that rest."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Literal

from mexc_async import Mexc, MexcError, NewOrder, TrackedOrder
from mexc_async.spot.rules import SymbolRules

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
REST, TRADE = Decimal("0.02"), Decimal("-0.01")
"""Distance of a price from the best one on the other side, as a ratio; a negative one trades at once."""


async def main(mexc: Mexc, *, orders: int = 20, pause_s: float = 0.5) -> None:
    """Place `orders` orders; a call that fails is left to the client, which settles it."""
    await mexc.load_rules()
    bids = {ticker.symbol: ticker.bid_price for ticker in await mexc.spot.book_ticker() if ticker.symbol in SYMBOLS}
    await asyncio.gather(*(_take_back(order) for order in mexc.orders.all()))
    async with mexc.orders.session():
        for number in range(orders):
            symbol = SYMBOLS[number % len(SYMBOLS)]
            bid = bids[symbol]
            assert bid is not None
            await _trade(mexc, _order(mexc.rules(symbol), bid, rests=number % 4 != 0, side="BUY"))
            await asyncio.sleep(pause_s)


async def _take_back(order: TrackedOrder) -> None:
    """Cancel an order that a killed process left open, and that this one has restored."""
    while not order.is_final:
        try:
            await order.cancel()
        except MexcError:
            await asyncio.sleep(0.5)


async def _trade(mexc: Mexc, order: NewOrder) -> None:
    try:
        placed = await mexc.orders.place(order)
        if not placed.is_final:
            await asyncio.sleep(0.1)
            await placed.cancel()
    except MexcError:
        return


def _order(rules: SymbolRules, bid: Decimal, *, rests: bool, side: Literal["BUY", "SELL"]) -> NewOrder:
    price = rules.price(bid * (1 - (REST if rests else TRADE)))
    quantity = rules.quantity(Decimal(12) / price, "up")
    kind: Literal["LIMIT", "IMMEDIATE_OR_CANCEL"] = "LIMIT" if rests else "IMMEDIATE_OR_CANCEL"
    return NewOrder(symbol=rules.symbol, side=side, type=kind, quantity=quantity, price=price)
