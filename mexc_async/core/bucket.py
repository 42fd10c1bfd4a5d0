"""One limit's ledger: a token comes back exactly one window (plus the margin) after it was spent.

A full burst is allowed, no half-open window ever holds more than its budget, and the full rate is sustained. A bucket
that starts full and refills steadily would let twice its budget through its first window.

`compiled.Bucket` is the same over an array of C doubles.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import inf
from typing import TYPE_CHECKING

from mexc_async.core.kind import compiled

UNCLAIMED = 99


class PureBucket:
    """`period_s` is inf for slots, which come back when their request ends; `budget` inf where nothing is counted."""

    __slots__ = ("budget", "claimed_by", "closed_until", "name", "period_s", "spent")

    def __init__(self, name: str, budget: float, period_s: float) -> None:
        self.name = name
        self.budget = budget
        self.period_s = period_s
        self.spent: list[float] = []
        """When each unit of weight comes back, soonest first."""
        self.closed_until = -inf
        self.claimed_by: int = UNCLAIMED
        """The highest priority that waits here."""

    @property
    def used(self) -> int:
        """Weight that had not come back when this was settled last."""
        return len(self.spent)

    def wait(self, weight: int, now: float) -> float:
        """Seconds until `weight` fits: 0.0 if it does now, inf if only the end of a request can tell."""
        self.settle(now)
        closed = self.closed_until - now
        missing = len(self.spent) + weight - self.budget
        return max(closed, 0.0) if missing <= 0 else max(closed, self.spent[int(missing) - 1] - now)

    def settle(self, now: float) -> None:
        """Put back what has come back by now."""
        del self.spent[: bisect_right(self.spent, now)]

    def take(self, weight: int, now: float) -> None:
        """Spend `weight`; the caller has seen that it fits."""
        if self.budget == inf:
            return
        back_at = now + self.period_s
        at = bisect_right(self.spent, back_at)  # counted anew, it can be older than the last
        self.spent[at:at] = (back_at,) * weight

    def put_back(self, weight: int, taken_at: float) -> None:
        """Undo a `take`, if it has not come back by itself."""
        back_at, spent = taken_at + self.period_s, self.spent
        at = bisect_left(spent, back_at)
        del spent[at : min(bisect_right(spent, back_at), at + weight)]

    def free(self) -> bool:
        """A request that held one of these slots ended. True if somebody waits for it."""
        self.spent.pop()
        return self.claimed_by != UNCLAIMED


Bucket = PureBucket
if compiled and not TYPE_CHECKING:  # types are the same
    Bucket = compiled.Bucket
