"""Account, API key and fee endpoints: the group `account` of the reference."""

from __future__ import annotations

from itertools import islice

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.bars import DAY
from mexc_async.sim.exchange.keys import ApiKey, read_ips
from mexc_async.sim.exchange.orders import AccountTrade
from mexc_async.sim.exchange.refusals import Refusal, bad_combination
from mexc_async.sim.rest import answers
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.endpoints.market import tradable_symbols

_REACH_MS = 30 * DAY


def kyc_status(call: Call) -> Json:
    """Return the account's KYC level."""
    return {"status": call.account.kyc}


def uid(call: Call) -> Json:
    """Return the account's uid."""
    return {"uid": call.account.uid}


def api_key_info(call: Call) -> Json:
    """Return the details of a key that belongs to the account or to one of its sub-accounts."""
    key = _known_key(call, call.parameters.optional("accessKey"))
    is_frozen = call.exchange.accounts[key.account].is_frozen
    return answers.api_key_info(key, "FROZEN" if is_frozen else "VALID", call.now_ms)


def set_api_key_info(call: Call) -> Json:
    """Restrict a key to IP addresses and set its note."""
    key = _known_key(call, call.parameters.optional("apiKey"))
    key.ips = read_ips(call.parameters.text("ipWhiteList"))
    key.note = call.parameters.optional("note") or key.note
    return {"note": key.note, "apikey": key.key, "ipWhiteList": ",".join(key.ips)}


def _known_key(call: Call, key: str | None) -> ApiKey:
    if key is None:
        raise Refusal(730707, "accessKey is required.")
    own = call.account.uid
    subs = [account.uid for account in call.exchange.accounts.values() if account.master is call.account]
    return call.exchange.keys.owned((own, *subs), key)


def self_symbols(call: Call) -> Json:
    """Return the symbols that this account may trade through the API."""
    return answers.success(tradable_symbols(call), call.now_ms)


def account(call: Call) -> Json:
    """Return the account's permissions and its balances that are not zero."""
    return answers.account(call.key, call.exchange.balances)


def my_trades(call: Call) -> Json:
    """Return the account's fills of one symbol from the last 30 days, newest first."""
    symbol = call.parameters.symbol()
    call.exchange.market(symbol)
    start_ms, end_ms = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise bad_combination()
    first_ms = max(start_ms or 0, call.now_ms - _REACH_MS)
    last_ms = call.now_ms if end_ms is None else end_ms
    order_id = call.parameters.optional("orderId")

    def wanted(made: AccountTrade) -> bool:
        in_span = first_ms <= made.time_ms // 1000 * 1000 + 999 and made.time_ms <= last_ms
        return made.symbol == symbol and in_span and order_id in (None, made.order_id) and call.sees(made.time_ms)

    found = filter(wanted, reversed(call.account.trades))
    return [answers.my_trade(made) for made in islice(found, call.parameters.limit(assumptions.MY_TRADES_LIMIT))]


def set_mx_deduct(call: Call) -> Json:
    """Switch the payment of fees in MX on or off."""
    call.account.mx_deduct = call.parameters.flag("mxDeductEnable")
    return get_mx_deduct(call)


def get_mx_deduct(call: Call) -> Json:
    """Return the switch that makes the account pay fees in MX."""
    return answers.success({"mxDeductEnable": call.account.mx_deduct}, call.now_ms)


def trade_fee(call: Call) -> Json:
    """Return the account's maker and taker fee ratios for one symbol."""
    market = call.exchange.market(call.parameters.symbol())
    maker, taker = call.exchange.fee_rates(call.account, market)
    data: Json = {"makerCommission": answers.fee_number(maker), "takerCommission": answers.fee_number(taker)}
    return answers.success(data, call.now_ms)


_READ, _WRITE = "SPOT_ACCOUNT_READ", "SPOT_ACCOUNT_WRITE"
_ONE = (("ip", 1),)

ENDPOINTS = (
    ServedEndpoint("GET", "/api/v3/kyc/status", kyc_status, _ONE, _READ),
    ServedEndpoint("GET", "/api/v3/uid", uid, _ONE, _READ),
    ServedEndpoint("GET", "/api/v3/apiKeyInfo", api_key_info, _ONE, _READ),
    ServedEndpoint("POST", "/api/v3/apiKeyInfo", set_api_key_info, _ONE, _WRITE),
    ServedEndpoint("GET", "/api/v3/selfSymbols", self_symbols, _ONE, _READ),
    ServedEndpoint("GET", "/api/v3/account", account, (("ip", 10), ("account", 1)), _READ),
    ServedEndpoint("GET", "/api/v3/myTrades", my_trades, (("ip", 10),), _READ),
    ServedEndpoint("POST", "/api/v3/mxDeduct/enable", set_mx_deduct, _ONE, "SPOT_DEAL_WRITE"),
    ServedEndpoint("GET", "/api/v3/mxDeduct/enable", get_mx_deduct, _ONE, "SPOT_DEAL_READ"),
    ServedEndpoint("GET", "/api/v3/tradeFee", trade_fee, (("ip", 20),), _READ),
)
