"""Trades and klines of one symbol, with a generated past so that charts are full at once.

The past is generated from the seed at its first use. Its last `TRADED_MINUTES` consist of single trades.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from math import exp, sqrt
from random import Random
from typing import NamedTuple

import msgspec

from mexc_async.sim.exchange.symbols import SymbolFilters

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
INTERVALS: dict[str, int] = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "60m": 60 * MINUTE,
    "4h": 240 * MINUTE,
    "8h": 480 * MINUTE,
    "1d": DAY,
    "1W": 7 * DAY,
    "1M": 30 * DAY,
}
"""Length of each interval in ms. A month's length is approximate; `bar_open` is exact."""
STREAM_ONLY = ("8h",)
"""Intervals that the stream has and REST does not."""

PAST_MINUTES = 1500
TRADED_MINUTES = 30
TRADES_A_MINUTE = 8
VOLATILITY_A_MINUTE = 0.0006
_OLDER_BARS = {"1W": 150, "1M": 36}
_MOST_OLDER_BARS = 500
_MONDAY = 4 * DAY  # the epoch was a Thursday


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


class Bar:
    """One kline, complete at the end of its interval."""

    __slots__ = ("close", "high", "low", "open", "open_ms", "value", "volume")

    def __init__(self, open_ms: int, price: Decimal) -> None:
        self.open_ms = open_ms
        self.open = self.high = self.low = self.close = price
        self.volume = Decimal(0)
        self.value = Decimal(0)

    def add(self, price: Decimal, quantity: Decimal, value: Decimal) -> None:
        """Add a trade."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += quantity
        self.value += value

    def merge(self, later: Bar) -> None:
        """Add a shorter bar that follows."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.value += later.value

    def copy(self, open_ms: int) -> Bar:
        """Return a copy of this bar that opens at `open_ms`."""
        twin = Bar(open_ms, self.open)
        twin.high, twin.low, twin.close = self.high, self.low, self.close
        twin.volume, twin.value = self.volume, self.value
        return twin


class Day(NamedTuple):
    """Statistics of the last 24 hours."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    value: Decimal


def bar_open(interval: str, time_ms: int) -> int:
    """Return the open time of the bar at `time_ms`. Weeks start on Monday and months on the first, in UTC."""
    if interval == "1M":
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
        return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp() * 1000)
    length = INTERVALS[interval]
    shift = _MONDAY if interval == "1W" else 0
    return (time_ms - shift) // length * length + shift


def bar_close(interval: str, open_ms: int) -> int:
    """Return the end of the bar that opens at `open_ms`, which is the next bar's open time."""
    if interval == "1M":
        return bar_open(interval, open_ms + 32 * DAY)
    return open_ms + INTERVALS[interval]


class _Series:
    """The bars of one interval: generated older ones, then bars built from complete minutes."""

    def __init__(self, interval: str, older: list[Bar]) -> None:
        self.interval = interval
        self.bars = older
        self.minutes_used = 0

    def extend(self, minutes: list[Bar]) -> None:
        """Add every complete minute: all but the last."""
        for minute in islice(minutes, self.minutes_used, len(minutes) - 1):
            self._add(self.bars, minute)
        self.minutes_used = len(minutes) - 1

    def with_current(self, minute: Bar) -> list[Bar]:
        """Return all bars, with the running minute included."""
        last = [self.bars[-1].copy(self.bars[-1].open_ms)] if self.bars else []
        head = self.bars[:-1]
        self._add(last, minute)
        return head + last

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
        self._start_price = rules.start_price
        self._live = [Bar(bar_open("1m", start_ms), rules.start_price)]
        self._past: list[Bar] | None = None
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
        self._live[-1].add(trade.price, trade.quantity, trade.value)

    def trades(self, limit: int) -> list[Trade]:
        """Return up to `limit` of the newest trades, newest first."""
        found = list(islice(reversed(self._trades), limit))
        if len(found) < limit:
            self._make_past()
            found += islice(reversed(self._past_trades), limit - len(found))
        return found

    def trades_between(self, start_ms: int, end_ms: int, limit: int) -> list[Trade]:
        """Return up to `limit` of the newest trades of a span with both ends, newest first."""
        self._make_past()
        every = (*self._past_trades, *self._trades)
        first = bisect_left(every, start_ms, key=lambda trade: trade.time_ms)
        last = bisect_right(every, end_ms, key=lambda trade: trade.time_ms)
        return list(reversed(every[max(first, last - limit) : last]))

    def bars(self, interval: str, now_ms: int, start_ms: int | None, end_ms: int | None, limit: int) -> list[Bar]:
        """Return bars that open within the span, oldest first: the first `limit` after a given start, else the last."""
        minutes = self._minutes(now_ms)
        series = self._series.get(interval)
        if series is None:
            series = self._series[interval] = _Series(interval, self._older(interval, minutes[0]))
        series.extend(minutes)
        bars = series.with_current(minutes[-1])
        first = 0 if start_ms is None else bisect_left(bars, start_ms, key=lambda bar: bar.open_ms)
        last = len(bars) if end_ms is None else bisect_right(bars, end_ms, key=lambda bar: bar.open_ms)
        return bars[first:last][:limit] if start_ms is not None else bars[max(first, last - limit) : last]

    def opening(self, time_ms: int, now_ms: int) -> tuple[Decimal, Decimal]:
        """Return the open of the minute at `time_ms` and the close of the minute before it.

        A time before the generated past counts as its first minute.
        """
        minutes = self._minutes(now_ms)
        index = min(max(0, (time_ms - minutes[0].open_ms) // MINUTE), len(minutes) - 1)
        return minutes[index].open, minutes[max(0, index - 1)].close

    def average(self, now_ms: int, minutes: int) -> Decimal:
        """Return the volume-weighted price of the last `minutes`, or the last price if nothing traded."""
        recent = self._minutes(now_ms)[-minutes:]
        volume = sum((bar.volume for bar in recent), Decimal(0))
        if not volume:
            return recent[-1].close
        return sum((bar.value for bar in recent), Decimal(0)) / volume

    def day(self, now_ms: int) -> Day:
        """Return the statistics of the last 24 hours, to the minute."""
        minutes = self._minutes(now_ms)
        current = minutes[-1]
        if self._day is None or self._day[0] != current.open_ms:
            window = minutes[-DAY // MINUTE : -1] or [current.copy(current.open_ms)]
            complete = window[0].copy(window[0].open_ms)
            for bar in window[1:]:
                complete.merge(bar)
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
        current = self._live[-1]
        while current.open_ms + MINUTE <= now_ms:
            current = Bar(current.open_ms + MINUTE, current.close)
            self._live.append(current)

    def _minutes(self, now_ms: int) -> list[Bar]:
        """Return every minute bar, past and live. The last one is still running."""
        self._roll(now_ms)
        past = self._make_past()
        past.extend(self._live[:-1])
        self._live = self._live[-1:]
        return [*past, self._live[-1]]

    def _make_past(self) -> list[Bar]:
        if self._past is None:
            random = Random(f"{self._seed}:1m")
            self._past = self._walk(random, "1m", self._live[0].open_ms, self._start_price, PAST_MINUTES)
            for index, bar in enumerate(self._past[-TRADED_MINUTES:]):
                self._past_trades += self._trades_in(random, bar, index * TRADES_A_MINUTE)
        return self._past

    def _older(self, interval: str, first_minute: Bar) -> list[Bar]:
        """Generate bars that end at the first minute."""
        if interval == "1m":
            return []
        count = _OLDER_BARS.get(interval, _MOST_OLDER_BARS)
        end_ms = bar_open(interval, first_minute.open_ms)
        return self._walk(Random(f"{self._seed}:{interval}"), interval, end_ms, first_minute.open, count)

    def _walk(self, random: Random, interval: str, end_ms: int, end_price: Decimal, count: int) -> list[Bar]:
        """Generate a random walk backwards from `end_price`, as bars oldest first."""
        minutes = INTERVALS[interval] / MINUTE
        sigma = VOLATILITY_A_MINUTE * sqrt(minutes)
        typical_value = float(self._rules.min_value) * 20_000 * minutes
        bars: list[Bar] = []
        close, close_price, open_ms = float(end_price), end_price, end_ms
        for _ in range(count):
            opening = close / exp(random.gauss(0.0, sigma))
            bar = Bar(bar_open(interval, open_ms - 1), self._price(opening))
            bar.close = close_price
            spread = abs(random.gauss(0.0, sigma / 2)), abs(random.gauss(0.0, sigma / 2))
            bar.high = max(bar.open, bar.close, self._price(max(opening, close) * (1 + spread[0])))
            bar.low = min(bar.open, bar.close, self._price(min(opening, close) * (1 - spread[1])))
            bar.volume = self._quantity(typical_value * random.lognormvariate(0.0, 0.5) / close)
            bar.value = bar.volume * (bar.high + bar.low) / 2
            bars.append(bar)
            close, close_price, open_ms = opening, bar.open, bar.open_ms
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
