"""Anomalies: far more calls than usual, orders that this client did not place, refusals that it did not cause.

Pure: counts, ids and "now" come in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from math import ceil
from statistics import median

from msgspec import Struct

from mexc_async.runtime.recent import RecentIds

HOUR_MS = 3_600_000
FACTOR = 5.0
LEAST_CALLS = 10
"""Fewer calls an hour are never too many."""
HOURS_NEEDED = 3
HOURS_KEPT = 24
UNSPENT = 0.5
"""This client did not cause a rate refusal if no more than this share of any of its budgets was spent."""
AT_ONCE = 20
"""Most orders that one call of `judge` checks: each that is reported costs a line of the log."""
GRACE_S = 5.0
"""Longest time for an order without a client order id to be recognised by the exchange's id."""


class Excess(Struct, frozen=True):
    """Hour with far more calls of an endpoint than the hours before it."""

    endpoint: str
    hour_ms: int
    """Beginning of the hour."""
    calls: int
    median: float
    """Median of the hours before it in which the endpoint was called."""


def excess(
    endpoint: str, by_hour: Mapping[int, int], hour_ms: int, factor: float = FACTOR, least: int = LEAST_CALLS
) -> Excess | None:
    """Return an excess if an hour has more than `factor` times the median calls of the 24 hours before it.

    `by_hour` counts calls by the beginning of their hour. At least three earlier hours with calls are needed.
    """
    first_ms = hour_ms - HOURS_KEPT * HOUR_MS
    before = [calls for at, calls in by_hour.items() if calls and first_ms <= at < hour_ms]
    calls = by_hour.get(hour_ms, 0)
    if len(before) < HOURS_NEEDED or calls < least:
        return None
    usual = float(median(before))
    return Excess(endpoint, hour_ms, calls, usual) if calls > factor * usual else None


def excesses(counts: Mapping[str, Mapping[int, int]], factor: float = FACTOR) -> list[Excess]:
    """Return every such hour of every endpoint, from counts by endpoint and hour; the earliest first."""
    found = (excess(name, by_hour, hour, factor) for name, by_hour in counts.items() for hour in by_hour)
    return sorted((one for one in found if one is not None), key=lambda one: (one.hour_ms, one.endpoint))


class CallCounts:
    """Calls by endpoint and hour, from counters that only grow, and the hours with too many."""

    def __init__(self, factor: float = FACTOR) -> None:
        self.factor = factor
        self.by_endpoint: dict[str, dict[int, int]] = {}
        self._totals: dict[str, int] = {}
        self._reported: set[tuple[str, int]] = set()

    def add(self, totals: Mapping[str, int], now_ms: int) -> list[Excess]:
        """Add the present counters, at least once an hour; return the new excesses."""
        hour_ms = now_ms - now_ms % HOUR_MS
        found = []
        for endpoint, total in totals.items():
            by_hour = self.by_endpoint.setdefault(endpoint, {})
            by_hour[hour_ms] = by_hour.get(hour_ms, 0) + max(total - self._totals.get(endpoint, 0), 0)
            self._totals[endpoint] = total
            for old in [at for at in by_hour if at < hour_ms - HOURS_KEPT * HOUR_MS]:
                del by_hour[old]
            one = excess(endpoint, by_hour, hour_ms, self.factor)
            if one is not None and (endpoint, hour_ms) not in self._reported:
                found.append(one)
                self._reported.add((endpoint, hour_ms))
        self._reported = {(endpoint, at) for endpoint, at in self._reported if at == hour_ms}
        return found


class Stranger(Struct, frozen=True):
    """Order that this client seems not to have placed."""

    order_id: str
    client_order_id: str
    """Empty if none was reported."""
    symbol: str
    seen_s: float


class ForeignOrders:
    """Orders of the account that are not this client's: seen in a push or among the open orders, and checked later."""

    def __init__(self, prefixes: Iterable[str], most: int = 10_000) -> None:
        self.prefixes = tuple(prefixes)
        """Prefixes of the ids of known other clients."""
        self._most = most
        self._seen: dict[str, Stranger] = {}
        self._reported = RecentIds(most)

    def see(self, order_id: str, client_order_id: str, symbol: str, now_s: float) -> bool:
        """Note an order that the tracker does not know; return True if it is to be checked after a moment."""
        is_known = bool(client_order_id) and client_order_id.startswith(self.prefixes)
        if is_known or order_id in self._reported or order_id in self._seen or len(self._seen) >= self._most:
            return False
        self._seen[order_id] = Stranger(order_id, client_order_id, symbol, now_s)
        return True

    def judge(self, now_s: float, knows: Callable[[str], bool], is_waiting: bool) -> list[Stranger]:
        """Return those of the first `AT_ONCE` orders that are still unknown; each is reported once.

        `is_waiting` means that orders of this client do not have the exchange's id yet: until they do, one without a
        client order id can be theirs.
        """
        found = []
        for one in list(islice(self._seen.values(), AT_ONCE)):
            name = one.client_order_id
            del self._seen[one.order_id]
            if not name and (is_waiting or now_s - one.seen_s < GRACE_S):
                self._seen[one.order_id] = one
            elif not knows(one.order_id) and not (name and knows(name)):
                found.append(one)
                self._reported.add(one.order_id)
        return found

    @property
    def calls_due(self) -> int:
        """Number of calls of `judge` that check every order once."""
        return ceil(len(self._seen) / AT_ONCE)
