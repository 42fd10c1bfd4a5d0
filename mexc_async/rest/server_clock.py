"""The exchange's time: measured on first use, refreshed in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mexc_async.errors import ClientClosed, MexcError
from mexc_async.rest.clock import ClockOffset, Sample
from mexc_async.rest.events import ClockFailed, ClockSynced
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import OutageLog
from mexc_async.runtime.tasks import Tasks

SAMPLES = 3
"""Measurements at a time. The first may open a connection, so the quickest one counts."""
REFRESH_S = 60.0
RETRY_S = 5.0


class ServerClock:
    """Estimate of the exchange's clock; `ClockSync` measures it."""

    def __init__(self, local: Clock) -> None:
        self.local = local
        """Clock of the client, which the offset is counted from."""
        self._monotonic = local.monotonic
        self.offset = ClockOffset(self._wall_ahead_ms())
        """Offset from the local monotonic clock."""
        self.is_synced = False
        """True after the first measurement."""

    def _wall_ahead_ms(self) -> float:
        return (self.local.wall_ns() / 1e9 - self._monotonic()) * 1000.0

    def now_ms(self) -> int:
        """Return the exchange's time; before the first measurement this machine's wall clock."""
        return int(self._monotonic() * 1000.0 + self.offset.offset_ms)  # as `server_ms`, at half the cost

    def server_ms(self, local_s: float) -> int:
        """Return the exchange's time at a moment of the local monotonic clock."""
        return self.offset.server_ms(local_s)

    @property
    def offset_ms(self) -> float:
        """The exchange's time minus this machine's wall clock."""
        return self.offset.offset_ms - self._wall_ahead_ms()

    @property
    def error_ms(self) -> float | None:
        """Bound of the error: half of the quickest round trip; None before the first measurement."""
        return self.offset.error_ms


class ClockSync:
    """Synchroniser of the clock: measures the exchange's time, at once and in the background."""

    def __init__(
        self,
        clock: ServerClock,
        sample: Callable[[], Awaitable[Sample]],
        hooks: Hooks,
        tasks: Tasks,
        outages: OutageLog | None = None,
    ) -> None:
        self.clock = clock
        self._sample = sample
        self._hooks = hooks
        self._tasks = tasks
        self._outages = outages or OutageLog(clock.local.monotonic)
        self._refreshing = False

    async def ensure(self) -> None:
        """Measure unless that was done. Raises the error of the measurement."""
        if not self.clock.is_synced:
            await self.sync()

    async def sync(self, *, forget: bool = False) -> None:
        """Measure now; concurrent callers share one measurement. `forget` drops earlier samples."""
        if forget:
            self.clock.offset.forget()
        await self._tasks.shared("clock", self._measure)

    async def _measure(self) -> None:
        clock = self.clock
        for taken in range(SAMPLES):
            try:
                clock.offset.add(await self._sample())
                clock.is_synced = True
                if clock.error_ms == 0:  # as with an exchange on the same virtual clock
                    break
            except MexcError:
                if taken == 0:
                    raise
                break
        if self._hooks:
            self._hooks.emit(ClockSynced(clock.offset_ms, clock.error_ms or 0.0))

    def start(self) -> None:
        """Refresh in the background from now on."""
        if not self._refreshing:
            self._refreshing = True
            self._tasks.spawn(self._refresh())

    async def _refresh(self) -> None:
        while True:
            try:
                await self.sync()
            except ClientClosed:
                return
            except MexcError as error:
                self._outages.warn(f"the exchange's clock could not be measured: {error}")
                self._hooks.emit(ClockFailed(error))
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(REFRESH_S)
