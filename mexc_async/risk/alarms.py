"""Alarms for activity that is not this client's own: an event, a warning, and on request a trading halt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Annotated, Protocol

from msgspec.structs import replace

from mexc_async.call_log.anomalies import FACTOR, UNSPENT, CallCounts, ForeignOrders
from mexc_async.limits.account_limiter import AccountLimiter
from mexc_async.limits.limiter import RateLimiter
from mexc_async.orders.from_spot import OrderNews, ids_of
from mexc_async.orders.halt import TradingHalt
from mexc_async.orders.table import OrderTable
from mexc_async.rest.server_clock import ServerClock
from mexc_async.risk.events import UnusualActivity
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import logger
from mexc_async.runtime.tasks import Tasks
from mexc_async.schema.endpoint import Route
from mexc_async.schema.settings import CheckedSettings
from mexc_async.schema.validation import Rule, each, number
from mexc_async.spot.models import Order
from mexc_async.spot.push_models import FillPush, OrderPush

JUDGE_S = 1.0
"""Delay before an order that looks foreign is reported: another call may be about to identify it."""
COUNT_S = 60.0
"""Interval of the count of calls."""
QUIET_S = 60.0
"""Shortest time between reports of rate refusals, which seldom come alone."""


class AlarmSettings(CheckedSettings, frozen=True):
    """Settings for unusual activity and the reaction to it."""

    known_prefixes: Annotated[tuple[str, ...], Rule(each(str, "must be a tuple of texts that are not empty"))] = ()
    """Prefixes of client order ids that this account's other clients use; their orders are not foreign."""
    factor: Annotated[float, Rule(number("must be a number of at least 1", lambda value: 1 <= value < 1e9))] = FACTOR
    """An hour with more than this many times the usual calls of an endpoint is reported."""
    halt: bool = False
    """True to halt trading after a report; cancels still pass."""


class AnomalyRecorder(Protocol):
    """Recorder of unusual activity, such as a call log."""

    def anomaly(self, rule: str, text: str, order: str | None, order_id: str | None, symbol: str | None) -> None:
        """Record unusual activity."""
        ...


class Alarms:
    """Alarms of one client."""

    def __init__(
        self,
        settings: AlarmSettings,
        *,
        table: OrderTable,
        is_own_id: Callable[[str], bool],
        limiter: RateLimiter | AccountLimiter,
        clock: ServerClock,
        halt: TradingHalt,
        recorder: AnomalyRecorder | None,
        hooks: Hooks,
        tasks: Tasks,
    ) -> None:
        self._halt = halt if settings.halt else None
        self._table = table
        self._is_own_id = is_own_id
        self._limiter = limiter
        self._clock = clock
        self._monotonic = clock.local.monotonic
        self._recorder = recorder
        self._hooks = hooks
        self._tasks = tasks
        self._strangers = ForeignOrders(settings.known_prefixes)
        self._counts = CallCounts(settings.factor)
        self._timer: asyncio.TimerHandle | None = None
        self._refused_at = -inf
        self._is_started = False
        self._is_closed = False

    def start(self) -> None:
        """Count calls from now on; idempotent."""
        if not self._is_started:
            self._is_started = True
            self._tasks.spawn(self._count())

    def close(self) -> None:
        """Stop: the client is closed; idempotent."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Foreign orders

    def on_foreign(self, news: OrderNews) -> None:
        """Check an answer or a push about an order that the tracker does not know."""
        if isinstance(news, OrderPush | FillPush) or (isinstance(news, Order) and news.status.is_open):
            order_id, name = ids_of(news)
            if name is not None and self._is_own_id(name):
                return  # of this client, before a restart
            symbol = news.symbol if isinstance(news, Order) else ""
            if self._strangers.see(order_id, name or "", symbol, self._monotonic()) and self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(JUDGE_S, self._judge)

    def _judge(self) -> None:
        self._timer = None
        table = self._table
        is_waiting = any(record.order_id is None for record in table.live())
        for one in self._strangers.judge(self._monotonic(), table.knows, is_waiting):
            name, where = one.client_order_id or None, f" of {one.symbol}" if one.symbol else ""
            known = f"client order id {name}" if name else "no client order id"
            text = f"order {one.order_id}{where} ({known}) was not placed by this client"
            self._raise(UnusualActivity("foreign_order", text, one.order_id, name, one.symbol or None))
        if (calls := self._strangers.calls_due) and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(JUDGE_S / calls, self._judge)

    # Calls

    async def _count(self) -> None:
        while True:
            totals = {use.endpoint: use.requests for use in self._limiter.report().endpoints}
            for one in self._counts.add(totals, self._clock.now_ms()):
                text = f"{one.calls} calls of {one.endpoint} this hour, where {one.median:g} are usual"
                self._raise(UnusualActivity("call_rate", text))
            await asyncio.sleep(COUNT_S)

    def on_rate_refused(self, route: Route, status: int) -> None:
        """Check a 429 or 418: if the own budget is unspent, somebody else uses the key or the address."""
        now, spent = self._monotonic(), self._limiter.spent(route)
        if spent is None or spent > UNSPENT or now - self._refused_at < QUIET_S:
            return
        self._refused_at = now
        text = (
            f"HTTP {status} on {route.method} {route.path} although only {spent:.0%} of the own budget was spent: "
            "somebody else uses the key or the address"
        )
        self._raise(UnusualActivity("foreign_429", text))

    def _raise(self, event: UnusualActivity) -> None:
        if self._halt is not None:
            self._halt.halt(event.text)
            event = replace(event, is_halted=True)
        logger.warning("unusual activity: %s%s", event.text, "; orders are halted" if event.is_halted else "")
        if self._recorder is not None:
            self._recorder.anomaly(event.rule, event.text, event.client_order_id, event.order_id, event.symbol)
        self._hooks.emit(event)
