"""`mexc.orders`: orders with pre-trade risk limits, and orders brought back after a restart."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Unpack

from mexc_async.call_log.client_log import ClientLog, client_name, past_orders
from mexc_async.errors import ConfigError, MexcError, OutcomeUnknown
from mexc_async.orders.execution import PLACING_PATHS, OrderExecution
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.orders import TrackedOrders
from mexc_async.orders.reconciler import Reconciler
from mexc_async.rest.call import Options
from mexc_async.rest.pipeline import Api
from mexc_async.risk.exposure import ExposureReport
from mexc_async.risk.guard import OrderGuard
from mexc_async.risk.risk_limits import GuardLimits, GuardSettings


class Orders(TrackedOrders):
    """`mexc.orders`: placing, following, replacing and cancelling orders that are never lost or doubled.

    That of a view, `mexc.using(...).orders`, holds the same orders. What is placed by it, and what is done with the
    objects that it returns, goes out with the view's options.
    """

    def __init__(
        self,
        api: Api,
        execution: OrderExecution,
        reconciler: Reconciler,
        options: Options,
        guard: OrderGuard,
        log: ClientLog | None,
    ) -> None:
        super().__init__(api, execution, reconciler, options)
        self._guard = guard
        self._log = log

    def is_guarded(self, method: str, path: str) -> bool:
        """Whether a path places orders, and limits or a halt are in force that a plain request would evade."""
        return (self._guard.is_on or self.halted is not None) and (method, path) in PLACING_PATHS

    def limits(self, **changes: Unpack[GuardSettings]) -> GuardLimits:
        """Set limits that every order of this client is held against before it is sent; none is set at first.

        What is given is changed, the others stay; None takes a limit away. An order that breaks one raises
        GuardRefused, cancels always pass. What is at stake is counted from the first call on.

            mexc.orders.limits(max_order_notional=Decimal(500), collar=Decimal("0.02"), round="down")

        Returns the limits then in force; `GuardLimits` says what each means. Raises ConfigError.
        """
        return self._guard.limit(changes)

    def halt(self, reason: str = "") -> None:
        """Place nothing from now on, until `resume`: every order raises GuardRefused, also those still in line.

        Open orders stay, and can be cancelled (`cancel_all`).
        """
        self.execution.halt.halt(str(reason))

    def resume(self) -> None:
        """Trade again after `halt`."""
        self.execution.halt.resume()

    @property
    def halted(self) -> str | None:
        """Why nothing may be placed; None while trading goes on."""
        return self.execution.halt.reason

    def exposure(self) -> ExposureReport:
        """What this client's orders put at stake, counted from the first `limits` on."""
        return self._guard.report()

    async def restore(self, path: str | os.PathLike[str] | None = None) -> list[TrackedOrder]:
        """Bring back, after a restart, what a call log tells of this client's orders, and find out how they stand.

        Orders that the log leaves open are looked up, and so are those of which it says no more than that they were
        about to be sent; the account's open orders with this client's prefix are taken in as well. Nothing is placed.
        Finished orders that the log tells of come back too, as long as the tracker would have kept them.

        Returns the orders that had not ended, with their present state; one whose fate could not be told within
        `settle_s` is `UNKNOWN`, and is still looked for.

        Args:
            path: the log; without one, that of this client. Only what this client's key and prefix wrote counts.

        Raises ConfigError without a log that can be read, and whatever the exchange's answers raise.
        """
        self._reconciler.start()
        await self._api.clock_sync.ensure()  # what is concluded from an order's absence depends on it
        tracker, journal, credentials = self.execution.tracker, self._log, self._api.credentials
        if path is None:
            if journal is None:
                raise ConfigError("there is no call log to restore from: Mexc(..., call_log=...), or name one")
            path = journal.log.flushed()
        assert credentials is not None
        client = client_name(credentials, self.execution.ids.prefix)
        unfinished = tracker.recall(await past_orders(Path(path), client, tracker.settings.keep_s))
        if journal is not None and not journal.log.is_at(path):
            for record in unfinished:
                journal.whole(record)
        self._reconciler.wake()
        await self.adopt()
        await self._reconciler.sweep()
        with suppress(OutcomeUnknown):
            await tracker.settled([r for r in unfinished if r.is_in_doubt], MexcError("orders of before the restart"))
        ended = [record for record in unfinished if record.is_final]
        return [TrackedOrder(self, record) for record in (*ended, *tracker.table.live())]
