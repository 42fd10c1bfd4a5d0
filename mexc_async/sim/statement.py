"""The whole truth about one account, for tests: orders, fills and balances, whatever its owner was told."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from mexc_async.sim.accounts import Account
from mexc_async.sim.ledger import Ledger
from mexc_async.sim.orders import AccountTrade, Order


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted order as it is now."""

    order_id: str
    client_id: str | None
    symbol: str
    side: str
    type: str
    price: Decimal
    quantity: Decimal
    """0 for an order sized by value."""
    quote_quantity: Decimal
    status: str
    executed: Decimal
    executed_value: Decimal
    created_ms: int
    updated_ms: int


class BalanceLine(msgspec.Struct, frozen=True):
    """One asset."""

    free: Decimal
    locked: Decimal


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """An account. Of orders and fills the last 50,000 each are remembered, and every open order."""

    account: str
    """Its uid."""
    name: str
    orders: tuple[OrderLine, ...]
    """In the order of acceptance. The same client order id may occur again once its order is closed."""
    fills: tuple[AccountTrade, ...]
    """Oldest first."""
    balances: dict[str, BalanceLine]
    """By asset."""


def statement(account: Account, ledger: Ledger) -> Statement:
    """The account as it is now."""
    balances = ledger.balances(account.uid).items()
    return Statement(
        account=account.uid,
        name=account.name,
        orders=tuple(_line(order) for order in account.orders()),
        fills=tuple(account.trades),
        balances={asset: BalanceLine(balance.free, balance.locked) for asset, balance in balances},
    )


def _line(order: Order) -> OrderLine:
    return OrderLine(
        order_id=order.order_id,
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        price=order.price,
        quantity=order.quantity,
        quote_quantity=order.quote_quantity,
        status=order.status,
        executed=order.executed,
        executed_value=order.executed_value,
        created_ms=order.created_ms,
        updated_ms=order.updated_ms,
    )
