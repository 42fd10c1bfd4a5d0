"""Rules of the sync machine one by one, then any faults at all: while it is synced, its book is the exchange's."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from math import inf
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.books.book import OrderBook
from mexc_async.books.side import PureBookSide
from mexc_async.books.sync import MAX_OLD, MAX_REFUSED, TRANSITIONS, Action, BookSync, SyncState
from mexc_async.errors import BookNotSynced, MexcError

D = Decimal
Pairs = list[tuple[str, str]]
BIDS: Pairs = [("99", "1")]
ASKS: Pairs = [("101", "1")]
CONNECTING, SYNCING, SYNCED, RESYNCING = SyncState
NONE, CHANGED, FETCH = Action


def delta(sync: BookSync, first: int, last: int, now: float = 0.0, bids: Pairs | None = None) -> Action:
    """Build a push whose best bid equals its last version."""
    return sync.delta(first, last, [("99", str(last))] if bids is None else bids, [], now)


def snapshot(sync: BookSync, version: int, now: float = 0.0) -> Action:
    return sync.snapshot(version, BIDS, ASKS, now)


def connected(*queued: tuple[int, int], max_queued: int = 100) -> BookSync:
    sync = BookSync("BTCUSDT", max_queued=max_queued)
    assert sync.connected() is FETCH
    for first, last in queued:
        assert delta(sync, first, last) is NONE
    return sync


def synced(version: int = 10) -> BookSync:
    sync = connected()
    assert snapshot(sync, version) is CHANGED
    return sync


def counted(sync: BookSync) -> dict[str, int]:
    """Return all counts but those of zero."""
    return {name: count for name in sync.counts.__struct_fields__ if (count := getattr(sync.counts, name))}


@pytest.mark.parametrize(
    ("queued", "version", "state", "ends_at", "counts"),
    [
        ([], 10, SYNCED, 10, {}),
        ([(8, 9), (10, 10)], 10, SYNCED, 10, {"dropped": 2}),
        ([(8, 9), (10, 12), (13, 13)], 9, SYNCED, 13, {"dropped": 1}),
        ([(8, 12)], 10, SYNCED, 12, {}),
        ([(10, 12)], 10, SYNCED, 12, {}),
        ([(8, 10), (11, 12)], 10, SYNCED, 12, {"dropped": 1}),
        ([(11, 12)], 10, SYNCED, 12, {}),
        ([(11, 11), (12, 12)], 10, SYNCED, 12, {}),
        ([(12, 12)], 10, SYNCING, None, {"stale": 1}),
        ([(8, 9), (12, 12)], 10, SYNCING, None, {"dropped": 1, "gaps": 1}),
        ([(8, 11), (13, 13)], 10, SYNCING, None, {"gaps": 1}),
        ([(8, 11), (8, 11), (12, 13)], 10, SYNCED, 13, {"duplicates": 1}),
        ([(8, 11), (11, 13)], 10, SYNCED, 13, {}),
        ([(8, 9), (11, 12), (10, 10)], 10, SYNCED, 12, {"dropped": 2}),
        ([(8, 9), (11, 12), (10, 10)], 9, SYNCING, None, {"dropped": 1, "gaps": 1}),
    ],
)
def test_snapshot_joins_the_queue_by_the_rules(
    queued: list[tuple[int, int]], version: int, state: SyncState, ends_at: int | None, counts: dict[str, int]
) -> None:
    sync = connected(*queued)
    action = snapshot(sync, version)
    assert sync.state is state
    assert counted(sync) == {**counts, "snapshots": 1 if state is SYNCED else 2}
    if ends_at is None:
        assert action is FETCH
        with pytest.raises(BookNotSynced):
            _ = sync.book
    else:
        assert action is CHANGED
        assert sync.book.version == ends_at
        assert sync.book.bids()[0].quantity == (ends_at if ends_at > version else 1)


@pytest.mark.parametrize("is_pure", [False, True])
def test_snapshot_joins_a_queue_that_begins_right_behind_it_with_every_level(is_pure: bool) -> None:
    sync = connected()
    if is_pure:
        sync._book = OrderBook(PureBookSide)
    for version in (11, 12, 13):
        levels = [(str(80 + version), str(version))], [("101", "0" if version == 13 else str(version))]
        assert sync.delta(version, version, *levels, 0.0) is NONE
    assert sync.snapshot(9, BIDS, ASKS, 0.0) is FETCH, "10 is missing"
    assert sync.snapshot(10, BIDS, [*ASKS, ("102", "7")], 0.0) is CHANGED
    assert sync.book.version == 13
    assert [tuple(map(int, level[:2])) for level in sync.book.bids()] == [(99, 1), (93, 13), (92, 12), (91, 11)]
    assert [tuple(map(int, level[:2])) for level in sync.book.asks()] == [(102, 7)]
    assert counted(sync) == {"snapshots": 2, "stale": 1}
    assert delta(sync, 14, 14) is CHANGED


@pytest.mark.parametrize(
    ("first", "last", "action", "ends_at", "counts"),
    [
        (11, 11, CHANGED, 11, {}),
        (11, 15, CHANGED, 15, {}),
        (10, 10, NONE, 10, {"duplicates": 1}),
        (3, 9, NONE, 10, {"duplicates": 1}),
        (9, 12, CHANGED, 12, {"overlaps": 1}),
        (12, 12, FETCH, None, {"gaps": 1, "resyncs": 1}),
        (13, 12, FETCH, None, {"gaps": 1, "resyncs": 1}),
        (11, 9, NONE, 10, {"duplicates": 1}),
    ],
)
def test_live_delta_must_go_on_from_the_last(
    first: int, last: int, action: Action, ends_at: int | None, counts: dict[str, int]
) -> None:
    sync = synced(10)
    assert delta(sync, first, last) is action
    assert sync.state is (RESYNCING if ends_at is None else SYNCED)
    assert counted(sync) == {**counts, "snapshots": 2 if ends_at is None else 1}
    if ends_at is not None:
        assert sync.book.version == ends_at


def test_gap_forces_a_resync_that_keeps_what_came_after() -> None:
    sync = synced(10)
    kept = sync.book
    assert delta(sync, 13, 14) is FETCH
    assert (sync.state, sync.reason) == (RESYNCING, "a delta begins at 13, the book is at 10")
    assert kept.best_bid is None, "whoever kept the book must not read on"
    assert delta(sync, 15, 15) is NONE
    assert snapshot(sync, 11) is FETCH
    assert snapshot(sync, 14) is CHANGED
    assert (sync.book.version, sync.book.bids()[0].quantity) == (15, D(15))
    assert sync.book is kept
    assert counted(sync) == {"gaps": 1, "resyncs": 1, "snapshots": 3, "stale": 1, "dropped": 1}


def test_deltas_before_the_acknowledgement_are_queued_too() -> None:
    sync = BookSync()
    assert delta(sync, 10, 12) is NONE
    assert sync.connected() is FETCH
    assert snapshot(sync, 11) is CHANGED
    assert sync.book.version == 12


@pytest.mark.parametrize("state", SyncState)
def test_only_a_synced_book_is_read(state: SyncState) -> None:
    sync = {
        CONNECTING: BookSync("BTCUSDT"),
        SYNCING: connected(),
        SYNCED: synced(),
        RESYNCING: synced(),
    }[state]
    if state is RESYNCING:
        sync.gap_possible("a push was lost")
    assert sync.state is state
    assert sync.is_synced is (state is SYNCED)
    if state is SYNCED:
        assert sync.book.mid == 100
        assert repr(sync) == "<BookSync BTCUSDT synced at 10>"
    else:
        with pytest.raises(BookNotSynced, match=f"BTCUSDT is {state.value}: ") as caught:
            _ = sync.book
        assert isinstance(caught.value, MexcError)
        assert caught.value.retryable
        assert state.value in repr(sync)


def test_disconnecting_forgets_everything() -> None:
    for sync in (BookSync(), connected((5, 6)), synced()):
        assert sync.disconnected() is NONE
        assert sync.state is CONNECTING
        assert snapshot(sync, 6) is NONE, "one that was under way"
        assert sync.connected() is FETCH
        assert snapshot(sync, 3) is CHANGED, "no queue is left that it would be too old for"
        assert sync.book.version == 3


def test_connecting_twice_is_refused() -> None:
    for sync in (connected(), synced()):
        with pytest.raises(RuntimeError, match="cannot be syncing next"):
            sync.connected()


def test_snapshot_that_was_not_asked_for_is_ignored() -> None:
    sync = synced(10)
    assert snapshot(sync, 50) is NONE
    assert sync.snapshot_failed() is NONE
    assert sync.book.version == 10


def test_failed_snapshot_is_asked_for_again() -> None:
    sync = connected((5, 6))
    assert sync.snapshot_failed("429") is FETCH
    assert (sync.state, sync.reason, sync.attempts) == (SYNCING, "429", 2)
    assert snapshot(sync, 5) is CHANGED
    assert sync.attempts == 0


def test_possible_gap_voids_the_snapshot_under_way() -> None:
    sync = connected()
    assert sync.gap_possible() is NONE
    assert snapshot(sync, 10) is FETCH
    assert snapshot(sync, 10) is CHANGED
    assert counted(sync) == {"snapshots": 2, "stale": 1}
    assert sync.gap_possible() is FETCH
    assert sync.state is RESYNCING
    assert BookSync().gap_possible() is NONE


def test_full_queue_loses_its_oldest_and_refuses_an_older_snapshot() -> None:
    sync = connected(*((version, version) for version in range(1, 8)), max_queued=5)
    assert counted(sync) == {"snapshots": 1, "overflows": 2}
    assert snapshot(sync, 1) is FETCH
    assert snapshot(sync, 5) is CHANGED
    assert sync.book.version == 7
    with pytest.raises(ValueError, match="at least 1"):
        BookSync(max_queued=0)


def test_crossed_delta_forces_a_resync() -> None:
    sync = synced(10)
    assert delta(sync, 11, 11, bids=[("101", "1")]) is FETCH
    assert (sync.state, sync.reason) == (RESYNCING, "crossed at 11")
    assert snapshot(sync, 9) is FETCH, "too old for the delta that it crossed with"
    assert snapshot(sync, 10) is FETCH, "from before it crossed, which it does again"
    assert snapshot(sync, 12) is CHANGED
    assert counted(sync) == {"crossed": 2, "resyncs": 1, "snapshots": 4, "stale": 1, "dropped": 1}


def test_crossed_snapshot_is_fetched_again() -> None:
    sync = connected()
    assert sync.snapshot(10, [("5", "1")], [("5.0", "1")], 0.0) is FETCH
    assert (sync.state, counted(sync)) == (SYNCING, {"crossed": 1, "snapshots": 2})


def test_what_is_no_number_forces_a_resync() -> None:
    sync = synced(10)
    assert delta(sync, 11, 11, bids=[("x", "1")]) is FETCH
    assert sync.state is RESYNCING
    assert sync.snapshot(11, [("1", "?")], [], 0.0) is FETCH
    assert snapshot(sync, 11) is CHANGED
    assert counted(sync)["malformed"] == 2


def test_queued_delta_that_is_no_number_is_overcome_by_a_newer_snapshot() -> None:
    sync = connected((8, 9))
    delta(sync, 10, 10, bids=[("99", "NaN")])
    assert snapshot(sync, 9) is FETCH
    assert snapshot(sync, 9) is FETCH
    assert snapshot(sync, 10) is CHANGED


def test_versions_that_count_anew_are_noticed() -> None:
    sync = synced(1_000_000)
    actions = [delta(sync, version, version) for version in range(1, MAX_OLD + 1)]
    assert actions == [NONE] * (MAX_OLD - 1) + [FETCH]
    assert sync.state is RESYNCING
    assert snapshot(sync, MAX_OLD + 3) is CHANGED
    assert delta(sync, MAX_OLD + 4, MAX_OLD + 4) is CHANGED


def test_old_deltas_between_new_ones_are_no_sign_of_that() -> None:
    sync = synced(0)
    for version in range(1, 3 * MAX_OLD):
        assert delta(sync, version, version) is CHANGED
        assert delta(sync, version, version) is NONE
    assert sync.is_synced


def test_false_version_does_not_block_for_ever() -> None:
    sync = synced(10)
    assert delta(sync, 10**12, 10**12) is FETCH
    tries = 0
    while not sync.is_synced:
        tries += 1
        delta(sync, 10 + tries, 10 + tries)
        snapshot(sync, 10 + tries)
    assert tries == MAX_REFUSED + 1


def test_age_counts_from_what_was_last_taken_in() -> None:
    sync = connected()
    assert sync.age_ms(5.0) == inf
    snapshot(sync, 10, now=5.0)
    assert sync.age_ms(5.25) == 250.0
    delta(sync, 11, 11, now=6.0)
    assert sync.age_ms(6.5) == 500.0
    delta(sync, 11, 11, now=7.0)
    delta(sync, 20, 20, now=7.0)
    assert sync.age_ms(7.0) == 1000.0


def test_stream_with_one_version_a_push_is_kept_too() -> None:
    sync = connected()
    assert sync.snapshot(100, BIDS, ASKS, 0.0) is CHANGED
    for version in (101, 102):
        assert sync.delta(version, version, [], [("102", "2")], 0.0) is CHANGED
    assert sync.delta(104, 104, [], [], 0.0) is FETCH


def test_every_state_is_reached_and_left() -> None:
    assert set(TRANSITIONS) == set(SyncState) == set.union(*TRANSITIONS.values())


class Push(NamedTuple):
    first: int
    last: int
    bids: Pairs
    asks: Pairs


class Exchange:
    """Book that changes, every version of it, and pushes that each cover some versions."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {90: 5}
        self.asks: dict[int, int] = {110: 5}
        self.version = 1
        self.history: dict[int, tuple[dict[int, int], dict[int, int]]] = {}
        self._keep()

    def _keep(self) -> None:
        self.history[self.version] = dict(self.bids), dict(self.asks)

    def change(self, steps: list[tuple[bool, int, int]]) -> Push:
        """Add one version per step: (is a bid, distance, quantity)."""
        first, touched = self.version + 1, (set[int](), set[int]())
        for is_bid, distance, quantity in steps:
            side, price = (self.bids, 99 - distance) if is_bid else (self.asks, 101 + distance)
            side[price] = quantity
            if not quantity:
                del side[price]  # or nothing: a removal of a missing level
            touched[not is_bid].add(price)
            self.version += 1
            self._keep()
        bids, asks = (
            [(str(price), str(side.get(price, 0))) for price in sorted(prices)]
            for side, prices in zip((self.bids, self.asks), touched, strict=True)
        )
        return Push(first, self.version, bids, asks)

    def shows(self, book: OrderBook) -> bool:
        sides = zip((book.bids(), book.asks()), self.history[book.version], strict=True)
        return all({int(price): int(quantity) for price, quantity in shown} == true for shown, true in sides)


class Driver:
    """Network between the two: a socket with faults, and REST answers that may be late, old or missing."""

    def __init__(self, max_queued: int) -> None:
        self.exchange = Exchange()
        self.sync = BookSync(max_queued=max_queued)
        self.is_connected = False
        self.under_way: deque[int] = deque()
        """Version of the requested snapshot; at most one."""
        self.held: list[Push] = []
        self.last_push: Push | None = None

    def act(self, action: Action, lag: int = 0) -> None:
        if action is FETCH:
            versions = sorted(self.exchange.history)
            self.under_way = deque([versions[max(0, len(versions) - 1 - lag)]])
        if self.sync.is_synced:
            assert self.exchange.shows(self.sync.book)
        else:
            with pytest.raises(BookNotSynced):
                _ = self.sync.book

    def deliver(self, push: Push) -> None:
        self.act(self.sync.delta(push.first, push.last, push.bids, push.asks, 0.0))

    def answer(self, lag: int = 0) -> None:
        if self.under_way:
            version = self.under_way.popleft()
            bids, asks = self.exchange.history[version]
            self.act(self.sync.snapshot(version, texts(bids), texts(asks), 0.0), lag)

    def connect(self) -> None:
        if not self.is_connected:
            self.is_connected = True
            self.act(self.sync.connected())

    def disconnect(self) -> None:
        if self.is_connected:
            self.is_connected = False
            self.under_way.clear()
            self.act(self.sync.disconnected())

    def suffer(self, fault: str, steps: list[tuple[bool, int, int]], lag: int) -> None:
        """Play one event of the random script."""
        match fault:
            case "push" | "drop" | "hold" | "twice" | "merge" | "false version":
                push = self.exchange.change(steps)
                if fault == "hold":
                    self.held.append(push)
                if fault == "merge" and self.last_push:  # cut elsewhere, as another socket would
                    push = merged(self.exchange, self.last_push, push)
                if fault in ("push", "twice", "merge") and self.is_connected:
                    self.last_push = push
                    for _ in range(1 + (fault == "twice")):
                        self.deliver(push)
                if fault == "false version" and self.is_connected:
                    self.deliver(push._replace(first=10**9, last=10**9))
            case "release":
                while self.held:
                    self.deliver(self.held.pop())
            case "answer":
                self.answer(lag)
            case "fail" if self.under_way:
                self.under_way.clear()
                self.act(self.sync.snapshot_failed(), lag)
            case "gap":
                self.act(self.sync.gap_possible(), lag)
            case "connect":
                self.connect()
            case "disconnect":
                self.disconnect()


def texts(side: dict[int, int]) -> Pairs:
    return [(f"{price}.0", str(quantity)) for price, quantity in side.items()]


def merged(exchange: Exchange, earlier: Push, later: Push) -> Push:
    """Merge pushes: the versions of both and all between, with the last quantity of every price."""
    sides: list[Pairs] = []
    for index in (0, 1):
        spans = [exchange.history[version][index] for version in range(earlier.first - 1, later.last + 1)]
        now = spans[-1]
        prices = {price for span in spans for price in span if any(s.get(price) != now.get(price) for s in spans)}
        sides.append([(str(price), str(now.get(price, 0))) for price in prices])
    return Push(earlier.first, later.last, *sides)


FAULTS = ["push"] * 6 + ["answer"] * 4 + ["connect"] * 3
FAULTS += ["hold", "release"] * 2 + ["drop", "twice", "merge", "false version", "fail", "gap", "disconnect"]
steps = st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(0, 4)), min_size=1, max_size=4)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(FAULTS), steps, st.integers(0, 5)), max_size=60), st.integers(3, 20))
def test_synced_book_is_the_exchanges_whatever_happens_and_faults_are_overcome(
    script: list[tuple[str, list[tuple[bool, int, int]], int]], max_queued: int
) -> None:
    driver = Driver(max_queued)
    for fault, changes, lag in script:
        driver.suffer(fault, changes, lag)
    driver.held.clear()
    driver.connect()
    before = driver.sync.counts.snapshots
    for number in range(2 * MAX_REFUSED):
        driver.deliver(driver.exchange.change([(True, 3, 1 + number % 4)]))
        driver.answer()
    assert driver.sync.is_synced
    assert driver.sync.book.version == driver.exchange.version
    assert driver.sync.counts.snapshots - before <= MAX_REFUSED + 1
