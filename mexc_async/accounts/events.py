"""Events of operations on several accounts."""

from __future__ import annotations

from mexc_async.runtime.events import Event


class BulkProgress(Event, frozen=True, gc=False):
    """One more item of an operation on many accounts or transfers is done."""

    operation: str
    done: int
    total: int
    failed: int
    """Of those that are done."""
