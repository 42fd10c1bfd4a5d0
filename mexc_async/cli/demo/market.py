"""The demo's workload: streams, polled market data, a small grid strategy, and a burst at the full rate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from decimal import Decimal
from itertools import count
from typing import Any

from mexc_async.books.live_book import LiveBook
from mexc_async.cli.demo.summary import Counters
from mexc_async.client.mexc import Mexc
from mexc_async.errors import MexcError, RateLimited, WaitTimeout
from mexc_async.runtime.clock import Clock
from mexc_async.spot.enums import OrderStatus
from mexc_async.spot.push_models import BookTickerPush, FillPush, OrderPush
from mexc_async.spot.rules import SymbolRules
from mexc_async.spot.trading import NewOrder
from mexc_async.streams.streams import Stream

WEIGHT_PER_S = 12.0
"""IP weight per second for polling. The documents allow 30; the grid's queries and the books need the rest."""
CYCLE_WEIGHT = 19
"""IP weight of one polling cycle: book ticker 10, trades 5, depth 3, klines 1."""
SPREADS = (Decimal("0.0003"), Decimal("0.0006"))
"""Distance of the grid's levels from the mid price, as ratios."""
GRID_VALUE = Decimal(50)
"""Value of one grid order, in quote."""
HOLD_S = 0.4
BURST_WORKERS = 20
"""Workers for market data, and as many for orders."""


class GridQuote:
    """Latest market data and grid figures of one symbol."""

    def __init__(self, symbol: str, book: LiveBook[Decimal]) -> None:
        self.symbol = symbol
        self.book = book
        self.bid: Decimal | None = None
        self.ask: Decimal | None = None
        self.last: Decimal | None = None
        self.change: Decimal | None = None
        self.pushes = 0
        self.lag_ms: float | None = None
        self.open_orders = 0
        self.filled = Decimal(0)
        """Traded by the grid, in quote."""

    @property
    def middle(self) -> Decimal | None:
        """Mid price: of the order book while it is in sync, else of the last book ticker."""
        if self.book.is_synced:
            return self.book.mid
        return (self.bid + self.ask) / 2 if self.bid and self.ask else None


class Demo:
    """The demo's first part: streams, polled market data and a grid on several symbols, concurrently."""

    def __init__(self, mexc: Mexc, symbols: Iterable[str], counters: Counters, clock: Clock) -> None:
        """Trade these symbols. The clock's generator decides which orders cross the spread."""
        self.mexc = mexc
        self.quotes = {symbol: GridQuote(symbol, mexc.books(symbol)) for symbol in symbols}
        self.counters = counters
        self._clock = clock
        self._pause_s = CYCLE_WEIGHT * len(self.quotes) / WEIGHT_PER_S
        """Seconds between two polling cycles of one symbol."""

    async def run(self, seconds: float) -> None:
        """Trade for `seconds`, wait for the last orders, then cancel all. Raises the first unexpected error."""
        ends = self._clock.monotonic() + seconds
        try:
            async with AsyncExitStack() as stack:
                streams = self.mexc.streams
                orders = await stack.enter_async_context(streams.orders())
                fills = await stack.enter_async_context(streams.fills())
                tickers = await stack.enter_async_context(streams.book_ticker(list(self.quotes), overflow="latest"))
                async with asyncio.TaskGroup() as group:
                    around = [self._follow_tickers(tickers), self._follow_orders(orders), self._follow_fills(fills)]
                    for index, quote in enumerate(self.quotes.values()):
                        around += [self._keep_book(quote), self._poll(quote, self._pause_s * index / len(self.quotes))]
                    followers = [group.create_task(work) for work in around]
                    await asyncio.wait([group.create_task(self._trade(quote, ends)) for quote in self.quotes.values()])
                    for follower in followers:
                        follower.cancel()
        finally:
            await self.mexc.spot.cancel_all_orders()

    async def _keep_book(self, quote: GridQuote) -> None:
        async with quote.book:
            await asyncio.Future()  # until the phase ends

    async def _follow_tickers(self, tickers: Stream[BookTickerPush]) -> None:
        async for push in tickers:
            quote = self.quotes[push.symbol or ""]
            quote.bid, quote.ask = push.body.bid_price, push.body.ask_price
            quote.pushes += 1
            quote.lag_ms = tickers.lag_ms
            self.counters.pushes += 1

    async def _follow_orders(self, orders: Stream[OrderPush]) -> None:
        async for _ in orders:
            self.counters.pushes += 1

    async def _follow_fills(self, fills: Stream[FillPush]) -> None:
        async for push in fills:
            self.counters.pushes += 1
            self.counters.fills += 1
            self.quotes[push.symbol or ""].filled += push.body.quote_quantity

    async def _poll(self, quote: GridQuote, offset_s: float) -> None:
        """Poll ticker, depth, trades and klines of one symbol concurrently, in a loop."""
        spot, symbol = self.mexc.spot, quote.symbol
        await asyncio.sleep(offset_s)
        while True:
            started = self._clock.monotonic()
            ticker, depth, trades, klines = await asyncio.gather(
                spot.book_ticker(symbol=symbol),
                spot.depth(symbol=symbol, limit=20),
                spot.trades(symbol=symbol, limit=20),
                spot.klines(symbol=symbol, interval="1m", limit=60),
            )
            if quote.bid is None and depth.bids and depth.asks:  # before the first push
                quote.bid, quote.ask = ticker.bid_price, ticker.ask_price
            quote.last = trades[0].price if trades else quote.last
            if klines and quote.last is not None:
                quote.change = quote.last / klines[0].open - 1
            await asyncio.sleep(max(self._pause_s - (self._clock.monotonic() - started), 0.0))

    async def _trade(self, quote: GridQuote, ends: float) -> None:
        """Run a small grid around the mid price until `ends`: place, wait, query, cancel, repeat."""
        rules = self.mexc.rules(quote.symbol)
        while self._clock.monotonic() < ends:
            middle = quote.middle
            if middle is None:
                await asyncio.sleep(0.02)
                continue
            async with asyncio.TaskGroup() as group:
                for spread in SPREADS:
                    group.create_task(self._order(quote, rules, "BUY", middle * (1 - spread)))
                    group.create_task(self._order(quote, rules, "SELL", middle * (1 + spread)))

    async def _order(self, quote: GridQuote, rules: SymbolRules, side: str, price: Decimal) -> None:
        """Place one order, wait for a fill, query it and cancel the rest."""
        spot, symbol = self.mexc.spot, quote.symbol
        price = rules.price(price, "down" if side == "BUY" else "up")
        quantity = rules.quantity(max(GRID_VALUE, (rules.info.min_notional or 0) * 2) / price, "up")
        kind = "IMMEDIATE_OR_CANCEL" if self._clock.random.random() < 0.15 else "LIMIT"
        if kind == "IMMEDIATE_OR_CANCEL":  # cross the spread now and then, so that something trades
            price = rules.price(price * (Decimal("1.002") if side == "BUY" else Decimal("0.998")))
        quote.open_orders += 1
        try:
            order = await self.mexc.orders.place(
                NewOrder(
                    symbol=symbol,
                    side="BUY" if side == "BUY" else "SELL",
                    type="LIMIT" if kind == "LIMIT" else "IMMEDIATE_OR_CANCEL",
                    quantity=quantity,
                    price=price,
                )
            )
            with contextlib.suppress(WaitTimeout):
                await order.closed(HOLD_S)
            await spot.query_order(symbol=symbol, orig_client_order_id=order.client_order_id)
            await order.cancel()
        finally:
            quote.open_orders -= 1


async def burst(mexc: Mexc, symbol: str, seconds: float, counters: Counters, clock: Clock) -> float:
    """Send half market data and half orders as fast as the limits allow for `seconds`; return the seconds taken.

    At the end, drop the calls that still wait for a limit, and await those on the wire.
    """
    rules = mexc.rules(symbol)
    ticker = await mexc.spot.book_ticker(symbol=symbol)
    if ticker.bid_price is None:
        raise MexcError(f"{symbol} has no bid to place orders below")
    price = rules.price(ticker.bid_price * Decimal("0.998"))
    quantity = rules.quantity(max(GRID_VALUE, (rules.info.min_notional or 0) * 2) / price, "up")
    window_s = mexc.limits.limits["client"].window_s + mexc.limits.limits.margin_s
    await asyncio.sleep(window_s)  # until the budget is full again
    started = clock.monotonic()
    ends = started + seconds

    async def market_data(worker: int) -> None:
        for turn in count():
            patient = mexc.using(max_wait_s=max(ends - clock.monotonic(), 0.0)).spot
            if turn % 2:  # equal reads at the same time would share one request, so each worker asks for its own
                await patient.depth(symbol=symbol, limit=5 + worker)
            else:
                await patient.klines(symbol=symbol, interval="1m", limit=5 + worker)

    async def orders() -> None:
        while True:
            patient = mexc.using(max_wait_s=max(ends - clock.monotonic(), 0.0)).spot
            ack = await patient.new_order(symbol=symbol, side="BUY", type="LIMIT", quantity=quantity, price=price)
            cancelled = await patient.cancel_order(symbol=symbol, order_id=ack.order_id)
            counters.fills += cancelled.status is OrderStatus.FILLED  # before the cancel arrived

    async def until_the_end(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except RateLimited as error:
            if error.status is not None:  # a refusal by the exchange, not the end of the burst
                raise

    stop_counting = mexc.hooks.add(counters.listen)
    try:
        async with asyncio.TaskGroup() as group:
            for worker in range(BURST_WORKERS):
                group.create_task(until_the_end(market_data(worker)))
                group.create_task(until_the_end(orders()))
        return max(seconds, counters.last_at - started)
    finally:
        stop_counting()
        await mexc.spot.cancel_all_orders()
