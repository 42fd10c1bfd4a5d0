"""Interface of the transports: one request goes out, once, and its whole answer comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from mexc_async.schema.answers import Reply
from mexc_async.transport.request_fields import Fields

Dial: TypeAlias = Callable[[Callable[[], asyncio.Protocol], str, int], Awaitable[asyncio.Protocol]]
"""Connect the protocol that the first argument builds with a host and port, and return it. Raises OSError.

Somebody else than the operating system makes such connections: to an exchange in this process.
"""


class Carrier(Protocol):
    """A connection that carries a request to its end even when the caller is cancelled."""

    def when_ended(self, on_end: Callable[[bool], object]) -> None:
        """Call `on_end(is_answered)` once, at the end of the request in flight, or now if it has ended."""
        ...


OnConnected: TypeAlias = Callable[[Carrier | None], object]
"""Called right before a request's first byte may leave, with its connection if that reports the request's end."""


class Transport(Protocol):
    """A transport, as the request pipeline uses it."""

    def send(
        self,
        method: str,
        target: str,
        headers: Fields,
        timeout_s: float | None,
        on_connected: OnConnected,
        body: bytes = b"",
    ) -> Awaitable[Reply]:
        """Send one request, once. `on_connected` is called right before its first byte may leave."""
        ...

    def distrust(self) -> None:
        """Test or close every idle connection: an answer belonged to another request."""
        ...

    async def aclose(self) -> None:
        """Close every connection; idempotent."""
        ...


class SharedTransport(Transport, Protocol):
    """A transport that several clients may share."""

    users: int
    """Open clients that use it; the last one closes it."""
