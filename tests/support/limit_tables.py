"""Tables of limits, and routes that spend them, for simulated time."""

from __future__ import annotations

from hypothesis import strategies as st

from mexc_async.limits.profiles import Limit, Limits
from mexc_async.schema.endpoint import Cost, Priority, Route

START = 5000.0
EVER = 10_000


def limit(name: str, budget: int, window_s: float = 1.0) -> Limit:
    return Limit(name, budget, window_s, "client", "test")


def limits(*table: Limit, margin_s: float = 0.0, in_flight: int = EVER) -> Limits:
    return Limits("test", table, margin_s, in_flight)


def route(*costs: Cost, priority: Priority = Priority.MARKET) -> Route:
    return Route("GET", "/x", costs=costs, priority=priority)


ROUTES = [
    route(Cost("a")),
    route(Cost("a", 3)),
    route(Cost("b")),
    route(Cost("a", 2), Cost("b")),
    route(Cost("b", 2), priority=Priority.ACCOUNT),
    route(Cost("a"), Cost("c"), priority=Priority.ACCOUNT),
    route(Cost("c"), priority=Priority.ORDER),
    route(Cost("a"), priority=Priority.ORDER),
    route(Cost("c"), priority=Priority.CANCEL),
    route(),
]
TABLES = st.builds(
    lambda a, b, c, client, windows, margin_s, in_flight: limits(
        limit("a", a, windows[0]),
        limit("b", b, windows[1]),
        limit("c", c, windows[2]),
        *([limit("client", client)] if client else []),
        margin_s=margin_s,
        in_flight=in_flight,
    ),
    st.integers(3, 8),
    st.integers(2, 5),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 6)),
    st.tuples(*[st.sampled_from([0.3, 1.0, 2.0])] * 3),
    st.sampled_from([0.0, 0.02]),
    st.sampled_from([1, 2, 4, EVER]),
)
PAUSES = st.sampled_from([0.001, 0.02, 0.1, 0.29, 0.3, 0.5, 1.0, 1.02, 2.5])
PICK = st.integers(0, 100)
