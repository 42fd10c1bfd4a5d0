"""The rate limits of the exchange as data, one row a limit with its source, and the limit profiles made from them.

A user with other terms changes one value: `Limits.custom(orders=24)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Struct
from msgspec.structs import replace

from mexc_async.errors import ConfigError
from mexc_async.schema.endpoint import Cost
from mexc_async.schema.settings import CheckedSettings, check_setting
from mexc_async.schema.validation import Rule, between, each, instance_of, number, shown, text

MAX_IN_FLIGHT = 256
"""Requests in flight at the same time; each has its own connection."""


class Limit(Struct, frozen=True):
    """One rate limit: at most `budget` in any half-open window of `window_s` seconds."""

    name: str
    """Name of the limit, as a route's `Cost` gives it."""
    budget: int
    """Greatest weight of the requests in one window."""
    window_s: float
    """Length of the window in seconds."""
    scope: str
    """`client`, `ip` (all clients behind one IP address) or `account` (one account, without its sub-accounts)."""
    source: str
    """Page or rule of MEXC that states it."""

    def __post_init__(self) -> None:
        for field in ("name", "scope", "source"):
            check_setting(field, getattr(self, field), text)
        whole = type(self.budget) is int and type(self.window_s) in (int, float)
        if not whole or self.budget < 1 or not 0 < self.window_s <= 86400:
            window = f"{self.window_s:g}" if whole else shown(self.window_s)
            raise ConfigError(
                f"limit {self.name}: {shown(self.budget)} per {window} s: the budget must be a whole number of at "
                "least 1, the window above 0 and at most 86400 s"
            )


CLIENT = Limit("client", 100, 1.0, "client", "MEXC's guides: about 100 requests/s; every request counts one")
IP = Limit("ip", 300, 10.0, "ip", "general info page 2026: 300 weight per 10 s per IP, read as one shared pool")
UID = Limit("uid", 500, 10.0, "account", "general info page 2026: 500 weight per 10 s per account")
ORDERS = Limit("orders", 12, 1.0, "account", "change log 2026-03-11: placing and cancelling share 12 requests/s")
ACCOUNT = Limit("account", 2, 1.0, "account", "documents 2025-08 and 2026-04: GET /api/v3/account 2 requests/s")
BATCH_ORDERS = Limit("batch_orders", 2, 1.0, "account", "documents 2025-08 and 2026-04: POST /api/v3/batchOrders 2/s")
ANNOUNCEMENTS = Limit("announcements", 5, 2.0, "ip", "other SDKs of 2026: GET /api/v3/announcements 5 per 2 s")

TABLE = (CLIENT, IP, UID, ORDERS, ACCOUNT, BATCH_ORDERS, ANNOUNCEMENTS)


class Limits(CheckedSettings, frozen=True):
    """Rate limits of a client: a profile by its name, or `Limits.custom(...)`."""

    profile: str
    """Name for reports."""
    table: Annotated[tuple[Limit, ...], Rule(each(Limit, "must be a tuple of Limit(...)"))]
    """The limits, in the order of their reports."""
    margin_s: Annotated[float, Rule(number("must be from 0 to 10", lambda value: 0 <= value <= 10))] = 0.020
    """Seconds added to every window, for variations of the time between sending and the exchange's count."""
    max_in_flight: Annotated[int, Rule(between(1, 1_000_000_000))] = MAX_IN_FLIGHT
    """Greatest number of requests that are sent and not yet answered."""
    max_waiting: Annotated[int, Rule(between(0, 1_000_000_000))] = 10_000
    """Greatest length of the queue; one request more is refused with RateLimited."""
    longest_way_s: Annotated[float, Rule(number("must be from 0 to 600", lambda value: 0 <= value <= 600))] = 10.0
    """Seconds after sending within which a request without an answer may still arrive."""

    def __getitem__(self, name: str) -> Limit:
        return {limit.name: limit for limit in self.table}[name]

    @property
    def account_limits(self) -> tuple[str, ...]:
        """Names of the limits that MEXC counts by account."""
        return tuple(limit.name for limit in self.table if limit.scope == "account")

    def for_accounts(self, names: Sequence[str]) -> Limits:
        """Return the table for accounts behind one IP address: each has its own account limits, named `orders@NAME`."""
        rows: list[Limit] = []
        for limit in self.table:
            own = [replace(limit, name=f"{limit.name}@{name}") for name in names]
            rows += own if limit.scope == "account" else [limit]
        return replace(self, table=tuple(rows))

    def effective_rate(self, costs: Sequence[Cost]) -> tuple[float, str]:
        """Return the sustained calls a second of these costs, and the limit that binds (`none` without one)."""
        weights = {"client": 1} | {cost.limit: cost.weight for cost in costs}
        rates = [
            (limit.budget // weights[limit.name] / limit.window_s, limit.name)
            for limit in self.table
            if limit.name in weights
        ]
        return min(rates, default=(float("inf"), "none"))

    @classmethod
    def named(cls, profile: str) -> Limits:
        """Return a profile by its name: default, conservative, guide, unlimited, or market_maker(N)."""
        check_setting("limits", profile, instance_of(str, "a profile's name"))
        if maker := re.fullmatch(r"market_maker\(([0-9]{1,9})\)", profile):
            return cls.market_maker(int(maker.group(1)))
        try:
            return PROFILES[profile]
        except KeyError:
            known = ", ".join([*PROFILES, "market_maker(N)"])
            raise ConfigError(f"limits: unknown limit profile {shown(profile)}; there are {known}") from None

    @classmethod
    def market_maker(cls, requests_per_s: int) -> Limits:
        """Make a profile for a market-maker tier of 200, 300 or 400 requests/s (third-party source, June 2026).

        The source gives one figure; the profile applies it to the client, IP, UID and order budgets.
        """
        check_setting("limits: requests_per_s of a market maker", requests_per_s, between(1, 1_000_000))
        lifted = [
            replace(limit, budget=int(requests_per_s * limit.window_s), source="market-maker tier (June 2026)")
            for limit in (CLIENT, IP, UID, ORDERS)
        ]
        return cls(f"market_maker({requests_per_s})", (*lifted, *TABLE[len(lifted) :]))

    @classmethod
    def custom(
        cls,
        base: str = "default",
        *,
        margin_s: float = 0.020,
        max_in_flight: int = MAX_IN_FLIGHT,
        longest_way_s: float = 10.0,
        **budgets: int | tuple[int, float] | None,
    ) -> Limits:
        """Make a profile with other budgets: `custom(orders=24, ip=(600, 10.0), uid=None)`; None removes a limit."""
        table = {limit.name: limit for limit in cls.named(base).table}
        rows = {limit.name: limit for limit in TABLE}
        for name, budget in budgets.items():
            if name not in rows:
                raise ConfigError(f"unknown limit {name!r}; there are {', '.join(rows)}")
            if budget is None:
                table.pop(name, None)
                continue
            row = table.get(name, rows[name])
            if isinstance(budget, tuple) and len(budget) != 2:
                raise ConfigError(f"limit {name}: {shown(budget)} must be a budget or (budget, seconds)")
            amount, window_s = budget if isinstance(budget, tuple) else (budget, row.window_s)
            table[name] = Limit(name, amount, window_s, row.scope, "set by the user")
        return cls(
            "custom",
            tuple(table.values()),
            margin_s=margin_s,
            max_in_flight=max_in_flight,
            longest_way_s=longest_way_s,
        )


PROFILES = {
    "default": Limits("default", TABLE),
    "conservative": Limits(
        "conservative",
        (replace(CLIENT, budget=20, source="support answer of 2026-01-07: at most 20 requests/s in total"), *TABLE[1:]),
    ),
    "guide": Limits("guide", (CLIENT,)),
    "unlimited": Limits("unlimited", ()),
}
