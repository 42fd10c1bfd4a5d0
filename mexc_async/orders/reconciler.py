"""Reconciliation of order records with the exchange: by the private stream and, while it is down, by REST."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from math import inf

from mexc_async.errors import ClientClosed, ConnectFailed, MexcError, OrderNotFound, TransportError, WaitTimeout
from mexc_async.orders.record import OrderRecord
from mexc_async.orders.tracker import OrderTracker
from mexc_async.rest.call import Options
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.log import logger
from mexc_async.spot.account import MyTradesQuery
from mexc_async.spot.channels import FILLS, ORDERS
from mexc_async.spot.trading import NewOrder, OpenOrdersQuery, OrderQuery
from mexc_async.streams.router import Router
from mexc_async.streams.subscriber import Subscriber

LATE_FILLS_S = 1.0
"""Longest wait for a finished order's fills before REST is asked for them."""
REJOIN_S = 60.0
"""Pause before the private stream is tried again after a refusal."""
RECONNECT_S = 5.0
"""The same where the exchange could not be reached."""
SHORTEST_S = 0.001
"""Shortest sleep: timers count whole milliseconds, and a shorter one would return at once, too early."""


class Reconciler:
    """Updater of a client's order records, from its first tracked order on."""

    def __init__(self, api: Api, tracker: OrderTracker, router: Router) -> None:
        self._api = api
        self._monotonic = api.clock.local.monotonic
        self._tracker = tracker
        self._router = router
        self._is_started = False
        self._swept_at = -inf
        self._asked_at = -inf
        """Time of the latest request for fills."""
        self._woken = tracker.due
        self.is_idle = False
        """True while the poll of REST waits for the first order."""
        self._streaming = asyncio.Event()
        """Set while the private stream reports orders."""
        self._news = asyncio.Event()
        """Set when the private stream opened, ended or could not be opened."""
        self._unreached: ConnectFailed | None = None
        """Failure of the latest attempt to open it, where the exchange was never reached."""

    @property
    def is_streaming(self) -> bool:
        """True while the private stream reports orders."""
        return self._streaming.is_set()

    async def wait_for_stream(self, timeout_s: float | None) -> None:
        """Wait until the private stream reports orders. Raises WaitTimeout, ConnectFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.is_streaming:
                    self._news.clear()
                    await self._news.wait()
                    if self._unreached is not None:
                        raise self._unreached
        except TimeoutError:
            raise WaitTimeout(f"the private stream did not open within {timeout_s:g} s") from None

    def wake(self) -> None:
        """Wake the poll of REST, if it runs: there are orders to look up."""
        self._woken.set()

    def start(self) -> None:
        """Start the private stream and the poll of REST that stands in for it."""
        self._api.admit(NewOrder.route)
        if not self._is_started:
            self._router.check()
            self._is_started = True
            self._tracker.check_answers()
            self._api.tasks.spawn(self._follow())
            self._api.tasks.spawn(self._watch())

    async def _follow(self) -> None:
        """Subscribe orders and fills; the tracker learns from every private push."""
        while True:
            pause_s, self._unreached = REJOIN_S, None
            ended = asyncio.Event()
            subscriber = Subscriber(
                (ORDERS, FILLS),
                1,
                "latest",
                lambda _: None,
                self._api.clock.server_ms,
                on_gap=lambda: self._set_followed(False),
                on_back=lambda: self._set_followed(True),
                on_end=ended.set,
            )
            try:
                await self._router.join(subscriber)
                self._set_followed(True)
                await ended.wait()
            except ClientClosed:
                return
            except TransportError as error:
                self._api.outages.warn(f"orders are tracked by REST alone: {error}")
                pause_s = RECONNECT_S
                if isinstance(error, ConnectFailed):
                    self._unreached = error
                    self._news.set()
            except MexcError as error:
                logger.warning("orders are tracked by REST alone: %s", error)
            finally:
                self._streaming.clear()
                self._router.leave(subscriber)
            await asyncio.sleep(pause_s)

    def _set_followed(self, is_followed: bool) -> None:
        """Note that the stream is up or down, and look up at once what happened around that moment."""
        (self._streaming.set if is_followed else self._streaming.clear)()
        self._news.set()
        self._swept_at = -inf
        self._woken.set()

    async def _watch(self) -> None:
        """Ask REST for what the stream did not report: rarely while it is up, often while it is down."""
        while True:
            sweep_at, fills_at = self._sweep_at(), self._fills_at()
            wait_s = min(sweep_at, fills_at) - self._monotonic()
            if wait_s > 0:
                await self._sleep(max(wait_s, SHORTEST_S))
                continue
            now = self._monotonic()
            try:
                if sweep_at <= now:
                    self._swept_at = now
                    await self.sweep()
                if fills_at <= now:
                    self._asked_at = now
                    await self._fetch_fills()
            except ClientClosed:
                return
            except MexcError as error:
                logger.info("open orders could not be read: %s", error)

    async def _sleep(self, wait_s: float) -> None:
        """Sleep until something is due, or until it may be due sooner."""
        self._woken.clear()
        self.is_idle = wait_s == inf
        try:
            async with asyncio.timeout(None if self.is_idle else wait_s):
                await self._woken.wait()
        except TimeoutError:
            pass
        finally:
            self.is_idle = False

    def _sweep_at(self) -> float:
        """Return the time at which live orders are due to be compared; inf without any."""
        if next(self._tracker.table.live(), None) is None:
            return inf
        settings = self._tracker.settings
        return self._swept_at + (settings.watch_s if self.is_streaming else settings.poll_s)

    def _fills_at(self) -> float:
        """Return the time at which missing fills are due to be fetched; inf if none is missing."""
        if not self._tracker.lacking:
            return inf
        _, since = next(iter(self._tracker.lacking.values()))  # the first one has waited longest
        late_at = since + LATE_FILLS_S if self.is_streaming else since
        settings = self._tracker.settings
        return max(late_at, self._asked_at + min(settings.poll_s, settings.watch_s))

    async def sweep(self) -> None:
        """Compare the live orders with the exchange's; the tracker learns from every answer."""
        live = [record for record in self._tracker.table.live() if record.is_placed]
        if not live:
            return
        standing = {order.order_id for order in await self._tracker.read(OpenOrdersQuery(), Options())}
        await self.look_up([record for record in live if record.is_placed and record.order_id not in standing])

    async def look_up(self, records: Iterable[OrderRecord]) -> None:
        """Look up orders one by one."""
        for record in records:
            if record.is_final:
                continue
            asked_ms = self._api.clock.now_ms()
            try:
                query = OrderQuery(symbol=record.symbol, orig_client_order_id=record.client_order_id)
                await self._tracker.read(query, Options())
            except OrderNotFound:
                logger.info("%r is not visible yet", record)
                self._tracker.miss(record, asked_ms)

    async def _fetch_fills(self) -> None:
        """Fetch the fills that finished orders lack, after a delay in which they may come by themselves."""
        now = self._monotonic()
        for record, since in list(self._tracker.lacking.values()):
            is_late = now - since >= LATE_FILLS_S or not self.is_streaming
            if record.order_id is not None and is_late:
                await self._tracker.read(
                    MyTradesQuery(symbol=record.symbol, order_id=record.order_id, limit=1000), Options()
                )
