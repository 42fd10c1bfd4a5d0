"""Retry policy: a pure function of route, error and attempt to the pause before the next attempt.

A call that changes something is retried only after a refusal that proves it was not accepted (700003, 429). Reads are
retried after faults of the connection and of the exchange, with growing, jittered pauses inside a time budget.
"""

from __future__ import annotations

from typing import Annotated

from mexc_async.errors import ConfigError, MexcError, RateLimited, TimestampRejected, TooManyRequests
from mexc_async.schema.endpoint import Route
from mexc_async.schema.settings import CheckedSettings, Seconds, SecondsOrZero
from mexc_async.schema.validation import Rule, between


class RetryPolicy(CheckedSettings, frozen=True):
    """Bounds of retries: time, pauses, attempts."""

    budget_s: SecondsOrZero = 10.0
    """Seconds after the first attempt within which a retry may start; 0 switches retries off."""
    first_s: Seconds = 0.1
    """Seconds of the first pause; each further one is twice as long, less a random part."""
    longest_s: Seconds = 2.0
    """Longest pause in seconds, at least `first_s`."""
    after_429: Annotated[int, Rule(between(1, 1000))] = 3
    """Most attempts, the first included, of a call that is refused by a rate limit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first_s > self.longest_s:
            raise ConfigError(f"first_s {self.first_s!r} must not be above longest_s {self.longest_s!r}")

    def delay(
        self, route: Route, error: MexcError, attempt: int, elapsed_s: float, jitter: float, restamped: bool = False
    ) -> float | None:
        """Return the seconds to pause before the next attempt, or None to give up.

        `attempt` counts from 1, `jitter` is a random number in [0, 1). `restamped` is True if there was already a retry
        after a refused time stamp.
        """
        if self.budget_s == 0:
            return None
        if isinstance(error, TimestampRejected):
            return None if restamped else 0.0
        if isinstance(error, TooManyRequests):
            # The limiter delays the next attempt by Retry-After; no pause is needed here.
            fits = elapsed_s + (error.retry_after_s or 0.0) <= self.budget_s
            return 0.0 if fits and attempt < self.after_429 else None
        if not route.safe or not error.retryable or isinstance(error, RateLimited):
            return None
        pause = min(self.first_s * 2.0 ** min(attempt - 1, 60), self.longest_s) * (0.5 + jitter / 2)
        return pause if elapsed_s + pause <= self.budget_s else None
