"""Public market data, with weights per IP address. MEXC's page "Market Data Endpoints"."""

from __future__ import annotations

from decimal import Decimal

from msgspec import field

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Cost, Request, Resource, Route, call, call_one_or_all, call_one_some_or_all
from mexc_async.schema.fields import MaybeDecimal, MaybeTimeMs
from mexc_async.spot.models import (
    AggTrade,
    Answer,
    BookTicker,
    Depth,
    Empty,
    ExchangeInfo,
    Kline,
    PriceTicker,
    ServerTime,
    Trade,
    Wrapped,
)
from mexc_async.spot.parameters import BarLength, DepthLimit, PageLimit, Period, Symbol, SymbolList


class OfflineSymbol(Answer, frozen=True, kw_only=True):
    """A suspended (`state` 2) or delisted (3) symbol."""

    symbol: str
    state: int | None = None
    offline_time: int | None = None


class AveragePrice(Answer, frozen=True, kw_only=True):
    """Average price over the last `mins` minutes."""

    mins: int | None = None
    price: Decimal


class Ticker24h(Answer, frozen=True, kw_only=True):
    """24-hour statistics of a symbol."""

    symbol: str
    price_change: MaybeDecimal = None
    price_change_percent: MaybeDecimal = None
    """A ratio, despite its name: 0.004 is 0.4 %."""
    prev_close_price: MaybeDecimal = None
    last_price: MaybeDecimal = None
    bid_price: MaybeDecimal = None
    bid_quantity: MaybeDecimal = field(name="bidQty", default=None)
    ask_price: MaybeDecimal = None
    ask_quantity: MaybeDecimal = field(name="askQty", default=None)
    open_price: MaybeDecimal = None
    high_price: MaybeDecimal = None
    low_price: MaybeDecimal = None
    last_quantity: MaybeDecimal = field(name="lastQty", default=None)
    volume: MaybeDecimal = None
    """Volume in base."""
    quote_volume: MaybeDecimal = None
    open_time: int | None = None
    close_time: int | None = None
    count: int | None = None


class EtfInfo(Answer, frozen=True, kw_only=True):
    """Figures of a leveraged token."""

    symbol: str
    net_value: MaybeDecimal = None
    fee_rate: MaybeDecimal = None
    """A ratio."""
    leverage: MaybeDecimal = None
    """Target leverage; negative is short."""
    real_leverage: MaybeDecimal = None
    merged_times: int | None = None
    last_merged_time: MaybeTimeMs = None
    basket: MaybeDecimal = None
    timestamp: MaybeTimeMs = None


def _get(path: str, weight: int = 1, *, cache_s: float = 0.0) -> Route:
    return Route("GET", path, costs=(Cost("ip", weight),), safe=True, cache_s=cache_s)


class Ping(Request[Empty], frozen=True, kw_only=True):
    """Test the connection to the exchange."""

    route = _get("/api/v3/ping")


class ServerTimeQuery(Request[ServerTime], frozen=True, kw_only=True):
    """Get the exchange's clock, milliseconds UTC."""

    route = _get("/api/v3/time")


class DefaultSymbolsQuery(Request[Wrapped[list[str]]], frozen=True, kw_only=True):
    """List the symbols that every account may trade by API."""

    route = _get("/api/v3/defaultSymbols")


class OfflineSymbolsQuery(Request[Wrapped[list[OfflineSymbol]]], frozen=True, kw_only=True):
    """List suspended and delisted symbols."""

    route = _get("/api/v3/symbol/offline", 10)


class ExchangeInfoQuery(Request[ExchangeInfo], frozen=True, kw_only=True):
    """Get the trading rules of one symbol, of several, or of all (about 1.6 MB); cached for five minutes."""

    route = _get("/api/v3/exchangeInfo", 25, cache_s=300.0)
    symbol: Symbol | None = None
    symbols: SymbolList | None = None


class DepthQuery(Request[Depth], frozen=True, kw_only=True):
    """Get an order book snapshot, `limit` levels per side (default 100, at most 5000)."""

    route = _get("/api/v3/depth", 3)
    symbol: Symbol
    limit: DepthLimit | None = None


class TradesQuery(Request[list[Trade]], frozen=True, kw_only=True):
    """List the latest public trades, newest first (`limit`: default 500, at most 1000)."""

    route = _get("/api/v3/trades", 5)
    symbol: Symbol
    limit: PageLimit | None = None


class HistoricalTradesQuery(Request[list[Trade]], frozen=True, kw_only=True):
    """List the latest public trades without the taker's side. Hidden: no longer in MEXC's documents; use `trades`."""

    route = _get("/api/v3/historicalTrades")
    symbol: Symbol
    limit: PageLimit | None = None


class AggTradesQuery(Period[list[AggTrade]], frozen=True, kw_only=True):
    """List aggregated trades, newest first; give both `start_time` and `end_time`, at most an hour apart, or neither.

    MEXC includes both ends and cuts times to the second, so several rows share one time. Raises InvalidParameter
    (-1127) beyond an hour.
    """

    route = _get("/api/v3/aggTrades")
    symbol: Symbol
    start_time: int | None = None
    end_time: int | None = None
    limit: PageLimit | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.start_time is None) != (self.end_time is None):
            missing = "start_time" if self.start_time is None else "end_time"
            raise InvalidRequest(f"start_time and end_time go together; {missing} is missing")


class KlinesQuery(Period[list[Kline]], frozen=True, kw_only=True):
    """List klines, oldest first. `limit`: default 500; MEXC's documents of 2026 allow 500, those of 2025 1000."""

    route = _get("/api/v3/klines")
    symbol: Symbol
    interval: BarLength
    start_time: int | None = None
    end_time: int | None = None
    limit: PageLimit | None = None


class AveragePriceQuery(Request[AveragePrice], frozen=True, kw_only=True):
    """Get the average price of the last five minutes."""

    route = _get("/api/v3/avgPrice")
    symbol: Symbol


class Ticker24hQuery(Request[Ticker24h | list[Ticker24h]], frozen=True, kw_only=True):
    """Get 24-hour statistics of one symbol, or of all without `symbol`."""

    route = _get("/api/v3/ticker/24hr", 25)
    symbol: Symbol | None = None


class PriceTickerQuery(Request[PriceTicker | list[PriceTicker]], frozen=True, kw_only=True):
    """Get the last price of one symbol, of several (`symbols`, known from other clients), or of all."""

    route = _get("/api/v3/ticker/price", 10)
    symbol: Symbol | None = None
    symbols: SymbolList | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.symbol is not None and self.symbols is not None:
            raise InvalidRequest(f"symbol {self.symbol!r} and symbols {self.symbols!r}: give one of them")


class BookTickerQuery(Request[BookTicker | list[BookTicker]], frozen=True, kw_only=True):
    """Get best bid and ask of one symbol, or of all without `symbol`."""

    route = _get("/api/v3/ticker/bookTicker", 10)
    symbol: Symbol | None = None


class EtfInfoQuery(Request[EtfInfo | list[EtfInfo]], frozen=True, kw_only=True):
    """Get one leveraged token, or all without `symbol`. Hidden: no longer in MEXC's documents."""

    route = _get("/api/v3/etf/info")
    symbol: Symbol | None = None


class Market(Resource):
    """Endpoints of market data."""

    ping = call(Ping)
    server_time = call(ServerTimeQuery)
    default_symbols = call(DefaultSymbolsQuery)
    offline_symbols = call(OfflineSymbolsQuery)
    exchange_info = call(ExchangeInfoQuery)
    depth = call(DepthQuery)
    trades = call(TradesQuery)
    historical_trades = call(HistoricalTradesQuery)
    agg_trades = call(AggTradesQuery)
    klines = call(KlinesQuery)
    avg_price = call(AveragePriceQuery)
    ticker_24hr = call_one_or_all(Ticker24hQuery)
    ticker_price = call_one_some_or_all(PriceTickerQuery)
    book_ticker = call_one_or_all(BookTickerQuery)
    etf_info = call_one_or_all(EtfInfoQuery)
