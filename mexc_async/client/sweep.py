"""Cancel the orders of a client whose process has gone, until none is open and none can be accepted any more.

`mexc-async guard` does so from another process, with a client of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Settings
from mexc_async.errors import MexcError, OrderNotFound
from mexc_async.orders.from_spot import cancelled
from mexc_async.orders.record import may_conclude
from mexc_async.orders.tracker import OrderSettings
from mexc_async.spot.models import CancelledOrder, Order
from mexc_async.transport.config import Timeouts

LOOK_S = 0.2
"""Seconds between two checks of the watched client."""
MARGIN_MS = 2_000
"""Wait beyond the receive window: time stamps may be 1 s ahead (MEXC: `timing`), and orders may be listed late."""
SETTLE_S = 3.0
"""Seconds to follow up one cancel before listing the open orders again."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


class Watch(Protocol):
    """Liveness check of a client."""

    subject: str
    """The watched process or file, in words."""

    def gone(self, now_s: float) -> str | None:
        """Return the reason once the client is gone; None before. `now_s` is monotonic seconds."""
        ...


class Progress(Protocol):
    """Listener to what a sweep does."""

    def say(self, event: str, text: str, **facts: object) -> None:
        """Take an event: its name, a line of text, and the facts in it."""
        ...

    def fail(self, error: MexcError) -> None:
        """Take a failed call; it is tried again."""
        ...


class SweepTask(Struct, frozen=True):
    """The orders to cancel, and the time limits."""

    prefix: str | None
    """Prefix of their client order ids; None for every order of the account."""
    recv_window_ms: int
    """Largest receive window with which the client sent orders."""
    give_up_s: float
    """Seconds until a sweep gives up."""

    def includes(self, order: Order) -> bool:
        """Return True if the order is one to cancel."""
        return self.prefix is None or (order.client_order_id or "").startswith(self.prefix)

    def __str__(self) -> str:
        return "every order of the account" if self.prefix is None else f"orders whose id begins with {self.prefix!r}"


def sweeper_settings() -> Settings:
    """Return the settings of a client that sweeps: short time-outs, because the next listing asks again."""
    timeouts = Timeouts(connect_s=3.0, read_s=4.0, total_s=5.0)
    return {"orders": OrderSettings(settle_s=SETTLE_S), "network": NetworkSettings(timeouts=timeouts)}


async def watch_and_cancel(mexc: Mexc, watch: Watch, task: SweepTask, progress: Progress) -> bool:
    """Watch until the client is gone, then cancel its orders. Returns True if none is left. Raises MexcError."""
    monotonic = mexc.clock.local.monotonic
    async with mexc:
        standing = await _standing(mexc, task)  # tests key and network before they are needed
        progress.say(
            "watching",
            f"{mexc!r}: watching {watch.subject} for {task}, {len(standing)} open now",
            subject=watch.subject,
            prefix=task.prefix,
            open=len(standing),
        )
        while (reason := watch.gone(monotonic())) is None:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(LOOK_S)
        progress.say("gone", f"{reason}: cancelling {task}", reason=reason)
        return await Sweep(mexc, task, progress).run()


async def _standing(mexc: Mexc, task: SweepTask) -> list[Order]:
    return [order for order in await mexc.spot.open_orders() if task.includes(order)]


class Sweep:
    """The loop that cancels until no order is left."""

    def __init__(self, mexc: Mexc, task: SweepTask, progress: Progress) -> None:
        self._mexc = mexc
        self._task = task
        self._progress = progress
        self._ended: set[str] = set()
        self._left: dict[str, Order] = {}

    async def run(self) -> bool:
        """Cancel until no order is open and none can be accepted. Returns False after `give_up_s`."""
        clock, task = self._mexc.clock, self._task
        accepted_until_ms = clock.now_ms() + task.recv_window_ms
        gives_up_at = clock.local.monotonic() + task.give_up_s
        pause_s = FIRST_PAUSE_S
        while True:
            asked_ms = clock.now_ms()
            try:
                standing = {order.order_id: order for order in await _standing(self._mexc, task)}
                vanished = [order for order_id, order in self._left.items() if order_id not in standing]
                self._left = standing
                await asyncio.gather(*map(self._find_end, vanished))
                if not self._left and may_conclude(asked_ms, accepted_until_ms, MARGIN_MS + (clock.error_ms or 0.0)):
                    text = f"{len(self._ended)} orders have ended, none is open and none can be accepted any more"
                    self._progress.say("done", text, ended=len(self._ended), left=[], ok=True)
                    return True
                await self._cancel(list(self._left.values()))
            except MexcError as error:
                self._progress.fail(error)
            if clock.local.monotonic() >= gives_up_at:
                return self._give_up()
            await asyncio.sleep(pause_s)
            pause_s = FIRST_PAUSE_S if self._left else min(pause_s * 2, LONGEST_PAUSE_S)

    async def _cancel(self, orders: Sequence[Order]) -> None:
        """Cancel each order; for the whole account, all orders of a symbol in one call."""
        if self._task.prefix is None:
            await asyncio.gather(*map(self._cancel_symbol, dict.fromkeys(order.symbol for order in orders)))
        else:
            await asyncio.gather(*map(self._cancel_order, orders))

    async def _cancel_symbol(self, symbol: str) -> None:
        try:
            for ended in await self._mexc.spot.cancel_open_orders(symbol=symbol):
                self._record(ended, self._left.get(ended.order_id))
        except OrderNotFound:
            pass  # they ended by themselves
        except MexcError as error:
            self._progress.fail(error)

    async def _cancel_order(self, order: Order) -> None:
        try:
            self._record(await self._mexc.spot.cancel_order(symbol=order.symbol, order_id=order.order_id), order)
        except MexcError as error:
            self._progress.fail(error)

    async def _find_end(self, order: Order) -> None:
        """Query an unlisted order without a cancel's answer: the answer was lost, it filled, or the list lags."""
        self._left[order.order_id] = order
        try:
            order = await self._mexc.spot.query_order(symbol=order.symbol, order_id=order.order_id)
        except MexcError as error:
            self._progress.fail(error)
        if not order.status.is_open:
            self._record(cancelled(order), order)

    def _record(self, ended: CancelledOrder, order: Order | None) -> None:
        self._left.pop(ended.order_id, None)
        if ended.order_id in self._ended:
            return
        self._ended.add(ended.order_id)
        name = (order and order.client_order_id) or ended.orig_client_order_id or ended.order_id
        status = str(ended.status or "CANCELED")
        filled = ended.executed_quantity or Decimal(0)
        self._progress.say(
            "ended",
            f"{name} {ended.symbol}: {status}, {filled:f} filled",
            client_order_id=name,
            order_id=ended.order_id,
            symbol=ended.symbol,
            status=status,
            filled=format(filled, "f"),
        )

    def _give_up(self) -> bool:
        names = ", ".join(order.client_order_id or order.order_id for order in self._left.values())
        what = f"{len(self._left)} orders may still be open: {names}" if names else "the open orders are unknown"
        text = f"gave up after {self._task.give_up_s:g} s: {what}"
        self._progress.say("done", text, ended=len(self._ended), left=list(self._left), ok=False)
        return False
