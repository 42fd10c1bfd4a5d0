"""Time and randomness come from `runtime/clock.py` alone: no other module reads the system's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "mexc_async"
CLOCK = "runtime/clock.py"
REPLACED = "runtime/virtual_world.py"
"""Replaces Python's functions of time and randomness during a run in virtual time."""

FORBIDDEN_MODULES = {"time", "random", "secrets", "uuid", "timeit", "sched"}
ALLOWED_NAMES = {"random.Random"}
"""A seeded generator draws nothing from the world."""
OF_TODAY = {"now", "utcnow", "today"}
SALTS = {"keys/encryption.py"}
"""Modules that may call `os.urandom`: salts must never repeat, whatever the clock."""
COMPILED_CLOCK = "limits/_limits.pxi"
"""Reads `time.monotonic` in C where the clock is that very function."""
IN_C = re.compile(
    r"monotonic_s|PyTime|_PyTime|clock_gettime|gettimeofday|c?import (time|random)\b|from (time|random)\b"
)


def uses(path: str, source: str) -> list[str]:
    """The places where a module takes time or randomness from elsewhere than the clock."""
    return [f"{path}:{line}: {what}" for line, what in _uses(path, ast.parse(source))]


def _uses(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in FORBIDDEN_MODULES:
                    yield node.lineno, f"imports {alias.name}"
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                is_salt = name == "os.urandom" and path not in SALTS
                if is_salt or (node.module in FORBIDDEN_MODULES and name not in ALLOWED_NAMES):
                    yield node.lineno, f"imports {name}"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            owner, _, name = called.rpartition(".")
            is_seeded = bool(node.args or node.keywords)
            is_date = owner.rpartition(".")[2] in ("datetime", "date") and name in OF_TODAY
            is_loop_time = owner != "" and name == "time" and not is_seeded
            if is_date or is_loop_time or (called == "os.urandom" and path not in SALTS):
                yield node.lineno, f"calls {called}"
            elif name == "Random" and not is_seeded:
                yield node.lineno, "makes a generator without a seed"


def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}


def test_no_module_but_the_clock_reads_time_or_draws_at_random() -> None:
    found = {path: uses(path, source) for path, source in sources().items() if path not in (CLOCK, REPLACED)}
    assert [line for lines in found.values() for line in lines] == []
    assert uses(CLOCK, sources()[CLOCK]), "the clock has to"


def test_no_compiled_part_but_the_limits_reads_time() -> None:
    found = {
        str(path.relative_to(ROOT)): IN_C.findall(path.read_text(encoding="utf-8"))
        for path in ROOT.rglob("*.p[yx][xid]")
        if path.suffix in (".pyx", ".pxi", ".pxd")
    }
    assert {path for path, uses in found.items() if uses} == {COMPILED_CLOCK}


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import time", "imports time"),
        ("import random as r", "imports random"),
        ("from time import monotonic", "imports time.monotonic"),
        ("from random import random", "imports random.random"),
        ("from random import SystemRandom", "imports random.SystemRandom"),
        ("def f():\n    import secrets", "imports secrets"),
        ("from datetime import datetime\nx = datetime.now()", "calls datetime.now"),
        ("import datetime\nx = datetime.date.today()", "calls datetime.date.today"),
        ("x = asyncio.get_running_loop().time()", "calls asyncio.get_running_loop().time"),
        ("x = self._loop.time()", "calls self._loop.time"),
        ("from random import Random\nx = Random()", "without a seed"),
        ("import os\nx = os.urandom(8)", "calls os.urandom"),
        ("from os import urandom", "imports os.urandom"),
    ],
)
def test_checker_finds_what_is_forbidden(source: str, complaint: str) -> None:
    found = uses("rest/bad.py", source)
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio\nasync def f():\n    await asyncio.sleep(1)",
        "import asyncio\nasync def f():\n    async with asyncio.timeout(1):\n        await asyncio.wait([], timeout=2)",
        "import asyncio\nasyncio.get_running_loop().call_later(1, print)",
        "from random import Random\nx = Random(7)",
        "from datetime import UTC, datetime\nx = datetime.fromtimestamp(1, UTC)",
        "from mexc_async.runtime.clock import SYSTEM\nx = SYSTEM.monotonic()",
        "x = limiter.now()",
    ],
)
def test_checker_passes_what_follows_the_loop_or_the_clock(source: str) -> None:
    assert uses("rest/good.py", source) == []
