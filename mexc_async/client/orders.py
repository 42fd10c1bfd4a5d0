"""`mexc.orders`: orders with pre-trade risk limits, and orders restored after a restart."""

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
from mexc_async.schema.settings import check_path


class Orders(TrackedOrders):
    """`mexc.orders`: places, tracks, replaces and cancels orders; none is ever lost or doubled.

    A view's `mexc.using(...).orders` has the same orders. Calls through it, and through the objects that it returns,
    use the view's options.
    """

    def __init__(
        self,
        api: Api,
        execution: OrderExecution,
        reconciler: Reconciler,
        options: Options,
        guard: OrderGuard,
        log: ClientLog | None,
        held: object = None,
    ) -> None:
        super().__init__(api, execution, reconciler, options)
        self._guard = guard
        self._log = log
        self._held = held

    def is_guarded(self, method: str, path: str) -> bool:
        """Return True if a path places orders, and limits or a halt are in force that a plain request would evade."""
        return (self._guard.is_on or self.halted is not None) and (method, path) in PLACING_PATHS

    def limits(self, **changes: Unpack[GuardSettings]) -> GuardLimits:
        """Set pre-trade risk limits, which every order of this client must pass before it is sent; none at first.

        Given limits change, the others stay; None removes a limit. An order that breaks one raises GuardRefused,
        cancels always pass. Exposure is counted from the first call on.

            mexc.orders.limits(max_order_notional=Decimal(500), collar=Decimal("0.02"), round="down")

        Returns the limits then in force; see `GuardLimits` for each. Raises ConfigError.
        """
        return self._guard.limit(changes)

    def halt(self, reason: str = "") -> None:
        """Halt trading until `resume`: every order raises GuardRefused, queued ones included.

        Open orders stay, and can be cancelled (`cancel_all`).
        """
        self.execution.halt.halt(str(reason))

    def resume(self) -> None:
        """Resume trading after `halt`."""
        self.execution.halt.resume()

    @property
    def halted(self) -> str | None:
        """Reason for the halt; None while trading goes on."""
        return self.execution.halt.reason

    def exposure(self) -> ExposureReport:
        """Exposure of this client's orders, counted from the first `limits` on."""
        return self._guard.report()

    async def restore(self, path: str | os.PathLike[str] | None = None) -> list[TrackedOrder]:
        """Restore this client's orders from a call log after a restart, and look up their present state.

        Orders that the log leaves open are looked up, and so are those with only a line that they were about to be
        sent; the account's open orders with this client's prefix are tracked as well. Nothing is placed. Finished
        orders in the log are restored too, as long as the tracker would have remembered them.

        Returns the orders that had not ended, with their present state; one that could not be settled within `settle_s`
        is `UNKNOWN`, and its look-up goes on.

        Args:
            path: the log; without one, that of this client. Only entries of this client's key and prefix count.

        Raises ConfigError without a readable log, and the errors of the exchange's answers.
        """
        if path is not None:
            check_path("path", path)
        self._reconciler.start()
        await self._api.clock_sync.ensure()  # conclusions from an order's absence depend on it
        tracker, client_log, credentials = self.execution.tracker, self._log, self._api.credentials
        if path is None:
            if client_log is None:
                raise ConfigError("there is no call log to restore from: Mexc(..., call_log=...), or name one")
            path = client_log.log.flushed()
        assert credentials is not None
        client = client_name(credentials, self.execution.ids.prefix)
        unfinished = tracker.recall(await past_orders(Path(path), client, tracker.settings.keep_s))
        if client_log is not None and not client_log.log.is_at(path):
            for record in unfinished:
                client_log.whole(record)
        self._reconciler.wake()
        await self.adopt()
        await self._reconciler.sweep()
        with suppress(OutcomeUnknown):
            await tracker.settled([r for r in unfinished if r.is_in_doubt], MexcError("orders from before the restart"))
        ended = [record for record in unfinished if record.is_final]
        return [TrackedOrder(self, record) for record in (*ended, *tracker.table.live())]
