"""Comparison of a client's records with the exchange's own data."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from mexc_async.client.mexc import Mexc
from mexc_async.orders.handle import TrackedOrder
from mexc_async.sim.wallet.account_audit import AccountAudit


def compare(mexc: Mexc, truth: AccountAudit, before: dict[str, Decimal]) -> None:
    """Assert that no fill is lost, doubled or invented; `before` has the earlier total of each asset."""
    orders = mexc.orders.all()
    placed = {order.client_order_id: order for order in orders if order.error is None}
    assert Counter(line.client_id for line in truth.orders) == Counter(placed.keys())
    for line in truth.orders:
        order = placed[line.client_id or ""]
        known = (order.order_id, str(order.status), order.filled_quantity, order.filled_quote_quantity)
        true = (line.order_id, line.status, line.executed, line.executed_value)
        assert known == true, f"{order} is {line}, but {known} is believed"
    fills = [(fill.trade_id, order.order_id) for order in orders for fill in order.fills]
    assert sorted(fills) == sorted((fill.trade_id, fill.order_id) for fill in truth.fills)
    assert expected(before, orders, mexc) == totals(truth)
    assert not any(line.locked for line in truth.balances.values())


def totals(of: AccountAudit) -> dict[str, Decimal]:
    """Add up each asset of an account."""
    return {asset: amount for asset, line in of.balances.items() if (amount := line.free + line.locked)}


def expected(before: dict[str, Decimal], orders: list[TrackedOrder], mexc: Mexc) -> dict[str, Decimal]:
    """Compute the balances that follow from the client's fills."""
    after = dict(before)
    for order in orders:
        info = mexc.rules(order.symbol).info
        for fill in order.fills:
            sign = 1 if order.side == "BUY" else -1
            after[info.base] = after.get(info.base, Decimal(0)) + sign * fill.quantity
            after[info.quote] = after.get(info.quote, Decimal(0)) - sign * fill.quote_quantity
            after[fill.fee_asset] = after.get(fill.fee_asset, Decimal(0)) - fill.fee
    return {asset: amount for asset, amount in after.items() if amount}
