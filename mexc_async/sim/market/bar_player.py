"""Playback of bars: four moves of the price in each bar, with a trade at each, and one price on each side of the book.

A move's trade meets users' resting orders that the price passes. Afterwards the best ask and the best bid stand
`spread_ticks` apart, the price at one of them: after a rise it is the ask, after a fall the bid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, Decimal
from itertools import groupby
from math import inf
from random import Random

from mexc_async.sim.exchange.bars import Bar
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.matching import RestingOrder, Side, opposite
from mexc_async.sim.exchange.settlement import HOUSE
from mexc_async.sim.market.bars import Bars
from mexc_async.sim.market.models import USUAL, MarketModels

MOVES = 4
"""Moves of the price in a bar, each a quarter of the bar apart: open, then high and low in a drawn order, close."""
ZERO = Decimal(0)


class _Symbol:
    """One symbol's market that is made of bars."""

    def __init__(self, exchange: Exchange, symbol: str, first: Bar, models: MarketModels, seed: int) -> None:
        self._exchange = exchange
        self._market = exchange.market(symbol)
        self._models = models
        self._random = Random(f"{seed}:{symbol}:bars")
        self._is_rising = True
        self._price = self._fit(first.open)
        self._path: Sequence[Decimal] = ()
        self._quantities: Sequence[Decimal] = ()

    def show(self, bar: Bar, now_ms: int) -> None:
        """Show the book before the first trade."""
        self._begin(bar)
        most = self._most(self._quantities[0])
        self._quote(most, most)
        self._exchange.publish(self._market, now_ms)

    def move(self, bar: Bar, number: int, now_ms: int) -> None:
        """Make one move of a bar, counted from 0."""
        market = self._market
        if number == 0:
            self._begin(bar)
            market.history.open_at(now_ms, self._path[0])
        price, quantity = self._path[number], self._quantities[number]
        if price != self._price:
            self._is_rising = price > self._price
        self._price = price
        most = self._most(quantity)
        self._withdraw()
        taker: Side = "BUY" if self._is_rising else "SELL"
        filled = self._fill(taker, price, min(most, quantity), now_ms)
        # What an earlier move's share left behind the price is filled by any move.
        late = self._fill(opposite(taker), self._beyond(opposite(taker)), min(most, quantity - filled), now_ms)
        if quantity > filled + late:
            self._exchange.print_trade(market, price, quantity - filled - late, taker, now_ms)
        bought, sold = (late, filled) if self._is_rising else (filled, late)
        self._quote(most - sold, most - bought)
        self._exchange.publish(market, now_ms)

    def _begin(self, bar: Bar) -> None:
        """Draw the path of a bar, and divide its volume among the moves."""
        first, high, low, close = (self._fit(price) for price in (bar.open, bar.high, bar.low, bar.close))
        extremes = (high, low) if self._random.random() < 0.5 else (low, high)
        self._path = (first, *extremes, close)
        step = self._market.step
        if not bar.volume and not bar.value:
            self._quantities = (ZERO,) * MOVES
            return
        if bar.value:
            each = (bar.value / sum(self._path)).quantize(step, rounding=ROUND_DOWN)
            last = (bar.value - each * sum(self._path[:-1])) / close
        else:
            each = (bar.volume / MOVES).quantize(step, rounding=ROUND_DOWN)
            last = bar.volume - each * (MOVES - 1)
        self._quantities = (*(max(step, each) for _ in range(MOVES - 1)), max(step, last.quantize(step)))

    def _most(self, quantity: Decimal) -> Decimal:
        """Return the most that users can buy, or sell, in a move of this volume; at least a step."""
        step = self._market.step
        return max(step, (quantity * self._models.volume_share).quantize(step, rounding=ROUND_DOWN))

    def _fill(self, taker: Side, price: Decimal, most: Decimal, now_ms: int) -> Decimal:
        """Fill users' orders that the price passes, up to `most`; return the quantity."""
        book = self._market.book
        if not most or not book.half(opposite(taker)).users:
            return ZERO
        limit = price if self._models.fills_at_touch else self._beyond(taker)
        plan = book.plan(taker, limit, most)
        if plan.fills:
            self._exchange.execute(self._market, None, None, plan, now_ms, taker)
        return most - plan.left

    def _beyond(self, taker: Side) -> Decimal:
        """Return the first price that the price has passed, not only reached."""
        return self._price + (-self._market.tick if taker == "BUY" else self._market.tick)

    def _withdraw(self) -> None:
        for half in (self._market.book.bids, self._market.book.asks):
            for entry in half.house.values():
                half.reduce(entry, entry.quantity)
            half.house.clear()

    def _quote(self, bid_quantity: Decimal, ask_quantity: Decimal) -> None:
        """Offer what users may still sell and buy until the next move. No offer crosses a user's order."""
        market, spread = self._market, self._market.tick * self._models.spread_ticks
        bid, ask = (self._price - spread, self._price) if self._is_rising else (self._price, self._price + spread)
        own_bid, own_ask = market.book.bids.best(), market.book.asks.best()
        if own_bid is not None:
            ask = max(ask, own_bid + market.tick)
        if own_ask is not None:
            bid = min(bid, own_ask - market.tick)
        self._offer("BUY", bid, bid_quantity)
        self._offer("SELL", ask, ask_quantity)

    def _offer(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        if price > 0 and quantity > 0:
            entry = self._market.house(side)[price] = RestingOrder(HOUSE, "", side, price, quantity)
            self._market.book.rest(entry)

    def _fit(self, price: Decimal) -> Decimal:
        return price.quantize(self._market.tick)


class BarPlayer:
    """Player of bars into an exchange that lists their symbols."""

    def __init__(
        self,
        exchange: Exchange,
        bars: Bars,
        *,
        now_ms: int,
        loop: bool = False,
        models: MarketModels = USUAL,
        seed: int = 7,
    ) -> None:
        """Show each symbol at its first price. `advance` plays the bars, the first at the next full interval."""
        self._exchange = exchange
        self._bars = bars
        self._loop = loop
        self._symbols = {symbol: _Symbol(exchange, symbol, rows[0], models, seed) for symbol, rows in bars.bars.items()}
        self._shift_ms = self._shift_to(now_ms)
        for symbol, rows in bars.bars.items():
            self._symbols[symbol].show(rows[0], now_ms)
        self._moves = self._all_moves()
        self._next: tuple[int, int, str, Bar] | None = next(self._moves)

    @property
    def is_finished(self) -> bool:
        """True if the bars have ended and do not loop."""
        return self._next is None

    @property
    def due_ms(self) -> float:
        """Time of the next move; infinity after the last."""
        return inf if self._next is None else self._next[0] + self._shift_ms

    def advance(self, now_ms: int) -> None:
        """Make the moves that are due by `now_ms`."""
        while self._next is not None:
            due_ms = self._next[0] + self._shift_ms
            if due_ms > now_ms:
                return
            _, number, symbol, bar = self._next
            self._symbols[symbol].move(bar, number, due_ms)
            self._next = next(self._moves, None)
            if self._next is None and self._loop:
                self._shift_ms = self._shift_to(now_ms + 1)
                self._moves = self._all_moves()
                self._next = next(self._moves)

    def pause(self, ms: int) -> None:
        """Delay all coming moves by `ms`, to a full interval, so that bars open where klines do."""
        self._shift_ms = self._shift_to(self._bars.start_ms + self._shift_ms + ms)

    def _shift_to(self, time_ms: int) -> int:
        """Return the delay, a multiple of the interval, with which the first bar opens at `time_ms` or soon after."""
        interval_ms = self._bars.interval_ms
        return -((self._bars.start_ms - time_ms) // interval_ms) * interval_ms

    def _all_moves(self) -> Iterator[tuple[int, int, str, Bar]]:
        """Yield (time, number in its bar, symbol, bar) of every move, in order of time."""
        rows = [(bar.open_ms, symbol, bar) for symbol, bars in self._bars.bars.items() for bar in bars]
        rows.sort(key=lambda row: row[0])
        for open_ms, together in groupby(rows, key=lambda row: row[0]):
            bars = list(together)
            for number in range(MOVES):
                time_ms = open_ms + number * self._bars.interval_ms // MOVES
                for _, symbol, bar in bars:
                    yield time_ms, number, symbol, bar
