"""A signed order, from the call to the typed answer, against a mock exchange in another process.

`raw` is the floor: what a Python process must spend to get bytes out and in. The mock is a Python process too, so the
requests a second of `raw` say what the mock can do; CPU is the client's alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from benchmarks.harness import (
    OWN,
    Report,
    Row,
    Sample,
    Settings,
    SubjectFailed,
    interleave,
    pinning,
    summarise,
)
from benchmarks.order_subjects import PEERS, SUBJECTS, absent_peers

ROOT = Path(__file__).parents[1]
BASELINES = ("raw", "aiohttp tuned")
IN_FLIGHT = 50
_FEW, _MANY = 200, 2200
"""Orders of the two runs whose difference counts instructions."""


def run(settings: Settings) -> Report:
    """One at a time and 50 in flight: latency, CPU, requests a second; with `instructions` those too."""
    client_core, server_core = pinning()
    seconds = 0.02 if settings.quick else 0.8
    absent = absent_peers()
    notes = [f"absent: {name} is not installed" for name in absent]
    rows: list[Row] = []
    with mock_exchange(server_core) as port:
        subjects: dict[str, Callable[[], dict[str, Sample]]] = {
            name: _client(name, port, client_core, seconds) for name in SUBJECTS if name not in absent
        }
        for peer in PEERS:
            if peer in subjects and (reason := _failure(_client(peer, port, client_core, 0.02))):
                notes.append(f"absent: {peer}: {reason}")
                del subjects[peer]
        runs = interleave(subjects, settings.rounds)
        for case in runs[OWN][0]:
            results = {name: [found[case] for found in of_subject] for name, of_subject in runs.items()}
            compared = [metric for metric in runs[OWN][0][case] if metric != "p99_us"]  # p99 is the machine's noise
            rows += summarise(case, results, BASELINES, compared)
        if settings.instructions:
            rows += _instructions(list(subjects), port, settings, notes)
    notes.append("p99 is reported, not compared: on a shared machine it shows the neighbours")
    if client_core is None:
        notes.append("client and mock are not pinned to a core each: there are not two, or no way to pin")
    else:
        notes.append(
            f"client pinned to core {client_core}, mock to core {server_core}; a closed loop without think time"
        )
    return Report(rows, [], notes)


@contextmanager
def mock_exchange(core: int | None) -> Iterator[int]:
    """The port of a mock exchange that runs meanwhile; it ends when its standard input is closed."""
    command = [sys.executable, "-m", "benchmarks.mock_exchange", *([] if core is None else ["--core", str(core)])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise SubjectFailed("the mock exchange did not start")
            yield int(line)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _client(name: str, port: int, core: int | None, seconds: float) -> Callable[[], dict[str, Sample]]:
    arguments = [name, "--port", str(port), "--seconds", str(seconds), "--in-flight", str(IN_FLIGHT)]
    if core is not None:
        arguments += ["--core", str(core)]

    def measure() -> dict[str, Sample]:
        done = _run([], arguments, timeout_s=60)
        found: dict[str, Sample] = orjson.loads(done.stdout.splitlines()[-1])
        return found

    return measure


def _run(prefix: list[str], arguments: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run the client to its end. Raises SubjectFailed with the last line that it wrote."""
    command = [*prefix, sys.executable, "-m", "benchmarks.order_client", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        raise SubjectFailed(f"{arguments[0]} did not end within {timeout_s:g} s") from None
    if done.returncode:
        raise SubjectFailed(f"{arguments[0]}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return done


def _failure(measure: Callable[[], object]) -> str | None:
    try:
        measure()
    except SubjectFailed as failure:
        return str(failure)
    return None


def _instructions(names: list[str], port: int, settings: Settings, notes: list[str]) -> list[Row]:
    if shutil.which("valgrind") is None:
        notes.append("absent: instructions_per_op: valgrind is not installed")
        return []
    few, many = (10, 60) if settings.quick else (_FEW, _MANY)

    def count(name: str) -> Callable[[], Sample]:
        def measure() -> Sample:
            counts = [_instructions_of(name, port, orders) for orders in (few, many)]
            return {"instructions_per_op": (counts[1] - counts[0]) / (many - few)}

        return measure

    # Counts repeat to a fraction of a percent, so two rounds tell as much as many.
    results = interleave({name: count(name) for name in names}, min(settings.rounds, 2))
    return summarise(f"concurrent-{IN_FLIGHT}", results, BASELINES, ["instructions_per_op"])


def _instructions_of(name: str, port: int, orders: int) -> int:
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={os.devnull}"]
    arguments = [name, "--port", str(port), "--orders", str(orders), "--in-flight", str(IN_FLIGHT)]
    done = _run(valgrind, arguments, timeout_s=600)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if found is None:
        raise SubjectFailed(f"{name}: valgrind told no instruction count")
    return int(found[1].replace(",", ""))
