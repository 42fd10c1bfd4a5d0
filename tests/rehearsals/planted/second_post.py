"""The trader on a client with a planted fault: an order whose answer is missing is placed again, without a look-up."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from mexc_async import Mexc
from mexc_async.errors import OutcomeUnknown
from mexc_async.orders.execution import OrderExecution
from mexc_async.orders.record import OrderRecord
from mexc_async.rest.call import Call, Options
from mexc_async.spot.trading import NewOrder
from tests.rehearsals.trader import main as trade

_conclude = OrderExecution.conclude


async def _blind(
    self: OrderExecution, record: OrderRecord, call: Call, options: Options, answering: Awaitable[Any]
) -> Any:
    async def again() -> Any:
        try:
            return await answering
        except OutcomeUnknown:
            assert isinstance(call.given, NewOrder)
            return await self.api.run(self._call(call.given, options), options)

    return await _conclude(self, record, call, options, again())


OrderExecution.conclude = _blind  # type: ignore[method-assign]  # the planted fault


async def main(mexc: Mexc, *, orders: int = 20) -> None:
    """Trade."""
    await trade(mexc, orders=orders)
