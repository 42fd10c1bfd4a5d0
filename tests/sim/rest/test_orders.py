"""Orders over HTTP: accepted orders and their outcomes, and MEXC's code for each refusal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, main_account
from tests.support.naive_client import NaiveClient

OTHER = AccountSpec(name="other", api_key="k-other", api_secret="s-other")
POOR = AccountSpec(name="poor", api_key="k-poor", api_secret="s-poor", balances={"USDT": Decimal(50)})
ORDER = "/api/v3/order"
GOOD: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "60000"}


@pytest.fixture
def simulator() -> Iterator[BackgroundSimulator]:
    config = SimConfig(limits="none", flow=0, accounts=(main_account(), OTHER, POOR))
    with BackgroundSimulator(config) as running:
        yield running


@pytest.fixture
def other(simulator: BackgroundSimulator) -> Iterator[NaiveClient]:
    client = NaiveClient(simulator.rest, OTHER.api_key, OTHER.api_secret)
    yield client
    client.close()


def place(client: NaiveClient, **changes: object) -> str:
    parameters = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    reply = client.call("POST", ORDER, **parameters)
    assert reply.status == 200, reply.body
    order_id = reply.body["orderId"]
    assert isinstance(order_id, str)
    return order_id


def status(client: NaiveClient, order_id: str, symbol: str = "BTCUSDT") -> dict[str, Any]:
    reply = client.call("GET", ORDER, symbol=symbol, orderId=order_id)
    assert reply.status == 200, reply.body
    assert isinstance(reply.body, dict)
    return reply.body


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("no symbol", {"symbol": None}, 700004),
    ("no side", {"side": None}, 700004),
    ("empty type", {"type": ""}, 700004),
    ("no quantity", {"quantity": None}, 700004),
    ("no price", {"price": None}, 700004),
    ("market without a size", {"type": "MARKET", "quantity": None}, 700004),
    ("market with both sizes", {"type": "MARKET", "quoteOrderQty": "10"}, -1128),
    ("lower-case side", {"side": "buy"}, 700008),
    ("unknown type", {"type": "LIMIT_ORDER"}, 700008),
    ("unknown stpMode", {"stpMode": "CANCEL_MAKER"}, 700008),
    ("price that is no number", {"price": "abc"}, 700008),
    ("quantity with an exponent", {"quantity": "1E-7"}, 700008),
    ("NaN", {"quantity": "NaN"}, 700008),
    ("negative quantity", {"quantity": "-1"}, 10102),
    ("zero price", {"price": "0"}, 10102),
    ("unlisted symbol", {"symbol": "NOSUCH"}, -1121),
    ("lower-case symbol", {"symbol": "btcusdt"}, -1121),
    ("closed to the API", {"symbol": "HEGICUSDT", "price": "0.02", "quantity": "100"}, 10007),
    ("paused", {"symbol": "LOKAUSDT"}, 30000),
    ("offline", {"symbol": "LVNUSDT"}, 30016),
    ("no market orders here", {"symbol": "NOTUSDT", "type": "MARKET", "quantity": "1000"}, 30018),
    ("price too fine", {"price": "60000.001"}, 10096),
    ("quantity too fine", {"quantity": "0.0010001"}, 10096),
    ("amount too fine", {"type": "MARKET", "quantity": None, "quoteOrderQty": "10.123456789"}, 10096),
    ("below the minimum value", {"quantity": "0.00001"}, 30002),
    ("market below the minimum value", {"type": "MARKET", "quantity": None, "quoteOrderQty": "0.5"}, 30002),
    ("below the minimum quantity", {"symbol": "SHIBUSDT", "quantity": "0.5", "price": "0.00002"}, 10096),
    ("above the maximum value", {"quantity": "100", "price": "60000"}, 30003),
    ("buy above the band", {"price": "70000"}, 30087),
    ("sell below the band", {"side": "SELL", "price": "60000"}, 30087),
    ("IOC above the band", {"type": "IMMEDIATE_OR_CANCEL", "price": "70000"}, 30087),
    ("too little quote", {"quantity": "10"}, 30004),
    ("too little base", {"side": "SELL", "quantity": "3", "price": "68000"}, 30005),
    ("post only that would trade", {"type": "LIMIT_MAKER", "price": "67500"}, 30041),
    ("client id with illegal characters", {"newClientOrderId": "a b"}, 700008),
    ("client id too long", {"newClientOrderId": "x" * 33}, 700008),
]


@pytest.mark.parametrize(("changes", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refusals(client: NaiveClient, changes: dict[str, Any], code: int) -> None:
    parameters = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    reply = client.call("POST", ORDER, **parameters)
    assert (reply.status, reply.code) == (400, code), reply.body
    assert client.call("GET", "/api/v3/openOrders").body == []


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "50000", "quantity": "0.00002"},
        {"type": "MARKET", "price": None, "quantity": None, "quoteOrderQty": "1"},
    ],
    ids=["limit", "market"],
)
def test_an_order_worth_the_minimum_is_accepted(client: NaiveClient, changes: dict[str, Any]) -> None:
    parameters = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    reply = client.call("POST", ORDER, **parameters)
    assert reply.status == 200, reply.body


def test_the_minimum_ends_the_message(client: NaiveClient) -> None:
    reply = client.call("POST", ORDER, **{**GOOD, "quantity": "0.00001"})
    assert reply.body["msg"] == "The minimum transaction volume cannot be less than:1USDT"


def test_a_duplicate_client_id_is_refused_while_the_first_is_open(client: NaiveClient) -> None:
    first = place(client, newClientOrderId="mine")
    assert client.call("POST", ORDER, **GOOD, newClientOrderId="mine").code == 30026
    assert client.call("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="mine").body["orderId"] == first
    second = place(client, newClientOrderId="mine")
    found = client.call("GET", ORDER, symbol="BTCUSDT", origClientOrderId="mine").body
    assert (found["orderId"], found["clientOrderId"]) == (second, "mine")


def test_five_hundred_open_orders_and_no_more(client: NaiveClient) -> None:
    for _ in range(25):
        items = orjson.dumps([{**GOOD, "quantity": "0.0001"}] * 20).decode()
        assert len(client.call("POST", "/api/v3/batchOrders", batchOrders=items).body) == 20
    assert client.call("POST", ORDER, **GOOD).code == 30029
    assert len(client.call("GET", "/api/v3/openOrders").body) == 500
    assert client.call("DELETE", "/api/v3/order/all").body["code"] == 200
    assert client.call("GET", "/api/v3/openOrders").body == []


def test_a_limit_order_rests_and_is_cancelled(client: NaiveClient) -> None:
    order_id = place(client, timeInForce="IOC")
    assert order_id.startswith("C02__")
    assert status(client, order_id)["status"] == "NEW"
    cancelled = client.call("DELETE", ORDER, symbol="BTCUSDT", orderId=order_id, newClientOrderId="c1").body
    assert (cancelled["status"], cancelled["clientOrderId"]) == ("CANCELED", "c1")
    assert client.call("DELETE", ORDER, symbol="BTCUSDT", orderId=order_id).code == -2011
    assert client.call("GET", ORDER, symbol="BTCUSDT", orderId="C02__1").code == -2013
    assert client.call("GET", ORDER, symbol="ETHUSDT", orderId=order_id).code == -2013
    assert client.call("GET", ORDER, symbol="BTCUSDT").code == 700004
    assert client.call("DELETE", ORDER, symbol="BTCUSDT").code == 700004
    assert client.call("DELETE", ORDER, symbol="NOSUCH", orderId=order_id).code == -1121


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_the_guides_spelling_does_the_same(client: NaiveClient, method: str) -> None:
    order_id = client.call("POST", "/api/v3/order/place", **GOOD).body["orderId"]
    reply = client.call(method, "/api/v3/order/cancel", symbol="BTCUSDT", orderId=order_id)
    assert reply.body["status"] == "CANCELED"


def test_market_orders(client: NaiveClient) -> None:
    by_value = status(client, place(client, type="MARKET", quantity=None, price=None, quoteOrderQty="100"))
    assert (by_value["status"], by_value["origQty"], by_value["origQuoteOrderQty"]) == ("FILLED", "0", "100")
    assert Decimal(99) < Decimal(str(by_value["cummulativeQuoteQty"])) <= 100
    by_quantity = status(client, place(client, type="MARKET", side="SELL", price=None))
    assert (by_quantity["status"], by_quantity["executedQty"]) == ("FILLED", "0.001000")
    sold_by_value = place(client, type="MARKET", side="SELL", quantity=None, price=None, quoteOrderQty="100")
    assert status(client, sold_by_value)["status"] == "FILLED"


def test_a_market_order_for_more_than_the_book_holds(client: NaiveClient, simulator: BackgroundSimulator) -> None:
    market = simulator.exchange.market("MXUSDT")
    for price in list(market.house("SELL")):
        if price != market.book.asks.best():
            simulator.exchange.quote(market, "SELL", price, Decimal(0), 0)
    size = str(market.levels("SELL", 1)[0][1] + 1)
    order = status(client, place(client, symbol="MXUSDT", type="MARKET", quantity=size, price=None), "MXUSDT")
    assert order["status"] == "PARTIALLY_CANCELED"
    assert client.call("POST", ORDER, **{**GOOD, "symbol": "MXUSDT", "type": "MARKET", "quantity": size}).code == 30025


def test_immediate_or_cancel(client: NaiveClient) -> None:
    assert status(client, place(client, type="IMMEDIATE_OR_CANCEL"))["status"] == "CANCELED"
    filled = place(client, type="IMMEDIATE_OR_CANCEL", price="67400", quantity="0.001")
    assert status(client, filled)["status"] == "FILLED"


def test_fill_or_kill_is_all_or_nothing(client: NaiveClient, other: NaiveClient) -> None:
    best = client.get("/api/v3/depth", symbol="BTCUSDT", limit=1).body["bids"][0][0]
    price = str(Decimal(best) + Decimal("0.01"))
    place(other, price=price, quantity="0.001")
    killed = status(client, place(client, side="SELL", type="FILL_OR_KILL", price=price, quantity="0.002"))
    assert (killed["status"], killed["executedQty"]) == ("CANCELED", "0")
    filled = status(client, place(client, side="SELL", type="FILL_OR_KILL", price=price, quantity="0.001"))
    assert (filled["status"], filled["price"]) == ("FILLED", price)


def test_two_accounts_trade_and_both_see_it(client: NaiveClient, other: NaiveClient) -> None:
    best = client.get("/api/v3/depth", symbol="BTCUSDT", limit=1).body["bids"][0][0]
    price = str(Decimal(best) + Decimal("0.01"))
    maker = place(other, price=price, quantity="0.003")
    taker = place(client, side="SELL", price=price, quantity="0.001")
    assert status(other, maker)["status"] == "PARTIALLY_FILLED"
    assert status(client, taker)["status"] == "FILLED"
    (made,) = client.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=taker).body
    assert (made["isMaker"], made["isBuyer"], made["commissionAsset"]) == (False, False, "USDT")
    (seen,) = other.call("GET", "/api/v3/myTrades", symbol="BTCUSDT").body
    assert (seen["isMaker"], seen["isBuyer"], seen["price"]) == (True, True, price)
    (public,) = client.get("/api/v3/trades", symbol="BTCUSDT", limit=1).body
    assert (public["price"], public["tradeType"]) == (price, "ASK")
    cancelled = other.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").body
    assert [row["status"] for row in cancelled] == ["PARTIALLY_CANCELED"]
    assert [row["status"] for row in other.call("GET", "/api/v3/allOrders", symbol="BTCUSDT").body] == [
        "PARTIALLY_CANCELED"
    ]


def test_the_balance_shows_holds(simulator: BackgroundSimulator) -> None:
    poor = NaiveClient(simulator.rest, POOR.api_key, POOR.api_secret)
    place(poor, symbol="MXUSDT", price="2", quantity="10")
    (usdt,) = poor.call("GET", "/api/v3/account").body["balances"]
    assert (Decimal(usdt["free"]), Decimal(usdt["locked"])) == (Decimal(30), Decimal(20))
    poor.close()


def test_a_batch_answers_item_by_item(client: NaiveClient) -> None:
    items = [
        {**GOOD, "newClientOrderId": "b1"},
        {**GOOD, "quantity": "0.00001", "newClientOrderId": "b2"},
        {**GOOD, "side": "up"},
        GOOD,
    ]
    reply = client.call("POST", "/api/v3/batchOrders", batchOrders=orjson.dumps(items).decode())
    assert reply.status == 200
    first, second, third, fourth = reply.body
    assert (first["newClientOrderId"], first["orderListId"]) == ("b1", -1)
    assert (second["newClientOrderId"], second["code"]) == ("b2", 30002)
    assert third == {"msg": third["msg"], "code": 700008}
    assert "newClientOrderId" not in fourth


@pytest.mark.parametrize(
    "batch",
    [
        "nonsense",
        "{}",
        "[]",
        "[1]",
        orjson.dumps([GOOD] * 21).decode(),
        orjson.dumps([GOOD, {**GOOD, "symbol": "ETHUSDT"}]).decode(),
    ],
)
def test_a_wholly_bad_batch_is_refused(client: NaiveClient, batch: str) -> None:
    assert client.call("POST", "/api/v3/batchOrders", batchOrders=batch).code == 730002


def test_self_trade_prevention(client: NaiveClient, other: NaiveClient, simulator: BackgroundSimulator) -> None:
    group = client.call("POST", "/api/v3/strategy/group", tradeGroupName="g").body["data"]["tradeGroupId"]
    uids = ",".join(simulator.exchange.accounts)
    assert client.call("POST", "/api/v3/strategy/group/uid", uid=uids, tradeGroupId=group).body["code"] == 200
    best = client.get("/api/v3/depth", symbol="BTCUSDT", limit=1).body["bids"][0][0]
    price = str(Decimal(best) + Decimal("0.01"))
    resting = place(other, price=price)
    taker = status(client, place(client, side="SELL", price=price, stpMode="cancel_taker"))
    assert (taker["status"], taker["cancelReason"], taker["stpMode"]) == ("CANCELED", "stp_cancel", "cancel_taker")
    assert status(other, resting)["status"] == "NEW"
    rested = place(client, side="SELL", price=price, stpMode="cancel_maker")
    assert status(other, resting)["cancelReason"] == "stp_cancel"
    assert status(client, rested)["status"] == "NEW"
    client.call("DELETE", "/api/v3/strategy/group/uid", uid=uids, tradeGroupId=group)
    assert client.call("DELETE", "/api/v3/strategy/group", tradeGroupId=group).body["data"] is True


def test_groups_refuse_what_they_must(client: NaiveClient) -> None:
    path = "/api/v3/strategy/group"
    for index in range(10):
        assert client.call("POST", path, tradeGroupName=f"g{index}").status == 200
    assert client.call("POST", path, tradeGroupName="g1").code == 730002
    assert client.call("POST", path, tradeGroupName="g11").code == 730003
    assert client.call("DELETE", path, tradeGroupId=1).code == 22222
    assert client.call("POST", path + "/uid", uid="x", tradeGroupId=91).code == 700008


def test_keys_can_be_bound_to_addresses(client: NaiveClient) -> None:
    path = "/api/v3/apiKeyInfo"
    assert client.call("POST", path, apiKey="another", ipWhiteList="127.0.0.1").code == 730706
    assert client.call("POST", path, apiKey=client.api_key, ipWhiteList="nowhere").code == 730704
    many = ",".join(["127.0.0.1"] * 21)
    assert client.call("POST", path, apiKey=client.api_key, ipWhiteList=many).code == 730703
    reply = client.call("POST", path, apiKey=client.api_key, ipWhiteList="203.0.113.1", note="far")
    assert reply.body["ipWhiteList"] == "203.0.113.1"
    assert client.call("GET", "/api/v3/uid").code == 700006


def test_fees_can_be_paid_in_mx(client: NaiveClient) -> None:
    path = "/api/v3/mxDeduct/enable"
    assert client.call("POST", path, mxDeductEnable="yes").code == 700008
    assert client.call("POST", path, mxDeductEnable="true").body["data"] == {"mxDeductEnable": True}
    assert client.call("GET", path).body["data"] == {"mxDeductEnable": True}
    order_id = place(client, type="MARKET", quantity=None, price=None, quoteOrderQty="100")
    made = client.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=order_id).body
    assert {row["commissionAsset"] for row in made} == {"MX"}


@pytest.mark.parametrize("path", ["/api/v3/myTrades", "/api/v3/allOrders"])
def test_spans_and_limits_of_history(client: NaiveClient, path: str) -> None:
    for _ in range(12):
        place(client, type="MARKET", price=None, quantity="0.0001")
    assert len(client.call("GET", path, symbol="BTCUSDT", limit=3).body) == 3
    assert client.call("GET", path, symbol="BTCUSDT", startTime=1, endTime=2).body == []
    assert client.call("GET", path, symbol="BTCUSDT", startTime=2, endTime=1).code == -1128
    assert client.call("GET", path, symbol="BTCUSDT", limit=0).code == 700008
    assert client.call("GET", path, symbol="BTCUSDT", startTime="x").code == 700008
    times = [row["time"] for row in client.call("GET", path, symbol="BTCUSDT").body]
    assert times == sorted(times, reverse=True)
