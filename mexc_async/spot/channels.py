"""Names of the push channels. MEXC's pages "Websocket Market Streams" and "Websocket User Data Streams"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from mexc_async.errors import InvalidRequest
from mexc_async.schema.validation import shown
from mexc_async.schema.validation import symbol as check_symbol
from mexc_async.spot.parameters import mexc_spelling

PushInterval: TypeAlias = Literal["100ms", "10ms"]
"""Interval of MEXC's pushes."""
KLINE_INTERVALS = {
    "1m": "Min1",
    "5m": "Min5",
    "15m": "Min15",
    "30m": "Min30",
    "60m": "Min60",
    "4h": "Hour4",
    "8h": "Hour8",
    "1d": "Day1",
    "1W": "Week1",
    "1M": "Month1",
}
"""Interval of the REST API -> interval of the channels; callers may use either."""
DEPTH_LEVELS = (5, 10, 20)

ACCOUNT = "spot@private.account.v3.api.pb"
FILLS = "spot@private.deals.v3.api.pb"
ORDERS = "spot@private.orders.v3.api.pb"
PRIVATE = (ACCOUNT, FILLS, ORDERS)


def trades(symbol: str, interval: str = "100ms") -> str:
    """Name the channel of public trades, batched per interval."""
    return f"spot@public.aggre.deals.v3.api.pb@{_part(interval)}@{_symbol(symbol)}"


def depth(symbol: str, interval: str = "100ms") -> str:
    """Name the channel of order book changes, with versions."""
    return f"spot@public.aggre.depth.v3.api.pb@{_part(interval)}@{_symbol(symbol)}"


def partial_depth(symbol: str, levels: int = 20) -> str:
    """Name the channel of the best levels, a full snapshot per push. Raises InvalidRequest for other `levels`."""
    if type(levels) is not int or levels not in DEPTH_LEVELS:
        raise InvalidRequest(f"levels {shown(levels)} is not one of {', '.join(map(str, DEPTH_LEVELS))}")
    return f"spot@public.limit.depth.v3.api.pb@{_symbol(symbol)}@{levels}"


def book_ticker(symbol: str, interval: str = "100ms") -> str:
    """Name the channel of best bid and ask, pushed each interval, changed or not."""
    return f"spot@public.aggre.bookTicker.v3.api.pb@{_part(interval)}@{_symbol(symbol)}"


def book_ticker_batch(symbol: str) -> str:
    """Name the channel of best bids and asks, several per push."""
    return f"spot@public.bookTicker.batch.v3.api.pb@{_symbol(symbol)}"


def klines(symbol: str, interval: str = "1m") -> str:
    """Name the channel of the current kline, pushed about every second."""
    mexc_spelling("interval", interval)
    return f"spot@public.kline.v3.api.pb@{_symbol(symbol)}@{_part(interval, KLINE_INTERVALS)}"


def mini_ticker(symbol: str, timezone: str = "24H") -> str:
    """Name the channel of a symbol's day, in a time zone such as `UTC+8`, or the last 24 hours."""
    return f"spot@public.miniTicker.v3.api.pb@{_symbol(symbol)}@{_part(timezone)}"


def mini_tickers(timezone: str = "24H") -> str:
    """Name the channel of every symbol's day."""
    return f"spot@public.miniTickers.v3.api.pb@{_part(timezone)}"


def _symbol(symbol: str) -> str:
    check_symbol("symbol", symbol)
    return symbol


def _part(text: str, names: Mapping[str, str] | None = None) -> str:
    """Return a part of a channel's name. Raises InvalidRequest for characters that would split the name."""
    is_text = isinstance(text, str) and text.isascii() and text.isprintable()
    if not is_text or not text or any(char in "@,[] " for char in text):
        raise InvalidRequest(f"{shown(text)} cannot be part of a channel's name")
    return (names or {}).get(text, text)
