"""Parts of the simulated exchange that move with time."""

from __future__ import annotations

from typing import Protocol


class Mover(Protocol):
    """A part with events of its own, each at a time in ms. It never reads a clock."""

    @property
    def due_ms(self) -> float:
        """Time of the next event; infinity without one. A time that has passed stands for the next `advance`."""
        ...

    def advance(self, now_ms: int) -> None:
        """Make the events that are due by `now_ms`, in order of time."""
        ...

    def pause(self, ms: int) -> None:
        """Delay the coming events by `ms`, for which the exchange was down."""
        ...
