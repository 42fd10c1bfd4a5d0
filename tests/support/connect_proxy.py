"""An HTTP proxy that tunnels and records its requests."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import suppress


class Proxy:
    """Server of CONNECT; every tunnel leads to a port of this machine's second address."""

    def __init__(self, login: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.status = 200
        """Status of the answer; any but 200 refuses every tunnel."""
        self.hangs_up = False
        """True to close connections without an answer."""
        self.asked: list[str] = []
        """`host:port` of every requested tunnel."""
        self.tunnels = 0
        """Count of open tunnels."""
        self._login = base64.b64encode(":".join(login).encode()).decode() if login else None
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """`host:port` of the proxy itself."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.break_tunnels()
        await self._server.wait_closed()

    def break_tunnels(self) -> None:
        """End every connection without an answer."""
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, authority, _ = first.split()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if method == "CONNECT":
            self.asked.append(authority)
        if self.hangs_up:
            return
        status = self.status if method == "CONNECT" else 405
        if status == 200 and self._login and headers.get("proxy-authorization") != f"Basic {self._login}":
            status = 407
        writer.write(
            f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode()
            if status != 200
            else b"HTTP/1.1 200 Connection established\r\n\r\n"
        )
        await writer.drain()
        if status == 200:
            await self._tunnel(reader, writer, int(authority.rpartition(":")[2]))

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        behind, onwards = await asyncio.open_connection("127.0.0.2", port)
        self.tunnels += 1
        try:
            there = asyncio.ensure_future(_copy(reader, onwards))
            await _copy(behind, writer)
            there.cancel()
            with suppress(asyncio.CancelledError):
                await there
        finally:
            self.tunnels -= 1
            onwards.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    target.transport.abort()
