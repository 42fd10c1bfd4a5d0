"""Shrinking: the shortest list of faults that still fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mexc_async.backtest.rehearsal.shrink import Entries, Shrinker
from mexc_async.sim.faults.faults import Fault

MANY: Entries = tuple(
    Fault(kind=kind, on="new_order", after=place, times=1, delay_ms=5000)
    for place in range(20)
    for kind in ("mute", "hold", "late_answer")
)


def has(entries: Entries, *wanted: Fault) -> bool:
    return set(wanted) <= set(entries)


def shrunk(
    breaks: Callable[[Entries], bool], entries: Entries = MANY, most_runs: int = 300
) -> tuple[Entries | None, int]:
    """Return the shortest list and the number of runs."""
    runs = 0

    def fails(candidates: Sequence[Entries]) -> list[bool]:
        nonlocal runs
        runs += len(candidates)
        return [breaks(candidate) for candidate in candidates]

    return Shrinker(fails, {"hold", "late_answer"}, most_runs).shrink(entries), runs


@pytest.mark.parametrize(
    "wanted", [MANY[:1], MANY[31:32], MANY[-1:], (MANY[3], MANY[50]), (MANY[7], MANY[30], MANY[31])]
)
def test_only_the_faults_that_matter_are_left(wanted: Entries) -> None:
    def breaks(entries: Entries) -> bool:
        return {(e.kind, e.after) for e in wanted} <= {(e.kind, e.after) for e in entries}

    found, _ = shrunk(breaks)
    assert found is not None
    assert [(entry.kind, entry.after) for entry in found] == [(entry.kind, entry.after) for entry in wanted]


def test_strategy_that_fails_without_faults_has_none() -> None:
    assert shrunk(lambda _: True)[0] == ()


def test_faults_that_do_not_fail_again_are_no_list() -> None:
    assert shrunk(lambda _: False) == (None, 2)


def test_one_fault_at_another_place_replaces_several() -> None:
    def breaks(entries: Entries) -> bool:
        """Break by two late ones, or by one early one."""
        mutes = [entry.after for entry in entries if entry.kind == "mute"]
        return len([place for place in mutes if place > 8]) >= 2 or mutes == [4]

    late = tuple(entry for entry in MANY if entry.after > 8)
    assert shrunk(breaks, late)[0] == (Fault(kind="mute", on="new_order", after=4, times=1, delay_ms=5000),)


def test_delays_get_shorter_as_far_as_it_fails() -> None:
    def breaks(entries: Entries) -> bool:
        return any(entry.kind == "hold" and entry.after == 3 and entry.delay_ms >= 50 for entry in entries)

    assert shrunk(breaks)[0] == (Fault(kind="hold", on="new_order", after=3, times=1, delay_ms=100),)


def test_number_of_runs_is_bounded() -> None:
    found, runs = shrunk(lambda entries: has(entries, MANY[3], MANY[30], MANY[50]), most_runs=12)
    assert runs == 12
    assert found is not None
    assert has(found, MANY[3], MANY[30], MANY[50])
