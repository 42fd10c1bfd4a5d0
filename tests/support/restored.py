"""State of a client's orders as its call log gives it back."""

from __future__ import annotations

from pathlib import Path

from mexc_async.call_log.client_log import past_orders
from mexc_async.client.mexc import Mexc
from mexc_async.orders.record import OrderRecord
from mexc_async.orders.table import OrderTable


def shown(of: OrderRecord) -> tuple[object, ...]:
    """Return everything that a record shows."""
    error = None if of.is_placed or of.error is None else (type(of.error), of.error.message, of.error.code)
    return (
        of.client_order_id, of.symbol, of.side, of.type, of.quantity, of.price, of.quote_quantity, of.state,
        of.order_id, of.filled_quantity, of.filled_quote_quantity, of.average_price, of.fills, of.fees, of.lacks,
        of.remaining_quantity, of.is_in_doubt, of.accepted_until_ms if of.is_in_doubt else None, error,
    )  # fmt: skip


def known_by(table: OrderTable) -> dict[str, tuple[object, ...]]:
    return {record.client_order_id: shown(record) for record in table}


async def past(mexc: Mexc, log: Path) -> OrderTable:
    """Return the orders in a client's log."""
    assert mexc._life._log is not None
    mexc._life._log.log.flushed()
    return await past_orders(log, mexc._life._log.client, 1e9)
