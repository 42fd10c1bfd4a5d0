"""Answers about currencies, addresses, deposits, withdrawals and transfers."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from msgspec import field

from mexc_async.schema.fields import Coded, MaybeDecimal, MaybeText, MaybeTimeMs, Text, TimeMs, same_under
from mexc_async.spot.enums import AccountType, DepositStatus, RecipientType, TransferStatus, WithdrawStatus
from mexc_async.spot.models import Answer


class _Named(Answer, frozen=True, kw_only=True):
    """An answer with a `name`, which older answers spell `Name`."""

    name: MaybeText = None
    capital_name: MaybeText = field(name="Name", default=None)

    def __post_init__(self) -> None:
        same_under(self, "name", "capital_name")


class Network(_Named, frozen=True, kw_only=True):
    """A currency on one chain."""

    coin: str | None = None
    network: str
    """Long label of the chain, for deposit calls: BEP20(BSC)."""
    net_work: MaybeText = None
    """The short id that `withdraw` takes: BSC."""
    deposit_enable: bool | None = None
    withdraw_enable: bool | None = None
    withdraw_fee: MaybeDecimal = None
    """Fee, deducted from the amount withdrawn."""
    withdraw_min: MaybeDecimal = None
    withdraw_max: MaybeDecimal = None
    withdraw_integer_multiple: MaybeDecimal = None
    """Step of a withdrawal's amount."""
    min_confirm: int | None = None
    """Confirmations that a deposit needs."""
    deposit_pre_confirms: int | None = None
    """Confirmations until MEXC's pre-credit of a deposit, where the chain has one; not in MEXC's documents."""
    same_address: bool | None = None
    contract: MaybeText = None
    deposit_desc: MaybeText = None
    deposit_tips: MaybeText = None
    withdraw_tips: MaybeText = None


class Currency(_Named, frozen=True, kw_only=True):
    """A currency and its chains for deposits and withdrawals."""

    coin: str
    network_list: list[Network] = field(default_factory=list)


class WithdrawalId(Answer, frozen=True, kw_only=True):
    """MEXC's id of a withdrawal."""

    id: Text


class Deposit(Answer, frozen=True, kw_only=True):
    """A deposit; older answers lack the last fields."""

    amount: Decimal
    coin: str
    """Currency, sometimes with its chain: USDC-TRX."""
    network: MaybeText = None
    status: Coded[DepositStatus]
    address: MaybeText = None
    tx_id: MaybeText = None
    insert_time: MaybeTimeMs = None
    unlock_confirm: MaybeText = None
    """Confirmations required before the amount is available."""
    confirm_times: MaybeText = None
    """Confirmations so far, as a count or `n/m`."""
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
    """Client id of the withdrawal."""
    coin: str
    network: MaybeText = None
    address: MaybeText = None
    amount: Decimal
    """Amount, fee included."""
    transaction_fee: MaybeDecimal = None
    status: Coded[WithdrawStatus]
    transfer_type: int | None = None
    """Destination: 0 the chain, 1 another account of the exchange."""
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
    """Deposit address of a currency. If it has a memo, a deposit without the memo may be lost."""

    coin: str
    network: MaybeText = None
    address: str
    memo: MaybeText = None
    tag: MaybeText = None
    """`memo` in some answers."""

    def __post_init__(self) -> None:
        same_under(self, "memo", "tag")


class WithdrawAddress(Answer, frozen=True, kw_only=True):
    """An address of the account's address book."""

    coin: str
    network: MaybeText = None
    net_work: MaybeText = None
    address: str
    address_tag: MaybeText = None
    """Label of the address."""
    memo: MaybeText = None
    """Memo or tag of the chain."""


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
    """Name of the sub-account; None for the main account."""
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
    """A transfer to another user of the exchange."""

    tran_id: Text
    """MEXC's id of the transfer; may be blank."""
    asset: str
    amount: Decimal
    to_account_type: RecipientType | None = None
    to_account: MaybeText = None
    from_account: MaybeText = None
    status: TransferStatus
    timestamp: TimeMs


class AssetTransfer(Answer, frozen=True, kw_only=True):
    """A transfer, as the API's second version reports it."""

    currency: str
    amount: Decimal
    transact_id: Text = field(name="transact_id")
    from_account: MaybeText = field(name="from", default=None)
    """Wallet: MAIN or CONTRACT."""
    to_account: MaybeText = field(name="to", default=None)
    transact_state: TransferStatus = field(name="transact_state")


class Convertible(Answer, frozen=True, kw_only=True):
    """A small balance and its value in MX, or the reason why MEXC does not convert it."""

    asset: str
    balance: Decimal
    convert_mx: MaybeDecimal = None
    convert_usdt: MaybeDecimal = None
    code: MaybeText = None
    message: MaybeText = None
    currency_id: MaybeText = None


class DustFailure(Answer, frozen=True, kw_only=True):
    """An asset that MEXC did not convert."""

    asset: str
    code: MaybeText = None
    message: MaybeText = None


class DustResult(Answer, frozen=True, kw_only=True):
    """Result of a conversion to MX."""

    success_list: list[str] = field(default_factory=list)
    failed_list: list[DustFailure] = field(default_factory=list)
    total_convert: MaybeDecimal = None
    convert_fee: MaybeDecimal = None


class DustDetail(Answer, frozen=True, kw_only=True):
    """One asset of a conversion."""

    id: Text
    asset: str
    amount: Decimal
    convert: MaybeDecimal = None
    """Proceeds in MX."""
    fee: MaybeDecimal = None
    time: MaybeTimeMs = None


class DustConversion(Answer, frozen=True, kw_only=True):
    """A conversion of small balances to MX."""

    total_convert: MaybeDecimal = None
    total_fee: MaybeDecimal = None
    convert_time: TimeMs
    convert_details: list[DustDetail] = field(default_factory=list)
