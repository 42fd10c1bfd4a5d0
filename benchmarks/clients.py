"""Clients and servers in separate processes, their output, and instruction counts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import OWN_PURE, SubjectFailed

ROOT = Path(__file__).parents[1]
NO_VALGRIND = "absent: instructions_per_op: valgrind is not installed"


def run_client(
    module: str, arguments: Sequence[str], timeout_s: float, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a module to its end; the first argument names the subject. Raises SubjectFailed with the last line."""
    command = [*prefix, sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    if OWN_PURE in arguments:
        environment["MEXC_ASYNC_PURE"] = "1"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        raise SubjectFailed(f"{arguments[0]} did not end within {timeout_s:g} s") from None
    if done.returncode:
        raise SubjectFailed(f"{arguments[0]}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return done


@contextmanager
def running(module: str, core: int | None, pure: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run a module during the block, optionally with the pure core; closing its standard input ends it."""
    command = [sys.executable, "-m", module, *([] if core is None else ["--core", str(core)])]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=os.environ | ({"MEXC_ASYNC_PURE": "1"} if pure else {}),
    ) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def line_of(process: subprocess.Popen[str], name: str) -> str:
    """Return the next line that a process prints. Raises SubjectFailed if it ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SubjectFailed(f"{name}: its process ended")
    return line


def failure_of(measure: Callable[[], object]) -> str | None:
    """Return the reason why a subject cannot be measured; None if it can."""
    try:
        measure()
    except SubjectFailed as failure:
        return str(failure)
    return None


def instructions_of(module: str, arguments: Sequence[str]) -> int:
    """Count the user instructions of a whole run with cachegrind. Raises SubjectFailed."""
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={os.devnull}"]
    done = run_client(module, arguments, timeout_s=600, prefix=valgrind)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if found is None:
        raise SubjectFailed(f"{arguments[0]}: valgrind printed no instruction count")
    return int(found[1].replace(",", ""))
