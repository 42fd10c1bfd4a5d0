"""One client for the life of a service: opened, warmed up, watched, and closed with every order settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Struct

from mexc_async.client.mexc import Mexc
from mexc_async.contrib.keyed_orders import EARLIER_S, KeyedOrders
from mexc_async.errors import (
    ClientClosed,
    ConfigError,
    ConnectFailed,
    MexcError,
    MissingCredentials,
    ReadOnlyError,
    TransportError,
)
from mexc_async.rest.events import RequestDone
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.events import Event

logger = logging.getLogger("mexc_async.contrib")

CLOSING_S = 15.0
"""Longest wait of a close for orders whose answer is missing; the look-up of an order takes up to 10 s."""
WARM_UP_AGAIN_S = 2.0


class Readiness(Struct, frozen=True):
    """Readiness to serve requests, and the reasons against it."""

    ready: bool
    problems: list[str]
    mode: str
    """LIVE or SIM."""
    clock_offset_ms: float | None
    """The exchange's clock minus this machine's; None before it was measured."""
    clock_error_ms: float | None
    headroom: dict[str, float]
    """Unspent share of each limit, 0 to 1."""
    waiting: int
    """Calls that wait for the rate limits."""
    private_stream: bool | None
    """True while pushes report orders; None if orders are not tracked."""
    orders_under_way: int
    """Orders whose outcome is unknown."""
    last_answer_s: float | None
    """Seconds since the exchange last answered."""


class MexcService:
    """Owner of the one client of a process. `make` is called when the service starts, in the process that serves."""

    def __init__(self, make: Callable[[], Mexc], *, closing_s: float = CLOSING_S, earlier_s: float = EARLIER_S) -> None:
        self._make = make
        self._closing_s = closing_s
        self._earlier_s = earlier_s
        self._mexc: Mexc | None = None
        self._orders: KeyedOrders | None = None
        self._is_warm = False
        self._follows = False
        self._answered_at: float | None = None
        self._failure = ""
        """Reason why the exchange gave no answer the last time."""

    @property
    def mexc(self) -> Mexc:
        """The open client. Raises ClientClosed before and after the service's life."""
        if self._mexc is None:
            raise ClientClosed("the service is not open")
        return self._mexc

    @property
    def orders(self) -> KeyedOrders:
        """Orders under idempotency keys. Raises ClientClosed."""
        if self._orders is None:
            raise ClientClosed("the service is not open")
        return self._orders

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Mexc]:
        """Open the service and close it at the end. If the exchange cannot be reached, it starts and is not ready."""
        async with self._make() as mexc:
            self._mexc, self._orders = mexc, KeyedOrders(mexc, earlier_s=self._earlier_s)
            mexc.hooks.add(partial(self._on_event, mexc.clock.local))
            mexc.orders.spawn(self._warm_up(mexc))
            try:
                yield mexc
            finally:
                try:
                    if not await self._orders.settled(self._closing_s):
                        logger.error("closed with unsettled orders; a repeat with their keys returns the outcome")
                finally:
                    self._mexc = self._orders = None

    @property
    def is_alive(self) -> bool:
        """True if the client is open; if not, the process is to be restarted."""
        return self._mexc is not None

    def readiness(self) -> Readiness:
        """Return the readiness now, without any request."""
        mexc = self.mexc
        report = mexc.limits.report()
        clock = mexc.clock
        problems = [f"limit {u.limit} is closed for {u.closed_s:.1f} s" for u in report.limits if u.closed_s > 0]
        if self._failure:
            problems.append(f"the exchange does not answer: {self._failure}")
        if not self._is_warm:
            problems.append("not warmed up yet")
        if self._follows and not clock.is_synced:
            problems.append("the exchange's clock has not been measured")
        if self._follows and not mexc.orders.is_followed:
            problems.append("the private stream is down; orders are looked up instead")
        return Readiness(
            ready=not problems,
            problems=problems,
            mode="SIM" if mexc.is_sim else "LIVE",
            clock_offset_ms=clock.offset_ms if clock.is_synced else None,
            clock_error_ms=clock.error_ms,
            headroom={
                use.limit: max(1 - use.used / use.budget, 0.0) for use in report.limits if 0 < use.budget < float("inf")
            },
            waiting=report.waiting,
            private_stream=mexc.orders.is_followed if self._follows else None,
            orders_under_way=self.orders.under_way,
            last_answer_s=None if self._answered_at is None else clock.local.monotonic() - self._answered_at,
        )

    def _on_event(self, clock: Clock, event: Event) -> None:
        if not isinstance(event, RequestDone):
            return
        if event.status is not None:
            self._answered_at, self._failure = clock.monotonic(), ""
        elif isinstance(event.error, TransportError):
            self._failure = type(event.error).__name__

    async def _warm_up(self, mexc: Mexc) -> None:
        """Open connections, load the rules, track the account's orders if there is a key; retry until it works."""
        while not self._is_warm:
            try:
                await mexc.warm_up()
                self._is_warm = True
            except ClientClosed:
                return
            except MexcError as error:
                logger.warning("not warmed up: %s", error)
                await asyncio.sleep(WARM_UP_AGAIN_S)
        try:
            self._follows = True
            await mexc.orders.follow()
        except (MissingCredentials, ReadOnlyError):
            self._follows = False
        except ConfigError as error:  # the address of the streams is unknown: not ready, and the log has the reason
            logger.error("orders cannot be tracked: %s", error.message)
        except ConnectFailed as error:  # the client goes on trying; until then not ready
            logger.warning("orders are tracked by REST alone: %s", error)
