"""A guard in a seed: it cancels the orders of a client that was killed, as `mexc-async guard` does."""

from __future__ import annotations

import asyncio

from mexc_async.backtest.rehearsal.life import Surroundings
from mexc_async.backtest.rehearsal.plan import Plan
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Prepared, Settings
from mexc_async.client.sweep import SweepTask, sweeper_settings, watch_and_cancel
from mexc_async.errors import MexcError
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import Clock

GIVE_UP_S = 120.0
"""Virtual time that a guard may take, seconds."""
_WINDOW_MS = 5000
_RETRY_S = 1.0


class _Gone:
    """Liveness check of a client that was killed."""

    subject = "the client"

    def gone(self, now_s: float) -> str | None:
        """Return that it is gone."""
        return "the client was killed"


class _Quiet:
    """Progress that nobody reads."""

    def say(self, event: str, text: str, **facts: object) -> None:
        """Do nothing."""

    def fail(self, error: MexcError) -> None:
        """Do nothing."""


async def leave_none(plan: Plan, around: Surroundings, clock: Clock) -> None:
    """Cancel the orders of every account until none is open and none can be accepted any more.

    A guard that cannot begin, because the exchange does not answer, begins again.
    """
    settings: Settings = {**sweeper_settings(), "rest": around.simulator.rest, "clock": clock}
    prefix = plan.settings.get("orders", OrderSettings()).id_prefix
    task = SweepTask(prefix, plan.settings.get("recv_window_ms") or _WINDOW_MS, GIVE_UP_S)
    for account in plan.exchange.accounts:
        key = Credentials(account.api_key, account.api_secret)
        while True:
            mexc = Mexc(key, prepared=Prepared(network=around.join.network), **settings)
            try:
                await watch_and_cancel(mexc, _Gone(), task, _Quiet())
                break
            except MexcError:
                await asyncio.sleep(_RETRY_S)
