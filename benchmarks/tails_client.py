"""Open loop of one subject, with every pause by its cause: `python -m benchmarks.tails_client SUBJECT --port N`.

A turn of the event loop that takes over a millisecond is a pause. The process was preempted if it did not have the CPU
for more than half of it. Otherwise the cause is the garbage collector, the SDK's housekeeping or a timer, whichever
took more than half; what is left is `work`, such as many answers at once after another pause.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from array import array
from collections.abc import Callable
from functools import wraps
from time import perf_counter_ns, thread_time_ns
from typing import Any, NamedTuple

import orjson

from benchmarks.harness import Sample, loop_factory, pin
from benchmarks.histogram import Histogram
from benchmarks.order_client import check_order
from benchmarks.order_subjects import SUBJECTS, Subject
from mexc_async.call_log.log import CallLog
from mexc_async.limits.limiter import RateLimiter
from mexc_async.orders.table import OrderTable
from mexc_async.risk.exposure import Exposure
from mexc_async.runtime.runner import collected
from mexc_async.streams.user_state import UserState
from mexc_async.transport.connection import Connection

PAUSE_NS = 1_000_000
CAUSES = ("preempted", "collector", "housekeeping", "timers", "work")
HOUSEKEEPING: tuple[tuple[type, str], ...] = (
    (OrderTable, "_drop_oldest"),
    (OrderTable, "finish"),
    (UserState, "_forget"),
    (Exposure, "_count"),
    (CallLog, "_flush"),
    (RateLimiter, "serve"),
    (Connection, "_look"),
)
"""Methods that clean up, beside the work for one order."""


class Span(NamedTuple):
    """A stretch of time, nanoseconds."""

    start: int
    end: int


class Pauses:
    """Times spent by cause, and the turns of the event loop that took long."""

    def __init__(self) -> None:
        self.longest_ns = dict.fromkeys(CAUSES, 0)
        """Longest single collection, call of housekeeping, and timer; longest pause that was preempted, or is work."""
        self.count = dict.fromkeys(CAUSES, 0)
        """Pauses by cause."""
        self.lost: list[Span] = []
        """Pauses without the CPU."""
        self._spent = dict.fromkeys(CAUSES, 0)
        self._began = 0
        self._turned = 0
        self._turned_cpu = 0

    def spend(self, cause: str, nanoseconds: int) -> None:
        """Count time of this turn under its cause."""
        self._spent[cause] += nanoseconds
        if nanoseconds > self.longest_ns[cause]:
            self.longest_ns[cause] = nanoseconds

    def on_collect(self, phase: str, _: dict[str, Any]) -> None:
        """Time a collection; a callback of the garbage collector."""
        if phase == "start":
            self._began = thread_time_ns()
        else:
            self.spend("collector", thread_time_ns() - self._began)

    def timed(self, cause: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its CPU time counted; a collection inside counts twice."""

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            began = thread_time_ns()
            try:
                return function(*arguments, **named)
            finally:
                self.spend(cause, thread_time_ns() - began)

        return call

    def turn(self, now: int) -> None:
        """End a turn of the loop; if it was a pause, count it under its cause."""
        cpu = thread_time_ns()
        took, used = now - self._turned, cpu - self._turned_cpu
        if self._turned and took >= PAUSE_NS:
            cause = "preempted" if used < took / 2 else self._cause(used)
            self.count[cause] += 1
            if cause == "preempted":
                self.lost.append(Span(self._turned, now))
            if cause in ("preempted", "work"):
                self.longest_ns[cause] = max(self.longest_ns[cause], took if cause == "preempted" else used)
        for cause in self._spent:
            self._spent[cause] = 0
        self._turned, self._turned_cpu = now, cpu

    def _cause(self, used: int) -> str:
        return next((cause for cause in CAUSES[1:4] if self._spent[cause] > used / 2), "work")

    def watch(self) -> Callable[[], asyncio.AbstractEventLoop]:
        """Time the collector, the housekeeping and all timers; return the factory of the loop to run."""
        gc.callbacks.append(self.on_collect)
        for owner, name in HOUSEKEEPING:
            setattr(owner, name, self.timed("housekeeping", getattr(owner, name)))
        pauses, plain = self, type(loop_factory()())

        class TimedLoop(plain):  # type: ignore[misc, valid-type]  # uvloop's loop, or asyncio's
            def call_later(self, delay: float, callback: Any, *arguments: Any, context: Any = None) -> Any:
                return super().call_later(delay, pauses.timed("timers", callback), *arguments, context=context)

            def call_at(self, when: float, callback: Any, *arguments: Any, context: Any = None) -> Any:
                return super().call_at(when, pauses.timed("timers", callback), *arguments, context=context)

        return TimedLoop


async def measure(subject: Subject, port: int, pauses: Pauses, options: argparse.Namespace) -> Sample:
    """Warm the subject up, then send every order on schedule; return latencies and pauses."""
    await subject.open(port, options.in_flight)
    try:
        await check_order(subject, port)
        left = iter(range(options.warm_up))

        async def worker() -> None:
            for index in left:
                await subject.order(index)

        await asyncio.gather(*(worker() for _ in range(options.in_flight)))
        with collected("freeze"):  # as `mexc_async.run` does
            pauses.__init__()  # type: ignore[misc]  # nothing of the warm-up counts
            due, took = await _paced(subject, pauses, options.orders, options.rate, options.in_flight)
        return _sample(due, took, pauses)
    finally:
        await subject.close()


async def _paced(
    subject: Subject, pauses: Pauses, orders: int, rate: int, in_flight: int
) -> tuple[array[int], array[int]]:
    """Send orders at a rate, whatever the answers do; return each one's due time and latency from it."""
    dues, took = array("q", bytes(8 * orders)), array("q", bytes(8 * orders))
    open_orders = set[asyncio.Task[None]]()
    loop, started = asyncio.get_running_loop(), perf_counter_ns()

    async def one(index: int, due: int) -> None:
        await subject.order(index)
        dues[index], took[index] = due, perf_counter_ns() - due

    for index in range(orders):
        due = started + index * 1_000_000_000 // rate
        while True:
            now = perf_counter_ns()
            pauses.turn(now)
            if now >= due and len(open_orders) < in_flight:
                break
            await asyncio.sleep(0)
        task = loop.create_task(one(index, due))
        open_orders.add(task)
        task.add_done_callback(open_orders.discard)
    await asyncio.gather(*open_orders)
    return dues, took


def _sample(dues: array[int], took: array[int], pauses: Pauses) -> Sample:
    found = Histogram(took).sample(("p50_us", "p99_us", "p999_us"))
    quiet = Histogram(own for _, own in undisturbed(zip(dues, took, strict=True), pauses.lost))
    if quiet.count:
        found["p999_undisturbed_us"] = quiet.percentile_ns(0.999) / 1000
        found["undisturbed_share"] = quiet.count / len(took)
    for cause in CAUSES:
        found[f"{cause}_pauses"] = pauses.count[cause]
        found[f"{cause}_longest_ms"] = pauses.longest_ns[cause] / 1e6
    return found


def undisturbed(orders: Any, lost: list[Span]) -> list[tuple[int, int]]:
    """Leave out the orders that waited for the CPU, or for those that did: twice the time of each such pause."""
    kept, at = [], 0
    for due, took in orders:  # in the order of their due times
        while at < len(lost) and 2 * lost[at].end - lost[at].start < due:
            at += 1
        if at == len(lost) or due + took < lost[at].start:
            kept.append((due, took))
    return kept


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--warm-up", type=int, default=15_000)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    pin(options.core)
    pauses = Pauses()
    with asyncio.Runner(loop_factory=pauses.watch()) as runner:
        found = runner.run(measure(SUBJECTS[options.subject](), options.port, pauses, options))
    print(orjson.dumps(found).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
