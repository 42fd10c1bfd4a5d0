"""The trader on a client with a planted fault: a cancel without an answer is believed."""

from __future__ import annotations

from typing import Any

from mexc_async import Mexc
from mexc_async.errors import MexcError
from mexc_async.orders.execution import OrderExecution
from mexc_async.orders.from_spot import cancelled_of
from mexc_async.orders.record import ZERO, OrderRecord
from mexc_async.rest.call import Options
from mexc_async.spot.trading import CancelOrder
from tests.rehearsals.trader import main as trade

_cancel_once = OrderExecution._cancel_once


async def _believed(self: OrderExecution, request: CancelOrder, record: OrderRecord | None, options: Options) -> Any:
    try:
        return await _cancel_once(self, request, record, options)
    except MexcError as error:
        if error.outcome_known or record is None:
            raise
        self.tracker.apply(record, record.report(None, ZERO, ZERO, is_cancelled=True, is_filled=False))
        return cancelled_of(record)


OrderExecution._cancel_once = _believed  # type: ignore[method-assign]  # the planted fault


async def main(mexc: Mexc, *, orders: int = 20) -> None:
    """Trade."""
    await trade(mexc, orders=orders)
