"""Time and randomness that a program reads from Python during a run in virtual time."""

from __future__ import annotations

import asyncio
import datetime as dates
import os
import random
import secrets
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, date, datetime
from os import urandom
from pathlib import Path
from random import SystemRandom, gauss, uniform
from time import monotonic, perf_counter, process_time, time_ns
from time import sleep as imported_sleep
from time import time as imported_time
from typing import Any, TypeVar

import pytest

from mexc_async.errors import ConfigError, VirtualTimeError
from mexc_async.keys import encryption
from mexc_async.runtime.clock import SYSTEM
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual

T = TypeVar("T")
START_MS = 1_700_000_000_000
DAY_S = 86_400


def run(main: Callable[[], Coroutine[Any, Any, T]], seed: int = 7) -> T:
    return run_virtual(main(), VirtualLoop(START_MS, seed))


WALL: dict[str, Callable[[], float]] = {
    "time.time": lambda: time.time(),
    "time imported": lambda: imported_time(),
    "time.time_ns": lambda: time.time_ns() / 1e9,
    "time_ns imported": lambda: time_ns() / 1e9,
    "datetime.now": lambda: datetime.now().timestamp(),
    "datetime.now(UTC)": lambda: datetime.now(UTC).timestamp(),
    "datetime.today": lambda: datetime.today().timestamp(),
    "datetime by module": lambda: dates.datetime.now(UTC).timestamp(),
    "localtime": lambda: time.mktime(time.localtime()),
    "clock_gettime": lambda: time.clock_gettime(time.CLOCK_REALTIME),
    "ctime": lambda: time.mktime(time.strptime(time.ctime())),
}


@pytest.mark.parametrize("name", WALL)
def test_wall_time_is_virtual(name: str) -> None:
    async def main() -> tuple[float, float]:
        first = WALL[name]()
        await asyncio.sleep(DAY_S)
        return first, WALL[name]()

    assert run(main) == (START_MS / 1000, START_MS / 1000 + DAY_S)
    assert WALL[name]() > START_MS / 1000 + 365 * DAY_S


def test_date_is_virtual() -> None:
    async def main() -> tuple[date, tuple[int, ...]]:
        return date.today(), time.gmtime()[:3]

    today = datetime.fromtimestamp(START_MS / 1000).date()
    assert run(main) == (today, (2023, 11, 14))


PASSING: dict[str, Callable[[], float]] = {
    "time.monotonic": lambda: time.monotonic(),
    "monotonic imported": lambda: monotonic(),
    "time.monotonic_ns": lambda: time.monotonic_ns() / 1e9,
    "time.perf_counter": lambda: time.perf_counter(),
    "perf_counter imported": lambda: perf_counter(),
    "perf_counter_ns": lambda: time.perf_counter_ns() / 1e9,
    "process_time imported": lambda: process_time(),
    "time.thread_time": lambda: time.thread_time(),
}


@pytest.mark.parametrize("name", PASSING)
def test_passing_time_is_virtual(name: str) -> None:
    before = PASSING[name]()

    async def main() -> float:
        first = PASSING[name]()
        await asyncio.sleep(DAY_S)
        return PASSING[name]() - first

    assert run(main) == DAY_S
    assert 0 <= PASSING[name]() - before < DAY_S / 2


def test_imported_sleep_is_refused() -> None:
    async def main() -> None:
        imported_sleep(5)  # noqa: ASYNC251

    with pytest.raises(VirtualTimeError, match=r"test_virtual_world\.py:\d+ calls time\.sleep"):
        run(main)
    imported_sleep(0)


DRAWS: dict[str, Callable[[], object]] = {
    "random.random": lambda: random.random(),
    "uniform imported": lambda: uniform(0, 1),
    "gauss imported": lambda: gauss(),
    "random.shuffle": lambda: random.sample(range(1000), 5),
    "Random()": lambda: random.Random().random(),
    "random.seed()": lambda: (random.seed(), random.random()),
    "SystemRandom": lambda: SystemRandom().random(),
    "os.urandom": lambda: os.urandom(8),
    "urandom imported": lambda: urandom(8),
    "secrets.token_hex": lambda: secrets.token_hex(8),
    "secrets.choice": lambda: secrets.randbelow(10**12),
    "uuid4": lambda: uuid.uuid4(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_come_from_the_seed(name: str) -> None:
    async def main() -> list[object]:
        return [DRAWS[name]() for _ in range(3)]

    first = run(main)
    DRAWS[name]()
    assert run(main) == first
    assert run(main, seed=8) != first
    assert DRAWS[name]() not in first
    assert len({str(drawn) for drawn in first}) == 3


def test_state_of_random_is_restored() -> None:
    async def main() -> None:
        random.random()
        raise KeyError

    random.seed(3)
    expected = [random.random() for _ in range(2)]
    random.seed(3)
    assert random.random() == expected[0]
    with pytest.raises(KeyError):
        run(main)
    assert random.random() == expected[1]


def test_numpy_draws_from_the_seed_and_is_restored() -> None:
    numpy = pytest.importorskip("numpy")

    async def main() -> list[float]:
        return [*numpy.random.random(3), *numpy.random.default_rng().random(3)]

    numpy.random.seed(3)
    expected = numpy.random.random(2)
    numpy.random.seed(3)
    assert numpy.random.random() == expected[0]
    first = run(main)
    assert run(main) == first
    assert run(main, seed=8) != first
    assert numpy.random.random() == expected[1]


def test_other_threads_keep_their_time_and_randomness() -> None:
    go, seen = threading.Event(), list[Any]()

    def other() -> None:
        go.wait(60)
        seen.extend((monotonic(), time.perf_counter(), os.urandom(8)))

    thread = threading.Thread(target=other)
    thread.start()

    async def main() -> bytes:
        await asyncio.sleep(1000 * DAY_S)
        go.set()
        thread.join()
        return os.urandom(8)

    drawn = run(main)
    assert abs(seen[0] - monotonic()) < DAY_S
    assert abs(seen[1] - perf_counter()) < DAY_S
    assert seen[2] != drawn


def test_module_imported_during_the_run_is_restored_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_in_the_run.py").write_text("from time import monotonic\nfrom os import urandom\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    modules: list[types.ModuleType] = []

    async def main() -> tuple[float, float]:
        modules.append(__import__("imported_in_the_run"))
        return modules[0].monotonic(), time.monotonic()

    inside, virtual = run(main)
    assert inside == virtual
    assert modules[0].monotonic is time.monotonic
    assert modules[0].urandom is os.urandom
    del sys.modules["imported_in_the_run"]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """Return an installed library that imports names and draws."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "installed_here.py").write_text(
        "import os, random, time\nfrom time import monotonic\n"
        "def draw():\n    return os.urandom(4), random.Random().random()\n"
        "async def block():\n    time.sleep(1)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    yield __import__("installed_here")
    del sys.modules["installed_here"]


def test_library_reads_virtual_time_and_draws_apart_from_the_program(library: types.ModuleType) -> None:
    async def main(draws: int) -> tuple[float, list[object], bytes]:
        await asyncio.sleep(DAY_S)
        drawn = [library.draw() for _ in range(draws)]
        return library.monotonic() - time.monotonic(), drawn, secrets.token_bytes(4)

    apart_s, drawn, token = run(lambda: main(3))
    assert apart_s == 0
    assert run(lambda: main(3))[1] == drawn
    assert run(lambda: main(0))[2] == token
    assert library.monotonic is time.monotonic


def test_refusal_in_a_task_of_a_library_names_the_line_that_waits(library: types.ModuleType) -> None:
    async def main() -> None:
        await asyncio.create_task(library.block())

    with pytest.raises(VirtualTimeError, match=r"test_virtual_world\.py:\d+ \(by .*installed_here\.py:6\) calls time"):
        run(main)


def test_functions_are_the_same_objects_after_a_run() -> None:
    def functions() -> list[object]:
        return [
            time.time, time.monotonic, time.monotonic_ns, time.perf_counter, time.sleep, time.ctime, os.urandom,
            random.Random.seed, random.random, threading.Thread.start, monotonic, urandom, vars(random)["_urandom"],
        ]  # fmt: skip

    async def main() -> None:
        assert time.monotonic is not before[1]

    async def fails() -> None:
        raise KeyError

    before = functions()
    run(main)
    with pytest.raises(KeyError):
        run(fails)
    assert functions() == before


def test_clock_of_the_system_and_salts_stay_real() -> None:
    """Progress is measured in real time, and an encrypted file never repeats a salt."""

    async def main() -> tuple[float, bool]:
        before = SYSTEM.monotonic()
        await asyncio.sleep(DAY_S)
        return SYSTEM.monotonic() - before, vars(encryption)["urandom"] is real

    real = os.urandom
    passed_s, is_real = run(main)
    assert passed_s < DAY_S / 2
    assert is_real


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "time_machine", None)

    async def main() -> None:
        raise AssertionError("must not run")

    with pytest.raises(ConfigError, match=r"pip install 'mexc-async\[backtest\]'"):
        run(main)
    monkeypatch.undo()

    async def later() -> str:
        return "runs"

    assert run(later) == "runs"
