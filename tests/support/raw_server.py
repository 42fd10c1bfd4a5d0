"""A scripted server of bytes, for faults that mocks cannot show; it counts the requests that arrive.

    async with RawServer(answer(b"{}"), reset) as server:
        ...  # the first request gets an answer, every later one a reset
    assert len(server.arrivals) == 2

A behaviour gets the request's head and the way back; if it returns False, the server closes the connection.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias
from urllib.parse import urlsplit

TLS = Path(__file__).with_name("tls")
LINGER_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Arrival:
    """One request, as received."""

    connection: int
    """Number of the connection, from 1."""
    head: bytes
    """Everything up to the empty line."""

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


class Way:
    """The way back to the client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def peer(self) -> str:
        """The client's address."""
        host: str = self._writer.get_extra_info("peername")[0]
        return host

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ended(self) -> None:
        """Wait until the client has closed the connection."""
        while await self._reader.read(4096):
            pass

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        self._writer.transport.abort()


Behaviour: TypeAlias = Callable[[Arrival, Way], Awaitable[bool]]


def head(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", "Content-Type: application/json", *headers, "", ""]).encode()


def answer(body: bytes = b"{}", status: int = 200, *headers: str, keep: bool = True) -> Behaviour:
    """Make a whole answer; `keep=False` closes the connection after it without announcing that."""

    async def behave(_: Arrival, way: Way) -> bool:
        await way.write(head(status, f"Content-Length: {len(body)}", *headers) + body)
        return keep

    return behave


def raw(data: bytes, *, keep: bool = False) -> Behaviour:
    """Send exactly these bytes."""

    async def behave(_: Arrival, way: Way) -> bool:
        await way.write(data)
        return keep

    return behave


async def close(_: Arrival, way: Way) -> bool:
    """End the connection without an answer."""
    return False


async def reset(_: Arrival, way: Way) -> bool:
    """End the connection with RST."""
    way.reset()
    return False


async def silence(_: Arrival, way: Way) -> bool:
    """Read the request and never answer."""
    await way.ended()
    return False


def cut(body: bytes = b'{"a":1}', missing: int = 10) -> Behaviour:
    """Send an answer that is shorter than its Content-Length."""
    return raw(head(200, f"Content-Length: {len(body) + missing}") + body)


def stalled(*parts: bytes) -> Behaviour:
    """Send these pieces, then nothing more on an open connection."""

    async def behave(arrival: Arrival, way: Way) -> bool:
        for part in parts:
            await way.write(part)
        return await silence(arrival, way)

    return behave


def chunked(*chunks: bytes, end: bool = True) -> Behaviour:
    """Send a body in chunks; without `end` the last, empty chunk is missing."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return raw(head(200, "Transfer-Encoding: chunked") + body + (b"0\r\n\r\n" if end else b""), keep=end)


def compressed(body: bytes) -> Behaviour:
    return answer(gzip.compress(body), 200, "Content-Encoding: gzip")


def encoded(encoding: str, packed: bytes, framing: str = "length") -> Behaviour:
    """Send a compressed body, framed by its length, by chunks or by the end of the connection."""
    header = f"Content-Encoding: {encoding}"
    if framing == "length":
        return answer(packed, 200, header)
    if framing == "chunked":
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
        return raw(head(200, "Transfer-Encoding: chunked", header) + chunks, keep=True)
    return raw(head(200, header) + packed)


def redirect(status: int, to: str) -> Behaviour:
    return answer(b"", status, f"Location: {to}")


class RawServer:
    """Server on loopback; the last behaviour of the script serves every further request."""

    def __init__(
        self, *script: Behaviour, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._script = list(script) or [answer()]
        self._tls = tls
        self._at = (host, port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.connections = 0
        self.open = 0
        self.arrivals: list[Arrival] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, *self._at, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on connections and arrivals holds."""
        async with asyncio.timeout(5):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        self._changed.set()
        try:
            with suppress(ConnectionError):
                await self._serve(self.connections, reader, writer)
        except asyncio.CancelledError:
            pass  # the server closes
        finally:
            self.open -= 1
            self._changed.set()
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = Way(reader, writer)
        keep = True
        while keep:
            try:
                request = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            arrival = Arrival(number, request[:-4])
            self.arrivals.append(arrival)
            self._changed.set()
            behaviour = self._script.pop(0) if len(self._script) > 1 else self._script[0]
            keep = await behaviour(arrival, way)


def server_tls() -> ssl.SSLContext:
    """Return the context of a server whose certificate `TLS / "authority.pem"` vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context
