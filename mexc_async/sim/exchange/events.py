"""Events of the exchange, from which the WebSocket pushes are built.

Events are values of their moment, never live objects. They come in the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

import msgspec

from mexc_async.sim.exchange.balances import Balances
from mexc_async.sim.exchange.history import Trade
from mexc_async.sim.exchange.orders import NEW, AccountTrade, Order

Level: TypeAlias = tuple[Decimal, Decimal]
"""(price, new quantity) of a book level; quantity 0 means that the level is gone."""


class TradeEvent(msgspec.Struct, frozen=True, gc=False):
    """A public trade."""

    symbol: str
    trade: Trade


class BookEvent(msgspec.Struct, frozen=True):
    """Book levels that one command changed. `version` is the new lastUpdateId, one more than the last."""

    symbol: str
    version: int
    time_ms: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The new state of an account's order, after it was accepted, filled or closed."""

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
    """Quantity of the fill that caused this event; None if no fill caused it."""
    is_maker: bool
    """True if the order was the maker of that fill."""


class DealEvent(msgspec.Struct, frozen=True, gc=False):
    """One fill of an account's order."""

    account: str
    trade: AccountTrade


class BalanceEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account's new balance of one asset, after a command that changed it."""

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


def order_of(event: Event | None) -> tuple[str, ...]:
    """Return the client order id of the order that an event is about; nothing if it is about none that has one."""
    if isinstance(event, OrderEvent):
        client_id = event.client_id
    elif isinstance(event, DealEvent):
        client_id = event.trade.client_id
    else:
        return ()
    return () if client_id is None else (client_id,)


def order_event(order: Order, now_ms: int, fill: AccountTrade | None = None) -> OrderEvent:
    """Build the event for the current state of `order`. `fill` is the fill that caused it."""
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
    balances: Balances,
    accounts: Container[str],
    touched: Mapping[tuple[str, str], tuple[Decimal, Decimal]],
    events: Iterable[Event],
    now_ms: int,
    reasons: Mapping[str, str],
) -> list[BalanceEvent]:
    """Build one event for each balance of `accounts` that a command with these `events` changed.

    `reasons` maps an account to its change type. The change type that `events` imply takes precedence.
    """
    reasons = {**reasons, **_reasons(events)}
    changes = []
    for (account, asset), (free, locked) in touched.items():
        balance = balances.balance(account, asset)
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
    """Return each account's change type for one command. A fill outranks a cancel, which outranks a new order."""
    reasons: dict[str, str] = {}
    for event in events:
        if isinstance(event, DealEvent):
            reasons[event.account] = "ENTRUST"
        elif isinstance(event, OrderEvent) and reasons.get(event.account) != "ENTRUST":
            reasons[event.account] = "ENTRUST_PLACE" if event.status == NEW else "ENTRUST_CANCEL"
    return reasons
