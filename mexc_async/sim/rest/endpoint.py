"""Declaration of an endpoint. The tables of endpoints are in the modules of `sim/rest/endpoints/`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from mexc_async.schema.endpoint import declared
from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.keys import ApiKey
from mexc_async.sim.exchange.orders import Order
from mexc_async.sim.exchange.refusals import missing
from mexc_async.sim.faults.request_faults import UNHARMED, RequestFaults
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.parameters import Parameters
from mexc_async.sim.stream.listen_keys import ListenKeys
from mexc_async.sim.wallet.wallet import Wallet
from mexc_async.spot.api import Spot

_NAMES = {(each.method, each.path): each.name for each in declared(Spot)}


class Call(msgspec.Struct, frozen=True):
    """One request that has passed all checks of its sender."""

    exchange: Exchange
    parameters: Parameters
    now_ms: int
    sender: ApiKey | None
    """The key that signed the request; None on public endpoints."""
    listen_keys: ListenKeys
    wallet: Wallet
    faults: RequestFaults = UNHARMED

    @property
    def key(self) -> ApiKey:
        """The key of a signed request. Raises TypeError on a public endpoint."""
        if self.sender is None:
            raise TypeError("a public endpoint has no sender")
        return self.sender

    @property
    def account(self) -> Account:
        """The account of the key. Raises TypeError on a public endpoint."""
        return self.exchange.accounts[self.key.account]

    def sees(self, happened_ms: int) -> bool:
        """Return False for something so new that a read-after-write lag still hides it."""
        return not self.faults.lag_ms or self.now_ms - happened_ms >= self.faults.lag_ms

    def find_order(self, symbol: str) -> Order | None:
        """Return the visible order of `symbol` that the parameters name, or None. Raises Refusal if they name none."""
        order_id, client_id = self.parameters.optional("orderId"), self.parameters.optional("origClientOrderId")
        if order_id is None and client_id is None:
            raise missing("origClientOrderId' or 'orderId")
        order = self.account.find_order(order_id, client_id)
        return order if order is not None and order.symbol == symbol and self.sees(order.created_ms) else None

    def open_orders(self, symbols: Sequence[str] | None) -> list[Order]:
        """Return the sender's visible open orders of some symbols, or of all with None, oldest first."""
        orders = self.account.open_orders.values()
        return [o for o in orders if (symbols is None or o.symbol in symbols) and self.sees(o.created_ms)]


Handler: TypeAlias = Callable[[Call], Json]


class ServedEndpoint(msgspec.Struct, frozen=True):
    """One REST endpoint."""

    method: str
    path: str
    handler: Handler
    costs: tuple[tuple[str, int], ...]
    """(limit of `limits.LIMITS`, weight), in addition to the one request that every call costs."""
    permission: str | None = None
    """Permission that the key needs. An endpoint with a permission is signed."""
    any_key: bool = False
    """True for a signed endpoint that needs no permission."""

    @property
    def name(self) -> str:
        """Name for faults: the client's method of this endpoint, or the handler's name if the client has none."""
        return _NAMES.get((self.method, self.path)) or self.handler.__name__

    @property
    def is_signed(self) -> bool:
        """True if key, time stamp and signature are checked."""
        return self.any_key or self.permission is not None
