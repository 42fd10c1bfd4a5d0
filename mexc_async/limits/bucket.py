"""One limit's tokens: a token is held as long as its request is under way, and comes back exactly one window (plus the
margin) after the moment from which the request counts.

A full burst is allowed, no half-open window ever holds more than its budget, and the full rate is sustained. A bucket
that starts full and refills steadily would let twice its budget through its first window.

`compiled.Bucket` is the same over an array of C doubles.
"""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import TYPE_CHECKING

from mexc_async.native.loader import compiled

UNCLAIMED = 99


class PureBucket:
    """`period_s` is inf for slots, which come back when their request ends; `budget` inf where nothing is counted."""

    __slots__ = ("budget", "claimed_by", "closed_until", "held", "name", "period_s", "spent")

    def __init__(self, name: str, budget: float, period_s: float) -> None:
        self.name = name
        self.budget = budget
        self.period_s = period_s
        self.held = 0
        """Weight of the requests under way."""
        self.spent: list[float] = []
        """When each unit of weight of those that ended comes back, soonest first."""
        self.closed_until = -inf
        self.claimed_by: int = UNCLAIMED
        """The highest priority that waits here."""

    @property
    def used(self) -> int:
        """Weight that had not come back when this was settled last."""
        return self.held + len(self.spent)

    def wait(self, weight: int, now: float) -> float:
        """Seconds until `weight` fits: 0.0 if it does now, inf if only the end of a request can tell."""
        self.settle(now)
        closed = self.closed_until - now
        missing = self.used + weight - self.budget
        if missing <= 0:
            return max(closed, 0.0)
        return max(closed, self.spent[int(missing) - 1] - now) if missing <= len(self.spent) else inf

    def settle(self, now: float) -> None:
        """Put back what has come back by now."""
        del self.spent[: bisect_right(self.spent, now)]

    def take(self, weight: int) -> None:
        """Let a request hold `weight`; the caller has seen that it fits."""
        if self.budget != inf:
            self.held += weight

    def put_back(self, weight: int) -> None:
        """Undo a `take`."""
        if self.budget != inf:
            if self.held < weight:
                raise ValueError(f"more of limit {self.name} comes back than was taken")
            self.held -= weight

    def end(self, weight: int, counts_at: float) -> float:
        """End a `take` by a request that counts from `counts_at`.

        Returns when this can help somebody who waits here: inf if nobody does, -inf for slots, which are free at once.
        """
        self.put_back(weight)
        back_at = counts_at + self.period_s
        if self.period_s == inf:
            back_at = -inf
        elif self.budget != inf:
            spent = self.spent
            at = len(spent)
            if at and spent[-1] > back_at:  # it took longer than others that were sent after it
                at = bisect_right(spent, back_at)
            spent[at:at] = (back_at,) * weight
        return inf if self.claimed_by == UNCLAIMED else back_at


Bucket = PureBucket
if compiled and not TYPE_CHECKING:  # types are the same
    Bucket = compiled.Bucket
