"""Subjects that answer every tick with a signed order at its bid; each sends orders as in `order_subjects`.

No order waits for the answer to an earlier one: each order of a peer is a task, the SDK starts its orders in the
callback. Each subject imports its library, so the benchmark measures the installed ones only.
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
    Delivery,
    Pymexc,
    TunedAiohttp,
    TypedMexc,
)
from benchmarks.raw import RawTrader
from benchmarks.ticks import SUBSCRIPTION, Orders
from mexc_async.client.mexc import Mexc
from mexc_async.rest.credentials import Credentials
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import BookTickerPush
from mexc_async.spot.trading import NewOrder


class Trader(Protocol):
    """A client with warm connections for orders, which subscribes at `url`."""

    def __init__(self, url: str) -> None: ...

    async def open(self, port: int, connections: int) -> None: ...

    async def trade(self, orders: Orders) -> None:
        """Subscribe and send orders until cancelled."""
        ...

    async def close(self) -> None: ...


class SdkTrader:
    """The SDK as users run it: a stream to a callback, which starts orders with rules and tracking."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._quantity = Decimal(QUANTITY)

    async def open(self, port: int, connections: int) -> None:
        credentials = Credentials(KEY, SECRET)
        self._mexc = Mexc(credentials, rest=f"http://{HOST}:{port}", ws=self._url, limits="unlimited")
        await self._mexc.__aenter__()
        await self._mexc.warm_up(connections)

    async def trade(self, orders: Orders) -> None:
        order = self._order(orders)

        def on_tick(tick: Push[BookTickerPush]) -> None:
            bid, ask = tick.body.bid_price, tick.body.ask_price
            if bid is not None and ask is not None and ask > bid:
                order(bid)

        async with self._mexc.streams.book_ticker("BTCUSDT", callback=on_tick) as ticks:
            await ticks.wait()

    def _order(self, orders: Orders) -> Callable[[Decimal], None]:
        """Return a function that sends an order at a price."""
        start, quantity = self._mexc.start, self._quantity
        return lambda bid: orders.sent(
            start(NewOrder(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=quantity, price=bid))
        )

    async def close(self) -> None:
        await self._mexc.aclose()


class PreparedTrader(SdkTrader):
    """The SDK with a prepared order."""

    def _order(self, orders: Orders) -> Callable[[Decimal], None]:
        start, quantity = self._mexc.spot.prepare(symbol="BTCUSDT", side="BUY", type="LIMIT").start, self._quantity
        return lambda bid: orders.sent(start(price=bid, quantity=quantity))


class LaneTrader(SdkTrader):
    """The SDK with a prepared order, without rules and tracking."""

    def _order(self, orders: Orders) -> Callable[[Decimal], None]:
        start, quantity = Delivery(self._mexc._api).prepare().start, self._quantity
        return lambda bid: orders.sent(start(price=bid, quantity=quantity))


class AiohttpTrader(TunedAiohttp):
    """aiohttp for both, tuned, and protobuf's runtime in C."""

    def __init__(self, url: str) -> None:
        self._ws = url

    async def trade(self, orders: Orders) -> None:
        index, binary = 0, aiohttp.WSMsgType.BINARY
        async with aiohttp.ClientSession() as session, session.ws_connect(self._ws, compress=0) as socket:
            await socket.send_str(SUBSCRIPTION)
            async for message in socket:
                if message.type is not binary:
                    continue
                ticker = parse(message.data).publicAggreBookTicker
                if ticker.askPrice > ticker.bidPrice:  # texts of equal length compare like numbers
                    index += 1
                    orders.fire(self.order(index, ticker.bidPrice))


class CcxtTrader(Ccxt):
    """ccxt.pro for both."""

    module = "ccxt.pro"

    def __init__(self, url: str) -> None:
        self._ws = url

    async def open(self, port: int, connections: int) -> None:
        await super().open(port, connections)
        self._exchange.urls["api"]["ws"]["spot"] = self._ws

    async def trade(self, orders: Orders) -> None:
        index, watch, order = 0, self._exchange.watch_ticker, self._exchange.create_order
        while True:
            tick = await watch("BTC/USDT")
            index += 1
            own_id = {"clientOrderId": f"c{index:012d}"}
            orders.fire(order("BTC/USDT", "limit", "buy", float(QUANTITY), tick["bid"], own_id))


class AiomexcTrader(Aiomexc):
    """aiomexc, on public trades: it has no book ticker."""

    def __init__(self, url: str) -> None:
        self._ws = url

    async def trade(self, orders: Orders) -> None:
        sockets = import_module("aiomexc.ws.session.aiohttp").AiohttpWsSession
        connect = import_module("aiomexc.ws.connection").WSConnection
        async with aiohttp.ClientSession() as session:
            stream: Any = connect(self._client, sockets(session), base_url=self._ws)

            async def on_deals(message: Any) -> None:
                price = Decimal(message.deals[0].price)
                orders.fire(
                    self._client.create_order(
                        **self._order, quantity=Decimal(QUANTITY), price=price, new_client_order_id="c000000000001"
                    )
                )

            stream.aggre_deals("BTCUSDT", "100ms", handle_as_task=False)(on_deals)  # run as a task it requires a key
            await stream.start_listening()


class PymexcTrader(Pymexc):
    """pymexc's asyncio clients."""

    def __init__(self, url: str) -> None:
        self._ws = url

    async def trade(self, orders: Orders) -> None:
        spot = import_module("pymexc._async.spot")
        stream: Any = type("Local", (spot.WebSocket,), {"is_spot": True})(extend_proto_body=True)
        stream.endpoint = self._ws

        async def on_tick(message: Any) -> None:
            bid = message.publicAggreBookTicker.bidPrice
            orders.fire(
                self._client.order(
                    "BTCUSDT", "BUY", "LIMIT", quantity=QUANTITY, price=bid, new_client_order_id="c000000000001"
                )
            )

        await stream.book_ticker_stream(on_tick, "BTCUSDT", "100ms")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            stream.restart_on_error = False
            stream.exit()


class TypedMexcTrader(TypedMexc):
    """typed-mexc for both; one order at a time, since it runs out of connections once it falls behind."""

    def __init__(self, url: str) -> None:
        self._ws = url

    async def trade(self, orders: Orders) -> None:
        market: Any = import_module("typed_mexc").MEXC.new(KEY, SECRET, spot_ws_url=self._ws).spot.streams.market
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": QUANTITY}
        async with market.book_ticker("100ms", "BTCUSDT") as ticks:
            async for tick in ticks:
                ordered = {**order, "price": str(tick.bid_price), "newClientOrderId": "c000000000001"}
                await self._trade.place_order(ordered)
                orders.traded()


AIOHTTP = "aiohttp for both"
TRADERS: dict[str, type[Trader]] = {
    "raw": RawTrader,
    OWN: SdkTrader,
    f"{OWN} prepared": PreparedTrader,
    LANE: LaneTrader,
    AIOHTTP: AiohttpTrader,
    "ccxt": CcxtTrader,
    "aiomexc": AiomexcTrader,
    "pymexc": PymexcTrader,
    "typed-mexc": TypedMexcTrader,
}


def absent_traders() -> dict[str, str]:
    """List the clients that cannot be measured, with the reasons."""
    missing = {name: "not installed" for name in TRADERS if name in PEERS and find_spec(PEERS[name]) is None}
    return missing | {"python-binance": "has no stream of MEXC's"}
