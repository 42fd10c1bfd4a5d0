"""A strategy for rehearsals: books and private streams are followed all the time, also after the strategy's end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from random import choice, random
from weakref import WeakKeyDictionary

from mexc_async.books.live_book import LiveBook
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Settings
from mexc_async.errors import BookNotSynced, ClientClosed, MexcError, SubscriptionRefused
from mexc_async.orders.tracker import OrderSettings
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.config import SimConfig
from mexc_async.sim.wallet.account_audit import AccountAudit
from mexc_async.spot.channels import PushInterval
from mexc_async.spot.models import Level
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import FillPush, OrderPush
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.session import Timing
from mexc_async.transport.config import Timeouts

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT")
EXCHANGE = SimConfig(limits="none", flow=3)
SETTINGS = Settings(
    limits="unlimited",
    orders=OrderSettings(check_rules=False),
    streams=StreamSettings(
        timing=Timing(ping_s=0.2, silence_s=0.6, ack_s=0.6, lifetime_s=2.0, retry_s=0.02, longest_retry_s=0.2)
    ),
    network=NetworkSettings(timeouts=Timeouts(connect_s=10.0, total_s=10.0)),
)
DEPTH, PRIVATE = "*aggre.depth*", "spot@private.*"
FAULTS = (
    Fault(kind="drop", on="*", chance=0.001),
    Fault(kind="half_open", on="*", chance=0.0005),
    Fault(kind="refuse", chance=0.2),
    Fault(kind="block", on=DEPTH, chance=0.01),
    Fault(kind="skip", on=DEPTH, chance=0.01),
    Fault(kind="skip", on="spot@private.deals*", chance=0.05),
    Fault(kind="duplicate", on="*", chance=0.02),
    Fault(kind="delay", on="*", chance=0.005, delay_ms=60),
    Fault(kind="reorder", on="*", chance=0.02),
    Fault(kind="corrupt", on="*", chance=0.01),
    Fault(kind="cut", on="*", chance=0.001),
    Fault(kind="expire_key", on=PRIVATE, chance=0.01),
)
LEVELS = 5000
"""Levels of each side in a snapshot, more than a generated market has."""
AGREE_S = 60.0
"""Longest time without faults after which a book has to be that of the exchange, seconds."""


class Reader:
    """One book, opened again whenever the exchange blocks it."""

    def __init__(self, mexc: Mexc, symbol: str, interval: PushInterval) -> None:
        self.mexc = mexc
        self.symbol = symbol
        self.interval = interval
        self.book: LiveBook[Decimal] | None = None

    async def run(self) -> None:
        """Follow the book until the client closes."""
        while True:
            try:
                async with self.mexc.books(self.symbol, interval=self.interval) as book:
                    self.book = book
                    while True:
                        await book.changed()
            except SubscriptionRefused:
                self.book = None
            except ClientClosed:
                return

    def read(self) -> bool:
        """Read the book: it is complete, or it says that it is out of sync."""
        book = self.book
        if book is None:
            return False
        try:
            bid, ask = book.best_bid, book.best_ask
        except BookNotSynced:
            assert not book.is_synced
            return False
        assert book.is_synced
        assert bid is None or ask is None or bid.price < ask.price, f"{self.symbol}: {bid} over {ask}"
        return True

    async def differs(self) -> str | None:
        """Compare the book with the exchange's, version by version; return the first difference."""
        async with asyncio.timeout(AGREE_S):
            while True:
                truth = await self.mexc.spot.depth(symbol=self.symbol, limit=LEVELS)
                book = self.book
                if book is None or not book.is_synced or book.version is None or book.version > truth.last_update_id:
                    await asyncio.sleep(0.05)
                    continue
                while book.is_synced and book.version < truth.last_update_id:
                    await book.changed()
                if book.is_synced and book.version == truth.last_update_id:
                    break
        for side, own, true in (("bids", book.bids(), truth.bids), ("asks", book.asks(), truth.asks)):
            if [(level.price, level.quantity) for level in own] != _pairs(true):
                return f"{side} of {self.symbol} at {self.interval} are not those of version {truth.last_update_id}"
        return None


def _pairs(levels: Sequence[Level]) -> list[tuple[Decimal, Decimal]]:
    return [(level.price, level.quantity) for level in levels]


class Followed:
    """Everything that one client followed."""

    def __init__(self) -> None:
        self.readers: list[Reader] = []
        self.fills: list[Push[FillPush]] = []
        self.orders: list[Push[OrderPush]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.reads = 0
        self.unsynced = 0


_followed: WeakKeyDictionary[Mexc, Followed] = WeakKeyDictionary()


async def main(mexc: Mexc, *, seconds: float = 3.0) -> None:
    """Follow books and private streams, trade a little, and read the books at random moments."""
    followed = _followed.setdefault(mexc, Followed())
    await mexc.load_rules()
    subscribed = asyncio.Event()
    followed.tasks.append(asyncio.create_task(_follow(mexc, followed, subscribed)))
    await subscribed.wait()
    intervals: tuple[PushInterval, ...] = ("10ms", "100ms")
    followed.readers = [Reader(mexc, symbol, interval) for symbol in SYMBOLS for interval in intervals]
    followed.tasks += [asyncio.create_task(reader.run()) for reader in followed.readers]
    end_s = asyncio.get_running_loop().time() + seconds
    trading = asyncio.create_task(_trade(mexc, end_s))
    while asyncio.get_running_loop().time() < end_s:
        if choice(followed.readers).read():
            followed.reads += 1
        else:
            followed.unsynced += 1
        await asyncio.sleep(0.01)
    await trading


async def _follow(mexc: Mexc, followed: Followed, subscribed: asyncio.Event) -> None:
    """Record the private streams until the client closes."""
    with suppress(ClientClosed):
        async with (
            mexc.streams.fills(callback=followed.fills.append),
            mexc.streams.account(callback=lambda push: None),
            mexc.streams.orders() as orders,
        ):
            subscribed.set()
            async for push in orders:
                followed.orders.append(push)


async def _trade(mexc: Mexc, end_s: float) -> None:
    """Place orders that fill and orders that rest, and cancel those."""
    async with mexc.orders.session():
        while asyncio.get_running_loop().time() < end_s:
            symbol, is_buy, rests = choice(SYMBOLS), random() < 0.5, random() < 0.5
            rules = mexc.rules(symbol)
            try:
                depth = await mexc.spot.depth(symbol=symbol, limit=5)
                best = (depth.asks if is_buy else depth.bids)[0].price
                away = (Decimal("0.98") if is_buy else Decimal("1.02")) if rests else 1
                price = rules.price(best * away)
                place = mexc.orders.limit_buy if is_buy else mexc.orders.limit_sell
                order = await place(symbol, price=price, quantity=rules.quantity(Decimal(15) / price, "up"))
                if rests:
                    await order.cancel()
            except MexcError:
                pass
            await asyncio.sleep(random() * 0.1)


async def follows_the_exchange(mexc: Mexc, truth: AccountAudit) -> str | None:
    """Demand that every book is the exchange's, and that the streams brought each fill once, and orders in order."""
    followed = _followed[mexc]
    for reader in followed.readers:
        if difference := await reader.differs():
            return difference
    trades = [trade.trade_id for trade in truth.fills]
    async with asyncio.timeout(AGREE_S):
        while len(followed.fills) < len(trades):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)
    pushed = Counter(push.body.trade_id for push in followed.fills)
    assert pushed == Counter(trades), f"fills pushed too often, or without a trade: {pushed - Counter(trades)}"
    for order_id in {push.body.order_id for push in followed.orders}:
        done = [push.body.executed_quantity or 0 for push in followed.orders if push.body.order_id == order_id]
        assert done == sorted(done), f"pushes of order {order_id} go back"
    return None
