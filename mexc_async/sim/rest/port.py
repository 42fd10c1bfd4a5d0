"""The simulator's port. It can drop all connections, refuse new ones and open again at the same address."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Container

from aiohttp import web

from mexc_async.sim.rest.http import Handler, Peer
from mexc_async.sim.rest.http_server import reset_all, server_of

_CLOSE_S = 2.0
_RETRY_S = 0.01
_ACCEPTING_ROUNDS = 3
"""Rounds of the event loop between accepting a socket and passing it to the server."""


class Port:
    """HTTP server on one address."""

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self._handler = handler
        self._host = host
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._sockets: list[socket.socket] = []
        """Listening sockets."""
        self._addresses: list[tuple[str, int]] = []

    async def open(self) -> str:
        """Start to serve and return the base URL. Raises OSError if the address is not available."""
        found = await asyncio.get_running_loop().getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        runner = web.ServerRunner(server_of(self._handler), shutdown_timeout=_CLOSE_S)
        await runner.setup()
        try:
            for host, port in dict.fromkeys((str(address[0]), int(address[1])) for *_, address in found):
                await self._listen(runner, _bound((host, port)))
        except OSError:
            self._sockets.clear()
            await runner.cleanup()
            raise
        self._runner = runner
        self._addresses = [each.getsockname()[:2] for each in self._sockets]
        host, port = self._addresses[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def _listen(self, runner: web.ServerRunner, bound: socket.socket) -> None:
        """Accept connections on a socket. The runner owns it from now on."""
        self._sockets.append(bound)
        await web.SockSite(runner, bound).start()

    async def _turn_away(self, runner: web.ServerRunner) -> None:
        """Stop accepting. Sockets accepted already become connections first, because asyncio would lose them."""
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            loop.remove_reader(each)
        for _ in range(_ACCEPTING_ROUNDS):
            await asyncio.sleep(0)
        for site in runner.sites:
            await site.stop()
        self._sockets.clear()

    def reset_all(self, spared: Container[Peer]) -> int:
        """Reset every connection except the spared ones, and return their number."""
        server = None if self._runner is None else self._runner.server
        return 0 if server is None else reset_all(server, spared)

    async def pause(self, seconds: float) -> None:
        """Refuse connections for `seconds`. The port stays taken meanwhile."""
        runner = self._runner
        if runner is None:
            return
        await self._turn_away(runner)
        taken: list[socket.socket] = []
        try:
            for address in self._addresses:
                taken.append(await _take(address))  # noqa: PERF401 - if the next one fails, this one is closed
            await asyncio.sleep(seconds)
            while taken:
                await self._listen(runner, taken[0])
                del taken[0]
        finally:
            for each in taken:
                each.close()

    async def aclose(self) -> None:
        """Stop serving. Safe to call again."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await self._turn_away(runner)
            await runner.cleanup()


def _bound(address: tuple[str, int]) -> socket.socket:
    """Return a socket that has the address and does not listen. Raises OSError if it is not available."""
    is_ipv6 = ":" in address[0]
    taken = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_ipv6:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # a dual-stack host has one socket per family
    try:
        taken.bind(address)
    except OSError:
        taken.close()
        raise
    return taken


async def _take(address: tuple[str, int]) -> socket.socket:
    """Bind a socket that does not listen, so that clients are refused. Waits while the address is in use."""
    while True:
        try:
            return _bound(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            await asyncio.sleep(_RETRY_S)  # the event loop has not released it yet
