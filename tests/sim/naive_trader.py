"""A trader with no care at all: it believes what comes to its mind first when an answer fails to come."""

from __future__ import annotations

import asyncio
import contextlib
from http.client import HTTPException
from typing import Any

import orjson

from tests.sim.naive_client import NaiveClient, Reply
from tests.sim.stream_client import Stage

ORDER, BATCH = "/api/v3/order", "/api/v3/batchOrders"
BTC = "BTCUSDT"
GOOD: dict[str, Any] = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "60000"}
"""It rests: the market is far above."""


class Lost(Exception):
    """No answer, or none that is the exchange's."""


class NaiveTrader:
    """Sends each request over a connection of its own."""

    def __init__(self, on: Stage, timeout_s: float = 10.0) -> None:
        main = on.simulator.config.accounts[0]
        self._login = (on.simulator.rest, main.api_key, main.api_secret)
        self.timeout_s = timeout_s

    async def send(self, method: str, path: str, **parameters: Any) -> Reply:
        """One signed request. Raises Lost."""
        return await asyncio.to_thread(self._send, method, path, parameters)

    def _send(self, method: str, path: str, parameters: dict[str, Any]) -> Reply:
        client = NaiveClient(*self._login, timeout_s=self.timeout_s)
        try:
            reply = client.call(method, path, **parameters)
        except (OSError, HTTPException, orjson.JSONDecodeError) as error:
            raise Lost(repr(error)) from error
        finally:
            client.close()
        if reply.status >= 500:
            raise Lost(str(reply.status))
        return reply

    async def place(self, path: str = ORDER, **changes: Any) -> Reply:
        """An order, alone or as the only one of a batch. Raises Lost."""
        order = {**GOOD, **changes}
        window = {"recvWindow": order.pop("recvWindow")} if "recvWindow" in order else {}
        fields = order if path == ORDER else {"batchOrders": orjson.dumps([order]).decode()}
        return await self.send("POST", path, **fields, **window)

    async def place_stubbornly(self, path: str = ORDER, **changes: Any) -> None:
        """Send it again until an answer comes: it believes that no answer means no order."""
        while True:
            try:
                await self.place(path, **changes)
            except Lost:
                continue
            return

    async def place_trustingly(self, path: str = ORDER, **changes: Any) -> None:
        """Send it once: it believes that sent means placed."""
        with contextlib.suppress(Lost):
            await self.place(path, **changes)
