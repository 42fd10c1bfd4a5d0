"""Shrinking of a failing seed's faults to the shortest list that still breaks the same rule.

It is the search of delta debugging: parts of the list are left out, larger ones first, as long as the rule stays
broken. If several are left, each of them is tried alone at other opportunities. Then delays are made shorter. All
candidates of a step run at once and the first that fails wins, so that the result does not depend on the number of
CPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from mexc_async.backtest.rehearsal.mix import DELAYED
from mexc_async.backtest.rehearsal.outcome import SeedRun
from mexc_async.backtest.rehearsal.plan import Task
from mexc_async.sim.faults.faults import Fault

Entries: TypeAlias = tuple[Fault, ...]
Fails: TypeAlias = Callable[[Sequence[Entries]], Sequence[bool]]
"""Runs the seed with each of several lists of entries, and returns True for those that break the rule."""
Run: TypeAlias = Callable[[Sequence[Task]], Sequence[SeedRun]]
PLACES = 12
"""First opportunities at which a fault is tried alone."""
DELAYS_MS = (1, 10, 100, 1000)
"""Simpler delays, the shortest first."""


class Shrinker:
    """Search for the shortest list, within a number of runs."""

    def __init__(self, fails: Fails, delayed: Container[str], most_runs: int = 300) -> None:
        """`delayed` has the kinds of faults that take a time."""
        self._fails = fails
        self._delayed = delayed
        self._left = most_runs
        self._known: dict[Entries, bool] = {}

    def shrink(self, entries: Entries) -> Entries | None:
        """Return the shortest list found; None if the entries do not break the rule again."""
        if self._first([()]) is not None:
            return ()
        if self._first([entries]) is None:
            return None
        return self._simpler(self._alone(self._fewer(entries)))

    def _fewer(self, entries: Entries) -> Entries:
        """Leave out as many entries as possible."""
        parts = 2
        while len(entries) > 1:
            chunks = list(_chunks(entries, parts))
            rests = [tuple(entry for entry in entries if entry not in chunk) for chunk in chunks]
            candidates = chunks + rests if parts > 2 else chunks
            hit = self._first(candidates)
            if hit is None:
                if parts >= len(entries):
                    break
                parts = min(parts * 2, len(entries))
            else:
                entries = candidates[hit]
                parts = 2 if hit < len(chunks) else max(parts - 1, 2)
        return entries

    def _alone(self, entries: Entries) -> Entries:
        """Look for an opportunity at which one of several faults is enough."""
        if len(entries) < 2:
            return entries
        kinds = dict.fromkeys(replace(entry, after=0) for entry in entries)
        candidates = [(replace(entry, after=place),) for entry in kinds for place in range(PLACES)]
        hit = self._first(candidates)
        return entries if hit is None else candidates[hit]

    def _simpler(self, entries: Entries) -> Entries:
        """Make delays shorter, one entry after the other."""
        for index, entry in enumerate(entries):
            candidates = [
                (*entries[:index], replace(entry, delay_ms=delay_ms), *entries[index + 1 :])
                for delay_ms in DELAYS_MS
                if delay_ms < entry.delay_ms and entry.kind in self._delayed
            ]
            if (hit := self._first(candidates)) is not None:
                entries = candidates[hit]
        return entries

    def _first(self, candidates: Sequence[Entries]) -> int | None:
        """Run the candidates, and return the place of the first that fails; None without one or without a run left."""
        unknown = [one for one in dict.fromkeys(candidates) if one not in self._known][: self._left]
        self._left -= len(unknown)
        if unknown:
            self._known |= dict(zip(unknown, self._fails(unknown), strict=True))
        return next((index for index, one in enumerate(candidates) if self._known.get(one)), None)


def _chunks(entries: Entries, parts: int) -> Iterator[Entries]:
    """Divide entries into so many parts of nearly equal length."""
    for part in range(parts):
        chunk = entries[part * len(entries) // parts : (part + 1) * len(entries) // parts]
        if chunk:
            yield chunk


class Shrunk(NamedTuple):
    """Shortest list of entries that breaks a rule, and its proof."""

    entries: Entries
    run: SeedRun
    """The run with them."""


def shrunk(run: SeedRun, run_all: Run) -> Shrunk:
    """Return the shortest list of entries that breaks the first rule that a run broke.

    If its own entries do not break it again, they are returned as they are.
    """
    kind, entries = run.breaches[0].kind, tuple(struck.entry for struck in run.struck)

    def fails(candidates: Sequence[Entries]) -> list[bool]:
        runs = run_all([Task(run.seed, candidate) for candidate in candidates])
        return [any(breach.kind == kind for breach in one.breaches) for one in runs]

    found = Shrinker(fails, DELAYED).shrink(entries)
    shortest = entries if found is None else found
    (proof,) = run_all([Task(run.seed, shortest, has_story=True)])
    return Shrunk(shortest, proof)
