"""Order session, whose orders do not outlive it: `async with mexc.orders.session()`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

from mexc_async.errors import ClientClosed, OrdersLeftOpen
from mexc_async.orders.handle import Actions, TrackedOrder
from mexc_async.orders.record import OrderRecord
from mexc_async.orders.shortcuts import Shortcuts
from mexc_async.orders.table import OrderTable
from mexc_async.runtime.log import logger
from mexc_async.spot.trading import NewOrder

EXIT_S = 30.0
"""Longest time for a session's exit to cancel its orders."""
MOST_ENDED = 1000
"""Orders of a session from which on those that have ended are forgotten."""

_current: ContextVar[OrderSession | None] = ContextVar("mexc_async_order_session", default=None)
"""The innermost session that the present task is in."""


class SessionOrders(Actions, Protocol):
    """Operations that a session needs of `mexc.orders`."""

    table: OrderTable

    async def place(self, order: NewOrder) -> TrackedOrder:
        """Place any order and return once the exchange has it."""
        ...

    def patient(self) -> SessionOrders:
        """Return the same orders with unlimited waits for rate limits."""
        ...

    async def cancel_each(self, records: Iterable[OrderRecord]) -> None:
        """Cancel these orders, all at the same time."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work that the client owns. Raises ClientClosed."""
        ...


def add_to_sessions(table: OrderTable, record: OrderRecord) -> None:
    """Add an order that is about to be sent to every session of its client that the present task is in."""
    session = _current.get()
    while session is not None:
        if session.orders.table is table:
            session.take(record)
        session = session.outer


class OrderSession(Shortcuts):
    """Orders opened inside an `async with`, cancelled at its end."""

    def __init__(self, orders: SessionOrders, cancel_on_exit: bool, timeout_s: float) -> None:
        self.orders = orders
        self.outer: OrderSession | None = None
        self._cancel_on_exit = cancel_on_exit
        self._timeout_s = timeout_s
        self._records: deque[OrderRecord] = deque()

    async def place(self, order: NewOrder) -> TrackedOrder:
        """Place any order, as one of this session's."""
        token = _current.set(self)
        try:
            return await self.orders.place(order)
        finally:
            _current.reset(token)

    @property
    def opened(self) -> list[TrackedOrder]:
        """Orders of this session; of more than 1,000, those that have ended are forgotten."""
        return [TrackedOrder(self.orders, record) for record in self._records]

    def take(self, record: OrderRecord) -> None:
        """Add an order that was opened inside."""
        self._records.append(record)
        if len(self._records) > MOST_ENDED:
            for _ in range(2):  # one more than was added, so that those that have ended become fewer
                oldest = self._records.popleft()
                if not oldest.is_final:
                    self._records.append(oldest)

    async def __aenter__(self) -> Self:
        self.outer = _current.get()
        self._token = _current.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _current.reset(self._token)
        if not self._cancel_on_exit:
            return
        was_cancelled = await self._shielded()
        left = tuple(record.client_order_id for record in self._records if not record.is_final)
        text = f"{len(left)} orders of this session may still be open: {', '.join(left)}"
        if left:
            logger.error("%s", text)
        if was_cancelled:
            raise asyncio.CancelledError(*([text] if left else []))
        if left and error is not None:
            error.add_note(text)
        elif left:
            raise OrdersLeftOpen.of(text, left)

    async def _shielded(self) -> bool:
        """Cancel the open orders even if this task is cancelled meanwhile; return True if it was."""
        if all(record.is_final for record in self._records):
            return False
        try:
            task = self.orders.spawn(self._cancel_all())
        except ClientClosed:
            return False
        was_cancelled = False
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                was_cancelled = True
        return was_cancelled

    async def _cancel_all(self) -> None:
        orders = self.orders.patient()
        try:
            async with asyncio.timeout(self._timeout_s):
                while live := [record for record in self._records if not record.is_final]:
                    await orders.cancel_each(live)
                    await asyncio.sleep(0)
        except TimeoutError:
            pass
