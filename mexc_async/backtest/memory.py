"""Client and simulated exchange joined in memory: real HTTP requests and WebSocket frames, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Container

from aiohttp import web

from mexc_async.backtest.memory_network import HOST, MemoryNetwork
from mexc_async.client.settings import Network
from mexc_async.runtime.clock import Clock
from mexc_async.sim.rest.http import Handler, Peer
from mexc_async.sim.rest.http_server import reset_all, server_of
from mexc_async.streams.websocket import Listener, Socket, SocketConfig, connect
from mexc_async.transport.config import TransportConfig
from mexc_async.transport.lane import Lane
from mexc_async.transport.pool import Pool

_CLOSE_S = 2.0


class MemoryPort:
    """Port of a simulated exchange in a network in memory."""

    def __init__(self, network: MemoryNetwork, handler: Handler) -> None:
        self._network = network
        self._handler = handler
        self._port = network.free_port()
        self._server: web.Server | None = None

    async def open(self) -> str:
        """Start to serve and return the base URL."""
        self._server = server_of(self._handler)
        self._network.listen(self._port, self._server)
        return f"http://{HOST}:{self._port}"

    def reset_all(self, spared: Container[Peer]) -> int:
        """Reset every connection except the spared ones, and return their number."""
        return 0 if self._server is None else reset_all(self._server, spared)

    async def pause(self, seconds: float) -> None:
        """Refuse connections for `seconds`."""
        server = self._server
        if server is None:
            return
        self._network.close(self._port)
        await asyncio.sleep(seconds)
        if server is self._server:
            self._network.listen(self._port, server)

    async def aclose(self) -> None:
        """Stop serving. Safe to call again."""
        server, self._server = self._server, None
        if server is not None:
            self._network.close(self._port)
            await server.shutdown(_CLOSE_S)


class MemoryJoin:
    """Join of clients and simulated exchanges by a network in memory.

    simulator = Simulator(config, clock, join.listen)
    client = Mexc(..., prepared=Prepared(network=join.network))
    """

    def __init__(self) -> None:
        self._memory = MemoryNetwork()
        self.network = Network(self._pool, self._lane, self._connect)
        """Makers of a client's connections."""

    def listen(self, handler: Handler, host: str, port: int) -> MemoryPort:
        """Build the port of a simulated exchange; host and port do not matter."""
        return MemoryPort(self._memory, handler)

    def drop(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the connections of a client whose process is gone: `VirtualProcess(..., release=join.drop)`."""
        self._memory.drop(loop)

    def open_ends(self, loop: asyncio.AbstractEventLoop) -> int:
        """Return the number of connections that the clients of a loop have, or the exchanges."""
        return len(self._memory.open_ends(loop))

    def _pool(self, config: TransportConfig) -> Pool:
        return Pool(config, self._memory.dial)

    def _lane(self, config: TransportConfig, clock: Clock, for_orders: bool) -> Lane:
        return Lane(config, clock, for_orders, self._memory.dial)

    async def _connect(self, url: str, listener: Listener, config: SocketConfig) -> Socket:
        return await connect(url, listener, config, self._memory.dial)
