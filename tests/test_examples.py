"""The programs in `examples/` run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_triangular_arbitrage_gains_where_the_simulator_opens_a_gap() -> None:
    program = [sys.executable, "-W", "error", str(EXAMPLES / "triangular_arbitrage.py"), "--seconds", "3"]
    result = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    *lines, last = result.stdout.splitlines()
    assert any("200 became 200." in line for line in lines), lines  # the market moves: some rounds meet another price
    assert last.endswith(" rounds")


def test_triangular_arbitrage_is_short_enough_to_read_at_once() -> None:
    assert len((EXAMPLES / "triangular_arbitrage.py").read_text().splitlines()) < 120
