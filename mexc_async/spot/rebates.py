"""Rebates for invited users, and reports for affiliates. MEXC's page "Rebate Endpoints".

Periods default to the last year for rebates, to half a year or 7 days for affiliates. Affiliate calls need the account
of an affiliate.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

from msgspec import field

from mexc_async.schema.endpoint import Auth, Cost, Priority, Request, Resource, Route, call
from mexc_async.schema.fields import Coded, MaybeDecimal, MaybeText, MaybeTimeMs, Text, TimeMs, Unspecified, same_under
from mexc_async.spot.enums import CommissionType, CommissionTypeCode, KycStatus
from mexc_async.spot.models import Answer, Page, Wrapped
from mexc_async.spot.parameters import Count, Period

T = TypeVar("T")


class Rebate(Answer, frozen=True, kw_only=True):
    """Rebates from one invited user, in USDT."""

    uid: Text
    account: MaybeText = None
    """Masked."""
    spot: Decimal | None = None
    futures: Decimal | None = None
    total: Decimal | None = None
    invite_time: MaybeTimeMs = None


class RebateDetail(Answer, frozen=True, kw_only=True):
    """One rebate."""

    asset: str
    type: str | None = None
    """spot or futures."""
    rate: MaybeDecimal = None
    """Rebate rate, as a ratio."""
    amount: Decimal
    uid: MaybeText = None
    account: MaybeText = None
    """Masked account name."""
    trade_time: MaybeTimeMs = None
    update_time: MaybeTimeMs = None


class ReferCode(Answer, frozen=True, kw_only=True):
    """The account's referral code."""

    refer_code: Text


class AffiliatePage(Answer, Generic[T], frozen=True, kw_only=True):
    """One page of an affiliate's rows; some answers lack the totals."""

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
    """Commissions from one invited user, in USDT."""

    uid: Text
    account: MaybeText = None
    invite_code: MaybeText = None
    invite_time: MaybeTimeMs = None
    """Milliseconds UTC, converted from the exchange's seconds."""
    spot: MaybeDecimal = None
    etf: MaybeDecimal = None
    futures: MaybeDecimal = None
    total: MaybeDecimal = None
    deposit: MaybeDecimal = None
    first_deposit_time: MaybeTimeMs = None
    """Milliseconds UTC, converted from the exchange's date."""


class AffiliateWithdrawal(Answer, frozen=True, kw_only=True):
    """One payout of commissions."""

    withdraw_time: TimeMs
    asset: str
    amount: Decimal


class AffiliateCommissionDetail(Answer, frozen=True, kw_only=True):
    """Commissions of one day from one user and market."""

    uid: Text
    type: Coded[CommissionType] | None = None
    source_type: int | None = None
    """Source: 1 referral, 2 sub-affiliate."""
    state: int | None = None
    date: MaybeTimeMs = None
    rate: MaybeDecimal = None
    """Commission rate, as a ratio."""
    symbol: MaybeText = None
    taker_amount: MaybeDecimal = None
    maker_amount: MaybeDecimal = None
    amount_currency: MaybeText = None
    usdt_amount: MaybeDecimal = None
    commission: MaybeDecimal = None
    currency: MaybeText = None


class AffiliateCampaign(Answer, frozen=True, kw_only=True):
    """Results of one invitation code."""

    campaign: MaybeText = None
    invite_code: MaybeText = None
    clicks: int | None = field(name="clickTime", default=None)
    """Number of clicks, MEXC's `clickTime`."""
    create_time: MaybeTimeMs = None
    signup: int | None = None
    traded: int | None = None
    deposited: int | None = None
    deposit_amount: MaybeDecimal = None
    trading_amount: MaybeDecimal = None
    commission: MaybeDecimal = None


class AffiliateReferral(Answer, frozen=True, kw_only=True):
    """One invited user. The documents' table and example name three fields differently; decoding reads both."""

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
    """Assets as a label, such as `0 USDT`."""
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
    """List rebates by invited user."""

    route = _read("taxQuery")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None


class RebateDetailQuery(Period[Page[RebateDetail]], frozen=True, kw_only=True):
    """List rebates from invited users, one by one."""

    route = _read("detail")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None


class RebateSelfDetailQuery(Period[Page[RebateDetail]], frozen=True, kw_only=True):
    """List rebates of the account's own fees, one by one."""

    route = _read("detail/kickback")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None


class ReferCodeQuery(Request[ReferCode], frozen=True, kw_only=True):
    """Get the account's referral code."""

    route = _read("referCode")


class AffiliateCommissionQuery(Period[Wrapped[AffiliatePage[AffiliateCommission]]], frozen=True, kw_only=True):
    """List commissions by invited user, the last half year by default."""

    route = _read("affiliate/commission")
    start_time: int | None = None
    end_time: int | None = None
    invite_code: str | None = None
    uid: str | None = None
    """Uid of one invited user, whose row alone comes; known from other clients."""
    page: Count | None = None
    page_size: Count | None = None


class AffiliateWithdrawQuery(Period[Wrapped[AffiliatePage[AffiliateWithdrawal]]], frozen=True, kw_only=True):
    """List payouts of commissions, the last half year by default."""

    route = _read("affiliate/withdraw")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateCommissionDetailQuery(
    Period[Wrapped[AffiliatePage[AffiliateCommissionDetail]]], frozen=True, kw_only=True
):
    """List commissions one by one: the last 7 days by default, at most 30 days per call."""

    route = _read("affiliate/commission/detail")
    max_days: ClassVar[int | None] = 30
    start_time: int | None = None
    end_time: int | None = None
    invite_code: str | None = None
    page: Count | None = None
    page_size: Count | None = None
    type: CommissionTypeCode | None = None


class AffiliateCampaignQuery(Period[Wrapped[AffiliatePage[AffiliateCampaign]]], frozen=True, kw_only=True):
    """List results by invitation code, the last 7 days by default."""

    route = _read("affiliate/campaign")
    start_time: int | None = None
    end_time: int | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateReferralQuery(Period[Wrapped[AffiliatePage[AffiliateReferral]]], frozen=True, kw_only=True):
    """List invited users."""

    route = _read("affiliate/referral")
    start_time: int | None = None
    end_time: int | None = None
    uid: str | None = None
    invite_code: str | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateSubaffiliatesQuery(Period[Wrapped[AffiliatePage[SubAffiliate]]], frozen=True, kw_only=True):
    """List sub-affiliates, the last 7 days by default."""

    route = _read("affiliate/subaffiliates")
    start_time: int | None = None
    end_time: int | None = None
    invite_code: str | None = None
    page: Count | None = None
    page_size: Count | None = None


class AffiliateListQuery(Request[Unspecified], frozen=True, kw_only=True):
    """Undocumented: only the name is known. Takes no parameters, and the answer stays undecoded."""

    route = _read("affiliate/list", None)


class Rebates(Resource):
    """Endpoints of rebates and affiliates."""

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
