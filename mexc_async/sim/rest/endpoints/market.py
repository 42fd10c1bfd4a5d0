"""Public market data: the group `market` of the reference."""

from __future__ import annotations

from decimal import Decimal

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.bars import DAY, INTERVALS, STREAM_ONLY
from mexc_async.sim.exchange.decimals import text
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.refusals import Refusal, bad_combination, invalid_symbol
from mexc_async.sim.exchange.symbols import ONLINE, PAUSED
from mexc_async.sim.rest import answers
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint

_HOUR_MS = 3_600_000


def ping(call: Call) -> Json:
    """Return an empty object."""
    return {}


def server_time(call: Call) -> Json:
    """Return the exchange's time."""
    return {"serverTime": call.now_ms}


def default_symbols(call: Call) -> Json:
    """Return the symbols that everybody may trade through the API."""
    return answers.success(tradable_symbols(call), call.now_ms)


def tradable_symbols(call: Call) -> list[Json]:
    """Return the symbols that accept orders now."""
    markets = call.exchange.markets.values()
    return [market.rules.symbol for market in markets if market.rules.open_to_api and market.rules.status == ONLINE]


def offline_symbols(call: Call) -> Json:
    """Return the symbols that are paused (2) or offline (3)."""
    rules = [market.rules for market in call.exchange.markets.values() if market.rules.status != ONLINE]
    return {"data": [{"symbol": each.symbol, "state": 2 if each.status == PAUSED else 3} for each in rules]}


def exchange_info(call: Call) -> Json:
    """Return the trading rules of one, some or all symbols."""
    asked = call.parameters.symbols("symbol") or call.parameters.symbols("symbols")
    markets = call.exchange.markets.values() if asked is None else [call.exchange.market(name) for name in asked]
    return {
        "timezone": "CST",
        "serverTime": call.now_ms,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [answers.symbol_row(market) for market in markets],
    }


def depth(call: Call) -> Json:
    """Return the order book."""
    market = call.exchange.market(call.parameters.symbol())
    return answers.depth(market, call.parameters.limit(assumptions.DEPTH_LIMIT), call.now_ms)


def trades(call: Call) -> Json:
    """Return the newest trades, newest first."""
    market = call.exchange.market(call.parameters.symbol())
    return [answers.trade(each) for each in market.history.trades(call.parameters.limit(assumptions.TRADES_LIMIT))]


def historical_trades(call: Call) -> Json:
    """Return the newest trades without the taker's side, newest first."""
    market = call.exchange.market(call.parameters.symbol())
    found = market.history.trades(call.parameters.limit(assumptions.TRADES_LIMIT))
    return [answers.historical_trade(each) for each in found]


def agg_trades(call: Call) -> Json:
    """Return the trades of at most one hour, newest first. Time bounds apply to the second."""
    market = call.exchange.market(call.parameters.symbol())
    start_ms, end_ms = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    limit = call.parameters.limit(assumptions.TRADES_LIMIT)
    if start_ms is None and end_ms is None:
        return [answers.agg_trade(each) for each in market.history.trades(limit)]
    if start_ms is None or end_ms is None or start_ms > end_ms:
        raise bad_combination()
    if end_ms - start_ms > _HOUR_MS:
        raise Refusal(-1127, "More than 1 hours between startTime and endTime.")
    first_ms, last_ms = start_ms // 1000 * 1000, end_ms // 1000 * 1000 + 999
    return [answers.agg_trade(each) for each in market.history.trades_between(first_ms, last_ms, limit)]


def klines(call: Call) -> Json:
    """Return klines, oldest first."""
    market = call.exchange.market(call.parameters.symbol())
    interval = call.parameters.text("interval")
    if interval not in INTERVALS or interval in STREAM_ONLY:
        raise Refusal(-1121, "Invalid interval.")
    start_ms, end_ms = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise bad_combination()
    limit = call.parameters.limit(assumptions.KLINES_LIMIT)
    bars = market.history.bars(interval, call.now_ms, start_ms, end_ms, limit)
    return [answers.kline(bar, interval) for bar in bars]


def avg_price(call: Call) -> Json:
    """Return the volume-weighted price of the last five minutes."""
    market = call.exchange.market(call.parameters.symbol())
    price = market.history.average(call.now_ms, 5)
    return {"mins": 5, "price": text(price.quantize(market.tick))}


def _one_or_all(call: Call) -> Market | list[Market]:
    name = call.parameters.optional("symbol")
    if name is not None:
        return call.exchange.market(call.parameters.symbol())
    return [market for market in call.exchange.markets.values() if market.rules.status == ONLINE]


def ticker_24hr(call: Call) -> Json:
    """Return the statistics of the last 24 hours for one symbol or all."""
    found = _one_or_all(call)
    if isinstance(found, Market):
        return answers.ticker_24hr(found, call.now_ms)
    return [answers.ticker_24hr(market, call.now_ms) for market in found]


def ticker_price(call: Call) -> Json:
    """Return the last price of one symbol, several or all."""
    asked = call.parameters.symbols("symbols") or ()
    found = [call.exchange.market(symbol) for symbol in asked] or _one_or_all(call)
    if isinstance(found, Market):
        return answers.ticker_price(found)
    return [answers.ticker_price(market) for market in found]


def book_ticker(call: Call) -> Json:
    """Return the best prices of one symbol or all."""
    found = _one_or_all(call)
    if isinstance(found, Market):
        return answers.book_ticker(found)
    return [answers.book_ticker(market) for market in found]


def etf_info(call: Call) -> Json:
    """Return one leveraged token or all. The simulator values them but does not trade them."""
    symbol = call.parameters.optional("symbol")
    if symbol is None:
        return [_token(call, each) for each in _TOKENS]
    if symbol not in _TOKENS:
        raise invalid_symbol()
    return _token(call, symbol)


def _token(call: Call, symbol: str) -> Json:
    """Value a token that started at 1 and moves by a multiple of its market's change."""
    underlying, leverage = _TOKENS[symbol]
    market = call.exchange.market(underlying)
    moved = market.last_price / market.rules.start_price
    value = max(1 + leverage * (moved - 1), _LEAST_VALUE)
    return {
        "symbol": symbol,
        "netValue": text(round(value, 4)),
        "feeRate": "0.00001",
        "timestamp": call.now_ms,
        "leverage": leverage,
        "realLeverage": round(float(abs(leverage) * moved / value), 4),
        "mergedTimes": 0,
        "lastMergedTime": call.now_ms // DAY * DAY,
        "basket": round(float(leverage * _TOKENS_ISSUED / market.rules.start_price), 4),
    }


def _weight(ip: int) -> tuple[tuple[str, int], ...]:
    return (("ip", ip),)


_TOKENS = {
    f"{base}3{direction}USDT": (f"{base}USDT", leverage)
    for base in ("BTC", "ETH")
    for direction, leverage in (("L", 3), ("S", -3))
}
_LEAST_VALUE = Decimal("0.0001")
_TOKENS_ISSUED = 100_000

ENDPOINTS = (
    ServedEndpoint("GET", "/api/v3/ping", ping, _weight(1)),
    ServedEndpoint("GET", "/api/v3/time", server_time, _weight(1)),
    ServedEndpoint("GET", "/api/v3/defaultSymbols", default_symbols, _weight(1)),
    ServedEndpoint("GET", "/api/v3/symbol/offline", offline_symbols, _weight(10)),
    ServedEndpoint("GET", "/api/v3/exchangeInfo", exchange_info, _weight(25)),
    ServedEndpoint("GET", "/api/v3/depth", depth, _weight(3)),
    ServedEndpoint("GET", "/api/v3/trades", trades, _weight(5)),
    ServedEndpoint("GET", "/api/v3/historicalTrades", historical_trades, _weight(1)),
    ServedEndpoint("GET", "/api/v3/aggTrades", agg_trades, _weight(1)),
    ServedEndpoint("GET", "/api/v3/klines", klines, _weight(1)),
    ServedEndpoint("GET", "/api/v3/avgPrice", avg_price, _weight(1)),
    ServedEndpoint("GET", "/api/v3/ticker/24hr", ticker_24hr, _weight(25)),
    ServedEndpoint("GET", "/api/v3/ticker/price", ticker_price, _weight(10)),
    ServedEndpoint("GET", "/api/v3/ticker/bookTicker", book_ticker, _weight(10)),
    ServedEndpoint("GET", "/api/v3/etf/info", etf_info, _weight(1)),
)
