"""What happens on the exchange, as values for whoever subscribes: the WebSocket pushes are built from these.

Events hold plain values of the moment, never live objects, and come in the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

import msgspec

from mexc_async.sim.history import Trade
from mexc_async.sim.orders import AccountTrade

Level: TypeAlias = tuple[Decimal, Decimal]
"""(price, quantity now); quantity 0 means that the level is gone."""


class TradeEvent(msgspec.Struct, frozen=True, gc=False):
    """A public trade."""

    symbol: str
    trade: Trade


class BookEvent(msgspec.Struct, frozen=True):
    """Levels that one command changed; `version` is the book's lastUpdateId after it, one more than before."""

    symbol: str
    version: int
    time_ms: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account's order was accepted, traded or closed."""

    account: str
    symbol: str
    order_id: str
    client_id: str | None
    side: str
    type: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    executed: Decimal
    executed_value: Decimal
    status: str
    created_ms: int
    time_ms: int


class DealEvent(msgspec.Struct, frozen=True, gc=False):
    """An account's fill."""

    account: str
    trade: AccountTrade


class BalanceEvent(msgspec.Struct, frozen=True, gc=False):
    """An account's balance of one asset after a command."""

    account: str
    asset: str
    free: Decimal
    locked: Decimal
    time_ms: int


Event: TypeAlias = TradeEvent | BookEvent | OrderEvent | DealEvent | BalanceEvent
Subscriber: TypeAlias = Callable[[Event], None]
