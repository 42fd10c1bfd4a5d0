"""Strategies for tests of rehearsals: at the top level of a module, so that other processes find them."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from mexc_async.client.mexc import Mexc
from mexc_async.errors import MexcError
from mexc_async.orders.handle import TrackedOrder
from mexc_async.sim.wallet.account_audit import AccountAudit

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")


async def rest_one(mexc: Mexc, symbol: str = "BTCUSDT", away: Decimal = Decimal("0.004")) -> TrackedOrder:
    """Place a buy order below the market."""
    await mexc.load_rules()
    rules = mexc.rules(symbol)
    depth = await mexc.spot.depth(symbol=symbol, limit=5)
    price = rules.price(depth.bids[0].price * (1 - away))
    return await mexc.orders.limit_buy(symbol, price=price, quantity=rules.quantity(Decimal(20) / price, "up"))


async def trades(mexc: Mexc, *, orders: int = 20, pause_s: float = 0.7) -> None:
    """Place orders on three symbols, which rest, fill, or are cancelled or replaced, and take errors in its stride."""
    await mexc.load_rules()
    async with mexc.orders.session():
        for number in range(orders):
            symbol = SYMBOLS[number % 3]
            try:
                order = await rest_one(mexc, symbol, Decimal(number % 5 - 2) / 1000)
                if number % 4 == 0:
                    await order.cancel()
                elif number % 4 == 1 and order.price is not None and not order.is_final:
                    await order.replace(price=mexc.rules(symbol).price(order.price * Decimal("0.999")))
            except MexcError:
                pass
            await asyncio.sleep(pause_s)


async def restarts_cleanly(mexc: Mexc) -> None:
    """Cancel what an earlier process left, then do as `trades`."""
    await mexc.orders.cancel_all()
    await trades(mexc)


async def leaves_one_open(mexc: Mexc) -> None:
    """Leave an order open."""
    await rest_one(mexc)


async def impatient(mexc: Mexc) -> None:
    """Take an order for not placed that has no answer within a second."""
    await mexc.load_rules()
    for _ in range(5):
        try:
            async with asyncio.timeout(1):
                order = await rest_one(mexc)
        except TimeoutError:
            continue
        await order.cancel()


async def ends_the_process(mexc: Mexc) -> None:
    """End the process without a word."""
    import os

    os._exit(3)


def at_most_five(mexc: Mexc, truth: AccountAudit) -> str | None:
    """Allow five orders."""
    return None if len(truth.orders) <= 5 else f"{len(truth.orders)} orders"
