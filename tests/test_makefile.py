"""Set-up by make: it says what it does, and is silent when everything is there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def plan(target: str, venv: Path) -> list[str]:
    """Return the commands that make would run, without running them."""
    command = ["make", "--dry-run", "--no-print-directory", target, f"VENV={venv}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_demo_says_what_its_set_up_does_the_first_time_only(tmp_path: Path) -> None:
    said = [line for line in plan("demo", tmp_path) if line.startswith("echo")]
    assert [line.split()[1] for line in said] == ['"Creating', '"Installing']
    assert str(tmp_path) in said[0]
    for stamp in (".created", ".runtime"):
        (tmp_path / stamp).touch()
    assert [line.strip() for line in plan("demo", tmp_path)] == [f"{tmp_path}/bin/mexc-async demo"]
