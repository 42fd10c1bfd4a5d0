"""The addresses behind one host name, the quickest first."""

from __future__ import annotations

import asyncio
import socket
import time
from math import inf


class Address:
    """One address, and how far away it is as far as that is known."""

    __slots__ = ("host", "port", "round_trip_s")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.round_trip_s = 0.0
        """0 while it was never tried, so that it is; inf after it failed."""

    def __repr__(self) -> str:
        return f"<{self.host} {self.round_trip_s * 1000:.1f} ms>"


class Addresses:
    """Resolves a host name, and again when that is some time ago."""

    def __init__(self, host: str, port: int, keep_s: float) -> None:
        self.host = host
        self.port = port
        self._keep_s = keep_s
        self._resolved_at = -inf
        self._known: dict[str, Address] = {}

    async def ranked(self) -> list[Address]:
        """All of them, the quickest first. Raises OSError if the name cannot be resolved and never could be."""
        if time.monotonic() - self._resolved_at > self._keep_s:
            await self._resolve()
        return sorted(self._known.values(), key=lambda address: address.round_trip_s)

    async def _resolve(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            if not self._known:
                raise
            return  # what worked so far may still work
        self._resolved_at = time.monotonic()
        hosts = dict.fromkeys(str(address[0]) for *_, address in found)
        self._known = {host: self._known.get(host) or Address(host, self.port) for host in hosts}
        for address in self._known.values():
            if address.round_trip_s == inf:
                address.round_trip_s = 0.0  # it may be back

    def knows(self, address: Address) -> bool:
        """Whether the name still stands for this address."""
        return self._known.get(address.host) is address
