"""Events of REST calls and of the exchange's clock."""

from __future__ import annotations

from mexc_async.errors import MexcError
from mexc_async.runtime.events import Event


class RequestDone(Event, frozen=True, gc=False):
    """One attempt of a call ended. Holds no parameter, so no secret."""

    method: str
    path: str
    attempt: int
    """Counts from 1."""
    wait_s: float
    """Time in the limiter."""
    latency_s: float
    """From signing to the decoded answer."""
    status: int | None
    """HTTP status; None without an answer."""
    error: MexcError | None
    client_order_id: str | None = None


class OddItems(Event, frozen=True):
    """An answer had items that could not be understood; the rest was delivered."""

    method: str
    path: str
    reasons: list[str]


class ClockSynced(Event, frozen=True, gc=False):
    """The exchange's clock was measured."""

    offset_ms: float
    """What to add to this machine's wall clock."""
    error_ms: float


class ClockFailed(Event, frozen=True):
    """Measuring the exchange's clock failed; it is tried again by itself."""

    error: MexcError
