"""One connection to one address, every step timed: TCP, TLS, the first byte, the whole answer, a WebSocket's echo.

Deliberately plain: no pool, no retries, one request at a time, any request.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from base64 import b64encode
from time import perf_counter
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

MOST_BYTES = 1 << 20
STEP_S = 5.0
"""Time-out of one step, in seconds."""


class ProbeFailed(Exception):
    """Failure at an address; the text is one line."""


class Target(NamedTuple):
    """Host, port and scheme of a URL."""

    host: str
    port: int
    is_tls: bool
    path: str


class Answer(NamedTuple):
    """An answer, with the seconds from the request to its first and last byte."""

    status: int
    body: bytes
    first_s: float
    whole_s: float


def target(url: str, schemes: tuple[str, str]) -> Target:
    """Parse a URL; `schemes` are the plain and the encrypted one. Raises ValueError, whose text hides passwords."""
    parts: SplitResult = urlsplit(url)
    is_tls = parts.scheme == schemes[1]
    try:
        port = parts.port or (443 if is_tls else 80)
    except ValueError:
        port = 0
    if parts.scheme not in schemes or not parts.hostname or not port or "@" in url or parts.query or parts.fragment:
        shown = "what holds an '@'" if "@" in url else repr(url)
        raise ValueError(f"{shown} is not a URL like {schemes[1]}://host")
    return Target(parts.hostname, port, is_tls, parts.path)


async def addresses(where: Target) -> list[str]:
    """Resolve a host name to all its addresses. Raises ProbeFailed."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(where.host, where.port, type=1)
    except OSError as error:
        raise ProbeFailed(f"{where.host}: {error.strerror or error}") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Probe:
    """A connection; `connect_s` and `tls_s` are the seconds that opening took."""

    def __init__(self, where: Target) -> None:
        self._where = where
        self.connect_s = self.tls_s = 0.0

    async def open(self, address: str) -> None:
        """Connect, and verify the certificate against the host's name."""
        async with asyncio.timeout(STEP_S):
            started = perf_counter()
            self._reader, self._writer = await asyncio.open_connection(address, self._where.port, limit=MOST_BYTES)
            self.connect_s = perf_counter() - started
            if self._where.is_tls:
                started = perf_counter()
                await self._writer.start_tls(ssl.create_default_context(), server_hostname=self._where.host)
                self.tls_s = perf_counter() - started

    def close(self) -> None:
        if hasattr(self, "_writer"):
            self._writer.close()

    async def ask(self, method: str, path: str, fields: str = "") -> Answer:
        """Send one request and read its answer; `fields` are more header lines, each with its line end."""
        async with asyncio.timeout(STEP_S):
            head = f"{method} {self._where.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {self._where.host}"
            length = "" if method == "GET" else "Content-Length: 0\r\n"
            started = perf_counter()
            self._writer.write(f"{head}\r\nUser-Agent: mexc-async\r\n{length}{fields}\r\n".encode())
            first = await self._reader.readexactly(1)
            first_s = perf_counter() - started
            answer = first + await self._reader.readuntil(b"\r\n\r\n")
            body = await self._body(answer)
            return Answer(int(answer.split(b" ", 2)[1]), body, first_s, perf_counter() - started)

    async def _body(self, head: bytes) -> bytes:
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        if b"chunked" not in fields.get(b"transfer-encoding", b""):
            return await self._reader.readexactly(min(int(fields.get(b"content-length", b"0")), MOST_BYTES))
        body = b""
        while size := int((await self._reader.readline()).split(b";")[0], 16):
            body += (await self._reader.readexactly(min(size, MOST_BYTES) + 2))[:-2]
        await self._reader.readline()
        return body

    async def upgrade(self) -> float:
        """Upgrade to a WebSocket and return the seconds taken. Raises ProbeFailed."""
        key = b64encode(os.urandom(16)).decode()
        fields = (
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        )
        answer = await self.ask("GET", "", fields)
        if answer.status != 101:
            raise ProbeFailed(f"answered the WebSocket's upgrade with status {answer.status}")
        return answer.whole_s

    async def echo(self, text: str) -> float:
        """Send a text, wait for the next message, and return the seconds taken."""
        async with asyncio.timeout(STEP_S):
            payload, mask = text.encode(), os.urandom(4)
            masked = bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))
            started = perf_counter()
            self._writer.write(bytes((0x81, 0x80 | len(payload))) + mask + masked)
            opcode, size = await self._reader.readexactly(2)
            size = int.from_bytes(await self._reader.readexactly(2)) if size == 126 else size
            await self._reader.readexactly(size)
            if opcode & 15 != 1:
                raise ProbeFailed("did not answer a ping")
            return perf_counter() - started
