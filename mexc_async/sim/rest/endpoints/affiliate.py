"""Affiliate endpoints: commissions and invited traders, from the group `rebate` of the reference."""

from __future__ import annotations

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.assumptions import NOT_AN_AFFILIATE
from mexc_async.sim.exchange.bars import DAY
from mexc_async.sim.exchange.decimals import short
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.endpoints.rebate import day_trader_asset, grouped, invitees, masked, paid_to, total, utc_day
from mexc_async.sim.rest.paging import read_page, read_span, whole_seconds
from mexc_async.sim.wallet.deposits import SUCCESS, Deposit
from mexc_async.sim.wallet.rebates import Rebate, refer_code
from mexc_async.sim.wallet.withdrawals import Status

_HALF_YEAR, _WEEK, _MONTH = 183, 7, 30
_PAGES = (10, 100)
_SPOT = 1
_PAID = 2
_REFERRAL = 1
"""MEXC's codes in `type`, `state` and `sourceType`."""


def _affiliate(call: Call, rows: list[Json], **totals: Json) -> Json:
    """Return one page in the affiliate endpoints' wrapper. Raises Refusal when the account is no affiliate."""
    if not call.account.is_affiliate:
        raise Refusal(NOT_AN_AFFILIATE, "Only affiliates may do this.")
    page = read_page(call.parameters, "pageSize", _PAGES)
    data: Json = {
        "pageSize": page.size,
        "totalCount": len(rows),
        "totalPage": page.count(rows),
        "currentPage": page.number,
        **totals,
        "resultList": page.of(rows),
    }
    return {"success": True, "code": 0, "message": None, "data": data}


def _has_code(call: Call) -> bool:
    """Return True unless the request names an invitation code that is not the account's."""
    return call.parameters.optional("inviteCode") in (None, refer_code(call.account))


def affiliate_commission(call: Call) -> Json:
    """Return the commissions by invited trader."""
    span = read_span(call.parameters, call.now_ms, days=_HALF_YEAR)
    paid = paid_to(call, "referral", span)
    rows: list[Json] = []
    uid = call.parameters.optional("uid")
    for trader in invitees(call) if _has_code(call) else ():
        if uid not in (None, trader.uid):
            continue
        earned = total(rebate.usdt for rebate in paid if rebate.trader == trader.uid)
        arrived = _arrived(call, trader)
        row: Json = {
            "uid": trader.uid,
            "account": "",
            "inviteCode": refer_code(call.account),
            "inviteTime": trader.created_ms // 1000,
            "spot": earned,
            "etf": total(()),
            "futures": total(()),
            "total": earned,
            "deposit": _worth(call, arrived),
            "firstDepositTime": utc_day(arrived[0].created_ms, "%Y-%m-%d") if arrived else None,
        }
        rows.append(row)
    nothing: dict[str, Json] = dict.fromkeys(
        ("usdtAmount", "totalCommissionUsdtAmount", "totalTradeUsdtAmount", "finished")
    )
    return _affiliate(call, rows, **nothing)


def affiliate_withdraw(call: Call) -> Json:
    """Return the commissions paid out, by day and asset."""
    rows: list[Json] = []
    paid = paid_to(call, "referral", read_span(call.parameters, call.now_ms, days=_HALF_YEAR))
    for (_, asset), rebates in grouped(paid, lambda rebate: (rebate.paid_ms // DAY, rebate.asset)).items():
        last_ms = whole_seconds(rebates[0].paid_ms)
        amount = total(rebate.amount for rebate in rebates)
        rows.append({"withdrawTime": last_ms, "asset": asset, "amount": amount})
    return _affiliate(call, rows)


def affiliate_commission_detail(call: Call) -> Json:
    """Return the commissions by day, trader and asset."""
    span = read_span(call.parameters, call.now_ms, days=_WEEK, most_days=_MONTH)
    is_wanted = call.parameters.integer("type") in (None, _SPOT) and _has_code(call)
    paid = paid_to(call, "referral", span) if is_wanted else []
    rows = [_commission_row(*rebates) for rebates in grouped(paid, day_trader_asset).values()]
    earned, traded = total(each.usdt for each in paid), total(each.trade_usdt for each in paid)
    return _affiliate(call, rows, totalCommissionUsdtAmount=earned, totalTradeUsdtAmount=traded)


def _commission_row(*rebates: Rebate) -> Json:
    first = rebates[0]
    return {
        "type": _SPOT,
        "sourceType": _REFERRAL,
        "state": _PAID,
        "date": first.trade.time_ms // DAY * DAY,
        "uid": first.trader,
        "rate": float(first.rate),
        "symbol": first.asset,
        "takerAmount": total(each.trade_usdt for each in rebates if not each.trade.is_maker),
        "makerAmount": total(each.trade_usdt for each in rebates if each.trade.is_maker),
        "amountCurrency": "USDT",
        "usdtAmount": total(each.trade_usdt for each in rebates),
        "commission": total(each.amount for each in rebates),
        "currency": first.asset,
    }


def affiliate_campaign(call: Call) -> Json:
    """Return the account's only campaign, the one of its invitation code."""
    span = read_span(call.parameters, call.now_ms, days=_WEEK)
    paid, invited = paid_to(call, "referral", span), invitees(call)
    arrived = [deposit for trader in invited for deposit in _arrived(call, trader)]
    row: Json = {
        "campaign": "default",
        "inviteCode": refer_code(call.account),
        "clickTime": len(invited),
        "createTime": whole_seconds(call.account.created_ms),
        "signup": len(invited),
        "traded": sum(bool(trader.trade_count) for trader in invited),
        "deposited": len({deposit.account for deposit in arrived}),
        "depositAmount": _worth(call, arrived),
        "tradingAmount": total(rebate.trade_usdt for rebate in paid),
        "commission": total(rebate.usdt for rebate in paid),
    }
    return _affiliate(call, [row])


def affiliate_referral(call: Call) -> Json:
    """Return the traders that the account invited, with their activity."""
    span = read_span(call.parameters, call.now_ms, days=_WEEK)
    paid = paid_to(call, "referral", span)
    uid = call.parameters.optional("uid")
    invited = [trader for trader in invitees(call) if uid in (None, trader.uid) and _has_code(call)]
    return _affiliate(call, [_referral_row(call, trader, paid) for trader in invited])


def _referral_row(call: Call, trader: Account, paid: list[Rebate]) -> Json:
    arrived = _arrived(call, trader)
    times = [trade.time_ms for trade in trader.trades]
    fills = [rebate for rebate in paid if rebate.trader == trader.uid]
    held = call.exchange.balances.balance(trader.uid, "USDT").free
    return {
        "uid": trader.uid,
        "nickName": None,
        "email": masked(trader.email),
        "registerTime": whole_seconds(trader.created_ms),
        "inviteCode": refer_code(call.account),
        "depositAmount": _worth(call, arrived),
        "tradingAmount": total(rebate.trade_usdt for rebate in fills),
        "commission": total(rebate.usdt for rebate in fills),
        "firstDepositTime": arrived[0].created_ms if arrived else None,
        "firstTradeTime": times[0] if times else None,
        "lastDepositTime": arrived[-1].created_ms if arrived else None,
        "lastTradeTime": times[-1] if times else None,
        "withdrawAmount": _withdrawn(call, trader),
        "asset": f"{short(held)} USDT",
        "identification": int(trader.kyc),
    }


def affiliate_subaffiliates(call: Call) -> Json:
    """Return the invited traders who have invited others themselves."""
    inviters = {account.inviter for account in call.exchange.accounts.values()}
    paid = paid_to(call, "referral", read_span(call.parameters, call.now_ms, days=_WEEK))
    rows: list[Json] = []
    for trader in invitees(call) if _has_code(call) else ():
        if trader not in inviters:
            continue
        arrived = _arrived(call, trader)
        row: Json = {
            "subaffiliateName": trader.name,
            "subaffiliateMail": masked(trader.email),
            "campaign": None,
            "inviteCode": refer_code(trader),
            "activationTime": whole_seconds(trader.created_ms),
            "registered": sum(account.inviter is trader for account in call.exchange.accounts.values()),
            "deposited": int(bool(arrived)),
            "depositAmount": _worth(call, arrived),
            "commission": total(rebate.usdt for rebate in paid if rebate.trader == trader.uid),
        }
        rows.append(row)
    return _affiliate(call, rows)


def affiliate_list(call: Call) -> Json:
    """Return the invited traders' uids. MEXC documents only this endpoint's name; the answer's shape is invented."""
    return _affiliate(call, [{"uid": trader.uid, "inviteCode": refer_code(call.account)} for trader in invitees(call)])


def _arrived(call: Call, trader: Account) -> list[Deposit]:
    """Return the trader's credited deposits, oldest first."""
    found = call.wallet.deposits.newest_first(frozenset({trader.uid}))
    return [deposit for deposit in reversed(found) if deposit.status == SUCCESS]


def _worth(call: Call, deposits: list[Deposit]) -> str:
    in_usdt = call.wallet.rebates.in_usdt
    return total(in_usdt(deposit.network.coin, deposit.amount) for deposit in deposits)


def _withdrawn(call: Call, trader: Account) -> str:
    in_usdt = call.wallet.rebates.in_usdt
    sent = [each.request for each in call.wallet.withdrawals.newest_first(trader) if each.status == Status.SUCCESS]
    return total(in_usdt(request.currency.coin, request.amount) for request in sent)


_PATH, _READ, _ONE = "/api/v3/rebate/affiliate", "SPOT_ACCOUNT_READ", (("ip", 1),)

ENDPOINTS = (
    ServedEndpoint("GET", f"{_PATH}/commission", affiliate_commission, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/withdraw", affiliate_withdraw, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/commission/detail", affiliate_commission_detail, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/campaign", affiliate_campaign, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/referral", affiliate_referral, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/subaffiliates", affiliate_subaffiliates, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/list", affiliate_list, _ONE, any_key=True),
)
