"""How an endpoint is described; the tables are in the modules named `..._endpoints`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from mexc_async.core.endpoint import declared
from mexc_async.sim.accounts import Account
from mexc_async.sim.answers import Json
from mexc_async.sim.exchange import Exchange
from mexc_async.sim.fates import UNHARMED, Fate
from mexc_async.sim.keys import ApiKey
from mexc_async.sim.listen_keys import ListenKeys
from mexc_async.sim.orders import Order
from mexc_async.sim.parameters import Parameters
from mexc_async.sim.refusals import missing
from mexc_async.sim.wallet import Wallet
from mexc_async.spot.api import Spot

_NAMES = {(each.method, each.path): each.name for each in declared(Spot)}


class Call(msgspec.Struct, frozen=True):
    """One request that has passed every check of its sender."""

    exchange: Exchange
    parameters: Parameters
    now_ms: int
    sender: ApiKey | None
    """The key that signed it; None on public endpoints."""
    listen_keys: ListenKeys
    wallet: Wallet
    fate: Fate = UNHARMED

    @property
    def key(self) -> ApiKey:
        """The key of a signed request."""
        if self.sender is None:
            raise TypeError("a public endpoint asked for its sender")
        return self.sender

    @property
    def account(self) -> Account:
        """Whose key it is."""
        return self.exchange.accounts[self.key.account]

    def sees(self, happened_ms: int) -> bool:
        """Whether what happened then has reached the part of the exchange that answers: read-after-write lag."""
        return not self.fate.lag_ms or self.now_ms - happened_ms >= self.fate.lag_ms

    def find_order(self, symbol: str) -> Order | None:
        """The sender's order that the parameters name, if it is one of `symbol` that can be seen."""
        order_id, client_id = self.parameters.optional("orderId"), self.parameters.optional("origClientOrderId")
        if order_id is None and client_id is None:
            raise missing("origClientOrderId' or 'orderId")
        order = self.account.find_order(order_id, client_id)
        return order if order is not None and order.symbol == symbol and self.sees(order.created_ms) else None

    def open_orders(self, symbols: Sequence[str] | None) -> list[Order]:
        """The sender's open orders that can be seen, of some symbols or of all, oldest first."""
        orders = self.account.open_orders.values()
        return [o for o in orders if (symbols is None or o.symbol in symbols) and self.sees(o.created_ms)]


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
    any_key: bool = False
    """Signed, but no permission is needed."""

    @property
    def name(self) -> str:
        """What it is called where faults are ordered: as the client's method, or as its handler if there is none."""
        return _NAMES.get((self.method, self.path)) or self.handler.__name__

    @property
    def is_signed(self) -> bool:
        """Whether key, time stamp and signature are checked."""
        return self.any_key or self.permission is not None
