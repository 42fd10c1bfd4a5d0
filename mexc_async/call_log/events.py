"""Events of the call log."""

from __future__ import annotations

from mexc_async.runtime.events import Event


class CallLogState(Event, frozen=True, gc=False):
    """Change of a call log's state: it cannot be written any more, or can again."""

    is_written: bool
    reason: str = ""
    lost: int = 0
    """Lines that were not written meanwhile, and never will be."""
