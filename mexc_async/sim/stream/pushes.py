"""Push frames of the stream, built from events and states.

Amounts are formatted as in REST answers, ids are those of REST, and versions are REST's lastUpdateId.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from hashlib import md5
from typing import TypeAlias

from mexc_async.sim.exchange.bars import DAY, MINUTE, bar_close
from mexc_async.sim.exchange.decimals import short, text
from mexc_async.sim.exchange.events import BalanceEvent, BookEvent, DealEvent, OrderEvent
from mexc_async.sim.exchange.history import Trade
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.orders import FILLED
from mexc_async.sim.stream.topics import Topic
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.models import Level
from mexc_async.spot.push import Push, encode_push
from mexc_async.spot.push_models import (
    BalanceChange,
    Body,
    BookTickerBatch,
    BookTickerItem,
    BookTickerPush,
    DepthSnapshot,
    DepthUpdate,
    FillPush,
    KlinePush,
    LegacyDepthUpdate,
    LegacyDepthUpdates,
    LegacyTrade,
    LegacyTrades,
    MiniTicker,
    MiniTickers,
    OrderPush,
    TradePush,
    TradesPush,
)

ACCOUNT = "spot@private.account.v3.api.pb"
DEALS = "spot@private.deals.v3.api.pb"
ORDERS = "spot@private.orders.v3.api.pb"

Best: TypeAlias = tuple[Decimal, Decimal] | None
Top: TypeAlias = tuple[Best, Best]
"""Best bid and ask as (price, quantity); None for an empty side."""

_ZERO = Decimal(0)
_RATE = Decimal("0.0001")
_HOUR = 60 * MINUTE
_MAIN_ZONE = "UTC+8"


# Trades


def aggre_deals(topic: Topic, trades: Iterable[Trade], now_ms: int) -> bytes:
    """Build the push of a window's trades."""
    rows = tuple(
        TradePush(text(each.price), text(each.quantity), _taker(each), each.time_ms, trade_id(each)) for each in trades
    )
    return _public(topic, TradesPush(rows, topic.event_type), now_ms)


def deals(topic: Topic, trades: Iterable[Trade], now_ms: int) -> bytes:
    """Build the push of a window's trades in the older shape, without ids."""
    rows = tuple(LegacyTrade(text(each.price), text(each.quantity), _taker(each), each.time_ms) for each in trades)
    return _public(topic, LegacyTrades(rows, topic.event_type), now_ms)


def trade_id(trade: Trade) -> str:
    """Return a public trade's id, as long as recorded ones. An account's own id of the trade has the same start."""
    return f"{trade.trade_id}X0_{trade.time_ms:020d}"


def _taker(trade: Trade) -> Side:
    return Side.SELL if trade.buyer_is_maker else Side.BUY


# Books


def aggre_depth(
    topic: Topic,
    bids: Mapping[Decimal, Decimal],
    asks: Mapping[Decimal, Decimal],
    first: int,
    last: BookEvent,
    now_ms: int,
) -> bytes:
    """Build the push of the levels that changed from version `first` to the last event's version."""
    body = DepthUpdate(
        asks=_levels(asks.items()),
        bids=_levels(bids.items()),
        from_version_text=str(first),
        to_version_text=str(last.version),
        event_type=topic.event_type,
        last_order_create_time=last.time_ms,
    )
    return _public(topic, body, now_ms)


def increase_depths(topic: Topic, events: Iterable[BookEvent], now_ms: int) -> bytes:
    """Build the push of single changes of a book."""
    items = tuple(
        LegacyDepthUpdate(_levels(each.asks), _levels(each.bids), str(each.version), topic.event_type)
        for each in events
    )
    return _public(topic, LegacyDepthUpdates(items, topic.event_type), now_ms)


def limit_depth(topic: Topic, market: Market, now_ms: int) -> bytes:
    """Build the push of the best levels of both sides."""
    body = DepthSnapshot(
        asks=_levels(market.levels("SELL", int(topic.choice))),
        bids=_levels(market.levels("BUY", int(topic.choice))),
        version_text=str(market.version),
        event_type=topic.event_type,
        last_order_create_time=market.changed_ms,
    )
    return _public(topic, body, now_ms)


def aggre_book_ticker(topic: Topic, market: Market, now_ms: int) -> bytes:
    """Build the push of the best bid and ask."""
    best = _best(market.top("BUY"), market.top("SELL"))
    return _public(topic, BookTickerPush(*best, str(market.version), market.changed_ms), now_ms)


def book_ticker(topic: Topic, market: Market, now_ms: int) -> bytes:
    """Build the push of the best bid and ask in the older shape, without a version."""
    return _public(topic, BookTickerItem(*_best(market.top("BUY"), market.top("SELL"))), now_ms)


def book_ticker_batch(topic: Topic, tops: Iterable[Top], market: Market, now_ms: int) -> bytes:
    """Build the push of every best bid and ask of a window; the last one is current."""
    items = tuple(BookTickerItem(*_best(*top)) for top in tops)
    return _public(topic, BookTickerBatch(items, str(market.version), market.changed_ms), now_ms)


def _levels(levels: Iterable[tuple[Decimal, Decimal]]) -> tuple[Level, ...]:
    return tuple(Level(text(price), text(quantity)) for price, quantity in levels)


def _best(bid: Best, ask: Best) -> tuple[str, str, str, str]:
    return (
        text(bid[0]) if bid else "",
        text(bid[1]) if bid else "",
        text(ask[0]) if ask else "",
        text(ask[1]) if ask else "",
    )


# Bars and days


def kline(topic: Topic, market: Market, interval: str, now_ms: int) -> bytes:
    """Build the push of the running bar. Its bounds are in seconds. `interval` is REST's name of the interval."""
    bar = market.history.bars(interval, now_ms, None, None, 1)[-1]
    body = KlinePush(
        interval=topic.choice,
        open_time_s=bar.open_ms // 1000,
        open_text=text(bar.open),
        close_text=text(bar.close),
        high_text=text(bar.high),
        low_text=text(bar.low),
        volume_text=text(bar.volume),
        quote_volume_text=text(bar.value),
        close_time_s=bar_close(interval, bar.open_ms) // 1000,
    )
    return encode_push(Push(topic.name, body, topic.symbol, _opaque(topic.symbol), create_time=now_ms))


def mini_ticker(topic: Topic, market: Market, now_ms: int) -> bytes:
    """Build the push of one symbol's daily statistics."""
    return _public(topic, _day(market, topic.choice, now_ms), now_ms)


def mini_tickers(topic: Topic, markets: Iterable[Market], now_ms: int) -> bytes:
    """Build the push of every symbol's daily statistics."""
    items = tuple(_day(market, topic.choice, now_ms) for market in markets)
    return encode_push(Push(topic.name, MiniTickers(items), send_time=now_ms))


def _day(market: Market, zone: str, now_ms: int) -> MiniTicker:
    """Build the statistics: high, low and volumes of the last 24 hours, changes since the zone's midnight."""
    day = market.history.day(now_ms)
    main, main_close = _changes(market, _MAIN_ZONE, now_ms)
    zoned, zoned_close = _changes(market, zone, now_ms)
    return MiniTicker(
        symbol=market.rules.symbol,
        price_text=text(market.last_price),
        rate_text=main,
        zoned_rate_text=zoned,
        high_text=text(day.high),
        low_text=text(day.low),
        quote_volume_text=text(day.value),
        volume_text=text(day.volume),
        last_close_rate_text=main_close,
        last_close_zoned_rate_text=zoned_close,
        last_close_high_text=text(day.high),
        last_close_low_text=text(day.low),
    )


def _changes(market: Market, zone: str, now_ms: int) -> tuple[str, str]:
    """Return the change since the zone's midnight as ratios to the first price after it and the last one before it."""
    if zone == "24H":
        opening = closing = market.history.day(now_ms).open
    else:
        opening, closing = market.history.opening(midnight(zone, now_ms), now_ms)
    price = market.last_price
    return _ratio(price / opening - 1), _ratio(price / closing - 1)


def midnight(zone: str, now_ms: int) -> int:
    """Return the start in ms of the current day of a zone such as `UTC+5:30`."""
    hours, _, minutes = zone.removeprefix("UTC")[1:].partition(":")
    shift = int(hours) * _HOUR + int(minutes or 0) * MINUTE
    if zone.startswith("UTC-"):
        shift = -shift
    return (now_ms + shift) // DAY * DAY - shift


def _ratio(ratio: Decimal) -> str:
    return text(ratio.quantize(_RATE, rounding=ROUND_HALF_UP))


# The account


def account(event: BalanceEvent, now_ms: int) -> bytes:
    """Build the push of a changed balance."""
    body = BalanceChange(
        asset=event.asset,
        coin_id=_opaque(event.asset),
        free_text=short(event.free),
        free_change_text=short(event.free_change),
        locked_text=short(event.locked),
        locked_change_text=short(event.locked_change),
        type=event.reason,
        time=event.time_ms,
    )
    return encode_push(Push(ACCOUNT, body, create_time=event.time_ms, send_time=now_ms))


def deal(event: DealEvent, now_ms: int) -> bytes:
    """Build the push of a fill. Its id is the one in myTrades."""
    made = event.trade
    body = FillPush(
        price_text=text(made.price),
        quantity_text=text(made.quantity),
        quote_quantity_text=text(made.value),
        side=Side.BUY if made.is_buyer else Side.SELL,
        trade_id=made.trade_id,
        order_id=made.order_id,
        time=made.time_ms,
        is_maker=made.is_maker,
        is_self_trade=made.is_self_trade,
        client_order_id=made.client_id or "",
        commission_text=text(made.fee),
        commission_asset=made.fee_asset,
    )
    return encode_push(Push(DEALS, body, made.symbol, send_time=now_ms))


def order(event: OrderEvent, now_ms: int) -> bytes:
    """Build the push of an order's current state."""
    total = event.quote_quantity
    if event.type != "MARKET":
        total = event.price * event.quantity
    left = max(event.quantity - event.executed, _ZERO)
    left_value = left * event.price if event.type != "MARKET" else max(total - event.executed_value, _ZERO)
    body = OrderPush(
        order_id=event.order_id,
        client_order_id=event.client_id or "",
        price_text=text(event.price),
        quantity_text=text(event.quantity),
        quote_quantity_text=text(total),
        average_price_text=text(_average(event)),
        type=OrderType(event.type),
        side=Side(event.side),
        is_maker=event.is_maker,
        remaining_quote_quantity_text=text(_ZERO if event.status == FILLED else left_value),
        remaining_quantity_text=text(left),
        last_fill_quantity_text=None if event.last_quantity is None else text(event.last_quantity),
        executed_quantity_text=text(event.executed),
        executed_quote_quantity_text=text(event.executed_value),
        status=OrderStatus(event.status),
        create_time=event.created_ms,
    )
    return encode_push(Push(ORDERS, body, event.symbol, send_time=now_ms))


def _average(event: OrderEvent) -> Decimal:
    """Return the mean price of the fills, with as many decimals as the order's price."""
    if not event.executed:
        return _ZERO
    return (event.executed_value / event.executed).quantize(event.price, rounding=ROUND_HALF_UP)


# The wrapper


def _public(topic: Topic, body: Body, now_ms: int) -> bytes:
    return encode_push(Push(topic.name, body, topic.symbol, send_time=now_ms))


@cache
def _opaque(name: str) -> str:
    """Return an id without meaning, the same at each call."""
    return md5(name.encode(), usedforsecurity=False).hexdigest()
