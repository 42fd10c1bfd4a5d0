"""What happens on the exchange, as values for whoever subscribes: the WebSocket pushes are built from these.

Events hold plain values of the moment, never live objects, and come in the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

import msgspec

from mexc_async.sim.history import Trade
from mexc_async.sim.ledger import Ledger
from mexc_async.sim.orders import NEW, AccountTrade, Order

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
    last_quantity: Decimal | None
    """Size of the fill that this event tells of; None when it tells of none."""
    is_maker: bool
    """Whether that fill found the order at rest."""


class DealEvent(msgspec.Struct, frozen=True, gc=False):
    """An account's fill."""

    account: str
    trade: AccountTrade


class BalanceEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account's balance of one asset after a command that changed it."""

    account: str
    asset: str
    free: Decimal
    free_change: Decimal
    locked: Decimal
    locked_change: Decimal
    reason: str
    """One of MEXC's account change types."""
    time_ms: int


Event: TypeAlias = TradeEvent | BookEvent | OrderEvent | DealEvent | BalanceEvent
Subscriber: TypeAlias = Callable[[Event], None]


def order_event(order: Order, now_ms: int, fill: AccountTrade | None = None) -> OrderEvent:
    """What `order` looks like now; `fill` is the one that made it so."""
    return OrderEvent(
        account=order.account,
        symbol=order.symbol,
        order_id=order.order_id,
        client_id=order.client_id,
        side=order.side,
        type=order.type,
        price=order.price,
        quantity=order.quantity,
        quote_quantity=order.quote_quantity,
        executed=order.executed,
        executed_value=order.executed_value,
        status=order.status,
        created_ms=order.created_ms,
        time_ms=now_ms,
        last_quantity=fill.quantity if fill else None,
        is_maker=fill.is_maker if fill else False,
    )


def balance_events(
    ledger: Ledger,
    accounts: Container[str],
    touched: Mapping[tuple[str, str], tuple[Decimal, Decimal]],
    events: Iterable[Event],
    now_ms: int,
    told: Mapping[str, str],
) -> list[BalanceEvent]:
    """One event for each balance of `accounts` that a command with these `events` left different.

    `told` says why, by account, where the events do not.
    """
    reasons = {**told, **_reasons(events)}
    changes = []
    for (account, asset), (free, locked) in touched.items():
        balance = ledger.balance(account, asset)
        if account in accounts and (balance.free != free or balance.locked != locked):
            change = BalanceEvent(
                account=account,
                asset=asset,
                free=balance.free,
                free_change=balance.free - free,
                locked=balance.locked,
                locked_change=balance.locked - locked,
                reason=reasons.get(account, "ENTRUST"),
                time_ms=now_ms,
            )
            changes.append(change)
    return changes


def _reasons(events: Iterable[Event]) -> dict[str, str]:
    """Why each account's balances changed in one command: a trade counts before a cancel, that before a placing."""
    reasons: dict[str, str] = {}
    for event in events:
        if isinstance(event, DealEvent):
            reasons[event.account] = "ENTRUST"
        elif isinstance(event, OrderEvent) and reasons.get(event.account) != "ENTRUST":
            reasons[event.account] = "ENTRUST_PLACE" if event.status == NEW else "ENTRUST_CANCEL"
    return reasons
