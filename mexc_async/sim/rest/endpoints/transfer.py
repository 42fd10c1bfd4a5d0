"""Universal and internal transfers: part of the group `wallet` of the reference."""

from __future__ import annotations

from mexc_async.sim.exchange.assumptions import AMOUNT_DECIMALS
from mexc_async.sim.exchange.decimals import short
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest import answers
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.paging import read_page, read_span, whole_seconds
from mexc_async.sim.wallet.transfers import ACCOUNT_TYPES, AccountType, Transfer, TransferSide

_DAYS = 7
_RECEIVERS = ("EMAIL", "UID", "MOBILE")


def transfer(call: Call) -> Json:
    """Transfer an asset between the spot and the futures wallet."""
    parameters = call.parameters
    source: AccountType = parameters.word("fromAccountType", ACCOUNT_TYPES)
    target: AccountType = parameters.word("toAccountType", ACCOUNT_TYPES)
    asset = call.wallet.currencies.get(parameters.optional("asset")).coin
    amount = parameters.amount("amount", AMOUNT_DECIMALS)
    made = call.wallet.transfers.own(call.account, source, target, asset, amount, call.now_ms)
    return {"tranId": made.tran_id}


def transfers(call: Call) -> Json:
    """Return transfers between the account's wallets in one direction, newest first."""
    parameters, uid = call.parameters, call.account.uid
    source = parameters.word("fromAccountType", ACCOUNT_TYPES)
    target = parameters.word("toAccountType", ACCOUNT_TYPES)
    span = read_span(parameters, call.now_ms, days=_DAYS)

    def is_wanted(made: Transfer) -> bool:
        way = (made.source.type, made.target.type)
        is_own = made.kind == "own" and made.owner == uid and way == (source, target)
        return is_own and span.holds(made.time_ms) and call.sees(made.time_ms)

    found = call.wallet.transfers.newest_first(is_wanted)
    rows: list[Json] = [_row(made) for made in read_page(parameters, "size", (10, 100)).of(found)]
    return {"rows": rows, "total": len(found)}


def _row(made: Transfer) -> Json:
    return {
        "tranId": made.tran_id,
        "clientTranId": "",
        "asset": made.asset,
        "amount": short(made.amount),
        "fromAccountType": made.source.type,
        "toAccountType": made.target.type,
        "fromSymbol": _symbol(made.source),
        "toSymbol": _symbol(made.target),
        "status": "SUCCESS",
        "timestamp": whole_seconds(made.time_ms),
    }


def _symbol(side: TransferSide) -> str:
    return side.type.removesuffix("S")


def transfer_by_id(call: Call) -> Json:
    """Return one transfer between the account's wallets."""
    made = _find(call, "tranId")
    return {
        "tranId": made.tran_id,
        "clientTranId": None,
        "asset": made.asset,
        "amount": short(made.amount),
        "fromAccountType": made.source.type,
        "toAccountType": made.target.type,
        "symbol": None,
        "status": "SUCCESS",
        "timestamp": whole_seconds(made.time_ms),
    }


def transfer_record(call: Call) -> Json:
    """Return one transfer between the account's wallets, in the terms of version 2 of the API."""
    made = _find(call, "transact_id")
    words = {"SPOT": "MAIN", "FUTURES": "CONTRACT"}
    record: Json = {
        "currency": made.asset,
        "amount": short(made.amount),
        "transact_id": made.tran_id,
        "from": words[made.source.type],
        "to": words[made.target.type],
        "transact_state": "SUCCESS",
    }
    return {"code": "200", "data": record}


def _find(call: Call, name: str) -> Transfer:
    made = call.wallet.transfers.find(call.account.uid, call.parameters.text(name))
    if made is None or not call.sees(made.time_ms):
        raise Refusal(22222, "The record does not exist.")
    return made


def internal_transfer(call: Call) -> Json:
    """Transfer an asset to another user."""
    parameters = call.parameters
    to_type = parameters.word("toAccountType", _RECEIVERS)
    to_name = parameters.text("toAccount")
    asset = call.wallet.currencies.get(parameters.optional("asset")).coin
    amount = parameters.amount("amount", AMOUNT_DECIMALS)
    return {
        "tranId": call.wallet.transfers.internal(call.account, to_type, to_name, asset, amount, call.now_ms).tran_id
    }


def internal_transfers(call: Call) -> Json:
    """Return transfers to and from other users, newest first."""
    parameters, account = call.parameters, call.account
    span = read_span(parameters, call.now_ms, days=_DAYS)
    tran_id = parameters.optional("tranId")

    def is_wanted(made: Transfer) -> bool:
        is_own = made.kind == "internal" and account in (made.source.account, made.target.account)
        return is_own and tran_id in (None, made.tran_id) and span.holds(made.time_ms) and call.sees(made.time_ms)

    found = call.wallet.transfers.newest_first(is_wanted)
    page = read_page(parameters, "limit", (10, 100))
    return answers.numbered(page, found, [_internal_row(made) for made in page.of(found)])


def _internal_row(made: Transfer) -> Json:
    return {
        "tranId": made.tran_id,
        "asset": made.asset,
        "amount": short(made.amount),
        "toAccountType": made.to_type,
        "toAccount": made.to_name,
        "fromAccount": made.source.account.email,
        "status": "SUCCESS",
        "timestamp": whole_seconds(made.time_ms),
    }


_OWN, _INTERNAL = "/api/v3/capital/transfer", "/api/v3/capital/transfer/internal"
_RECORD = "/api/v3/asset/internal/transfer/record"
_ONE, _TEN, _FIFTY = (("ip", 1),), (("ip", 10),), (("ip", 50),)

ENDPOINTS = (
    ServedEndpoint("POST", _OWN, transfer, _FIFTY, "SPOT_TRANSFER_WRITE"),
    ServedEndpoint("GET", _OWN, transfers, _ONE, "SPOT_TRANSFER_READ"),
    ServedEndpoint("GET", f"{_OWN}/tranId", transfer_by_id, _ONE, "SPOT_TRANSFER_READ"),
    ServedEndpoint("POST", _INTERNAL, internal_transfer, _ONE, "SPOT_WITHDRAW_WRITE"),
    ServedEndpoint("GET", _INTERNAL, internal_transfers, _ONE, "SPOT_WITHDRAW_READ"),
    ServedEndpoint("GET", _RECORD, transfer_record, _TEN, any_key=True),
)
