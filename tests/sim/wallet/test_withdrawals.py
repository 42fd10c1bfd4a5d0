"""Deposits and withdrawals: their life cycles, addresses, fees and refusals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec, WithdrawAddress
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, main_account
from mexc_async.sim.wallet.back_office import AddressOrder, DepositOrder, WithdrawalOrder
from mexc_async.sim.wallet.currencies import SEEDED
from mexc_async.sim.wallet.wallet import WalletRules
from tests.support import wallet_world
from tests.support.naive_client import NaiveClient, now_ms, refused

D = Decimal
DAY = 86_400_000
SEND, SENT = "/api/v3/capital/withdraw", "/api/v3/capital/withdraw/history"
ADDRESS, ARRIVED = "/api/v3/capital/deposit/address", "/api/v3/capital/deposit/hisrec"
OTHER = AccountSpec(name="other", api_key="k-o", api_secret="s-o", balances={})


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    slow = WalletRules(deposit_s=3600, withdraw_step_s=3600)
    return SimConfig(limits="none", flow=0, accounts=(main_account(), OTHER), wallet=slow)


def balance(client: NaiveClient, asset: str) -> tuple[str, str]:
    rows = client.call("GET", "/api/v3/account").body["balances"]
    return next(((row["free"], row["locked"]) for row in rows if row["asset"] == asset), ("0", "0"))


def later(sim: BackgroundSimulator, hours: float) -> None:
    """Advance the wallet by `hours`."""
    sim.call(lambda simulator: simulator.wallet.advance(now_ms() + int(hours * 3_600_000)))


def usdt(client: NaiveClient, **more: Any) -> dict[str, Any]:
    return {**wallet_world.address(client, "USDT"), "amount": "100", **more}


# Withdrawals


def test_a_withdrawal_takes_its_steps(mexc_sim: BackgroundSimulator, client: NaiveClient) -> None:
    made = client.call("POST", SEND, **usdt(client, withdrawOrderId="w-1", remark="rent")).body["id"]
    assert balance(client, "USDT") == ("99900", "100")
    seen = []
    for step in range(7):
        later(mexc_sim, step + 0.5)
        (row,) = client.call("GET", SENT).body
        seen.append((row["status"], row["transHash"] is not None))
    assert seen == [(n, n >= 5) for n in range(1, 8)]
    assert (row["id"], row["withdrawOrderId"], row["remark"]) == (made, "w-1", "rent")
    assert (row["amount"], row["transactionFee"], row["coin"], row["netWork"]) == ("100", "1", "USDT-TRX", "TRX")
    assert row["applyTime"] % 1000 == 0
    assert balance(client, "USDT") == ("99900", "0")
    refused(client.call("DELETE", SEND, id=made), 10211)


@pytest.mark.parametrize("include_fee", ["true", "false"])
def test_include_fee_is_accepted_and_changes_nothing(client: NaiveClient, include_fee: str) -> None:
    """No source describes its effect."""
    client.call("POST", SEND, **usdt(client, includeFee=include_fee))
    assert balance(client, "USDT") == ("99900", "100")
    refused(client.call("POST", SEND, **usdt(client, includeFee="yes")), 700008)


def test_a_withdrawal_is_cancelled_until_it_is_processed(mexc_sim: BackgroundSimulator, client: NaiveClient) -> None:
    first, second = (client.call("POST", SEND, **usdt(client)).body["id"] for _ in range(2))
    assert client.call("DELETE", SEND, id=first).body == {"id": first}
    assert balance(client, "USDT") == ("99900", "100")
    later(mexc_sim, 3.5)
    refused(client.call("DELETE", SEND, id=second), 10211)
    refused(client.call("DELETE", SEND, id=first), 10211)
    refused(client.call("DELETE", SEND, id="nothing"), 22222)
    assert [row["status"] for row in client.call("GET", SENT).body] == [4, 9]
    assert [row["id"] for row in client.call("GET", SENT, status=9).body] == [first]


def test_a_withdrawal_that_fails_gives_its_money_back(mexc_sim: BackgroundSimulator, client: NaiveClient) -> None:
    made = client.call("POST", SEND, **usdt(client)).body["id"]
    mexc_sim.call(lambda simulator: simulator.order(WithdrawalOrder(id=made, status="MANUAL")))
    later(mexc_sim, 100)
    assert client.call("GET", SENT).body[0]["status"] == 10
    mexc_sim.call(lambda simulator: simulator.order(WithdrawalOrder(id=made, status="FAILED")))
    assert balance(client, "USDT") == ("100000", "0")
    with pytest.raises(ValueError, match="is final: FAILED"):
        mexc_sim.call(lambda simulator: simulator.order(WithdrawalOrder(id=made, status="SUCCESS")))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"coin": "NOCOIN"}, 10232),
        ({"coin": ""}, 700004),
        ({"address": ""}, 700004),
        ({"netWork": ""}, 700004),
        ({"netWork": "DOGE"}, 33333),
        ({"netWork": "TRC20"}, 33333),
        ({"amount": ""}, 10095),
        ({"amount": "0"}, 10102),
        ({"amount": "9.99"}, 10097),
        ({"amount": "99999999"}, 10097),
        ({"amount": "10.0000001"}, 10096),
        ({"amount": "100001"}, 10101),
        ({"address": "TSomebodyElsesAddress"}, 10212),
        ({"remark": "x" * 201}, 10268),
    ],
)
def test_withdrawals_that_are_refused(client: NaiveClient, change: dict[str, Any], code: int) -> None:
    refused(client.call("POST", SEND, **{**usdt(client), **change}), code)
    assert client.call("GET", SENT).body == []
    assert balance(client, "USDT") == ("100000", "0")


def test_a_withdraw_order_id_is_used_once(client: NaiveClient) -> None:
    assert client.call("POST", SEND, **usdt(client, withdrawOrderId="same")).status == 200
    refused(client.call("POST", SEND, **usdt(client, withdrawOrderId="same")), 730002)
    assert client.call("POST", SEND, **usdt(client, withdrawOrderId="other")).status == 200
    assert balance(client, "USDT") == ("99800", "200")


def test_a_network_with_memos_needs_the_right_one(client: NaiveClient) -> None:
    right = {**wallet_world.address(client, "XRP"), "amount": "25"}
    refused(client.call("POST", SEND, **{**right, "memo": ""}), 700004)
    refused(client.call("POST", SEND, **{**right, "memo": "1"}), 10212)
    assert client.call("POST", SEND, **right).status == 200


def test_the_older_form_takes_the_long_name_of_the_network(client: NaiveClient) -> None:
    old = "/api/v3/capital/withdraw/apply"
    assert client.call("POST", old, **usdt(client, network="TRC20")).body[0].keys() == {"id"}
    refused(client.call("POST", old, **usdt(client, network="TRX")), 33333)


def test_a_closed_network_sends_and_takes_nothing(mexc_sim: BackgroundSimulator) -> None:
    rich = main_account(balances={"LOKA": D(100)})
    with BackgroundSimulator(SimConfig(limits="none", flow=0, accounts=(rich,))) as simulator:
        client = NaiveClient(simulator.rest, rich.api_key, rich.api_secret)
        refused(client.call("POST", SEND, **wallet_world.address(client, "LOKA"), amount="50"), 11444)
        assert client.call("POST", ADDRESS, coin="LOKA", network="ERC20").status == 200
        refused(client.call("POST", ADDRESS, coin="LVN", network="BEP20(BSC)"), 10216)
        client.close()


def test_a_withdrawal_to_an_account_of_the_exchange_arrives_there(
    mexc_sim: BackgroundSimulator, client: NaiveClient
) -> None:
    other = NaiveClient(mexc_sim.rest, OTHER.api_key, OTHER.api_secret)
    (to,) = other.call("POST", ADDRESS, coin="USDT", network="TRC20").body
    send: dict[str, Any] = {"coin": "USDT", "netWork": "TRX", "address": to["address"], "amount": "100"}
    refused(client.call("POST", SEND, **send), 10212)
    entry = WithdrawAddress(coin="USDT", network="TRX", address=to["address"], label="friend")
    mexc_sim.call(lambda simulator: simulator.order(AddressOrder(address=entry)))
    book = client.call("GET", "/api/v3/capital/withdraw/address", coin="USDT", limit=2, page=3).body
    assert (book["totalRecords"], book["totalPageNum"], book["data"][0]["addressTag"]) == (5, 3, "friend")
    assert client.call("POST", SEND, **send).status == 200
    later(mexc_sim, 6.5)
    later(mexc_sim, 8)
    assert client.call("GET", SENT).body[0]["transferType"] == 1
    assert balance(other, "USDT") == ("99", "0")
    other.close()


@pytest.mark.parametrize("path", [SENT, ARRIVED])
def test_histories_reach_seven_days_a_call_and_ninety_in_all(client: NaiveClient, path: str) -> None:
    now = now_ms()
    assert client.call("GET", path, startTime=now - 7 * DAY, endTime=now).status == 200
    assert client.call("GET", path, startTime=now - 89 * DAY, endTime=now - 83 * DAY).status == 200
    refused(client.call("GET", path, startTime=now - 8 * DAY, endTime=now), 400)
    refused(client.call("GET", path, startTime=now - 91 * DAY, endTime=now - 90 * DAY), 400)
    refused(client.call("GET", path, startTime=now, endTime=now - 1), -1128)


# Deposits


def test_a_deposit_is_credited_when_it_has_its_confirmations(
    mexc_sim: BackgroundSimulator, client: NaiveClient
) -> None:
    assert client.call("GET", ADDRESS, coin="USDT").body == []
    (address,) = client.call("POST", ADDRESS, coin="USDT", network="BEP20(BSC)").body
    assert client.call("GET", ADDRESS, coin="USDT", network="BEP20(BSC)").body == [address]
    assert client.call("GET", ADDRESS, coin="USDT", network="TRC20").body == []
    order = DepositOrder(coin="USDT", network="BSC", amount=D("12.5"), tx_id="0xabc:0")
    assert mexc_sim.call(lambda simulator: simulator.order(order))["address"] == address["address"]
    later(mexc_sim, 0.5)
    (row,) = client.call("GET", ARRIVED).body
    assert (row["status"], row["confirmTimes"], row["unlockConfirm"], row["coin"]) == (4, "30", "61", "USDT-BSC")
    assert balance(client, "USDT") == ("100000", "0")
    later(mexc_sim, 1.01)
    (row,) = client.call("GET", ARRIVED, coin="USDT").body
    assert (row["status"], row["confirmTimes"], row["txId"], row["transHash"]) == (5, "61", "0xabc:0", "0xabc")
    assert balance(client, "USDT") == ("100012.5", "0")
    assert client.call("GET", ARRIVED, status=4).body == []
    assert client.call("GET", ARRIVED, coin="USDT-BSC", status=5).body == [row]
    assert client.call("GET", ARRIVED, coin="XRP").body == []


def test_addresses_of_memo_networks_differ_by_memo_alone(mexc_sim: BackgroundSimulator, client: NaiveClient) -> None:
    other = NaiveClient(mexc_sim.rest, OTHER.api_key, OTHER.api_secret)
    mine, theirs = (each.call("POST", ADDRESS, coin="XRP", network="XRP").body[0] for each in (client, other))
    assert mine["address"] == theirs["address"]
    assert mine["memo"] != theirs["memo"]
    refused(client.call("POST", ADDRESS, coin="XRP", network="TRC20"), 33333)
    other.close()


# The table


def test_the_currency_table_lets_every_open_network_be_used() -> None:
    for currency in SEEDED:
        assert len({network.short for network in currency.networks}) == len(currency.networks) > 0
        for network in currency.networks:
            assert network.coin == currency.coin
            assert 0 < network.fee < network.least < network.most
            assert network.confirmations > 0
            if network.step is not None:
                assert network.least % network.step == 0
