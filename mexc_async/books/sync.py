"""Keeps a book in step with the exchange: deltas are queued, a snapshot is fetched, each delta goes on from the last.

Nothing here reads a clock, waits or fetches: "now" is monotonic seconds and comes in, what to do next is returned.

The rules are those of MEXC's spot page on maintaining a local book, in its wording of 2026 (5,000 levels, and a first
push that may begin one after the snapshot; the wording of 2025 wanted the snapshot's version inside that push).
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
"""Old deltas in a row that are ignored; so many mean that the exchange began to count anew."""
MAX_REFUSED = 5
"""Snapshots in a row that the queue refuses before it is the queue that is doubted, and started over."""


class SyncState(Enum):
    """How far a book may be believed: only when synced."""

    CONNECTING = "connecting"
    """Not subscribed."""
    SYNCING = "syncing"
    """Subscribed, waiting for the first snapshot that fits."""
    SYNCED = "synced"
    """The levels are those of the exchange at `version`."""
    RESYNCING = "resyncing"
    """Something was lost; waiting for a snapshot that fits."""


TRANSITIONS = {
    SyncState.CONNECTING: {SyncState.SYNCING},
    SyncState.SYNCING: {SyncState.SYNCED, SyncState.CONNECTING},
    SyncState.SYNCED: {SyncState.RESYNCING, SyncState.CONNECTING},
    SyncState.RESYNCING: {SyncState.SYNCED, SyncState.CONNECTING},
}
"""Where each state may go."""


class Action(Enum):
    """What an input asks of the caller."""

    NONE = "none"
    CHANGED = "changed"
    """The book was read anew or took in a delta: tell those who wait for it."""
    FETCH_SNAPSHOT = "fetch snapshot"
    """Fetch a snapshot and hand it to `snapshot`, or call `snapshot_failed`; none is under way."""


class SyncCounts(Struct):
    """What happened to a book since it was made."""

    gaps: int = 0
    """Deltas missing, live or between snapshot and queue."""
    resyncs: int = 0
    """Times that a synced book was lost while subscribed."""
    snapshots: int = 0
    """Snapshots asked for."""
    stale: int = 0
    """Snapshots too old to join the queue."""
    duplicates: int = 0
    """Deltas that told nothing new."""
    overlaps: int = 0
    """Deltas that repeated versions and went on from there."""
    dropped: int = 0
    """Queued deltas that the snapshot already held."""
    overflows: int = 0
    """Queued deltas lost because the queue was full."""
    crossed: int = 0
    """Books found with a bid at or above an ask."""
    malformed: int = 0
    """Deltas and snapshots with something in them that is no number."""


class _Delta(NamedTuple):
    from_version: int
    to_version: int
    bids: Levels
    asks: Levels


class BookSync:
    """Keeps a book in step with the exchange: deltas are queued, a snapshot is fetched, and each delta must go on
    where the last one ended.

    A state changes within a call and never waits. Versions are whole numbers that a delta covers from first to last;
    a stream with one version a push passes it as both. Levels are kept as given until the snapshot is there.
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
        """What errors call the book; its symbol."""
        self.state = SyncState.CONNECTING
        self.counts = SyncCounts()
        self.attempts = 0
        """Snapshots asked for since the book was last synced: what a delay between them may grow with."""
        self.reason = "not connected yet"
        """Why it is not synced, or last was not."""
        self._book = OrderBook()
        self._queue: deque[_Delta] = deque()
        self._max_queued = max_queued
        self._is_fetching = False
        self._is_void = False
        """Whether the snapshot under way may be from before something was lost."""
        self._old_in_a_row = 0
        self._as_of = -inf

    @property
    def is_synced(self) -> bool:
        """Whether the book may be read."""
        return self.state is SyncState.SYNCED

    @property
    def was_synced(self) -> bool:
        """Whether it ever was in step."""
        return self._as_of > -inf

    @property
    def book(self) -> OrderBook:
        """The book, to be asked for at each read. Raises BookNotSynced.

        One that was kept is empty while the book is not synced, and filled again after that.
        """
        if self.state is not SyncState.SYNCED:
            raise BookNotSynced(f"{self.name} is {self.state.value}: {self.reason}")
        return self._book

    def age_ms(self, now: float) -> float:
        """Milliseconds since the last snapshot or delta was taken in; inf before the first."""
        return (now - self._as_of) * 1000.0

    def connected(self) -> Action:
        """The subscription is in force. Raises RuntimeError unless connecting."""
        self._go(SyncState.SYNCING)
        self.reason = "waiting for the first snapshot"
        return self._fetch()

    def disconnected(self) -> Action:
        """The subscription ended. A snapshot under way must not be handed in any more."""
        if self.state is not SyncState.CONNECTING:
            self._go(SyncState.CONNECTING)
        self.reason = "disconnected"
        self._book.clear()
        self._queue.clear()
        self._is_fetching = self._is_void = False
        return Action.NONE

    def gap_possible(self, reason: str = "a gap is possible") -> Action:
        """Something may have been lost that no version shows, such as pushes to a consumer that was too slow."""
        if self.state is SyncState.SYNCED:
            return self._lose(reason)
        self._is_void = self._is_fetching
        return Action.NONE

    def delta(self, from_version: int, to_version: int, bids: Levels, asks: Levels, now: float) -> Action:
        """Take in a push: into the book if it goes on from there, into the queue while there is no book."""
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
        """Take in the snapshot that was asked for; another one is asked for if it does not fit."""
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
        """The snapshot that was asked for will not come; when to try again is for the caller to say."""
        if not self._is_fetching:
            return Action.NONE
        self.reason = reason
        return self._fetch()

    def _gap(self, following: list[_Delta], version: int) -> str:
        """Say where the queue does not go on from this version, and leave in it what comes after; "" if it does."""
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
        """A delta that the book is past."""
        self.counts.duplicates += 1
        self._old_in_a_row += 1
        if self._old_in_a_row < MAX_OLD:
            return Action.NONE
        version = self._book.version
        return self._lose(f"{MAX_OLD} deltas in a row end before {version}: versions seem to count anew", delta)

    def _lose(self, reason: str, delta: _Delta | None = None) -> Action:
        """Leave the synced state; the delta at which it was noticed is the first of the queue."""
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
