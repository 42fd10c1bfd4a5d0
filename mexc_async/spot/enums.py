"""Enumerations of the spot API, in the exchange's spelling. An unknown value in an answer has its text."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from mexc_async.schema.fields import OpenEnum


class Side(OpenEnum):
    """Side of an order or trade."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(OpenEnum):
    """Type of an order. MEXC has no time-in-force parameter; IOC and FOK are types of their own."""

    LIMIT = "LIMIT"
    """Limit order that rests until filled or cancelled."""
    MARKET = "MARKET"
    """Market order, sized by `quantity` or by `quote_order_qty`."""
    LIMIT_MAKER = "LIMIT_MAKER"
    """Post-only order, refused if it would trade at once."""
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL"
    """IOC: fills as much as possible at the price and cancels the rest."""
    FILL_OR_KILL = "FILL_OR_KILL"
    """FOK: fills completely at once, or not at all."""
    STOP_MARKET_ORDER = "STOP_MARKET_ORDER"
    """In answers only."""
    LIMIT_ORDER = "LIMIT_ORDER"
    """In answers only."""
    OCO_LIMIT_ORDER = "OCO_LIMIT_ORDER"
    """In answers only."""
    STOP_LIMIT_ORDER = "STOP_LIMIT_ORDER"
    """In answers only."""


class OrderStatus(OpenEnum):
    """State of an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    """Cancelled without a fill."""
    PARTIALLY_CANCELED = "PARTIALLY_CANCELED"
    """Cancelled after a partial fill."""

    @property
    def is_open(self) -> bool:
        """True while the order can still trade."""
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class SymbolStatus(OpenEnum):
    """Trading status of a symbol."""

    ONLINE = "1"
    PAUSED = "2"
    OFFLINE = "3"
    ENABLED = "ENABLED"
    """Online, in the spelling used until August 2024."""


class KycStatus(OpenEnum):
    """Level of the account's identity verification."""

    UNVERIFIED = "1"
    PRIMARY = "2"
    ADVANCED = "3"
    INSTITUTIONAL = "4"


class KeyStatus(OpenEnum):
    """State of an API key."""

    VALID = "VALID"
    DELETE = "DELETE"
    FROZEN = "FROZEN"


class AccountType(OpenEnum):
    """Wallet of an account."""

    SPOT = "SPOT"
    FUTURES = "FUTURES"
    """FUTURE in some answers."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("FUTURES") if value == "FUTURE" else super()._missing_(value)


class RecipientType(OpenEnum):
    """Kind of the recipient's identifier in an internal transfer."""

    EMAIL = "EMAIL"
    UID = "UID"
    MOBILE = "MOBILE"


class TransferStatus(OpenEnum):
    """Status of a transfer."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    WAIT = "WAIT"


class DepositStatus(OpenEnum):
    """Status of a deposit."""

    SMALL = "1"
    TIME_DELAY = "2"
    LARGE_DELAY = "3"
    PENDING = "4"
    SUCCESS = "5"
    AUDITING = "6"
    REJECTED = "7"
    REFUND = "8"
    PRE_SUCCESS = "9"
    INVALID = "10"
    RESTRICTED = "11"
    COMPLETED = "12"


class WithdrawStatus(OpenEnum):
    """Status of a withdrawal."""

    APPLY = "1"
    AUDITING = "2"
    WAIT = "3"
    PROCESSING = "4"
    WAIT_PACKAGING = "5"
    WAIT_CONFIRM = "6"
    SUCCESS = "7"
    FAILED = "8"
    CANCEL = "9"
    MANUAL = "10"

    @property
    def is_final(self) -> bool:
        """True once the status can change no more."""
        return self in (WithdrawStatus.SUCCESS, WithdrawStatus.FAILED, WithdrawStatus.CANCEL)


class CommissionType(OpenEnum):
    """Market of a commission."""

    SPOT = "1"
    FUTURES = "2"
    ETF = "3"


class SubAccountStatus(OpenEnum):
    """Status of a sub-account."""

    NORMAL = "1"
    FROZEN = "2"


AccountTypeName: TypeAlias = AccountType | Literal["SPOT", "FUTURES"]
"""Wallet in upper case."""
RecipientTypeName: TypeAlias = RecipientType | Literal["EMAIL", "UID", "MOBILE"]
DepositStatusCode: TypeAlias = DepositStatus | Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]
WithdrawStatusCode: TypeAlias = WithdrawStatus | Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
CommissionTypeCode: TypeAlias = CommissionType | Literal[1, 2, 3]
SideName: TypeAlias = Side | Literal["BUY", "SELL"]
OrderTypeName: TypeAlias = (
    Literal[OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER]
    | Literal[OrderType.IMMEDIATE_OR_CANCEL, OrderType.FILL_OR_KILL]
    | Literal["LIMIT", "MARKET", "LIMIT_MAKER", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL"]
)
"""Order types that MEXC accepts in new orders."""
StpMode: TypeAlias = Literal["", "cancel_maker", "cancel_taker", "cancel_both"]
"""Self-trade prevention; needs a strategy group of the main account. Empty switches it off."""
Interval: TypeAlias = Literal["1m", "5m", "15m", "30m", "60m", "4h", "1d", "1W", "1M"]
"""Kline intervals of the REST API; case matters."""
