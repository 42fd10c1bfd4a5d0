"""The simulator's port: it can be cut off with everything that is connected, and opened again where it was."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Awaitable, Callable, Container

from aiohttp import web

_CLOSE_S = 2.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_RETRY_S = 0.01


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def reset(transport: asyncio.Transport | None) -> None:
    """Reset a connection: what waits to be sent is lost, and the other side is told of no orderly end."""
    if transport is None or transport.is_closing():
        return
    own: socket.socket | None = transport.get_extra_info("socket")
    if own is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


class Listener:
    """Serves HTTP under one address."""

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self._handler = handler
        self._host = host
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._addresses: list[tuple[str, int]] = []

    async def open(self) -> str:
        """Serve from now on and return the base URL. Raises OSError when the address cannot be had."""
        runner = web.ServerRunner(web.Server(self._handler, access_log=None), shutdown_timeout=_CLOSE_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._addresses = runner.addresses
        host, port = self._addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def reset_all(self, spared: Container[asyncio.Transport]) -> int:
        """Reset every connection but the spared ones; returns how many that were."""
        server = None if self._runner is None else self._runner.server
        transports = [] if server is None else [handler.transport for handler in server.connections]
        struck = [transport for transport in transports if transport is not None and transport not in spared]
        for transport in struck:
            reset(transport)
        return len(struck)

    async def pause(self, seconds: float) -> None:
        """Refuse connections for so long; the port stays taken meanwhile."""
        runner = self._runner
        if runner is None:
            return
        for site in runner.sites:
            await site.stop()
        taken: list[socket.socket] = []
        try:
            for address in self._addresses:
                taken.append(await _take(address))  # noqa: PERF401 - what is taken is closed when the next fails
            await asyncio.sleep(seconds)
            while taken:
                await web.SockSite(runner, taken[0]).start()
                del taken[0]  # it belongs to the site now
        finally:
            for each in taken:
                each.close()

    async def aclose(self) -> None:
        """Stop serving. May be called again."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


async def _take(address: tuple[str, int]) -> socket.socket:
    """A socket that has the address and does not listen, so that whoever connects is refused."""
    while True:
        taken = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(address)
        except OSError as error:
            taken.close()
            if error.errno != errno.EADDRINUSE:
                raise
            await asyncio.sleep(_RETRY_S)  # the event loop has not let go of it yet
        else:
            return taken
