"""Events of operations on several accounts."""

from __future__ import annotations

from mexc_async.runtime.events import Event


class BulkProgress(Event, frozen=True, gc=False):
    """Completion of one more item of an operation on many accounts or transfers."""

    operation: str
    done: int
    total: int
    failed: int
    """Failures among the completed items."""
