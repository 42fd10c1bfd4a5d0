"""Rebate endpoints for every account, from the group `rebate` of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.bars import DAY
from mexc_async.sim.exchange.decimals import short
from mexc_async.sim.rest import answers
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.paging import Span, read_page, read_span, whole_seconds
from mexc_async.sim.wallet.rebates import Kind, Rebate, refer_code

_YEAR, _HALF_YEAR, _WEEK, _MONTH = 365, 183, 7, 30
_PAGES = (10, 100)
_SPOT, _FUTURES, _ETF = 1, 2, 3
_PAID = 2
_REFERRAL = 1
ZERO = Decimal(0)


def total(amounts: Iterable[Decimal]) -> str:
    """Format a sum with eight decimals, as rebates show it."""
    return format(sum(amounts, ZERO), ".8f")


def masked(email: str) -> str:
    """Mask a mail address."""
    name, _, host = email.partition("@")
    return f"{name[:3]}****{name[-1:]}@{host}"


def invitees(call: Call) -> list[Account]:
    """Return the traders that the sender invited."""
    return [account for account in call.exchange.accounts.values() if account.inviter is call.account]


def paid_to(call: Call, kind: Kind, span: Span) -> list[Rebate]:
    """Return the rebates of this kind paid to the sender for fills of the span, newest first."""
    uid = call.account.uid

    def is_wanted(rebate: Rebate) -> bool:
        return rebate.kind == kind and rebate.payee == uid and span.holds(rebate.trade.time_ms)

    return call.wallet.rebates.newest_first(is_wanted)


# Endpoints


def rebate_history(call: Call) -> Json:
    """Return the account's earnings from each trader that it invited, in USDT."""
    span = read_span(call.parameters, call.now_ms, days=_YEAR)
    paid, found = paid_to(call, "referral", span), invitees(call)
    page = read_page(call.parameters, "limit", _PAGES)
    rows: list[Json] = []
    for trader in page.of(found):
        earned = total(rebate.usdt for rebate in paid if rebate.trader == trader.uid)
        row: Json = {
            "spot": earned,
            "futures": total(()),
            "total": earned,
            "uid": trader.uid,
            "account": masked(trader.email),
            "inviteTime": whole_seconds(trader.created_ms),
        }
        rows.append(row)
    return answers.numbered(page, found, rows)


def rebate_detail(call: Call) -> Json:
    """Return the account's earnings from each fill of the traders that it invited."""
    return _detail(call, "referral")


def rebate_self_detail(call: Call) -> Json:
    """Return the rebates on the account's own fees, which it gets because it was invited."""
    return _detail(call, "kickback")


def _detail(call: Call, kind: Kind) -> Json:
    found = paid_to(call, kind, read_span(call.parameters, call.now_ms, days=_YEAR))
    page = read_page(call.parameters, "limit", _PAGES)
    return answers.numbered(page, found, [_detail_row(call, rebate) for rebate in page.of(found)])


def _detail_row(call: Call, rebate: Rebate) -> Json:
    return {
        "asset": rebate.asset,
        "type": "spot",
        "rate": short(rebate.rate),
        "amount": short(rebate.amount),
        "uid": rebate.trader,
        "account": masked(call.exchange.accounts[rebate.trader].email),
        "tradeTime": whole_seconds(rebate.trade.time_ms),
        "updateTime": whole_seconds(rebate.paid_ms),
    }


def refer_codes(call: Call) -> Json:
    """Return the account's invitation code."""
    return {"referCode": refer_code(call.account)}


def grouped(
    rebates: list[Rebate], key: Callable[[Rebate], tuple[int | str, ...]]
) -> dict[tuple[int | str, ...], list[Rebate]]:
    """Group rebates by key, in the order of their first occurrence."""
    groups: dict[tuple[int | str, ...], list[Rebate]] = {}
    for rebate in rebates:
        groups.setdefault(key(rebate), []).append(rebate)
    return groups


def utc_day(time_ms: int, form: str) -> str:
    """Format the UTC date of a time in ms."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form)


def day_trader_asset(rebate: Rebate) -> tuple[int, str, str]:
    """Return a key that groups rebates by day, trader and asset."""
    return rebate.trade.time_ms // DAY, rebate.trader, rebate.asset


_PATH, _READ, _ONE = "/api/v3/rebate", "SPOT_ACCOUNT_READ", (("ip", 1),)

ENDPOINTS = (
    ServedEndpoint("GET", f"{_PATH}/taxQuery", rebate_history, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/detail", rebate_detail, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/detail/kickback", rebate_self_detail, _ONE, _READ),
    ServedEndpoint("GET", f"{_PATH}/referCode", refer_codes, _ONE, _READ),
)
