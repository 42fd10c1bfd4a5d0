"""The same inputs give the same bytes, whatever the process hashes by, the core, and the join."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from mexc_async.native.loader import compiled

MODULE = "tests.support.same_bytes"
KINDS = [("1", "", "direct"), ("2", "", "memory"), ("3", "1", "direct")]
"""Hash seed, pure core, join of each run."""


def test_runs_give_the_same_bytes(tape: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", MODULE, str(tape), join],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": seed, "MEXC_ASYNC_PURE": pure or ("" if compiled else "1")},
            cwd=Path(__file__).parents[2],
        )
        for seed, pure, join in KINDS
    ]
    first, *others = [process.communicate(timeout=120)[0] for process in processes]
    result = msgspec.json.decode(first)
    assert len(result["orders"]) > 10
    assert result["fills"]
    assert others == [first, first]
