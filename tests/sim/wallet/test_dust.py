"""Dust conversion of small balances into MX."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mexc_async.sim.rest.server import SimConfig, main_account
from tests.support.naive_client import NaiveClient, refused

D = Decimal
CONVERT = "/api/v3/capital/convert"


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    balances = {"USDT": D(4), "ADA": D(3), "BTC": D(1), "PEPE": D("0.0001"), "MX": D(1)}
    return SimConfig(limits="none", flow=0, accounts=(main_account(balances=balances),))


def test_the_list_promises_what_converting_gives(client: NaiveClient) -> None:
    listed = {row["asset"]: row for row in client.call("GET", f"{CONVERT}/list").body}
    assert listed.keys() == {"USDT", "ADA", "PEPE"}
    assert (listed["ADA"]["code"], listed["PEPE"]["code"]) == ("", "30002")
    made = client.call("POST", CONVERT, asset="USDT,ADA,PEPE,BTC").body
    assert made["successList"] == ["USDT", "ADA"]
    assert {row["asset"]: row["code"] for row in made["failedList"]} == {"PEPE": "30002", "BTC": "30003"}
    total = D(listed["USDT"]["convertMx"]) + D(listed["ADA"]["convertMx"])
    assert D(made["totalConvert"]) == total
    assert D(made["convertFee"]) == pytest.approx((total + D(made["convertFee"])) * D("0.02"), abs=D("1e-7"))
    rows = {row["asset"]: row["free"] for row in client.call("GET", "/api/v3/account").body["balances"]}
    assert rows.keys() == {"BTC", "PEPE", "MX"}
    assert D(rows["MX"]) == 1 + total
    log = client.call("GET", CONVERT, limit=10).body
    assert log["totalRecords"] == 1
    (entry,) = log["data"]
    assert [item["asset"] for item in entry["convertDetails"]] == ["USDT", "ADA"]
    assert (entry["totalConvert"], entry["totalFee"]) == (made["totalConvert"], made["convertFee"])
    assert entry["convertDetails"][1]["amount"] == "3"


def test_what_cannot_be_asked(client: NaiveClient) -> None:
    refused(client.call("POST", CONVERT), 700004)
    refused(client.call("POST", CONVERT, asset="ADA,NOCOIN"), 10232)
    refused(client.call("POST", CONVERT, asset=",".join(["ADA"] * 16)), 730002)
    assert client.call("GET", CONVERT).body["totalRecords"] == 0
