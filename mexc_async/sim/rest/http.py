"""Requests and responses as values, and what happens to a response on its way.

The simulator takes and returns them without knowing what carries them: a listener does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping
from enum import Enum
from typing import Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec

from mexc_async.sim.stream.channel import Channel


class Peer(Protocol):
    """Interface of the connection on which a request came."""

    @property
    def is_closing(self) -> bool:
        """True once the sender has disconnected or the connection was reset."""
        ...


Body: TypeAlias = bytes | Callable[[], Awaitable[bytes]]
"""A request's body, or a function that reads one that has not arrived yet."""

Upgrade: TypeAlias = Callable[[Mapping[str, str]], Awaitable[Channel]]
"""Accepts a WebSocket connection with these header fields."""


class Request(msgspec.Struct, frozen=True):
    """One HTTP request."""

    method: str
    target: str
    """Path and query as sent."""
    headers: Mapping[str, str]
    """Header fields; names ignore case."""
    remote: str
    """IP address of the sender."""
    peer: Peer
    body: Body = b""
    upgrade: Upgrade | None = None
    """Accepts the WebSocket connection that the request asks for; None if it asks for none."""

    @property
    def path(self) -> str:
        """The path without percent codes."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of equal names the first counts."""
        pairs = parse_qsl(self.target.partition("?")[2], keep_blank_values=True)
        return dict(reversed(pairs))

    async def read(self) -> bytes:
        """Return the body. Raises Refusal 413 if it is too large, ConnectionError if the sender disconnects."""
        return self.body if isinstance(self.body, bytes) else await self.body()


class Delivery(Enum):
    """Delivery of a response: complete or not, and with or without the end of the connection."""

    WHOLE = "once and whole"
    LAST = "the whole, and the end of the connection"
    TWICE = "two copies"
    AGAIN = "two copies, the second after a gap and before any later response"
    STALE = "the whole, and a copy after a gap, maybe behind later responses"
    BROKEN_OFF = "a beginning, and the end of the connection"
    STALLED = "a beginning, and nothing more"


class Response(msgspec.Struct, frozen=True):
    """One HTTP response, to be delivered."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = {}
    """Header fields, without Content-Length."""
    delivery: Delivery = Delivery.WHOLE
    gap_ms: int = 0
    """Gap of AGAIN and STALE."""
    share: float = 0.5
    """Share of the bytes that arrive, for BROKEN_OFF and STALLED: from 0 to 1."""


class NoResponse(Enum):
    """End of a request without a response."""

    DROPPED = "the connection is reset"
    CLOSED = "the connection is closed"
    STREAMED = "it was a WebSocket connection, which has ended"


Outcome: TypeAlias = Response | NoResponse

Handler: TypeAlias = Callable[[Request], Awaitable[Outcome]]


class Listener(Protocol):
    """Interface of what carries requests to a handler, and outcomes to their senders."""

    async def open(self) -> str:
        """Start to serve and return the base URL. Raises OSError if the address is not available."""
        ...

    def reset_all(self, spared: Container[Peer]) -> int:
        """Reset every connection except the spared ones, and return their number."""
        ...

    async def pause(self, seconds: float) -> None:
        """Refuse connections for `seconds`. The address stays taken meanwhile."""
        ...

    async def aclose(self) -> None:
        """Stop serving. Safe to call again."""
        ...


Listen: TypeAlias = Callable[[Handler, str, int], Listener]
"""Builds the listener of a handler, for a host and a port (0 for a free one)."""
