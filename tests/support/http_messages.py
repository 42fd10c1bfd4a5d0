"""HTTP/1.1 messages as bytes: read whole from a stream, with any framing, and passed on unchanged."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl, urlsplit

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Message:
    """A request or an answer."""

    head: bytes
    """Everything up to the empty line, with it."""
    body: bytes
    """Body as on the wire: chunks with their sizes."""

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @cached_property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    @cached_property
    def words(self) -> list[str]:
        """The three parts of the first line."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)

    def clipped(self, size: int) -> bytes:
        """Return the message with the first `size` bytes of its body and a matching Content-Length."""
        lines = [line for line in self.head.removesuffix(HEAD_END).split(b"\r\n") if not _is_framing(line)]
        return b"\r\n".join([*lines, b"Content-Length: %d" % size, b"", self.body[:size]])


@dataclass(frozen=True)
class Question(Message):
    """A request."""

    @property
    def name(self) -> str:
        """Method and path, such as `POST /api/v3/order`."""
        return f"{self.words[0]} {urlsplit(self.words[1]).path}"

    @cached_property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.words[1]).query))

    @property
    def is_upgrade(self) -> bool:
        return self.headers.get("upgrade", "").lower() == "websocket"


@dataclass(frozen=True)
class Answer(Message):
    """An answer to a request."""

    @property
    def status(self) -> int:
        return int(self.words[1])

    @cached_property
    def code(self) -> int | None:
        """The exchange's own code, if the body is an object that holds one."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return None
        return content.get("code") if isinstance(content, dict) else None

    @property
    def is_refusal(self) -> bool:
        return self.status >= 400


async def read_question(reader: asyncio.StreamReader) -> Question | None:
    """Read the next request; None at the connection's end."""
    head = await _head(reader)
    return None if head is None else Question(head, await _body(reader, Message(head, b"")))


async def read_answer(reader: asyncio.StreamReader, question: Question) -> Answer | None:
    """Read the answer to a request; None if the connection ends before it is whole."""
    head = await _head(reader)
    if head is None:
        return None
    empty = Answer(head, b"")
    if question.words[0] == "HEAD" or empty.status in (204, 304):
        return empty
    try:
        return Answer(head, await _body(reader, empty))
    except asyncio.IncompleteReadError:
        return None


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(HEAD_END)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def _body(reader: asyncio.StreamReader, message: Message) -> bytes:
    if message.headers.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while True:
            size = await reader.readuntil(b"\r\n")
            parts += [size, await reader.readexactly(int(size.split(b";")[0], 16) + 2)]
            if int(size.split(b";")[0], 16) == 0:
                return b"".join(parts)
    return await reader.readexactly(int(message.headers.get("content-length", "0")))


def _is_framing(line: bytes) -> bool:
    return line.lower().startswith((b"content-length:", b"transfer-encoding:"))
