"""A client's WebSocket connection as the stream uses it, whatever carries it: a socket, or a call in one process."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias

NORMAL = 1000
GOING_AWAY = 1001
POLICY_VIOLATION = 1008
"""Close codes of RFC 6455, section 7.4.1."""


class Ping(NamedTuple):
    """A ping, to be answered with a pong of the same data."""

    data: bytes


class End(Enum):
    """End of what a client sends."""

    CLOSE = "close frame"
    LOST = "connection lost"


Message: TypeAlias = str | bytes | Ping | End


class Channel(Protocol):
    """Interface of an accepted WebSocket connection."""

    @property
    def is_closing(self) -> bool:
        """True once the client has disconnected or the connection was reset."""
        ...

    async def receive(self) -> Message:
        """Return the client's next message; pongs are left out. After an `End` nothing more comes."""
        ...

    async def send(self, data: str | bytes) -> None:
        """Send a text or a binary message. Raises ConnectionError if the client has gone."""
        ...

    async def pong(self, data: bytes) -> None:
        """Answer a ping. Raises ConnectionError if the client has gone."""
        ...

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Send a close frame or answer the client's, and wait a moment for the end."""
        ...

    async def cut(self, data: bytes, share: float) -> None:
        """Send this share of a message's frame, from 0 to 1, and close the connection without a close frame."""
        ...

    def reset(self) -> None:
        """Reset the connection: what waits to be sent is lost, and the client sees no close frame."""
        ...
