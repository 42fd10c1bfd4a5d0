"""Fees in MX: their asset and their discount."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mexc_async.sim.exchange.assumptions import MX_DISCOUNT
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, main_account
from tests.support.naive_client import NaiveClient

D = Decimal
BUY: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
SWITCH = "/api/v3/mxDeduct/enable"


def fee(client: NaiveClient) -> tuple[str, Decimal, Decimal]:
    """Return asset and amount of the newest fill's fee, and the fill's value."""
    client.call("POST", "/api/v3/order", **BUY)
    fill = client.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", limit=1).body[0]
    return fill["commissionAsset"], D(fill["commission"]), D(fill["quoteQty"])


def balance(client: NaiveClient) -> Decimal:
    rows = client.call("GET", "/api/v3/account").body["balances"]
    return next((D(row["free"]) for row in rows if row["asset"] == "MX"), D(0))


def test_the_switch_changes_what_a_fee_is_taken_in() -> None:
    main = main_account(balances={"USDT": D(1000), "MX": D("0.02")})
    with BackgroundSimulator(SimConfig(limits="none", flow=0, accounts=(main,))) as simulator:
        client = NaiveClient(simulator.rest, main.api_key, main.api_secret)
        asset, amount, value = fee(client)
        assert (asset, amount) == ("USDT", value * D("0.0005"))
        assert client.call("POST", SWITCH, mxDeductEnable="true").body["data"] == {"mxDeductEnable": True}
        asset, amount, value = fee(client)
        price = D(client.get("/api/v3/ticker/price", symbol="MXUSDT").body["price"])
        assert asset == "MX"
        assert 0 <= amount - value * D("0.0005") * MX_DISCOUNT / price < D("0.00000001")
        assert balance(client) == D("0.02") - amount
        while asset == "MX":
            left = balance(client)
            asset, amount, value = fee(client)
        assert (asset, amount) == ("USDT", value * D("0.0005"))  # too little MX is left
        assert balance(client) == left < D("0.01")
        assert client.call("POST", SWITCH, mxDeductEnable="false").body["data"] == {"mxDeductEnable": False}
        assert client.call("GET", SWITCH).body["data"] == {"mxDeductEnable": False}
        client.close()
