"""Bars (klines) and their intervals."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
INTERVALS: dict[str, int] = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "60m": HOUR,
    "4h": 4 * HOUR,
    "8h": 8 * HOUR,
    "1d": DAY,
    "1W": 7 * DAY,
    "1M": 30 * DAY,
}
"""Length of each interval in ms. A month's length is approximate; `bar_open` is exact."""
STREAM_ONLY = ("8h",)
"""Intervals that the stream has and REST does not."""

_MONDAY = 4 * DAY  # the epoch was a Thursday


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
