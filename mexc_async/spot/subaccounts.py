"""Sub-accounts, their keys and transfers. The calls need a key of the main account. MEXC's page "Sub-Account"."""

from __future__ import annotations

from typing import Annotated, ClassVar, Generic, TypeAlias, TypeVar

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Auth, Cost, Money, Priority, Request, Resource, Route, call
from mexc_async.schema.fields import Hiding, MaybeText, MaybeTimeMs, same_under
from mexc_async.schema.validation import GivenAmount, Rule, listed, one_of
from mexc_async.spot.enums import AccountTypeName
from mexc_async.spot.models import Answer, Balance, Wrapped
from mexc_async.spot.parameters import Count, IpList, Limit200, Limit500, NewSubAccount, Period
from mexc_async.spot.wallet_models import SubTransferPage, TransferId

T_co = TypeVar("T_co", covariant=True)

KEY_PERMISSIONS = (
    "SPOT_ACCOUNT_READ",
    "SPOT_ACCOUNT_WRITE",
    "SPOT_DEAL_READ",
    "SPOT_DEAL_WRITE",
    "CONTRACT_ACCOUNT_READ",
    "CONTRACT_ACCOUNT_WRITE",
    "CONTRACT_DEAL_READ",
    "CONTRACT_DEAL_WRITE",
    "SPOT_TRANSFER_READ",
    "SPOT_TRANSFER_WRITE",
)
"""Permissions of a sub-account's key; withdrawals are not among them."""
Permissions: TypeAlias = Annotated[str, Rule(listed(one_of(KEY_PERMISSIONS)), KEY_PERMISSIONS)]
"""Permissions, separated by commas."""


class NewSubAccountAnswer(Answer, frozen=True, kw_only=True):
    """A new sub-account."""

    sub_account: str
    note: MaybeText = None


class SubAccount(Answer, frozen=True, kw_only=True):
    """A sub-account."""

    sub_account: str
    is_freeze: bool | None = None
    create_time: MaybeTimeMs = None
    uid: MaybeText = None


class SubAccounts(Answer, frozen=True, kw_only=True):
    """One page of sub-accounts."""

    list_field: ClassVar[str] = "subAccounts"
    sub_accounts: list[SubAccount]


class SubAccountKey(Hiding, Answer, frozen=True, kw_only=True):
    """A key of a sub-account. The secret is in the answer to its creation only, and never in a `repr`."""

    hidden = ("secret_key",)
    sub_account: MaybeText = None
    note: MaybeText = None
    api_key: str = ""
    apikey: str = ""
    """`api_key` in answers to brokers."""
    secret_key: MaybeText = None
    permissions: str | None = None
    """Joined by commas."""
    ip: MaybeText = None
    """IP addresses, separated by commas; blank allows every address."""
    create_time: MaybeTimeMs = None
    creat_time: MaybeTimeMs = None
    """`create_time` under another spelling of the documents."""

    def __post_init__(self) -> None:
        same_under(self, "api_key", "apikey")
        same_under(self, "create_time", "creat_time")


class SubAccountKeys(Answer, frozen=True, kw_only=True):
    """The keys of a sub-account."""

    list_field: ClassVar[str] = "subAccount"
    sub_account: list[SubAccountKey]


class SubAccountName(Answer, frozen=True, kw_only=True):
    """The sub-account whose key was deleted."""

    sub_account: str


class SubAccountBalances(Answer, frozen=True, kw_only=True):
    """A sub-account's balances."""

    balances: list[Balance]


class FuturesEnabled(Answer, frozen=True, kw_only=True):
    """Futures trading of a sub-account, on or off."""

    sub_account: str
    is_futures_enabled: bool | None = None
    timestamp: MaybeTimeMs = None


class MarginEnabled(Answer, frozen=True, kw_only=True):
    """Margin trading of a sub-account, on or off."""

    sub_account: str
    is_margin_enabled: bool | None = None
    timestamp: MaybeTimeMs = None


def _route(method: str, path: str, permission: str = "SPOT_ACCOUNT_READ") -> Route:
    return Route(method, path, Auth.SIGNED, permission, (Cost("ip"),), Priority.ACCOUNT, safe=method == "GET")


class CreateSubAccount(Request[NewSubAccountAnswer], frozen=True, kw_only=True):
    """Create a sub-account; at most 30 per main account. It cannot log in on the web site."""

    route = _route("POST", "/api/v3/sub-account/virtualSubAccount")
    sub_account: NewSubAccount
    note: str


class SubAccountsQuery(Request[SubAccounts], frozen=True, kw_only=True):
    """List sub-accounts, 10 per page by default, 200 at most."""

    route = _route("GET", "/api/v3/sub-account/list")
    sub_account: str | None = None
    is_freeze: bool | None = None
    page: Count | None = None
    limit: Limit200 | None = None


class CreateSubAccountApiKey(Request[SubAccountKey], frozen=True, kw_only=True):
    """Create a key for a sub-account. Only this answer holds its secret."""

    route = _route("POST", "/api/v3/sub-account/apiKey")
    sub_account: str
    note: str
    permissions: Permissions
    ip: IpList | None = None


class SubAccountApiKeysQuery(Request[SubAccountKeys], frozen=True, kw_only=True):
    """List the keys of a sub-account, without their secrets."""

    route = _route("GET", "/api/v3/sub-account/apiKey")
    sub_account: str


class DeleteSubAccountApiKey(Request[SubAccountName], frozen=True, kw_only=True):
    """Delete a key of a sub-account."""

    route = _route("DELETE", "/api/v3/sub-account/apiKey")
    sub_account: str
    api_key: str


class BetweenAccounts(Request[T_co], Generic[T_co], frozen=True, kw_only=True):
    """A transfer between wallets of the main account and its sub-accounts; an account of None is the main account."""

    from_account: str | None = None
    to_account: str | None = None
    from_account_type: AccountTypeName
    to_account_type: AccountTypeName
    asset: str
    amount: GivenAmount

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.from_account, self.from_account_type) == (self.to_account, self.to_account_type):
            name = self.to_account or "the main account"
            raise InvalidRequest(f"the transfer goes from {self.to_account_type} of {name} to itself")


class SubUniversalTransfer(BetweenAccounts[TransferId], frozen=True, kw_only=True):
    """Transfer between the main account and sub-accounts, or from one sub-account to another.

    Raises InsufficientBalance, TransferRejected, OutcomeUnknown.
    """

    route = Route(
        "POST",
        "/api/v3/capital/sub-account/universalTransfer",
        Auth.SIGNED,
        "SPOT_TRANSFER_WRITE",
        (Cost("ip", 50),),
        Priority.ACCOUNT,
        money=Money.TRANSFER,
    )


class SubUniversalTransferHistoryQuery(Period[SubTransferPage], frozen=True, kw_only=True):
    """List transfers between the main account and sub-accounts, 500 per page by default and at most."""

    route = _route("GET", "/api/v3/capital/sub-account/universalTransfer", "SPOT_TRANSFER_READ")
    from_account: str | None = None
    to_account: str | None = None
    from_account_type: AccountTypeName
    to_account_type: AccountTypeName
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    limit: Limit500 | None = None


class SubAccountAssetQuery(Request[SubAccountBalances], frozen=True, kw_only=True):
    """Get a sub-account's balances. MEXC answers for SPOT only."""

    route = _route("GET", "/api/v3/sub-account/asset", "SPOT_TRANSFER_READ")
    sub_account: str
    account_type: AccountTypeName


class EnableSubAccountFutures(Request[Wrapped[list[FuturesEnabled]]], frozen=True, kw_only=True):
    """Enable futures trading for a sub-account. Hidden: no longer in MEXC's documents."""

    route = _route("POST", "/api/v3/sub-account/futures")
    sub_account: str


class EnableSubAccountMargin(Request[Wrapped[list[MarginEnabled]]], frozen=True, kw_only=True):
    """Enable margin trading for a sub-account. Hidden: no longer in MEXC's documents; MEXC ended spot margin."""

    route = _route("POST", "/api/v3/sub-account/margin")
    sub_account: str


class SubAccountEndpoints(Resource):
    """Endpoints of sub-accounts."""

    create_sub_account = call(CreateSubAccount)
    list_sub_accounts = call(SubAccountsQuery)
    create_sub_account_api_key = call(CreateSubAccountApiKey)
    list_sub_account_api_keys = call(SubAccountApiKeysQuery)
    delete_sub_account_api_key = call(DeleteSubAccountApiKey)
    sub_universal_transfer = call(SubUniversalTransfer)
    sub_universal_transfer_history = call(SubUniversalTransferHistoryQuery)
    sub_account_asset = call(SubAccountAssetQuery)
    sub_account_enable_futures = call(EnableSubAccountFutures)
    sub_account_enable_margin = call(EnableSubAccountMargin)
