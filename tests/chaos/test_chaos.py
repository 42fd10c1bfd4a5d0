"""Books and the private streams under every fault at once: nothing may be wrong at the end, nor a lie on the way.

`make chaos` runs it for longer and with more seeds: CHAOS_SEEDS=1,2,3 CHAOS_S=60.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from decimal import Decimal
from random import Random

import pytest

from mexc_async.books.live_book import LiveBook
from mexc_async.client.mexc import Mexc
from mexc_async.errors import BookNotSynced, MexcError, SubscriptionRefused
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.spot.channels import PushInterval
from mexc_async.spot.enums import OrderType, Side
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import FillPush, OrderPush
from mexc_async.streams import user_stream
from mexc_async.streams.session import Timing
from tests.support.streams import Told, nothing_left, sim_client, until

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "7").split(",")]
SECONDS = float(os.environ.get("CHAOS_S", "7"))
BOOKS = 20
TIMING = Timing(ping_s=0.2, silence_s=0.6, ack_s=0.6, lifetime_s=2.0, retry_s=0.02, longest_retry_s=0.2)
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
    Fault(kind="expire_key", on=PRIVATE, chance=0.01),
)


class Reader:
    """One book, opened again whenever the exchange blocks it, and read at random moments."""

    def __init__(self, mexc: Mexc, symbol: str, interval: PushInterval) -> None:
        self.mexc = mexc
        self.symbol = symbol
        self.interval = interval
        self.book: LiveBook[Decimal] | None = None
        self.refusals = 0
        self.unsynced = 0
        self.reads = 0
        self.losses = 0

    async def run(self) -> None:
        while True:
            try:
                async with self.mexc.books(self.symbol, interval=self.interval) as book:
                    self.book = book
                    while True:
                        await book.changed()
            except SubscriptionRefused:
                self.refusals += 1
            finally:
                if self.book is not None:
                    self.losses += self.book.counts.resyncs

    def read(self) -> None:
        """A read returns a complete book, or raises that it is out of sync."""
        book = self.book
        if book is None:
            return
        try:
            bid, ask = book.best_bid, book.best_ask
        except BookNotSynced:
            assert not book.is_synced
            self.unsynced += 1
            return
        assert book.is_synced
        assert bid is None or ask is None or bid.price < ask.price
        self.reads += 1

    def is_same(self, sim: Simulator) -> bool:
        book, market = self.book, sim.exchange.markets[self.symbol]
        if book is None or not book.is_synced or book.version != market.version:
            return False
        levels = [[(level.price, level.quantity) for level in side] for side in (book.bids(), book.asks())]
        return levels == [market.levels("BUY", 5000), market.levels("SELL", 5000)]


async def trade(mexc: Mexc, symbols: list[str], random: Random) -> None:
    """Place orders that fill and orders that rest, and cancel those."""
    while True:
        symbol = random.choice(symbols)
        rules = mexc.rules(symbol)
        try:
            side = random.choice([Side.BUY, Side.SELL])
            depth = await mexc.spot.depth(symbol=symbol, limit=5)
            best = Decimal((depth.asks if side is Side.BUY else depth.bids)[0].price)
            rests = random.random() < 0.5
            price = best * (Decimal("0.98") if side is Side.BUY else Decimal("1.02")) if rests else best
            price = rules.price(price)
            quantity = rules.quantity(Decimal(15) / price)
            order = await mexc.spot.new_order(
                symbol=symbol, side=side, type=OrderType.LIMIT, quantity=quantity, price=price
            )
            if rests:
                await mexc.spot.cancel_order(symbol=symbol, order_id=order.order_id)
        except MexcError:
            pass
        await asyncio.sleep(random.random() * 0.03)


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_wrong_after_chaos(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_stream, "GRACE_S", 0.2)
    random = Random(seed)
    async with nothing_left(), Simulator(SimConfig(seed=seed, limits="none", flow=10)) as sim:
        symbols = [name for name, market in sim.exchange.markets.items() if market.rules.status == "1"][:BOOKS]
        account = next(iter(sim.exchange.accounts.values()))
        async with sim_client(sim, timing=TIMING, check_rules=False) as mexc:
            await mexc.load_rules()
            told = Told(mexc)
            fills: list[Push[FillPush]] = []
            orders: list[Push[OrderPush]] = []
            async with (
                mexc.streams.orders(callback=orders.append),
                mexc.streams.fills(callback=fills.append),
                mexc.streams.account(callback=lambda push: None),
            ):
                both: list[tuple[str, PushInterval]] = [
                    *((s, "10ms") for s in symbols),
                    *((s, "100ms") for s in symbols),
                ]
                readers = [Reader(mexc, *each) for each in both[:BOOKS]]
                tasks = [asyncio.create_task(reader.run()) for reader in readers]
                await until(lambda: all(reader.book and reader.book.is_synced for reader in readers))
                for fault in FAULTS:
                    sim.inject(fault)
                liquid = [symbol for symbol in symbols if symbol.endswith("USDT")]
                trader = asyncio.create_task(trade(mexc, liquid, random))
                loop = asyncio.get_running_loop()
                end = loop.time() + SECONDS
                while loop.time() < end:
                    random.choice(readers).read()
                    await asyncio.sleep(0.002)
                struck = {count.fault.kind for count in sim.fault_counts() if count.struck}
                sim.clear_faults()
                assert not trader.done()
                trader.cancel()
                await asyncio.gather(trader, return_exceptions=True)
                sim.inject(Fault(kind="drop", now=True))  # half-open sockets, and pushes held back for ever
                sim._movers.clear()
                await until(lambda: all(reader.is_same(sim) for reader in readers), 60)
                trades = [trade.trade_id for trade in account.trades]
                await until(lambda: len(fills) >= len(trades), 60)
                assert Counter(push.body.trade_id for push in fills) == Counter(trades)
                assert len(trades) > 3 * SECONDS
                for order_id in {push.body.order_id for push in orders}:
                    done = [push.body.executed_quantity or 0 for push in orders if push.body.order_id == order_id]
                    assert done == sorted(done)
                assert sum(reader.unsynced for reader in readers) > 0
                assert sum(reader.reads for reader in readers) > 100
                assert {"skip", "duplicate", "corrupt", "reorder", "drop"} <= struck
                assert told.count("moved") + told.count("gap") > 3
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await until(lambda: len(sim.sockets) == 0)
