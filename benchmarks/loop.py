"""Settings of `mexc_async.run`: tick to trade under each, and the garbage collector's pauses.

Each subject changes one setting of the default: uvloop, asleep when idle, pinned to a core, with Python's collector.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import orjson

from benchmarks.clients import run_client
from benchmarks.harness import OWN, Goal, Report, Sample, Settings, interleave, pinning, summarise
from benchmarks.mock_exchange import compiler, mock_exchange
from benchmarks.tick_to_trade import COMPARED, RATE, trader
from benchmarks.ticks import pushes

TICKS, PAUSES = "tick to trade", "pauses for garbage collection"
ASYNCIO, SPIN, UNPINNED, FREEZE = f"{OWN} asyncio", f"{OWN} spin", f"{OWN} not pinned", f"{OWN} freeze"
GOALS = [Goal(TICKS, "p50_us", OWN, 0.65, SPIN), Goal(PAUSES, "longest_ms", OWN, 1.0, FREEZE)]


def run(settings: Settings) -> Report:
    """Measure latency and CPU per order, then the collector's pauses while market data accumulates."""
    core, server_core = pinning(settings)
    ticks, warm_up = (60, 10) if settings.quick else (1200, 200)
    rows = []
    notes = [
        f"{OWN}: uvloop where it is installed; spin: its CPU is all there is; freeze: gc='freeze', as is the default",
        "not pinned: the scheduler may put it beside the mock exchange, on a core that never sleeps; compare p99 too",
        "pauses: depth pushes are decoded and the newest 60,000 kept, as fast as they come; garbage collection only",
        "not pinned to cores: there are not two, or no way to pin"
        if core is None
        else f"pinned to core {core}, mock to core {server_core}, {RATE} ticks a second",
    ]
    if compiler() is None:
        notes.append(f"absent: {TICKS}: the mock exchange needs a C compiler")
    else:
        with mock_exchange(server_core, pushes=pushes()) as port:
            client = partial(trader, OWN, port, core, ticks, warm_up)
            subjects: dict[str, Callable[[], Sample]] = {
                OWN: client(),
                ASYNCIO: client("--loop", "asyncio"),
                SPIN: client("--spin"),
                UNPINNED: trader(OWN, port, None, ticks, warm_up),
                FREEZE: client("--gc", "freeze"),
            }
            if settings.quick:
                subjects = {name: subjects[name] for name in (OWN, SPIN)}
            rows += summarise(TICKS, interleave(subjects, settings.rounds), [OWN], COMPARED)
    frames = 2_000 if settings.quick else 120_000
    collectors = {OWN: partial(_pauses, "none", frames), FREEZE: partial(_pauses, "freeze", frames)}
    rows += summarise(PAUSES, interleave(collectors, min(settings.rounds, 3)), [OWN], ["longest_ms", "share"])
    return Report(rows, GOALS, notes)


def _pauses(gc: str, frames: int) -> Sample:
    done = run_client("benchmarks.loop_client", [gc, "--frames", str(frames)], timeout_s=120)
    found: Sample = orjson.loads(done.stdout.splitlines()[-1])
    return found
