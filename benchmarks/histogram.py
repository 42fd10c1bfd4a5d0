"""Latencies in bounded memory: counts in buckets whose width grows with the value, as in HdrHistogram."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from math import ceil

from benchmarks.harness import Sample

_BITS = 9
"""Leading bits of a value that select its bucket: figures are at most 1/256 too high."""
_HALF = 1 << (_BITS - 1)
_MOST_BITS = 40
"""Bits of the largest value, about 18 minutes in nanoseconds; longer ones count as that."""
SHARES = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999, "max_us": 1.0}


class Histogram:
    """Histogram of nanoseconds. Percentiles are nearest ranks, as the highest value of their bucket."""

    def __init__(self, values_ns: Iterable[int] = ()) -> None:
        self._counts = array("Q", bytes(8 * _HALF * (_MOST_BITS - _BITS + 2)))
        self.count = 0
        self.max_ns = 0
        for value in values_ns:
            self.record(value)

    def record(self, value_ns: int) -> None:
        value_ns = max(value_ns, 0)
        shift = max(min(value_ns.bit_length(), _MOST_BITS) - _BITS, 0)
        self._counts[min(shift * _HALF + (value_ns >> shift), len(self._counts) - 1)] += 1
        self.count += 1
        self.max_ns = max(self.max_ns, value_ns)

    def percentile_ns(self, share: float) -> int:
        """Return the smallest value that at least `share` of all do not exceed; 0 without values."""
        rank, seen = max(ceil(self.count * share), 1), 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                shift = max(index // _HALF - 1, 0)
                return min(((index - shift * _HALF + 1) << shift) - 1, self.max_ns)
        return 0

    def sample(self, names: Iterable[str] = ("p50_us", "p99_us", "p999_us")) -> Sample:
        """Return percentiles in microseconds."""
        return {name: self.percentile_ns(SHARES[name]) / 1000 for name in names}
