"""The account: balances, fills, fees, key information. MEXC's page "Spot Account/Trade"."""

from __future__ import annotations

from decimal import Decimal

from msgspec import field

from mexc_async.schema.endpoint import Auth, Cost, Priority, Request, Resource, Route, call
from mexc_async.schema.fields import Coded, MaybeDecimal, MaybeTimeMs, Text, same_under
from mexc_async.spot.enums import KeyStatus, KycStatus
from mexc_async.spot.models import Account as AccountAnswer
from mexc_async.spot.models import Answer, Fill, Wrapped
from mexc_async.spot.parameters import IpList, PageLimit, Period, Symbol


class KycLevel(Answer, frozen=True, kw_only=True):
    """The account's level of identity verification."""

    status: Coded[KycStatus]


class Uid(Answer, frozen=True, kw_only=True):
    """The account's uid."""

    uid: Text


class ApiKeyInfo(Answer, frozen=True, kw_only=True):
    """A key's permissions, IP list and remaining days."""

    note: str | None = None
    access_key: str | None = None
    create_time: MaybeTimeMs = None
    permissions: str | None = None
    """Joined by commas."""
    remaining_validity: int | None = None
    """Days; 0 ended, -999 permanent."""
    ip_white_list: str | None = None
    """Addresses, separated by commas; empty allows every address."""
    status: KeyStatus | None = None


class ApiKeyChange(Answer, frozen=True, kw_only=True):
    """A key's IP list after a change."""

    note: str | None = None
    api_key: str = ""
    access_key: str = field(name="apikey", default="")
    """`api_key` under the exchange's other spelling."""
    ip_white_list: str | None = None

    def __post_init__(self) -> None:
        same_under(self, "access_key", "api_key")


class MxDeduct(Answer, frozen=True, kw_only=True):
    """The setting to pay fees in MX."""

    mx_deduct_enable: bool


class TradeFee(Answer, frozen=True, kw_only=True):
    """The account's fees on a symbol, as ratios."""

    maker_commission: Decimal | None = None
    taker_commission: Decimal | None = None
    rpi_maker_commission: MaybeDecimal = None


def _read(path: str, weight: int, *extra: Cost, permission: str = "SPOT_ACCOUNT_READ") -> Route:
    return Route("GET", path, Auth.SIGNED, permission, (Cost("ip", weight), *extra), Priority.ACCOUNT, safe=True)


def _write(path: str, permission: str) -> Route:
    return Route("POST", path, Auth.SIGNED, permission, (Cost("ip"),), Priority.ACCOUNT)


class KycStatusQuery(Request[KycLevel], frozen=True, kw_only=True):
    """Get the account's level of identity verification."""

    route = _read("/api/v3/kyc/status", 1)


class UidQuery(Request[Uid], frozen=True, kw_only=True):
    """Get the account's uid."""

    route = _read("/api/v3/uid", 1)


class ApiKeyInfoQuery(Request[ApiKeyInfo], frozen=True, kw_only=True):
    """Get a key's permissions, IP list and remaining days. Known from secondary sources (2026)."""

    route = _read("/api/v3/apiKeyInfo", 1)
    access_key: str


class SetApiKeyInfo(Request[ApiKeyChange], frozen=True, kw_only=True):
    """Replace a key's note and IP list (up to 20 addresses, separated by commas).

    Known from secondary sources (2026-06); the permission is inferred.
    """

    route = _write("/api/v3/apiKeyInfo", "SPOT_ACCOUNT_WRITE")
    api_key: str
    ip_white_list: IpList
    note: str | None = None


class SelfSymbolsQuery(Request[Wrapped[list[str]]], frozen=True, kw_only=True):
    """List the symbols that this account may trade by API."""

    route = _read("/api/v3/selfSymbols", 1)


class AccountQuery(Request[AccountAnswer], frozen=True, kw_only=True):
    """Get the account's balances and permissions; 2 requests per second."""

    route = _read("/api/v3/account", 10, Cost("account"))


class MyTradesQuery(Period[list[Fill]], frozen=True, kw_only=True):
    """List the account's trades of a symbol, newest first, one month back; fills may lag behind an order's state.

    `limit`: 100 by default and at most by MEXC's documents; 10 and 1000 by the newest measurements.
    """

    route = _read("/api/v3/myTrades", 10)
    symbol: Symbol
    order_id: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: PageLimit | None = None


class SetMxDeduct(Request[Wrapped[MxDeduct]], frozen=True, kw_only=True):
    """Switch the payment of fees in MX on or off."""

    route = _write("/api/v3/mxDeduct/enable", "SPOT_DEAL_WRITE")
    mx_deduct_enable: bool


class MxDeductQuery(Request[Wrapped[MxDeduct]], frozen=True, kw_only=True):
    """Get the setting to pay fees in MX."""

    route = _read("/api/v3/mxDeduct/enable", 1, permission="SPOT_DEAL_READ")


class TradeFeeQuery(Request[Wrapped[TradeFee]], frozen=True, kw_only=True):
    """Get the account's maker and taker fees on a symbol, as ratios."""

    route = _read("/api/v3/tradeFee", 20)
    symbol: Symbol


class Account(Resource):
    """Endpoints of the account."""

    kyc_status = call(KycStatusQuery)
    uid = call(UidQuery)
    api_key_info = call(ApiKeyInfoQuery)
    set_api_key_info = call(SetApiKeyInfo)
    self_symbols = call(SelfSymbolsQuery)
    account = call(AccountQuery)
    my_trades = call(MyTradesQuery)
    set_mx_deduct = call(SetMxDeduct)
    get_mx_deduct = call(MxDeductQuery)
    trade_fee = call(TradeFeeQuery)
