"""Catalogue of all declared endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from mexc_async.schema.endpoint import Endpoint, Money, declared
from mexc_async.spot.api import Spot


def endpoints() -> Iterator[Endpoint]:
    """Yield every declared endpoint: product, name, method, path, auth, limits, request and result type."""
    yield from declared(Spot)


def money_of(method: str, path: str) -> Money | None:
    """Return the kind of money movement of a path, if a declared endpoint of exactly this path has one."""
    return _moving().get((method, path))


@cache
def _moving() -> dict[tuple[str, str], Money]:
    return {(one.method, one.path): one.route.money for one in endpoints() if one.route.money is not None}
