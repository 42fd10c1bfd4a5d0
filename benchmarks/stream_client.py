"""Subjects in a separate process: `python -m benchmarks.stream_client`.

Each line of standard input, `{"subject": ..., "port": ..., "case": ..., "frames": ...}`, starts one run. Its line of
standard output holds the figures, or `{"error": ...}`. The process's CPU time is the client's alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import orjson

from benchmarks.harness import Sample, SubjectFailed, loop_factory, pin
from benchmarks.stream_subjects import SUBJECTS, Meter, check

TIMEOUT_S = 20.0


async def measure(subject: str, port: int, case: str, frames: int) -> Sample:
    """Receive a number of frames. Raises the subject's errors."""
    meter = Meter(frames)
    async with SUBJECTS[subject](f"ws://127.0.0.1:{port}/ws/{frames}", case, meter):
        try:
            last = await asyncio.wait_for(meter.done, TIMEOUT_S)
        except TimeoutError:
            raise SubjectFailed(f"{frames} frames did not come within {TIMEOUT_S:g} s") from None
    check(last, case)
    return meter.sample


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--core", type=int)
    pin(parser.parse_args().core)
    answers, sys.stdout = sys.stdout, sys.stderr  # keep the libraries' output out of the answer
    for line in sys.stdin:
        asked, answer = orjson.loads(line), dict[str, float | str]()
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                answer |= runner.run(measure(**asked))
        except Exception as error:  # a peer may raise anything
            answer["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
        print(orjson.dumps(answer).decode(), file=answers, flush=True)


if __name__ == "__main__":
    main()
