"""Fills of one plain strategy on real bars, compared with those of basana (https://pypi.org/project/basana).

Both fill the same orders in the same bars. The prices differ where a trader would expect it:

- An order that trades at once pays the spread here. There it trades at the bar's open.
- A resting order that the next open jumps over is filled at its own price here, as at an exchange. There it gets the
  open, which is better.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.exchange.bars import Bar
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.orders import Order, OrderRequest
from mexc_async.sim.market.bar_player import BarPlayer
from mexc_async.sim.market.bars import Bars, read_bars
from mexc_async.sim.market.listing import MarketData
from mexc_async.sim.market.models import MarketModels

basana: Any = pytest.importorskip("basana", reason="basana is not installed")
backtesting: Any = pytest.importorskip("basana.backtesting.exchange")
RECORDED = Path(__file__).resolve().parents[4] / "shared" / "data" / "btc-1m-2022-01.csv.gz"
pytestmark = pytest.mark.filterwarnings("ignore:Use price instead:DeprecationWarning")  # basana's own

D = Decimal
DATA = MarketData(symbol="BTC-USDT", volume_in="quote", maker_fee=D(0), taker_fee=D(0))
QUANTITY = D("0.001")
RICH = {"BTC": D(1000), "USDT": D(10**8)}
BARS = 5_000
LATE = 9
"""Number of bars after which an order that is not filled is cancelled."""


class Intent(NamedTuple):
    """One order of the strategy."""

    is_buy: bool
    price: Decimal | None
    """Limit price; None for a market order."""


class Outcome(NamedTuple):
    """The fill of an order: number of its bar, and its price."""

    bar: int
    price: Decimal


def intent(number: int, close: Decimal) -> Intent | None:
    """Return the order that the strategy places when bar `number` has closed."""
    away = D(number % 7) / 10_000
    if number % 10 == 0:
        return Intent(True, round(close * (1 - away)))  # type: ignore[arg-type]  # a whole number will do
    if number % 10 == 5:
        return Intent(False, round(close * (1 + away)))  # type: ignore[arg-type]  # a whole number will do
    return Intent(number % 20 == 3, None) if number % 10 == 3 else None


def here(rows: list[Bar]) -> dict[int, Outcome]:
    """Run the strategy in the simulator's market of bars; return the fills by the bar that placed their order."""
    bars = Bars({"BTC-USDT": rows}, DATA)
    exchange = Exchange(bars.rules, seed=7, now_ms=bars.start_ms)
    account = exchange.open_account(AccountSpec(name="a", api_key="k", api_secret="s", balances=RICH), bars.start_ms)
    player = BarPlayer(exchange, bars, now_ms=bars.start_ms, models=MarketModels(volume_share=D(1)))
    orders: dict[int, Order] = {}
    for number, bar in enumerate(rows[:-1]):
        now_ms = bar.open_ms + bars.interval_ms
        player.advance(now_ms)
        if number - LATE in orders:
            exchange.cancel([orders[number - LATE]], now_ms)
        if wanted := intent(number, bar.close):
            request = OrderRequest(
                symbol="BTCUSDT",
                side="BUY" if wanted.is_buy else "SELL",
                type="MARKET" if wanted.price is None else "LIMIT",
                quantity=QUANTITY,
                price=None if wanted.price is None else D(wanted.price),
            )
            orders[number] = exchange.place(account, request, now_ms)
    player.advance(bars.end_ms)
    numbers = {order.order_id: number for number, order in orders.items()}
    return {
        numbers[trade.order_id]: Outcome((trade.time_ms - bars.start_ms) // bars.interval_ms, trade.price)
        for trade in account.trades
    }


def there(rows: list[Bar]) -> dict[int, Outcome]:
    """Run the strategy in basana with unlimited volume and no slippage; return the same."""
    minute, pair = timedelta(minutes=1), basana.Pair("BTC", "USDT")
    events = []
    for bar in rows:
        begin = datetime.fromtimestamp(bar.open_ms / 1000, UTC)
        made = basana.Bar(begin, pair, bar.open, bar.high, bar.low, bar.close, bar.value, minute)
        events.append(basana.BarEvent(begin + minute, made))
    dispatcher = basana.backtesting_dispatcher()
    exchange = backtesting.Exchange(
        dispatcher, RICH, liquidity_strategy_factory=backtesting.liquidity.InfiniteLiquidity
    )
    exchange.set_pair_info(pair, basana.PairInfo(8, 8))
    exchange.add_bar_source(basana.FifoQueueEventSource(events=events))
    placed: dict[int, str] = {}
    start = events[0].bar.begin

    async def on_bar(event: Any) -> None:
        number = (event.bar.begin - start) // minute
        if number - LATE in placed and (await exchange.get_order_info(placed[number - LATE])).is_open:
            await exchange.cancel_order(placed[number - LATE])
        wanted = intent(number, event.bar.close)
        if wanted is None or number == len(rows) - 1:
            return
        way = basana.OrderOperation.BUY if wanted.is_buy else basana.OrderOperation.SELL
        if wanted.price is None:
            made = await exchange.create_market_order(way, pair, QUANTITY)
        else:
            made = await exchange.create_limit_order(way, pair, QUANTITY, D(wanted.price))
        placed[number] = made.id

    async def run() -> dict[int, Outcome]:
        exchange.subscribe_to_bar_events(pair, on_bar)
        await dispatcher.run(stop_signals=[])
        found = {}
        for number, name in placed.items():
            for fill in (await exchange.get_order_info(name)).fills:
                found[number] = Outcome((fill.when - start) // minute, fill.price)
        return found

    return asyncio.run(run())


@pytest.mark.skipif(not RECORDED.is_file(), reason="the real bars are not beside the repository")
def test_both_fill_the_same_orders_in_the_same_bars() -> None:
    rows = list(read_bars(RECORDED, DATA).bars["BTCUSDT"][:BARS])
    ours, theirs = here(rows), there(rows)
    assert len(theirs) > 1000
    assert {number: fill.bar for number, fill in ours.items()} == {number: fill.bar for number, fill in theirs.items()}
    costs = Counter[Decimal]()
    for number, fill in ours.items():
        wanted = intent(number, rows[number].close)
        assert wanted is not None
        cost = (fill.price - theirs[number].price) * (1 if wanted.is_buy else -1)
        assert cost == 0 or fill.bar == number + 1  # a resting order has the same price
        costs[cost] += 1
    assert set(costs) == {D(0), D("0.01")}  # nothing, or the spread of one tick
    assert costs[D(0)] > 3 * costs[D("0.01")]


def test_an_order_that_the_open_jumps_over_keeps_its_price_here() -> None:
    rows = []
    for number, prices in enumerate([(100, 100, 99, 100), (102, 103, 101, 101), (95, 96, 94, 95), (95, 96, 94, 95)]):
        bar = Bar(1_640_995_200_000 + number * 60_000, D(prices[0] * 1000))
        bar.high, bar.low, bar.close = (D(price * 1000) for price in prices[1:])
        bar.value = D(10**6)
        rows.append(bar)
    assert here(rows)[0] == Outcome(2, D(100_000))
    assert there(rows)[0] == Outcome(2, D(95_000))
