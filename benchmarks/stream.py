"""Pushes from the socket to a callback, under a flood from another process.

The server writes many frames at once, so each read brings many: the figures are the cost of a frame, not of a wake-up.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import orjson

from benchmarks.clients import line_of, running
from benchmarks.decode import FRAMES
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
from benchmarks.stream_subjects import BARE, DEPTH, HAND_MADE, MOST, ONLY, PEER_GOALS, PEERS, SUBJECTS, TICKER, absent
from mexc_async.native.loader import core_kind

GOALS_PER_S = {
    "compiled": {TICKER: 400_000, DEPTH: 100_000},
    "pure": {TICKER: 100_000},
}
"""Goals in frames per second on one CPU core, by the kind of our own core."""
_SECONDS = 0.5
"""Target length of one run, in seconds."""
_PROBE = 64 * FRAMES
_MOST_FRAMES = 1 << 21


def run(settings: Settings) -> Report:
    """Measure frames per second, and the client's CPU per frame."""
    client_core, server_core = pinning(settings)
    missing = absent()
    notes = [f"absent: {package}: {why}" for package, why in missing.items()]
    rows: list[Row] = []
    with ExitStack() as stack:
        server = stack.enter_context(running("benchmarks.mock_stream", core=server_core))
        shared = stack.enter_context(running("benchmarks.stream_client", core=client_core))
        clients: dict[str, subprocess.Popen[str]] = {}
        for name in SUBJECTS:
            if name == OWN_PURE:
                clients[name] = stack.enter_context(running("benchmarks.stream_client", core=client_core, pure=True))
            elif name not in PEERS:
                clients[name] = shared
            elif PEERS[name] not in missing:  # its effects on its process reach no other
                clients[name] = stack.enter_context(running("benchmarks.stream_client", core=client_core))
        port = int(line_of(server, "the mock exchange"))
        for case in (TICKER, DEPTH):
            subjects: dict[str, Callable[[], Sample]] = {}
            for name, client in clients.items():
                if case not in ONLY.get(name, (case,)):
                    continue
                ask = partial(_ask, client, name, port, case)
                try:
                    subjects[name] = partial(ask, _enough(ask, settings.quick, MOST.get(name, _MOST_FRAMES)))
                except SubjectFailed as failure:
                    if name not in PEERS:
                        raise
                    notes.append(f"absent: {failure}")
            results = interleave(subjects, settings.rounds)
            rows += summarise(case, results, [BARE, HAND_MADE], ["frames_per_s", "cpu_us_per_frame"])
    notes += [
        f"{OWN}: the {core_kind} core",
        *verdicts(rows),
        f"{OWN}: picows, to a callback; prices are text until they are read, as in every subject named text",
        "bare: nothing decoded; there the mock exchange may be the bottleneck, so compare CPU",
        "client and mock are not pinned: there are not two cores, or no way to pin"
        if client_core is None
        else f"client pinned to core {client_core}, mock to core {server_core}; without TLS",
    ]
    goals = [
        Goal(TICKER, "cpu_us_per_frame", name, at_most, OWN_PURE)
        for name, at_most in PEER_GOALS.items()
        if name in clients
    ]
    return Report(rows, goals, notes)


def verdicts(rows: list[Row]) -> list[str]:
    """Report the goals that are a number of frames, not a ratio; never a failure.

    They use CPU time, so that other processes do not count.
    """
    used = {row.case: row.median for row in rows if (row.subject, row.metric) == (OWN, "cpu_us_per_frame")}
    verdicts = []
    for case, at_least in GOALS_PER_S[core_kind].items():
        state = "not measured"
        if case in used:
            per_s = 1e6 / used[case]
            state = f"{per_s:,.0f}, {'met' if per_s >= at_least else 'MISSED'}"
        verdicts.append(f"goal: {case}, frames in a second of a core by {OWN} at least {at_least:,}: {state}")
    return verdicts


def _enough(ask: Callable[[int], Sample], quick: bool, most: int) -> int:
    """Find the number of frames that makes a run long enough; the first run shows that the subject works."""
    few = 4 * FRAMES
    if quick:
        ask(few)
        return few
    per_s = ask(min(_PROBE, most))["frames_per_s"]
    return min(max(int(per_s * _SECONDS), few), most) // FRAMES * FRAMES


def _ask(client: subprocess.Popen[str], name: str, port: int, case: str, frames: int) -> Sample:
    """Do one run. Raises SubjectFailed."""
    assert client.stdin is not None
    asked = {"subject": name, "port": port, "case": case, "frames": frames}
    try:
        client.stdin.write(orjson.dumps(asked).decode() + "\n")
        client.stdin.flush()
    except OSError:
        raise SubjectFailed(f"{name}: its process ended") from None
    found: dict[str, float | str] = orjson.loads(line_of(client, name))
    if "error" in found:
        raise SubjectFailed(f"{name}: {case}: {found['error']}")
    return {metric: float(value) for metric, value in found.items()}
