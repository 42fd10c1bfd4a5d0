"""User instructions per operation, counted by valgrind: repeatable to a fraction of a percent on a busy machine.

The work marks its begin and end with `mark`, at which callgrind writes its count. It runs few operations, then many;
the difference excludes one-time work. System calls are not counted. Valgrind has no SHA instructions, so signing
weighs more here than it does in time.

`python -m benchmarks.instructions NAME` does the work of a benchmark's `work()`; `rows` runs it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from benchmarks.clients import NO_VALGRIND, run_client
from benchmarks.harness import Row, Sample, Settings, SubjectFailed, summarise

Work: TypeAlias = Callable[[int], object]
"""Function that does an operation n times, n a multiple of 64."""
Works: TypeAlias = Mapping[str, Mapping[str, Work]]
"""(case, subject) -> work."""

METRIC = "instructions_per_op"
FEW, MANY = 64, 256
mark = os.getppid
"""Make a call of the C library that no other code makes; callgrind stops at it."""
_TIMEOUT_S = 900


def repeated(function: Callable[[], object]) -> Work:
    """Return the work of calling a function repeatedly."""

    def work(times: int) -> None:
        for _ in range(times):
            function()

    return work


def marked(work: Work) -> None:
    """Do the work between marks, after a warm-up."""
    work(MANY)
    for times in (FEW, MANY):
        mark()
        work(times)
    mark()


def rows(benchmark: str, settings: Settings, notes: list[str], baselines: Sequence[str] = ()) -> list[Row]:
    """Count a benchmark's `work()` if the settings ask for it; notes give the reasons for omissions."""
    if not settings.instructions:
        return []
    if shutil.which("valgrind") is None:
        notes.append(NO_VALGRIND)
        return []
    results: dict[str, dict[str, list[Sample]]] = {}
    for case, subject, instructions in _counted(benchmark):
        results.setdefault(case, {})[subject] = [{METRIC: instructions}]
    return [row for case, of_case in results.items() for row in summarise(case, of_case, baselines, [METRIC])]


def _counted(benchmark: str) -> Iterator[tuple[str, str, float]]:
    """Return case, subject and instructions per operation. Raises SubjectFailed."""
    with TemporaryDirectory(prefix="instructions-") as folder:
        out = Path(folder, "out")
        prefix = ["valgrind", "--tool=callgrind", f"--dump-before={mark.__name__}", f"--callgrind-out-file={out}"]
        done = run_client("benchmarks.instructions", [benchmark], _TIMEOUT_S, prefix)
        for at, line in enumerate(done.stdout.splitlines()):
            case, subject = line.split("\t")
            few, many = (_total(out.with_suffix(f".{3 * at + part}")) for part in (2, 3))
            yield case, subject, (many - few) / (MANY - FEW)


def _total(part: Path) -> int:
    """Read callgrind's count between a mark and the one before."""
    found = re.search(r"^totals: (\d+)", part.read_text(), re.MULTILINE)
    if found is None:
        raise SubjectFailed("valgrind printed no instruction count")
    return int(found[1])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("benchmark")
    works: Works = import_module(f"benchmarks.{parser.parse_args().benchmark}").work()
    for case, subjects in works.items():
        for subject, work in subjects.items():
            marked(work)
            print(case, subject, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
