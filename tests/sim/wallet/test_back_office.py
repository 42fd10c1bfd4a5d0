"""Back-office commands about funds, keys and accounts over HTTP, with invalid ones."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from mexc_async.sim.wallet.wallet import WalletRules
from tests.support import wallet_world
from tests.support.naive_client import NaiveClient, Reply


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    rules = WalletRules(deposit_s=0, withdraw_step_s=3600)
    return SimConfig(limits="none", flow=0, control=True, wallet=rules)


def order(client: NaiveClient, path: str, **what: Any) -> Reply:
    return client.send("POST", f"/sim/{path}", orjson.dumps(what).decode())


def test_a_deposit_arrives_where_it_is_sent(client: NaiveClient) -> None:
    made = order(client, "deposits", coin="DOGE", amount="12").body
    (row,) = client.call("GET", "/api/v3/capital/deposit/hisrec").body
    assert (row["txId"], row["address"], row["amount"]) == (made["txId"], made["address"], "12")
    by_mail = order(client, "deposits", account="main@sim.example", coin="USDT", network="ETH", amount="1").body
    assert by_mail["uid"] == made["uid"]


def test_the_clerk_decides_about_a_withdrawal(client: NaiveClient) -> None:
    sent = {**wallet_world.address(client, "USDT"), "amount": "20"}
    made = client.call("POST", "/api/v3/capital/withdraw", **sent).body["id"]
    assert order(client, "withdrawals", id=made, status="SUCCESS").body == {"id": made, "status": "SUCCESS"}
    assert client.call("GET", "/api/v3/capital/withdraw/history").body[0]["status"] == 7


def test_an_address_is_added_to_the_book(client: NaiveClient) -> None:
    entry = {"coin": "BTC", "network": "BTC", "address": "bc1qcold"}
    assert order(client, "addresses", address=entry).status == 200
    send: dict[str, Any] = {"coin": "BTC", "netWork": "BTC", "address": "bc1qcold", "amount": "0.5"}
    assert client.call("POST", "/api/v3/capital/withdraw", **send).status == 200


def test_a_key_is_made_older(client: NaiveClient) -> None:
    assert order(client, "keys", api_key=client.api_key, age_days=89.5).body == {"remainingValidity": 1}
    assert client.call("GET", "/api/v3/uid").status == 200
    order(client, "keys", api_key=client.api_key, age_days=90)
    assert client.call("GET", "/api/v3/uid").code == 700002
    order(client, "keys", api_key=client.api_key, age_days=0)
    assert client.call("GET", "/api/v3/uid").status == 200


@pytest.mark.parametrize(
    ("path", "what", "text"),
    [
        ("deposits", {"coin": "USDT"}, "missing required field `amount`"),
        ("deposits", {"coin": "USDT", "amount": "0"}, "amount 0 is not positive"),
        ("deposits", {"coin": "USDT", "amount": "NaN"}, "amount NaN is not positive"),
        ("deposits", {"coin": "USDT", "amount": "1", "account": "nobody"}, "unknown account 'nobody'"),
        ("deposits", {"coin": "NOCOIN", "amount": "1"}, "The currency not exist"),
        ("deposits", {"coin": "USDT", "network": "NONET", "amount": "1"}, "The network does not exist"),
        ("withdrawals", {"id": "x", "status": "SUCCESS"}, "unknown withdrawal 'x'"),
        ("withdrawals", {"id": "x", "status": "GONE"}, "Invalid enum value 'GONE'"),
        ("keys", {"api_key": "x", "age_days": 1}, "unknown API key 'x'"),
        ("keys", {"api_key": "x", "age_days": -1}, "Expected `float` >= 0"),
        ("sub-accounts", {"sub_account": "nobody12"}, "The sub-account does not exist."),
        ("addresses", {"address": {"coin": "BTC"}}, "missing required field `network`"),
    ],
)
def test_wrong_orders_are_refused_in_one_line(client: NaiveClient, path: str, what: dict[str, Any], text: str) -> None:
    reply = order(client, path, **what)
    assert reply.status == 400
    assert text in reply.body["msg"]


def test_nothing_is_taken_without_being_switched_on() -> None:
    with BackgroundSimulator(SimConfig(flow=0)) as simulator:
        client = NaiveClient(simulator.rest, simulator.api_key, simulator.api_secret)
        assert order(client, "deposits", coin="USDT", amount="1").status == 404
        client.close()


@pytest.mark.parametrize("rules", [{"deposit_s": -1}, {"withdraw_step_s": 100_000}])
def test_times_that_cannot_be(rules: dict[str, float]) -> None:
    (name,) = rules
    with pytest.raises(ValueError, match=f"{name} .* is not between 0 and 86400"):
        WalletRules(**rules)
