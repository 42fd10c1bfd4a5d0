"""A trader without reconciliation: it trusts its first guess when an answer does not come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http.client import HTTPException
from typing import Any

import orjson

from tests.support.naive_client import NaiveClient, Reply
from tests.support.stream_client import Stage

ORDER, BATCH, OPEN, TRADES = "/api/v3/order", "/api/v3/batchOrders", "/api/v3/openOrders", "/api/v3/myTrades"
BTC = "BTCUSDT"
GOOD: dict[str, Any] = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "60000"}
"""A limit buy that rests, because the market is far above."""
FILLS = {"type": "MARKET"}
"""Change that makes the order fill at once."""


class Lost(Exception):
    """Error for a missing answer, or one that is not the exchange's."""


class NaiveTrader:
    """A trader that sends each request over its own connection."""

    def __init__(self, on: Stage, timeout_s: float = 10.0) -> None:
        main = on.simulator.config.accounts[0]
        self._rest = on.simulator.rest
        self._login = (main.api_key, main.api_secret)
        self.timeout_s = timeout_s

    async def send(self, method: str, path: str, **parameters: Any) -> Reply:
        """Send one signed request. Raises Lost."""
        return await asyncio.to_thread(self._send, method, path, parameters)

    def _send(self, method: str, path: str, parameters: dict[str, Any]) -> Reply:
        client = NaiveClient(self._rest, *self._login, timeout_s=self.timeout_s)
        try:
            reply = client.call(method, path, **parameters)
        except (OSError, HTTPException, orjson.JSONDecodeError) as error:
            raise Lost(repr(error)) from error
        finally:
            client.close()
        if reply.status >= 500 or reply.body is None:
            raise Lost(str(reply.status))
        return reply

    async def place(self, path: str = ORDER, **changes: Any) -> Reply:
        """Place an order, alone or as the only one of a batch. Raises Lost."""
        order = {**GOOD, **changes}
        window = {"recvWindow": order.pop("recvWindow")} if "recvWindow" in order else {}
        fields = order if path == ORDER else {"batchOrders": orjson.dumps([order]).decode()}
        return await self.send("POST", path, **fields, **window)

    async def place_stubbornly(self, path: str = ORDER, **changes: Any) -> None:
        """Send an order again until an answer comes, in the belief that no answer means no order."""
        while True:
            try:
                await self.place(path, **changes)
            except Lost:
                continue
            return

    async def place_trustingly(self, path: str = ORDER, **changes: Any) -> None:
        """Send an order once, in the belief that sent means placed."""
        with contextlib.suppress(Lost):
            await self.place(path, **changes)

    async def cancel(self, client_id: str) -> Reply:
        """Cancel an order. Raises Lost."""
        return await self.send("DELETE", ORDER, symbol=BTC, origClientOrderId=client_id)

    async def query(self, client_id: str) -> Reply:
        """Query an order. Raises Lost."""
        return await self.send("GET", ORDER, symbol=BTC, origClientOrderId=client_id)


class Line:
    """A keep-alive connection that takes answers in the order of their arrival."""

    def __init__(self, on: Stage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        main = on.simulator.config.accounts[0]
        self._client = NaiveClient(on.simulator.rest, main.api_key, main.api_secret)
        self._reader = reader
        self._writer = writer

    async def send(self, method: str, path: str, **parameters: Any) -> Any:
        """Send a request and return the next answer on the connection."""
        self._writer.write(self._client.request(method, path, **parameters))
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        (length,) = (line.split(":")[1] for line in head.splitlines() if line.startswith("Content-Length"))
        return orjson.loads(await self._reader.readexactly(int(length)))


@contextlib.asynccontextmanager
async def line(on: Stage) -> AsyncIterator[Line]:
    """Open a connection and close it at the end."""
    reader, writer = await asyncio.open_connection(*on.simulator.rest.removeprefix("http://").split(":"))
    try:
        yield Line(on, reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
