"""Currencies, deposits, withdrawals, transfers and small balances. MEXC's page "Wallet Endpoints".

MEXC has no client id for transfers. A withdrawal has `withdraw_order_id`; the client generates one by default.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Auth, Cost, Money, Priority, Request, Resource, Route, call
from mexc_async.schema.validation import GivenAmount
from mexc_async.spot.enums import AccountTypeName, DepositStatusCode, RecipientTypeName, WithdrawStatusCode
from mexc_async.spot.models import Page, Wrapped
from mexc_async.spot.parameters import AssetList, Count, Limit100, PageLimit, Period
from mexc_async.spot.wallet_models import (
    AssetTransfer,
    Convertible,
    Currency,
    Deposit,
    DepositAddress,
    DustConversion,
    DustResult,
    InternalTransfer,
    Transfer,
    TransferId,
    TransferPage,
    WithdrawAddress,
    Withdrawal,
    WithdrawalId,
)


def _read(path: str, weight: int = 1, permission: str | None = "SPOT_WITHDRAW_READ") -> Route:
    return Route("GET", path, Auth.SIGNED, permission, (Cost("ip", weight),), Priority.ACCOUNT, safe=True)


def _write(
    method: str, path: str, weight: int = 1, permission: str = "SPOT_WITHDRAW_WRITE", money: Money | None = None
) -> Route:
    return Route(method, path, Auth.SIGNED, permission, (Cost("ip", weight),), Priority.ACCOUNT, money=money)


class CurrenciesQuery(Request[list[Currency]], frozen=True, kw_only=True):
    """List every currency with its chains, fees and minimum amounts."""

    route = _read("/api/v3/capital/config/getall", 10)


class Withdraw(Request[WithdrawalId], frozen=True, kw_only=True):
    """Withdraw to an address of the account's address book; needs `Mexc(..., allow_withdraw=True)`.

    MEXC deducts the fee from `amount`. Raises TransferRejected (10212) for an address that is not in the book,
    InsufficientBalance, OutcomeUnknown.
    """

    route = _write("POST", "/api/v3/capital/withdraw", money=Money.WITHDRAWAL)
    coin: str
    withdraw_order_id: str | None = None
    net_work: str | None = None
    contract_address: str | None = None
    address: str
    memo: str | None = None
    amount: GivenAmount
    remark: str | None = None
    include_fee: bool | None = None


class WithdrawApply(Request[WithdrawalId], frozen=True, kw_only=True):
    """Withdraw; deprecated by MEXC in June 2024, use `withdraw`. Needs `Mexc(..., allow_withdraw=True)`."""

    route = _write("POST", "/api/v3/capital/withdraw/apply", money=Money.WITHDRAWAL)
    coin: str
    withdraw_order_id: str | None = None
    network: str | None = None
    address: str
    memo: str | None = None
    amount: GivenAmount
    remark: str | None = None


class CancelWithdraw(Request[WithdrawalId], frozen=True, kw_only=True):
    """Cancel a withdrawal that has not left yet, by MEXC's id."""

    route = _write("DELETE", "/api/v3/capital/withdraw")
    id: str


class DepositHistoryQuery(Period[list[Deposit]], frozen=True, kw_only=True):
    """List deposits: the last 7 days by default, at most 7 days per call, up to 90 days back (beyond: code 400)."""

    route = _read("/api/v3/capital/deposit/hisrec", 10)
    max_days: ClassVar[int | None] = 7
    coin: str | None = None
    status: DepositStatusCode | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: PageLimit | None = None


class WithdrawHistoryQuery(Period[list[Withdrawal]], frozen=True, kw_only=True):
    """List withdrawals: the last 7 days by default, at most 7 days per call, up to 90 days back (beyond: code 400)."""

    route = _read("/api/v3/capital/withdraw/history")
    max_days: ClassVar[int | None] = 7
    coin: str | None = None
    status: WithdrawStatusCode | None = None
    limit: PageLimit | None = None
    start_time: int | None = None
    end_time: int | None = None


class GenerateDepositAddress(Request[list[DepositAddress]], frozen=True, kw_only=True):
    """Create a deposit address. `network` is the long label, `Network.network`."""

    route = _write("POST", "/api/v3/capital/deposit/address")
    coin: str
    network: str


class DepositAddressQuery(Request[list[DepositAddress]], frozen=True, kw_only=True):
    """List the account's deposit addresses for a currency."""

    route = _read("/api/v3/capital/deposit/address", 10)
    coin: str
    network: str | None = None


class WithdrawAddressQuery(Request[Page[WithdrawAddress]], frozen=True, kw_only=True):
    """List the account's address book for withdrawals."""

    route = _read("/api/v3/capital/withdraw/address", 10)
    coin: str | None = None
    page: Count | None = None
    limit: Count | None = None


class UniversalTransfer(Request[TransferId], frozen=True, kw_only=True):
    """Transfer between the account's own wallets. Raises InsufficientBalance, TransferRejected, OutcomeUnknown."""

    route = _write("POST", "/api/v3/capital/transfer", 50, "SPOT_TRANSFER_WRITE", Money.TRANSFER)
    from_account_type: AccountTypeName
    to_account_type: AccountTypeName
    asset: str
    amount: GivenAmount

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_account_type == self.to_account_type:
            raise InvalidRequest(f"from_account_type and to_account_type are both {self.to_account_type}")


class UniversalTransferHistoryQuery(Period[TransferPage], frozen=True, kw_only=True):
    """List transfers between the account's own wallets: the last 7 days by default, up to six months back."""

    route = _read("/api/v3/capital/transfer", permission="SPOT_TRANSFER_READ")
    from_account_type: AccountTypeName
    to_account_type: AccountTypeName
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    size: Limit100 | None = None


class UniversalTransferByIdQuery(Request[Transfer], frozen=True, kw_only=True):
    """Get one transfer between the account's own wallets, up to six months old."""

    route = _read("/api/v3/capital/transfer/tranId", permission="SPOT_TRANSFER_READ")
    tran_id: str


class InternalTransferRequest(Request[TransferId], frozen=True, kw_only=True):
    """Transfer to another user of the exchange; needs `Mexc(..., allow_withdraw=True)`.

    Raises InsufficientBalance, TransferRejected, OutcomeUnknown.
    """

    route = _write("POST", "/api/v3/capital/transfer/internal", money=Money.WITHDRAWAL)
    to_account_type: RecipientTypeName
    to_account: str
    area_code: str | None = None
    asset: str
    amount: GivenAmount

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.to_account_type == "MOBILE" and self.area_code is None:
            raise InvalidRequest("to_account_type MOBILE needs area_code, which is missing")


class InternalTransferHistoryQuery(Period[Page[InternalTransfer]], frozen=True, kw_only=True):
    """List transfers to other users of the exchange: the last 7 days by default."""

    route = _read("/api/v3/capital/transfer/internal")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    limit: Count | None = None
    tran_id: str | None = None


class InternalAssetTransferRecordQuery(Request[Wrapped[AssetTransfer]], frozen=True, kw_only=True):
    """Get one transfer by its id. Undocumented: known from one other SDK only."""

    route = _read("/api/v3/asset/internal/transfer/record", 10, None)
    transact_id: str = field(name="transact_id")


class ConvertibleAssetsQuery(Request[list[Convertible]], frozen=True, kw_only=True):
    """List small balances and their value in MX."""

    route = _read("/api/v3/capital/convert/list", permission="SPOT_ACCOUNT_READ")


class ConvertDust(Request[DustResult], frozen=True, kw_only=True):
    """Convert small balances to MX: `asset` holds up to 15, separated by commas. Each may fail on its own."""

    route = _write("POST", "/api/v3/capital/convert", 10, "SPOT_ACCOUNT_WRITE")
    asset: AssetList


class DustLogQuery(Period[Page[DustConversion]], frozen=True, kw_only=True):
    """List conversions of small balances. `limit`: one row per page by default, at most 1000."""

    route = _read("/api/v3/capital/convert", permission="SPOT_DEAL_READ")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    limit: PageLimit | None = None


class Wallet(Resource):
    """Endpoints of the wallet."""

    currencies = call(CurrenciesQuery)
    withdraw = call(Withdraw)
    withdraw_apply = call(WithdrawApply)
    cancel_withdraw = call(CancelWithdraw)
    deposit_history = call(DepositHistoryQuery)
    withdraw_history = call(WithdrawHistoryQuery)
    generate_deposit_address = call(GenerateDepositAddress)
    deposit_address = call(DepositAddressQuery)
    withdraw_address = call(WithdrawAddressQuery)
    universal_transfer = call(UniversalTransfer)
    universal_transfer_history = call(UniversalTransferHistoryQuery)
    universal_transfer_by_id = call(UniversalTransferByIdQuery)
    internal_transfer = call(InternalTransferRequest)
    internal_transfer_history = call(InternalTransferHistoryQuery)
    internal_asset_transfer_record = call(InternalAssetTransferRecordQuery)
    convertible_assets = call(ConvertibleAssetsQuery)
    convert_dust = call(ConvertDust)
    dust_log = call(DustLogQuery)
