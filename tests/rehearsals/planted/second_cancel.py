"""The trader on a client with a planted fault: a cancel is believed once two of its answers are missing."""

from __future__ import annotations

from collections import Counter
from typing import Any
from weakref import WeakKeyDictionary

from mexc_async import Mexc
from mexc_async.errors import MexcError
from mexc_async.orders.execution import OrderExecution
from mexc_async.orders.from_spot import cancelled_of
from mexc_async.orders.record import ZERO, OrderRecord
from mexc_async.rest.call import Options
from mexc_async.spot.trading import CancelOrder
from tests.rehearsals.trader import main as trade

_cancel_once = OrderExecution._cancel_once
_missing: WeakKeyDictionary[OrderExecution, Counter[str]] = WeakKeyDictionary()
"""Missing answers to the cancels of each order, by client order id."""


async def _believed(self: OrderExecution, request: CancelOrder, record: OrderRecord | None, options: Options) -> Any:
    try:
        return await _cancel_once(self, request, record, options)
    except MexcError as error:
        if error.outcome_known or record is None:
            raise
        missing = _missing.setdefault(self, Counter())
        missing[record.client_order_id] += 1
        if missing[record.client_order_id] < 2:
            raise
        self.tracker.apply(record, record.report(None, ZERO, ZERO, is_cancelled=True, is_filled=False))
        return cancelled_of(record)


OrderExecution._cancel_once = _believed  # type: ignore[method-assign]  # the planted fault


async def main(mexc: Mexc, *, orders: int = 20) -> None:
    """Trade."""
    await trade(mexc, orders=orders)
