"""Move of a set of channels from one socket to another, with no push lost, repeated or out of order.

The new socket is subscribed while the old one still serves; its pushes are held back. When every channel is accepted on
the new socket, the old one is pinged. The pong comes after everything that the old socket sent before, and whatever it
sends later is on the new socket too. At that moment the pushes that were held back and not yet seen are delivered, and
the new socket serves. For a while longer, pushes that the old socket delivered first are recognised by their content.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

M = TypeVar("M")


class Handover(Generic[M]):
    """State of a move, from the new socket's first ack to the old one's end. Equal `key`s mean the same push."""

    def __init__(self, remember: int = 4096) -> None:
        self._seen: dict[tuple[str, Hashable], None] = {}
        self._order: deque[tuple[str, Hashable]] = deque()
        self._remember = remember
        self._kept: list[tuple[str, Hashable, M]] = []
        self.is_switched = False

    def from_old(self, channel: str, key: Hashable) -> bool:
        """Return True if a push of the old socket is to be delivered: always, until the switch."""
        if self.is_switched:
            return False
        self._record(channel, key)
        return True

    def from_new(self, channel: str, key: Hashable, push: M) -> bool:
        """Return True if a push of the new socket is to be delivered now; before the switch it is held back."""
        if not self.is_switched:
            self._kept.append((channel, key, push))
            return False
        return (channel, key) not in self._seen

    def switch(self) -> list[M]:
        """Let the new socket serve; return the pushes that were held back and not seen, in order of arrival."""
        self.is_switched = True
        kept, self._kept = self._kept, []
        return [push for channel, key, push in kept if (channel, key) not in self._seen]

    def _record(self, channel: str, key: Hashable) -> None:
        self._seen[channel, key] = None
        self._order.append((channel, key))
        if len(self._order) > self._remember:
            self._seen.pop(self._order.popleft(), None)
