"""The strategies of the page about rehearsals: the flaw is found, and the mended one holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import blocks

RULE = ["--invariant", "never.py:bought_too_much"]
FILL_FIRST = ["--fault", "fill_first,on=cancel_order,part=0.5"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with the programs of the page, each in the file that its first line names."""
    for block in blocks("python"):
        if block.page.name == "rehearsal.md":
            first = block.text.splitlines()[0]
            name = first.removeprefix("# ") if first.startswith("# ") else "in_python.py"
            (tmp_path / name).write_text(block.text, encoding="utf-8")
    return tmp_path


def rehearse(folder: Path, strategy: str, *options: str) -> tuple[int, str]:
    """Run the command and return its exit status and its output."""
    command = [sys.executable, "-m", "mexc_async", "rehearse", strategy, *RULE, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    return done.returncode, done.stdout + done.stderr


def test_the_flaw_is_found_and_one_fault_is_enough(folder: Path) -> None:
    status, said = rehearse(folder, "chase.py:main", "--seed", "1", "--seed", "2", "--seed", "3", *FILL_FIRST)
    assert status == 1, said
    assert "bought_too_much: " in said
    assert "with 1 fault of the " in said
    (command,) = [line for line in said.splitlines() if line.startswith("  mexc-async rehearse chase.py:main")]
    assert command.count("--fault fill_first,on=cancel_order,") == 1


def test_the_mended_strategy_holds(folder: Path) -> None:
    status, said = rehearse(folder, "mended.py:main", "--seed", "1", "--seed", "2", "--seed", "3", *FILL_FIRST)
    assert status == 0, said
    assert "every rule held in every seed" in said


def test_the_program_in_python_finds_the_flaw(folder: Path) -> None:
    program = folder / "in_python.py"
    text = program.read_text(encoding="utf-8").replace("seeds=100", "seeds=range(18, 20)")
    program.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, program], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert "bought_too_much" in done.stdout, done.stderr
    assert "AssertionError" in done.stderr
