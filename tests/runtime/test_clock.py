"""The source of time and randomness: the system's by default, a test's where it is set."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Literal

import pytest

import mexc_async
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings
from mexc_async.errors import ConfigError
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import SYSTEM, Clock
from tests.support.manual_time import ManualTime


def test_by_default_it_is_the_systems_very_own() -> None:
    assert SYSTEM.monotonic is time.monotonic  # which the compiled core calls without Python
    before = time.time_ns()
    assert before <= SYSTEM.wall_ns() <= time.time_ns()
    assert before // 1_000_000 <= SYSTEM.wall_ms() <= time.time_ns() // 1_000_000


def test_tokens_are_text_for_urls_and_differ() -> None:
    tokens = {SYSTEM.token(9) for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{12}", token) for token in tokens)


def test_a_seed_repeats_them() -> None:
    first, second, other = (Clock(random=Random(seed)) for seed in (7, 7, 8))
    assert [first.token(9), first.random.random()] == [second.token(9), second.random.random()]
    assert first.token(9) != other.token(9)


def test_time_is_what_a_test_sets() -> None:
    at = ManualTime(5.0)
    before_ms = at.clock.wall_ms()
    at.now += 2.5
    assert at.clock.monotonic() == 7.5
    assert at.clock.wall_ms() - before_ms == 2500


def inside(start: object) -> Iterator[tuple[str, object]]:
    """Everything that an object of this package holds, directly or through others, with its path."""
    seen: set[int] = set()
    left: list[tuple[str, object]] = [("mexc", start)]
    while left:
        path, value = left.pop()
        yield path, value
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list | tuple | set | frozenset):
            left += [(f"{path}[]", item) for item in value]
        elif isinstance(value, dict):
            left += [(f"{path}[]", item) for item in value.values()]
        elif type(value).__module__.startswith("mexc_async."):
            names = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
            names |= getattr(value, "__dict__", {}).keys()
            left += [(f"{path}.{name}", getattr(value, name)) for name in names if hasattr(value, name)]


def others_than(clock: Clock, held: list[tuple[str, object]]) -> set[str]:
    """Return the paths of every other clock, and of the system's times."""
    return {
        path
        for path, value in held
        if (isinstance(value, Clock) and value is not clock) or value is time.monotonic or value is time.time_ns
    }


@pytest.mark.parametrize("transport", ["lane", "pool"])
async def test_all_parts_of_a_client_have_one_clock(tmp_path: object, transport: Literal["lane", "pool"]) -> None:
    at = ManualTime()
    async with Mexc(
        Credentials("mx0key", "secret"),
        rest="http://127.0.0.1:9",
        call_log=f"{tmp_path}/calls.jsonl",
        network=NetworkSettings(transport=transport),
        clock=at.clock,
    ) as mexc:
        held = list(inside(mexc))
        assert others_than(at.clock, held) == set()
        assert sum(value is at.clock.monotonic for _, value in held) > 5
        assert mexc.clock.now_ms() == at.clock.wall_ms()
        at.now += 60
        assert mexc.clock.now_ms() == at.clock.wall_ms()


async def test_all_accounts_have_the_one_clock_of_their_settings(tmp_path: object) -> None:
    at = ManualTime()
    names = ("master", "grid-1")
    async with Mexc.accounts(
        {name: Credentials(f"mx0{name}", "secret") for name in names},
        rest="http://127.0.0.1:9",
        call_log=f"{tmp_path}/calls.jsonl",
        clock=at.clock,
    ) as accounts:
        held = list(inside(accounts))
        assert others_than(at.clock, held) == set()
        assert sum(value is at.clock.monotonic for _, value in held) > 10
        at.now += 60
        assert [accounts[name].clock.now_ms() for name in names] == [at.clock.wall_ms()] * 2
        first = [accounts[name]._calls.new_order_id()[:-1] for name in names]
        assert len(set(first)) == 2  # drawn one after the other from one source


def test_accounts_repeat_their_ids_with_a_seeded_clock_only() -> None:
    def new_ids(clock: Clock) -> list[str]:
        accounts = Mexc.accounts({name: Credentials(f"mx0{name}", "secret") for name in ("a", "b")}, clock=clock)
        return [accounts[name]._calls.new_order_id() for name in accounts]

    assert new_ids(ManualTime().clock) == new_ids(ManualTime().clock)
    assert not set(new_ids(SYSTEM)) & set(new_ids(SYSTEM))


def test_only_what_users_build_falls_back_to_the_systems_clock() -> None:
    """Parts that are built by others get their clock from them: a forgotten one is an error of types."""
    package = Path(mexc_async.__file__).parent
    named = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\bSYSTEM\b", path.read_text(encoding="utf-8")) and "cli" not in path.parts
    }
    assert named == {
        "backtest/recorded_run.py",  # the progress of a run, in real time
        "backtest/rehearsal/rehearse.py",  # likewise
        "backtest/simulated_run.py",
        "call_log/log.py",  # a log that several clients share
        "client/mexc.py",
        "client/sim_process.py",  # the login of a process
        "pytest_plugin.py",
        "runtime/clock.py",
        "sim/rest/background.py",
        "sim/rest/server.py",
    }


def test_what_is_no_clock_is_refused() -> None:
    with pytest.raises(ConfigError, match="clock must be Clock"):
        Mexc(clock=time)  # type: ignore[arg-type]  # what the test is about


def test_clients_ids_repeat_with_a_seeded_clock_only() -> None:
    def new_id(clock: Clock) -> str:
        return Mexc(clock=clock)._calls.new_order_id()

    assert new_id(ManualTime().clock) == new_id(ManualTime().clock)
    assert new_id(SYSTEM) != new_id(SYSTEM)
