"""Rebates, affiliates and brokers: their reports follow from the fills, and their payments from the fees."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.exchange.settlement import FEES
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, main_account
from mexc_async.sim.wallet.back_office import DepositOrder
from mexc_async.sim.wallet.wallet import WalletRules
from tests.support.naive_client import NaiveClient, now_ms, refused

D = Decimal
FRIEND = AccountSpec(
    name="friend", api_key="k-f", api_secret="s-f", invited_by="main", is_affiliate=False, is_broker=False
)
BUY: dict[str, Any] = {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
REBATE, AFFILIATE, BROKER = "/api/v3/rebate", "/api/v3/rebate/affiliate", "/api/v3/broker"


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    return SimConfig(limits="none", flow=0, accounts=(main_account(), FRIEND), wallet=WalletRules(deposit_s=0))


@pytest.fixture
def main(mexc_sim: BackgroundSimulator) -> Iterator[NaiveClient]:
    client = NaiveClient(mexc_sim.rest, mexc_sim.api_key, mexc_sim.api_secret)
    yield client
    client.close()


@pytest.fixture
def friend(mexc_sim: BackgroundSimulator) -> Iterator[NaiveClient]:
    client = NaiveClient(mexc_sim.rest, FRIEND.api_key, FRIEND.api_secret)
    yield client
    client.close()


def usdt(client: NaiveClient) -> Decimal:
    rows = client.call("GET", "/api/v3/account").body["balances"]
    return next((D(row["free"]) for row in rows if row["asset"] == "USDT"), D(0))


def test_who_invites_gets_a_share_of_each_fee(
    mexc_sim: BackgroundSimulator, main: NaiveClient, friend: NaiveClient
) -> None:
    before = usdt(main)
    friend.call("POST", "/api/v3/order", **BUY)
    fills = friend.call("GET", "/api/v3/myTrades", symbol="ETHUSDT").body
    fee = sum((D(fill["commission"]) for fill in fills), D(0))
    assert fee > 0
    assert usdt(main) - before == fee * D("0.3")
    kept = mexc_sim.call(lambda simulator: simulator.exchange.balances.balance(FEES, "USDT").free)
    assert kept == fee * D("0.6")
    rows = main.call("GET", f"{REBATE}/detail").body["data"]
    assert sum(D(row["amount"]) for row in rows) == fee * D("0.3")
    assert {(row["rate"], row["asset"], row["type"]) for row in rows} == {("0.3", "USDT", "spot")}
    own = friend.call("GET", f"{REBATE}/detail/kickback").body["data"]
    assert sum(D(row["amount"]) for row in own) == fee * D("0.1")
    (summed,) = main.call("GET", f"{REBATE}/taxQuery").body["data"]
    assert D(summed["spot"]) == pytest.approx(fee * D("0.3"), abs=D("1e-8"))
    assert summed["total"] == summed["spot"]
    assert "@" in summed["account"]
    assert "friend" not in summed["account"]
    later: dict[str, Any] = {"startTime": now_ms() + 2000, "endTime": now_ms() + 3000}
    assert main.call("GET", f"{REBATE}/detail", **later).body["totalRecords"] == 0
    assert friend.call("GET", f"{REBATE}/taxQuery").body["data"] == []


def test_affiliates_see_what_their_traders_do(
    mexc_sim: BackgroundSimulator, main: NaiveClient, friend: NaiveClient
) -> None:
    friend.call("POST", "/api/v3/order", **BUY)
    mexc_sim.call(lambda sim: sim.order(DepositOrder(account="friend", coin="BTC", amount=D("0.5"))))
    code = main.call("GET", f"{REBATE}/referCode").body["referCode"]

    def listed(name: str, **parameters: Any) -> list[dict[str, Any]]:
        body = main.call("GET", f"{AFFILIATE}/{name}", **parameters).body
        assert (body["success"], body["code"]) == (True, 0)
        rows: list[dict[str, Any]] = body["data"]["resultList"]
        assert body["data"]["totalCount"] >= len(rows)
        return rows

    (commission,) = listed("commission", inviteCode=code)
    (campaign,) = listed("campaign")
    (referral,) = listed("referral")
    (detail,) = listed("commission/detail")
    (paid,) = listed("withdraw")
    assert commission["total"] == campaign["commission"] == referral["commission"] == paid["amount"]
    assert detail["commission"] == paid["amount"]
    assert D(commission["deposit"]) == D("0.5") * D("67250.10")
    assert commission["deposit"] == campaign["depositAmount"] == referral["depositAmount"]
    assert detail["usdtAmount"] == campaign["tradingAmount"] == referral["tradingAmount"] == detail["takerAmount"]
    assert (campaign["inviteCode"], campaign["signup"], campaign["traded"], campaign["deposited"]) == (code, 1, 1, 1)
    assert listed("commission", inviteCode="mexc-another") == []
    assert listed("commission", uid=commission["uid"]) == [commission]
    assert listed("commission", uid="1") == []
    assert listed("commission/detail", type=2) == []
    assert listed("subaffiliates") == []
    assert listed("referral", uid="1") == []
    now = now_ms()
    wide: dict[str, Any] = {"startTime": now - 31 * 86_400_000, "endTime": now}
    refused(main.call("GET", f"{AFFILIATE}/commission/detail", **wide), 400)
    refused(friend.call("GET", f"{AFFILIATE}/campaign"), 730003)


def test_brokers_have_customers_of_their_own(mexc_sim: BackgroundSimulator, main: NaiveClient) -> None:
    sub: dict[str, Any] = {"subAccount": "customer1"}
    made = main.call("POST", f"{BROKER}/sub-account/virtualSubAccount", body='{"subAccount":"customer1","note":"c"}')
    assert (made.body["code"], made.body["data"][0]["subAccount"]) == ("0", "customer1")
    assert main.call("GET", "/api/v3/sub-account/list").body["subAccounts"] == []
    assert [row["note"] for row in main.call("GET", f"{BROKER}/sub-account/list").body["data"]] == ["c"]
    assert main.call("GET", f"{BROKER}/sub-account/status", **sub).body == {"status": "1"}
    permissions = "SPOT_ACCOUNT_READ,SPOT_DEAL_WRITE,SPOT_DEPOSIT_READ,SPOT_DEPOSIT_WRITE"
    key = main.call("POST", f"{BROKER}/sub-account/apiKey", **sub, note="k", permissions=permissions).body
    five = ",".join(f"10.0.0.{n}" for n in range(5))
    too_many = main.call("POST", f"{BROKER}/sub-account/apiKey", **sub, note="k", permissions=permissions, ip=five)
    refused(too_many, 730703)
    (row,) = main.call("GET", f"{BROKER}/sub-account/apiKey", **sub).body["subAccount"]
    assert (row["apiKey"], row["permissions"]) == (key["apikey"], permissions)
    move: dict[str, Any] = {"fromAccountType": "SPOT", "toAccountType": "SPOT"}
    path = f"{BROKER}/sub-account/universalTransfer"
    moved = main.call("POST", path, **move, toAccount="customer1", asset="USDT", amount="1000").body["tranId"]
    assert [each["tranId"] for each in main.call("GET", path, **move).body] == [moved]
    assert main.call("GET", "/api/v3/capital/sub-account/universalTransfer", **move).body["totalCount"] == 0
    customer = NaiveClient(mexc_sim.rest, key["apikey"], key["secretKey"])
    before = usdt(main)
    assert customer.call("POST", "/api/v3/order", **BUY).status == 200
    earned = main.call("GET", f"{BROKER}/rebate/taxQuery").body["data"]
    assert sum(D(each["amount"]) for each in earned) == pytest.approx(usdt(main) - before, abs=D("1e-8"))
    assert usdt(main) > before
    address = customer.call("POST", f"{BROKER}/capital/deposit/subAddress", coin="BTC", network="BTC").body
    assert customer.call("GET", f"{BROKER}/capital/deposit/subAddress", coin="BTC").body == [address]
    mexc_sim.call(lambda sim: sim.order(DepositOrder(account="customer1", coin="BTC", amount=D("0.25"))))
    (own,) = customer.call("GET", f"{BROKER}/capital/deposit/subHisrec").body
    (seen,) = main.call("GET", f"{BROKER}/capital/deposit/subHisrec/getall").body
    assert (own["address"], own["amount"], own["status"]) == (address["address"], "0.25", 5)
    assert (seen["subAccount"], seen["txId"]) == ("customer1", own["txId"])
    assert main.call("DELETE", f"{BROKER}/sub-account/apiKey", **sub, apiKey=key["apikey"]).body == sub
    customer.close()


def test_only_brokers_are_served(friend: NaiveClient) -> None:
    refused(friend.call("GET", f"{BROKER}/sub-account/list"), 730003)


@pytest.mark.parametrize(
    "parameters", [{"language": "en"}, {"limit": 7}, {"limit": 105}, {"limit": 0}, {"page": 0}, {"page": "x"}]
)
def test_announcements_refuse_in_their_own_way(main: NaiveClient, parameters: dict[str, Any]) -> None:
    reply = main.get("/api/v3/announcements", **parameters)
    assert (reply.status, reply.code) == (200, 600)
    assert "data" not in reply.body


def test_announcements_come_in_pages(main: NaiveClient) -> None:
    first = main.get("/api/v3/announcements", limit=5).body["data"][0]
    second = main.get("/api/v3/announcements", limit=5, page=2, language="zh-CN").body["data"][0]
    assert len(first["details"]) == len(second["details"]) == 5
    times = [row["postTime"] for row in first["details"] + second["details"]]
    assert times == sorted(times, reverse=True)
    assert {row["language"] for row in second["details"]} == {"zh-CN"}
    assert first["totalPage"] > 2
