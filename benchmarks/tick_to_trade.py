"""Tick to trade as the exchange sees it: from a written push to the order received for it.

The mock exchange pushes on schedule, even if orders lag, and times each order itself: a client that falls behind is
late for every tick that waited meanwhile (no coordinated omission). `raw` is the floor.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable

import orjson

from benchmarks.clients import NO_VALGRIND, failure_of, instructions_of, run_client
from benchmarks.harness import (
    OWN,
    Goal,
    Report,
    Row,
    Sample,
    Settings,
    interleave,
    percentile,
    pinning,
    summarise,
)
from benchmarks.mock_exchange import compiler, mock_exchange
from benchmarks.order_subjects import HOST, LANE, PEERS
from benchmarks.tick_client import GRACE_S
from benchmarks.tick_subjects import AIOHTTP, TRADERS, absent_traders
from benchmarks.ticks import pushes

SPIN = f"{OWN} spin"
CASE = "book ticker"
RATE = 400
"""Ticks per second."""
BASELINES = ("raw", AIOHTTP, "ccxt")
COMPARED = ("p10_us", "p50_us", "cpu_us_per_op")
SHARES = {"p10_us": 0.1, "p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999}
GOALS = [
    Goal(CASE, "p50_us", "raw", 1.15),
    Goal(CASE, "p50_us", AIOHTTP, 0.5),
    Goal(CASE, "p50_us", "ccxt", 0.33),
    Goal(CASE, "p50_us", "aiomexc", 0.25),
    Goal(CASE, "instructions_per_op", "ccxt", 1 / 15),
    Goal(CASE, "p50_us", OWN, 0.65, SPIN),
]
_CLIENT = "benchmarks.tick_client"
_FEW, _MANY = 200, 1200
"""Ticks of the two runs whose difference gives the instructions."""


def run(settings: Settings) -> Report:
    """Measure the latency of every tick after the warm-up, and CPU per order; optionally instructions."""
    if compiler() is None:
        return Report([], GOALS, ["absent: everything: the mock exchange needs a C compiler"])
    client_core, server_core = pinning(settings)
    ticks, warm_up = (60, 10) if settings.quick else (1200, 200)
    absent = absent_traders()
    notes = [f"absent: {name}: {why}" for name, why in absent.items()]
    with mock_exchange(server_core, pushes=pushes()) as port:
        subjects = {name: trader(name, port, client_core, ticks, warm_up) for name in TRADERS if name not in absent}
        subjects[SPIN] = trader(OWN, port, client_core, ticks, warm_up, "--spin")
        for peer in PEERS:
            if peer in subjects and (reason := failure_of(trader(peer, port, client_core, 60, 10))):
                notes.append(f"absent: {peer}: {reason}")
                del subjects[peer]
        rows = summarise(CASE, interleave(subjects, settings.rounds), BASELINES, COMPARED)
    if settings.instructions:
        with mock_exchange(None, pushes=pushes()) as port:  # this run is not timed, so the mock may sleep
            rows += _instructions([name for name in subjects if name != SPIN], port, settings, notes)
    notes += [
        f"{RATE} ticks a second, {ticks - warm_up} of them measured per round; a missing order counts as one at the "
        "end of the run, and answered_share is the share of the others",
        f"{OWN}: a stream to a callback, orders with rules and tracking; {LANE}: prepared, without those two; {SPIN}: "
        "mexc_async.run(spin=True), whose CPU is all there is",
        "aiomexc has no book ticker: it answers deals",
        "p99 and p99.9 are reported, not compared: on a shared machine they show the neighbours, and on a busy one p50 "
        "does too; p10 shows the undisturbed ticks",
        "client and mock are not pinned to a core each: there are not two, or no way to pin"
        if client_core is None
        else f"client pinned to core {client_core}, mock to core {server_core}; without TLS",
    ]
    return Report(rows, GOALS, notes)


def trader(name: str, port: int, core: int | None, ticks: int, warm_up: int, *settings: str) -> Callable[[], Sample]:
    """Return a function that measures one trader's latency and CPU per order; `settings` go to its loop."""
    arguments = [name, "--port", str(port), "--rate", str(RATE), "--ticks", str(ticks), "--warm-up", str(warm_up)]
    arguments += settings
    if core is not None:
        arguments += ["--core", str(core)]

    def measure() -> Sample:
        done = run_client(_CLIENT, arguments, timeout_s=60)
        found: Sample = orjson.loads(done.stdout.splitlines()[-1])
        return latency(waits_ns(port)[warm_up:]) | found

    return measure


def waits_ns(port: int) -> list[int]:
    """Read the mock exchange's times: nanoseconds from each tick of the last run to its order, -1 without one."""
    return asyncio.run(_fetch_waits(port))


async def _fetch_waits(port: int) -> list[int]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(b"GET /ticks HTTP/1.1\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        waits: list[int] = orjson.loads(await reader.readexactly(length))
        return waits
    finally:
        writer.close()


def latency(waits: list[int]) -> Sample:
    """Compute percentiles over every tick; without an order, the i-th from the end has waited i ticks and the grace."""
    last = len(waits) - 1
    taken_us = [wait / 1000 if wait >= 0 else ((last - at) / RATE + GRACE_S) * 1e6 for at, wait in enumerate(waits)]
    answered = sum(wait >= 0 for wait in waits) / len(waits)
    return {name: percentile(taken_us, share) for name, share in SHARES.items()} | {"answered_share": answered}


def _instructions(names: list[str], port: int, settings: Settings, notes: list[str]) -> list[Row]:
    if shutil.which("valgrind") is None:
        notes.append(NO_VALGRIND)
        return []
    few, many = (20, 60) if settings.quick else (_FEW, _MANY)

    def count(name: str) -> Callable[[], Sample]:
        def measure() -> Sample:
            counts = [
                instructions_of(_CLIENT, [name, "--port", str(port), "--rate", "0", "--ticks", str(ticks)])
                for ticks in (few, many)
            ]
            return {"instructions_per_op": (counts[1] - counts[0]) / (many - few)}

        return measure

    # Counts repeat to a fraction of a percent, so two rounds are as good as many.
    results = interleave({name: count(name) for name in names}, min(settings.rounds, 2))
    return summarise(CASE, results, BASELINES, ["instructions_per_op"])
