"""A server that answers orders with bytes made beforehand; a process: `python -m benchmarks.mock_exchange`.

It prints its port and ends when its standard input does. It checks nothing; a client can ask at `/last` what the last
order looked like on the wire. Requests have no body: no subject sends one.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

import orjson

from benchmarks.harness import serve_mock

_END = b"\r\n\r\n"
SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "1",
    "baseAsset": "BTC",
    "baseAssetPrecision": 8,
    "quoteAsset": "USDT",
    "quotePrecision": 2,
    "quoteAssetPrecision": 2,
    "baseCommissionPrecision": 8,
    "quoteCommissionPrecision": 2,
    "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
    "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False,
    "quoteAmountPrecision": "1",
    "baseSizePrecision": "0.000001",
    "permissions": ["SPOT"],
    "filters": [],
    "maxQuoteAmount": "4000000",
    "makerCommission": "0",
    "takerCommission": "0.0005",
    "quoteAmountPrecisionMarket": "1",
    "maxQuoteAmountMarket": "4000000",
    "fullName": "Bitcoin",
    "tradeSideType": 1,
}
ACK = {
    "symbol": "BTCUSDT",
    "orderId": "C02__342252993005723644225",
    "orderListId": -1,
    "price": "93387.28",
    "origQty": "0.0005",
    "type": "LIMIT",
    "side": "BUY",
    "stpMode": "",
    "transactTime": 1763719200123,
}


def _http(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_ACK = _http(orjson.dumps(ACK))
_EXCHANGE_INFO = _http(
    orjson.dumps({"timezone": "CST", "serverTime": 0, "rateLimits": [], "exchangeFilters": [], "symbols": [SYMBOL]})
)
_NOTHING = _http(b"{}")


class MockExchange(asyncio.Protocol):
    """One connection."""

    last_order = b""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not derive from it

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(_END)
        for request in requests:
            self._transport.write(_answer(request))


def _answer(request: bytes) -> bytes:
    if request.startswith(b"POST /api/v3/order"):
        MockExchange.last_order = request
        return _ACK
    if request.startswith(b"GET /api/v3/time"):
        return _http(b'{"serverTime":%d}' % (time.time() * 1000))
    if request.startswith(b"GET /api/v3/exchangeInfo"):
        return _EXCHANGE_INFO
    if request.startswith(b"GET /last"):
        return _http(MockExchange.last_order)
    return _NOTHING


if __name__ == "__main__":
    serve_mock(MockExchange)
