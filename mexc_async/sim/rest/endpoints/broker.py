"""Broker endpoints: the group `broker` of the reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from mexc_async.sim.exchange.assumptions import NOT_A_BROKER
from mexc_async.sim.exchange.keys import ALL_PERMISSIONS, read_ips, read_note, read_permissions
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest import answers
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.endpoints.rebate import day_trader_asset, grouped, paid_to, total, utc_day
from mexc_async.sim.rest.endpoints.subaccount import (
    delete_key_of,
    enable,
    find_sub,
    key_row,
    listed,
    made_between,
    main_account,
    move,
    transfer_row,
)
from mexc_async.sim.rest.endpoints.wallet import (
    address_row,
    broker_withdraw,
    deposit_row,
    find_deposits,
)
from mexc_async.sim.rest.paging import read_page, read_span

MAX_IPS = 4
_NORMAL, _FROZEN = "1", "2"
_SUB_DAYS, _ALL_DAYS, _REBATE_DAYS = 10, 3, 7


def _brokers_only(handler: Callable[[Call], Json]) -> Callable[[Call], Json]:
    """Wrap a handler so that it refuses every account that is no broker."""

    @wraps(handler)
    def checked(call: Call) -> Json:
        if not call.account.is_broker:
            raise Refusal(NOT_A_BROKER, "Only brokers may do this.")
        return handler(call)

    return checked


def create(call: Call) -> Json:
    """Open a sub-account for a customer."""
    name, note = call.parameters.optional("subAccount"), call.parameters.optional("note")
    made = call.wallet.sub_accounts.create(main_account(call), name, note, call.now_ms, by_broker=True)
    return listed({"subAccount": made.name, "note": made.note, "timestamp": str(made.created_ms)})


def list_sub_accounts(call: Call) -> Json:
    """Return the broker's sub-accounts."""
    name = call.parameters.optional("subAccount")
    subs = call.wallet.sub_accounts.of(main_account(call), by_broker=True)
    found = [each for each in subs if name in (None, each.name)]
    rows: list[Json] = [
        {"subAccount": each.name, "note": each.note, "timestamp": str(each.created_ms)}
        for each in read_page(call.parameters, "limit", (10, 200)).of(found)
    ]
    return listed(*rows)


def status(call: Call) -> Json:
    """Return the status of a sub-account: 1 normal, 2 frozen."""
    return {"status": _FROZEN if find_sub(call, by_broker=True).is_frozen else _NORMAL}


def create_key(call: Call) -> Json:
    """Create an API key for a sub-account."""
    sub, parameters = find_sub(call, by_broker=True), call.parameters
    made = call.exchange.keys.issue(
        sub.uid,
        note=read_note(parameters.optional("note")),
        permissions=read_permissions(parameters.optional("permissions"), ALL_PERMISSIONS),
        ips=read_ips(parameters.optional("ip"), MAX_IPS),
        now_ms=call.now_ms,
    )
    return {
        "subAccount": sub.name,
        "permissions": ",".join(made.permissions),
        "note": made.note,
        "apikey": made.key,
        "secretKey": made.secret,
        "createTime": made.created_ms,
    }


def list_keys(call: Call) -> Json:
    """Return a sub-account's keys. MEXC spells the time `creatTime` in this answer."""
    keys = call.exchange.keys.of(find_sub(call, by_broker=True).uid)
    return {"subAccount": [key_row(key, "creatTime") for key in keys]}


def delete_key(call: Call) -> Json:
    """Delete a sub-account's key."""
    return delete_key_of(call, find_sub(call, by_broker=True))


def transfer(call: Call) -> Json:
    """Transfer an asset between the broker and its sub-accounts."""
    return {"tranId": move(call, by_broker=True).tran_id}


def transfers(call: Call) -> Json:
    """Return transfers between the broker and its sub-accounts, newest first."""
    page = read_page(call.parameters, "limit", (500, 500))
    rows: list[Json] = []
    for made in page.of(made_between(call, by_broker=True)):
        row = transfer_row(made)
        rows.append({**row, "fromSymbol": row["fromAccountType"], "toSymbol": row["toAccountType"]})
    return rows


def generate_deposit_address(call: Call) -> Json:
    """Open a deposit address of the sender for a currency on a network."""
    currency = call.wallet.currencies.get(call.parameters.text("coin"))
    network = currency.by_label(call.parameters.text("network"))
    return _address(address_row(network, call.wallet.deposits.generate(call.account, network)))


def deposit_addresses(call: Call) -> Json:
    """Return the sender's deposit addresses for a currency."""
    currency = call.wallet.currencies.get(call.parameters.text("coin"))
    found = call.wallet.deposits.addresses(call.account, currency.coin)
    return [_address(address_row(network, address)) for network, address in found]


def _address(row: dict[str, Json]) -> Json:
    return {"address": row["address"], "coin": row["coin"], "network": row["network"], "memo": row["memo"] or ""}


def deposits(call: Call) -> Json:
    """Return the sender's deposits, newest first."""
    found = find_deposits(call, frozenset({call.account.uid}), days=_SUB_DAYS, most_days=None)
    page = read_page(call.parameters, "limit", (20, 1000))
    names = ("amount", "coin", "network", "status", "address", "txId", "unlockConfirm", "confirmTimes")
    rows: list[Json] = []
    for deposit in page.of(found):
        row = deposit_row(deposit)
        rows.append({name: row[name] for name in names} | {"addressTag": deposit.address.memo or ""})
    return rows


def all_deposits(call: Call) -> Json:
    """Return the deposits of all sub-accounts of the broker, newest first."""
    subs = call.wallet.sub_accounts.of(main_account(call), by_broker=True)
    found = find_deposits(call, frozenset(sub.uid for sub in subs), days=_ALL_DAYS, most_days=None)
    page = read_page(call.parameters, "limit", (100, 1000))
    left_out = ("transHash", "updateTime")
    rows: list[Json] = []
    for deposit in page.of(found):
        row = {name: value for name, value in deposit_row(deposit).items() if name not in left_out}
        row["memo"] = row["memo"] or ""
        rows.append({"subAccount": call.exchange.accounts[deposit.account].name, **row})
    return rows


def enable_futures(call: Call) -> Json:
    """Enable futures for a sub-account."""
    return enable(call, "isFuturesEnabled", by_broker=True)


def once_token(call: Call) -> Json:
    """Return a token that on MEXC opens the web pages for a sub-account once. Here it has no use."""
    find_sub(call, by_broker=True)
    return {"onceToken": call.wallet.ids.hex()}


def rebates(call: Call) -> Json:
    """Return the broker's rebates by day, sub-account and asset."""
    paid = paid_to(call, "broker", read_span(call.parameters, call.now_ms, days=_REBATE_DAYS))
    groups = list(grouped(paid, day_trader_asset).values())
    page = read_page(call.parameters, "pageSize", (10, 100))
    rows: list[Json] = [
        {
            "asset": made[0].asset,
            "amount": total(each.amount for each in made),
            "type": "spot",
            "uid": made[0].trader,
            "time": utc_day(made[0].trade.time_ms, "%Y%m%d"),
        }
        for made in page.of(groups)
    ]
    return answers.numbered(page, groups, rows)


_PATH, _KEYS = "/api/v3/broker/sub-account", "/api/v3/broker/sub-account/apiKey"
_CAPITAL = "/api/v3/broker/capital"
_MOVED, _READ, _WRITE = "SPOT_TRANSFER_READ", "SPOT_DEPOSIT_READ", "SPOT_DEPOSIT_WRITE"

_TABLE: tuple[tuple[str, str, Callable[[Call], Json], str | None], ...] = (
    ("POST", f"{_PATH}/virtualSubAccount", create, None),
    ("GET", f"{_PATH}/list", list_sub_accounts, None),
    ("GET", f"{_PATH}/status", status, None),
    ("POST", _KEYS, create_key, None),
    ("GET", _KEYS, list_keys, None),
    ("DELETE", _KEYS, delete_key, None),
    ("POST", f"{_PATH}/universalTransfer", transfer, _MOVED),
    ("GET", f"{_PATH}/universalTransfer", transfers, _MOVED),
    ("POST", f"{_PATH}/futures", enable_futures, None),
    ("GET", f"{_PATH}/onceToken", once_token, _MOVED),
    ("POST", f"{_CAPITAL}/deposit/subAddress", generate_deposit_address, _WRITE),
    ("GET", f"{_CAPITAL}/deposit/subAddress", deposit_addresses, _READ),
    ("GET", f"{_CAPITAL}/deposit/subHisrec", deposits, _READ),
    ("GET", f"{_CAPITAL}/deposit/subHisrec/getall", all_deposits, _READ),
    ("POST", f"{_CAPITAL}/withdraw/apply", broker_withdraw, _MOVED),
    ("GET", "/api/v3/broker/rebate/taxQuery", rebates, None),
)

ENDPOINTS = tuple(
    ServedEndpoint(method, path, _brokers_only(handler), (("ip", 1),), permission, any_key=permission is None)
    for method, path, handler, permission in _TABLE
)
