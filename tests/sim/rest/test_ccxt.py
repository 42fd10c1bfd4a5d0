"""An unmodified third-party client against the simulator. The test runs if ccxt is installed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, main_account
from mexc_async.sim.wallet.back_office import DepositOrder
from mexc_async.sim.wallet.wallet import WalletRules

ccxt: Any = pytest.importorskip("ccxt", reason="ccxt is not installed")


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    other = AccountSpec(name="other", api_key="sim-other", api_secret="sim-other-secret")
    return SimConfig(accounts=(main_account(), other), wallet=WalletRules(deposit_s=0, withdraw_step_s=0))


def urls(sim: BackgroundSimulator) -> dict[str, dict[str, str]]:
    """Return the URLs of each part of the API, the only setting of the client that changes."""
    contract = f"{sim.rest}/api/v1"
    return {
        "spot": {"public": sim.rest, "private": sim.rest},
        "contract": {"public": f"{contract}/contract", "private": f"{contract}/private"},
        "broker": {"private": f"{sim.rest}/api/v3/broker"},
    }


@pytest.fixture
def exchange(mexc_sim: BackgroundSimulator) -> Any:
    client = ccxt.mexc({"apiKey": mexc_sim.api_key, "secret": mexc_sim.api_secret})
    client.urls["api"].update(urls(mexc_sim))
    client.load_markets()
    return client


def test_market_data(exchange: Any) -> None:
    symbol = "BTC/USDT"
    assert exchange.market(symbol)["active"]
    assert exchange.fetch_ticker(symbol)["last"] > 0
    assert len(exchange.fetch_tickers()) == 14
    assert len(exchange.fetch_order_book(symbol, 5)["bids"]) == 5
    assert len(exchange.fetch_trades(symbol, limit=3)) == 3
    assert len(exchange.fetch_ohlcv(symbol, "1h", limit=10)) == 10


def test_orders(exchange: Any) -> None:
    symbol = "BTC/USDT"
    order = exchange.create_order(symbol, "limit", "buy", 0.001, 60000)
    assert exchange.fetch_order(order["id"], symbol)["status"] == "open"
    assert [row["id"] for row in exchange.fetch_open_orders(symbol)] == [order["id"]]
    assert exchange.fetch_balance()["USDT"]["used"] > 0
    assert exchange.cancel_order(order["id"], symbol)["status"] == "canceled"
    sold = exchange.create_order(symbol, "market", "sell", 0.001)
    assert exchange.fetch_order(sold["id"], symbol)["status"] == "closed"
    assert exchange.fetch_my_trades(symbol)[0]["order"] == sold["id"]
    last = exchange.fetch_ticker("ETH/USDT")["last"]
    at_once = exchange.create_order("ETH/USDT", "limit", "buy", 0.01, last * 1.01, {"timeInForce": "IOC"})
    assert exchange.fetch_order(at_once["id"], "ETH/USDT")["status"] == "closed"
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.create_order(symbol, "limit", "buy", 10, 60000)


def test_currencies_know_their_networks(exchange: Any) -> None:
    usdt = exchange.currencies["USDT"]
    assert usdt["networks"].keys() == {"TRC20", "ERC20", "BEP20", "SOL"}
    assert usdt["networks"]["TRC20"]["fee"] == 1
    assert usdt["networks"]["TRC20"]["deposit"]
    assert not exchange.currencies["LOKA"]["networks"]["ERC20"]["withdraw"]
    assert exchange.fetch_deposit_withdraw_fees(["USDT"])["USDT"]["networks"]["TRC20"]["withdraw"]["fee"] == 1


def test_transfers(exchange: Any) -> None:
    made = exchange.transfer("USDT", 12.5, "spot", "swap")
    assert exchange.fetch_transfer(made["id"])["amount"] == 12.5
    way = {"fromAccountType": "SPOT", "toAccountType": "FUTURES"}
    (row,) = exchange.fetch_transfers("USDT", None, 10, way)
    assert (row["id"], row["status"], row["toAccount"]) == (made["id"], "ok", "swap")
    assert exchange.fetch_balance()["USDT"]["free"] == 99987.5
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.transfer("USDT", 1000000, "spot", "swap")


def test_deposits(exchange: Any, mexc_sim: BackgroundSimulator) -> None:
    assert exchange.fetch_deposit_addresses_by_network("USDT") == {}
    exchange.create_deposit_address("USDT", {"network": "TRC20"})
    address = exchange.fetch_deposit_address("USDT", {"network": "TRC20"})
    arrival = DepositOrder(coin="USDT", network="TRX", amount=Decimal(55))
    mexc_sim.call(lambda simulator: simulator.order(arrival))
    (row,) = exchange.fetch_deposits("USDT")
    assert (row["status"], row["amount"], row["network"], row["address"]) == ("ok", 55, "TRC20", address["address"])
    assert exchange.fetch_balance()["USDT"]["free"] == 100055


def test_withdrawals(exchange: Any) -> None:
    entry = exchange.spotPrivateGetCapitalWithdrawAddress({"coin": "XRP"})["data"][0]
    made = exchange.withdraw("XRP", 25, entry["address"], {"network": "XRP", "tag": entry["memo"]})
    (row,) = exchange.fetch_withdrawals("XRP")
    assert (row["id"], row["amount"], row["fee"]["cost"], row["status"]) == (made["id"], 24.8, 0.2, "ok")
    with pytest.raises(ccxt.BadRequest, match="10212"):
        exchange.withdraw("USDT", 20, "TSomebodyElsesAddress", {"network": "TRC20"})
    inside = {"internal": True, "toAccountType": "EMAIL"}
    assert exchange.withdraw("USDT", 20, "other@sim.example", inside)["id"]


async def test_streams(mexc_sim: BackgroundSimulator) -> None:
    pro: Any = pytest.importorskip("ccxt.pro", reason="ccxt is not installed")
    client = pro.mexc({"apiKey": mexc_sim.api_key, "secret": mexc_sim.api_secret})
    client.urls["api"].update(urls(mexc_sim))
    client.urls["api"]["ws"]["spot"] = mexc_sim.spot_ws
    symbol = "BTC/USDT"
    try:
        async with asyncio.timeout(30):
            await client.load_markets()
            assert (await client.watch_ticker(symbol))["bid"] > 0
            assert (await client.watch_ohlcv(symbol, "1m"))[-1][4] > 0
            assert (await client.watch_trades(symbol))[-1]["price"] > 0
            book = await client.watch_order_book(symbol)
            assert book["bids"][0][0] < book["asks"][0][0]
            watched = [
                asyncio.create_task(each)
                for each in (client.watch_balance(), client.watch_my_trades(symbol), client.watch_orders(symbol))
            ]
            while mexc_sim.call(lambda simulator: simulator.sockets.private_topics) < len(watched):
                await client.watch_ticker(symbol)
            sold = await client.create_order(symbol, "market", "sell", 0.001)
            balance, trades, orders = await asyncio.gather(*watched)
            assert orders[-1]["id"] == sold["id"]
            assert trades[-1]["order"] == sold["id"]
            assert balance["BTC"]["free"] == 1.999
    finally:
        await client.close()
