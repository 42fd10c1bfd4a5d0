"""The latency histogram compared with sorted lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness import percentile
from benchmarks.histogram import SHARES, Histogram

LONGEST = 1 << 40


@given(st.lists(st.integers(0, LONGEST - 1) | st.integers(0, 5000), min_size=1), st.sampled_from([0.5, 0.9, 0.999, 1]))
def test_percentiles_are_the_nearest_rank_or_up_to_0_4_percent_more(values: list[int], share: float) -> None:
    exact = percentile(values, share)
    assert exact <= Histogram(values).percentile_ns(share) <= exact * (1 + 1 / 256)


@given(st.integers(0, 511))
def test_short_times_are_exact(value: int) -> None:
    assert Histogram([value, value, 10_000]).percentile_ns(0.5) == value


def test_memory_does_not_grow_with_what_is_recorded() -> None:
    histogram = Histogram()
    empty = histogram.__sizeof__(), histogram._counts.buffer_info()[1]
    for value in range(0, 1 << 30, 9_999_991):
        histogram.record(value)
    assert (histogram.__sizeof__(), histogram._counts.buffer_info()[1]) == empty


def test_what_is_out_of_range_is_counted_at_its_ends() -> None:
    histogram = Histogram([-50_000, LONGEST * 8])
    assert histogram.count == 2
    assert histogram.percentile_ns(0.5) == 0
    assert histogram.percentile_ns(1.0) == pytest.approx(LONGEST, rel=1 / 256)
    assert histogram.max_ns == LONGEST * 8


def test_nothing_recorded_is_zero() -> None:
    assert set(Histogram().sample().values()) == {0}


def test_sample_has_the_usual_percentiles_in_microseconds() -> None:
    sample = Histogram(1000 * value for value in range(1, 1001)).sample(SHARES)
    assert list(sample) == ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"]
    assert list(sample.values()) == [pytest.approx(at, rel=1 / 256) for at in (500, 900, 990, 999, 1000)]
    assert sample["max_us"] == 1000
