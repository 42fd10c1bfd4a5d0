"""The rate limiter compared with aiolimiter: a request from passing to its end, and throughput of many waiters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from math import ceil
from time import process_time

from aiolimiter import AsyncLimiter

from benchmarks import instructions
from benchmarks.harness import (
    OWN,
    Goal,
    Report,
    Row,
    Sample,
    Settings,
    interleave,
    loop_factory,
    most_in_window,
    summarise,
)
from benchmarks.instructions import Work, Works
from mexc_async.limits.limiter import RateLimiter
from mexc_async.limits.profiles import Limit, Limits
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.schema.endpoint import Cost, Route

THEIRS = "aiolimiter"
ONE = Route("GET", "/api/v3/time")
THREE = Route("POST", "/api/v3/order", costs=(Cost("uid"), Cost("orders")))
_AMPLE = 10**9
_BUDGET, _STEP_S = 100, 0.0053
"""A client near its full rate of 100 requests per second: none waits, and each token taken comes back. The clock is
read twice for each request: when it passes and when it ends."""


def run(settings: Settings) -> Report:
    """Measure the uncontended cost, and 1,000 waiters on 100 per second."""
    acquires = 300 if settings.quick else 20_000
    waiters, budget, window_s, margin_s = (40, 20, 0.05, 0.01) if settings.quick else (1000, 100, 1.0, 0.02)
    case = f"{waiters} waiters, {budget} per {window_s:g} s"
    notes = [
        "near the full rate; sync: Gate.try_acquire and Gate.release, with clock readings; await: Gate.acquire for the "
        "former; aiolimiter has no end of a request; "
        "order: client, uid and orders limits, beside three aiolimiters in turn",
        f"most_in_window must not pass {budget}; time_to_ideal: until the last of them passed, over the least "
        f"time in which that many fit; for {OWN} that includes its margin of {margin_s * 1000:g} ms a window",
    ]
    rows: list[Row] = []
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        for name, acquiring in _uncontended(runner).items():
            subjects = {subject: partial(_timed, acquire, acquires) for subject, acquire in acquiring.items()}
            for warm in subjects.values():
                warm()
            rows += summarise(name, interleave(subjects, settings.rounds), [THEIRS], ["cpu_ns_per_op"])
        crowd = {
            OWN: lambda: runner.run(
                _crowd(_passing(ONE, _one_limit(budget, window_s, margin_s)), waiters, budget, window_s, margin_s)
            ),
            THEIRS: lambda: runner.run(_crowd(_theirs(budget, window_s), waiters, budget, window_s, 0.0)),
        }
        rows += summarise(case, interleave(crowd, min(settings.rounds, 2)), [THEIRS], ["cpu_us_per_op"])
    rows += instructions.rows("limiter", settings, notes, [THEIRS])
    goals = [
        Goal("uncontended, sync", "cpu_ns_per_op", THEIRS, 0.3),
        Goal("uncontended, await", "cpu_ns_per_op", THEIRS, 0.3),
        Goal(case, "most_in_window", None, budget),
        Goal(case, "time_to_ideal", None, 1.01),
    ]
    return Report(rows, goals, notes)


def work() -> Works:
    """Return the work for the instruction count."""
    return _uncontended(asyncio.Runner(loop_factory=loop_factory()))


def _uncontended(runner: asyncio.Runner) -> dict[str, dict[str, Work]]:
    """Time acquires in a row, of a route or of as many aiolimiters as it has limits."""
    limiters = [AsyncLimiter(_AMPLE, 1.0) for _ in range(3)]

    async def all_of_them() -> None:
        for limiter in limiters:
            await limiter.acquire()

    def awaiting(acquire: Callable[[], Awaitable[object]]) -> Work:
        return lambda times: runner.run(_await(acquire, times))

    one, three = awaiting(limiters[0].acquire), awaiting(all_of_them)
    return {
        "uncontended, sync": {OWN: _synchronous(ONE), THEIRS: one},
        "uncontended, await": {OWN: _asynchronous(runner, ONE), THEIRS: one},
        "uncontended, sync, order": {OWN: _synchronous(THREE), THEIRS: three},
        "uncontended, await, order": {OWN: _asynchronous(runner, THREE), THEIRS: three},
    }


def _timed(work: Work, times: int) -> Sample:
    started = process_time()
    work(times)
    return {"cpu_ns_per_op": (process_time() - started) / times * 1e9}


def _near_full_rate() -> tuple[Limits, Clock]:
    """Return limits, and a clock that advances one step per read, at the cost of reading the real one."""
    table = [Limit(name, _BUDGET, 1.0, "client", "benchmark") for name in ("client", "uid", "orders")]
    clock = Clock(monotonic=count(0.0, _STEP_S).__next__)
    return Limits("benchmark", tuple(table), margin_s=0.02, max_in_flight=_AMPLE), clock


def _synchronous(route: Route) -> Work:
    limits, clock = _near_full_rate()
    gate = RateLimiter(limits, clock).gate(route)
    monotonic, try_acquire, release = clock.monotonic, gate.try_acquire, gate.release

    def pass_through(times: int) -> None:
        for _ in range(times):
            now = monotonic()
            assert try_acquire(now), "the limit binds"
            release(now)

    return pass_through


def _asynchronous(runner: asyncio.Runner, route: Route) -> Work:
    gate = RateLimiter(*_near_full_rate()).gate(route)
    acquire, release = gate.acquire, gate.release

    async def pass_through(times: int) -> None:
        for _ in range(times):
            release(await acquire())

    return lambda times: runner.run(pass_through(times))


async def _await(acquire: Callable[[], Awaitable[object]], times: int) -> None:
    for _ in range(times):
        await acquire()


def _passing(route: Route, limits: Limits) -> Callable[[], Awaitable[object]]:
    gate = RateLimiter(limits, SYSTEM).gate(route)

    async def pass_through() -> None:
        gate.release(await gate.acquire())

    return pass_through


def _one_limit(budget: int, window_s: float, margin_s: float) -> Limits:
    limit = Limit("client", budget, window_s, "client", "benchmark")
    return Limits("benchmark", (limit,), margin_s, max_in_flight=_AMPLE)


def _theirs(budget: int, window_s: float) -> Callable[[], Awaitable[None]]:
    limiters: list[AsyncLimiter] = []

    async def acquire() -> None:
        if not limiters:  # created inside the loop that it waits in
            limiters.append(AsyncLimiter(budget, window_s))
        await limiters[0].acquire()

    return acquire


async def _crowd(
    acquire: Callable[[], Awaitable[object]], waiters: int, budget: int, window_s: float, margin_s: float
) -> Sample:
    times: list[float] = []

    async def one() -> None:
        await acquire()
        times.append(time.perf_counter())

    used = process_time()
    await asyncio.gather(*(one() for _ in range(waiters)))
    used = process_time() - used
    return crowd_sample(times, budget, window_s, margin_s) | {"cpu_us_per_op": used / waiters * 1e6}


def crowd_sample(times: Sequence[float], budget: int, window_s: float, margin_s: float) -> Sample:
    """Compute figures of the limiter from the times at which the waiters passed."""
    total = max(times) - min(times)
    ideal = (ceil(len(times) / budget) - 1) * (window_s + margin_s)
    return {
        "most_in_window": float(most_in_window(times, window_s)),
        "total_s": total,
        "time_to_ideal": total / ideal,
    }
