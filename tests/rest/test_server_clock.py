"""The server clock: concurrent callers share one measurement, it is refreshed, and it reports its error bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from mexc_async.errors import ConnectionLost
from mexc_async.rest import server_clock as clock_module
from mexc_async.rest.clock import Sample
from mexc_async.rest.events import ClockFailed, ClockSynced
from mexc_async.rest.server_clock import ClockSync, ServerClock
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.runtime.events import Event
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.tasks import Tasks


class Server:
    """Server of the local time plus a skew; `faults` fail first."""

    def __init__(self, skew_ms: int = 0) -> None:
        self.skew_ms = skew_ms
        self.faults: list[Exception] = []
        self.trips_s: list[float] = []
        self.asked = 0

    async def __call__(self) -> Sample:
        self.asked += 1
        await asyncio.sleep(0)
        if self.faults and self.asked > 0:
            raise self.faults.pop(0)
        trip_s = self.trips_s.pop(0) if self.trips_s else 0.01
        now_s = time.monotonic()
        return Sample(now_s - trip_s, round(time.time() * 1000 - trip_s * 500) + self.skew_ms, now_s)


@asynccontextmanager
async def clock_of(
    sample: Callable[[], Awaitable[Sample]], listener: Callable[[Event], None] | None = None, local: Clock = SYSTEM
) -> AsyncIterator[ClockSync]:
    tasks, hooks = Tasks(), Hooks()
    if listener:
        hooks.add(listener)
    yield ClockSync(ServerClock(local), sample, hooks, tasks)
    await tasks.aclose()


async def test_before_the_first_measurement_it_is_this_machines_clock() -> None:
    async with clock_of(Server()) as sync:
        assert not sync.clock.is_synced
        assert sync.clock.error_ms is None
        assert abs(sync.clock.now_ms() - time.time() * 1000) < 50
        assert abs(sync.clock.offset_ms) < 50


async def test_after_a_measurement_it_is_the_exchanges() -> None:
    server = Server(skew_ms=-7000)
    async with clock_of(server) as sync:
        await sync.ensure()
        assert sync.clock.is_synced
        assert sync.clock.error_ms == pytest.approx(5)
        assert abs(sync.clock.offset_ms + 7000) < 50
        assert abs(sync.clock.now_ms() - time.time() * 1000 + 7000) < 50
        await sync.ensure()
        assert server.asked == clock_module.SAMPLES


async def test_a_measurement_without_a_round_trip_needs_no_second_one() -> None:
    asked = 0

    async def sample() -> Sample:
        nonlocal asked
        asked += 1
        now_s = time.monotonic()
        return Sample(now_s, round(time.time() * 1000), now_s)

    async with clock_of(sample) as sync:
        await sync.sync()
        assert (asked, sync.clock.error_ms) == (1, 0)


async def test_setting_the_wall_clock_does_not_move_it() -> None:
    ahead_s = 0
    local = Clock(wall_ns=lambda: time.time_ns() + ahead_s * 10**9)
    async with clock_of(Server(), local=local) as sync:
        await sync.ensure()
        before = sync.clock.now_ms()
        ahead_s = 3600
        assert abs(sync.clock.now_ms() - before) < 1000
        assert abs(sync.clock.offset_ms + 3_600_000) < 1000


async def test_the_quickest_sample_counts() -> None:
    server = Server()
    server.trips_s = [0.5, 0.002, 0.3]
    async with clock_of(server) as sync:
        await sync.sync()
        assert sync.clock.error_ms == pytest.approx(1)


async def test_callers_at_the_same_time_share_a_measurement() -> None:
    server = Server()
    async with clock_of(server) as sync:
        await asyncio.gather(*(sync.ensure() for _ in range(10)), sync.sync())
        assert server.asked == clock_module.SAMPLES


async def test_a_failed_first_sample_is_the_callers_and_a_later_one_is_not() -> None:
    server = Server()
    async with clock_of(server) as sync:
        server.faults = [ConnectionLost("gone")]
        with pytest.raises(ConnectionLost):
            await sync.ensure()
        assert not sync.clock.is_synced

    async def second_fails() -> Sample:
        if server.asked:
            raise ConnectionLost("gone")
        return await server()

    server.asked = 0
    async with clock_of(second_fails) as sync:
        await sync.ensure()
        assert sync.clock.is_synced


async def test_what_was_proven_wrong_is_forgotten() -> None:
    server = Server()
    server.trips_s = [0.001] * 3
    async with clock_of(server) as sync:
        await sync.sync()
        server.skew_ms = 60_000
        server.trips_s = [0.2] * 3  # slower, so that the old samples would win
        await sync.sync()
        assert abs(sync.clock.offset_ms) < 1000
        server.trips_s = [0.2] * 3
        await sync.sync(forget=True)
        assert abs(sync.clock.offset_ms - 60_000) < 1000


async def test_it_is_refreshed_in_the_background_and_failures_are_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clock_module, "REFRESH_S", 0.001)
    monkeypatch.setattr(clock_module, "RETRY_S", 0.001)
    server, events, enough = Server(), [], asyncio.Event()
    server.faults = [ConnectionLost("gone")]

    def listen(event: Event) -> None:
        events.append(event)
        if len(events) == 4:
            enough.set()

    async with clock_of(server, listen) as sync:
        sync.start()
        sync.start()  # once is enough
        async with asyncio.timeout(5):
            await enough.wait()
    assert [type(event) for event in events[:4]] == [ClockFailed, ClockSynced, ClockSynced, ClockSynced]
    assert "the exchange's clock could not be measured: gone" in caplog.text
    assert {record.name for record in caplog.records} == {"mexc_async"}
    asked = server.asked
    await asyncio.sleep(0.01)
    assert server.asked == asked  # it ended with its owner
