"""Trades and bars of one symbol, with a generated past of more than a year.

The past is made from the seed at its first use. Its last `TRADED_MINUTES` consist of single trades.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from decimal import Decimal
from itertools import islice
from math import exp
from random import Random
from typing import NamedTuple

import msgspec

from mexc_async.sim.exchange.bars import DAY, INTERVALS, MINUTE, Bar, bar_open
from mexc_async.sim.exchange.past import TYPICAL_MINUTE, VOLATILITY_A_MINUTE, Past
from mexc_async.sim.exchange.symbols import SymbolFilters

TRADED_MINUTES = 30
TRADES_A_MINUTE = 8


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One public trade."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    buyer_is_maker: bool

    @property
    def value(self) -> Decimal:
        """Quote amount."""
        return self.price * self.quantity


class Day(NamedTuple):
    """Statistics of the last 24 hours."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    value: Decimal


class _Series:
    """Bars of one interval since the single trades begin, built from complete minutes."""

    def __init__(self, interval: str) -> None:
        self.interval = interval
        self.bars: list[Bar] = []
        self.minutes_used = 0

    def extend(self, minutes: list[Bar]) -> None:
        """Add every complete minute: all but the last."""
        for index in range(self.minutes_used, len(minutes) - 1):
            self._add(self.bars, minutes[index])
        self.minutes_used = len(minutes) - 1

    def with_current(self, minute: Bar, most: int | None) -> list[Bar]:
        """Return all bars, or the last `most`, with the running minute included."""
        last = [self.bars[-1].copy(self.bars[-1].open_ms)] if self.bars else []
        self._add(last, minute)
        if most is None:
            return self.bars[:-1] + last
        return (self.bars[-most - 1 : -1] + last)[-most:]

    def _add(self, bars: list[Bar], minute: Bar) -> None:
        open_ms = bar_open(self.interval, minute.open_ms)
        if bars and bars[-1].open_ms == open_ms:
            bars[-1].merge(minute)
        else:
            bars.append(minute.copy(open_ms))


class History:
    """Trades and bars of one symbol."""

    def __init__(self, rules: SymbolFilters, seed: str, start_ms: int) -> None:
        self._rules = rules
        self._seed = f"{seed}:{rules.symbol}"
        self._minutes = [Bar(bar_open("1m", start_ms), rules.start_price)]
        """Every minute that consists of single trades; the last one is still running."""
        self._made: Past | None = None
        self._past_trades: list[Trade] = []
        self._trades: deque[Trade] = deque(maxlen=20_000)
        self._series: dict[str, _Series] = {}
        self._day: tuple[int, Day] | None = None
        self.count = 0
        """Number of trades recorded so far."""

    def record(self, trade: Trade) -> None:
        """Record a new trade."""
        self._trades.append(trade)
        self.count += 1
        self._roll(trade.time_ms)
        self._minutes[-1].add(trade.price, trade.quantity, trade.value)

    def open_at(self, time_ms: int, price: Decimal) -> None:
        """Let the minute of `time_ms` open at `price`, unless it has trades. By default it opens at the last close."""
        self._roll(time_ms)
        if not self._minutes[-1].volume:
            self._minutes[-1] = Bar(self._minutes[-1].open_ms, price)

    def trades(self, limit: int) -> list[Trade]:
        """Return up to `limit` of the newest trades, newest first."""
        found = list(islice(reversed(self._trades), limit))
        if len(found) < limit:
            self._past()
            found += islice(reversed(self._past_trades), limit - len(found))
        return found

    def trades_between(self, start_ms: int, end_ms: int, limit: int) -> list[Trade]:
        """Return up to `limit` of the newest trades of a span with both ends, newest first."""
        self._past()
        every = (*self._past_trades, *self._trades)
        first = bisect_left(every, start_ms, key=lambda trade: trade.time_ms)
        last = bisect_right(every, end_ms, key=lambda trade: trade.time_ms)
        return list(reversed(every[max(first, last - limit) : last]))

    def bars(self, interval: str, now_ms: int, start_ms: int | None, end_ms: int | None, limit: int) -> list[Bar]:
        """Return bars that open within the span, oldest first: the first `limit` after a given start, else the last."""
        past = self._past()
        self._roll(now_ms)
        is_last = start_ms is None and end_ms is None
        recent = self._recent(interval, limit + 1 if is_last else None)
        if is_last and len(recent) > limit:  # the usual case of pushes
            return recent[-limit:]
        width_ms = (limit + 1) * INTERVALS[interval] * 31 // 30  # a month may have 31 days
        last_ms = now_ms if end_ms is None else min(end_ms, now_ms)
        if start_ms is None:
            first_ms = last_ms - width_ms
        else:
            first_ms, last_ms = start_ms, min(last_ms, max(start_ms, past.first_ms) + width_ms)
        bars = past.bars(interval, first_ms, last_ms)
        if bars and bars[-1].open_ms == recent[0].open_ms:
            bars[-1] = bars[-1].copy(bars[-1].open_ms)
            bars[-1].merge(recent.pop(0))
        bars += recent
        first = bisect_left(bars, first_ms, key=lambda bar: bar.open_ms)
        last = bisect_right(bars, last_ms, key=lambda bar: bar.open_ms)
        return bars[first:last][:limit] if start_ms is not None else bars[max(first, last - limit) : last]

    def opening(self, time_ms: int, now_ms: int) -> tuple[Decimal, Decimal]:
        """Return the open of the minute at `time_ms`, which is in the past, and the close of the minute before it."""
        minute_ms = bar_open("1m", time_ms)
        found = self.bars("1m", now_ms, minute_ms - MINUTE, minute_ms, 2)
        return found[-1].open, found[0].close

    def average(self, now_ms: int, minutes: int) -> Decimal:
        """Return the volume-weighted price of the last `minutes`, up to 30, or the last price if nothing traded."""
        self._past()
        self._roll(now_ms)
        recent = self._minutes[-minutes:]
        volume = sum((bar.volume for bar in recent), Decimal(0))
        if not volume:
            return recent[-1].close
        return sum((bar.value for bar in recent), Decimal(0)) / volume

    def day(self, now_ms: int) -> Day:
        """Return the statistics of the last 24 hours, to the minute."""
        past = self._past()
        self._roll(now_ms)
        current = self._minutes[-1]
        if self._day is None or self._day[0] != current.open_ms:
            first_ms = current.open_ms - DAY + MINUTE
            complete = past.between(first_ms, past.end_ms)
            for bar in self._minutes[-DAY // MINUTE : -1]:
                if complete is None:
                    complete = bar.copy(bar.open_ms)
                else:
                    complete.merge(bar)
            assert complete is not None
            found = Day(complete.open_ms, complete.open, complete.high, complete.low, complete.volume, complete.value)
            self._day = (current.open_ms, found)
        day = self._day[1]
        return day._replace(
            high=max(day.high, current.high),
            low=min(day.low, current.low),
            volume=day.volume + current.volume,
            value=day.value + current.value,
        )

    def _roll(self, now_ms: int) -> None:
        """Add bars for the minutes that have begun since, flat until a trade."""
        current = self._minutes[-1]
        while current.open_ms + MINUTE <= now_ms:
            current = Bar(current.open_ms + MINUTE, current.close)
            self._minutes.append(current)

    def _recent(self, interval: str, most: int | None) -> list[Bar]:
        """Return the bars of the minutes that consist of single trades: all, or the last `most`."""
        series = self._series.get(interval)
        if series is None:
            series = self._series[interval] = _Series(interval)
        series.extend(self._minutes)
        return series.with_current(self._minutes[-1], most)

    def _past(self) -> Past:
        """Return the past before the minutes of single trades, which are generated first."""
        if self._made is None:
            random = Random(f"{self._seed}:1m")
            traded = self._walk(random, self._minutes[0])
            for index, bar in enumerate(traded):
                self._past_trades += self._trades_in(random, bar, index * TRADES_A_MINUTE)
            self._minutes[:0] = traded
            self._made = Past(self._rules, self._seed, traded[0].open_ms, traded[0].open)
        return self._made

    def _walk(self, random: Random, end: Bar) -> list[Bar]:
        """Generate the minutes before `end` by a random walk backwards from its open; return them oldest first."""
        typical_value = float(self._rules.min_value) * TYPICAL_MINUTE
        bars: list[Bar] = []
        close, close_price = float(end.open), end.open
        for count in range(1, TRADED_MINUTES + 1):
            opening = close / exp(random.gauss(0.0, VOLATILITY_A_MINUTE))
            bar = Bar(end.open_ms - count * MINUTE, self._price(opening))
            bar.close = close_price
            wicks = abs(random.gauss(0.0, VOLATILITY_A_MINUTE / 2)), abs(random.gauss(0.0, VOLATILITY_A_MINUTE / 2))
            bar.high = max(bar.open, bar.close, self._price(max(opening, close) * (1 + wicks[0])))
            bar.low = min(bar.open, bar.close, self._price(min(opening, close) * (1 - wicks[1])))
            bar.volume = self._quantity(typical_value * random.lognormvariate(0.0, 0.5) / close)
            bars.append(bar)
            close, close_price = opening, bar.open
        bars.reverse()
        return bars

    def _trades_in(self, random: Random, bar: Bar, first_id: int) -> list[Trade]:
        """Generate trades that make up `bar`, and set its volume and value to theirs."""
        low, high = float(bar.low), float(bar.high)
        prices = [bar.open, bar.high, bar.low, bar.close]
        between = [self._price(random.uniform(low, high)) for _ in range(TRADES_A_MINUTE - len(prices))]
        prices[2:2] = [min(max(price, bar.low), bar.high) for price in between]
        mean = float(bar.volume) / TRADES_A_MINUTE
        bar.volume = bar.value = Decimal(0)
        trades = []
        for index, price in enumerate(prices):
            time_ms = bar.open_ms + (index * MINUTE + random.randrange(MINUTE)) // TRADES_A_MINUTE
            quantity = self._quantity(mean * random.uniform(0.2, 1.8))
            trades.append(Trade(first_id + index, price, quantity, time_ms, random.random() < 0.5))
            bar.volume += quantity
            bar.value += price * quantity
        return trades

    def _price(self, price: float) -> Decimal:
        decimals = self._rules.price_decimals
        return Decimal(max(1, round(price * 10**decimals))).scaleb(-decimals)

    def _quantity(self, quantity: float) -> Decimal:
        decimals = self._rules.quantity_decimals
        return Decimal(max(1, round(quantity * 10**decimals))).scaleb(-decimals)
