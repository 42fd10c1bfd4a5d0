"""Universal and internal transfers over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, main_account
from tests.support.naive_client import NaiveClient, now_ms, refused

OWN, INTERNAL = "/api/v3/capital/transfer", "/api/v3/capital/transfer/internal"
WAY: dict[str, Any] = {"fromAccountType": "SPOT", "toAccountType": "FUTURES"}
OTHER = AccountSpec(name="other", api_key="k-o", api_secret="s-o", balances={}, mobile="5550100")
READER = AccountSpec(name="reader", api_key="k-r", api_secret="s-r", permissions=("SPOT_TRANSFER_READ",))


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    return SimConfig(limits="none", flow=0, accounts=(main_account(), OTHER, READER))


def test_a_transfer_is_found_by_its_id_and_in_the_history(client: NaiveClient) -> None:
    made = client.call("POST", OWN, **WAY, asset="USDT", amount="10.50").body["tranId"]
    found = client.call("GET", f"{OWN}/tranId", tranId=made).body
    assert (found["amount"], found["fromAccountType"], found["toAccountType"]) == ("10.5", "SPOT", "FUTURES")
    assert found["timestamp"] % 1000 == 0
    record = client.call("GET", "/api/v3/asset/internal/transfer/record", transact_id=made).body["data"]
    assert (record["from"], record["to"], record["transact_id"]) == ("MAIN", "CONTRACT", made)
    assert client.call("GET", OWN, **WAY).body["rows"][0]["tranId"] == made
    assert client.call("GET", OWN, fromAccountType="FUTURES", toAccountType="SPOT").body == {"rows": [], "total": 0}
    refused(client.call("GET", f"{OWN}/tranId", tranId="nothing"), 22222)
    again = [client.call("POST", OWN, **WAY, asset="USDT", amount="1").body["tranId"] for _ in range(3)]
    page = client.call("GET", OWN, **WAY, size=2, page=1).body
    assert [row["tranId"] for row in page["rows"]] == [again[2], again[1]]
    assert page["total"] == 4
    since = client.call("GET", OWN, **WAY, startTime=now_ms() - 60_000, endTime=now_ms()).body
    assert since["total"] == 4
    assert client.call("GET", OWN, **WAY, startTime=now_ms() + 2000, endTime=now_ms() + 3000).body["total"] == 0


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"asset": "USDT", "amount": "1000000"}, 10101),
        ({"asset": "NOCOIN", "amount": "1"}, 10232),
        ({"amount": "1"}, 10222),
        ({"asset": "USDT"}, 10095),
        ({"asset": "USDT", "amount": "0"}, 10102),
        ({"asset": "USDT", "amount": "-1"}, 10102),
        ({"asset": "USDT", "amount": "0.000000001"}, 10096),
        ({"asset": "USDT", "amount": "1e3"}, 700008),
        ({"asset": "USDT", "amount": "1", "fromAccountType": "spot"}, 700008),
        ({"asset": "USDT", "amount": "1", "toAccountType": "SPOT"}, 10103),
    ],
)
def test_transfers_that_are_refused(client: NaiveClient, parameters: dict[str, Any], code: int) -> None:
    refused(client.call("POST", OWN, **{**WAY, **parameters}), code)
    assert client.call("GET", OWN, **WAY).body["total"] == 0


def test_a_key_without_the_permission_moves_nothing(mexc_sim: BackgroundSimulator) -> None:
    reader = NaiveClient(mexc_sim.rest, READER.api_key, READER.api_secret)
    refused(reader.call("POST", OWN, **WAY, asset="USDT", amount="1"), 700007)
    assert reader.call("GET", OWN, **WAY).status == 200
    reader.close()


@pytest.mark.parametrize("named", [("EMAIL", "other@sim.example"), ("MOBILE", "5550100"), ("UID", "20930284")])
def test_money_is_sent_to_another_user(
    mexc_sim: BackgroundSimulator, client: NaiveClient, named: tuple[str, str]
) -> None:
    to: dict[str, Any] = dict(zip(("toAccountType", "toAccount"), named, strict=True))
    made = client.call("POST", INTERNAL, **to, asset="MX", amount="3").body["tranId"]
    other = NaiveClient(mexc_sim.rest, OTHER.api_key, OTHER.api_secret)
    assert other.call("GET", "/api/v3/account").body["balances"][0]["free"] == "3"
    for party in (client, other):
        page = party.call("GET", INTERNAL, tranId=made).body
        assert page["totalRecords"] == 1
        assert (page["data"][0]["fromAccount"], page["data"][0]["toAccount"]) == ("main@sim.example", named[1])
    assert client.call("GET", INTERNAL, tranId="").body["totalRecords"] == 1
    refused(client.call("POST", INTERNAL, toAccountType="UID", toAccount="1", asset="MX", amount="1"), 10001)
    refused(client.call("POST", INTERNAL, **to, asset="MX", amount="1000000"), 10101)
    own: dict[str, Any] = {"toAccountType": "EMAIL", "toAccount": "main@sim.example"}
    refused(client.call("POST", INTERNAL, **own, asset="MX", amount="1"), 10103)
    other.close()
