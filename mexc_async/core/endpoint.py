"""Endpoints are values: a frozen request Struct that knows its `Route`; a resource lists it in one line.

    class ServerTime(Request[Time], frozen=True, kw_only=True):
        route = Route("GET", "/api/v3/time", costs=(Cost("ip", 1),))

    class Market(Resource):
        server_time = call(ServerTime)      # await mexc.spot.server_time()

Nothing here does I/O, reads a clock or knows a transport.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from enum import Enum, IntEnum
from typing import Any, ClassVar, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, get_args, get_origin, overload

import msgspec

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Auth(Enum):
    """What a call must prove about its sender."""

    NONE = "none"
    SIGNED = "signed"
    """API key header, `timestamp`, optional `recvWindow`, and `signature` last."""


class Priority(IntEnum):
    """Who passes the limiter first; lower goes before higher."""

    CANCEL = 0
    ORDER = 1
    ACCOUNT = 2
    MARKET = 3


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What one request takes from one rate limit."""

    limit: str
    """Name of the limit in `core.limits`: `ip`, `uid`, `orders`, ..."""
    weight: int = 1


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the exchange says about a path."""

    method: str
    path: str
    costs: tuple[Cost, ...]
    """What it takes from each limit beside the client-wide one, which every request pays."""
    auth: Auth = Auth.NONE
    permission: str | None = None
    """The key permission that it needs, in MEXC's spelling."""
    priority: Priority = Priority.MARKET
    safe: bool = False
    """True when the call changes nothing, so that it may be repeated and is allowed to a read-only client."""
    cache_s: float = 0.0
    """Seconds that an answer may be reused for."""
