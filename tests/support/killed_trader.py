"""A trader for tests that kill it: it places orders until then, or restores them and says what it knows.

It runs in a process of its own, or in a virtual one:

python -m tests.support.killed_trader place|restore REST WS LOG SEED
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from mexc_async.call_log.log import CallLog
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Prepared
from mexc_async.errors import MexcError
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.wallet.account_audit import AccountAudit
from mexc_async.spot.trading import NewOrder
from mexc_async.transport.config import Timeouts
from tests.support.settings import flat

SYMBOLS = ("XRPUSDT", "SOLUSDT")
TRADERS = 20
WINDOW_MS, LAG_MS = 600, 300


PREFIX = "crash"
PLACING = "new_order|batch_orders"
FAULTS = (
    Fault(kind="mute", on=PLACING, chance=0.05),
    Fault(kind="mute", on=PLACING, at="read", chance=0.03),
    Fault(kind="error", on=PLACING, status=504, chance=0.05),
    Fault(kind="reset", on=PLACING, chance=0.03),
    Fault(kind="reset", on=PLACING, at="read", chance=0.03),
    Fault(kind="hold", on=PLACING, chance=0.1, delay_ms=WINDOW_MS - 100),
    Fault(kind="late_answer", on=PLACING, chance=0.1, delay_ms=200),
    Fault(kind="mute", on="cancel_order", chance=0.05),
    Fault(kind="fill_first", on="cancel_order", chance=0.2, part=0.5),
    Fault(kind="lag", on="query_order|open_orders|all_orders|my_trades", chance=0.3, delay_ms=LAG_MS),
    Fault(kind="error", on="query_order|open_orders|all_orders|my_trades", status=502, chance=0.05),
)
"""Faults of the exchange while the trader lives, and while its successor restores."""


class Restored(msgspec.Struct, frozen=True):
    """An order as its client knows it after a restore."""

    name: str
    order_id: str | None
    state: str
    filled: Decimal
    quote: Decimal
    fills: list[str]


def call_log(path: str | Path, clock: Clock = SYSTEM) -> CallLog:
    return CallLog(path, max_bytes=100_000, keep=1000, clock=clock)


def client(rest: str, ws: str, log: CallLog, clock: Clock = SYSTEM, prepared: Prepared | None = None) -> Mexc:
    return Mexc(
        Credentials(DEMO_KEY, DEMO_SECRET),
        clock=clock,
        prepared=prepared,
        **flat(
            rest=rest,
            ws=ws,
            call_log=log,
            limits="unlimited",
            order_id_prefix=PREFIX,
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


async def restored(mexc: Mexc) -> list[Restored]:
    """Return every order after a restore."""
    await mexc.orders.restore()
    for order in mexc.orders.all():
        if order.is_final and order.error is None:
            await order.settled(20)
    return [
        Restored(
            name=order.client_order_id,
            order_id=order.order_id,
            state=str(order.status),
            filled=order.filled_quantity,
            quote=order.filled_quote_quantity,
            fills=sorted(fill.trade_id for fill in order.fills),
        )
        for order in mexc.orders.all()
    ]


def check_knowledge(known: Sequence[Restored], truth: AccountAudit) -> None:
    """Check that nothing is placed twice, nothing is orphaned, and nothing is invented."""
    assert not [order for order in known if order.state in ("UNKNOWN", "SENDING")]
    placed = {order.name: order for order in known if order.state not in ("NOT_PLACED", "REFUSED")}
    assert Counter(line.client_id for line in truth.orders) == Counter(placed.keys())
    fills = Counter(fill.order_id for fill in truth.fills)
    for line in truth.orders:
        order = placed[line.client_id or ""]
        assert (order.order_id, order.state) == (line.order_id, line.status)
        assert (order.filled, order.quote) == (line.executed, line.executed_value)
        assert line.status == "NEW" or len(order.fills) == fills[line.order_id]


async def main(what: str, rest: str, ws: str, log: str, seed: str) -> None:
    async with client(rest, ws, call_log(log)) as mexc:
        if what == "place":
            await place(mexc, int(seed))
        for order in await restored(mexc):
            print(msgspec.json.encode(order).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
