"""A WebSocket server that floods prepared frames, as a process: `python -m benchmarks.mock_stream`.

The path gives the number: a subscription on `/ws/6400` is acknowledged, then gets 6400 frames of its channel, as fast
as the client reads; on `/ws/6400@3200`, 3200 per second. The server prints its port and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from typing import cast

import orjson

from benchmarks.decode import FRAMES, frames_by_case
from benchmarks.harness import serve_mock

CASES = {"bookTicker": "book ticker", "aggre.depth": "depth, 30 levels"}
"""Part of a channel's name -> case of its frames."""
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_WRITE_BYTES = 256 << 10


def frame(opcode: int, payload: bytes) -> bytes:
    """Encode a whole message as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2) + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8) + payload


_BLOCKS = {case: b"".join(frame(BINARY, push) for push in frames_by_case()[case]) for case in CASES.values()}
"""Case -> every frame once, joined."""


class Flood(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._data = b""
        self._frames = self._per_s = 0
        self._is_open = False
        self._is_full = False
        self._left = 0
        self._block = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not derive from it

    def connection_lost(self, exc: Exception | None) -> None:
        self._left = 0

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if not self._per_s:
            self._flood()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._is_open:
            head, found, self._data = self._data.partition(b"\r\n\r\n")
            if not found:
                self._data = head
                return
            self._shake_hands(head)
        while message := self._next():
            self._answer(*message)

    def _shake_hands(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        accept = b64encode(hashlib.sha1(fields[b"sec-websocket-key"] + _GUID).digest())
        frames, _, per_s = first.split()[1].rpartition(b"/")[2].partition(b"@")
        self._frames, self._per_s = int(frames), int(per_s or 0)
        self._is_open = True
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._transport.write(answer + b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)

    def _next(self) -> tuple[int, bytes] | None:
        """Read the client's next message, as (opcode, payload): masked, and no longer than 64 kB."""
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1] & 127, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4]), 4
        if len(data) < at + 4 + size:
            return None
        mask, masked, self._data = data[at : at + 4], data[at + 4 : at + 4 + size], data[at + 4 + size :]
        return data[0] & 15, bytes(byte ^ mask[i & 3] for i, byte in enumerate(masked))

    def _answer(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self._left = 0
            self._transport.write(frame(CLOSE, payload))
            self._transport.close()
        elif opcode == PING:
            self._transport.write(frame(PONG, payload))
        elif opcode == TEXT:
            asked = orjson.loads(payload)
            text = ",".join(asked.get("params", ())) or "PONG"
            reply = {"id": asked.get("id", 0), "code": 0, "msg": text}
            self._transport.write(frame(TEXT, orjson.dumps(reply)))
            if asked["method"] == "SUBSCRIPTION":
                case = next(case for part, case in CASES.items() if part in text)
                self._block, self._left = _BLOCKS[case], self._frames // FRAMES
                self._flood()

    def _flood(self) -> None:
        if self._per_s and self._left:
            asyncio.get_running_loop().call_later(FRAMES / self._per_s, self._flood)
            if not self._is_full:
                self._left -= 1
                self._transport.write(self._block)
            return
        blocks = max(_WRITE_BYTES // len(self._block), 1) if self._block else 1
        while self._left and not self._is_full:
            now = min(blocks, self._left)
            self._left -= now
            self._transport.write(self._block * now)


if __name__ == "__main__":
    serve_mock(Flood)
