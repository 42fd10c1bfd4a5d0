"""Synchronisation of a book: deltas are queued, a snapshot is fetched, each delta continues the last.

Nothing here reads a clock, waits or fetches: "now" is monotonic seconds and comes in, the next action is returned. The
rules are those of MEXC's spot page on maintaining a local book, in its wording of 2026 (5,000 levels, and a first push
that may begin one after the snapshot; the wording of 2025 wanted the snapshot's version inside that push).
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from math import inf
from typing import NamedTuple

from msgspec import Struct

from mexc_async.books.book import OrderBook
from mexc_async.books.side import Levels
from mexc_async.errors import BookNotSynced, ProtocolError

MAX_OLD = 50
"""Old deltas in a row that are ignored; so many mean that the exchange restarted its count."""
MAX_REFUSED = 5
"""Snapshots in a row that do not fit the queue, before the queue itself is dropped."""


class SyncState(Enum):
    """State of synchronisation; only a synced book can be read."""

    CONNECTING = "connecting"
    """Not subscribed."""
    SYNCING = "syncing"
    """Subscribed, waiting for the first snapshot that fits."""
    SYNCED = "synced"
    """The levels are those of the exchange at `version`."""
    RESYNCING = "resyncing"
    """Out of sync; waiting for a snapshot that fits."""


TRANSITIONS = {
    SyncState.CONNECTING: {SyncState.SYNCING},
    SyncState.SYNCING: {SyncState.SYNCED, SyncState.CONNECTING},
    SyncState.SYNCED: {SyncState.RESYNCING, SyncState.CONNECTING},
    SyncState.RESYNCING: {SyncState.SYNCED, SyncState.CONNECTING},
}
"""Legal next states of each state."""


class Action(Enum):
    """Next step for the caller after an input."""

    NONE = "none"
    CHANGED = "changed"
    """The book was loaded or applied a delta: wake those who wait for a change."""
    FETCH_SNAPSHOT = "fetch snapshot"
    """Fetch a snapshot and pass it to `snapshot`, or call `snapshot_failed`; none is under way."""


class SyncCounts(Struct):
    """Counts of what happened to a book since it was made."""

    gaps: int = 0
    """Deltas missing, live or between snapshot and queue."""
    resyncs: int = 0
    """Times that a synced book got out of sync while subscribed."""
    snapshots: int = 0
    """Snapshots requested."""
    stale: int = 0
    """Snapshots too old to join the queue."""
    duplicates: int = 0
    """Deltas without news."""
    overlaps: int = 0
    """Deltas that repeated versions and continued from there."""
    dropped: int = 0
    """Queued deltas that the snapshot already contained."""
    overflows: int = 0
    """Queued deltas lost because the queue was full."""
    crossed: int = 0
    """Books found with a bid at or above an ask."""
    malformed: int = 0
    """Deltas and snapshots with a value that is not a number."""


class _Delta(NamedTuple):
    from_version: int
    to_version: int
    bids: Levels
    asks: Levels


class BookSync:
    """State machine that holds a book in sync: deltas are queued until a snapshot fits, then each continues the last.

    A call changes the state and never waits. Versions are whole numbers; a delta covers them from first to last; a
    stream with one version per push passes it as both. Levels are stored as given until the snapshot is there.
    """

    __slots__ = (
        "_as_of",
        "_book",
        "_is_fetching",
        "_is_void",
        "_max_queued",
        "_old_in_a_row",
        "_queue",
        "attempts",
        "counts",
        "name",
        "reason",
        "state",
    )

    def __init__(self, name: str = "book", *, max_queued: int = 2000) -> None:
        if max_queued < 1:
            raise ValueError(f"max_queued is {max_queued}; it must be at least 1")
        self.name = name
        """Name of the book in errors; its symbol."""
        self.state = SyncState.CONNECTING
        self.counts = SyncCounts()
        self.attempts = 0
        """Snapshots requested since the book was last synced: the basis for a growing delay between them."""
        self.reason = "not connected yet"
        """Reason for not being synced, now or the last time."""
        self._book = OrderBook()
        self._queue: deque[_Delta] = deque()
        self._max_queued = max_queued
        self._is_fetching = False
        self._is_void = False
        """True if the snapshot under way may be older than a loss."""
        self._old_in_a_row = 0
        self._as_of = -inf

    @property
    def is_synced(self) -> bool:
        """True if the book can be read."""
        return self.state is SyncState.SYNCED

    @property
    def was_synced(self) -> bool:
        """True if the book was ever in sync."""
        return self._as_of > -inf

    @property
    def book(self) -> OrderBook:
        """The book, to be fetched for each read. Raises BookNotSynced.

        A reference held longer is empty while the book is not synced, and filled again after that.
        """
        if self.state is not SyncState.SYNCED:
            raise BookNotSynced(f"{self.name} is {self.state.value}: {self.reason}")
        return self._book

    def age_ms(self, now: float) -> float:
        """Return the milliseconds since the last snapshot or delta was applied; inf before the first."""
        return (now - self._as_of) * 1000.0

    def connected(self) -> Action:
        """Start syncing: the subscription is in force. Raises RuntimeError unless connecting."""
        self._go(SyncState.SYNCING)
        self.reason = "waiting for the first snapshot"
        return self._fetch()

    def disconnected(self) -> Action:
        """Reset: the subscription ended. A snapshot under way must not be passed in any more."""
        if self.state is not SyncState.CONNECTING:
            self._go(SyncState.CONNECTING)
        self.reason = "disconnected"
        self._book.clear()
        self._queue.clear()
        self._is_fetching = self._is_void = False
        return Action.NONE

    def gap_possible(self, reason: str = "a gap is possible") -> Action:
        """Resync after a loss that no version shows, such as pushes dropped because a consumer was too slow."""
        if self.state is SyncState.SYNCED:
            return self._lose(reason)
        self._is_void = self._is_fetching
        return Action.NONE

    def delta(self, from_version: int, to_version: int, bids: Levels, asks: Levels, now: float) -> Action:
        """Apply a push: to the book if it continues it, to the queue while there is no book."""
        if self.state is not SyncState.SYNCED:
            self._enqueue(_Delta(from_version, to_version, bids, asks))
            return Action.NONE
        book = self._book
        version = book.version
        if to_version <= version:
            return self._ignore(_Delta(from_version, to_version, bids, asks))
        if from_version > version + 1:
            self.counts.gaps += 1
            return self._lose(
                f"a delta begins at {from_version}, the book is at {version}",
                _Delta(from_version, to_version, bids, asks),
            )
        try:
            book.apply(bids, asks, to_version)
        except ProtocolError as error:
            self.counts.malformed += 1
            return self._lose(error.message, _Delta(from_version, to_version, bids, asks))
        if book.is_crossed:
            self.counts.crossed += 1
            return self._lose(f"crossed at {to_version}", _Delta(from_version, to_version, bids, asks))
        if from_version <= version:
            # By the letter of the rules this starts over. But quantities are absolute, so a push holds the final
            # quantity of all that changed up to `to_version`: this is how the first push joins a snapshot, and how
            # pushes of a new socket, cut elsewhere, join those of the one that it replaces.
            self.counts.overlaps += 1
        self._old_in_a_row = 0
        self._as_of = now
        return Action.CHANGED

    def snapshot(self, last_update_id: int, bids: Levels, asks: Levels, now: float) -> Action:
        """Apply the requested snapshot; request another one if it does not fit."""
        if not self._is_fetching:
            return Action.NONE
        queue = self._queue
        # The fourth rule to the letter would refuse a snapshot that ends right before the queue; by the sixth it joins.
        if self._is_void or (queue and last_update_id + 1 < queue[0].from_version):
            self.counts.stale += 1
            self.reason = f"the snapshot is too old: {last_update_id}"
            return self._fetch()
        following = [delta for delta in queue if delta.to_version > last_update_id]
        self.counts.dropped += len(queue) - len(following)
        if gap := self._gap(following, last_update_id):
            return self._again(gap)
        # If this one is refused, the next must be no older than the last delta.
        self._queue = deque(following[-1:])
        try:
            self._load(last_update_id, bids, asks, following)
        except ProtocolError as error:
            self.counts.malformed += 1
            return self._again(error.message)
        if self._book.is_crossed:
            self.counts.crossed += 1
            return self._again(f"crossed at {self._book.version}")
        self._is_fetching = False
        self._queue = deque()
        self._go(SyncState.SYNCED)
        self.attempts = self._old_in_a_row = 0
        self._as_of = now
        return Action.CHANGED

    def snapshot_failed(self, reason: str = "the snapshot could not be fetched") -> Action:
        """Request another snapshot, because the requested one failed; the caller chooses the delay."""
        if not self._is_fetching:
            return Action.NONE
        self.reason = reason
        return self._fetch()

    def _gap(self, following: list[_Delta], version: int) -> str:
        """Describe the first gap after this version and drop the queue before it; "" if there is none."""
        for index, delta in enumerate(following):
            if delta.from_version > version + 1:
                self.counts.gaps += 1
                self._queue = deque(following[index:])
                return f"a queued delta begins at {delta.from_version}, the book is at {version}"
            version = max(version, delta.to_version)
        return ""

    def _load(self, version: int, bids: Levels, asks: Levels, following: list[_Delta]) -> None:
        book = self._book
        book.load(bids, asks, version)
        for delta in following:
            if delta.to_version > book.version:
                book.apply(delta.bids, delta.asks, delta.to_version)
            else:
                self.counts.duplicates += 1

    def _enqueue(self, delta: _Delta) -> None:
        queue = self._queue
        if len(queue) >= self._max_queued:  # start over from the oldest one left: an older snapshot will be refused
            queue.popleft()
            self.counts.overflows += 1
        queue.append(delta)

    def _ignore(self, delta: _Delta) -> Action:
        """Count a delta that the book is past."""
        self.counts.duplicates += 1
        self._old_in_a_row += 1
        if self._old_in_a_row < MAX_OLD:
            return Action.NONE
        version = self._book.version
        return self._lose(
            f"{MAX_OLD} deltas in a row end before {version}: the exchange seems to have restarted its count", delta
        )

    def _lose(self, reason: str, delta: _Delta | None = None) -> Action:
        """Leave the synced state; the delta that revealed it is the first of the queue."""
        self._go(SyncState.RESYNCING)
        self.counts.resyncs += 1
        if delta:
            self._queue.append(delta)
        return self._again(reason)

    def _again(self, reason: str) -> Action:
        self.reason = reason
        self._book.clear()
        return self._fetch()

    def _fetch(self) -> Action:
        if self.attempts and self.attempts % MAX_REFUSED == 0:  # one delta with a false version would block for ever
            self._queue.clear()
        self._is_fetching, self._is_void = True, False
        self.attempts += 1
        self.counts.snapshots += 1
        return Action.FETCH_SNAPSHOT

    def _go(self, state: SyncState) -> None:
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"{self.name} is {self.state.value} and cannot be {state.value} next")
        self.state = state

    def __repr__(self) -> str:
        what = f"at {self._book.version}" if self.is_synced else f"({self.reason})"
        return f"<BookSync {self.name} {self.state.value} {what}>"
