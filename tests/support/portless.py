"""A simulator without a port: requests and channels are values that the test makes."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Any

from multidict import CIMultiDict

from mexc_async.sim.rest.http import Handler, Peer, Request
from mexc_async.sim.stream.channel import End, Message


class Sender:
    """A connection without a socket."""

    is_closing = False


class NoPort:
    """A listener that nobody can reach."""

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self.handler = handler

    async def open(self) -> str:
        return "http://nowhere"

    def reset_all(self, spared: Container[Peer]) -> int:
        return 0

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        pass


class Talk:
    """A channel with a client that sends `messages`, in order, and then leaves."""

    def __init__(self, *messages: Message) -> None:
        self.messages = [*messages, End.LOST]
        self.sent: list[str | bytes] = []
        self.pongs: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.is_closing = False

    async def receive(self) -> Message:
        await asyncio.sleep(0)  # the sender goes first
        return self.messages.pop(0)

    async def send(self, data: str | bytes) -> None:
        self.sent.append(data)

    async def pong(self, data: bytes) -> None:
        self.pongs.append(data)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed = code, reason

    async def cut(self, data: bytes, share: float) -> None:
        self.is_closing = True

    def reset(self) -> None:
        self.is_closing = True


def asked(target: str = "/api/v3/time", method: str = "GET", **more: Any) -> Request:
    """Return a request; `more` are its further fields."""
    return Request(method, target, CIMultiDict(), "127.0.0.1", Sender(), **more)
