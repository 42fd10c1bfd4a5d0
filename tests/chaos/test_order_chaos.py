"""Orders under every fault at once: at the end this client and the exchange agree on each one, and none is doubled.

`make chaos` runs it with more seeds: CHAOS_SEEDS=1,2,3 CHAOS_ORDERS=2000.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ApiError, ConnectFailed, MexcError, OrderNotPlaced, OutcomeUnknown
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from mexc_async.spot.trading import NewOrder
from mexc_async.streams.session import Timing
from mexc_async.transport.config import Timeouts
from tests.support.restored import known_by, past
from tests.support.streams import nothing_left, sim_client, until
from tests.support.truth import compare, totals

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "7").split(",")]
ORDERS = int(os.environ.get("CHAOS_ORDERS", "2000"))
TRADERS = 50
SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT")
TIMING = Timing(ping_s=0.3, silence_s=1.0, ack_s=1.0, retry_s=0.02, longest_retry_s=0.2)
WINDOW_MS, LAG_MS, TIMEOUT_S = 600, 400, 0.5
SETTLE = OrderSettings(settle_s=60.0, lag_ms=2 * LAG_MS, keep_s=1e6, poll_s=0.2, watch_s=1.0)
NAIVE = AccountSpec(name="naive", api_key="mx0simNAIVE000001", api_secret="naive-secret")
PLACING, PRIVATE = "new_order|batch_orders", "spot@private.*"
LOOKING = "query_order|open_orders|all_orders|my_trades"
FAULTS = (
    Fault(kind="mute", on=PLACING, chance=0.02),
    Fault(kind="mute", on=PLACING, at="read", chance=0.01),
    Fault(kind="error", on=PLACING, status=504, chance=0.02),
    Fault(kind="error", on=PLACING, status=403, chance=0.01),
    Fault(kind="error", on=PLACING, status=502, at="read", chance=0.01),
    Fault(kind="reset", on=PLACING, at="unread", chance=0.01),
    Fault(kind="reset", on=PLACING, at="read", chance=0.01),
    Fault(kind="reset", on=PLACING, chance=0.02),
    Fault(kind="truncate", on=PLACING, chance=0.02),
    Fault(kind="hold", on=PLACING, chance=0.02, delay_ms=WINDOW_MS - 100),
    Fault(kind="hold", on=PLACING, chance=0.01, delay_ms=WINDOW_MS + 300),
    Fault(kind="overtake", on=PLACING, chance=0.01, delay_ms=300),
    Fault(kind="late_answer", on=PLACING, chance=0.05, delay_ms=150),
    Fault(kind="answer_twice", on="*", chance=0.02),
    Fault(kind="mute", on="cancel_order", chance=0.02),
    Fault(kind="error", on="cancel_order", status=504, chance=0.02),
    Fault(kind="reset", on="cancel_order", chance=0.02),
    Fault(kind="fill_first", on="cancel_order", chance=0.1, part=0.5),
    Fault(kind="fill_first", on="cancel_order", chance=0.05, part=1.0),
    Fault(kind="lag", on=LOOKING, chance=0.2, delay_ms=LAG_MS),
    Fault(kind="cancel_lag", on="cancel_order", chance=0.05, delay_ms=LAG_MS),
    Fault(kind="error", on=LOOKING, status=502, chance=0.02),
    Fault(kind="duplicate", on=PRIVATE, chance=0.05),
    Fault(kind="delay", on=PRIVATE, chance=0.02, delay_ms=100),
    Fault(kind="reorder", on=PRIVATE, chance=0.05),
    Fault(kind="skip", on=PRIVATE, chance=0.02),
    Fault(kind="drop", on=PRIVATE, chance=0.002),
    Fault(kind="restart", on=PLACING, chance=0.001, delay_ms=200),
)


class Trader:
    """One coroutine of many: places orders of every kind, cancels and replaces some."""

    def __init__(self, mexc: Mexc, random: Random) -> None:
        self.mexc = mexc
        self.random = random
        self.refusals = Counter[str]()
        self.mine: list[TrackedOrder] = []

    async def run(self, count: int) -> None:
        while count > 0:
            try:
                count -= await self.act(count)
                while len(self.mine) > 6:  # an account has 500 open orders at most
                    await self.mine.pop(0).cancel()
            except (OrderNotPlaced, ApiError) as error:  # provably not placed: the count goes on
                self.refusals[type(error).__name__] += 1
                count -= 1
            except ConnectFailed:
                await asyncio.sleep(self.random.random() / 10)

    async def act(self, most: int) -> int:
        random, orders = self.random, self.mexc.orders
        symbol, side = random.choice(SYMBOLS), random.choice(("BUY", "SELL"))
        roll = random.random()
        if roll < 0.1 and most >= 5:
            batch = [self.order(symbol, random.choice(("BUY", "SELL")), rests=True) for _ in range(5)]
            self.mine += await orders.place_many(batch)
            return 5
        if roll < 0.4:
            await orders.place(self.order(symbol, side, rests=False))
            return 1
        if roll < 0.45:
            await self.mexc.spot.new_order(**self.fields(symbol, side, rests=True))
            return 1
        order = await orders.place(self.order(symbol, side, rests=True))
        self.mine.append(order)
        if roll < 0.6:
            await order.cancel()
        elif roll < 0.75:
            await self.replace(order)
            return 2
        return 1

    async def replace(self, order: TrackedOrder) -> None:
        price = order.price
        assert price is not None
        rules = self.mexc.rules(order.symbol)
        factor = Decimal("0.99") if order.side == "BUY" else Decimal("1.01")
        if not order.is_final:
            new = await order.replace(price=rules.price(price * factor))
            asked = order.quantity or Decimal(0)
            self.mine.append(new)
            assert order.filled_quantity + (new.quantity or Decimal(0) if new is not order else 0) <= asked

    def fields(self, symbol: str, side: str, rests: bool) -> dict[str, Any]:
        rules = self.mexc.rules(symbol)
        best = PRICES[symbol]
        away = Decimal("0.05") if rests else Decimal("-0.02")
        price = rules.price(best * (1 - away if side == "BUY" else 1 + away))
        kind = "LIMIT" if rests else self.random.choice(("LIMIT", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL"))
        value = Decimal(self.random.randint(6, 40))
        quantity = rules.quantity(value / price, "up")
        return {"symbol": symbol, "side": side, "type": kind, "quantity": quantity, "price": price}

    def order(self, symbol: str, side: str, rests: bool) -> NewOrder:
        return NewOrder(**self.fields(symbol, side, rests))


PRICES: dict[str, Decimal] = {}


async def trade_naively(mexc: Mexc, random: Random, count: int) -> int:
    """Send every unanswered order again, as if no answer meant no order; return how many it believes to be open."""
    placed = 0
    rules = mexc.rules("XRPUSDT")
    price = rules.price(PRICES["XRPUSDT"] * Decimal("0.95"))
    fields: dict[str, Any] = {
        "symbol": "XRPUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "price": price,
        "quantity": Decimal(20),
    }
    while placed < count:
        try:
            await mexc.request("POST", "/api/v3/order", fields, signed=True)
        except OutcomeUnknown:
            continue
        except MexcError:
            await asyncio.sleep(random.random() / 50)
            continue
        placed += 1
    return placed


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_order_is_known_exactly_after_chaos(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    config = SimConfig(seed=seed, limits="none", flow=5, accounts=(main_account(), NAIVE))
    settings: dict[str, Any] = {
        "limits": "unlimited",
        "orders": SETTLE,
        "timeouts": Timeouts(connect_s=2.0, read_s=TIMEOUT_S, total_s=TIMEOUT_S),
        "retry": RetryPolicy(budget_s=20.0, first_s=0.02, longest_s=0.3),
        "recv_window_ms": WINDOW_MS,
    }
    async with nothing_left(), Simulator(config) as sim:
        naive_login = Credentials(NAIVE.api_key, NAIVE.api_secret)
        async with (
            sim_client(sim, timing=TIMING, call_log=tmp_path / "calls.jsonl", **settings) as mexc,
            sim_client(sim, timing=TIMING, **{**settings, "credentials": naive_login}) as naive,
        ):
            await mexc.warm_up()
            await naive.warm_up()
            mexc.orders.limits(max_open_orders=10 * ORDERS)  # never reached: what the guard counts is compared below
            for ticker in await mexc.spot.book_ticker():
                if ticker.symbol in SYMBOLS:
                    PRICES[ticker.symbol] = ticker.bid_price or Decimal(0)
            before = totals(sim.statement())
            sim.inject(*FAULTS)
            traders = [Trader(mexc, Random(random.random())) for _ in range(TRADERS)]
            async with asyncio.TaskGroup() as group:
                for trader in traders:
                    group.create_task(trader.run(ORDERS // TRADERS))
                believed = group.create_task(trade_naively(naive, random, 60))
            struck = {count.fault.kind for count in sim.fault_counts() if count.struck}
            sim.clear_faults()
            orders = mexc.orders.all()
            assert not [order for order in orders if order.status in (OrderState.UNKNOWN, OrderState.SENDING)]
            await mexc.orders.cancel_all()
            for order in orders:
                if order.error is None:
                    await order.settled(30)
            truth = sim.statement()
            compare(mexc, truth, before)
            exposure = mexc.orders.exposure()
            assert exposure.open_orders == 0
            for symbol, one in exposure.symbols.items():
                signed = [
                    line.executed if line.side == "BUY" else -line.executed
                    for line in truth.orders
                    if line.symbol == symbol
                ]
                assert (one.position, one.open_buys, one.open_sells) == (sum(signed), 0, 0)  # type: ignore[comparison-overlap]  # a sum
            # The call log alone has the same.
            replayed = known_by(await past(mexc, tmp_path / "calls.jsonl"))
            assert replayed == known_by(mexc.orders.execution.tracker.table)
            assert len(truth.orders) > ORDERS * 0.7
            assert sum(trader.refusals["OrderNotPlaced"] for trader in traders) > 0
            assert {"mute", "error", "reset", "hold", "lag", "fill_first", "reorder"} <= struck
            # The naive client, under the same faults, has placed more than it knows.
            assert len(sim.statement("naive").orders) > believed.result()
            await until(lambda: mexc.orders.is_followed)
