"""A signed order, from the call to the typed answer, against a native mock exchange on its own core.

`raw` is the floor: the least that a Python process spends to get bytes out and in. CPU and instructions are the
client's alone. Instructions come from fixed work, as the difference of two runs, and repeat to a fraction of a percent:
judge a change by them on a noisy machine.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial

import orjson

from benchmarks.clients import NO_VALGRIND, failure_of, instructions_of, run_client
from benchmarks.harness import (
    OWN,
    OWN_PURE,
    Goal,
    Report,
    Row,
    Sample,
    Settings,
    SubjectFailed,
    interleave,
    pinning,
    summarise,
)
from benchmarks.mock_exchange import compiler, mock_exchange
from benchmarks.order_subjects import FULL, LANE, PEERS, SUBJECTS, absent_peers
from mexc_async.native.loader import core_kind

_CLIENT = "benchmarks.order_client"
BASELINES = ("raw", "aiohttp tuned")
IN_FLIGHT = 50
RATE = 2000
"""Orders per second of the open loop: all of its subjects keep up with this rate."""
OPEN_LOOP = ("raw", OWN, LANE, "aiohttp tuned")
_TAIL = ("p99_us", "p999_us")
_FEW, _MANY = 200, 2200
"""Orders of the two runs whose difference gives the instructions."""


_RAW_INSTRUCTIONS = 20_000
"""Instructions of `raw` per order with 50 in flight on CPython 3.11, uvloop 0.22 and this mock (22,300 one at a time).

This is the protocol of the first prototypes. A run with a figure far off says nothing about the rest.
"""
_SLACK = 0.10
CASE = f"concurrent-{IN_FLIGHT}"
GOALS = [
    Goal(CASE, "cpu_us_per_op", "raw", 1.8, LANE),
    Goal(CASE, "instructions_per_op", "raw", 2.5 if core_kind == "compiled" else 3.5, LANE),
    Goal(CASE, "instructions_per_op", "raw", 3.5, OWN_PURE),
    Goal("sequential", "p50_us", "raw", 1.4, LANE),
    Goal(CASE, "cpu_us_per_op", LANE, 2.0),
    Goal(CASE, "cpu_us_per_op", LANE, 2.0, FULL),
    *(
        Goal(CASE, "instructions_per_op", peer, 1 / times, LANE)
        for peer, times in [("aiohttp tuned", 5), ("aiomexc", 8), ("ccxt", 15), ("pymexc", 24), ("typed-mexc", 60)]
    ),
]


def run(settings: Settings) -> Report:
    """Measure latency, CPU and requests per second, one at a time and 50 in flight; optionally instructions."""
    if compiler() is None:
        return Report([], GOALS, ["absent: everything: the mock exchange needs a C compiler"])
    client_core, server_core = pinning(settings)
    seconds = 0.02 if settings.quick else 0.8
    absent = absent_peers()
    notes = [f"absent: {name} is not installed" for name in absent]
    rows: list[Row] = []
    with mock_exchange(server_core) as port:
        measure = partial(_measure, port=port, core=client_core)
        subjects = {name: partial(_alone, measure, name, seconds) for name in SUBJECTS if name not in absent}
        if settings.quick:  # starting processes would take most of the time
            ours = [name for name in SUBJECTS if name not in PEERS]
            for name, found in zip(ours, measure(ours, seconds), strict=True):
                subjects[name] = partial(dict, found)
        for peer in PEERS:
            if peer in subjects and (reason := failure_of(partial(_alone, measure, peer, 0.02))):
                notes.append(f"absent: {peer}: {reason}")
                del subjects[peer]
        runs = interleave(subjects, settings.rounds)
        for case in runs[OWN][0]:
            results = {
                name: [found[case] for found in of_subject]
                for name, of_subject in runs.items()
                if case in of_subject[0]
            }
            compared = [metric for metric in runs[OWN][0][case] if metric not in _TAIL]
            rows += summarise(case, results, BASELINES, compared)
    if settings.instructions:
        with mock_exchange(None) as port:  # valgrind is slow: a server that never sleeps would only burn its core
            rows += _instructions(list(subjects), port, settings, notes)
    notes.append("p99 and p99.9 are reported, not compared: on a shared machine they show the neighbours")
    notes.append(f"{OWN}: as users have it, with rules and tracking; {LANE}: prepared, without those two")
    notes.append(f"{FULL}: with the limits of `mexc.orders.limits` that need no book, and a call log")
    notes.append(f"{OWN}, {LANE}: the {core_kind} core; {OWN_PURE}: {LANE} with the pure one")
    if client_core is None:
        notes.append("client and mock are not pinned to a core each: there are not two, or no way to pin")
    else:
        notes.append(
            f"client pinned to core {client_core}, mock to core {server_core}; but for the open loop without think time"
        )
    return Report(rows, GOALS, notes)


def _measure(names: Sequence[str], seconds: float, port: int, core: int | None) -> list[dict[str, Sample]]:
    """Measure subjects one after the other in one process."""
    arguments = [*names, "--port", str(port), "--seconds", str(seconds), "--in-flight", str(IN_FLIGHT)]
    if any(name in OPEN_LOOP for name in names):
        arguments += ["--rate", str(RATE)]
    if core is not None:
        arguments += ["--core", str(core)]
    return [
        orjson.loads(line) for line in run_client(_CLIENT, arguments, timeout_s=60).stdout.splitlines()[-len(names) :]
    ]


def _alone(measure: Callable[..., list[dict[str, Sample]]], name: str, seconds: float) -> dict[str, Sample]:
    return measure([name], seconds)[0]


def _instructions(names: list[str], port: int, settings: Settings, notes: list[str]) -> list[Row]:
    if shutil.which("valgrind") is None:
        notes.append(NO_VALGRIND)
        return []
    few, many = (10, 60) if settings.quick else (_FEW, _MANY)

    def count(name: str) -> Callable[[], Sample]:
        def measure() -> Sample:
            counts = [_instructions_of(name, port, orders) for orders in (few, many)]
            return {"instructions_per_op": (counts[1] - counts[0]) / (many - few)}

        return measure

    # Counts repeat to a fraction of a percent, so two rounds are as good as many.
    results = interleave({name: count(name) for name in names}, min(settings.rounds, 2))
    if not settings.quick:
        notes.append(_validity([sample["instructions_per_op"] for sample in results["raw"]]))
    return summarise(CASE, results, BASELINES, ["instructions_per_op"])


def _validity(counts: list[float], python: tuple[int, ...] = sys.version_info[:2]) -> str:
    """Compare the floor with its known figure. Raises SubjectFailed if it is far off: then no ratio means anything."""
    claim = f"raw spends {min(counts):,.0f} instructions an order; the prototype's protocol {_RAW_INSTRUCTIONS:,}"
    if python != (3, 11):
        return f"{claim} on Python 3.11, which this is not: not held against it"
    if any(abs(count / _RAW_INSTRUCTIONS - 1) > _SLACK for count in counts):
        raise SubjectFailed(f"{claim}: the run is invalid")
    return f"{claim}: the run is valid"


def _instructions_of(name: str, port: int, orders: int) -> int:
    return instructions_of(_CLIENT, [name, "--port", str(port), "--orders", str(orders), "--in-flight", str(IN_FLIGHT)])
