"""Order tracker: a client's order records, fed by the private stream, and REST look-ups of unknown outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import Annotated, Any, Protocol

from mexc_async.errors import (
    ClientClosed,
    ConnectionLost,
    MexcError,
    OrderNotFound,
    OrderNotPlaced,
    OutcomeUnknown,
    PermissionDenied,
)
from mexc_async.orders.events import OrderSettled
from mexc_async.orders.from_spot import OrderNews, fill_of, ids_of, is_about, learn
from mexc_async.orders.ids import prefix_check
from mexc_async.orders.record import OrderFill, OrderRecord, may_conclude
from mexc_async.orders.table import OrderTable
from mexc_async.rest.call import MAX_RECV_WINDOW_MS, Call, Options
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.log import logger
from mexc_async.schema.endpoint import Request
from mexc_async.schema.settings import CheckedSettings, Seconds
from mexc_async.schema.validation import Rule, between
from mexc_async.spot.account import MyTradesQuery
from mexc_async.spot.models import Fill, Order
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import FillPush, OrderPush
from mexc_async.spot.trading import AllOrdersQuery, OpenOrdersQuery, OrderQuery

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
PROOFS = 2
"""Complete look-ups that must find nothing before an order counts as not placed: that an order is not there is said
without naming it, so that one such answer may be another request's."""
IDLE_PAUSE_S = 15.0
"""Pause between look-ups of an order after its caller got OutcomeUnknown."""
LOOK_UP = Options(timeout_s=2.0, repeat=False)


class OrderSettings(CheckedSettings, frozen=True):
    """Settings for settling, tracking and remembering orders."""

    settle_s: Seconds = 10.0
    """Longest look-up for a call whose answer is missing, before it raises OutcomeUnknown."""
    lag_ms: Annotated[int, Rule(between(0, 60_000))] = 1000
    """Longest time for which an accepted order may stay invisible; added before "not placed" is concluded."""
    keep_s: Seconds = 300.0
    """Time for which a finished order stays in the table."""
    poll_s: Seconds = 1.0
    """Interval of polls of open orders while the private stream is down."""
    watch_s: Seconds = 15.0
    """Interval while it is up: pushes come first, the poll is for a lost one."""
    id_prefix: Annotated[str, Rule(prefix_check)] = "m"
    """First characters of every client order id that this client makes, 1 to 8 letters, digits and '-'."""
    check_rules: bool = True
    """True to check orders against the symbol's rules before they are sent; loads the rules on first need."""


class OrderRecorder(Protocol):
    """Recorder of news of orders, such as a call log."""

    def push(self, push: Push[Any]) -> None:
        """Record a private push, or the REST answer in its place."""
        ...

    def placed(self, record: OrderRecord, call: Call) -> None:
        """Record that the answer to a call says that the exchange has an order."""
        ...

    def order(self, record: OrderRecord, fill: OrderFill | None = None) -> None:
        """Record an order's new state; `fill` is the trade that changed it, if it was one."""
        ...


class OrderTracker:
    """Records of one client's orders, and the look-up of unknown outcomes.

    `observers` are called with every order that has news, `on_foreign` with an answer or a push about an order that is
    not this client's.
    """

    def __init__(
        self,
        api: Api,
        table: OrderTable,
        settings: OrderSettings,
        *,
        recorder: OrderRecorder | None = None,
        observers: Sequence[Callable[[OrderRecord], None]] = (),
        on_foreign: Callable[[OrderNews], None] | None = None,
    ) -> None:
        self.settings = settings
        self.table = table
        self.is_strict = False
        """True if answers that seem to be about another order are distrusted and verified."""
        self.lacking: dict[str, tuple[OrderRecord, float]] = {}
        """Finished orders that lack fills, and since when, by client order id."""
        self.due = asyncio.Event()
        """Set when REST may have to be asked for something sooner than was known."""
        self._recorder = recorder
        self._observers = tuple(observers)
        self._on_foreign = on_foreign
        self._api = api
        self._monotonic = api.clock.local.monotonic
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._settling: dict[str, asyncio.Task[None]] = {}

    def check_answers(self) -> None:
        """Distrust, from now on, answers that seem to be about another order: pushes and look-ups decide."""
        self.is_strict = True

    def on_push(self, push: Push[Any]) -> None:
        """Record a private push, and learn from it."""
        if self._recorder is not None:
            self._recorder.push(push)
        if isinstance(push.body, OrderPush | FillPush):
            self.learn(push.body)

    def learn(self, news: OrderNews, record: OrderRecord | None = None) -> OrderRecord | None:
        """Learn from an answer or a push; return the record it was about, None if it is not this client's.

        `record` is given where the question named the order: some answers omit ids. The client order id in the answer
        counts more than that, and more than the order id believed so far.
        """
        order_id, name = ids_of(news)
        found = self.table.find(order_id, name)
        if record is None or (found is not None and (name is not None or record.order_id != order_id)):
            record = found
        if record is None:
            if self._on_foreign is not None:
                self._on_foreign(news)
            return None
        before, loser = record.order_id, None
        if name == record.client_order_id and not (record.is_named and before == order_id):
            loser = self.table.claim(record, order_id)
        is_news = learn(record, news) or loser is not None or before != record.order_id
        self.apply(record, is_news, news)  # before its loser: the log shows in this order whose its fills are
        if loser is not None:
            self._displaced(loser)
        return record

    def miss(self, record: OrderRecord, asked_ms: float) -> None:
        """Learn that a look-up sent at `asked_ms` found nothing under an order's client order id.

        An ack does not name that id, and may have been another order's. If the order cannot be found when it cannot be
        on its way any more, its outcome is unknown.
        """
        is_unproven = record.is_placed and not record.is_named
        if is_unproven and may_conclude(asked_ms, record.accepted_until_ms or 0, self._margin_ms()):
            self.table.release(record)
            self._displaced(record)

    def _displaced(self, record: OrderRecord) -> None:
        """Record that an order has lost its order id, and look for it by its client order id."""
        if record.accepted_until_ms is None:
            record.accepted_until_ms = self._api.clock.now_ms() + MAX_RECV_WINDOW_MS
        self.apply(record, True)
        self._look_out(record)

    async def read(self, request: Request[Any], options: Options) -> Any:
        """Carry out a request that returns orders or fills, and learn from the answer."""
        answer = await self._api.deliver(request, options)
        if not options.raw:
            for item in answer if isinstance(answer, list) else (answer,):
                self.learn(item)
        return answer

    def apply(self, record: OrderRecord, is_news: bool, news: OrderNews | None = None, by: Call | None = None) -> None:
        """Record a change of an order's record, and wake those who wait for it.

        The change is news (`news`), or the answer to the call that placed the order, which proves that the exchange has
        it.
        """
        if not is_news:
            return
        if self._recorder is not None and by is not None:
            self._recorder.placed(record, by)
        elif self._recorder is not None:
            self._recorder.order(record, fill_of(news) if isinstance(news, Fill | FillPush) else None)
        self.table.index(record)
        if record.is_final:
            self.table.finish(record, self._monotonic())
        if self._waiters:
            for waiter in self._waiters.pop(record.client_order_id, ()):
                if not waiter.done():
                    waiter.set_result(None)
        self._observe(record)

    def _observe(self, record: OrderRecord) -> None:
        if record.lacks and record.is_final:
            if record.client_order_id not in self.lacking:
                self.lacking[record.client_order_id] = record, self._monotonic()
                self.due.set()
        elif self.lacking:
            self.lacking.pop(record.client_order_id, None)
        for observe in self._observers:
            observe(record)

    def recall(self, past: OrderTable) -> list[OrderRecord]:
        """Load the orders known before a restart; return those that had not ended. Orders known here stay."""
        unfinished = []
        for record in past:
            if self.table.knows(record.client_order_id):
                continue
            self.table.restore(record)
            if record.is_final:
                self.table.finish(record, self._monotonic())
            else:
                unfinished.append(record)
            self._observe(record)
            if record.is_in_doubt:
                self.mark_unknown(record, record.accepted_until_ms or 0)
        self.table.remember(past.remembered)
        return unfinished

    async def changed(self, record: OrderRecord, timeout_s: float | None = None) -> bool:
        """Wait for news of an order; return False if none came in time. Raises ClientClosed."""
        if self._api.is_closed:
            raise ClientClosed(self._api.tasks.end)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(record.client_order_id, [])
        waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            return False
        finally:
            if waiter in waiters:
                waiters.remove(waiter)
                if not waiters and self._waiters.get(record.client_order_id) is waiters:
                    del self._waiters[record.client_order_id]
        if self._api.is_closed:
            raise ClientClosed("the client was closed")
        return True

    def close(self) -> None:
        """Wake everyone who waits: the client is closed."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def mark_unknown(self, record: OrderRecord, accepted_until_ms: int) -> None:
        """Mark an order's outcome as unknown, and look it up from now on, even if no caller waits."""
        self.apply(record, record.mark_unknown(accepted_until_ms))
        self._look_out(record)

    def _look_out(self, record: OrderRecord) -> None:
        """Start the look-up of an order with unknown outcome, once."""
        name = record.client_order_id
        if record.is_in_doubt and name not in self._settling and not self._api.is_closed:
            task = self._settling[name] = self._api.tasks.spawn(self._settle(record))
            task.add_done_callback(lambda _: self._settling.pop(name, None))

    async def settled(self, records: Sequence[OrderRecord], error: MexcError) -> None:
        """Wait until the outcome of each is known. Raises OutcomeUnknown after `settle_s`."""
        with suppress(ClientClosed, TimeoutError):
            async with asyncio.timeout(self.settings.settle_s):
                for record in records:
                    while record.is_in_doubt:
                        await self.changed(record)
        unresolved = [record.client_order_id for record in records if record.is_in_doubt]
        if unresolved:
            text = f"{error.message}; not settled within {self.settings.settle_s:g} s; the look-up goes on"
            until_ms = max(record.accepted_until_ms or 0 for record in records)
            raise OutcomeUnknown.after(error, text, ",".join(unresolved), until_ms) from error

    def _margin_ms(self) -> float:
        """Return the time after the last possible acceptance of an order at which its absence is proof."""
        return self.settings.lag_ms + (self._api.clock.error_ms or 0.0)

    async def _settle(self, record: OrderRecord) -> None:
        """Look for an order until it is found or provably absent."""
        started, pause_s = self._monotonic(), FIRST_PAUSE_S
        clock, absences = self._api.clock, 0
        while record.is_in_doubt and not self._api.is_closed:
            margin_ms = self._margin_ms()
            may_end = may_conclude(clock.now_ms(), record.accepted_until_ms or 0, margin_ms)
            try:
                is_found = await self._look_for(record, thoroughly=may_end)
            except ClientClosed:
                return
            except MexcError as error:
                logger.info("%s could not be looked up yet: %s", record.client_order_id, error)
            else:
                absences += not is_found and may_end
                if absences == PROOFS and record.is_in_doubt:
                    text = "no answer came, and the exchange has no such order and cannot accept it any more"
                    absent = OrderNotPlaced(text, client_order_id=record.client_order_id)
                    self.apply(record, record.give_up(absent))
            if record.is_in_doubt:
                until_ms = (record.accepted_until_ms or 0) + margin_ms - clock.now_ms()
                worth_s = until_ms / 1000 + 0.002 if until_ms > 0 else inf
                await self.changed(record, min(pause_s, max(worth_s, 0.001)))
                is_waited_for = self._monotonic() - started < self.settings.settle_s
                pause_s = (
                    FIRST_PAUSE_S if absences else min(pause_s * 2, LONGEST_PAUSE_S if is_waited_for else IDLE_PAUSE_S)
                )
        self._api.hooks.emit(OrderSettled(record.client_order_id, record.order_id, record.state))

    async def _look_for(self, record: OrderRecord, *, thoroughly: bool) -> bool:
        """Ask REST for an order by its id; if `thoroughly`, also in open orders, recent orders and fills."""
        name, symbol = record.client_order_id, record.symbol
        try:
            order: Order = await self._api.deliver(OrderQuery(symbol=symbol, orig_client_order_id=name), LOOK_UP)
            if not is_about(record, order):
                self._api.distrust()
                raise ConnectionLost(f"the look-up of {name} was answered with {order.order_id}")
            self.learn(order, record)
        except OrderNotFound:
            if not thoroughly:
                return False
        else:
            if not record.is_placed:
                raise ConnectionLost(f"the look-up of {name} was answered with {order.order_id}, which is another's")
            return True
        since = max((record.accepted_until_ms or 0) - 2 * MAX_RECV_WINDOW_MS, 0)
        for query in (
            OpenOrdersQuery(symbol=symbol),
            AllOrdersQuery(symbol=symbol, start_time=since, limit=1000),
            MyTradesQuery(symbol=symbol, start_time=since, limit=1000),
        ):
            with suppress(PermissionDenied):  # a key that may trade need not have permission to read fills
                for item in await self._api.deliver(query, LOOK_UP):
                    self.learn(item)
            if record.is_placed:
                return True
        return False
