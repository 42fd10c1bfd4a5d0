"""Memory of very many things in which no call takes long.

A set or dict grows by rebuilding itself: 8 ms for 200,000 texts, while the event loop stands still. Here the keys
are spread over small ones, each of which grows by itself, in less than 100 us.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PARTS: Final = 256
"""Number of small sets or dicts: 200,000 keys make about 800 in each."""


class Parts(Generic[K, V]):
    """Dict in small parts: `parts.of(key)[key] = value`. It has no order."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: tuple[dict[K, V], ...] = tuple({} for _ in range(PARTS))

    def of(self, key: K) -> dict[K, V]:
        """Return the part that holds a key, or is to hold it."""
        return self._parts[hash(key) % PARTS]

    def __len__(self) -> int:
        return sum(map(len, self._parts))


class RecentIds:
    """The newest of many ids, the oldest of which are forgotten one by one."""

    __slots__ = ("_first", "_most", "_parts")

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: tuple[set[str], ...] = tuple(set() for _ in range(PARTS))
        self._first: deque[str] = deque()
        """The same ids, the oldest first; with the sets, half the memory of an ordered dict."""

    def add(self, name: str) -> bool:
        """Add an id; return False if it is known."""
        part = self._parts[hash(name) % PARTS]
        if name in part:
            return False
        part.add(name)
        self._first.append(name)
        if len(self._first) > self._most:
            oldest = self._first.popleft()
            self._parts[hash(oldest) % PARTS].remove(oldest)
        return True

    def __contains__(self, name: str) -> bool:
        return name in self._parts[hash(name) % PARTS]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids, the oldest first."""
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)
