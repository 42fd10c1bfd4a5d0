"""Endpoints for brokers: customers' sub-accounts, keys, deposits and transfers. MEXC's broker document.

Calls that change something send a JSON body, signed together with the query. The weights are assumed. Several
permissions follow the document and may differ from the exchange's own.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, TypeAlias

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Auth, Cost, Money, Priority, Request, Resource, Route, call
from mexc_async.schema.fields import Coded, Hiding, MaybeText, MaybeTimeMs, Text
from mexc_async.schema.validation import GivenAmount, Rule, ip_address, listed, one_of
from mexc_async.spot.enums import AccountTypeName, SubAccountStatus
from mexc_async.spot.models import Answer, Page, Wrapped
from mexc_async.spot.parameters import Count, Limit200, Limit500, Period
from mexc_async.spot.subaccounts import (
    KEY_PERMISSIONS,
    BetweenAccounts,
    FuturesEnabled,
    SubAccountKey,
    SubAccountKeys,
    SubAccountName,
)
from mexc_async.spot.wallet_models import Deposit, DepositAddress, Transfer, TransferId, WithdrawalId

BROKER_KEY_PERMISSIONS = (
    *KEY_PERMISSIONS,
    "SPOT_WITHDRAW_READ",
    "SPOT_WITHDRAW_WRITE",
    "SPOT_DEPOSIT_READ",
    "SPOT_DEPOSIT_WRITE",
)
Permissions: TypeAlias = Annotated[str, Rule(listed(one_of(BROKER_KEY_PERMISSIONS)), BROKER_KEY_PERMISSIONS)]
"""Permissions, separated by commas."""


def _md5(name: str, value: object) -> None:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-fA-F]{32}", value):
        raise InvalidRequest(
            f"{name} must be 32 hex digits, the MD5 of the password"
        )  # the message must not repeat the value


PasswordMd5: TypeAlias = Annotated[str, Rule(_md5)]


class BrokerSubAccount(Answer, frozen=True, kw_only=True):
    """A customer's sub-account."""

    sub_account: str
    note: MaybeText = None
    timestamp: MaybeTimeMs = None


class BrokerSubAccountStatus(Answer, frozen=True, kw_only=True):
    """Status of a sub-account."""

    status: Coded[SubAccountStatus]


class BrokerRebate(Answer, frozen=True, kw_only=True):
    """One customer's rebate of one day."""

    asset: str
    amount: Decimal
    type: str | None = None
    """spot or futures."""
    uid: Text
    time: MaybeTimeMs = None
    """The exchange sends a date here."""


class OnceToken(Hiding, Answer, frozen=True, kw_only=True):
    """A token for a single login of a customer."""

    hidden = ("once_token",)
    once_token: str


def _read(path: str, permission: str | None = None) -> Route:
    return Route("GET", f"/api/v3/broker/{path}", Auth.SIGNED, permission, (Cost("ip"),), Priority.ACCOUNT, safe=True)


def _write(path: str, permission: str | None = None, money: Money | None = None, method: str = "POST") -> Route:
    costs = (Cost("ip"),)
    path = f"/api/v3/broker/{path}"
    return Route(method, path, Auth.SIGNED, permission, costs, Priority.ACCOUNT, money=money, json_body=True)


class BrokerUniversalTransferHistoryQuery(Period[list[Transfer]], frozen=True, kw_only=True):
    """List transfers between the broker's account and sub-accounts, 500 per page by default and at most."""

    route = _read("sub-account/universalTransfer", "SPOT_TRANSFER_READ")
    from_account: str | None = None
    to_account: str | None = None
    from_account_type: AccountTypeName
    to_account_type: AccountTypeName
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    limit: Limit500 | None = None


class BrokerCreateSubAccount(Hiding, Request[Wrapped[list[BrokerSubAccount]]], frozen=True, kw_only=True):
    """Create a sub-account for a customer."""

    route = _write("sub-account/virtualSubAccount")
    hidden = ("password",)
    sub_account: str
    note: str
    password: PasswordMd5 | None = None


class BrokerSubAccountsQuery(Request[Wrapped[list[BrokerSubAccount]]], frozen=True, kw_only=True):
    """List sub-accounts, 10 per page by default, 200 at most."""

    route = _read("sub-account/list")
    sub_account: str | None = None
    page: Count | None = None
    limit: Limit200 | None = None


class BrokerSubAccountStatusQuery(Request[BrokerSubAccountStatus], frozen=True, kw_only=True):
    """Get the status of a sub-account."""

    route = _read("sub-account/status")
    sub_account: str


class BrokerCreateApiKey(Request[SubAccountKey], frozen=True, kw_only=True):
    """Create a key for a sub-account. Only this answer holds its secret."""

    route = _write("sub-account/apiKey")
    sub_account: str
    permissions: Permissions
    ip: Annotated[str, Rule(listed(ip_address, 4))] | None = None
    note: str


class BrokerApiKeysQuery(Request[SubAccountKeys], frozen=True, kw_only=True):
    """List the keys of a sub-account, without their secrets."""

    route = _read("sub-account/apiKey")
    sub_account: str


class BrokerDeleteApiKey(Request[SubAccountName], frozen=True, kw_only=True):
    """Delete a key of a sub-account."""

    route = _write("sub-account/apiKey", method="DELETE")
    sub_account: str
    api_key: str


class BrokerGenerateDepositAddress(Request[DepositAddress], frozen=True, kw_only=True):
    """Create a deposit address for a sub-account."""

    route = _write("capital/deposit/subAddress", "SPOT_DEPOSIT_WRITE")
    coin: str
    network: str


class BrokerDepositAddressQuery(Request[list[DepositAddress]], frozen=True, kw_only=True):
    """List the deposit addresses of a sub-account."""

    route = _read("capital/deposit/subAddress", "SPOT_DEPOSIT_READ")
    coin: str


class SubDeposits(Period[list[Deposit]], frozen=True, kw_only=True):
    """A request for deposits of sub-accounts."""

    coin: str | None = None
    status: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: Count | None = None
    page: Count | None = None


class BrokerSubDepositHistoryQuery(SubDeposits, frozen=True, kw_only=True):
    """List deposits of a sub-account, the last 10 days and 20 per page by default."""

    route = _read("capital/deposit/subHisrec", "SPOT_DEPOSIT_READ")


class BrokerAllDepositHistoryQuery(SubDeposits, frozen=True, kw_only=True):
    """List deposits of every sub-account in the last 3 days, 100 per page by default."""

    route = _read("capital/deposit/subHisrec/getall", "SPOT_DEPOSIT_READ")


class BrokerWithdraw(Hiding, Request[WithdrawalId], frozen=True, kw_only=True):
    """Withdraw from a sub-account; needs `Mexc(..., allow_withdraw=True)`.

    MEXC takes no client id here. After a lost answer, look the withdrawal up by hand.
    """

    route = _write("capital/withdraw/apply", "SPOT_TRANSFER_READ", Money.WITHDRAWAL)
    hidden = ("password",)
    coin: str
    network: str
    address: str
    amount: GivenAmount
    password: PasswordMd5 | None = None
    remark: str | None = None


class BrokerUniversalTransfer(BetweenAccounts[TransferId], frozen=True, kw_only=True):
    """Transfer between the broker's account and sub-accounts."""

    route = _write("sub-account/universalTransfer", "SPOT_TRANSFER_READ", Money.TRANSFER)


class BrokerEnableFutures(Request[Wrapped[list[FuturesEnabled]]], frozen=True, kw_only=True):
    """Enable futures trading for a sub-account."""

    route = _write("sub-account/futures")
    sub_account: str


class BrokerRebateHistoryQuery(Period[Page[BrokerRebate]], frozen=True, kw_only=True):
    """List rebates by day and customer, 10 per page by default."""

    route = _read("rebate/taxQuery")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    page_size: Count | None = None


class BrokerOnceTokenQuery(Request[OnceToken], frozen=True, kw_only=True):
    """Get a token for a single login of a customer. Hidden: no longer in MEXC's documents."""

    route = _read("sub-account/onceToken", "SPOT_TRANSFER_READ")
    sub_account: str


class Broker(Resource):
    """Endpoints for brokers."""

    broker_universal_transfer_history = call(BrokerUniversalTransferHistoryQuery)
    broker_create_sub_account = call(BrokerCreateSubAccount)
    broker_list_sub_accounts = call(BrokerSubAccountsQuery)
    broker_sub_account_status = call(BrokerSubAccountStatusQuery)
    broker_create_api_key = call(BrokerCreateApiKey)
    broker_list_api_keys = call(BrokerApiKeysQuery)
    broker_delete_api_key = call(BrokerDeleteApiKey)
    broker_generate_deposit_address = call(BrokerGenerateDepositAddress)
    broker_deposit_address = call(BrokerDepositAddressQuery)
    broker_sub_deposit_history = call(BrokerSubDepositHistoryQuery)
    broker_all_deposit_history = call(BrokerAllDepositHistoryQuery)
    broker_withdraw = call(BrokerWithdraw)
    broker_universal_transfer = call(BrokerUniversalTransfer)
    broker_enable_futures = call(BrokerEnableFutures)
    broker_rebate_history = call(BrokerRebateHistoryQuery)
    broker_once_token = call(BrokerOnceTokenQuery)
