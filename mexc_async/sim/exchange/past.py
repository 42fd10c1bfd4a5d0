"""Generated past of one symbol: the bars of a year and more, each made when it is asked for.

The past is a row of hours, drawn backwards from the price at its end, as far as asked for. Each hour takes its course
from a set of shapes, scaled by the hour's first price and size. A shape has its 5, 15, 30 and 60 minutes summed up, so
that any bar is known without its minutes and still equals them: rounding keeps the order of prices, and volumes are
whole multiples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from itertools import islice
from math import ceil, exp, floor
from random import Random
from typing import NamedTuple

from mexc_async.sim.exchange.bars import DAY, HOUR, INTERVALS, MINUTE, Bar, bar_close, bar_open
from mexc_async.sim.exchange.symbols import SymbolFilters

VOLATILITY_A_MINUTE = 0.0006
TYPICAL_MINUTE = 20_000
"""Typical value of a minute's trades, in multiples of the least value of an order."""
_REACH_MS = 366 * DAY
_SHAPES = 32
_LEAST_WICK = 0.0001
"""Least distance of a minute's high and low from its open and close, as a ratio: its average price lies between."""
_DECIMALS = 4
"""Decimals of a minute's average price as a ratio; the wicks are wide enough for it."""
_SIZE = 100
"""Typical volume of a shape's minute."""


class _Part(NamedTuple):
    """Some minutes of a shape; prices are ratios to the hour's first price."""

    minute: int
    """The first of its minutes."""
    open: float
    high: float
    low: float
    close: float
    size: int
    value: int
    """Sum of size times average price, a whole number of 10^-`_DECIMALS`."""


class _Hour(NamedTuple):
    """One hour of the past."""

    open_ms: int
    price: int
    """First price, in ticks."""
    close: int
    """Last price, in ticks: the first price of the next hour."""
    scale: int
    """Steps of quantity to one of the shape's size."""
    parts: dict[int, list[_Part]]
    """Its bars by their length in ms; the past's last hour is incomplete."""


class _Span(NamedTuple):
    """A bar in whole ticks, steps and units."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


def _grouped(minutes: Sequence[_Part], length: int) -> list[_Part]:
    """Sum up every `length` minutes."""
    groups = [minutes[first : first + length] for first in range(0, len(minutes), length)]
    return [
        _Part(
            group[0].minute,
            group[0].open,
            max(part.high for part in group),
            min(part.low for part in group),
            group[-1].close,
            sum(part.size for part in group),
            sum(part.value for part in group),
        )
        for group in groups
    ]


def _summed(minutes: Sequence[_Part]) -> dict[int, list[_Part]]:
    return {length * MINUTE: _grouped(minutes, length) for length in (1, 5, 15, 30, 60)}


@cache
def _shapes() -> tuple[dict[int, list[_Part]], ...]:
    """Return the courses that an hour can take, the same for every symbol and seed, each with its mirror image."""
    shapes = []
    for number in range(_SHAPES):
        shapes += [_summed(_shape(Random(number), sign)) for sign in (1, -1)]
    return tuple(shapes)


def _shape(random: Random, sign: int) -> list[_Part]:
    """Draw the minutes of an hour by a random walk."""
    parts, here = [], 0.0
    for minute in range(60):
        there = here + sign * random.gauss(0.0, VOLATILITY_A_MINUTE)
        high = max(here, there) + abs(random.gauss(0.0, VOLATILITY_A_MINUTE / 2)) + _LEAST_WICK
        low = min(here, there) - abs(random.gauss(0.0, VOLATILITY_A_MINUTE / 2)) - _LEAST_WICK
        size = max(1, round(_SIZE * random.lognormvariate(0.0, 0.5)))
        value = size * round(10**_DECIMALS * exp((high + low) / 2))
        parts.append(_Part(minute, exp(here), exp(high), exp(low), exp(there), size, value))
        here = there
    return parts


class Past:
    """Bars of one symbol up to `end_ms`, the start of a minute, where the price is `end_price`.

    They begin at `first_ms`, with the month of a year ago. The same seed, end and price give the same bars.
    """

    def __init__(self, rules: SymbolFilters, seed: str, end_ms: int, end_price: Decimal) -> None:
        self.end_ms = end_ms
        self.first_ms = bar_open("1M", end_ms - _REACH_MS)
        self._last_ms = bar_open("60m", end_ms - 1)
        self._rules = rules
        self._hours: list[_Hour] = []
        """The hours drawn so far, newest first."""
        self._drawing = self._drawn(Random(f"{seed}:past"), int(end_price.scaleb(rules.price_decimals)))
        self._long: dict[tuple[str, int], Bar] = {}
        """Bars longer than an hour, by interval and open time."""

    def bars(self, interval: str, first_ms: int, last_ms: int) -> list[Bar]:
        """Return the bars that open from `first_ms` to `last_ms`, oldest first; the last of all may be incomplete."""
        if INTERVALS[interval] <= HOUR:
            spans = self._spans(first_ms, last_ms + 1, INTERVALS[interval])
            return [self._bar(span) for span in spans if first_ms <= span.open_ms <= last_ms]
        bars, open_ms = [], bar_open(interval, max(first_ms, self.first_ms))
        while open_ms <= last_ms and open_ms < self.end_ms:
            if open_ms >= first_ms:
                bars.append(self._long_bar(interval, open_ms))
            open_ms = bar_close(interval, open_ms)
        return bars

    def between(self, first_ms: int, end_ms: int) -> Bar | None:
        """Return one bar of the minutes from `first_ms` to before `end_ms`; None if there are none."""
        edge_ms = bar_open("60m", first_ms + HOUR - 1)
        after_ms = max(edge_ms, bar_open("60m", end_ms))
        spans = [
            *(span for span in self._spans(first_ms, min(edge_ms, end_ms), MINUTE) if span.open_ms >= first_ms),
            *self._spans(edge_ms, after_ms, HOUR),
            *(span for span in self._spans(after_ms, end_ms, MINUTE) if span.open_ms < end_ms),
        ]
        return self._bar(_joined(spans)) if spans else None

    def _drawn(self, random: Random, price: int) -> Iterator[_Hour]:
        """Draw the hours backwards from the price at the end, in ticks."""
        rules, shapes = self._rules, _shapes()
        typical_steps = float(rules.min_value) * TYPICAL_MINUTE * 10**rules.quantity_decimals / _SIZE
        open_ms, exact = self._last_ms, float(price)
        parts = _summed(random.choice(shapes)[MINUTE][: (self.end_ms - open_ms) // MINUTE])
        while open_ms >= self.first_ms:
            exact /= parts[MINUTE][-1].close
            opening = max(1, round(exact))
            steps = typical_steps / (opening * 10.0**-rules.price_decimals)
            scale = max(1, round(steps * random.lognormvariate(0.0, 0.4)))
            yield _Hour(open_ms, opening, price, scale, parts)
            price, open_ms, parts = opening, open_ms - HOUR, random.choice(shapes)

    def _touched(self, first_ms: int, end_ms: int) -> list[_Hour]:
        """Return the hours that the time from `first_ms` to before `end_ms` touches, oldest first."""
        newest = max(0, (self._last_ms - bar_open("60m", end_ms - 1)) // HOUR)
        count = (self._last_ms - bar_open("60m", max(first_ms, self.first_ms))) // HOUR + 1
        self._hours.extend(islice(self._drawing, max(0, count - len(self._hours))))
        return self._hours[newest : max(0, count)][::-1]

    def _spans(self, first_ms: int, end_ms: int, length: int) -> Iterator[_Span]:
        """Yield the bars, of up to an hour, of each hour that a time touches."""
        for hour in self._touched(first_ms, end_ms):
            parts = hour.parts[length]
            for part in parts:
                price = hour.price
                opening = max(1, round(price * part.open))
                close = hour.close if part is parts[-1] else max(1, round(price * part.close))
                yield _Span(
                    hour.open_ms + part.minute * MINUTE,
                    opening,
                    max(ceil(price * part.high), opening, close),
                    max(1, min(floor(price * part.low), opening, close)),
                    close,
                    part.size * hour.scale,
                    part.value * hour.scale * price,
                )

    def _long_bar(self, interval: str, open_ms: int) -> Bar:
        """Return a bar longer than an hour; the first of all may begin later than its interval."""
        bar = self._long.get((interval, open_ms))
        if bar is None:
            hours = self._spans(max(open_ms, self.first_ms), min(bar_close(interval, open_ms), self.end_ms), HOUR)
            bar = self._bar(_joined(list(hours))._replace(open_ms=open_ms))
            self._long[interval, open_ms] = bar
        return bar

    def _bar(self, span: _Span) -> Bar:
        tick, step = -self._rules.price_decimals, -self._rules.quantity_decimals
        bar = Bar(span.open_ms, Decimal(span.open).scaleb(tick))
        bar.high, bar.low = Decimal(span.high).scaleb(tick), Decimal(span.low).scaleb(tick)
        bar.close = Decimal(span.close).scaleb(tick)
        bar.volume = Decimal(span.volume).scaleb(step)
        bar.value = Decimal(span.value).scaleb(tick + step - _DECIMALS)
        return bar


def _joined(spans: Sequence[_Span]) -> _Span:
    """Sum up consecutive bars."""
    return _Span(
        spans[0].open_ms,
        spans[0].open,
        max(span.high for span in spans),
        min(span.low for span in spans),
        spans[-1].close,
        sum(span.volume for span in spans),
        sum(span.value for span in spans),
    )
