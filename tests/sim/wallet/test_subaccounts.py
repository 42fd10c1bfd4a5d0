"""Sub-accounts over HTTP: opening, keys, transfers, freezing and missing permissions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from mexc_async.sim.wallet.back_office import FreezeOrder
from tests.support.naive_client import NaiveClient, Reply, refused

ACCOUNT, KEY = "/api/v3/sub-account/virtualSubAccount", "/api/v3/sub-account/apiKey"
LIST, ASSET = "/api/v3/sub-account/list", "/api/v3/sub-account/asset"
MOVE = "/api/v3/capital/sub-account/universalTransfer"
SPOT: dict[str, Any] = {"fromAccountType": "SPOT", "toAccountType": "SPOT"}
GRID: dict[str, Any] = {"subAccount": "gridbot01"}


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    return SimConfig(limits="none", flow=0)


@pytest.fixture
def main(mexc_sim: BackgroundSimulator) -> Iterator[NaiveClient]:
    client = NaiveClient(mexc_sim.rest, mexc_sim.api_key, mexc_sim.api_secret)
    assert client.call("POST", ACCOUNT, **GRID, note="grid").body == {**GRID, "note": "grid"}
    yield client
    client.close()


def new_key(main: NaiveClient, permissions: str, **more: Any) -> dict[str, Any]:
    made = main.call("POST", KEY, **{**GRID, "note": "k", "permissions": permissions, **more})
    assert made.status == 200, made.body
    body: dict[str, Any] = made.body
    return body


def sub_client(sim: BackgroundSimulator, key: dict[str, Any]) -> NaiveClient:
    return NaiveClient(sim.rest, key["apiKey"], key["secretKey"])


def free(reply: Reply, asset: str) -> str:
    return next((row["free"] for row in reply.body["balances"] if row["asset"] == asset), "0")


def test_a_sub_account_trades_with_what_it_was_given(mexc_sim: BackgroundSimulator, main: NaiveClient) -> None:
    key = new_key(main, "SPOT_ACCOUNT_READ,SPOT_DEAL_READ,SPOT_DEAL_WRITE")
    sub = sub_client(mexc_sim, key)
    order: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "100"}
    refused(sub.call("POST", "/api/v3/order", **order), 30004)
    sent = main.call("POST", MOVE, **SPOT, toAccount="gridbot01", asset="USDT", amount="250.5")
    assert isinstance(sent.body["tranId"], int)
    assert free(main.call("GET", ASSET, **GRID, accountType="SPOT"), "USDT") == "250.5"
    assert free(main.call("GET", "/api/v3/account"), "USDT") == "99749.5"
    assert sub.call("POST", "/api/v3/order", **order).status == 200
    assert free(sub.call("GET", "/api/v3/account"), "BTC") > "0.001"
    assert [row["symbol"] for row in sub.call("GET", "/api/v3/myTrades", symbol="BTCUSDT").body]
    assert main.call("GET", "/api/v3/myTrades", symbol="BTCUSDT").body == []
    assert sub.call("GET", "/api/v3/uid").body != main.call("GET", "/api/v3/uid").body
    back = main.call("POST", MOVE, **SPOT, fromAccount="gridbot01", asset="USDT", amount="50")
    listed = main.call("GET", MOVE, **SPOT, fromAccount="gridbot01").body
    assert listed["totalCount"] == 1
    (row,) = listed["result"]
    assert (row["tranId"], row["amount"], row["toAccount"]) == (str(back.body["tranId"]), "50", "main@sim.example")
    assert main.call("GET", MOVE, **SPOT).body["totalCount"] == 2
    assert main.call("GET", MOVE, **SPOT, limit=1, page=2).body["result"][0]["tranId"] == str(sent.body["tranId"])
    refused(main.call("POST", MOVE, **SPOT, fromAccount="gridbot01", asset="USDT", amount="1000"), 10101)
    sub.close()


def test_money_goes_to_and_from_futures_wallets(main: NaiveClient) -> None:
    to_futures: dict[str, Any] = {"fromAccountType": "SPOT", "toAccountType": "FUTURES", "asset": "USDT"}
    assert main.call("POST", MOVE, **to_futures, toAccount="gridbot01", amount="10").status == 200
    row = main.call("GET", MOVE, fromAccountType="SPOT", toAccountType="FUTURES").body["result"][0]
    assert row["toAccountType"] == "FUTURE"
    back: dict[str, Any] = {"fromAccountType": "FUTURES", "toAccountType": "SPOT", "asset": "USDT", "amount": "10"}
    assert main.call("POST", MOVE, **back, fromAccount="gridbot01").status == 200
    refused(main.call("POST", MOVE, **back, fromAccount="gridbot01"), 10101)
    refused(main.call("GET", ASSET, **GRID, accountType="FUTURES"), 730003)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"note": "n"}, 730600),
        ({"subAccount": "short", "note": "n"}, 730601),
        ({"subAccount": "with-a-dash", "note": "n"}, 730601),
        ({"subAccount": "x" * 33, "note": "n"}, 730601),
        ({"subAccount": "goodname1"}, 730602),
        ({"subAccount": "gridbot01", "note": "n"}, 730101),
    ],
)
def test_names_that_are_refused(main: NaiveClient, parameters: dict[str, Any], code: int) -> None:
    refused(main.call("POST", ACCOUNT, **parameters), code)


def test_thirty_sub_accounts_are_enough(main: NaiveClient) -> None:
    for number in range(29):
        assert main.call("POST", ACCOUNT, subAccount=f"another{number}", note="n").status == 200
    refused(main.call("POST", ACCOUNT, subAccount="onetoomany", note="n"), 730003)
    assert len(main.call("GET", LIST).body["subAccounts"]) == 10
    assert len(main.call("GET", LIST, limit=200).body["subAccounts"]) == 30
    assert len(main.call("GET", LIST, limit=20, page=2).body["subAccounts"]) == 10
    refused(main.call("GET", LIST, page=0), 700008)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"subAccount": "nobody123"}, 140001),
        ({"note": ""}, 730700),
        ({"permissions": ""}, 730701),
        ({"permissions": "SPOT_WITHDRAW_WRITE"}, 730702),
        ({"ip": "1.2.3"}, 730704),
        ({"ip": ",".join(f"10.0.0.{n}" for n in range(21))}, 730703),
    ],
)
def test_keys_that_are_refused(main: NaiveClient, parameters: dict[str, Any], code: int) -> None:
    refused(main.call("POST", KEY, **{**GRID, "note": "k", "permissions": "SPOT_ACCOUNT_READ", **parameters}), code)


def test_keys_are_bound_to_permissions_and_addresses_and_end_when_deleted(
    mexc_sim: BackgroundSimulator, main: NaiveClient
) -> None:
    reader = new_key(main, "SPOT_ACCOUNT_READ")
    sub = sub_client(mexc_sim, reader)
    assert sub.call("GET", "/api/v3/account").status == 200
    refused(sub.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT"), 700007)
    elsewhere = new_key(main, "SPOT_ACCOUNT_READ", ip="203.0.113.9")
    stranger = sub_client(mexc_sim, elsewhere)
    refused(stranger.call("GET", "/api/v3/account"), 700006)
    stranger.close()
    rows = main.call("GET", KEY, **GRID).body["subAccount"]
    assert [(row["apiKey"], row["ip"]) for row in rows] == [
        (reader["apiKey"], ""),
        (elsewhere["apiKey"], "203.0.113.9"),
    ]
    assert all("secretKey" not in row for row in rows)
    info = main.call("GET", "/api/v3/apiKeyInfo", accessKey=reader["apiKey"]).body
    assert (info["permissions"], info["remainingValidity"]) == ("SPOT_ACCOUNT_READ", 90)
    refused(main.call("DELETE", KEY, **GRID), 730707)
    assert main.call("DELETE", KEY, **GRID, apiKey=reader["apiKey"]).body == GRID
    refused(main.call("DELETE", KEY, **GRID, apiKey=reader["apiKey"]), 730706)
    refused(sub.call("GET", "/api/v3/account"), 10072)
    sub.close()


def test_a_frozen_sub_account_can_do_nothing(mexc_sim: BackgroundSimulator, main: NaiveClient) -> None:
    key = new_key(main, "SPOT_ACCOUNT_READ")
    sub = sub_client(mexc_sim, key)
    mexc_sim.call(lambda simulator: simulator.order(FreezeOrder(sub_account="gridbot01")))
    refused(sub.call("GET", "/api/v3/account"), 730100)
    assert main.call("GET", "/api/v3/apiKeyInfo", accessKey=key["apiKey"]).body["status"] == "FROZEN"
    refused(main.call("POST", MOVE, **SPOT, toAccount="gridbot01", asset="USDT", amount="1"), 140002)
    assert [row["isFreeze"] for row in main.call("GET", LIST, isFreeze="true").body["subAccounts"]] == [True]
    assert main.call("GET", LIST, isFreeze="false").body["subAccounts"] == []
    mexc_sim.call(lambda simulator: simulator.order(FreezeOrder(sub_account="gridbot01", is_frozen=False)))
    assert sub.call("GET", "/api/v3/account").status == 200
    sub.close()


def test_a_sub_account_cannot_do_what_its_main_account_can(mexc_sim: BackgroundSimulator, main: NaiveClient) -> None:
    sub = sub_client(mexc_sim, new_key(main, "SPOT_ACCOUNT_READ,SPOT_ACCOUNT_WRITE,SPOT_TRANSFER_WRITE"))
    refused(sub.call("GET", LIST), 730003)
    refused(sub.call("POST", "/api/v3/strategy/group", tradeGroupName="mine"), 730003)
    refused(sub.call("POST", ACCOUNT, subAccount="grandchild", note="n"), 730003)
    refused(sub.call("POST", MOVE, **SPOT, toAccount="gridbot01", asset="USDT", amount="1"), 730003)
    sub.close()


def test_self_trade_prevention_knows_sub_accounts(mexc_sim: BackgroundSimulator, main: NaiveClient) -> None:
    sub = sub_client(mexc_sim, new_key(main, "SPOT_ACCOUNT_READ,SPOT_DEAL_READ,SPOT_DEAL_WRITE"))
    uids = [client.call("GET", "/api/v3/uid").body["uid"] for client in (main, sub)]
    group = main.call("POST", "/api/v3/strategy/group", tradeGroupName="desk").body["data"]
    main.call("POST", "/api/v3/strategy/group/uid", tradeGroupId=group["tradeGroupId"], uid=",".join(uids))
    main.call("POST", MOVE, **SPOT, toAccount="gridbot01", asset="BTC", amount="0.1")
    order: dict[str, Any] = {"symbol": "BTCUSDT", "quantity": "0.001", "type": "LIMIT"}
    best = main.get("/api/v3/ticker/bookTicker", symbol="BTCUSDT").body
    order["price"] = str((float(best["bidPrice"]) + float(best["askPrice"])) / 2)[:8]
    resting = sub.call("POST", "/api/v3/order", **order, side="SELL").body["orderId"]
    main.call("POST", "/api/v3/order", **order, side="BUY", stpMode="cancel_maker")
    state = sub.call("GET", "/api/v3/order", symbol="BTCUSDT", orderId=resting).body
    assert (state["status"], state["cancelReason"]) == ("CANCELED", "stp_cancel")
    sub.close()
