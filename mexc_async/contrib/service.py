"""One client for the life of a service: opened, warmed up, watched, and closed with no order left in doubt."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from mexc_async.client.mexc import Mexc
from mexc_async.contrib.keyed_orders import EARLIER_S, KeyedOrders
from mexc_async.errors import ClientClosed, ConfigError, MexcError, MissingCredentials, ReadOnlyError, TransportError
from mexc_async.rest.events import RequestDone
from mexc_async.runtime.events import Event

logger = logging.getLogger("mexc_async.contrib")

CLOSING_S = 15.0
"""How long closing waits for orders whose answer is missing; an order is looked for 10 s before it is given up."""
WARM_UP_AGAIN_S = 2.0


class Readiness(Struct, frozen=True):
    """Whether requests can be served, and what stands in their way."""

    ready: bool
    problems: list[str]
    mode: str
    """LIVE or SIM."""
    clock_offset_ms: float | None
    """The exchange's clock minus this machine's; None before it was measured."""
    clock_error_ms: float | None
    headroom: dict[str, float]
    """Share of each limit that is left, 0 to 1."""
    waiting: int
    """Calls in line for the limits."""
    private_stream: bool | None
    """Whether pushes tell of orders at present; None where they are not followed."""
    orders_under_way: int
    """Orders whose fate is not known yet."""
    last_answer_s: float | None
    """Seconds since the exchange last answered."""


class MexcService:
    """Owns the one client of a process. `make` is called when the service starts, in the process that serves."""

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
        """Why the exchange gave no answer the last time."""

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
        """The service's life. An exchange that cannot be reached keeps it from being ready, not from starting."""
        async with self._make() as mexc:
            self._mexc, self._orders = mexc, KeyedOrders(mexc, earlier_s=self._earlier_s)
            mexc.hooks.add(self._on_event)
            mexc.orders.spawn(self._warm_up(mexc))
            try:
                yield mexc
            finally:
                try:
                    if not await self._orders.settled(self._closing_s):
                        logger.error("closed with orders in doubt; their keys tell later what became of them")
                finally:
                    self._mexc = self._orders = None

    @property
    def is_alive(self) -> bool:
        """Whether the client is open: a process that says no is to be started anew."""
        return self._mexc is not None

    def readiness(self) -> Readiness:
        """Whether requests can be served now; asks nothing and nobody."""
        mexc = self.mexc
        report = mexc.limits.report()
        clock = mexc.clock
        problems = [f"limit {u.limit} is closed for {u.closed_s:.1f} s" for u in report.limits if u.closed_s > 0]
        if self._failure:
            problems.append(f"the exchange does not answer: {self._failure}")
        if not self._is_warm:
            problems.append("not warmed up yet")
        if self._follows and not clock.is_synced:
            problems.append("the exchange's clock is not known")
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
            last_answer_s=None if self._answered_at is None else time.monotonic() - self._answered_at,
        )

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, RequestDone):
            return
        if event.status is not None:
            self._answered_at, self._failure = time.monotonic(), ""
        elif isinstance(event.error, TransportError):
            self._failure = type(event.error).__name__

    async def _warm_up(self, mexc: Mexc) -> None:
        """Open connections, load the rules, follow the account where there is a key; as often as it takes."""
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
        except ConfigError as error:  # nobody named the streams: not ready, and its log says why
            logger.error("orders cannot be followed: %s", error.message)
