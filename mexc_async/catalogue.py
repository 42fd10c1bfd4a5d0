"""The list of everything that is declared."""

from __future__ import annotations

from collections.abc import Iterator

from mexc_async.core.endpoint import Endpoint, declared
from mexc_async.spot.api import Spot


def endpoints() -> Iterator[Endpoint]:
    """Every declared endpoint: product, name, method, path, auth, limits with weights, request and result type."""
    yield from declared(Spot)
