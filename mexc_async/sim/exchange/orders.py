"""Orders and fills from an account's point of view."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from mexc_async.sim.exchange.matching import RestingOrder, Side

ZERO = Decimal(0)

ORDER_TYPES = ("LIMIT", "MARKET", "LIMIT_MAKER", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL")
STP_MODES = ("", "cancel_maker", "cancel_taker", "cancel_both")

NEW = "NEW"
PARTIALLY_FILLED = "PARTIALLY_FILLED"
FILLED = "FILLED"
CANCELED = "CANCELED"
PARTIALLY_CANCELED = "PARTIALLY_CANCELED"


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An account's order request, not checked yet."""

    symbol: str
    side: Side
    type: str
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    client_id: str | None = None
    stp_mode: str = ""


class Order:
    """One accepted order. It is updated in place as it trades."""

    __slots__ = (
        "account",
        "cancel_reason",
        "client_id",
        "created_ms",
        "entry",
        "executed",
        "executed_value",
        "held",
        "hold_asset",
        "order_id",
        "price",
        "quantity",
        "quote_quantity",
        "side",
        "status",
        "stp_mode",
        "symbol",
        "type",
        "updated_ms",
    )

    def __init__(self, order_id: str, account: str, request: OrderRequest, price: Decimal, now_ms: int) -> None:
        self.order_id = order_id
        self.account = account
        """The owner's uid."""
        self.symbol = request.symbol
        self.client_id = request.client_id
        self.side: Side = request.side
        self.type = request.type
        self.price = price
        """Limit price; for a MARKET order the last fill's price, or a reference price before the first fill."""
        self.quantity = ZERO if request.quantity is None else request.quantity
        """Base quantity; 0 for an order sized by value."""
        self.quote_quantity = ZERO if request.quote_quantity is None else request.quote_quantity
        self.stp_mode = request.stp_mode
        self.status = NEW
        self.executed = ZERO
        self.executed_value = ZERO
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.cancel_reason: str | None = None
        self.entry: RestingOrder | None = None
        """The order's entry in the book; None when it does not rest."""
        self.hold_asset = ""
        self.held = ZERO
        """Part of the owner's locked balance that is held for this order."""

    @property
    def is_open(self) -> bool:
        """True while the order can trade."""
        return self.status in (NEW, PARTIALLY_FILLED)

    @property
    def remaining(self) -> Decimal:
        """Quantity not traded yet."""
        return self.quantity - self.executed

    def count_fill(self, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Add a fill to the totals and update the status."""
        self.executed += quantity
        self.executed_value += price * quantity
        self.updated_ms = now_ms
        self.status = FILLED if self.executed == self.quantity else PARTIALLY_FILLED
        if self.type == "MARKET":
            self.price = price

    def close(self, now_ms: int, reason: str | None = None) -> None:
        """Cancel the order. Its fills so far stay."""
        self.status = PARTIALLY_CANCELED if self.executed else CANCELED
        self.updated_ms = now_ms
        self.cancel_reason = reason


class AccountTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fill of an account's order."""

    trade_id: str
    order_id: str
    client_id: str | None
    account: str
    symbol: str
    price: Decimal
    quantity: Decimal
    value: Decimal
    fee: Decimal
    fee_asset: str
    time_ms: int
    is_buyer: bool
    is_maker: bool
    is_self_trade: bool
