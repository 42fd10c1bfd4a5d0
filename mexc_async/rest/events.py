"""Events of REST calls and of the exchange's clock."""

from __future__ import annotations

from mexc_async.errors import MexcError
from mexc_async.runtime.events import Event


class RequestDone(Event, frozen=True, gc=False):
    """End of one attempt of a call. Holds no parameter, so no secret."""

    method: str
    path: str
    attempt: int
    """Counts from 1."""
    wait_s: float
    """Seconds in the rate limiter's queue."""
    latency_s: float
    """Seconds from signing to the decoded answer."""
    status: int | None
    """HTTP status; None without an answer."""
    error: MexcError | None
    client_order_id: str | None = None


class OddItems(Event, frozen=True):
    """Items of an answer that could not be decoded; the rest was delivered."""

    method: str
    path: str
    reasons: list[str]


class ClockSynced(Event, frozen=True, gc=False):
    """A measurement of the exchange's clock."""

    offset_ms: float
    """Milliseconds to add to this machine's wall clock."""
    error_ms: float


class ClockFailed(Event, frozen=True):
    """A failed measurement of the exchange's clock; the client retries it."""

    error: MexcError
