"""Rate limits: accepted and refused requests, and bans of clients that ignore Retry-After."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.limits import LIMITS, PROFILES, CountedLimit, FixedWindow, RateCounters, SlidingWindow
from mexc_async.sim.rest.server import SimConfig
from tests.support.naive_client import NaiveClient

ORDER = (("uid", 1), ("orders", 1))


def test_a_whole_burst_fits_and_comes_back_one_window_later() -> None:
    limits = RateCounters("default", "sliding")
    assert all(limits.arrive("ip", "a", ORDER, 50.0) is None for _ in range(12))
    rejection = limits.arrive("ip", "a", ORDER, 50.5)
    assert rejection is not None
    assert (rejection.status, rejection.retry_after_s, rejection.limit) == (429, 1, "orders")
    assert limits.arrive("ip", "a", ORDER, 51.0) is None


def test_fixed_windows_start_again_together() -> None:
    limits = RateCounters("default", "fixed")
    assert all(limits.arrive("ip", "a", ORDER, 50.9) is None for _ in range(12))
    assert limits.arrive("ip", "a", ORDER, 50.99) is not None
    assert all(limits.arrive("ip", "a", ORDER, 51.0) is None for _ in range(12))


def test_a_refused_request_takes_nothing() -> None:
    limits = RateCounters("default", "sliding")
    for _ in range(12):
        assert limits.arrive("ip", None, (("ip", 25),), 0.0) is None
    assert limits.arrive("ip", None, (("ip", 25),), 0.1) is not None
    rejection = limits.arrive("ip", None, (("ip", 1),), 0.1)
    assert rejection is not None
    assert (rejection.retry_after_s, rejection.limit) == (10, "ip")
    assert limits.arrive("ip", None, (), 0.1) is None


def test_accounts_and_addresses_are_counted_apart() -> None:
    limits = RateCounters("default", "sliding")
    for account in ("a", "b"):
        assert all(limits.arrive("one", account, ORDER, 0.0) is None for _ in range(12))
    assert limits.arrive("one", None, ORDER, 0.0) is None
    assert limits.arrive("two", "a", ORDER, 0.0) is not None


@pytest.mark.parametrize(("profile", "fits"), [("default", 12), ("guide", 100), ("none", 1000)])
def test_profiles(profile: str, fits: int) -> None:
    limits = RateCounters(next(each for each in PROFILES if each == profile), "sliding")
    passed = [limits.arrive("ip", "a", ORDER, 0.0) is None for _ in range(1000)]
    assert passed.count(True) == fits


def test_whoever_does_not_listen_is_banned_for_longer_each_time() -> None:
    limits = RateCounters("guide", "sliding")
    now = 0.0
    for ban in (120, 240, 480):
        for _ in range(100):
            assert limits.arrive("ip", None, (), now) is None
        for _ in range(50):  # already on their way when the first one was refused
            rejection = limits.arrive("ip", None, (), now + 0.1)
            assert rejection is not None
            assert rejection.status == 429
        answers = [limits.arrive("ip", None, (), now + 0.5) for _ in range(21)]
        assert [answer.status for answer in answers if answer] == [429] * 20 + [418]
        assert answers[-1] is not None
        assert answers[-1].retry_after_s == ban
        banned = limits.arrive("ip", None, (), now + 10.5)
        assert banned is not None
        assert (banned.status, banned.retry_after_s) == (418, ban - 10)
        assert limits.arrive("another", None, (), now) is None
        now += 0.5 + ban + 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 5)), max_size=60))
def test_no_window_holds_more_than_its_budget(arrivals: list[tuple[int, int]]) -> None:
    window, now, passed = SlidingWindow(CountedLimit(10, 1.0, "ip")), 0.0, list[tuple[float, int]]()
    for gap_ms, weight in arrivals:
        now += gap_ms / 1000
        wait_s = window.wait_s(weight, now)
        if wait_s == 0.0:
            window.add(weight, now)
            passed.append((now, weight))
            assert sum(each for at, each in passed if at + 1.0 > now) <= 10
        else:
            assert deepcopy(window).wait_s(weight, now + wait_s + 1e-9) == 0.0


def test_a_fixed_window_says_when_it_ends() -> None:
    window = FixedWindow(CountedLimit(1, 10.0, "ip"))
    window.add(1, window.wait_s(1, 12.0))
    assert window.wait_s(1, 12.5) == 7.5


def test_over_http() -> None:
    with BackgroundSimulator(SimConfig(flow=0)) as simulator:
        client = NaiveClient(simulator.rest, simulator.api_key, simulator.api_secret)
        replies = [client.call("GET", "/api/v3/account") for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert replies[-1].headers["Retry-After"] == "1"
        assert replies[-1].code == 429
        client.close()


def test_every_limit_is_of_an_address_or_an_account() -> None:
    assert {limit.per for limit in LIMITS.values()} == {"ip", "account"}


def test_rejections_are_counted_by_limit() -> None:
    limits = RateCounters("default", "sliding")
    for _ in range(14):
        limits.arrive("ip", "a", ORDER, 50.0)
    assert limits.rejected == {"orders": 2}
