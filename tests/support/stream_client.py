"""A stream client without any checks: it sends the test's input and trusts what it receives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from aiohttp import WSMsgType

from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.spot.push import Push, decode_push
from tests.support.naive_client import NaiveClient, Reply

TIMEOUT_S = 5.0


class Closed(Exception):
    """End of a socket, with its close code, or None after a reset."""


class Stream:
    """A client's socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[bytes] = []
        """Binary frames received during a wait for an answer."""

    async def receive(self) -> str | bytes:
        """Return the next frame. Raises Closed."""
        async with asyncio.timeout(TIMEOUT_S):
            message = await self.socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        raise Closed(self.socket.close_code)

    async def ask(self, text: str) -> Any:
        """Send a text frame and return the JSON that answers it."""
        await self.socket.send_str(text)
        while True:
            data = await self.receive()
            if isinstance(data, str):
                return orjson.loads(data)
            self.frames.append(data)

    async def request(self, method: str, *names: str, **fields: object) -> Any:
        """Send a control message and return the answer."""
        return await self.ask(orjson.dumps({"method": method, "params": names, **fields}).decode())

    async def subscribe(self, *names: str) -> None:
        """Subscribe, and check that the exchange accepts every name."""
        answer = await self.request("SUBSCRIPTION", *names)
        assert sorted(answer["msg"].split(",")) == sorted(names), answer

    async def frame(self) -> bytes:
        """Return the next binary frame."""
        if self.frames:
            return self.frames.pop(0)
        data = await self.receive()
        assert isinstance(data, bytes), data
        return data

    async def push(self) -> Push[Any]:
        """Return the next push."""
        return decode_push(await self.frame())

    async def until(self, wanted: Callable[[Push[Any]], bool]) -> list[Push[Any]]:
        """Return the pushes up to the first one for which `wanted` is true."""
        found: list[Push[Any]] = []
        async with asyncio.timeout(TIMEOUT_S):
            while not found or not wanted(found[-1]):
                found.append(await self.push())
        return found

    async def end(self) -> int | None:
        """Read until the socket ends, and return its close code."""
        while True:
            try:
                await self.receive()
            except Closed as closed:
                code: int | None = closed.args[0]
                return code


class Stage:
    """A simulator and its clients."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.http = http
        main = simulator.config.accounts[0]
        self.account = next(iter(simulator.exchange.accounts.values()))
        self._rest = NaiveClient(simulator.rest, main.api_key, main.api_secret, clock=simulator.clock)

    @property
    def exchange(self) -> Exchange:
        return self.simulator.exchange

    async def connect(self, listen_key: str | None = None) -> Stream:
        """Open a socket. It is closed with the session."""
        query = "" if listen_key is None else f"?listenKey={listen_key}"
        return Stream(await self.http.ws_connect(self.simulator.spot_ws + query, autoping=True, autoclose=True))

    async def get(self, path: str, **parameters: object) -> Any:
        """Return the body of a public answer."""
        return (await asyncio.to_thread(self._rest.get, path, **parameters)).body

    async def call(self, method: str, path: str, **parameters: Any) -> Reply:
        """Send a signed request."""
        return await asyncio.to_thread(self._rest.call, method, path, **parameters)

    async def listen_key(self) -> str:
        """Create a listen key."""
        key: str = (await self.call("POST", "/api/v3/userDataStream")).body["listenKey"]
        return key

    def close(self) -> None:
        self._rest.close()


@asynccontextmanager
async def stage(clock: Clock = SYSTEM, **settings: Any) -> AsyncIterator[Stage]:
    """Run a simulator on this loop, by default quiet and without limits. Check that nothing remains at the end."""
    before = asyncio.all_tasks()
    config = SimConfig(**{"limits": "none", "flow": 0, **settings})
    async with Simulator(config, clock) as simulator, aiohttp.ClientSession() as http:
        found = Stage(simulator, http)
        try:
            yield found
        finally:
            found.close()
    assert len(simulator.sockets) == 0
    assert asyncio.all_tasks() == before
