"""Soak test of a client that trades and listens for a long time: stability of memory, tail latency and pauses.

Orders go to `mexc-async sim`, a separate process, as fast as it answers; frames come from there and, at a fixed rate,
from a mock exchange. The client runs as recommended, `mexc_async.run(main(), gc="freeze")`, with tracking, books,
guard and call log. Figures are per tenth of the time after the warm-up: median, minimum and maximum.
"""

from __future__ import annotations

from typing import TypedDict

import orjson

from benchmarks.clients import line_of, run_client, running
from benchmarks.harness import OWN, Goal, Report, Sample, Settings, summarise

TENTHS, WHOLE = "tenths of the time", "the whole"
FLOOD_PER_S = 16_000
"""Frames per second from the mock exchange: twenty million take 21 minutes."""
GOALS = [
    Goal(WHOLE, "rss_last_to_first", None, 1.05),
    Goal(WHOLE, "p99_last_to_first", None, 1.10),
    Goal(WHOLE, "gc_pause_cpu_max_ms", None, 10),
    Goal(WHOLE, "sockets_left", None, 0),
    Goal(WHOLE, "tasks_left", None, 0),
]
_COMPARED = {"rss": "rss_mb", "p99": "p99_us"}
_EVER = 10**12


class Found(TypedDict):
    """The client's output."""

    tenths: list[Sample]
    left: Sample


def run(settings: Settings) -> Report:
    """Run the client once, for `settings.minutes`."""
    seconds = 1.0 if settings.quick else settings.minutes * 60
    with running("benchmarks.mock_stream", None) as server:
        flood = f"ws://127.0.0.1:{int(line_of(server, 'the mock exchange'))}/ws/{_EVER}@{FLOOD_PER_S}"
        arguments = [OWN, "--seconds", str(seconds), "--flood", flood]
        done = run_client("benchmarks.soak_client", arguments, timeout_s=seconds * 1.1 + 60)
    found: Found = orjson.loads(done.stdout.splitlines()[-1])
    rows = summarise(TENTHS, {OWN: found["tenths"]}) + summarise(WHOLE, {OWN: [whole(found)]})
    notes = [
        f"{seconds / 60:g} minutes; the tenths begin when 200,000 orders have filled the table of finished orders, "
        "or after half of the time",
        "latency: of orders and cancels, 8 at a time; most of it is the simulator's; the tenths' minimum and maximum "
        "show the noise of p99",
        "collector's pauses: in wall time, which includes other processes' share, and in CPU time",
    ]
    return Report(rows, GOALS, notes)


def whole(found: Found) -> Sample:
    """Compute the figures of the whole run, for the goals."""
    tenths = found["tenths"]
    first, last = tenths[0], tenths[-1]
    return {
        "orders": sum(tenth["orders_per_s"] * tenth["seconds"] for tenth in tenths),
        "frames": sum(tenth["frames_per_s"] * tenth["seconds"] for tenth in tenths),
        **{
            f"{name}_last_to_first": last[metric] / first[metric] for name, metric in _COMPARED.items() if first[metric]
        },
        **{metric: max(tenth[metric] for tenth in tenths) for metric in ("gc_pause_max_ms", "gc_pause_cpu_max_ms")},
        **found["left"],
    }
