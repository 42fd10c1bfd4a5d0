"""A simulator with an entry in every history of the wallet, and the parameters to request each."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mexc_async.sim.exchange.accounts import DEFAULT_BALANCES, AccountSpec
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from mexc_async.sim.wallet.wallet import WalletRules
from mexc_async.sim.wallet.withdrawals import Status
from tests.support.naive_client import NaiveClient, now_ms

MAIN = main_account(balances={**DEFAULT_BALANCES, "ADA": Decimal(3), "LTC": Decimal("0.02"), "LVN": Decimal(5)})
FRIEND = AccountSpec(name="friend", api_key="k-friend", api_secret="s-friend", invited_by="main")
OTHER = AccountSpec(name="other", api_key="k-other", api_secret="s-other", invited_by="friend", is_affiliate=False)
CONFIG = SimConfig(
    limits="none", flow=0, accounts=(MAIN, FRIEND, OTHER), wallet=WalletRules(deposit_s=0, withdraw_step_s=3600)
)

Parameters = dict[str, Any]
BUY: Parameters = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
SUB, BROKER_SUB = "shapesub1", "shapesub2"
TYPES: Parameters = {"fromAccountType": "SPOT", "toAccountType": "SPOT"}
TO_FUTURES: Parameters = {"fromAccountType": "SPOT", "toAccountType": "FUTURES", "asset": "USDT", "amount": "10"}


def login(simulator: BackgroundSimulator, spec: AccountSpec) -> NaiveClient:
    return NaiveClient(simulator.rest, spec.api_key, spec.api_secret)


def address(client: NaiveClient, coin: str) -> Parameters:
    """Return an entry of the client's withdrawal address book."""
    entry = client.call("GET", "/api/v3/capital/withdraw/address", coin=coin).body["data"][0]
    return {"coin": coin, "address": entry["address"], "memo": entry["memo"] or "", "netWork": entry["netWork"]}


def fill(simulator: BackgroundSimulator, client: NaiveClient) -> None:
    """Make one entry in each history. `client` is the main account's."""
    for prefix, sub in (("", SUB), ("broker/", BROKER_SUB)):
        named: Parameters = {"subAccount": sub, "note": "shape"}
        client.call("POST", f"/api/v3/{prefix}sub-account/virtualSubAccount", **named)
        client.call("POST", f"/api/v3/{prefix or 'capital/'}sub-account/universalTransfer", **MOVE, toAccount=sub)
    permissions = "SPOT_ACCOUNT_READ,SPOT_DEAL_WRITE"
    made = client.call(
        "POST", "/api/v3/broker/sub-account/apiKey", subAccount=BROKER_SUB, note="n", permissions=permissions
    ).body
    for trader in (
        login(simulator, FRIEND),
        NaiveClient(simulator.rest, made["apikey"], made["secretKey"]),
    ):
        trader.call("POST", "/api/v3/order", **BUY)
        trader.close()
    simulator.call(_deposit)
    sent = {**address(client, "XRP"), "amount": "30", "withdrawOrderId": "w1"}
    sent_id = client.call("POST", "/api/v3/capital/withdraw", **sent).body["id"]
    simulator.call(lambda each: each.wallet.withdrawals.force(sent_id, Status.SUCCESS, now_ms()))
    client.call("POST", "/api/v3/capital/transfer", **TO_FUTURES)
    client.call("POST", "/api/v3/capital/transfer/internal", **INTERNAL)
    client.call("POST", "/api/v3/capital/convert", asset="ADA")
    for path in ("capital/deposit/address", "broker/capital/deposit/subAddress"):
        client.call("POST", f"/api/v3/{path}", coin="USDT", network="TRC20")


MOVE: Parameters = {**TYPES, "asset": "USDT", "amount": "500"}
INTERNAL: Parameters = {"toAccountType": "EMAIL", "toAccount": "other@sim.example", "asset": "MX", "amount": "1"}


def _deposit(simulator: Simulator) -> None:
    currency = simulator.wallet.currencies.get("XRP")
    for account in list(simulator.exchange.accounts.values()):
        simulator.wallet.deposits.arrive(account, currency, currency.networks[0], Decimal(50), now_ms())


def _new_key(client: NaiveClient, prefix: str = "", sub: str = SUB) -> Parameters:
    """Create a key that can be deleted, and return the parameters that name it."""
    named: Parameters = {"subAccount": sub, "note": "n", "permissions": "SPOT_ACCOUNT_READ", "ip": "127.0.0.1"}
    made = client.call("POST", f"/api/v3/{prefix}sub-account/apiKey", **named).body
    return {**named, "apiKey": made.get("apiKey") or made["apikey"]}


def _pending(client: NaiveClient) -> Parameters:
    """Make a withdrawal that can be cancelled."""
    return {"id": client.call("POST", "/api/v3/capital/withdraw", **address(client, "XRP"), amount=20).body["id"]}


def _transferred(client: NaiveClient, name: str) -> Parameters:
    return {name: client.call("POST", "/api/v3/capital/transfer", **TO_FUTURES).body["tranId"]}


def _long_network(client: NaiveClient) -> Parameters:
    return {**address(client, "XRP"), "network": "XRP", "amount": "20"}


PREPARE: dict[str, Callable[[NaiveClient], Parameters]] = {
    "create_sub_account": lambda _: {"subAccount": f"new{now_ms()}", "note": "n"},
    "create_sub_account_api_key": _new_key,
    "list_sub_account_api_keys": _new_key,
    "delete_sub_account_api_key": _new_key,
    "sub_universal_transfer": lambda _: {**MOVE, "amount": "1", "toAccount": SUB},
    "sub_universal_transfer_history": lambda _: {**TYPES, "toAccount": SUB},
    "sub_account_asset": lambda _: {"subAccount": SUB, "accountType": "SPOT"},
    "sub_account_enable_futures": lambda _: {"subAccount": SUB},
    "sub_account_enable_margin": lambda _: {"subAccount": SUB},
    "withdraw": lambda client: {**address(client, "XRP"), "amount": "20"},
    "withdraw_history": lambda _: {"status": 7},
    "withdraw_apply": _long_network,
    "cancel_withdraw": _pending,
    "generate_deposit_address": lambda _: {"coin": "USDT", "network": "TRC20"},
    "deposit_address": lambda _: {"coin": "USDT"},
    "universal_transfer": lambda _: TO_FUTURES,
    "universal_transfer_history": lambda _: TO_FUTURES,
    "universal_transfer_by_id": lambda client: _transferred(client, "tranId"),
    "internal_asset_transfer_record": lambda client: _transferred(client, "transact_id"),
    "internal_transfer": lambda _: INTERNAL,
    "convert_dust": lambda _: {"asset": "LTC,LVN"},
    "broker_create_sub_account": lambda _: {"subAccount": f"new{now_ms()}", "note": "n"},
    "broker_sub_account_status": lambda _: {"subAccount": BROKER_SUB},
    "broker_create_api_key": lambda client: _new_key(client, "broker/", BROKER_SUB),
    "broker_list_api_keys": lambda client: _new_key(client, "broker/", BROKER_SUB),
    "broker_delete_api_key": lambda client: _new_key(client, "broker/", BROKER_SUB),
    "broker_generate_deposit_address": lambda _: {"coin": "USDT", "network": "TRC20"},
    "broker_deposit_address": lambda _: {"coin": "USDT"},
    "broker_withdraw": _long_network,
    "broker_universal_transfer": lambda _: {**MOVE, "amount": "1", "toAccount": BROKER_SUB},
    "broker_universal_transfer_history": lambda _: {**TYPES, "toAccount": BROKER_SUB},
    "broker_enable_futures": lambda _: {"subAccount": BROKER_SUB},
    "broker_once_token": lambda _: {"subAccount": BROKER_SUB},
}
"""Parameters by endpoint. The other endpoints are called without any."""
