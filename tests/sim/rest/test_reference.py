"""Every served endpoint answers in the reference's shape and has the reference's weight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.endpoint import ServedEndpoint
from mexc_async.sim.rest.endpoints import futures
from mexc_async.sim.rest.endpoints.trade import GUIDE_ENDPOINTS
from mexc_async.sim.rest.routes import ENDPOINTS
from tests.support import wallet_world
from tests.support.naive_client import NaiveClient, now_ms
from tests.support.reference import FOLDER

ENTRIES: list[dict[str, Any]] = json.loads((FOLDER / "spot-rest.json").read_text())
IDS = [entry["id"] for entry in ENTRIES]

LIVE_ROW = {f"[].{name}": "in live rows, as the note says" for name in ("netWork", "transHash", "updateTime")}
DIFFERENCES: dict[str, dict[str, str]] = {
    "exchange_info": {".symbols[].conceptPlateIds[]": "no symbol here belongs to a concept"},
    "ticker_24hr": {".quoteVolume": "null in the document's example, text in recorded answers"},
    "self_symbols": {
        ".msg": "null in the document's example, 'success' in recorded answers",
        ".timestamp": "missing in the document's example, there in recorded answers",
    },
    "offline_symbols": {".data[].offlineTime": "may be missing; no symbol here has a known time"},
    "cancel_open_orders": {
        "[].clientOrderId": "null for an order that was given none",
        "[].origClientOrderId": "null for an order that was given none",
    },
    "open_orders": {"[].clientOrderId": "null for an order that was given none"},
    "all_orders": {"[].clientOrderId": "null for an order that was given none"},
    "currencies": {
        "[].networkList[].withdrawIntegerMultiple": "null or a step, as the note says",
        "[].networkList[].depositPreConfirms": "null or a number, as the note says",
    },
    "deposit_history": LIVE_ROW,
    "withdraw_history": {
        "[].netWork": "in live rows, says ccxt 4.5.90",
        "[].txId": "null in the document's example, text in live rows of a withdrawal that was sent",
    },
    "generate_deposit_address": {
        "[].netWork": "in live rows, says ccxt 4.5.90",
        "[].tag": "the example's stray key",
        "[].memo": "missing in the example's first row, null where a network has none",
    },
    "deposit_address": {"[].netWork": "in live rows, says ccxt 4.5.90"},
    "withdraw_address": {".data[].memo": "text where the network needs one"},
    "affiliate_referral": {
        f".data.resultList[].{name}": "null in the example of a trader who did nothing"
        for name in ("firstDepositTime", "lastDepositTime", "firstTradeTime", "lastTradeTime")
    },
    "affiliate_list": {"": "known by name only; answered in the manner of the other affiliate calls"},
}


def kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return {str: "text", list: "list", dict: "object", type(None): "null"}[type(value)]


def differences(expected: object, actual: object, path: str = "") -> Iterator[str]:
    """Yield the paths at which names or JSON types differ. A list's item is compared with the most similar sample."""
    if kind(expected) != kind(actual):
        yield path
    elif isinstance(expected, dict) and isinstance(actual, dict):
        for name in expected.keys() | actual.keys():
            if name not in expected or name not in actual:
                yield f"{path}.{name}"
            else:
                yield from differences(expected[name], actual[name], f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(actual, list) and expected:
        if not actual:
            yield f"{path}[]"  # nothing to compare
        fixed = not isinstance(expected[0], dict | list) and len({kind(each) for each in expected}) > 1
        if fixed and len(expected) != len(actual):
            yield path
        for index, item in enumerate(actual):
            models = [expected[index]] if fixed else expected
            yield from min((list(differences(model, item, f"{path}[]")) for model in models), key=len)


@pytest.fixture(scope="module")
def simulator() -> Iterator[BackgroundSimulator]:
    with BackgroundSimulator(wallet_world.CONFIG) as running:
        yield running


@pytest.fixture(scope="module")
def client(simulator: BackgroundSimulator) -> Iterator[NaiveClient]:
    client = NaiveClient(simulator.rest, simulator.api_key, simulator.api_secret)
    wallet_world.fill(simulator, client)
    yield client
    client.close()


@pytest.fixture(scope="module")
def invited(simulator: BackgroundSimulator) -> Iterator[NaiveClient]:
    """Yield a client of an account that the main account invited."""
    client = wallet_world.login(simulator, wallet_world.FRIEND)
    yield client
    client.close()


ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "60000"}
GROUP: dict[str, Any] = {"tradeGroupName": "shape"}


def prepare(client: NaiveClient, entry: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with which the endpoint has something to show."""
    name = entry["id"]
    if name in wallet_world.PREPARE:
        return wallet_world.PREPARE[name](client)
    if entry["group"] not in ("market", "trade", "account", "userstream"):
        return {}
    symbol: dict[str, Any] = {"symbol": "BTCUSDT"}
    if name in ("new_order", "test_order"):
        return dict(ORDER)
    if name == "batch_orders":
        items = [
            {**ORDER, "newClientOrderId": f"b{now_ms()}"},
            {**ORDER, "quantity": "0.00001", "newClientOrderId": "x"},
            ORDER,
        ]
        return {"batchOrders": json.dumps(items)}
    if name in ("cancel_order", "query_order"):
        order = client.call("POST", "/api/v3/order", **ORDER, newClientOrderId=f"c{now_ms()}").body
        return {**symbol, "orderId": order["orderId"]}
    if name in ("cancel_open_orders", "cancel_all_orders", "open_orders", "all_orders"):
        client.call("POST", "/api/v3/order", **ORDER, newClientOrderId=f"o{now_ms()}")
        return {} if name == "cancel_all_orders" else symbol
    if name == "my_trades":
        client.call("POST", "/api/v3/order", **{**ORDER, "type": "MARKET"})
        return symbol
    if name in ("api_key_info", "set_api_key_info"):
        key = "accessKey" if name == "api_key_info" else "apiKey"
        return {key: client.api_key, "ipWhiteList": "127.0.0.1,::1", "note": "n"}
    if name == "set_mx_deduct":
        return {"mxDeductEnable": "false"}
    if name == "create_stp_group":
        return {"tradeGroupName": f"g{now_ms()}"}
    if name.endswith(("stp_group", "stp_group_uid")):
        found = client.call("GET", "/api/v3/strategy/group", **GROUP).body["data"]
        group = found[0] if found else client.call("POST", "/api/v3/strategy/group", **GROUP).body["data"]
        member: dict[str, Any] = {"tradeGroupId": group["tradeGroupId"], "uid": "1"}
        client.call("POST", "/api/v3/strategy/group/uid", **member)
        return {**GROUP, **member}
    if name in ("keepalive_listen_key", "close_listen_key"):
        return {"listenKey": client.call("POST", "/api/v3/userDataStream").body["listenKey"]}
    return {**symbol, "interval": "1m"} if name == "klines" else symbol


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_the_answer_has_the_samples_names_and_types(
    client: NaiveClient, invited: NaiveClient, entry: dict[str, Any]
) -> None:
    parameters = prepare(client, entry)
    if entry["id"] == "etf_info":
        parameters = {"symbol": "BTC3SUSDT"}
    if entry["id"] in ("offline_symbols", "default_symbols", "exchange_info"):
        parameters = {}
    if entry["auth"] == "none":
        reply = client.get(entry["path"], **parameters)
    else:
        sender = invited if entry["id"] == "rebate_self_detail" else client
        reply = sender.call(entry["method"], entry["path"], **parameters)
    assert reply.status == 200, reply.body
    found = set(differences(entry["response"], reply.body))
    assert found <= DIFFERENCES.get(entry["id"], {}).keys()
    assert reply.headers["Content-Type"].startswith("application/json")


def costs(entry: dict[str, Any]) -> dict[str, int]:
    """Return the costs of a call according to the reference."""
    found: dict[str, int] = dict(entry["weight"])
    if entry.get("rate_limit", {}).get("bucket") == "spot_orders_uid":
        found["orders"] = 1
    for name, limit in (
        ("account", "account"),
        ("batch_orders", "batchOrders"),
        ("announcements", "announcements"),
    ):
        if entry["id"] == name:
            found[limit] = 1
    return found


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_weight_and_permission_are_the_references(entry: dict[str, Any]) -> None:
    (endpoint,) = [each for each in ENDPOINTS if (each.method, each.path) == (entry["method"], entry["path"])]
    assert dict(endpoint.costs) == costs(entry)
    assert endpoint.permission == entry["permission"]
    assert endpoint.is_signed is (entry["auth"] == "signed")


def test_nothing_is_served_that_the_reference_does_not_know() -> None:
    known = {(entry["method"], entry["path"]) for entry in ENTRIES}

    def key(endpoint: ServedEndpoint) -> tuple[str, str]:
        return endpoint.method, endpoint.path

    further = {key(each) for each in (*GUIDE_ENDPOINTS, *futures.ENDPOINTS)}
    assert {key(each) for each in ENDPOINTS} - known == further
