"""Ways to answer every tick with a signed order at its bid; the order is sent as in `order_subjects`.

Peers are imported where they are used, so that one is measured only where it is installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import aiohttp

from benchmarks.decode import parse
from benchmarks.harness import OWN
from benchmarks.order_subjects import (
    HOST,
    KEY,
    LANE,
    PEERS,
    QUANTITY,
    SECRET,
    Aiomexc,
    Ccxt,
    Pymexc,
    TunedAiohttp,
    TypedMexc,
)
from benchmarks.raw import RawTrader
from benchmarks.ticks import SUBSCRIPTION
from mexc_async.client import Mexc
from mexc_async.core.credentials import Credentials
from mexc_async.net.api import Options
from mexc_async.net.order_ids import OrderIds
from mexc_async.spot.trading import NewOrder

Traded = Callable[[], None]


class Trader(Protocol):
    """A client with warm connections for its orders, which subscribes at `url`."""

    def __init__(self, url: str) -> None: ...

    async def open(self, port: int, connections: int) -> None: ...

    async def trade(self, traded: Traded) -> None:
        """Subscribe and order until cancelled; `traded` is called when an order was answered."""
        ...

    async def close(self) -> None: ...


class SdkTrader:
    """The SDK as users have it: a stream read by `async for`, orders with rules and tracking."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._quantity = Decimal(QUANTITY)

    async def open(self, port: int, connections: int) -> None:
        credentials = Credentials(KEY, SECRET)
        self._mexc = Mexc(credentials, rest=f"http://{HOST}:{port}", ws=self._url, limits="unlimited")
        await self._mexc.__aenter__()
        await self._mexc.warm_up(connections)

    async def trade(self, traded: Traded) -> None:
        new_order, quantity = self._mexc.spot.new_order, self._quantity
        async with self._mexc.streams.book_ticker("BTCUSDT") as ticks:
            async for tick in ticks:
                bid, ask = tick.body.bid_price, tick.body.ask_price
                if bid is not None and ask is not None and ask > bid:
                    await new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=quantity, price=bid)
                    traded()

    async def close(self) -> None:
        await self._mexc.aclose()


class LaneTrader(SdkTrader):
    """The same without rules and tracking."""

    async def trade(self, traded: Traded) -> None:
        deliver, quantity, options, ids = self._mexc._api.deliver, self._quantity, Options(), OrderIds()
        async with self._mexc.streams.book_ticker("BTCUSDT") as ticks:
            async for tick in ticks:
                bid, ask = tick.body.bid_price, tick.body.ask_price
                if bid is not None and ask is not None and ask > bid:
                    order = NewOrder(
                        symbol="BTCUSDT",
                        side="BUY",
                        type="LIMIT",
                        quantity=quantity,
                        price=bid,
                        new_client_order_id=ids.next(),
                    )
                    await deliver(order, options)
                    traded()


class AiohttpTrader(TunedAiohttp):
    """aiohttp for both, tuned, and protobuf's runtime in C."""

    def __init__(self, url: str) -> None:
        self._ws = url

    async def trade(self, traded: Traded) -> None:
        index, binary = 0, aiohttp.WSMsgType.BINARY
        async with aiohttp.ClientSession() as session, session.ws_connect(self._ws, compress=0) as socket:
            await socket.send_str(SUBSCRIPTION)
            async for message in socket:
                if message.type is not binary:
                    continue
                ticker = parse(message.data).publicAggreBookTicker
                if ticker.askPrice > ticker.bidPrice:  # text of the same length
                    index += 1
                    await self.order(index, ticker.bidPrice)
                    traded()


class CcxtTrader(Ccxt):
    """ccxt.pro for both."""

    module = "ccxt.pro"

    def __init__(self, url: str) -> None:
        self._ws = url

    async def open(self, port: int, connections: int) -> None:
        await super().open(port, connections)
        self._exchange.urls["api"]["ws"]["spot"] = self._ws

    async def trade(self, traded: Traded) -> None:
        index, watch, order = 0, self._exchange.watch_ticker, self._exchange.create_order
        while True:
            tick = await watch("BTC/USDT")
            index += 1
            own_id = {"clientOrderId": f"c{index:012d}"}
            await order("BTC/USDT", "limit", "buy", float(QUANTITY), tick["bid"], own_id)
            traded()


class AiomexcTrader(Aiomexc):
    """aiomexc, on deals: it has no book ticker."""

    def __init__(self, url: str) -> None:
        self._ws = url

    async def trade(self, traded: Traded) -> None:
        sockets = import_module("aiomexc.ws.session.aiohttp").AiohttpWsSession
        connect = import_module("aiomexc.ws.connection").WSConnection
        async with aiohttp.ClientSession() as session:
            stream: Any = connect(self._client, sockets(session), base_url=self._ws)

            async def on_deals(message: Any) -> None:
                price = Decimal(message.deals[0].price)
                await self._client.create_order(
                    **self._order, quantity=Decimal(QUANTITY), price=price, new_client_order_id="c000000000001"
                )
                traded()

            stream.aggre_deals("BTCUSDT", "100ms", handle_as_task=False)(on_deals)  # as a task it asks for a key
            await stream.start_listening()


class PymexcTrader(Pymexc):
    """pymexc's asyncio clients."""

    def __init__(self, url: str) -> None:
        self._ws = url

    async def trade(self, traded: Traded) -> None:
        spot = import_module("pymexc._async.spot")
        stream: Any = type("Local", (spot.WebSocket,), {"is_spot": True})(extend_proto_body=True)
        stream.endpoint = self._ws

        async def on_tick(message: Any) -> None:
            bid = message.publicAggreBookTicker.bidPrice
            await self._client.order(
                "BTCUSDT", "BUY", "LIMIT", quantity=QUANTITY, price=bid, new_client_order_id="c000000000001"
            )
            traded()

        await stream.book_ticker_stream(on_tick, "BTCUSDT", "100ms")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            stream.restart_on_error = False
            stream.exit()


class TypedMexcTrader(TypedMexc):
    """typed-mexc for both."""

    def __init__(self, url: str) -> None:
        self._ws = url

    async def trade(self, traded: Traded) -> None:
        market: Any = import_module("typed_mexc").MEXC.new(KEY, SECRET, spot_ws_url=self._ws).spot.streams.market
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": QUANTITY}
        async with market.book_ticker("100ms", "BTCUSDT") as ticks:
            async for tick in ticks:
                ordered = {**order, "price": str(tick.bid_price), "newClientOrderId": "c000000000001"}
                await self._trade.place_order(ordered)
                traded()


AIOHTTP = "aiohttp for both"
TRADERS: dict[str, type[Trader]] = {
    "raw": RawTrader,
    OWN: SdkTrader,
    LANE: LaneTrader,
    AIOHTTP: AiohttpTrader,
    "ccxt": CcxtTrader,
    "aiomexc": AiomexcTrader,
    "pymexc": PymexcTrader,
    "typed-mexc": TypedMexcTrader,
}


def absent_traders() -> dict[str, str]:
    """Clients that cannot be measured, and why."""
    missing = {name: "not installed" for name in TRADERS if name in PEERS and find_spec(PEERS[name]) is None}
    return missing | {"python-binance": "has no stream of MEXC's"}
