"""Moving a set of channels from one socket to another so that nobody sees a push twice, out of order, or not at all.

The new socket is subscribed while the old one still serves; what the new one brings is kept back. When every channel
is accepted on the new socket, the old one is pinged: its pong comes after everything it sent before, and whatever it
sends later is on the new socket too. At that moment what was kept back and not yet seen is delivered, and the new
socket serves. Pushes that the old one delivered ahead of the new are recognised by their content for a while longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

M = TypeVar("M")


class Handover(Generic[M]):
    """Between the first ack of the new socket and the silence of the old. `key` is what makes a push the same push."""

    def __init__(self, remember: int = 4096) -> None:
        self._seen: dict[tuple[str, Hashable], None] = {}
        self._order: deque[tuple[str, Hashable]] = deque()
        self._remember = remember
        self._kept: list[tuple[str, Hashable, M]] = []
        self.is_switched = False

    def from_old(self, channel: str, key: Hashable) -> bool:
        """Whether to deliver a push of the old socket: until the switch, always."""
        if self.is_switched:
            return False
        self._note(channel, key)
        return True

    def from_new(self, channel: str, key: Hashable, push: M) -> bool:
        """Whether to deliver a push of the new socket now; before the switch it is kept back."""
        if not self.is_switched:
            self._kept.append((channel, key, push))
            return False
        return (channel, key) not in self._seen

    def switch(self) -> list[M]:
        """From now on the new socket serves; returns what was kept back and not seen, in order of arrival."""
        self.is_switched = True
        kept, self._kept = self._kept, []
        return [push for channel, key, push in kept if (channel, key) not in self._seen]

    def _note(self, channel: str, key: Hashable) -> None:
        self._seen[channel, key] = None
        self._order.append((channel, key))
        if len(self._order) > self._remember:
            self._seen.pop(self._order.popleft(), None)
