"""Travel times of requests, answers and pushes, measured in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import orjson

from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.market.latency import Latency
from mexc_async.sim.rest.http import NoResponse, Outcome, Response
from mexc_async.sim.rest.server import SimConfig, Simulator
from tests.support.portless import NoPort, Talk, asked

START_MS = 1_700_000_000_000
T = TypeVar("T")


def in_virtual_time(act: Callable[[Simulator], Awaitable[T]], latency: Latency, *faults: Fault, seed: int = 7) -> T:
    """Run `act` with a quiet simulator that is so far away."""

    async def main() -> T:
        config = SimConfig(flow=0, limits="none", latency=latency, faults=faults, seed=seed)
        async with Simulator(config, loop.clock, NoPort) as sim:
            return await act(sim)

    loop = VirtualLoop(START_MS, 1)
    return run_virtual(main(), loop)


def handled_ms(outcome: Outcome) -> int:
    """Return the exchange's time in an answer to `/api/v3/time`, in ms after the start."""
    assert isinstance(outcome, Response)
    return int(orjson.loads(outcome.body)["serverTime"]) - START_MS


def test_a_request_is_handled_after_one_way_and_answered_after_the_other() -> None:
    async def act(sim: Simulator) -> tuple[int, int]:
        outcome = await sim.answer(asked())
        return handled_ms(outcome), sim.clock.wall_ms() - START_MS

    assert in_virtual_time(act, Latency(order=12, answer=30)) == (12, 42)
    assert in_virtual_time(act, Latency()) == (0, 0)


def test_refusals_and_resets_travel_too() -> None:
    async def act(sim: Simulator) -> tuple[Outcome, int]:
        return await sim.answer(asked("/nothing")), sim.clock.wall_ms() - START_MS

    refused, at_ms = in_virtual_time(act, Latency(order=12, answer=30))
    assert isinstance(refused, Response)
    assert (refused.status, at_ms) == (404, 42)

    async def lost(sim: Simulator) -> tuple[Outcome, int]:
        return await sim.answer(asked()), sim.clock.wall_ms() - START_MS

    assert in_virtual_time(lost, Latency(order=12, answer=30), Fault(kind="reset")) == (NoResponse.DROPPED, 42)


def test_a_request_on_its_way_is_lost_when_the_exchange_restarts() -> None:
    async def act(sim: Simulator) -> list[Outcome]:
        there = asyncio.create_task(sim.answer(asked()))
        await asyncio.sleep(0.02)
        back = asyncio.create_task(sim.answer(asked()))
        await asyncio.sleep(0.001)
        sim.restart(1)
        return [await there, await back]

    assert in_virtual_time(act, Latency(order=12, answer=30)) == [NoResponse.DROPPED] * 2


def test_samples_are_drawn_from_the_seed() -> None:
    async def act(sim: Simulator) -> list[int]:
        start_ms = [sim.clock.wall_ms() for _ in range(20)]
        outcomes = await asyncio.gather(*(sim.answer(asked()) for _ in start_ms))
        return list(map(handled_ms, outcomes))

    samples = Latency(order=(1.0, 5.0, 20.0))
    first = in_virtual_time(act, samples)
    assert set(first) == {1, 5, 20}
    assert in_virtual_time(act, samples) == first
    assert in_virtual_time(act, samples, seed=8) != first


def test_messages_of_a_stream_arrive_late_and_in_order() -> None:
    class Timed(Talk):
        async def send(self, data: str | bytes) -> None:
            assert isinstance(data, str)
            arrived.append((sim_now() - START_MS, orjson.loads(data)["id"]))

        async def receive(self) -> str:
            if len(sent) < 20:
                await asyncio.sleep(0.015)
                sent.append(sim_now() - START_MS)
                return orjson.dumps({"method": "PING", "id": len(sent)}).decode()
            await asyncio.sleep(1)
            raise ConnectionResetError

    arrived: list[tuple[int, int]] = []
    sent: list[int] = []
    sim_now: Callable[[], int]

    async def act(sim: Simulator) -> None:
        async def accept(headers: object) -> Timed:
            assert sim_now() - START_MS == 7
            return Timed()

        nonlocal sim_now
        sim_now = sim.clock.wall_ms
        assert await sim.answer(asked("/ws", upgrade=accept)) is NoResponse.STREAMED

    in_virtual_time(act, Latency(order=3, answer=4, feed=(10.0, 30.0)))
    assert [number for _, number in arrived] == list(range(1, 21))
    took_ms = {at_ms - sent[number - 1] for at_ms, number in arrived}
    assert arrived == sorted(arrived)
    assert took_ms == {10, 15, 30}  # 15 behind an earlier message that takes 30
