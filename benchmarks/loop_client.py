"""Garbage collector's pauses as market data grows: `python -m benchmarks.loop_client none|freeze`; one JSON line."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections import deque
from time import perf_counter
from typing import Any

import orjson

from benchmarks.decode import frames_by_case
from benchmarks.harness import Sample
from mexc_async.runtime.runner import run
from mexc_async.spot.push import decode_push

KEPT = 60_000
"""Pushes in memory, as in a program with a history."""


async def gather(frames: int) -> Sample:
    """Decode depth pushes, their prices read into a list each; return the longest pause and the sum of all."""
    pushes = frames_by_case()["depth, 30 levels"]
    kept: deque[object] = deque(maxlen=KEPT)
    pauses: list[float] = []
    began = 0.0

    def on_gc(phase: str, _: dict[str, Any]) -> None:
        nonlocal began
        if phase == "start":
            began = perf_counter()
        else:
            pauses.append(perf_counter() - began)

    gc.callbacks.append(on_gc)
    started = perf_counter()
    for at in range(frames):
        push: Any = decode_push(pushes[at % len(pushes)])
        kept.append({"best": push.body.bids[0], "levels": [level.price_text for level in push.body.bids]})
        if not at % 1000:
            await asyncio.sleep(0)
    taken = perf_counter() - started
    gc.callbacks.remove(on_gc)
    return {"longest_ms": max(pauses, default=0.0) * 1000, "share": sum(pauses) / taken, "collections": len(pauses)}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("gc", choices=("none", "freeze"))
    parser.add_argument("--frames", type=int, default=120_000)
    options = parser.parse_args()
    print(orjson.dumps(run(gather(options.frames), gc="freeze" if options.gc == "freeze" else None)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
