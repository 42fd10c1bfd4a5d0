"""Faults planted in the order path: a rehearsal finds each, and shrinks what the exchange did to the fewest faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("planted", "fewest"),
    [("second_post", 1), ("believed_cancel", 1), ("second_cancel", 2)],  # of the two, each alone does no harm
)
def test_planted_fault_is_found_and_shrunk(planted: str, fewest: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.rehearsals.planted.find", planted],
        cwd=ROOT,
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    failure = json.loads(done.stdout)
    assert failure is not None, "no seed failed"
    assert len(failure["shortest"]) == fewest, failure
    assert failure["is_repeatable"]
    assert f"--seed {failure['seed']} " in failure["command"]
    assert failure["story"]
