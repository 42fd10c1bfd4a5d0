"""Execution of orders: every order of a client is named, checked, recorded and settled here.

A call that places or cancels and ends without a proper answer is settled before its caller gets one: the tracker looks
up the order's outcome. Nothing is ever placed a second time; a cancel may be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from mexc_async.error_codes import CODES, of_order
from mexc_async.errors import (
    ApiError,
    CallLogFailed,
    ClientClosed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    InvalidRequest,
    MexcError,
    OrderNotFound,
    OrderNotPlaced,
    OutcomeUnknown,
    PermissionDenied,
    ProtocolError,
    RateLimited,
)
from mexc_async.orders.foreign_refusals import NEVER_OF_A_CANCEL, NEVER_OF_AN_ORDER
from mexc_async.orders.from_spot import (
    ENDED,
    ack_of,
    adopted,
    batch_result_of,
    cancelled,
    cancelled_of,
    ids_of,
    is_about,
    record_of,
)
from mexc_async.orders.halt import TradingHalt
from mexc_async.orders.ids import OrderIds
from mexc_async.orders.reconciler import Reconciler as Reconciler
from mexc_async.orders.record import ZERO, OrderRecord
from mexc_async.orders.session import add_to_sessions
from mexc_async.orders.started import StartedOrder
from mexc_async.orders.tracker import FIRST_PAUSE_S, LONGEST_PAUSE_S, LOOK_UP, OrderTracker
from mexc_async.rest.call import Call, Options, accepted_until_ms, call_of
from mexc_async.rest.pipeline import GUIDE_PATHS, Api, Started
from mexc_async.runtime.tasks import CLOSED
from mexc_async.spot.enums import OrderStatus
from mexc_async.spot.models import BatchResult, CancelledOrder, Order, OrderAck
from mexc_async.spot.rules import SymbolRules
from mexc_async.spot.trading import (
    BatchOrders,
    CancelOrder,
    NewOrder,
    OrderQuery,
    TestOrder,
)

BOOK_S = 5.0
"""Longest wait of an order for a book that is being opened for it."""
PLACING_PATHS = frozenset(
    {
        (NewOrder.route.method, NewOrder.route.path),
        GUIDE_PATHS[NewOrder.route.method, NewOrder.route.path],
        (BatchOrders.route.method, BatchOrders.route.path),
    }
)
"""Paths that place orders."""


class Guard(Protocol):
    """Pre-trade checks, which may refuse or round an order before it is sent."""

    is_on: bool
    """True once any limit was set."""

    def ready(self, order: NewOrder) -> asyncio.Future[None] | None:
        """Return a future to wait for, up to BOOK_S, before the check; None if it can run. Raises GuardRefused."""
        ...

    def admit(self, order: NewOrder, rules: SymbolRules, instead_of: OrderRecord | None = None) -> NewOrder:
        """Check an order and return it as it is to be sent; it may replace `instead_of`. Raises GuardRefused."""
        ...

    def as_sent(self, order: NewOrder, rules: SymbolRules) -> NewOrder:
        """Round an order where limits only round it. Raises InvalidRequest if rounding leaves nothing."""
        ...

    def opened(self, record: OrderRecord) -> None:
        """Count an order that was admitted and is about to be sent."""
        ...


class OrderExecution:
    """Execution of orders: sends each, updates its record, and settles unknown outcomes."""

    def __init__(
        self,
        api: Api,
        tracker: OrderTracker,
        ids: OrderIds,
        halt: TradingHalt,
        guard: Guard,
        reconciler: Reconciler,
        *,
        check_rules: bool = True,
    ) -> None:
        self.api = api
        self._monotonic = api.clock.local.monotonic
        self.tracker = tracker
        self.ids = ids
        self.halt = halt
        self.guard = guard
        self._reconciler = reconciler
        self._check_rules = check_rules

    # Placing

    async def place(self, request: NewOrder, options: Options) -> Any:
        """Place an order; where the answer is missing, look up its outcome first.

        Raises OrderNotPlaced if it provably was not placed, OutcomeUnknown if this cannot be settled within `settle_s`.
        """
        self.api.admit(request.route)
        named = self.ids.named(request)
        order = self._admitted(named) or await self._admit(named)
        record = self._open(order, is_new_id=named is not request)
        call = self._call(order, options)
        return await self.conclude(record, call, options, self.api.run(call, options))

    def start(self, request: NewOrder, options: Options) -> asyncio.Future[Any]:
        """Start `place`, written in this very call if it need not wait; all errors are the future's."""
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        started: Started | None = None
        try:
            self.api.admit(request.route)
            named = self.ids.named(request)
            order = self._admitted(named)
            call = self._call(order or named, options)
            if order is None or (started := self.api.begin(call, options)) is None:
                return self.api.tasks.begin(self._place_alone(named, options))
            record = self._open(order, is_new_id=named is not request)
        except MexcError as error:
            if started is not None:
                started.give_up()
            outcome.set_exception(error)
            return outcome
        StartedOrder(self, outcome, started, record, call, options).write()
        return outcome

    async def _place_alone(self, order: NewOrder, options: Options) -> Any:
        """Run `place` in a task that only the client's end cancels."""
        try:
            return await self.place(order, options)
        except asyncio.CancelledError:
            record = self.tracker.table.find(None, order.new_client_order_id)
            if record is None or not record.is_in_doubt:
                raise
            raise OutcomeUnknown(
                f"{CLOSED}; it may have been accepted", client_order_id=record.client_order_id
            ) from None

    def _call(self, order: NewOrder, options: Options) -> Call:
        kind = None if options.raw else OrderAck
        return Call(NewOrder.route, order, kind, order.new_client_order_id, None, self.halt.check)

    async def conclude(self, record: OrderRecord, call: Call, options: Options, answering: Awaitable[Any]) -> Any:
        """Return the answer to an order that was sent; see `place`."""
        try:
            try:
                answer = await answering
            except BaseException as error:
                raise self.failed(error, call, options, [record])  # noqa: B904 - that error, or it is the cause
            if not self.acknowledge(record, call, answer, options):
                self.tracker.mark_unknown(record, accepted_until_ms(call, options))
                raise OutcomeUnknown(f"the answer is to another order, {_order_id(answer)}")
        except OutcomeUnknown as error:
            await self.tracker.settled([record], error)
            if not record.is_placed and record.error is not None:
                raise record.error from error
            return _shaped(ack_of(record), options)
        return answer

    def acknowledge(self, record: OrderRecord, call: Call, answer: Any, options: Options) -> bool:
        """Record that the exchange has an order; return False if the answer is to another order."""
        order_id = answer.order_id if type(answer) is OrderAck else _order_id(answer)
        if (self.tracker.is_strict or record.is_named) and not self._is_own(record, order_id, answer):
            self.api.distrust()
            return False
        if self.api.is_in_doubt(call) and not (type(answer) is OrderAck and answer.client_order_id):
            return False  # an order that is equal in all terms may have it
        record.accepted_until_ms = accepted_until_ms(call, options)  # in case the ack turns out to be another order's
        self.tracker.apply(record, record.place(order_id), by=call)
        return True

    def _is_own(self, record: OrderRecord, order_id: str | None, answer: object) -> bool:
        """Return True if an ack can be this order's: its terms match, and no other order has its id."""
        if isinstance(answer, OrderAck) and not is_about(record, answer):
            return False
        return self.tracker.table.find(order_id, None) in (None, record)

    def failed(
        self, error: BaseException, call: Call, options: Options, records: Sequence[OrderRecord]
    ) -> BaseException:
        """Record a failed call in its orders' records; return the error to raise."""
        if (
            isinstance(error, ApiError) and error.code in NEVER_OF_AN_ORDER
        ):  # another request's answer came in its place
            unknown = OutcomeUnknown(error.message, client_order_id=call.client_order_id)
            unknown.__cause__ = error
            error = unknown
        for record in records:
            if not call.stamped_ms:
                self.tracker.apply(record, record.give_up(_never_sent(error)))
            elif isinstance(error, MexcError) and error.outcome_known:
                self._refused(record, error)
            else:  # no proper answer, or cancelled in the middle
                self.tracker.mark_unknown(record, accepted_until_ms(call, options))
        return error

    async def place_batch(self, request: BatchOrders, options: Options) -> Any:
        """Place a batch; settle items whose outcome the answer omits one by one."""
        self.api.admit(request.route)
        orders: list[NewOrder] = []
        records: list[OrderRecord] = []
        try:
            for wanted in request.orders:
                orders.append(await self._admit(self.ids.named(wanted)))
                records.append(self._open(orders[-1]))
        except MexcError:
            for record in records:
                self._refused(record, OrderNotPlaced("its batch was not sent", client_order_id=record.client_order_id))
            raise
        return _shaped(await self.send_batch(orders, records, options), options)

    async def enter(self, order: NewOrder) -> tuple[NewOrder | None, OrderRecord]:
        """Return a named order as it is to be sent, with its record; None if it was refused: see the record's error."""
        try:
            admitted = await self._admit(order)
            return admitted, self._open(admitted)
        except MexcError as error:
            record = record_of(order)
            record.refuse(error)
            return None, record

    async def send_batch(
        self, orders: Sequence[NewOrder], records: Sequence[OrderRecord], options: Options
    ) -> list[BatchResult]:
        """Send admitted orders, at most 20 of one symbol, and settle those that the answer omits."""
        ids = ",".join(record.client_order_id for record in records)
        typed = replace(options, raw=False)
        call = call_of(BatchOrders(orders=tuple(orders)), typed, ids, self.halt.check)
        try:
            try:
                answer: list[BatchResult] = await self.api.run(call, typed)
            except BaseException as error:
                raise self.failed(error, call, typed, records)  # noqa: B904 - that error, or it is the cause
        except OutcomeUnknown as error:
            await self.tracker.settled(records, error)
            return [batch_result_of(record) for record in records]
        return await self._matched(records, answer, call, accepted_until_ms(call, options))

    async def check(self, order: NewOrder, instead_of: OrderRecord) -> None:
        """Check an order that is to replace another, without sending it; raise if it would be refused."""
        await self._admit(order, instead_of)

    def take_in(self, order: Order, client_order_id: str) -> OrderRecord:
        """Track an order that this client did not send, or sent before a restart."""
        record = adopted(order, client_order_id)
        self.tracker.table.add(record)
        self.tracker.learn(order, record)
        return record

    async def _matched(
        self, records: Sequence[OrderRecord], results: Sequence[BatchResult], call: Call, until_ms: int
    ) -> list[BatchResult]:
        """Return the results in the order of the records; look up items that the answer lacks."""
        named = {result.client_order_id: result for result in results if result.client_order_id is not None}
        found: list[BatchResult | None] = []
        for index, record in enumerate(records):
            result = named.get(record.client_order_id)
            if result is None and len(results) == len(records) and results[index].client_order_id is None:
                result = results[index]  # refused items may lack their id; the answer has the order of the request
            if self.tracker.is_strict and (result is None or not self._is_own(record, result.order_id, result)):
                self.api.distrust()  # it may be another request's, whose own answer is still to come
                result = None
            record.accepted_until_ms = until_ms
            found.append(result)
            if result is None:
                self.tracker.mark_unknown(record, until_ms)
            elif result.is_accepted:
                self.tracker.apply(record, record.place(result.order_id), by=call)
            elif (refusal := _refusal(result, record.type)).outcome_known and refusal.code not in NEVER_OF_AN_ORDER:
                self._refused(record, refusal)
            else:
                self.tracker.mark_unknown(record, until_ms)
                found[-1] = None
        lost = [record for record, result in zip(records, found, strict=True) if result is None]
        if lost:
            await self.tracker.settled(lost, MexcError("the batch's answer omits the outcome of some orders"))
        return [result or batch_result_of(record) for record, result in zip(records, found, strict=True)]

    async def test(self, request: TestOrder, options: Options) -> Any:
        """Let the exchange check an order without placing it, after this client's own checks."""
        self.api.admit(request.route)
        if self._check_rules:
            (await self.api.rules.find(request.symbol)).check(request)
        return await self.api.deliver(request, options)

    def _admitted(self, order: NewOrder) -> NewOrder | None:
        """Return what `_admit` returns, or None if it would have to wait."""
        if self.halt.reason is not None:
            return None
        guard = self.guard
        if not guard.is_on and not self._check_rules:
            return order
        rules = self.api.rules.fresh(order.symbol)
        if rules is None:
            return None
        if guard.is_on:
            if guard.ready(order) is not None:
                return None
            order = guard.admit(order, rules)
        if self._check_rules:
            rules.check(order)
        return order

    async def _admit(self, order: NewOrder, instead_of: OrderRecord | None = None) -> NewOrder:
        """Check an order and return it as it is to be sent.

        The order of the checks: its parameters (`spot/trading.py`, as it was built), the key and the client's switches
        (`Api.admit`), the halt, the guard's limits (`risk/pre_trade.py`), the symbol's rules (`spot/rules.py`).

        Raises GuardRefused for a halt or a limit, InvalidRequest for a rule; nothing was sent.
        """
        self.halt.check()
        guard = self.guard
        if not guard.is_on and not self._check_rules:
            return order
        rules = self.api.rules.fresh(order.symbol) or await self.api.rules.find(order.symbol)
        if guard.is_on:
            if (ready := guard.ready(order)) is not None:
                await asyncio.wait({ready}, timeout=BOOK_S)
            order = guard.admit(order, rules, instead_of)  # recorded before anything else is admitted
        if self._check_rules:
            rules.check(order)
        return order

    async def as_sent(self, order: NewOrder) -> NewOrder:
        """Return an order as the guard's limits round it. Raises InvalidRequest if nothing is left."""
        if not self.guard.is_on:
            return order
        return self.guard.as_sent(order, self.api.rules.fresh(order.symbol) or await self.api.rules.find(order.symbol))

    def _open(self, order: NewOrder, *, is_new_id: bool = False) -> OrderRecord:
        """Record an order that is about to be sent. An id that this client has just made needs no check."""
        record, table = record_of(order), self.tracker.table
        name = record.client_order_id
        if not is_new_id and table.knows(name):
            known = table.find(None, name)
            if known is None or known.is_placed or not known.is_final:
                raise InvalidRequest(
                    f"new_client_order_id {name!r} was used before: an order is looked up by it, so each needs its own"
                )
            table.discard(name)  # nothing was placed under it
        table.add(record)
        if self.guard.is_on:
            self.guard.opened(record)
            self._reconciler.start()  # whatever method sends it, its outcome has to be known
        add_to_sessions(table, record)
        if self._reconciler.is_idle:
            self._reconciler.wake()
        return record

    def _refused(self, record: OrderRecord, error: MexcError) -> None:
        """Record that the exchange did not take an order; `NOT_PLACED` where it was never asked."""
        never_asked = isinstance(error, CallLogFailed | ConnectFailed | ClientClosed | OrderNotPlaced)
        self.tracker.apply(record, record.give_up(error) if never_asked else record.refuse(error))

    # Cancelling

    async def cancel(self, request: CancelOrder, options: Options) -> Any:
        """Cancel an order, and repeat until its end is known; an order that has ended returns its end.

        Raises OrderNotFound if the exchange has no such order and none can be on its way, OutcomeUnknown if it cannot
        be settled within `settle_s`: the order may still be open.
        """
        record = self.tracker.table.find(request.order_id, request.orig_client_order_id)
        if record is not None and record.symbol != request.symbol:
            raise InvalidRequest(f"symbol {request.symbol!r} is not that of {record!r}")
        started, pause_s, failure = self._monotonic(), FIRST_PAUSE_S, MexcError("not asked")
        while True:
            if request.orig_client_order_id is None:  # the owner of that id may become known meanwhile
                record = self.tracker.table.find(request.order_id, None)
            if record is not None and record.is_final:
                if not record.is_placed:
                    raise record.error or OrderNotFound("it was never placed")
                return _shaped(cancelled_of(record), options)
            try:
                return await self._cancel_once(request, record, options)
            except OrderNotFound as error:
                if record is None and not error.retryable:
                    raise
                failure = error  # it may be on its way, or not visible yet
            except (ClientClosed, ConfigError, RateLimited):
                raise
            except MexcError as error:
                makes_sense = not isinstance(error, ProtocolError) and error.code not in NEVER_OF_A_CANCEL
                if error.outcome_known and not error.retryable and makes_sense:
                    raise
                failure = error  # an answer that makes no sense, to the cancel or its look-up, proves nothing
            left_s = started + self.tracker.settings.settle_s - self._monotonic()
            if left_s <= 0:
                raise self._unknown(request, failure) from failure
            if record is not None:
                await self.tracker.changed(record, min(pause_s, left_s))
            else:
                await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _cancel_once(self, request: CancelOrder, record: OrderRecord | None, options: Options) -> Any:
        """Cancel, and look up the order's end if the answer omits it."""
        name = request.orig_client_order_id or (record.client_order_id if record else None)
        try:
            answer = await self.api.run(call_of(request, options, name), options)
        except OrderNotFound as error:
            order, record = await self._query(request, record)
            if order.status.is_open:
                error.retryable = True  # nothing to cancel, and yet the order is open
                raise
            return _shaped(cancelled_of(record) if record is not None else cancelled(order), options)
        if options.raw:
            self._learn_raw(answer, record)
            return answer
        record = self._learn(request, answer, record)
        if answer.status is not None and answer.executed_quantity is not None and not answer.status.is_open:
            return answer
        # Some answers stop before the state. So does an acknowledgement, which says the same and may come twice.
        try:
            order, _ = await self._query(request, record)
        except PermissionDenied:  # a key that may trade need not have permission to read
            return answer
        if order.status.is_open:
            raise ConnectionLost(f"the cancel of {name} was answered, but the order is still open")
        return cancelled(order)

    async def _query(self, request: CancelOrder, record: OrderRecord | None) -> tuple[Order, OrderRecord | None]:
        query = OrderQuery(
            symbol=request.symbol, order_id=request.order_id, orig_client_order_id=request.orig_client_order_id
        )
        order: Order = await self.api.deliver(query, LOOK_UP)
        return order, self._learn(request, order, record)

    def _learn(
        self, request: CancelOrder, answer: CancelledOrder | Order, record: OrderRecord | None
    ) -> OrderRecord | None:
        """Apply the answer about an order that is to be cancelled; return its record.

        If it was named by its order id, this may be another record than the one that seemed to have that id.
        """
        by_name = request.orig_client_order_id is not None
        is_own = record is None or is_about(record, answer) if by_name else answer.order_id == request.order_id
        if self.tracker.is_strict and (not is_own or (by_name and self._is_anothers(answer, record))):
            self.api.distrust()
            name = request.orig_client_order_id or request.order_id
            raise ConnectionLost(f"the cancel or look-up of {name} was answered with {answer.order_id}")
        return self.tracker.learn(answer, record if by_name or not self.tracker.is_strict else None)

    def _is_anothers(self, answer: CancelledOrder | Order, record: OrderRecord | None) -> bool:
        """Return True if an answer without the id that a cancel repeats has an id of another order than `record`.

        The answer to a look-up of an equal order is one: it says `clientOrderId` only, which a cancel's answer may use
        for the cancel's own id.
        """
        find, name = self.tracker.table.find, ids_of(answer)[1]
        owners = (find(None, answer.client_order_id), find(answer.order_id, None))
        return not name and any(owner not in (None, record) for owner in owners)

    def _learn_raw(self, answer: Any, record: OrderRecord | None) -> None:
        """Apply a cancel's undecoded answer that states the order's end; any other proves nothing."""
        if not isinstance(answer, dict) or answer.get("status") not in ENDED:
            return
        order_id = _order_id(answer)
        if order_id is not None:
            symbol = record.symbol if record is not None else ""
            status, name = OrderStatus(answer["status"]), answer.get("origClientOrderId")
            self.tracker.learn(
                CancelledOrder(symbol=symbol, order_id=order_id, orig_client_order_id=name, status=status), record
            )
        elif record is not None:
            self.tracker.apply(record, record.report(None, ZERO, ZERO, is_cancelled=True, is_filled=False))

    def _unknown(self, request: CancelOrder, failure: MexcError) -> OutcomeUnknown:
        name = request.orig_client_order_id or request.order_id
        route = request.route
        return OutcomeUnknown(
            f"the order {name} may still be open: {failure.message}",
            code=failure.code,
            status=failure.status,
            method=route.method,
            path=route.path,
            client_order_id=request.orig_client_order_id,
        )

    async def sign_ahead(self, order: NewOrder, options: Options) -> NewOrder:
        """Sign an order before it is sent with the same options; return it with its client order id."""
        return await self.api.sign_ahead(self.ids.named(order), options)


def _order_id(answer: Any) -> str | None:
    """Return the exchange's id in the answer to a placed order, decoded or raw."""
    if isinstance(answer, OrderAck):
        return answer.order_id
    order_id = answer.get("orderId") if isinstance(answer, dict) else None
    return None if order_id is None else str(order_id)


def _never_sent(error: BaseException) -> MexcError:
    return error if isinstance(error, MexcError) else OrderNotPlaced("the call was cancelled before it was sent")


def _refusal(result: BatchResult, order_type: str) -> MexcError:
    known = CODES["spot"].get(result.code) if result.code is not None else None
    error = (known.error if known else ApiError)(
        result.msg or "refused without a reason", code=result.code, client_order_id=result.client_order_id
    )
    return of_order(error, order_type)


def _shaped(value: Any, options: Options) -> Any:
    """Return the value, or its stand-in for a view of raw answers."""
    return msgspec.to_builtins(value) if options.raw else value
