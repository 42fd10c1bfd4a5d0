"""Pushes of the mock exchange in `tick_to_trade`: ticks with different bids."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

import orjson

from mexc_async.spot import channels
from mexc_async.spot.enums import Side
from mexc_async.spot.prepared import Outcome
from mexc_async.spot.push import Push, encode_push
from mexc_async.spot.push_models import Body, BookTickerPush, TradePush, TradesPush

RING = 1000
"""Ticks before a bid repeats: 2.5 s at 400 per second."""
NOW = 1763719200123
PRICES = [f"{cents // 100}.{cents % 100:02}" for cents in range(9_338_000, 9_338_000 + RING)]
"""The bids in their order; the mock exchange identifies a tick by its bid in cents, modulo their number."""
SUBSCRIPTION = orjson.dumps({"method": "SUBSCRIPTION", "params": [channels.book_ticker("BTCUSDT")], "id": 1}).decode()


def pushes() -> list[tuple[str, bytes]]:
    """Create book tickers, and public trades at the same prices for a client without book tickers."""
    return [("bookTicker", _ticker(price)) for price in PRICES] + [("deals", _deals(price)) for price in PRICES]


def _ticker(bid: str) -> bytes:
    ask = f"{float(bid) + 10:.2f}"
    body: Body = BookTickerPush(bid, "1.20731", ask, "0.5", "81721676217", NOW)
    return encode_push(Push(channels.book_ticker("BTCUSDT"), body, "BTCUSDT", send_time=NOW))


def _deals(price: str) -> bytes:
    name = "spot@public.aggre.deals.v3.api.pb@100ms"
    body: Body = TradesPush((TradePush(price, "0.0012", Side.BUY, NOW, "730292425431437318X0"),), name)
    return encode_push(Push(channels.trades("BTCUSDT"), body, "BTCUSDT", send_time=NOW))


class Orders(Protocol):
    """Receiver of orders, which counts each once it is answered."""

    def fire(self, order: Coroutine[Any, Any, object]) -> None:
        """Send an order in its own task."""
        ...

    def sent(self, order: Outcome[Any]) -> None:
        """Count an order that the trader has sent itself."""
        ...

    def traded(self) -> None:
        """Count the answer to an order that was sent another way."""
        ...
