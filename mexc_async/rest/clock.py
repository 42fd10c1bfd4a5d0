"""Offset of the exchange's clock from a local monotonic clock, estimated from (sent, server, received) samples.

This module is pure: it reads no clock. Local times are monotonic seconds, so that setting the machine's wall clock
does not move a time stamp.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Sample(NamedTuple):
    """One round trip of `GET /api/v3/time`."""

    sent_s: float
    server_ms: int
    received_s: float

    @property
    def round_trip_s(self) -> float:
        """Seconds from sending to receiving; half of it bounds the sample's error."""
        return self.received_s - self.sent_s

    @property
    def offset_ms(self) -> float:
        """Server time minus local time, if the server read its clock half-way through the round trip."""
        return self.server_ms - (self.sent_s + self.received_s) * 500.0


class ClockOffset:
    """Offset by the sample with the shortest round trip among the latest ones.

    Clocks drift: after `max_age_s` a quick sample gives way to newer, slower ones.
    """

    def __init__(self, start_offset_ms: float, *, keep: int = 8, max_age_s: float = 900.0) -> None:
        self._samples: deque[Sample] = deque(maxlen=keep)
        self._max_age_s = max_age_s
        self.offset_ms = start_offset_ms
        """Milliseconds to add to the local clock."""
        self.error_ms: float | None = None
        """Bound of the error of `offset_ms`; None before the first measurement."""

    def add(self, sample: Sample) -> None:
        """Add a sample. Raises ValueError if it was received before it was sent."""
        if sample.round_trip_s < 0:
            raise ValueError(f"a sample received {-sample.round_trip_s:g} s before it was sent")
        self._samples.append(sample)
        recent = [s for s in self._samples if sample.received_s - s.received_s <= self._max_age_s]
        best = min(recent, key=lambda s: s.round_trip_s)
        self.offset_ms = best.offset_ms
        self.error_ms = best.round_trip_s * 500.0

    def forget(self) -> None:
        """Drop the samples, which proved wrong. The offset stays until the next sample."""
        self._samples.clear()

    def server_ms(self, local_s: float) -> int:
        """Return the exchange's time at local time `local_s`, in whole milliseconds, rounded down."""
        return int(local_s * 1000.0 + self.offset_ms)
