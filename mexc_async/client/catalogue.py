"""The list of everything that is declared."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from mexc_async.schema.endpoint import Endpoint, Money, declared
from mexc_async.spot.api import Spot


def endpoints() -> Iterator[Endpoint]:
    """Every declared endpoint: product, name, method, path, auth, limits with weights, request and result type."""
    yield from declared(Spot)


def money_of(method: str, path: str) -> Money | None:
    """How a path moves money, if a declared endpoint of exactly this path says that it does."""
    return _moving().get((method, path))


@cache
def _moving() -> dict[tuple[str, str], Money]:
    return {(one.method, one.path): one.route.money for one in endpoints() if one.route.money is not None}
