"""The source of time and randomness: the system's by default, a test's where it is set."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from random import Random
from typing import Literal

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Shared
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


@pytest.mark.parametrize("order_transport", ["lane", "pool"])
async def test_all_parts_of_a_client_have_one_clock(tmp_path: object, order_transport: Literal["lane", "pool"]) -> None:
    at = ManualTime()
    async with Mexc(
        Credentials("mx0key", "secret"),
        rest="http://127.0.0.1:9",
        call_log=f"{tmp_path}/calls.jsonl",
        network=NetworkSettings(order_transport=order_transport),
        shared=Shared(clock=at.clock),
    ) as mexc:
        held = list(inside(mexc))
        assert {path for path, value in held if isinstance(value, Clock) and value is not at.clock} == set()
        assert {path for path, value in held if value is time.monotonic or value is time.time_ns} == set()
        assert sum(value is at.clock.monotonic for _, value in held) > 5
        assert mexc.clock.now_ms() == at.clock.wall_ms()
        at.now += 60
        assert mexc.clock.now_ms() == at.clock.wall_ms()


def test_clients_ids_repeat_with_a_seeded_clock_only() -> None:
    def new_id(clock: Clock) -> str:
        return Mexc(shared=Shared(clock=clock))._calls.new_order_id()

    assert new_id(ManualTime().clock) == new_id(ManualTime().clock)
    assert new_id(SYSTEM) != new_id(SYSTEM)
