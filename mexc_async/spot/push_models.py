"""Bodies of the spot WebSocket pushes. Fields use the trade's common terms, with MEXC's name beside their number.

A number that the exchange sends as text is stored in a field named `..._text` and converted at each read:
`trade.price` is Decimal, `update.to_version` int. Reading raises ProtocolError if the text is not a number. Times are
integer milliseconds UTC. Protobuf omits blank, zero and false values: an omitted text or time is "" or 0, and None
only if the schema distinguishes the two.

Every subscriber of a channel gets the same object, so all bodies are immutable.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Struct

from mexc_async.schema.lazy_numbers import Lazy, LazyOrNone, amount
from mexc_async.schema.protobuf import Message
from mexc_async.schema.protobuf_fields import Field, Kind, Names
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.models import Level

LEVEL = Message(Level, {"price_text": Field(1, "price"), "quantity_text": Field(2, "quantity")})
"""A level of an order book; the schema has three equal messages for it."""
SIDES = Names(Side, {1: Side.BUY, 2: Side.SELL})
ORDER_TYPES = Names(
    OrderType,
    {
        1: OrderType.LIMIT,
        2: OrderType.LIMIT_MAKER,
        3: OrderType.IMMEDIATE_OR_CANCEL,
        4: OrderType.FILL_OR_KILL,
        5: OrderType.MARKET,
    },
)
"""Stop orders (100) and the legs of an OCO order (101, 102) appear by number: no source gives their names."""
ORDER_STATUSES = Names(
    OrderStatus,
    {
        1: OrderStatus.NEW,
        2: OrderStatus.FILLED,
        3: OrderStatus.PARTIALLY_FILLED,
        4: OrderStatus.CANCELED,
        5: OrderStatus.PARTIALLY_CANCELED,
    },
)


# --- market data ---


class TradePush(Struct, frozen=True, gc=False):
    """A public trade (MEXC: deal)."""

    price_text: Annotated[str, Field(1, "price")]
    quantity_text: Annotated[str, Field(2, "quantity")]
    side: Annotated[Side, Field(3, "tradeType", SIDES)]
    """The taker's side."""
    time: Annotated[int, Field(4, "time")]
    trade_id: Annotated[str, Field(5, "tradeId")] = ""

    price = Lazy(amount)
    quantity = Lazy(amount)


class TradesPush(Struct, frozen=True, gc=False):
    """The public trades of one interval (MEXC: aggre deals)."""

    trades: Annotated[tuple[TradePush, ...], Field(1, "deals")]
    event_type: Annotated[str, Field(2, "eventType")] = ""


class DepthUpdate(Struct, frozen=True, gc=False):
    """Changes of an order book (MEXC: aggre depths). A level's quantity is absolute; zero removes the level."""

    asks: Annotated[tuple[Level, ...], Field(1, "asks", LEVEL)]
    bids: Annotated[tuple[Level, ...], Field(2, "bids", LEVEL)]
    from_version_text: Annotated[str, Field(4, "fromVersion")]
    to_version_text: Annotated[str, Field(5, "toVersion")]
    event_type: Annotated[str, Field(3, "eventType")] = ""
    last_order_create_time: Annotated[int, Field(6, "lastOrderCreateTime")] = 0

    from_version = Lazy(int)
    """First version that this update covers."""
    to_version = Lazy(int)
    """Last version that this update covers."""


class DepthSnapshot(Struct, frozen=True, gc=False):
    """The best levels of an order book, best prices first (MEXC: limit depths)."""

    asks: Annotated[tuple[Level, ...], Field(1, "asks", LEVEL)]
    bids: Annotated[tuple[Level, ...], Field(2, "bids", LEVEL)]
    version_text: Annotated[str, Field(4, "version")]
    event_type: Annotated[str, Field(3, "eventType")] = ""
    last_order_create_time: Annotated[int, Field(5, "lastOrderCreateTime")] = 0

    version = Lazy(int)


class BookTickerPush(Struct, frozen=True, gc=False):
    """Best bid and ask (MEXC: aggre book ticker), pushed every interval, changed or not. An empty side is None."""

    bid_price_text: Annotated[str, Field(1, "bidPrice")] = ""
    bid_quantity_text: Annotated[str, Field(2, "bidQuantity")] = ""
    ask_price_text: Annotated[str, Field(3, "askPrice")] = ""
    ask_quantity_text: Annotated[str, Field(4, "askQuantity")] = ""
    version_text: Annotated[str, Field(5, "version")] = ""
    last_order_create_time: Annotated[int, Field(6, "lastOrderCreateTime")] = 0

    bid_price = LazyOrNone(amount)
    bid_quantity = LazyOrNone(amount)
    ask_price = LazyOrNone(amount)
    ask_quantity = LazyOrNone(amount)
    version = LazyOrNone(int)


class BookTickerItem(Struct, frozen=True, gc=False):
    """One best bid and ask of a batch. An empty side is None."""

    bid_price_text: Annotated[str, Field(1, "bidPrice")] = ""
    bid_quantity_text: Annotated[str, Field(2, "bidQuantity")] = ""
    ask_price_text: Annotated[str, Field(3, "askPrice")] = ""
    ask_quantity_text: Annotated[str, Field(4, "askQuantity")] = ""

    bid_price = LazyOrNone(amount)
    bid_quantity = LazyOrNone(amount)
    ask_price = LazyOrNone(amount)
    ask_quantity = LazyOrNone(amount)


class BookTickerBatch(Struct, frozen=True, gc=False):
    """Best bids and asks in batches."""

    items: Annotated[tuple[BookTickerItem, ...], Field(1, "items")]
    version_text: Annotated[str, Field(2, "version")] = ""
    last_order_create_time: Annotated[int, Field(3, "lastOrderCreateTime")] = 0

    version = LazyOrNone(int)


class KlinePush(Struct, frozen=True, gc=False):
    """The current kline. No push is marked as a bar's last: a bar is closed when `open_time` moves on."""

    interval: Annotated[str, Field(1, "interval")]
    """Interval, spelt as in the channel: `Min15`."""
    open_time_s: Annotated[int, Field(2, "windowStart")]
    """Start in seconds UTC, as sent."""
    open_text: Annotated[str, Field(3, "openingPrice")]
    close_text: Annotated[str, Field(4, "closingPrice")]
    high_text: Annotated[str, Field(5, "highestPrice")]
    low_text: Annotated[str, Field(6, "lowestPrice")]
    volume_text: Annotated[str, Field(7, "volume")]
    quote_volume_text: Annotated[str, Field(8, "amount")]
    close_time_s: Annotated[int, Field(9, "windowEnd")]

    open = Lazy(amount)
    close = Lazy(amount)
    high = Lazy(amount)
    low = Lazy(amount)
    volume = Lazy(amount)
    """Volume in base."""
    quote_volume = Lazy(amount)

    @property
    def open_time(self) -> int:
        """Start in milliseconds UTC."""
        return self.open_time_s * 1000

    @property
    def close_time(self) -> int:
        """End in milliseconds UTC: `open_time` plus the interval."""
        return self.close_time_s * 1000


class MiniTicker(Struct, frozen=True, gc=False):
    """A symbol's day. Rates are ratios: 0.0766 is 7.66 %. Zoned rates use the day of the channel's time zone."""

    symbol: Annotated[str, Field(1, "symbol")]
    price_text: Annotated[str, Field(2, "price")]
    rate_text: Annotated[str, Field(3, "rate")] = ""
    zoned_rate_text: Annotated[str, Field(4, "zonedRate")] = ""
    high_text: Annotated[str, Field(5, "high")] = ""
    low_text: Annotated[str, Field(6, "low")] = ""
    quote_volume_text: Annotated[str, Field(7, "volume")] = ""
    volume_text: Annotated[str, Field(8, "quantity")] = ""
    last_close_rate_text: Annotated[str, Field(9, "lastCloseRate")] = ""
    last_close_zoned_rate_text: Annotated[str, Field(10, "lastCloseZonedRate")] = ""
    last_close_high_text: Annotated[str, Field(11, "lastCloseHigh")] = ""
    last_close_low_text: Annotated[str, Field(12, "lastCloseLow")] = ""

    price = Lazy(amount)
    rate = LazyOrNone(amount)
    """Change over the day of UTC+8."""
    zoned_rate = LazyOrNone(amount)
    high = LazyOrNone(amount)
    low = LazyOrNone(amount)
    quote_volume = LazyOrNone(amount)
    """Volume in quote; MEXC's `volume`."""
    volume = LazyOrNone(amount)
    """Volume in base; MEXC's `quantity`."""
    last_close_rate = LazyOrNone(amount)
    """Change since the previous close."""
    last_close_zoned_rate = LazyOrNone(amount)
    last_close_high = LazyOrNone(amount)
    last_close_low = LazyOrNone(amount)


class MiniTickers(Struct, frozen=True, gc=False):
    """The mini tickers of all symbols; MEXC may split the list over several pushes."""

    items: Annotated[tuple[MiniTicker, ...], Field(1, "items")]


# --- the account ---


class BalanceChange(Struct, frozen=True, gc=False, omit_defaults=True):
    """A balance after a change, and the change (MEXC: private account)."""

    asset: Annotated[str, Field(1, "vcoinName")]
    free_text: Annotated[str, Field(3, "balanceAmount")]
    free_change_text: Annotated[str, Field(4, "balanceAmountChange")]
    locked_text: Annotated[str, Field(5, "frozenAmount")]
    locked_change_text: Annotated[str, Field(6, "frozenAmountChange")]
    type: Annotated[str, Field(7, "type")]
    """Reason of the change: `ENTRUST_PLACE`, `DEPOSIT`, ..., an open set."""
    time: Annotated[int, Field(8, "time")]
    coin_id: Annotated[str, Field(2, "coinId")] = ""

    free = Lazy(amount)
    """Available balance after the change."""
    free_change = Lazy(amount)
    locked = Lazy(amount)
    """Balance held by open orders after the change."""
    locked_change = Lazy(amount)


class FillPush(Struct, frozen=True, gc=False, omit_defaults=True):
    """One trade of the account (MEXC: private deals)."""

    price_text: Annotated[str, Field(1, "price")]
    quantity_text: Annotated[str, Field(2, "quantity")]
    quote_quantity_text: Annotated[str, Field(3, "amount")]
    side: Annotated[Side, Field(4, "tradeType", SIDES)]
    """The account's own side."""
    trade_id: Annotated[str, Field(7, "tradeId")]
    order_id: Annotated[str, Field(9, "orderId")]
    time: Annotated[int, Field(12, "time")]
    is_maker: Annotated[bool, Field(5, "isMaker")] = False
    is_self_trade: Annotated[bool, Field(6, "isSelfTrade")] = False
    client_order_id: Annotated[str, Field(8, "clientOrderId")] = ""
    commission_text: Annotated[str, Field(10, "feeAmount")] = ""
    commission_asset: Annotated[str, Field(11, "feeCurrency")] = ""

    price = Lazy(amount)
    quantity = Lazy(amount)
    quote_quantity = Lazy(amount)
    commission = LazyOrNone(amount)


class OrderPush(Struct, frozen=True, gc=False, omit_defaults=True):
    """An order of the account and its state (MEXC: private orders). A missing figure is None."""

    order_id: Annotated[str, Field(1, "id")]
    status: Annotated[OrderStatus, Field(15, "status", ORDER_STATUSES)]
    type: Annotated[OrderType, Field(7, "orderType", ORDER_TYPES)]
    side: Annotated[Side, Field(8, "tradeType", SIDES)]
    create_time: Annotated[int, Field(16, "createTime")]
    client_order_id: Annotated[str, Field(2, "clientId")] = ""
    price_text: Annotated[str, Field(3, "price")] = ""
    quantity_text: Annotated[str, Field(4, "quantity")] = ""
    quote_quantity_text: Annotated[str, Field(5, "amount")] = ""
    average_price_text: Annotated[str, Field(6, "avgPrice")] = ""
    is_maker: Annotated[bool, Field(9, "isMaker")] = False
    remaining_quote_quantity_text: Annotated[str, Field(10, "remainAmount")] = ""
    remaining_quantity_text: Annotated[str, Field(11, "remainQuantity")] = ""
    last_fill_quantity_text: Annotated[str | None, Field(12, "lastDealQuantity")] = None
    executed_quantity_text: Annotated[str, Field(13, "cumulativeQuantity")] = ""
    executed_quote_quantity_text: Annotated[str, Field(14, "cumulativeAmount")] = ""
    market: Annotated[str | None, Field(17, "market")] = None
    trigger_type: Annotated[int | None, Field(18, "triggerType", Kind.INT32)] = None
    trigger_price_text: Annotated[str | None, Field(19, "triggerPrice")] = None
    state: Annotated[int | None, Field(20, "state", Kind.INT32)] = None
    oco_id: Annotated[str | None, Field(21, "ocoId")] = None
    route_factor: Annotated[str | None, Field(22, "routeFactor")] = None
    symbol_id: Annotated[str | None, Field(23, "symbolId")] = None
    market_id: Annotated[str | None, Field(24, "marketId")] = None
    market_currency_id: Annotated[str | None, Field(25, "marketCurrencyId")] = None
    currency_id: Annotated[str | None, Field(26, "currencyId")] = None

    price = LazyOrNone(amount)
    quantity = LazyOrNone(amount)
    quote_quantity = LazyOrNone(amount)
    """Total value of the order in quote; 0 for market sells in MEXC's sample."""
    average_price = LazyOrNone(amount)
    remaining_quote_quantity = LazyOrNone(amount)
    remaining_quantity = LazyOrNone(amount)
    last_fill_quantity = LazyOrNone(amount)
    executed_quantity = LazyOrNone(amount)
    executed_quote_quantity = LazyOrNone(amount)
    trigger_price = LazyOrNone(amount)


# --- in the schema, but refused or undocumented as channels ---


class LegacyTrade(Struct, frozen=True, gc=False):
    """A public trade without id (MEXC: public deals)."""

    price_text: Annotated[str, Field(1, "price")]
    quantity_text: Annotated[str, Field(2, "quantity")]
    side: Annotated[Side, Field(3, "tradeType", SIDES)]
    """The taker's side."""
    time: Annotated[int, Field(4, "time")]

    price = Lazy(amount)
    quantity = Lazy(amount)


class LegacyTrades(Struct, frozen=True, gc=False):
    """Public trades, not batched by interval."""

    trades: Annotated[tuple[LegacyTrade, ...], Field(1, "deals")]
    event_type: Annotated[str, Field(2, "eventType")] = ""


class LegacyDepthUpdate(Struct, frozen=True, gc=False):
    """Changes of an order book, with a single version (MEXC: increase depths)."""

    asks: Annotated[tuple[Level, ...], Field(1, "asks", LEVEL)]
    bids: Annotated[tuple[Level, ...], Field(2, "bids", LEVEL)]
    version_text: Annotated[str, Field(4, "version")]
    event_type: Annotated[str, Field(3, "eventType")] = ""

    version = Lazy(int)


class LegacyDepthUpdates(Struct, frozen=True, gc=False):
    """A batch of `LegacyDepthUpdate`."""

    items: Annotated[tuple[LegacyDepthUpdate, ...], Field(1, "items")]
    event_type: Annotated[str, Field(2, "eventType")] = ""


class Unknown(Struct, frozen=True, gc=False):
    """A body that this release does not know; `number` 0 and no data for a push without a body."""

    number: int = 0
    """The body's field number in the wrapper."""
    data: bytes = b""


Body: TypeAlias = (
    TradesPush
    | DepthUpdate
    | DepthSnapshot
    | BookTickerPush
    | BookTickerBatch
    | KlinePush
    | MiniTicker
    | MiniTickers
    | BalanceChange
    | FillPush
    | OrderPush
    | LegacyTrades
    | LegacyDepthUpdate
    | LegacyDepthUpdates
    | BookTickerItem
    | Unknown
)
"""All types of a push's body."""
