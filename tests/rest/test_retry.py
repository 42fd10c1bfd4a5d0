"""The retry policy: a table of route, error, attempt and time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async import errors
from mexc_async.errors import ConfigError, MexcError
from mexc_async.rest.retry import RetryPolicy
from mexc_async.schema.endpoint import Route

READ = Route("GET", "/r", safe=True)
WRITE = Route("POST", "/w")
POLICY = RetryPolicy()
AT_ONCE, LATER, NEVER = "at once", "later", "never"


def verdict(route: Route, error: MexcError, attempt: int = 1, elapsed_s: float = 0.0) -> str:
    pause = POLICY.delay(route, error, attempt, elapsed_s, 0.5)
    return NEVER if pause is None else AT_ONCE if pause == 0 else LATER


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (errors.ConnectFailed("x"), LATER, NEVER),
        (errors.ConnectionLost("x"), LATER, NEVER),
        (errors.RequestTimeout("x"), LATER, NEVER),
        (errors.ExchangeUnavailable("x", status=503), LATER, NEVER),
        (errors.ProtocolError("x"), NEVER, NEVER),
        (errors.TimestampRejected("x", code=700003), AT_ONCE, AT_ONCE),
        (errors.TooManyRequests("x", status=429, retry_after_s=1.0), AT_ONCE, AT_ONCE),
        (errors.IpBanned("x", status=418, retry_after_s=120.0), NEVER, NEVER),
        (errors.RateLimited("x"), NEVER, NEVER),
        (errors.InsufficientBalance("x", code=10101), NEVER, NEVER),
        (errors.OrderNotFound("x"), NEVER, NEVER),
        (errors.InvalidParameter("x"), NEVER, NEVER),
        (errors.SignatureRejected("x"), NEVER, NEVER),
        (errors.PermissionDenied("x"), NEVER, NEVER),
        (errors.ApiError("x"), NEVER, NEVER),
        (errors.InvalidRequest("x"), NEVER, NEVER),
        (errors.ConfigError("x"), NEVER, NEVER),
        (errors.ClientClosed("x"), NEVER, NEVER),
        (errors.OutcomeUnknown("x"), NEVER, NEVER),
        (errors.ReadOnlyError("x"), NEVER, NEVER),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, MexcError) else value,
)
def test_first_failure(error: MexcError, read: str, write: str) -> None:
    assert verdict(READ, error) == read
    assert verdict(WRITE, error) == write


def test_time_stamp_is_renewed_once_only() -> None:
    rejected = errors.TimestampRejected("x")
    for route in (READ, WRITE):
        assert POLICY.delay(route, rejected, 1, 0.0, 0.0, restamped=False) == 0.0
        assert POLICY.delay(route, rejected, 3, 0.0, 0.0, restamped=False) == 0.0  # after failures of another kind
        assert POLICY.delay(route, rejected, 2, 0.0, 0.0, restamped=True) is None


def test_refusal_for_the_rate_is_repeated_three_times_in_all_and_within_the_budget() -> None:
    refused = errors.TooManyRequests("x", retry_after_s=4.0)
    assert verdict(WRITE, refused, attempt=2, elapsed_s=6.0) == AT_ONCE
    assert verdict(WRITE, refused, attempt=3) == NEVER
    assert verdict(WRITE, refused, attempt=1, elapsed_s=6.1) == NEVER
    assert verdict(WRITE, errors.TooManyRequests("x"), elapsed_s=10.0) == AT_ONCE


def test_pauses_double_up_to_the_longest_and_are_jittered_downwards() -> None:
    lost = errors.ConnectionLost("x")
    most = [POLICY.delay(READ, lost, attempt, 0.0, 1.0) for attempt in range(1, 8)]
    least = [POLICY.delay(READ, lost, attempt, 0.0, 0.0) for attempt in range(1, 8)]
    assert most == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert least == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_no_attempt_starts_after_the_budget() -> None:
    lost = errors.ConnectionLost("x")
    assert POLICY.delay(READ, lost, 1, 9.9, 0.99) is not None
    assert POLICY.delay(READ, lost, 6, 9.9, 0.0) is None
    assert POLICY.delay(READ, lost, 1, 11.0, 0.0) is None


@pytest.mark.parametrize(
    "error", [errors.ConnectionLost("x"), errors.TooManyRequests("x"), errors.TimestampRejected("x")]
)
def test_budget_of_nothing_switches_repeating_off(error: MexcError) -> None:
    assert RetryPolicy(budget_s=0).delay(READ, error, 1, 0.0, 0.5) is None


@given(st.integers(1, 100_000), st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_pause_is_bounded_however_many_attempts_were_made(attempt: int, elapsed_s: float, jitter: float) -> None:
    pause = RetryPolicy(budget_s=1e9).delay(READ, errors.ConnectFailed("x"), attempt, elapsed_s, jitter)
    assert pause is not None
    assert 0 < pause <= 2.0


@pytest.mark.parametrize(
    "settings",
    [
        {"budget_s": -1.0},
        {"first_s": 0.0},
        {"first_s": -1.0},
        {"longest_s": 0.05},
        {"after_429": 0},
        {"budget_s": float("nan")},
        {"first_s": float("nan")},
        {"longest_s": float("nan")},
    ],
)
def test_policy_that_makes_no_sense_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=" must "):
        RetryPolicy(**settings)  # type: ignore[arg-type]  # one of them is a whole number
