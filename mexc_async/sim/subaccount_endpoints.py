"""Sub-accounts: the group `subaccount` of the reference. A main account's keys only."""

from __future__ import annotations

from mexc_async.sim import answers
from mexc_async.sim.accounts import Account
from mexc_async.sim.answers import Json
from mexc_async.sim.choices import AMOUNT_DECIMALS, NO_SUB_BALANCES
from mexc_async.sim.endpoints import Call, Endpoint
from mexc_async.sim.keys import SUB_ACCOUNT_PERMISSIONS, ApiKey, read_ips, read_note, read_permissions
from mexc_async.sim.paging import read_page, read_span, whole_seconds
from mexc_async.sim.refusals import Refusal
from mexc_async.sim.subaccounts import check_main
from mexc_async.sim.transfers import ACCOUNT_TYPES, Side, Transfer

_HISTORY_DAYS = 7


def main_account(call: Call) -> Account:
    """The sender, which must be a main account. Raises Refusal."""
    check_main(call.account)
    return call.account


def find_sub(call: Call, *, by_broker: bool = False) -> Account:
    """The sub-account that the call names. Raises Refusal."""
    name = call.parameters.optional("subAccount")
    return call.wallet.sub_accounts.find(main_account(call), name, by_broker=by_broker)


def create(call: Call) -> Json:
    """Open a sub-account."""
    name, note = call.parameters.optional("subAccount"), call.parameters.optional("note")
    made = call.wallet.sub_accounts.create(main_account(call), name, note, call.now_ms, by_broker=False)
    return {"subAccount": made.name, "note": made.note}


def list_sub_accounts(call: Call) -> Json:
    """The account's sub-accounts, some of them or all."""
    parameters = call.parameters
    name = parameters.optional("subAccount")
    frozen = None if parameters.optional("isFreeze") is None else parameters.flag("isFreeze")
    found = [
        each
        for each in call.wallet.sub_accounts.of(main_account(call), by_broker=False)
        if name in (None, each.name) and frozen in (None, each.is_frozen)
    ]
    rows: list[Json] = [
        {"subAccount": each.name, "isFreeze": each.is_frozen, "createTime": each.created_ms, "uid": each.uid}
        for each in read_page(parameters, "limit", (10, 200)).of(found)
    ]
    return {"subAccounts": rows}


def create_key(call: Call) -> Json:
    """Make a key for a sub-account; the only time that its secret is shown."""
    sub, parameters = find_sub(call), call.parameters
    made = call.exchange.keys.issue(
        sub.uid,
        note=read_note(parameters.optional("note")),
        permissions=read_permissions(parameters.optional("permissions"), SUB_ACCOUNT_PERMISSIONS),
        ips=read_ips(parameters.optional("ip")),
        now_ms=call.now_ms,
    )
    return {"subAccount": sub.name, "secretKey": made.secret, **key_row(made, "createTime")}


def key_row(key: ApiKey, time_name: str) -> dict[str, Json]:
    """A key as lists show it; the sources disagree on how the time is spelt."""
    return {
        "note": key.note,
        "apiKey": key.key,
        "permissions": ",".join(key.permissions),
        "ip": ",".join(key.ips),
        time_name: key.created_ms,
    }


def list_keys(call: Call) -> Json:
    """A sub-account's keys."""
    return {"subAccount": [key_row(key, "createTime") for key in call.exchange.keys.of(find_sub(call).uid)]}


def delete_key(call: Call) -> Json:
    """End a sub-account's key."""
    return delete_key_of(call, find_sub(call))


def delete_key_of(call: Call, sub: Account) -> Json:
    """End the key that the call names. Raises Refusal 730706 or 730707."""
    key = call.parameters.optional("apiKey")
    if key is None:
        raise Refusal(730707, "accessKey is required.")
    call.exchange.keys.delete(sub.uid, key)
    return {"subAccount": sub.name}


def transfer(call: Call) -> Json:
    """Move money between the main account and its sub-accounts."""
    return {"tranId": int(move(call, by_broker=False).tran_id)}


def move(call: Call, *, by_broker: bool) -> Transfer:
    """Carry out the transfer that the call asks for; an account that is not named is the main one."""
    parameters = call.parameters
    source = _side(call, "from", by_broker)
    target = _side(call, "to", by_broker)
    asset = call.wallet.currencies.get(parameters.optional("asset")).coin
    amount = parameters.amount("amount", AMOUNT_DECIMALS)
    return call.wallet.transfers.between(call.account, source, target, asset, amount, call.now_ms, by_broker=by_broker)


def _side(call: Call, word: str, by_broker: bool) -> Side:
    master, name = main_account(call), call.parameters.optional(f"{word}Account")
    account = master if name is None else call.wallet.sub_accounts.find(master, name, by_broker=by_broker)
    return Side(account, call.parameters.word(f"{word}AccountType", ACCOUNT_TYPES))


def transfer_history(call: Call) -> Json:
    """Transfers between the main account and its sub-accounts, newest first."""
    found = made_between(call, by_broker=False)
    rows: list[Json] = [transfer_row(made) for made in read_page(call.parameters, "limit", (500, 500)).of(found)]
    return {"result": rows, "totalCount": len(found)}


def made_between(call: Call, *, by_broker: bool) -> list[Transfer]:
    """The transfers that the call asks for; accounts that are not named may be any."""
    parameters, owner = call.parameters, main_account(call).uid
    names = [parameters.optional("fromAccount"), parameters.optional("toAccount")]
    types = [parameters.word(f"{word}AccountType", ACCOUNT_TYPES) for word in ("from", "to")]
    span = read_span(parameters, call.now_ms, days=_HISTORY_DAYS)
    kind = "broker" if by_broker else "sub"

    def is_wanted(made: Transfer) -> bool:
        sides = (made.source, made.target)
        return (
            made.kind == kind
            and made.owner == owner
            and [side.type for side in sides] == types
            and all(name in (None, _name(side)) for name, side in zip(names, sides, strict=True))
            and span.holds(made.time_ms)
            and call.sees(made.time_ms)
        )

    return call.wallet.transfers.newest_first(is_wanted)


def transfer_row(made: Transfer) -> dict[str, Json]:
    """A transfer as histories show it; answers say FUTURE where requests say FUTURES."""
    return {
        "tranId": made.tran_id,
        "fromAccount": _name(made.source),
        "toAccount": _name(made.target),
        "clientTranId": "",
        "asset": made.asset,
        "amount": answers.short(made.amount),
        "fromAccountType": made.source.type.removesuffix("S"),
        "toAccountType": made.target.type.removesuffix("S"),
        "status": "SUCCESS",
        "timestamp": whole_seconds(made.time_ms),
    }


def _name(side: Side) -> str:
    """A sub-account's name, a main account's mail address."""
    return side.account.email if side.account.master is None else side.account.name


def assets(call: Call) -> Json:
    """What a sub-account holds."""
    sub = find_sub(call)
    if call.parameters.word("accountType", ACCOUNT_TYPES) != "SPOT":
        raise Refusal(NO_SUB_BALANCES, "Only SPOT is supported.")
    rows: list[Json] = [
        {"asset": asset, "free": answers.short(balance.free), "locked": answers.short(balance.locked)}
        for asset, balance in call.exchange.ledger.balances(sub.uid).items()
        if balance.free or balance.locked
    ]
    return {"balances": rows}


def enable(call: Call, feature: str, *, by_broker: bool = False) -> Json:
    """Allow a sub-account more; everything is open here from the start."""
    sub = find_sub(call, by_broker=by_broker)
    return listed({"subAccount": sub.name, feature: True, "timestamp": str(call.now_ms)})


def listed(*rows: Json) -> Json:
    """The wrapper of the newer sub-account calls and of the broker's; its code is text."""
    return {"code": "0", "message": "", "data": [*rows]}


def enable_futures(call: Call) -> Json:
    """Allow futures."""
    return enable(call, "isFuturesEnabled")


def enable_margin(call: Call) -> Json:
    """Allow spot margin, which MEXC has withdrawn."""
    return enable(call, "isMarginEnabled")


_KEYS, _TRANSFERS = "/api/v3/sub-account/apiKey", "/api/v3/capital/sub-account/universalTransfer"
_READ, _MOVE, _MOVED = "SPOT_ACCOUNT_READ", "SPOT_TRANSFER_WRITE", "SPOT_TRANSFER_READ"
_ONE = (("ip", 1),)

ENDPOINTS = (
    Endpoint("POST", "/api/v3/sub-account/virtualSubAccount", create, _ONE, _READ),
    Endpoint("GET", "/api/v3/sub-account/list", list_sub_accounts, _ONE, _READ),
    Endpoint("POST", _KEYS, create_key, _ONE, _READ),
    Endpoint("GET", _KEYS, list_keys, _ONE, _READ),
    Endpoint("DELETE", _KEYS, delete_key, _ONE, _READ),
    Endpoint("POST", _TRANSFERS, transfer, (("ip", 50),), _MOVE),
    Endpoint("GET", _TRANSFERS, transfer_history, _ONE, _MOVED),
    Endpoint("GET", "/api/v3/sub-account/asset", assets, _ONE, _MOVED),
    Endpoint("POST", "/api/v3/sub-account/futures", enable_futures, _ONE, _READ),
    Endpoint("POST", "/api/v3/sub-account/margin", enable_margin, _ONE, _READ),
)
