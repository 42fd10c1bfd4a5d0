"""The closed sets of the spot API, in the exchange's spelling. An unknown value in an answer keeps its text."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from mexc_async.core.fields import OpenEnum


class Side(OpenEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(OpenEnum):
    """How an order meets the book; MEXC has no time-in-force parameter, IOC and FOK are types of their own."""

    LIMIT = "LIMIT"
    """Rests until filled or cancelled."""
    MARKET = "MARKET"
    """Sized by `quantity` or by `quote_order_qty`."""
    LIMIT_MAKER = "LIMIT_MAKER"
    """Refused if it would trade at once."""
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL"
    """Fills what is possible at the price and cancels the rest."""
    FILL_OR_KILL = "FILL_OR_KILL"
    """All at once, or nothing."""
    STOP_MARKET_ORDER = "STOP_MARKET_ORDER"
    """Seen in answers only."""
    LIMIT_ORDER = "LIMIT_ORDER"
    """Seen in answers only."""
    OCO_LIMIT_ORDER = "OCO_LIMIT_ORDER"
    """Seen in answers only."""
    STOP_LIMIT_ORDER = "STOP_LIMIT_ORDER"
    """Seen in answers only."""


class OrderStatus(OpenEnum):
    """Where an order stands."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    """Cancelled with nothing filled."""
    PARTIALLY_CANCELED = "PARTIALLY_CANCELED"
    """Partly filled, the rest cancelled."""

    @property
    def is_open(self) -> bool:
        """Whether the order can still trade."""
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class SymbolStatus(OpenEnum):
    """Whether a symbol trades at all."""

    ONLINE = "1"
    PAUSED = "2"
    OFFLINE = "3"
    ENABLED = "ENABLED"
    """Online, as written until August 2024."""


class KycStatus(OpenEnum):
    """How far the account's identity check went."""

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
    """Which of an account's wallets."""

    SPOT = "SPOT"
    FUTURES = "FUTURES"
    """Some answers spell it FUTURE."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("FUTURES") if value == "FUTURE" else super()._missing_(value)


class RecipientType(OpenEnum):
    """By what the recipient of an internal transfer is named."""

    EMAIL = "EMAIL"
    UID = "UID"
    MOBILE = "MOBILE"


class TransferStatus(OpenEnum):
    """How far a transfer got."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    WAIT = "WAIT"


class DepositStatus(OpenEnum):
    """How far a deposit got."""

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
    """How far a withdrawal got."""

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
        """Whether nothing more will become of it."""
        return self in (WithdrawStatus.SUCCESS, WithdrawStatus.FAILED, WithdrawStatus.CANCEL)


class CommissionType(OpenEnum):
    """Market that a commission comes from."""

    SPOT = "1"
    FUTURES = "2"
    ETF = "3"


class SubAccountStatus(OpenEnum):
    """Whether a sub-account may be used."""

    NORMAL = "1"
    FROZEN = "2"


AccountTypeName: TypeAlias = AccountType | Literal["SPOT", "FUTURES"]
"""Upper case only."""
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
"""The types that can be placed."""
StpMode: TypeAlias = Literal["", "cancel_maker", "cancel_taker", "cancel_both"]
"""Self-trade prevention; acts only when the main account has a strategy group. Empty is off."""
Interval: TypeAlias = Literal["1m", "5m", "15m", "30m", "60m", "4h", "1d", "1W", "1M"]
"""Kline intervals of the REST API; case matters."""
