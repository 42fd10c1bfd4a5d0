"""The client of a service, or those of its accounts: opened, warmed up, watched, closed with every order settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeAlias

from msgspec import Struct

from mexc_async.accounts.accounts import Accounts
from mexc_async.client.mexc import Mexc
from mexc_async.contrib.keyed_orders import EARLIER_S, KeyedOrders
from mexc_async.errors import (
    ClientClosed,
    ConfigError,
    ConnectFailed,
    InvalidRequest,
    MexcError,
    MissingCredentials,
    ReadOnlyError,
    TransportError,
    WaitTimeout,
)
from mexc_async.rest.events import RequestDone
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.events import Event

logger = logging.getLogger("mexc_async.contrib")

Maker: TypeAlias = Callable[[], "Mexc | Accounts[Mexc]"]
"""Function that makes the client of a process, or those of several accounts."""
CLOSING_S = 15.0
"""Longest wait of a close for orders whose answer is missing; the look-up of an order takes up to 10 s."""
WARM_UP_AGAIN_S = 2.0
BALANCES_S = 5.0
"""Longest wait for live balances at the start."""


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


class UnknownAccount(InvalidRequest):
    """The account chosen for a request is none of the service's."""


class ServedAccount:
    """One account of a service: its client, and its orders under idempotency keys."""

    def __init__(self, name: str, mexc: Mexc, earlier_s: float) -> None:
        self.name = name
        """Its name in `Mexc.accounts`; empty for a service's only client."""
        self.mexc = mexc
        self.orders = KeyedOrders(mexc, earlier_s=earlier_s)
        self.follows = False
        """True if its orders are to be tracked by the private stream."""
        self.answered_at: float | None = None
        """Monotonic time of the exchange's last answer."""
        self._is_warm = False
        self._failure = ""
        """Reason why the exchange gave no answer the last time."""
        mexc.hooks.add(partial(self._on_event, mexc.clock.local))
        mexc.orders.spawn(self._warm_up())

    def problems(self) -> list[str]:
        """Return the reasons against serving requests of this account."""
        found = []
        if self._failure:
            found.append(f"the exchange does not answer: {self._failure}")
        if not self._is_warm:
            found.append("not warmed up yet")
        if self.follows and not self.mexc.clock.is_synced:
            found.append("the exchange's clock has not been measured")
        if self.follows and not self.mexc.orders.is_followed:
            found.append("the private stream is down; orders are looked up instead")
        return [f"{self.name}: {text}" if self.name else text for text in found]

    def _on_event(self, clock: Clock, event: Event) -> None:
        if not isinstance(event, RequestDone):
            return
        if event.status is not None:
            self.answered_at, self._failure = clock.monotonic(), ""
        elif isinstance(event.error, TransportError):
            self._failure = type(event.error).__name__

    async def _warm_up(self) -> None:
        """Open connections, load the rules, track the account's orders if there is a key; retry until it works."""
        while not self._is_warm:
            try:
                await self.mexc.warm_up()
                self._is_warm = True
            except ClientClosed:
                return
            except MexcError as error:
                logger.warning("not warmed up: %s", error)
                await asyncio.sleep(WARM_UP_AGAIN_S)
        try:
            self.follows = True
            with suppress(WaitTimeout):  # so that the first users find the balances live
                await self.mexc.balances.follow(BALANCES_S)
            await self.mexc.orders.follow()
        except (MissingCredentials, ReadOnlyError):
            self.follows = False
        except ConfigError as error:  # the address of the streams is unknown: not ready, and the log has the reason
            logger.error("orders cannot be tracked: %s", error.message)
        except ConnectFailed as error:  # the client goes on trying; until then not ready
            logger.warning("orders are tracked by REST alone: %s", error)


class MexcService:
    """Owner of the client of a process, or of one for each account.

    `make` is called when the service starts, in the process that serves. It returns a client or `Mexc.accounts(...)`.
    """

    def __init__(self, make: Maker, *, closing_s: float = CLOSING_S, earlier_s: float = EARLIER_S) -> None:
        self._make = make
        self._closing_s = closing_s
        self._earlier_s = earlier_s
        self._accounts: dict[str, ServedAccount] = {}
        self._has_several = False

    def account(self, name: str | None = None) -> ServedAccount:
        """Return an account by its name in `Mexc.accounts`, or the only client's, which has no name.

        Raises ClientClosed before and after the service's life, UnknownAccount for another name, ConfigError if there
        are several accounts and none is named.
        """
        if not self._accounts:
            raise ClientClosed("the service is not open")
        if name is None and self._has_several:
            raise ConfigError("this service has several accounts, and the request's was not chosen")
        found = self._accounts.get(name or "") if isinstance(name, str | None) else None
        if found is None or bool(found.name) != (name is not None):
            raise UnknownAccount(f"account {str(name)[:40]!r} is unknown")
        return found

    @property
    def mexc(self) -> Mexc:
        """The open client of a service with one. Raises ClientClosed, ConfigError."""
        return self.account().mexc

    @property
    def orders(self) -> KeyedOrders:
        """Its orders under idempotency keys. Raises ClientClosed, ConfigError."""
        return self.account().orders

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Mexc | Accounts[Mexc]]:
        """Open the service and close it at the end. If the exchange cannot be reached, it starts and is not ready."""
        async with self._make() as made:
            self._has_several = isinstance(made, Accounts)
            clients = {name: made[name] for name in made} if isinstance(made, Accounts) else {"": made}
            self._accounts = {name: ServedAccount(name, mexc, self._earlier_s) for name, mexc in clients.items()}
            try:
                yield made
            finally:
                try:
                    served = self._accounts.values()
                    if not all(await asyncio.gather(*(one.orders.settled(self._closing_s) for one in served))):
                        logger.error("closed with unsettled orders; a repeat with their keys returns the outcome")
                finally:
                    self._accounts = {}

    @property
    def is_alive(self) -> bool:
        """True if the client is open; if not, the process is to be restarted."""
        return bool(self._accounts)

    def readiness(self) -> Readiness:
        """Return the readiness now, without any request; of all accounts together. Raises ClientClosed."""
        if not self._accounts:
            raise ClientClosed("the service is not open")
        served = list(self._accounts.values())
        clients = [one.mexc for one in served]
        report = clients[0].limits.report()  # accounts share one limiter
        problems = [f"limit {u.limit} is closed for {u.closed_s:.1f} s" for u in report.limits if u.closed_s > 0]
        for one in served:
            problems += one.problems()
        synced = [mexc.clock for mexc in clients if mexc.clock.is_synced]
        answers = [one.answered_at for one in served if one.answered_at is not None]
        followed = [one.mexc.orders.is_followed for one in served if one.follows]
        return Readiness(
            ready=not problems,
            problems=problems,
            mode="SIM" if all(mexc.is_sim for mexc in clients) else "LIVE",
            clock_offset_ms=synced[0].offset_ms if synced else None,
            clock_error_ms=synced[0].error_ms if synced else None,
            headroom={
                use.limit: max(1 - use.used / use.budget, 0.0) for use in report.limits if 0 < use.budget < float("inf")
            },
            waiting=report.waiting,
            private_stream=all(followed) if followed else None,
            orders_under_way=sum(one.orders.under_way for one in served),
            last_answer_s=clients[0].clock.local.monotonic() - max(answers) if answers else None,
        )
