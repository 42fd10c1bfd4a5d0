"""IP addresses of one host name, ranked by round trip, and the error where none of them answers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from ipaddress import ip_address
from math import inf

from mexc_async.errors import ConnectFailed
from mexc_async.schema.answers import first_bytes


class Address:
    """One IP address and its round trip."""

    __slots__ = ("host", "port", "round_trip_s")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.round_trip_s = 0.0
        """0 while untried, so that it is tried first; inf after it failed."""

    def __repr__(self) -> str:
        return f"<{self.host} {self.round_trip_s * 1000:.1f} ms>"


class Addresses:
    """Resolver of one host name; resolves it again after `keep_s` seconds."""

    def __init__(self, host: str, port: int, keep_s: float, monotonic: Callable[[], float]) -> None:
        self.host = host
        self.port = port
        self._keep_s = keep_s
        self._monotonic = monotonic
        self._resolved_at = -inf
        self._known: dict[str, Address] = {}
        self._resolving = asyncio.Lock()

    async def ranked(self) -> list[Address]:
        """Return all addresses, the nearest first. Raises OSError if the name was never resolved and cannot be."""
        async with self._resolving:  # one look-up for all connections that are opened at the same time
            if self._monotonic() - self._resolved_at > self._keep_s:
                await self._resolve()
        return sorted(self._known.values(), key=lambda address: address.round_trip_s)

    async def _resolve(self) -> None:
        try:
            hosts = await self._look_up()
        except OSError:
            if not self._known:
                raise
            return  # the addresses known so far may still work
        self._resolved_at = self._monotonic()
        self._known = {host: self._known.get(host) or Address(host, self.port) for host in hosts}
        for address in self._known.values():
            if address.round_trip_s == inf:
                address.round_trip_s = 0.0  # it may be back

    async def _look_up(self) -> dict[str, None]:
        """Return the host's IP addresses. Raises OSError."""
        try:
            return {str(ip_address(self.host)): None}
        except ValueError:
            found = await asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            return dict.fromkeys(str(address[0]) for *_, address in found)

    def knows(self, address: Address) -> bool:
        """Return True if the name still resolves to this address."""
        return self._known.get(address.host) is address


def unreachable(place: str, error: BaseException) -> ConnectFailed:
    """Return the error for a connection that could not be made: host, port and reason, and no URL."""
    if isinstance(error, TimeoutError):
        return ConnectFailed(f"no connection to {place} in time")
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        reason = os.strerror(error.errno)  # asyncio's own text names the address and omits the reason
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ConnectFailed(f"no connection to {place}: {first_bytes(reason.encode())}")
