"""The priority semaphore: bounded, served by rank; no slot is lost to a cancelled waiter."""

from __future__ import annotations

import asyncio

import pytest

from mexc_async.runtime.priority_semaphore import PrioritySemaphore


class Crowd:
    """Holders of slots; each holds its slot until the test releases it."""

    def __init__(self, at_once: int) -> None:
        self.turns = PrioritySemaphore(at_once)
        self.inside: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def _have(self, name: str, rank: tuple[int, int]) -> None:
        async with self.turns.turn(rank):
            self.inside.append(name)
            await self.ends[name].wait()

    async def ask(self, name: str, *rank: int) -> None:
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._have(name, (rank[0], rank[1])))
        await settle()

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await self.tasks[name]
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_so_many_at_a_time_and_the_lowest_rank_next() -> None:
    crowd = Crowd(2)
    for name, priority, number in (("a", 9, 1), ("b", 9, 2), ("c", 1, 5), ("d", 0, 7), ("e", 1, 4), ("f", 1, 4)):
        await crowd.ask(name, priority, number)
    assert crowd.inside == ["a", "b"]
    for name in "abdefc":
        await crowd.end(name)
    assert crowd.inside == ["a", "b", "d", "e", "f", "c"]
    await crowd.ask("g", 5, 5)
    await crowd.ask("h", 5, 5)
    assert crowd.inside[-2:] == ["g", "h"]
    for name in "gh":
        await crowd.end(name)


async def test_who_gives_up_holds_nobody_back() -> None:
    crowd = Crowd(1)
    for number, name in enumerate("abcd"):
        await crowd.ask(name, 0, number)
    crowd.tasks["b"].cancel()
    await crowd.end("a")
    assert crowd.inside == ["a", "c"]
    crowd.tasks["c"].cancel()
    await settle()
    assert crowd.inside == ["a", "c", "d"]
    await crowd.end("d")
    await crowd.ask("e", 0, 0)
    assert crowd.inside[-1] == "e"
    await crowd.end("e")


async def test_a_turn_given_to_who_is_cancelled_in_that_moment_goes_on() -> None:
    crowd = Crowd(1)
    for number, name in enumerate("abc"):
        await crowd.ask(name, 0, number)
    crowd.ends["a"].set()
    await asyncio.sleep(0)  # `a` leaves and gives its slot to `b`, which has not run since
    crowd.tasks["b"].cancel()
    await settle()
    assert crowd.inside == ["a", "c"]
    await crowd.end("c")


async def test_a_turn_ends_with_an_error_inside_it() -> None:
    turns = PrioritySemaphore(1)
    for _ in range(2):
        with pytest.raises(KeyError):
            async with turns.turn((0, 0)):
                raise KeyError
