"""Answers of the spot API. Fields use the trade's common terms; the declaration names MEXC's where they differ.

Amounts are Decimal, times integer milliseconds UTC. A missing, null or blank field is None or an empty list, never an
amount of 0. A field without a default is required: an object without it is malformed.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

from msgspec import Struct, field

from mexc_async.errors import ProtocolError
from mexc_async.schema.fields import MaybeDecimal, MaybeText, Text, same_under
from mexc_async.schema.json_values import ToDict
from mexc_async.schema.lazy_numbers import Lazy, LazyOrNone, amount
from mexc_async.spot.enums import OrderStatus, OrderType, Side, SymbolStatus

T = TypeVar("T")


class Answer(ToDict, Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all answers: `to_dict()`. Decoding ignores unknown fields (`using(raw=True)` shows them)."""


class Empty(Answer, frozen=True, kw_only=True):
    """An answer without content."""


class Wrapped(Answer, Generic[T], frozen=True, kw_only=True):
    """An answer in the exchange's envelope; `code` is 0 or 200."""

    data: T
    code: int | None = None
    msg: str | None = None
    timestamp: int | None = None
    message: str | None = None
    """`msg` in answers to affiliates and brokers."""
    success: bool | None = None


class Done(Answer, frozen=True, kw_only=True):
    """An envelope without data."""

    code: int
    msg: str | None = None
    timestamp: int | None = None


class Page(Answer, Generic[T], frozen=True, kw_only=True):
    """One page of rows."""

    list_field: ClassVar[str] = "data"
    data: list[T]
    total_records: int | None = None
    page: int | None = None
    total_page_num: int | None = None
    total_page: int | None = None
    """`total_page_num` under another spelling of the documents."""

    def __post_init__(self) -> None:
        same_under(self, "total_page_num", "total_page")


# --- market data ---


class ServerTime(Answer, frozen=True, kw_only=True):
    """The exchange's clock."""

    server_time: int


class PriceFilter(Answer, frozen=True, kw_only=True):
    """A symbol's filter. PERCENT_PRICE_BY_SIDE bounds prices by two ratios of the last price."""

    filter_type: str | None = None
    bid_multiplier_up: MaybeDecimal = None
    """Ratio: highest price of a buy is last x (1 + this)."""
    ask_multiplier_down: MaybeDecimal = None
    """Ratio: lowest price of a sell is last x (1 - this)."""


class SymbolInfo(Answer, frozen=True, kw_only=True):
    """A symbol's trading rules. Several of MEXC's field names mislead, so fields here have other names."""

    symbol: str
    status: SymbolStatus | None = None
    base: str = field(name="baseAsset")
    base_precision: int = field(name="baseAssetPrecision")
    """Decimals of a quantity."""
    quote: str = field(name="quoteAsset")
    quote_precision: int
    """Decimals of a price."""
    quote_asset_precision: int | None = None
    base_commission_precision: int | None = None
    quote_commission_precision: int | None = None
    order_types: list[OrderType] = []
    """MEXC never lists IMMEDIATE_OR_CANCEL and FILL_OR_KILL, but accepts both."""
    is_spot_trading_allowed: bool | None = None
    """True if orders by API are allowed."""
    is_margin_trading_allowed: bool | None = None
    min_notional: Decimal | None = field(name="quoteAmountPrecision", default=None)
    """Least value of a limit order, in quote."""
    quantity_step: Decimal | None = field(name="baseSizePrecision", default=None)
    """Least quantity and its step; 0 or None leaves the step to `base_precision`."""
    permissions: list[str] = []
    filters: list[PriceFilter] = []
    max_notional: Decimal | None = field(name="maxQuoteAmount", default=None)
    """Greatest value of a limit order, in quote."""
    maker_commission: Decimal | None = None
    taker_commission: Decimal | None = None
    min_notional_market_text: str | None = field(name="quoteAmountPrecisionMarket", default=None)
    max_notional_market_text: str | None = field(name="maxQuoteAmountMarket", default=None)
    full_name: str | None = None
    trade_side_type: int | None = None
    """Tradable sides: 1 both, 2 buy only, 3 sell only, 4 none."""
    contract_address: str | None = None
    concept_plate_ids: list[int] | None = None
    st: bool | str | None = None
    """MEXC's special-treatment flag."""

    min_notional_market = LazyOrNone(amount)
    max_notional_market = LazyOrNone(amount)


class ExchangeInfo(Answer, frozen=True, kw_only=True):
    """Trading rules of symbols."""

    timezone: str | None = None
    server_time: int | None = None
    rate_limits: list[Empty] = []
    exchange_filters: list[Empty] = []
    symbols: list[SymbolInfo]


class Level(ToDict, Struct, frozen=True, array_like=True, gc=False):
    """Price and quantity of one level of an order book; unpacks as `price, quantity`.

    Stores the text as received and converts it at each read, since most levels of a deep book are never read.
    """

    every_one_counts: ClassVar[bool] = True
    """A book without one of its levels is wrong: one malformed level makes the whole answer malformed."""
    price_text: str
    quantity_text: str

    @property
    def price(self) -> Decimal:
        """Price in quote."""
        return Decimal(self.price_text)

    @property
    def quantity(self) -> Decimal:
        """Quantity in base."""
        return Decimal(self.quantity_text)

    def __iter__(self) -> Iterator[Decimal]:
        yield Decimal(self.price_text)
        yield Decimal(self.quantity_text)


class Depth(Answer, frozen=True, kw_only=True):
    """A snapshot of an order book, best prices first."""

    last_update_id: int
    """Version, in the same sequence as the depth stream."""
    bids: list[Level]
    asks: list[Level]
    timestamp: int | None = None


class Trade(Answer, frozen=True, kw_only=True):
    """A public trade."""

    id: MaybeText = None
    """Always null as of 2026."""
    price: Decimal
    quantity: Decimal = field(name="qty")
    quote_quantity: Decimal = field(name="quoteQty")
    time: int
    is_buyer_maker: bool | None = None
    is_best_match: bool | None = None
    trade_type: str | None = None
    """BID if the taker bought, ASK if it sold."""


class AggTrade(Answer, frozen=True, kw_only=True):
    """Trades of one price and time; MEXC cuts the time to the second."""

    id: MaybeText = field(name="a", default=None)
    first_id: MaybeText = field(name="f", default=None)
    last_id: MaybeText = field(name="l", default=None)
    price: Decimal = field(name="p")
    quantity: Decimal = field(name="q")
    time: int = field(name="T")
    is_buyer_maker: bool | None = field(name="m", default=None)
    is_best_match: bool | None = field(name="M", default=None)


class Kline(ToDict, Struct, frozen=True, array_like=True, gc=False):
    """One kline (bar).

    Stores amounts as text and converts them at each read. Reading raises ProtocolError if the text is not a number.
    """

    open_time: int
    open_text: str
    high_text: str
    low_text: str
    close_text: str
    volume_text: str
    close_time: int
    """`open_time` plus the interval."""
    quote_volume_text: str

    open = Lazy(amount)
    high = Lazy(amount)
    low = Lazy(amount)
    close = Lazy(amount)
    volume = Lazy(amount)
    """Volume in base."""
    quote_volume = Lazy(amount)


class PriceTicker(Answer, frozen=True, kw_only=True):
    """Last price of a symbol."""

    symbol: str
    price: Decimal


class BookTicker(Answer, frozen=True, kw_only=True):
    """Best bid and ask; a side without orders is None."""

    symbol: str
    bid_price: MaybeDecimal = None
    bid_quantity: MaybeDecimal = field(name="bidQty", default=None)
    ask_price: MaybeDecimal = None
    ask_quantity: MaybeDecimal = field(name="askQty", default=None)


# --- orders ---


class OrderAck(Answer, frozen=True, kw_only=True):
    """Acknowledgement of an order, without its state (`query_order` returns that).

    Stores amounts as text and converts them at each read. Reading raises ProtocolError if the text is not a number.
    """

    symbol: str
    order_id: str
    order_list_id: int | None = None
    price_text: str | None = field(name="price", default=None)
    quantity_text: str | None = field(name="origQty", default=None)
    type: OrderType | None = None
    side: Side | None = None
    stp_mode: str | None = None
    transact_time: int | None = None
    client_order_id: str | None = None
    """Client order id; MEXC normally does not return it."""

    price = LazyOrNone(amount)
    """Limit price; a reference price for a market order."""
    quantity = LazyOrNone(amount)
    """Quantity in base; may be 0 for an order sized by `quote_order_qty`."""


class BatchResult(Answer, frozen=True, kw_only=True):
    """Result of one order of a batch, at the position of its order."""

    symbol: str | None = None
    order_id: MaybeText = None
    client_order_id: MaybeText = field(name="newClientOrderId", default=None)
    order_list_id: int | None = None
    code: int | None = None
    """Error code of a refused order."""
    msg: str | None = None

    @property
    def is_accepted(self) -> bool:
        """True if MEXC accepted the order."""
        return self.order_id is not None


class CancelledOrder(Answer, frozen=True, kw_only=True):
    """State of a cancelled order; some answers end after `side`."""

    symbol: str
    order_id: str
    price: Decimal | None = None
    quantity: Decimal | None = field(name="origQty", default=None)
    type: OrderType | None = None
    side: Side | None = None
    orig_client_order_id: str | None = None
    """Client order id of the order."""
    client_order_id: str | None = None
    """Client id of the cancel request."""
    executed_quantity: Decimal | None = field(name="executedQty", default=None)
    executed_quote_quantity: Decimal | None = field(name="cummulativeQuoteQty", default=None)
    status: OrderStatus | None = None
    time_in_force: str | None = None
    order_list_id: int | None = None


class Order(Answer, frozen=True, kw_only=True):
    """An order and its state."""

    symbol: str
    order_id: Text
    client_order_id: MaybeText = None
    order_list_id: int | None = None
    price: MaybeDecimal = None
    """Limit price; for a filled market order the price of its last trade (see `average_price`)."""
    quantity: MaybeDecimal = field(name="origQty", default=None)
    executed_quantity: Decimal = field(name="executedQty")
    executed_quote_quantity: Decimal = field(name="cummulativeQuoteQty")
    status: OrderStatus
    time_in_force: str | None = None
    type: OrderType
    side: Side
    stop_price: MaybeDecimal = None
    iceberg_quantity: MaybeDecimal = field(name="icebergQty", default=None)
    time: int
    update_time: int | None = None
    is_working: bool | None = None
    stp_mode: str | None = None
    cancel_reason: str | None = None
    """Reason of a cancel by MEXC, such as `stp_cancel` for self-trade prevention."""
    quote_order_qty: MaybeDecimal = field(name="origQuoteOrderQty", default=None)

    @property
    def average_price(self) -> Decimal | None:
        """Average price of the fills; None without fills."""
        return self.executed_quote_quantity / self.executed_quantity if self.executed_quantity else None


class StpGroup(Answer, frozen=True, kw_only=True):
    """A self-trade-prevention group: accounts whose orders do not trade with each other."""

    trade_group_name: str | None = None
    trade_group_id: Text
    create_time: int | None = None
    update_time: int | None = None
    trade_group_uid: MaybeText = None
    """Uids of the members, separated by commas."""


# --- account ---


class Balance(Answer, frozen=True, kw_only=True):
    """An account's balance of one asset."""

    asset: str
    free: Decimal
    locked: Decimal
    """Held by open orders."""
    available: MaybeDecimal = None


class Account(Answer, frozen=True, kw_only=True):
    """The account and its balances; unlisted assets have a zero balance."""

    maker_commission: MaybeDecimal = None
    taker_commission: MaybeDecimal = None
    buyer_commission: MaybeDecimal = None
    seller_commission: MaybeDecimal = None
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    can_deposit: bool | None = None
    update_time: int | None = None
    account_type: str | None = None
    balances: list[Balance]
    permissions: list[str] = []
    balances_left_out: int = 0
    """Count of balances that could not be decoded; an unlisted asset may be one of them."""

    def balance(self, asset: str) -> Balance:
        """Return the balance of an asset; zero if unlisted. Raises ProtocolError if it may be one left out."""
        found = next((balance for balance in self.balances if balance.asset == asset), None)
        if found is None and self.balances_left_out:
            raise ProtocolError(f"balances could not be read, and that of {asset[:40]} may be one of them")
        return found or Balance(asset=asset, free=Decimal(0), locked=Decimal(0))


class Fill(Answer, frozen=True, kw_only=True):
    """One trade of the account. MEXC cuts the time to the second; ids do not sort by time."""

    symbol: str
    id: Text
    order_id: Text
    order_list_id: int | None = None
    price: Decimal
    quantity: Decimal = field(name="qty")
    quote_quantity: Decimal = field(name="quoteQty")
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool | None = None
    is_best_match: bool | None = None
    is_self_trade: bool | None = None
    client_order_id: MaybeText = None
