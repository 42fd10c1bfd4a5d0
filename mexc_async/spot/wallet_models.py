"""Answers about currencies, addresses, deposits, withdrawals and transfers."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from msgspec import field

from mexc_async.core.fields import Coded, MaybeDecimal, MaybeText, MaybeTimeMs, Text, TimeMs, same_under
from mexc_async.spot.enums import AccountType, DepositStatus, RecipientType, TransferStatus, WithdrawStatus
from mexc_async.spot.models import Answer


class _Named(Answer, frozen=True, kw_only=True):
    """Has a `name`, which older answers spell `Name`."""

    name: MaybeText = None
    capital_name: MaybeText = field(name="Name", default=None)

    def __post_init__(self) -> None:
        same_under(self, "name", "capital_name")


class Network(_Named, frozen=True, kw_only=True):
    """A currency on one chain."""

    coin: str
    network: str
    """The long label that deposit calls take: BEP20(BSC)."""
    net_work: MaybeText = None
    """The short id that `withdraw` takes: BSC."""
    deposit_enable: bool
    withdraw_enable: bool
    withdraw_fee: MaybeDecimal = None
    """Taken out of the amount withdrawn."""
    withdraw_min: MaybeDecimal = None
    withdraw_max: MaybeDecimal = None
    withdraw_integer_multiple: MaybeDecimal = None
    """Step of an amount."""
    min_confirm: int | None = None
    same_address: bool | None = None
    contract: MaybeText = None
    deposit_desc: MaybeText = None
    deposit_tips: MaybeText = None
    withdraw_tips: MaybeText = None


class Currency(_Named, frozen=True, kw_only=True):
    """A currency and the chains that it can be deposited and withdrawn on."""

    coin: str
    network_list: list[Network]


class WithdrawalId(Answer, frozen=True, kw_only=True):
    """MEXC's id of a withdrawal."""

    id: Text


class Deposit(Answer, frozen=True, kw_only=True):
    """A deposit; the last fields stand in newer answers only."""

    amount: Decimal
    coin: str
    """May have the chain behind it: USDC-TRX."""
    network: MaybeText = None
    status: Coded[DepositStatus]
    address: MaybeText = None
    tx_id: MaybeText = None
    insert_time: MaybeTimeMs = None
    unlock_confirm: MaybeText = None
    """Confirmations after which it can be used."""
    confirm_times: MaybeText = None
    """Confirmations so far: a count, or `n/m`."""
    memo: MaybeText = None
    address_tag: MaybeText = None
    sub_account: MaybeText = None
    net_work: MaybeText = None
    trans_hash: MaybeText = None
    update_time: MaybeTimeMs = None
    explorer_url: MaybeText = None


class Withdrawal(Answer, frozen=True, kw_only=True):
    """A withdrawal."""

    id: Text
    withdraw_order_id: MaybeText = None
    """The id that it was sent with."""
    coin: str
    network: MaybeText = None
    address: MaybeText = None
    amount: Decimal
    """The fee is inside."""
    transaction_fee: MaybeDecimal = None
    status: Coded[WithdrawStatus]
    transfer_type: int | None = None
    """0 to the chain, 1 to another account of the exchange."""
    apply_time: MaybeTimeMs = None
    update_time: MaybeTimeMs = None
    tx_id: MaybeText = None
    trans_hash: MaybeText = None
    confirm_no: MaybeText = None
    remark: MaybeText = None
    memo: MaybeText = None
    coin_id: MaybeText = None
    vcoin_id: MaybeText = None


class DepositAddress(Answer, frozen=True, kw_only=True):
    """Where to send a currency to; without the memo, where there is one, it may be lost."""

    coin: str
    network: MaybeText = None
    address: str
    memo: MaybeText = None
    tag: MaybeText = None
    """The same, as some answers spell it."""

    def __post_init__(self) -> None:
        same_under(self, "memo", "tag")


class WithdrawAddress(Answer, frozen=True, kw_only=True):
    """An address of the account's address book."""

    coin: str
    network: MaybeText = None
    net_work: MaybeText = None
    address: str
    address_tag: MaybeText = None
    """Its label."""
    memo: MaybeText = None
    """The chain's tag."""


class TransferId(Answer, frozen=True, kw_only=True):
    """MEXC's id of a transfer."""

    tran_id: Text


class Transfer(Answer, frozen=True, kw_only=True):
    """A transfer between accounts of one owner."""

    tran_id: Text
    client_tran_id: MaybeText = None
    asset: str
    amount: Decimal
    from_account: MaybeText = None
    """Name of the sub-account; missing or blank is the main account."""
    to_account: MaybeText = None
    from_account_type: AccountType | None = None
    to_account_type: AccountType | None = None
    from_symbol: MaybeText = None
    to_symbol: MaybeText = None
    symbol: MaybeText = None
    status: TransferStatus
    timestamp: TimeMs


class TransferPage(Answer, frozen=True, kw_only=True):
    """One page of `universal_transfer_history`."""

    list_field: ClassVar[str] = "rows"
    rows: list[Transfer]
    total: int | None = None


class SubTransferPage(Answer, frozen=True, kw_only=True):
    """One page of `sub_universal_transfer_history`."""

    list_field: ClassVar[str] = "result"
    result: list[Transfer]
    total_count: int | None = None


class InternalTransfer(Answer, frozen=True, kw_only=True):
    """A transfer to somebody else on the exchange."""

    tran_id: Text
    """May be blank."""
    asset: str
    amount: Decimal
    to_account_type: RecipientType | None = None
    to_account: MaybeText = None
    from_account: MaybeText = None
    status: TransferStatus
    timestamp: TimeMs


class AssetTransfer(Answer, frozen=True, kw_only=True):
    """A transfer as the second version of the API told it."""

    currency: str
    amount: Decimal
    transact_id: Text = field(name="transact_id")
    from_account: MaybeText = field(name="from", default=None)
    """MAIN or CONTRACT."""
    to_account: MaybeText = field(name="to", default=None)
    transact_state: TransferStatus = field(name="transact_state")


class Convertible(Answer, frozen=True, kw_only=True):
    """A small balance that can be converted to MX, or why it cannot."""

    asset: str
    balance: Decimal
    convert_mx: MaybeDecimal = None
    convert_usdt: MaybeDecimal = None
    code: MaybeText = None
    message: MaybeText = None
    currency_id: MaybeText = None


class DustFailure(Answer, frozen=True, kw_only=True):
    """An asset that was not converted."""

    asset: str
    code: MaybeText = None
    message: MaybeText = None


class DustResult(Answer, frozen=True, kw_only=True):
    """What was converted to MX."""

    success_list: list[str]
    failed_list: list[DustFailure] = field(default_factory=list)
    total_convert: MaybeDecimal = None
    convert_fee: MaybeDecimal = None


class DustDetail(Answer, frozen=True, kw_only=True):
    """One asset of a conversion."""

    id: Text
    asset: str
    amount: Decimal
    convert: MaybeDecimal = None
    """What it gave, in MX."""
    fee: MaybeDecimal = None
    time: TimeMs


class DustConversion(Answer, frozen=True, kw_only=True):
    """A conversion of small balances to MX."""

    total_convert: MaybeDecimal = None
    total_fee: MaybeDecimal = None
    convert_time: TimeMs
    convert_details: list[DustDetail]
