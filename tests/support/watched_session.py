"""One whole session of a simulated client, in a process that may connect to this machine only.

Run as `python -m tests.support.watched_session REST TRANSPORT`, with the key in MEXC_API_KEY and MEXC_API_SECRET.
Prints the hosts that the process looked up or connected to.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from mexc_async.client.mexc import Mexc
from mexc_async.contrib.keyed_orders import KeyedOrders
from mexc_async.rest.credentials import Credentials
from mexc_async.spot.trading import NewOrder
from mexc_async.streams.websocket import Library
from tests.support.command import invoke
from tests.support.settings import flat

HERE = ("127.0.0.1", "localhost", "::1")
BTC = "BTCUSDT"
LOW: dict[str, Any] = {"symbol": BTC, "quantity": Decimal("0.001"), "price": Decimal(20000)}
asked: set[str] = set()


def note(event: str, arguments: tuple[Any, ...]) -> None:
    """Record a host; refuse connections to any but this machine."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host)
    asked.add(host)
    if host not in HERE:
        raise ConnectionRefusedError(f"{host} is not this machine")


async def listen(mexc: Mexc) -> None:
    """Use streams and books, public and private."""
    async with mexc.streams.trades(BTC), mexc.streams.orders() as orders, mexc.books([BTC, "ETHUSDT"]) as books:
        await books.synced()
        ack = await mexc.spot.new_order(side="BUY", type="LIMIT", **LOW)
        assert (await anext(orders)).body.order_id == ack.order_id
        await mexc.spot.cancel_order(symbol=BTC, order_id=ack.order_id)
    print("streams and books")


async def trade(mexc: Mexc) -> None:
    """Place orders on every path: tracked, in a session, guarded, and with idempotency keys."""
    await mexc.orders.follow(10)
    order = await mexc.orders.limit_buy(**LOW)
    order = await order.replace(price=Decimal(19000))
    await order.cancel()
    await (await mexc.orders.market_buy(BTC, quote=Decimal(20))).settled(10)
    async with mexc.orders.session() as session:
        await session.limit_buy(**LOW)
    mexc.orders.limits(collar=Decimal("0.99"), max_daily_loss=Decimal(1000), round="down")
    await (await mexc.orders.limit_buy(**LOW)).cancel()
    prepared = NewOrder(side="BUY", type="LIMIT", **LOW)
    await KeyedOrders(mexc, earlier_s=0).place("watched", prepared)
    await mexc.orders.cancel_all()
    assert await mexc.request("GET", "/api/v3/openOrders", signed=True) == []
    assert mexc.is_sim
    print("orders and guard")


async def session(rest: str, transport: Any, credentials: Credentials, library: Library) -> None:
    async with Mexc(credentials, **flat(rest=rest, transport=transport, ws_library=library)) as mexc:
        await mexc.warm_up()
        await listen(mexc)
        await trade(mexc)
    two = {"one": credentials, "other": credentials}
    async with Mexc.accounts(two, **flat(rest=rest, transport=transport, ws_library=library)) as accounts:
        await accounts.balances()
        for name in accounts:
            await accounts[name].orders.follow(10)
            await accounts[name].using(timeout_s=5).orders.find(BTC, "watched")
        await accounts.cancel_everywhere()
    print("accounts")


def command_line(rest: str) -> None:
    """Run commands of every kind."""
    with TemporaryDirectory() as folder:
        beat, bars = Path(folder) / "beat", Path(folder) / "bars.csv"
        beat.touch()
        since = str(time.time_ns() // 1_000_000 - 600_000)
        os.utime(beat, (time.time() - 100,) * 2)
        for words in (
            ["doctor"],
            ["ticker", BTC],
            ["book", BTC],
            ["balances"],
            ["buy", BTC, "--quantity", "0.001", "--price", "20000", "--yes"],
            ["buy", BTC, "--quote", "20", "--yes"],
            ["orders"],
            ["cancel", BTC, "--all", "--yes"],
            ["call", "depth", "--symbol", BTC],
            ["klines", BTC, "--interval", "1m", "--since", since, "--out", str(bars)],
            ["guard", "--heartbeat", str(beat), "--all", "--recv-window-ms", "1"],
        ):
            ended = invoke(*words, "--rest", rest)
            print(words[0], ended.status, ended.err.strip())


def main(rest: str, transport: str) -> None:
    sys.modules["uvloop"] = cast(Any, None)  # it connects without an audit event
    sys.addaudithook(note)
    credentials = Credentials(os.environ["MEXC_API_KEY"], os.environ["MEXC_API_SECRET"])
    libraries: tuple[Library, ...] = ("picows", "aiohttp")
    for library in libraries:
        try:
            asyncio.run(asyncio.wait_for(session(rest, transport, credentials, library), 60))
        except Exception as error:  # the recorded hosts show more
            print("failed:", type(error).__name__, error)
    command_line(rest)
    print(json.dumps(sorted(asked)))


if __name__ == "__main__":
    main(*sys.argv[1:])
