"""An unmodified client written by others works against the simulator; runs where ccxt is installed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mexc_async.sim.background import BackgroundSimulator

ccxt: Any = pytest.importorskip("ccxt", reason="ccxt is not installed")


@pytest.fixture
def exchange(mexc_sim: BackgroundSimulator) -> Any:
    client = ccxt.mexc({"apiKey": mexc_sim.api_key, "secret": mexc_sim.api_secret})
    client.urls["api"]["spot"] = {"public": mexc_sim.rest, "private": mexc_sim.rest}
    client.has["fetchCurrencies"] = False
    client.fetch_swap_markets = lambda params=None: []
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


async def test_streams(mexc_sim: BackgroundSimulator) -> None:
    pro: Any = pytest.importorskip("ccxt.pro", reason="ccxt is not installed")
    client = pro.mexc({"apiKey": mexc_sim.api_key, "secret": mexc_sim.api_secret})
    client.urls["api"]["spot"] = {"public": mexc_sim.rest, "private": mexc_sim.rest}
    client.urls["api"]["ws"]["spot"] = mexc_sim.spot_ws
    client.options["watchOrderBook"]["snapshotDelay"] = 3
    client.has["fetchCurrencies"] = False

    async def no_swaps(params: object = None) -> list[object]:
        return []

    client.fetch_swap_markets = no_swaps
    symbol = "BTC/USDT"
    try:
        async with asyncio.timeout(30):
            await client.load_markets()
            assert (await client.watch_ticker(symbol))["bid"] > 0
            assert (await client.watch_ohlcv(symbol, "1m"))[-1][4] > 0
            assert (await client.watch_trades(symbol))[-1]["price"] > 0
            book = await client.watch_order_book(symbol)
            assert book["bids"][0][0] < book["asks"][0][0]
            watched = [asyncio.create_task(client.watch_balance()), asyncio.create_task(client.watch_my_trades(symbol))]
            while mexc_sim.call(lambda simulator: simulator.sockets.private_topics) < 2:
                await client.watch_ticker(symbol)
            sold = await client.create_order(symbol, "market", "sell", 0.001)
            balance, trades = await asyncio.gather(*watched)
            assert trades[-1]["order"] == sold["id"]
            assert balance["BTC"]["free"] == 1.999
    finally:
        await client.close()
