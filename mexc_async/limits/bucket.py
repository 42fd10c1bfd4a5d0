"""Token bucket of one rate limit. A request holds its tokens while it is in flight; each token returns exactly one
window (plus the margin) after the moment from which the request counts.

The bucket allows a full burst, sustains the full rate, and never exceeds its budget in any half-open window. A common
token bucket (starts full, refills steadily) would allow twice its budget in the first window.

`compiled.Bucket` does the same over an array of C doubles.
"""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import TYPE_CHECKING

from mexc_async.native.loader import compiled

UNCLAIMED = 99


class PureBucket:
    """Tokens of one limit. `period_s` inf: slots, which return when their request ends; `budget` inf: no limit."""

    __slots__ = ("budget", "claimed_by", "closed_until", "held", "name", "period_s", "spent")

    def __init__(self, name: str, budget: float, period_s: float) -> None:
        self.name = name
        self.budget = budget
        self.period_s = period_s
        self.held = 0
        """Weight of the requests in flight."""
        self.spent: list[float] = []
        """Times at which the tokens of ended requests return, one entry a unit of weight, soonest first."""
        self.closed_until = -inf
        self.claimed_by: int = UNCLAIMED
        """Highest priority among the requests that wait for this limit."""

    @property
    def used(self) -> int:
        """Weight in use, as of the latest `settle`."""
        return self.held + len(self.spent)

    def wait(self, weight: int, now: float) -> float:
        """Return the seconds until `weight` fits: 0.0 if it fits now, inf if a request in flight has to end first."""
        self.settle(now)
        closed = self.closed_until - now
        missing = self.used + weight - self.budget
        if missing <= 0:
            return max(closed, 0.0)
        return max(closed, self.spent[int(missing) - 1] - now) if missing <= len(self.spent) else inf

    def settle(self, now: float) -> None:
        """Remove the tokens that have returned by `now`."""
        del self.spent[: bisect_right(self.spent, now)]

    def take(self, weight: int) -> None:
        """Take `weight` for a request; the caller has checked that it fits."""
        if self.budget != inf:
            self.held += weight

    def put_back(self, weight: int) -> None:
        """Undo a `take`."""
        if self.budget != inf:
            if self.held < weight:
                raise ValueError(f"more of limit {self.name} comes back than was taken")
            self.held -= weight

    def end(self, weight: int, counts_at: float) -> float:
        """End a request; its tokens return one window after `counts_at`.

        Returns the time from which a waiting request may profit: inf if none waits, -inf for slots (free at once).
        """
        self.put_back(weight)
        back_at = counts_at + self.period_s
        if self.period_s == inf:
            back_at = -inf
        elif self.budget != inf:
            spent = self.spent
            at = len(spent)
            if at and spent[-1] > back_at:  # the request outlasted later ones
                at = bisect_right(spent, back_at)
            spent[at:at] = (back_at,) * weight
        return inf if self.claimed_by == UNCLAIMED else back_at


Bucket = PureBucket
if compiled and not TYPE_CHECKING:  # types are the same
    Bucket = compiled.Bucket
