"""Currencies, deposits, withdrawals and dust: the rest of the group `wallet` of the reference."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.decimals import short, text
from mexc_async.sim.exchange.refusals import Refusal, missing
from mexc_async.sim.rest import answers
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.paging import read_page, read_span, whole_seconds
from mexc_async.sim.wallet.addresses import Address
from mexc_async.sim.wallet.currencies import Currency, Network
from mexc_async.sim.wallet.deposits import Deposit
from mexc_async.sim.wallet.dust import Conversion, DustQuote, Item, dust_fee
from mexc_async.sim.wallet.withdrawals import Withdrawal, WithdrawRequest

_DAYS, _REACH_DAYS = 7, 90
_MEMO_TIP = "Both a MEMO and an Address are required."
_ROWS = (1000, 1000)


def currencies(call: Call) -> Json:
    """Return every currency with its networks."""
    return [_currency_row(currency) for currency in call.wallet.currencies.all()]


def _currency_row(currency: Currency) -> Json:
    rows: list[Json] = [_network_row(currency, network) for network in currency.networks]
    return {"coin": currency.coin, "name": currency.name, "networkList": rows}


def _network_row(currency: Currency, network: Network) -> Json:
    tip = _MEMO_TIP if network.needs_memo else ""
    return {
        "coin": currency.coin,
        "depositDesc": None,
        "depositEnable": network.deposits,
        "minConfirm": network.confirmations,
        "depositPreConfirms": network.pre_confirmations,
        "name": currency.name,
        "network": network.label,
        "withdrawEnable": network.withdrawals,
        "withdrawFee": _long(network.fee),
        "withdrawIntegerMultiple": None if network.step is None else text(network.step),
        "withdrawMax": _long(network.most),
        "withdrawMin": _long(network.least),
        "sameAddress": network.needs_memo,
        "contract": network.contract,
        "withdrawTips": tip,
        "depositTips": tip,
        "netWork": network.short,
    }


def _long(number: Decimal) -> str:
    return format(number, ".18f")


# Deposits


def generate_deposit_address(call: Call) -> Json:
    """Open a deposit address for a currency on a network."""
    currency = call.wallet.currencies.get(call.parameters.text("coin"))
    network = currency.by_label(call.parameters.text("network"))
    return [address_row(network, call.wallet.deposits.generate(call.account, network))]


def deposit_addresses(call: Call) -> Json:
    """Return the addresses that the account has opened for a currency."""
    currency = call.wallet.currencies.get(call.parameters.text("coin"))
    label = call.parameters.optional("network")
    wanted = None if label is None else currency.by_label(label)
    found = call.wallet.deposits.addresses(call.account, currency.coin)
    return [address_row(network, address) for network, address in found if wanted in (None, network)]


def address_row(network: Network, address: Address) -> dict[str, Json]:
    """Build an address as deposit endpoints show it."""
    return {
        "coin": network.coin,
        "network": network.label,
        "address": address.text,
        "memo": address.memo,
        "netWork": network.short,
    }


def deposits(call: Call) -> Json:
    """Return deposits, newest first: at most seven days per request, no older than 90 days."""
    uids = frozenset({call.account.uid})
    found = find_deposits(call, uids, days=_DAYS, most_days=_DAYS)
    return [deposit_row(deposit) for deposit in found[: call.parameters.limit(_ROWS)]]


def find_deposits(call: Call, uids: frozenset[str], *, days: int, most_days: int | None) -> list[Deposit]:
    """Return the requested deposits of these accounts, newest first."""
    coin, status = call.parameters.optional("coin"), call.parameters.integer("status")
    span = read_span(call.parameters, call.now_ms, days=days, most_days=most_days, reach_days=_REACH_DAYS)
    return [
        deposit
        for deposit in call.wallet.deposits.newest_first(uids)
        if coin in (None, deposit.coin, deposit.network.coin)
        and status in (None, deposit.status)
        and span.holds(deposit.created_ms)
    ]


def deposit_row(deposit: Deposit) -> dict[str, Json]:
    """Build a deposit as histories show it."""
    return {
        "amount": short(deposit.amount),
        "coin": deposit.coin,
        "network": deposit.network.label,
        "status": deposit.status,
        "address": deposit.address.text,
        "txId": deposit.tx_id,
        "insertTime": whole_seconds(deposit.created_ms),
        "unlockConfirm": str(deposit.network.confirmations),
        "confirmTimes": str(deposit.confirmations),
        "memo": deposit.address.memo,
        "transHash": deposit.tx_id.partition(":")[0],
        "updateTime": whole_seconds(deposit.updated_ms),
        "netWork": deposit.network.short,
    }


# Withdrawals


def withdraw(call: Call) -> Json:
    """Withdraw to an address of the address book. The amount includes the fee, whatever `includeFee` says.

    No source describes the effect of `includeFee`; it must be true or false.
    """
    if call.parameters.optional("includeFee") is not None:
        call.parameters.flag("includeFee")
    return {"id": _withdraw(call, "netWork", Currency.by_short)}


def withdraw_apply(call: Call) -> Json:
    """Withdraw by the older endpoint, which takes the network's long name."""
    return [{"id": _withdraw(call, "network", Currency.by_label)}]


def _withdraw(call: Call, parameter: str, find: Callable[[Currency, str], Network]) -> str:
    """Withdraw over the network that a parameter names; a currency with one network needs none."""
    currency, name = call.wallet.currencies.get(call.parameters.text("coin")), call.parameters.optional(parameter)
    if name is None and len(currency.networks) != 1:
        raise missing(parameter)
    return _apply(call, currency, currency.networks[0] if name is None else find(currency, name))


def _apply(call: Call, currency: Currency, network: Network) -> str:
    parameters = call.parameters
    request = WithdrawRequest(
        currency=currency,
        network=network,
        address=parameters.text("address"),
        amount=parameters.amount("amount", network.decimals),
        memo=parameters.optional("memo") if network.needs_memo else None,
        order_id=parameters.optional("withdrawOrderId"),
        remark=parameters.optional("remark"),
    )
    return call.wallet.withdrawals.apply(call.account, request, call.now_ms).withdrawal_id


def broker_withdraw(call: Call) -> Json:
    """Withdraw by the broker's endpoint."""
    currency = call.wallet.currencies.get(call.parameters.text("coin"))
    return {"id": _apply(call, currency, currency.by_label(call.parameters.text("network")))}


def cancel_withdraw(call: Call) -> Json:
    """Cancel a withdrawal."""
    cancelled = call.wallet.withdrawals.cancel(call.account, call.parameters.text("id"), call.now_ms)
    return {"id": cancelled.withdrawal_id}


def withdrawals(call: Call) -> Json:
    """Return withdrawals, newest first: at most seven days per request, no older than 90 days."""
    coin, status = call.parameters.optional("coin"), call.parameters.integer("status")
    span = read_span(call.parameters, call.now_ms, days=_DAYS, most_days=_DAYS, reach_days=_REACH_DAYS)
    found = [
        each
        for each in call.wallet.withdrawals.newest_first(call.account)
        if coin in (None, each.request.currency.coin, each.request.currency.coin_on(each.request.network))
        and status in (None, each.status)
        and span.holds(each.created_ms)
        and call.sees(each.created_ms)
    ]
    return [_withdrawal_row(each) for each in found[: call.parameters.limit(_ROWS)]]


def _withdrawal_row(withdrawal: Withdrawal) -> Json:
    request = withdrawal.request
    return {
        "id": withdrawal.withdrawal_id,
        "withdrawOrderId": request.order_id,
        "txId": None if withdrawal.tx_hash is None else f"{withdrawal.tx_hash}:0",
        "coin": request.currency.coin_on(request.network),
        "network": request.network.label,
        "address": request.address,
        "amount": short(request.amount),
        "transferType": int(withdrawal.is_internal),
        "status": int(withdrawal.status),
        "transactionFee": short(request.network.fee),
        "confirmNo": None,
        "applyTime": whole_seconds(withdrawal.created_ms),
        "remark": request.remark or "",
        "memo": request.memo,
        "transHash": withdrawal.tx_hash,
        "updateTime": whole_seconds(withdrawal.updated_ms),
        "coinId": _opaque(request.currency.coin_on(request.network)),
        "vcoinId": _opaque(request.currency.coin),
        "netWork": request.network.short,
    }


def _opaque(name: str) -> str:
    """Return an id without meaning, the same at each call."""
    return format(Random(name).getrandbits(124), "031x")


def withdraw_addresses(call: Call) -> Json:
    """Return the account's withdrawal address book."""
    found = call.wallet.withdrawals.address_book(call.account, call.parameters.optional("coin"))
    page = read_page(call.parameters, "limit", (20, 100))
    rows: list[Json] = []
    for entry in page.of(found):
        network = call.wallet.currencies.get(entry.coin).by_short(entry.network)
        row: Json = {
            "coin": entry.coin,
            "network": network.label,
            "netWork": network.short,
            "address": entry.address,
            "addressTag": entry.label,
            "memo": entry.memo,
        }
        rows.append(row)
    return answers.numbered(page, found, rows)


# Dust


def convertible_assets(call: Call) -> Json:
    """Return the account's balances that are too small to trade."""
    return [_quote_row(quote) for quote in call.wallet.dust.quotes(call.account)]


def _quote_row(quote: DustQuote) -> Json:
    return {
        "convertMx": short(quote.mx - dust_fee(quote.mx)),
        "convertUsdt": short(quote.usdt),
        "balance": short(quote.balance),
        "asset": quote.asset,
        "code": str(quote.code) if quote.code else "",
        "message": quote.message,
    }


def convert(call: Call) -> Json:
    """Convert small balances into MX."""
    assets = [asset.strip() for asset in call.parameters.text("asset").split(",")]
    if len(assets) > assumptions.MAX_DUST_ASSETS:
        raise Refusal(730002, f"At most {assumptions.MAX_DUST_ASSETS} assets.")
    for asset in assets:
        call.wallet.currencies.get(asset)
    made, failed = call.wallet.dust.convert(call.account, assets, call.now_ms)
    return {
        "successList": [item.asset for item in made.items],
        "failedList": [{"asset": each.asset, "message": each.message, "code": str(each.code)} for each in failed],
        "totalConvert": short(sum((item.mx for item in made.items), Decimal(0))),
        "convertFee": short(sum((item.fee for item in made.items), Decimal(0))),
    }


def conversions(call: Call) -> Json:
    """Return dust conversions, newest first."""
    start_ms, end_ms = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    found = [
        made
        for made in call.wallet.dust.newest_first(call.account)
        if (start_ms or 0) <= made.time_ms and (end_ms is None or whole_seconds(made.time_ms) <= end_ms)
    ]
    page = read_page(call.parameters, "limit", (1, 1000))
    return answers.numbered(page, found, [_conversion_row(made) for made in page.of(found)])


def _conversion_row(made: Conversion) -> Json:
    return {
        "totalConvert": short(sum((item.mx for item in made.items), Decimal(0))),
        "totalFee": short(sum((item.fee for item in made.items), Decimal(0))),
        "convertTime": whole_seconds(made.time_ms),
        "convertDetails": [_item_row(item) for item in made.items],
    }


def _item_row(item: Item) -> Json:
    return {
        "id": item.item_id,
        "convert": short(item.mx),
        "fee": short(item.fee),
        "amount": short(item.amount),
        "time": whole_seconds(item.time_ms),
        "asset": item.asset,
    }


_WITHDRAW, _ADDRESS = "/api/v3/capital/withdraw", "/api/v3/capital/deposit/address"
_CONVERT = "/api/v3/capital/convert"
_READ, _WRITE = "SPOT_WITHDRAW_READ", "SPOT_WITHDRAW_WRITE"
_ONE, _TEN = (("ip", 1),), (("ip", 10),)

ENDPOINTS = (
    ServedEndpoint("GET", "/api/v3/capital/config/getall", currencies, _TEN, _READ),
    ServedEndpoint("POST", _WITHDRAW, withdraw, _ONE, _WRITE),
    ServedEndpoint("DELETE", _WITHDRAW, cancel_withdraw, _ONE, _WRITE),
    ServedEndpoint("POST", f"{_WITHDRAW}/apply", withdraw_apply, _ONE, _WRITE),
    ServedEndpoint("GET", f"{_WITHDRAW}/history", withdrawals, _ONE, _READ),
    ServedEndpoint("GET", f"{_WITHDRAW}/address", withdraw_addresses, _TEN, _READ),
    ServedEndpoint("GET", "/api/v3/capital/deposit/hisrec", deposits, _TEN, _READ),
    ServedEndpoint("POST", _ADDRESS, generate_deposit_address, _ONE, _WRITE),
    ServedEndpoint("GET", _ADDRESS, deposit_addresses, _TEN, _READ),
    ServedEndpoint("GET", f"{_CONVERT}/list", convertible_assets, _ONE, "SPOT_ACCOUNT_READ"),
    ServedEndpoint("POST", _CONVERT, convert, _TEN, "SPOT_ACCOUNT_WRITE"),
    ServedEndpoint("GET", _CONVERT, conversions, _ONE, "SPOT_DEAL_READ"),
)
