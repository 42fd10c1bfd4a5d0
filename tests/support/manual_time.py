"""Time that a test sets."""

from __future__ import annotations

from random import Random

from mexc_async.runtime.clock import Clock


class ManualTime:
    """Seconds that stand still until a test changes `now`; `clock` reads them, and its random numbers repeat."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.clock = Clock(
            monotonic=lambda: self.now,
            wall_ns=lambda: 1_700_000_000_000_000_000 + int(self.now * 1e9),
            random=Random(7),
        )
