"""The offset is that of the quickest recent sample."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.rest.clock import ClockOffset, Sample

TRUE_OFFSET_MS = 1_700_000_000_000.0


def sample(sent_s: float, out_s: float, back_s: float, offset_ms: float = TRUE_OFFSET_MS) -> Sample:
    """Make a sample from the durations of both ways."""
    return Sample(sent_s, round((sent_s + out_s) * 1000 + offset_ms), sent_s + out_s + back_s)


def test_offset_starts_as_given_and_unmeasured() -> None:
    clock = ClockOffset(5.0)
    assert (clock.offset_ms, clock.error_ms) == (5.0, None)
    assert clock.server_ms(2.0) == 2005


def test_sample_knows_its_round_trip_and_offset() -> None:
    taken = Sample(10.0, 1_000_000, 10.2)
    assert taken.round_trip_s == pytest.approx(0.2)
    assert taken.offset_ms == pytest.approx(1_000_000 - 10_100)


def test_sample_with_the_least_round_trip_wins_whenever_it_came() -> None:
    clock = ClockOffset(0.0)
    clock.add(sample(0.0, 0.5, 0.1))
    slow = clock.offset_ms
    clock.add(sample(1.0, 0.01, 0.01))
    quick = clock.offset_ms
    clock.add(sample(2.0, 0.1, 0.6))
    assert slow != pytest.approx(TRUE_OFFSET_MS, abs=100)
    assert clock.offset_ms == quick == pytest.approx(TRUE_OFFSET_MS, abs=1)
    assert clock.error_ms == pytest.approx(10.0)


@given(
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=20),
    st.floats(-1e9, 1e9),
)
def test_offset_is_never_further_off_than_its_error_says(ways: list[tuple[float, float]], offset_ms: float) -> None:
    clock = ClockOffset(0.0)
    for index, (out_s, back_s) in enumerate(ways):
        clock.add(sample(index * 10.0, out_s, back_s, offset_ms))
        assert clock.error_ms is not None
        assert abs(clock.offset_ms - offset_ms) <= clock.error_ms + 0.51  # and the rounding to milliseconds


def test_quick_sample_ages_because_clocks_drift() -> None:
    clock = ClockOffset(0.0, max_age_s=900.0)
    clock.add(sample(0.0, 0.01, 0.01))
    clock.add(sample(899.5, 0.1, 0.1, TRUE_OFFSET_MS + 50))
    assert clock.offset_ms == pytest.approx(TRUE_OFFSET_MS, abs=1)
    clock.add(sample(901.0, 0.1, 0.1, TRUE_OFFSET_MS + 50))
    assert clock.offset_ms == pytest.approx(TRUE_OFFSET_MS + 50, abs=1)


def test_only_the_last_samples_are_kept() -> None:
    clock = ClockOffset(0.0, keep=2)
    clock.add(sample(0.0, 0.01, 0.01))
    for sent in (1.0, 2.0):
        clock.add(sample(sent, 0.1, 0.1, TRUE_OFFSET_MS + 50))
    assert clock.offset_ms == pytest.approx(TRUE_OFFSET_MS + 50, abs=1)


def test_forgetting_drops_the_samples_and_keeps_the_offset_until_the_next() -> None:
    clock = ClockOffset(0.0)
    clock.add(sample(0.0, 0.01, 0.01))
    clock.forget()
    assert clock.offset_ms == pytest.approx(TRUE_OFFSET_MS, abs=1)
    clock.add(sample(1.0, 0.2, 0.2, TRUE_OFFSET_MS - 3000))
    assert clock.offset_ms == pytest.approx(TRUE_OFFSET_MS - 3000, abs=1)


def test_sample_received_before_it_was_sent_is_refused() -> None:
    clock = ClockOffset(7.0)
    with pytest.raises(ValueError, match=r"received 0\.5 s before it was sent"):
        clock.add(Sample(10.0, 0, 9.5))
    assert (clock.offset_ms, clock.error_ms) == (7.0, None)


def test_server_time_is_whole_milliseconds_rounded_down() -> None:
    assert ClockOffset(0.9).server_ms(1.0) == 1000
