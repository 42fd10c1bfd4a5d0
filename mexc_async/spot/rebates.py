"""Rebates for invited users, and what affiliates see. MEXC's page "Rebate Endpoints".

Times default to the last year for rebates, to half a year or 7 days for affiliates. Affiliate calls need an affiliate's
account.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

from msgspec import field

from mexc_async.core.endpoint import Auth, Cost, Priority, Request, Resource, Route, call
from mexc_async.core.fields import Coded, MaybeDecimal, MaybeText, MaybeTimeMs, Text, TimeMs, Unspecified, same_under
from mexc_async.spot.enums import CommissionType, CommissionTypeCode, KycStatus
from mexc_async.spot.models import Answer, Page, Wrapped
from mexc_async.spot.parameters import Count, Period

T = TypeVar("T")


class Rebate(Answer, frozen=True, kw_only=True):
    """What one invited user brought, in USDT."""

    uid: Text
    account: MaybeText = None
    """Masked."""
    spot: Decimal
    futures: Decimal
    total: Decimal
    invite_time: MaybeTimeMs = None


class RebateDetail(Answer, frozen=True, kw_only=True):
    """One rebate."""

    asset: str
    type: str
    """spot or futures."""
    rate: MaybeDecimal = None
    """A ratio."""
    amount: Decimal
    uid: MaybeText = None
    account: MaybeText = None
    """Masked."""
    trade_time: MaybeTimeMs = None
    update_time: MaybeTimeMs = None


class ReferCode(Answer, frozen=True, kw_only=True):
    """The account's code for inviting others."""

    refer_code: Text


class AffiliatePage(Answer, Generic[T], frozen=True, kw_only=True):
    """One page of an affiliate's rows; the totals stand in some answers only."""

    list_field: ClassVar[str] = "resultList"
    result_list: list[T]
    page_size: int | None = None
    total_count: int | None = None
    total_page: int | None = None
    current_page: int | None = None
    usdt_amount: MaybeDecimal = None
    total_commission_usdt_amount: MaybeDecimal = None
    total_trade_usdt_amount: MaybeDecimal = None
    finished: bool | None = None


class AffiliateCommission(Answer, frozen=True, kw_only=True):
    """What one invited user brought, in USDT."""

    uid: Text
    account: MaybeText = None
    invite_code: MaybeText = None
    invite_time: MaybeTimeMs = None
    """The exchange sends seconds here; milliseconds like every time."""
    spot: MaybeDecimal = None
    etf: MaybeDecimal = None
    futures: MaybeDecimal = None
    total: MaybeDecimal = None
    deposit: MaybeDecimal = None
    first_deposit_time: MaybeTimeMs = None
    """The exchange sends a date here."""


class AffiliateWithdrawal(Answer, frozen=True, kw_only=True):
    """One payment of commissions."""

    withdraw_time: TimeMs
    asset: str
    amount: Decimal


class AffiliateCommissionDetail(Answer, frozen=True, kw_only=True):
    """Commissions of a day from one user and market."""

    uid: Text
    type: Coded[CommissionType] | None = None
    source_type: int | None = None
    """1 referral, 2 sub-affiliate."""
    state: int | None = None
    date: TimeMs
    rate: MaybeDecimal = None
    """A ratio."""
    symbol: MaybeText = None
    taker_amount: MaybeDecimal = None
    maker_amount: MaybeDecimal = None
    amount_currency: MaybeText = None
    usdt_amount: MaybeDecimal = None
    commission: MaybeDecimal = None
    currency: MaybeText = None


class AffiliateCampaign(Answer, frozen=True, kw_only=True):
    """What one invitation code brought."""

    campaign: MaybeText = None
    invite_code: MaybeText = None
    clicks: int | None = field(name="clickTime", default=None)
    """A count, whatever `clickTime` may sound like."""
    create_time: MaybeTimeMs = None
    signup: int | None = None
    traded: int | None = None
    deposited: int | None = None
    deposit_amount: MaybeDecimal = None
    trading_amount: MaybeDecimal = None
    commission: MaybeDecimal = None


class AffiliateReferral(Answer, frozen=True, kw_only=True):
    """One invited user; table and example of the documents name three fields differently, and either is read."""

    uid: Text
    nick_name: MaybeText = None
    email: MaybeText = None
    account: MaybeText = None
    register_time: MaybeTimeMs = None
    invite_time: MaybeTimeMs = None
    invite_code: MaybeText = None
    deposit_amount: MaybeDecimal = None
    trading_amount: MaybeDecimal = None
    withdraw_amount: MaybeDecimal = None
    withdrawal_amount: MaybeDecimal = None
    commission: MaybeDecimal = None
    first_deposit_time: MaybeTimeMs = None
    first_trade_time: MaybeTimeMs = None
    last_deposit_time: MaybeTimeMs = None
    last_trade_time: MaybeTimeMs = None
    asset: MaybeText = None
    """A label, such as `0 USDT`."""
    identification: Coded[KycStatus] | None = None

    def __post_init__(self) -> None:
        same_under(self, "email", "account")
        same_under(self, "register_time", "invite_time")
        same_under(self, "withdraw_amount", "withdrawal_amount")


class SubAffiliate(Answer, frozen=True, kw_only=True):
    """One sub-affiliate."""

    subaffiliate_name: MaybeText = None
    subaffiliate_mail: MaybeText = None
    campaign: MaybeText = None
    invite_code: MaybeText = None
    activation_time: MaybeTimeMs = None
    registered: int | None = None
    deposited: int | None = None
    deposit_amount: MaybeDecimal = None
    commission: MaybeDecimal = None


def _read(path: str, permission: str | None = "SPOT_ACCOUNT_READ") -> Route:
    return Route("GET", f"/api/v3/rebate/{path}", Auth.SIGNED, permission, (Cost("ip"),), Priority.ACCOUNT, safe=True)


class RebateHistoryQuery(Period[Page[Rebate]], frozen=True, kw_only=True):
    """What each invited user brought."""

    route = _read("taxQuery")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None


class RebateDetailQuery(Period[Page[RebateDetail]], frozen=True, kw_only=True):
    """Rebates from invited users, one by one."""

    route = _read("detail")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None


class RebateSelfDetailQuery(Period[Page[RebateDetail]], frozen=True, kw_only=True):
    """Rebates of the account's own fees, one by one."""

    route = _read("detail/kickback")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None


class ReferCodeQuery(Request[ReferCode], frozen=True, kw_only=True):
    """The account's code for inviting others."""

    route = _read("referCode")


class AffiliateCommissionQuery(Period[Wrapped[AffiliatePage[AffiliateCommission]]], frozen=True, kw_only=True):
    """What each invited user brought, the last half year by default."""

    route = _read("affiliate/commission")
    start_time: int | None = None
    end_time: int | None = None
    invite_code: str | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateWithdrawQuery(Period[Wrapped[AffiliatePage[AffiliateWithdrawal]]], frozen=True, kw_only=True):
    """Payments of commissions, the last half year by default."""

    route = _read("affiliate/withdraw")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateCommissionDetailQuery(
    Period[Wrapped[AffiliatePage[AffiliateCommissionDetail]]], frozen=True, kw_only=True
):
    """Commissions one by one: the last 7 days by default, 30 days in one call."""

    route = _read("affiliate/commission/detail")
    max_days: ClassVar[int | None] = 30
    start_time: int | None = None
    end_time: int | None = None
    invite_code: str | None = None
    page: Count | None = None
    page_size: Count | None = None
    type: CommissionTypeCode | None = None


class AffiliateCampaignQuery(Period[Wrapped[AffiliatePage[AffiliateCampaign]]], frozen=True, kw_only=True):
    """What each invitation code brought, the last 7 days by default."""

    route = _read("affiliate/campaign")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateReferralQuery(Period[Wrapped[AffiliatePage[AffiliateReferral]]], frozen=True, kw_only=True):
    """Invited users."""

    route = _read("affiliate/referral")
    start_time: int | None = None
    end_time: int | None = None
    uid: str | None = None
    invite_code: str | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateSubaffiliatesQuery(Period[Wrapped[AffiliatePage[SubAffiliate]]], frozen=True, kw_only=True):
    """Sub-affiliates, the last 7 days by default."""

    route = _read("affiliate/subaffiliates")
    start_time: int | None = None
    end_time: int | None = None
    invite_code: str | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateListQuery(Request[Unspecified], frozen=True, kw_only=True):
    """Undocumented: known by its name only, parameters and answer are not; the answer comes as it came."""

    route = _read("affiliate/list", None)


class Rebates(Resource):
    """Rebates and affiliates."""

    rebate_history = call(RebateHistoryQuery)
    rebate_detail = call(RebateDetailQuery)
    rebate_self_detail = call(RebateSelfDetailQuery)
    refer_code = call(ReferCodeQuery)
    affiliate_commission = call(AffiliateCommissionQuery)
    affiliate_withdraw = call(AffiliateWithdrawQuery)
    affiliate_commission_detail = call(AffiliateCommissionDetailQuery)
    affiliate_campaign = call(AffiliateCampaignQuery)
    affiliate_referral = call(AffiliateReferralQuery)
    affiliate_subaffiliates = call(AffiliateSubaffiliatesQuery)
    affiliate_list = call(AffiliateListQuery)
