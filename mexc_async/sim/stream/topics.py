"""Channels of the spot stream: their names and parameters."""

from __future__ import annotations

from collections.abc import Container
from typing import Literal, NamedTuple

KLINE_INTERVALS: dict[str, str] = {
    "Min1": "1m",
    "Min5": "5m",
    "Min15": "15m",
    "Min30": "30m",
    "Min60": "60m",
    "Hour4": "4h",
    "Hour8": "8h",
    "Day1": "1d",
    "Week1": "1W",
    "Month1": "1M",
}
"""REST interval by the stream's name of the interval."""

ZONES = (
    "24H", "UTC-10", "UTC-8", "UTC-7", "UTC-6", "UTC-5", "UTC-4", "UTC-3", "UTC+0", "UTC+1", "UTC+2", "UTC+3", "UTC+4",
    "UTC+4:30", "UTC+5", "UTC+5:30", "UTC+6", "UTC+7", "UTC+8", "UTC+9", "UTC+10", "UTC+11", "UTC+12", "UTC+12:45",
    "UTC+13",
)  # fmt: skip
"""Time zones of the mini tickers."""

Part = Literal["window", "symbol", "interval", "level", "zone"]

_WORDS: dict[Part, Container[str]] = {
    "window": ("100ms", "10ms"),
    "interval": KLINE_INTERVALS,
    "level": ("5", "10", "20"),
    "zone": ZONES,
}

_CHANNELS: dict[str, tuple[Part, ...]] = {
    "public.aggre.deals": ("window", "symbol"),
    "public.aggre.depth": ("window", "symbol"),
    "public.aggre.bookTicker": ("window", "symbol"),
    "public.bookTicker.batch": ("symbol",),
    "public.limit.depth": ("symbol", "level"),
    "public.kline": ("symbol", "interval"),
    "public.miniTicker": ("symbol", "zone"),
    "public.miniTickers": ("zone",),
    "public.deals": ("symbol",),
    "public.bookTicker": ("symbol",),
    "public.increase.depth.batch": ("symbol",),
    "private.account": (),
    "private.deals": (),
    "private.orders": (),
}
"""Served channels and the parts of their names. `public.increase.depth` is absent because MEXC refuses it."""

_SUFFIX = ".v3.api.pb"


class Topic(NamedTuple):
    """One subscription."""

    name: str
    """Full channel name, as subscribed and as repeated in every push."""
    kind: str
    """Channel without its parts, such as `public.aggre.deals`."""
    symbol: str = ""
    choice: str = ""
    """Interval, level or zone; empty for channels without one."""
    window_ms: int = 0
    """Aggregation window of the `aggre` channels."""

    @property
    def is_private(self) -> bool:
        """True for the channels of an account."""
        return self.kind.startswith("private.")

    @property
    def event_type(self) -> str:
        """eventType in pushes of this channel: the name without the symbol and the parts after it."""
        window = f"@{self.window_ms}ms" if self.window_ms else ""
        return f"spot@{self.kind}{_SUFFIX}{window}"


def parse_topic(name: str, symbols: Container[str]) -> Topic | None:
    """Parse a channel name. Return None for a channel or symbol that is not served."""
    scope, *words = name.split("@")
    if scope != "spot" or not words or not words[0].endswith(_SUFFIX):
        return None
    kind = words[0].removesuffix(_SUFFIX)
    parts = _CHANNELS.get(kind)
    if parts is None or len(parts) != len(words) - 1:
        return None
    found = dict(zip(parts, words[1:], strict=True))
    for part, word in found.items():
        if word not in (symbols if part == "symbol" else _WORDS[part]):
            return None
    choice = next((word for part, word in found.items() if part not in ("symbol", "window")), "")
    window_ms = int(found["window"].removesuffix("ms")) if "window" in found else 0
    return Topic(name, kind, found.get("symbol", ""), choice, window_ms)
