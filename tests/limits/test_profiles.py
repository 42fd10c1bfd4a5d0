"""The table of limits, the profiles made from it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from mexc_async.errors import ConfigError
from mexc_async.limits.profiles import PROFILES, TABLE, Limit, Limits
from mexc_async.schema.endpoint import Cost
from tests.support.reference import read


def budgets(limits: Limits) -> dict[str, tuple[int, float]]:
    return {limit.name: (limit.budget, limit.window_s) for limit in limits.table}


DEFAULT = {
    "client": (100, 1.0),
    "ip": (300, 10.0),
    "uid": (500, 10.0),
    "orders": (12, 1.0),
    "account": (2, 1.0),
    "batch_orders": (2, 1.0),
    "announcements": (5, 2.0),
}


def test_table_is_what_the_reference_recommends() -> None:
    known = read("spot-rules.json")["rate_limits"]["recommended_client_defaults"]
    table = Limits("default", TABLE)
    assert table["orders"].budget == known["orders_per_s"]
    assert table["ip"].budget == known["ip_weight_per_10s"]
    assert table["uid"].budget == known["uid_weight_per_10s"]
    assert budgets(Limits.named("conservative"))["client"] == (known["hard_cap_requests_per_s"], 1.0)


def test_every_row_names_its_source() -> None:
    for profile in PROFILES.values():
        for row in profile.table:
            assert row.source
            assert row.scope in ("client", "ip", "account")
    assert len({row.name for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("default", DEFAULT),
        ("conservative", DEFAULT | {"client": (20, 1.0)}),
        ("guide", {"client": (100, 1.0)}),
        ("unlimited", {}),
        (
            "market_maker(200)",
            DEFAULT | {"client": (200, 1.0), "ip": (2000, 10.0), "uid": (2000, 10.0), "orders": (200, 1.0)},
        ),
    ],
)
def test_profile_has_its_budgets(profile: str, expected: dict[str, tuple[int, float]]) -> None:
    limits = Limits.named(profile)
    assert limits.profile == profile
    assert budgets(limits) == expected
    assert limits.margin_s == 0.020


@pytest.mark.parametrize("name", ["", "Default", "fast", "market_maker", "market_maker(x)", "market_maker(-5)"])
def test_unknown_profile_is_refused_naming_the_known_ones(name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"there are default, conservative, guide, unlimited, market_maker\(N\)$"
    ) as e:
        Limits.named(name)
    assert repr(name) in str(e.value)


def test_market_maker_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="requests_per_s of a market maker 0 must be from 1 to 1000000"):
        Limits.named("market_maker(0)")


def test_custom_changes_what_is_given_and_keeps_the_rest() -> None:
    limits = Limits.custom(orders=24, ip=(600, 5.0), uid=None, margin_s=0.1, max_in_flight=3)
    assert budgets(limits) == {k: v for k, v in DEFAULT.items() if k != "uid"} | {"orders": (24, 1.0), "ip": (600, 5.0)}
    assert (limits.profile, limits.margin_s, limits.max_in_flight) == ("custom", 0.1, 3)
    assert limits["orders"].source == "set by the user"


def test_custom_builds_on_any_profile_and_can_add_what_it_lacks() -> None:
    assert budgets(Limits.custom("guide", orders=5)) == {"client": (100, 1.0), "orders": (5, 1.0)}
    assert budgets(Limits.custom("guide", orders=None)) == {"client": (100, 1.0)}
    assert budgets(Limits.custom("market_maker(300)", orders=50))["orders"] == (50, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": 12}, r"unknown limit 'order'; there are client, ip, uid, orders, account, batch_orders"),
        ({"orders": 0}, r"limit orders: 0 per 1 s: the budget must be"),
        ({"orders": -5}, r"limit orders: -5 per 1 s"),
        ({"ip": (300, 0.0)}, r"limit ip: 300 per 0 s"),
        ({"ip": (300, -1.0)}, r"limit ip: 300 per -1 s"),
        ({"ip": (300, float("nan"))}, r"limit ip: 300 per nan s"),
        ({"ip": (300, 1e9)}, r"limit ip: 300 per 1e\+09 s"),
        ({"margin_s": -0.1}, r"margin_s -0\.1 must be from 0 to 10"),
        ({"margin_s": float("nan")}, r"margin_s nan"),
        ({"max_in_flight": 0}, r"max_in_flight 0 must be from 1 to"),
        ({"base": "fast"}, r"unknown limit profile 'fast'"),
    ],
)
def test_custom_refuses_what_makes_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Limits.custom(**settings)


@pytest.mark.parametrize("budget", ["12", 1.5, True, (12,), (12, "1"), ("12", 1.0)])
def test_budget_of_a_wrong_type_is_refused_in_one_line(budget: Any) -> None:
    with pytest.raises(ConfigError, match="limit orders"):
        Limits.custom(orders=budget)


def test_line_may_be_forbidden_but_not_negative() -> None:
    assert Limits("x", (), max_waiting=0).max_waiting == 0
    with pytest.raises(ConfigError, match="max_waiting -1 must not be negative"):
        Limits("x", (), max_waiting=-1)


def test_limit_is_found_by_its_name_and_an_unknown_one_is_a_key_error() -> None:
    assert Limits.named("default")["ip"].budget == 300
    with pytest.raises(KeyError):
        Limits.named("default")["nothing"]


@pytest.mark.parametrize(
    ("profile", "costs", "rate", "by"),
    [
        ("default", (), 100.0, "client"),
        ("default", (Cost("ip", 25),), 1.2, "ip"),
        ("default", (Cost("ip", 3),), 10.0, "ip"),
        ("default", (Cost("uid"), Cost("orders")), 12.0, "orders"),
        ("default", (Cost("ip", 10), Cost("account")), 2.0, "account"),
        ("conservative", (Cost("ip"),), 20.0, "client"),
        ("guide", (Cost("ip", 25),), 100.0, "client"),
        ("unlimited", (Cost("ip", 25),), float("inf"), "none"),
    ],
)
def test_effective_rate_is_that_of_the_tightest_limit(
    profile: str, costs: tuple[Cost, ...], rate: float, by: str
) -> None:
    assert Limits.named(profile).effective_rate(costs) == (rate, by)


def test_limit_is_a_frozen_value() -> None:
    row = Limit("ip", 1, 1.0, "ip", "test")
    with pytest.raises(AttributeError):
        row.budget = 2  # type: ignore[misc]  # that it is frozen is the point
