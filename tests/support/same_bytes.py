"""A strategy that uses many parts of the client, for runs that must give the same bytes: `python -m ... TAPE JOIN`."""

from __future__ import annotations

import asyncio
import datetime
import random
import secrets
import sys
import time
import uuid
from decimal import Decimal
from pathlib import Path

from mexc_async import Latency, Mexc, MexcError, SimConfig, backtest
from mexc_async.sim.faults.faults import Fault

BTC = "BTCUSDT"
EXCHANGE = SimConfig(
    latency=Latency(order=(1.5, 3.25, 12.0), answer=(1.0, 2.5), feed=(2.0, 30.0)),
    faults=(Fault(kind="error", on="new_order", chance=0.05), Fault(kind="reset", on="cancel_order", chance=0.05)),
)


async def main(mexc: Mexc, *, traders: int) -> None:
    """Trade with several tasks at once, each by chance."""
    await mexc.load_rules()
    async with mexc.books(BTC) as book, mexc.streams.orders() as pushes, mexc.orders.session() as session:
        seen: set[str] = set()

        async def watch() -> None:
            async for push in pushes:
                seen.add(push.body.client_order_id)

        async def trade(number: int) -> None:
            name = f"{secrets.token_hex(4)}{uuid.uuid4().hex[:6]}{number}"
            for turn in range(4):
                await asyncio.sleep(random.random() * 5)
                await book.synced()
                price = mexc.rules(BTC).price((book.mid or Decimal(100)) * Decimal(random.randrange(985, 1005)) / 1000)
                try:
                    order = await session.limit_buy(BTC, quantity="0.1", price=price, client_order_id=f"{name}{turn}")
                    await order.cancel()
                except MexcError as error:
                    seen.add(type(error).__name__)

        watcher = asyncio.create_task(watch())
        async with asyncio.TaskGroup() as group:
            for number in range(traders):
                group.create_task(trade(number))
        watcher.cancel()
        assert seen
        now = datetime.datetime.now(datetime.UTC).timestamp()
        assert abs(now - time.time()) < 1e-3
        await mexc.orders.market_sell(BTC, quantity=Decimal(int(now) % 7 + 1) / 10)


if __name__ == "__main__":
    file, join = sys.argv[1:]
    result = backtest.run(
        main,
        tape=Path(file),
        seed=3,
        parameters={"traders": "5"},
        exchange=EXCHANGE,
        join="memory" if join == "memory" else "direct",
    )
    sys.stdout.buffer.write(result.to_json())
