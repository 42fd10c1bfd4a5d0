"""Tracked orders: updated by the private stream and, while it is down, by REST."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Sequence
from copy import copy
from decimal import Decimal
from typing import Any, Literal, Self, TypeVar

from msgspec import structs

from mexc_async.errors import (
    InvalidRequest,
    MexcError,
    OrdersLeftOpen,
    OutcomeUnknown,
    ProtocolError,
)
from mexc_async.orders.execution import OrderExecution
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.heartbeat import Heartbeat
from mexc_async.orders.reconciler import Reconciler
from mexc_async.orders.record import OrderRecord
from mexc_async.orders.session import EXIT_S, OrderSession
from mexc_async.orders.shortcuts import Shortcuts
from mexc_async.rest.call import Options
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.log import logger
from mexc_async.schema.validation import Amount, amount, boolean, kind_of, number, shown, text, wait_s
from mexc_async.schema.validation import symbol as check_symbol
from mexc_async.spot.trading import MAX_BATCH, CancelOrder, NewOrder, OpenOrdersQuery, OrderQuery

T = TypeVar("T")

_RESTING = ("LIMIT", "LIMIT_MAKER")
_above_0 = number("must be a number of seconds above 0", lambda value: 0 < value < 1e9)


def _check_order(order: object) -> None:
    if not isinstance(order, NewOrder):
        raise InvalidRequest(f"order must be a NewOrder(...), not {kind_of(order)}")


def _check_symbol(name: object) -> None:
    """Refuse what is no symbol: it would match no order, and look like success."""
    if name is not None:
        check_symbol("symbol", name)


class TrackedOrders(Shortcuts):
    """Orders of one client: placed, tracked, replaced and cancelled, none lost or doubled."""

    def __init__(self, api: Api, execution: OrderExecution, reconciler: Reconciler, options: Options) -> None:
        self.execution = execution
        self.table = execution.tracker.table
        self._api = api
        self._reconciler = reconciler
        self._options = options
        self._replacing: set[OrderRecord] = set()

    def using(self, options: Options) -> Self:
        """Return the same orders with other options."""
        same = copy(self)  # all but the options is shared
        same._options = options
        return same

    def patient(self) -> Self:
        """Return the same orders with unlimited waits for rate limits, for calls that must not be left undone."""
        return self if self._options.max_wait_s is None else self.using(structs.replace(self._options, max_wait_s=None))

    @property
    def is_followed(self) -> bool:
        """True while the private stream reports orders; REST is polled while it does not."""
        return self._reconciler.is_streaming

    def __getitem__(self, client_order_id: str | None) -> TrackedOrder:
        """Return an order of this client by its id. Raises KeyError; finished ones stay for `keep_s`."""
        if (order := self.get(client_order_id)) is None:
            raise KeyError(client_order_id)
        return order

    def get(self, client_order_id: str | None) -> TrackedOrder | None:
        """Return an order of this client by its id; None if there is none, or it ended a while ago."""
        if client_order_id is not None:
            text("client_order_id", client_order_id)
        record = self.table.find(None, client_order_id)
        return None if record is None else TrackedOrder(self, record)

    def all(self) -> list[TrackedOrder]:
        """Return every order of this client that is open or ended lately, the oldest first."""
        return [TrackedOrder(self, record) for record in self.execution.tracker.table]

    def live(self, symbol: str | None = None) -> list[TrackedOrder]:
        """Return the orders that are not final, of one symbol or of all. Raises InvalidRequest."""
        _check_symbol(symbol)
        return [TrackedOrder(self, r) for r in self.table.live() if symbol is None or r.symbol == symbol]

    # Placing

    async def place(self, order: NewOrder) -> TrackedOrder:
        """Place any order and return once the exchange has it."""
        _check_order(order)
        self._reconciler.start()
        named = self.execution.ids.named(order)
        await self.execution.place(named, self._options)
        placed = self[named.new_client_order_id or ""]
        if not self.is_followed and placed.type not in _RESTING:
            self._api.tasks.spawn(self._reconciler.look_up([placed.record]))  # no push will come
        return placed

    async def place_many(self, orders: Iterable[NewOrder]) -> list[TrackedOrder]:
        """Place any number of orders, in batches of 20 of one symbol; return them in the order given.

        One order's refusal is not raised: see that order's `error`. An order that could not be settled within
        `settle_s` is `UNKNOWN`, and the look-up goes on.
        """
        if not isinstance(orders, Iterable):
            raise InvalidRequest(f"orders must be a list of NewOrder, not {kind_of(orders)}")
        given = list(orders)
        for order in given:
            _check_order(order)
        self._reconciler.start()
        wanted = [self.execution.ids.named(order) for order in given]
        records: dict[str, OrderRecord] = {}
        by_symbol: dict[str, list[NewOrder]] = defaultdict(list)
        for order in wanted:
            if order.new_client_order_id in records:
                raise InvalidRequest(f"new_client_order_id {order.new_client_order_id!r} is given to two orders")
            admitted, record = await self.execution.enter(order)
            records[record.client_order_id] = record
            if admitted is not None:
                by_symbol[order.symbol].append(admitted)
        async with asyncio.TaskGroup() as group:
            for same in by_symbol.values():
                for first in range(0, len(same), MAX_BATCH):
                    chunk = same[first : first + MAX_BATCH]
                    group.create_task(self._place_chunk(chunk, [records[o.new_client_order_id or ""] for o in chunk]))
        return [TrackedOrder(self, records[order.new_client_order_id or ""]) for order in wanted]

    async def _place_chunk(self, orders: Sequence[NewOrder], records: Sequence[OrderRecord]) -> None:
        try:
            await self.execution.send_batch(orders, records, self._options)
        except MexcError as error:
            logger.info("of a batch of %d: %s", len(orders), error)  # each record says what became of its order

    async def changed(self, record: OrderRecord, timeout_s: float | None) -> bool:
        """Wait for news of an order; return False if none came in time. Raises ClientClosed."""
        return await self.execution.tracker.changed(record, timeout_s)

    # Cancelling and replacing

    async def cancel(self, record: OrderRecord) -> None:
        """Cancel an order and wait for its end. Raises OutcomeUnknown."""
        if record.is_final:
            return
        request = CancelOrder(symbol=record.symbol, orig_client_order_id=record.client_order_id)
        try:
            await self.execution.cancel(request, self._options)
        except MexcError:
            if not record.is_final:
                raise

    async def cancel_all(self, symbol: str | None = None) -> list[TrackedOrder]:
        """Cancel every live order of this client, of one symbol or of all; return them with their ends.

        Raises OrdersLeftOpen naming those that may still be open, InvalidRequest for a symbol that is none.
        """
        _check_symbol(symbol)
        records = [record for record in self.table.live() if symbol is None or record.symbol == symbol]
        await self.cancel_each(records)
        left = tuple(record.client_order_id for record in records if not record.is_final)
        if left:
            raise OrdersLeftOpen.of(f"{len(left)} of {len(records)} orders may still be open: {', '.join(left)}", left)
        return [TrackedOrder(self, record) for record in records]

    async def cancel_each(self, records: Iterable[OrderRecord]) -> None:
        """Cancel these orders, all at the same time; their records have the results."""
        results = await asyncio.gather(*map(self.cancel, records), return_exceptions=True)
        for result in results:
            if isinstance(result, MexcError):
                logger.warning("not cancelled: %s", result)
            elif isinstance(result, BaseException):
                raise result

    async def replace(
        self, order: TrackedOrder, price: Amount | None, quantity: Amount | None, on_fail: Literal["keep", "cancel"]
    ) -> TrackedOrder:
        """Replace an order; see `TrackedOrder.replace`."""
        record = order.record
        if on_fail not in ("keep", "cancel"):
            raise InvalidRequest(f"on_fail {shown(on_fail)} is not one of 'keep', 'cancel'")
        if price is None and quantity is None:
            raise InvalidRequest("price or quantity is needed; neither given")
        new_price = record.price if price is None else amount("price", price)
        total = record.quantity if quantity is None else amount("quantity", quantity)
        if record.type not in _RESTING or total is None:
            raise InvalidRequest(f"{record!r} is of type {record.type}: only {' and '.join(_RESTING)} can be replaced")
        if record.is_final:
            raise InvalidRequest(f"{record!r} has ended: there is nothing to replace")
        if record in self._replacing:
            raise InvalidRequest(f"{record!r} is being replaced already")
        self._replacing.add(record)
        try:
            return await self._replace(order, new_price, total, on_fail == "keep")
        finally:
            self._replacing.discard(record)

    async def _replace(self, order: TrackedOrder, price: Decimal | None, total: Decimal, keep: bool) -> TrackedOrder:
        record = order.record
        kind: Any = record.type
        side: Any = record.side

        def rest(total: Decimal, price: Decimal | None) -> NewOrder:
            left = total - record.filled_quantity
            return NewOrder(symbol=record.symbol, side=side, type=kind, quantity=left, price=price)

        try:
            if total > record.filled_quantity:
                await self.execution.check(rest(total, price), record)
        except MexcError:
            if not keep:
                await self.cancel(record)
            raise
        await self.cancel(record)
        if total <= record.filled_quantity:
            return order
        try:
            replacement = await self.place(rest(total, price))
        except OutcomeUnknown:
            raise  # it may be open; another in its place could be one too many
        except MexcError as error:
            if keep and record.remaining_quantity and record.quantity is not None:
                await self._restore(order, rest(record.quantity, record.price), error)
            raise
        replacement.replaces, order.replaced_by = order, replacement
        return replacement

    async def _restore(self, order: TrackedOrder, rest: NewOrder, error: MexcError) -> None:
        """Place the rest of a cancelled order again, because its replacement was refused."""
        try:
            restored = await self.patient().place(rest)
        except MexcError as failure:
            error.add_note(f"the old order could not be put back: {failure}")
        else:
            restored.replaces, order.replaced_by = order, restored
            error.add_note(f"the old order was put back as {restored!r}")

    # Sessions

    def session(self, *, cancel_on_exit: bool = True, timeout_s: float = EXIT_S) -> OrderSession:
        """Cancel every order opened inside at the end: `async with mexc.orders.session() as session:`.

        Inside means by this task, or by tasks started inside, through whatever method of the client. The end may be
        normal, an exception or a cancellation; cancelling is shielded from further cancellation, for `timeout_s`.
        Raises OrdersLeftOpen at a normal end if some may still be open; otherwise this is noted on the exception.
        """
        boolean("cancel_on_exit", cancel_on_exit)
        _above_0("timeout_s", timeout_s)
        return OrderSession(self, cancel_on_exit, timeout_s)

    def heartbeat(self, path: str | os.PathLike[str], every_s: float = 1.0) -> Heartbeat:
        """Touch a file as long as the event loop runs: `async with mexc.orders.heartbeat("/run/bot.beat"):`.

        `mexc-async guard --heartbeat FILE` cancels the orders of a client that stops doing so. Raises ConfigError, on
        entering if the file cannot be written.
        """
        return Heartbeat(path, every_s, self.spawn, self._api.clock.local)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work that the client owns. Raises ClientClosed."""
        return self._api.tasks.spawn(work)

    # Tracking

    async def follow(self, timeout_s: float | None = None) -> None:
        """Subscribe to the private stream now, rather than with the first order.

        Without it the first order's progress may come from REST, which takes a little longer. Raises WaitTimeout, and
        ConnectFailed if there was no connection yet and none can be made; the client goes on trying.
        """
        wait_s("timeout_s", timeout_s)
        self._reconciler.start()
        await self._reconciler.wait_for_stream(timeout_s)

    async def adopt(self, prefix: str | None = None) -> list[TrackedOrder]:
        """Track the account's open orders whose client order id begins with `prefix`, as after a restart.

        Without a prefix: those whose id has the form of this client's ids. Orders that are tracked already are updated.
        """
        if prefix is not None and prefix != "":  # empty: every open order
            text("prefix", prefix)
        self._reconciler.start()
        taken = []
        for order in await self.execution.tracker.read(OpenOrdersQuery(), self._options):
            name = order.client_order_id
            if not name or not (self.execution.ids.makes(name) if prefix is None else name.startswith(prefix)):
                continue
            record = self.table.find(order.order_id, name)
            if record is None:
                record = self.execution.take_in(order, name)
            taken.append(TrackedOrder(self, record))
        return taken

    async def find(self, symbol: str, client_order_id: str) -> TrackedOrder:
        """Return an order of the account by its client order id: of this client or of an earlier run, open or ended.

        Raises OrderNotFound; within recvWindow after it was sent, an order may exist and not be found yet.
        """
        self._reconciler.start()
        if (known := self.get(client_order_id)) is not None:
            return known
        query = OrderQuery(symbol=symbol, orig_client_order_id=client_order_id)
        order = await self.execution.tracker.read(query, self._options)
        if order.client_order_id not in (None, "", client_order_id):
            raise ProtocolError(f"the look-up of {client_order_id} was answered with {order.client_order_id}")
        record = self.table.find(order.order_id, client_order_id)
        if record is None:
            record = self.execution.take_in(order, client_order_id)
        return TrackedOrder(self, record)

    async def as_sent(self, order: NewOrder) -> NewOrder:
        """Round an order as the guard does before it sends it, where `limits(round="down")` is in force.

        Raises InvalidRequest if nothing is left of it.
        """
        _check_order(order)
        return await self.execution.as_sent(order)
