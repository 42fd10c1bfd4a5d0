"""How an endpoint is described; the tables are in `market_endpoints`, `trade_endpoints` and `account_endpoints`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from mexc_async.sim.accounts import Account
from mexc_async.sim.answers import Json
from mexc_async.sim.exchange import Exchange
from mexc_async.sim.listen_keys import ListenKeys
from mexc_async.sim.parameters import Parameters


class Call(msgspec.Struct, frozen=True):
    """One request that has passed every check of its sender."""

    exchange: Exchange
    parameters: Parameters
    now_ms: int
    sender: Account | None
    """Whose key it is; None on public endpoints."""

    listen_keys: ListenKeys

    @property
    def account(self) -> Account:
        """The sender of a signed request."""
        if self.sender is None:
            raise TypeError("a public endpoint asked for its sender")
        return self.sender


Handler: TypeAlias = Callable[[Call], Json]


class Endpoint(msgspec.Struct, frozen=True):
    """One documented call."""

    method: str
    path: str
    handler: Handler
    costs: tuple[tuple[str, int], ...]
    """(limit of `limits.LIMITS`, weight) beside the one request that everything costs."""
    permission: str | None = None
    """Needed of the key; an endpoint with a permission is signed."""

    @property
    def is_signed(self) -> bool:
        """Whether key, time stamp and signature are checked."""
        return self.permission is not None
