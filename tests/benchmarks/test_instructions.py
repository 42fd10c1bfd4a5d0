"""Instruction counts without valgrind: the work between the marks, and the arithmetic of the counts."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import instructions
from benchmarks.harness import OWN, Settings, SubjectFailed
from benchmarks.instructions import FEW, MANY, METRIC, marked, rows

COUNTING = Settings(instructions=True)


def test_marks_stand_around_few_and_many_warm_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int | str] = []
    monkeypatch.setattr(instructions, "mark", lambda: done.append("mark"))
    marked(done.append)
    assert done == [MANY, "mark", FEW, "mark", MANY, "mark"]


@pytest.mark.parametrize("name", ["sign", "limiter", "book", "decode"])
def test_pure_functions_do_their_work(name: str) -> None:
    for subjects in import_module(f"benchmarks.{name}").work().values():
        assert OWN in subjects
        for work in subjects.values():
            work(FEW)


def test_counts_are_the_difference_of_few_and_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read three counts per subject: before the first mark, of few operations, and of many."""

    def run_client(
        module: str, arguments: Sequence[str], timeout_s: float, prefix: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        out = next(Path(word.partition("=")[2]) for word in prefix if word.startswith("--callgrind-out-file="))
        counts = [9_000_000, 100 + 10 * FEW, 100 + 10 * MANY, 12_345, 7 + 40 * FEW, 7 + 40 * MANY]
        for at, count in enumerate(counts, 1):
            out.with_name(f"{out.name}.{at}").write_text(f"events: Ir\ntotals: {count}\n")
        return subprocess.CompletedProcess([module, *arguments], 0, f"a case\t{OWN}\na case\tfloor\n", "")

    monkeypatch.setattr(instructions, "run_client", run_client)
    monkeypatch.setattr("shutil.which", lambda name: name)
    found = {(row.subject, row.metric): row.median for row in rows("sign", COUNTING, [], ["floor"])}
    assert found == {(OWN, METRIC): 10, (OWN, f"{METRIC}_ratio_to_floor"): 0.25, ("floor", METRIC): 40}


def test_a_file_without_a_count_is_told(tmp_path: Path) -> None:
    part = tmp_path / "out.1"
    part.write_text("events: Ir\n")
    with pytest.raises(SubjectFailed, match="no instruction count"):
        instructions._total(part)


def test_instructions_are_counted_when_asked_for_and_where_there_is_valgrind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    notes: list[str] = []
    assert rows("sign", Settings(), notes) == []
    assert notes == []
    assert rows("sign", COUNTING, notes) == []
    assert notes == ["absent: instructions_per_op: valgrind is not installed"]
