"""Tails of an open loop: 100,000 orders at 2,000 a second, and every pause of over a millisecond by its cause.

Orders go out on schedule, whatever the answers do, and each is timed from the moment at which it was due: a pause is
late for every order that it delays. A shared machine adds pauses of its own: `undisturbed` leaves out the orders that
waited because the process did not have the CPU. The collector is set as `mexc_async.run` sets it.
"""

from __future__ import annotations

from functools import partial

import orjson

from benchmarks.clients import run_client
from benchmarks.harness import OWN, Goal, Report, Sample, Settings, interleave, pinning, summarise
from benchmarks.mock_exchange import compiler, mock_exchange
from benchmarks.order import IN_FLIGHT, RATE
from benchmarks.order_subjects import LANE, LOGGED

CASE = f"open loop, {RATE} a second"
ORDERS, WARM_UP = 100_000, 15_000
"""Orders that are timed, and those before, with which the order table is full."""
SUBJECTS = ("raw", LANE, OWN, LOGGED)
GOALS = [
    Goal(CASE, "p999_undisturbed_us", LANE, 1.3),
    *(Goal(CASE, f"{cause}_pauses", None, 0) for cause in ("housekeeping", "timers", "work")),
    *(Goal(CASE, f"{cause}_pauses", None, 0, LOGGED) for cause in ("housekeeping", "timers", "work")),
]
COMPARED = ("p50_us", "p99_us", "p999_us", "p999_undisturbed_us")


def run(settings: Settings) -> Report:
    """Measure each subject in a process of its own; a round takes a minute for each."""
    if compiler() is None:
        return Report([], GOALS, ["absent: everything: the mock exchange needs a C compiler"])
    core, server_core = pinning(settings)
    orders, warm_up = (200, 50) if settings.quick else (ORDERS, WARM_UP)
    with mock_exchange(server_core) as port:

        def measure(subject: str) -> Sample:
            arguments = [subject, "--port", str(port), "--orders", str(orders), "--warm-up", str(warm_up)]
            arguments += ["--rate", str(RATE), "--in-flight", str(IN_FLIGHT)]
            if core is not None:
                arguments += ["--core", str(core)]
            done = run_client("benchmarks.tails_client", arguments, timeout_s=orders / RATE * 3 + 60)
            found: Sample = orjson.loads(done.stdout.splitlines()[-1])
            return found

        subjects = {name: partial(measure, name) for name in SUBJECTS}
        rows = summarise(CASE, interleave(subjects, min(settings.rounds, 3)), [LANE], COMPARED)
    return Report(
        rows,
        GOALS,
        [
            f"{orders:,} orders a round after {warm_up:,}, at most {IN_FLIGHT} in flight",
            "pauses: turns of the event loop of over 1 ms by what took most of their CPU time; preempted: without CPU",
            "longest: of one collection, one call of housekeeping, one timer, in CPU time; of all turns that were "
            "preempted, or had other work, such as many answers at once after another pause",
        ],
    )
