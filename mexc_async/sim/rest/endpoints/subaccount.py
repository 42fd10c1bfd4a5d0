"""Sub-account endpoints, for main accounts only: the group `subaccount` of the reference."""

from __future__ import annotations

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.assumptions import AMOUNT_DECIMALS, NO_SUB_BALANCES
from mexc_async.sim.exchange.decimals import short
from mexc_async.sim.exchange.keys import SUB_ACCOUNT_PERMISSIONS, ApiKey, read_ips, read_note, read_permissions
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.paging import read_page, read_span, whole_seconds
from mexc_async.sim.wallet.subaccounts import check_main
from mexc_async.sim.wallet.transfers import ACCOUNT_TYPES, Transfer, TransferSide

_HISTORY_DAYS = 7


def main_account(call: Call) -> Account:
    """Return the sender if it is a main account. Raises Refusal 730003."""
    check_main(call.account)
    return call.account


def find_sub(call: Call, *, by_broker: bool = False) -> Account:
    """Return the sub-account that the request names. Raises Refusal 730003, 730600 or 140001."""
    name = call.parameters.optional("subAccount")
    return call.wallet.sub_accounts.find(main_account(call), name, by_broker=by_broker)


def create(call: Call) -> Json:
    """Open a sub-account."""
    name, note = call.parameters.optional("subAccount"), call.parameters.optional("note")
    made = call.wallet.sub_accounts.create(main_account(call), name, note, call.now_ms, by_broker=False)
    return {"subAccount": made.name, "note": made.note}


def list_sub_accounts(call: Call) -> Json:
    """Return the account's sub-accounts, filtered by name and by the freeze if requested."""
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
    """Create an API key for a sub-account. This answer is the only one that has its secret."""
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
    """Build a key as lists show it. The sources disagree on the name of its time, so the caller gives it."""
    return {
        "note": key.note,
        "apiKey": key.key,
        "permissions": ",".join(key.permissions),
        "ip": ",".join(key.ips),
        time_name: key.created_ms,
    }


def list_keys(call: Call) -> Json:
    """Return a sub-account's API keys."""
    return {"subAccount": [key_row(key, "createTime") for key in call.exchange.keys.of(find_sub(call).uid)]}


def delete_key(call: Call) -> Json:
    """Delete a sub-account's API key."""
    return delete_key_of(call, find_sub(call))


def delete_key_of(call: Call, sub: Account) -> Json:
    """Delete the key that the request names. Raises Refusal 730706 or 730707."""
    key = call.parameters.optional("apiKey")
    if key is None:
        raise Refusal(730707, "accessKey is required.")
    call.exchange.keys.delete(sub.uid, key)
    return {"subAccount": sub.name}


def transfer(call: Call) -> Json:
    """Transfer an asset between the main account and its sub-accounts."""
    return {"tranId": int(move(call, by_broker=False).tran_id)}


def move(call: Call, *, by_broker: bool) -> Transfer:
    """Make the requested transfer. An account that is not named is the main account. Raises Refusal."""
    parameters = call.parameters
    source = _side(call, "from", by_broker)
    target = _side(call, "to", by_broker)
    asset = call.wallet.currencies.get(parameters.optional("asset")).coin
    amount = parameters.amount("amount", AMOUNT_DECIMALS)
    return call.wallet.transfers.between(call.account, source, target, asset, amount, call.now_ms, by_broker=by_broker)


def _side(call: Call, word: str, by_broker: bool) -> TransferSide:
    master, name = main_account(call), call.parameters.optional(f"{word}Account")
    account = master if name is None else call.wallet.sub_accounts.find(master, name, by_broker=by_broker)
    return TransferSide(account, call.parameters.word(f"{word}AccountType", ACCOUNT_TYPES))


def transfer_history(call: Call) -> Json:
    """Return transfers between the main account and its sub-accounts, newest first."""
    found = made_between(call, by_broker=False)
    rows: list[Json] = [transfer_row(made) for made in read_page(call.parameters, "limit", (500, 500)).of(found)]
    return {"result": rows, "totalCount": len(found)}


def made_between(call: Call, *, by_broker: bool) -> list[Transfer]:
    """Return the requested transfers, newest first. Accounts that are not named may be any."""
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
    """Build a transfer as histories show it. Answers have FUTURE where requests have FUTURES."""
    return {
        "tranId": made.tran_id,
        "fromAccount": _name(made.source),
        "toAccount": _name(made.target),
        "clientTranId": "",
        "asset": made.asset,
        "amount": short(made.amount),
        "fromAccountType": made.source.type.removesuffix("S"),
        "toAccountType": made.target.type.removesuffix("S"),
        "status": "SUCCESS",
        "timestamp": whole_seconds(made.time_ms),
    }


def _name(side: TransferSide) -> str:
    """Return a sub-account's name or a main account's mail address."""
    return side.account.email if side.account.master is None else side.account.name


def assets(call: Call) -> Json:
    """Return a sub-account's spot balances."""
    sub = find_sub(call)
    if call.parameters.word("accountType", ACCOUNT_TYPES) != "SPOT":
        raise Refusal(NO_SUB_BALANCES, "Only SPOT is supported.")
    rows: list[Json] = [
        {"asset": asset, "free": short(balance.free), "locked": short(balance.locked)}
        for asset, balance in call.exchange.balances.balances(sub.uid).items()
        if balance.free or balance.locked
    ]
    return {"balances": rows}


def enable(call: Call, feature: str, *, by_broker: bool = False) -> Json:
    """Answer a request to enable a feature. Every sub-account has all features from the start."""
    sub = find_sub(call, by_broker=by_broker)
    return listed({"subAccount": sub.name, feature: True, "timestamp": str(call.now_ms)})


def listed(*rows: Json) -> Json:
    """Build the wrapper of the newer sub-account endpoints and of the broker's. Its code is text."""
    return {"code": "0", "message": "", "data": [*rows]}


def enable_futures(call: Call) -> Json:
    """Enable futures for a sub-account."""
    return enable(call, "isFuturesEnabled")


def enable_margin(call: Call) -> Json:
    """Enable spot margin for a sub-account. MEXC has withdrawn this feature."""
    return enable(call, "isMarginEnabled")


_KEYS, _TRANSFERS = "/api/v3/sub-account/apiKey", "/api/v3/capital/sub-account/universalTransfer"
_READ, _MOVE, _MOVED = "SPOT_ACCOUNT_READ", "SPOT_TRANSFER_WRITE", "SPOT_TRANSFER_READ"
_ONE = (("ip", 1),)

ENDPOINTS = (
    ServedEndpoint("POST", "/api/v3/sub-account/virtualSubAccount", create, _ONE, _READ),
    ServedEndpoint("GET", "/api/v3/sub-account/list", list_sub_accounts, _ONE, _READ),
    ServedEndpoint("POST", _KEYS, create_key, _ONE, _READ),
    ServedEndpoint("GET", _KEYS, list_keys, _ONE, _READ),
    ServedEndpoint("DELETE", _KEYS, delete_key, _ONE, _READ),
    ServedEndpoint("POST", _TRANSFERS, transfer, (("ip", 50),), _MOVE),
    ServedEndpoint("GET", _TRANSFERS, transfer_history, _ONE, _MOVED),
    ServedEndpoint("GET", "/api/v3/sub-account/asset", assets, _ONE, _MOVED),
    ServedEndpoint("POST", "/api/v3/sub-account/futures", enable_futures, _ONE, _READ),
    ServedEndpoint("POST", "/api/v3/sub-account/margin", enable_margin, _ONE, _READ),
)
