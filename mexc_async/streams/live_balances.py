"""Live balances: read once, then updated by the private stream; read again after every loss of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import chain, repeat
from typing import Any

from mexc_async.errors import ClientClosed, ConfigError, MexcError, WaitTimeout
from mexc_async.rest.call import Options
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.log import logger
from mexc_async.spot.account import AccountQuery
from mexc_async.spot.channels import ACCOUNT
from mexc_async.spot.models import Account, Balance
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import BalanceChange
from mexc_async.spot.user_stream import CreateListenKey
from mexc_async.streams.balance_view import BalanceView, nonzero
from mexc_async.streams.router import Router
from mexc_async.streams.subscriber import Subscriber

FIRST_CHECK_S = 3.0
CHECK_S = 60.0
"""Interval of reads that would show a change without a push; the first one comes soon after the stream begins."""
RETRY_S = 1.0
"""Pause after a failed read."""
REJOIN_S = 60.0
"""Pause before the private stream is tried again after a refusal."""


class LiveBalances:
    """`mexc.balances`: the account's balances without a call for each look.

    Nothing is subscribed before the first `current` or `follow`. A change shows as soon as its push arrives.
    """

    def __init__(self, api: Api, router: Router) -> None:
        self._api = api
        self._router = router
        self._monotonic = api.clock.local.monotonic
        self._view = BalanceView()
        self._is_started = False
        self._reading: asyncio.Task[None] | None = None
        self._live = asyncio.Event()

    @property
    def live(self) -> dict[str, Balance] | None:
        """Balances by asset, without those of zero; None while the private stream does not report them."""
        return self._view.balances

    @property
    def is_live(self) -> bool:
        """True while the private stream reports the balances."""
        return self._view.is_live

    @property
    def corrections(self) -> int:
        """Balances that a check by REST found to differ without a push; checks run once a minute."""
        return self._view.corrections

    async def current(self) -> dict[str, Balance]:
        """Return the balances by asset, without those of zero: live ones, else those of a REST call.

        The first call starts the live view. Callers at the same time share one REST call (weight 10). Raises the errors
        of `spot.account`.
        """
        with suppress(ConfigError):  # the address of the streams is unknown: REST remains
            self._start()
        if (live := self.live) is not None:
            return live
        account = await self._api.tasks.shared(LiveBalances, self._account)
        if (live := self.live) is not None:  # newer
            return live
        return {balance.asset: balance for balance in nonzero(account.balances)}

    async def follow(self, timeout_s: float | None = None) -> None:
        """Start the live view and wait until it is live.

        Raises WaitTimeout, ConfigError (no key, or no address of the streams).
        """
        self._start()
        try:
            async with asyncio.timeout(timeout_s):
                await self._live.wait()
        except TimeoutError:
            raise WaitTimeout(f"the balances were not live in {timeout_s:g} s") from None

    def _start(self) -> None:
        if not self._is_started:
            self._api.admit(CreateListenKey.route)
            self._router.check()
            self._is_started = True
            self._api.tasks.spawn(self._follow())

    async def _follow(self) -> None:
        """Subscribe the balances until the client's end; try again after a refusal."""
        while True:
            ended = asyncio.Event()
            subscriber = Subscriber(
                (ACCOUNT,),
                1,
                "latest",
                self._on_push,
                self._api.clock.server_ms,
                on_gap=self._on_gap,
                on_back=self._on_back,
                on_end=ended.set,
            )
            try:
                await self._router.join(subscriber)
                self._on_back()
                await ended.wait()
            except ClientClosed:
                return
            except MexcError as error:
                logger.warning("balances are read by REST alone: %s", error)
            finally:
                self._on_gap()
                self._router.leave(subscriber)
            await asyncio.sleep(REJOIN_S)

    def _on_push(self, push: Push[Any]) -> None:
        if isinstance(change := push.body, BalanceChange):
            self._view.push(change.asset, change.free, change.locked, self._monotonic())

    def _on_back(self) -> None:
        if not self._view.is_connected:
            self._view.connected()
            self._reading = self._api.tasks.spawn(self._read())

    def _on_gap(self) -> None:
        self._view.lost()
        self._live.clear()
        task, self._reading = self._reading, None
        if task is not None:
            self._api.tasks.cancel(task)

    async def _read(self) -> None:
        """Read the balances now, and check them now and then, until the connection is lost."""
        pauses = chain([FIRST_CHECK_S], repeat(CHECK_S))
        while True:
            began_at, pause_s = self._monotonic(), RETRY_S
            try:
                account = await self._account()
            except ClientClosed:
                return
            except MexcError as error:
                logger.info("the balances could not be read: %s", error)
            else:
                if account.balances_left_out:  # which ones is unknown
                    pause_s = CHECK_S
                else:
                    self._view.read(account.balances, began_at)
                    self._live.set()
                    pause_s = next(pauses)
            await asyncio.sleep(pause_s)

    async def _account(self) -> Account:
        account: Account = await self._api.deliver(AccountQuery(), Options())
        return account
