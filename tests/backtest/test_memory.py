"""A client and a simulated exchange joined in one process: all works, with faults too, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.backtest.direct import DirectJoin
from mexc_async.backtest.memory import MemoryJoin
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Prepared
from mexc_async.errors import InsufficientBalance, RequestTimeout, SignatureRejected
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.events import RequestDone
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.transport.config import Timeouts

START_MS = 1_700_000_000_000
LOW = Decimal(1000)

Scenario = Callable[[Mexc, Simulator], Coroutine[Any, Any, object]]


@asynccontextmanager
async def joined(
    loop: VirtualLoop, join: MemoryJoin | DirectJoin, secret: str = DEMO_SECRET, **settings: Any
) -> AsyncIterator[tuple[Mexc, Simulator]]:
    usual = {"limits": "unlimited", "network": NetworkSettings(timeouts=Timeouts(2, 2, 2))}
    async with (
        Simulator(SimConfig(limits="none", flow=0), loop.clock, join.listen) as sim,
        Mexc(
            Credentials(DEMO_KEY, secret),
            rest=sim.rest,
            ws=sim.spot_ws,
            clock=loop.clock,
            prepared=Prepared(network=join.network),
            **{**usual, **settings},
        ) as mexc,
    ):
        yield mexc, sim


@pytest.fixture(params=["lane", "pool", "direct"])
def play(request: pytest.FixtureRequest) -> Callable[[Scenario], object]:
    """Run a scenario in virtual time: in memory by either transport, or by direct calls."""

    def run(scenario: Scenario) -> object:
        loop = VirtualLoop(START_MS, 7)

        async def main() -> object:
            join = DirectJoin() if request.param == "direct" else MemoryJoin()
            network = NetworkSettings(
                transport="lane" if request.param == "lane" else "pool", timeouts=Timeouts(2, 2, 2)
            )
            async with joined(loop, join, network=network) as (mexc, sim):
                result = await scenario(mexc, sim)
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert left == []
            return result

        return run_virtual(main(), loop)

    return run


def test_orders_and_streams_pass(play: Callable[[Scenario], object]) -> None:
    async def scenario(mexc: Mexc, sim: Simulator) -> object:
        assert mexc.is_sim
        async with mexc.books("BTCUSDT") as book, mexc.streams.orders() as pushes:
            order = await mexc.orders.limit_buy("BTCUSDT", quantity=Decimal("0.001"), price=LOW)
            assert (await anext(pushes)).body.client_order_id == order.client_order_id
            await order.cancel()
            account = next(iter(sim.exchange.accounts.values()))
            assert [each.status for each in account.orders()] == ["CANCELED"]
            assert book.mid is not None
        return await mexc.spot.server_time()

    answer = play(scenario)
    assert START_MS <= getattr(answer, "server_time", 0) < START_MS + 60_000


def test_a_wrong_signature_and_a_refusal_are_what_they_are(play: Callable[[Scenario], object]) -> None:
    async def scenario(mexc: Mexc, sim: Simulator) -> None:
        with pytest.raises(InsufficientBalance):
            await mexc.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity="30", price="60000")
        await mexc.orders.limit_buy("BTCUSDT", quantity=Decimal("0.001"), price=LOW)

    play(scenario)
    loop = VirtualLoop(START_MS, 7)

    async def main() -> None:
        async with joined(loop, MemoryJoin(), secret="f" * 32) as (mexc, _):
            with pytest.raises(SignatureRejected):
                await mexc.spot.account()

    run_virtual(main(), loop)


@pytest.mark.parametrize("kind", ["reset", "mute", "truncate", "error", "answer_twice"])
def test_no_order_is_lost_or_doubled_by_a_lost_answer(play: Callable[[Scenario], object], kind: Any) -> None:
    async def scenario(mexc: Mexc, sim: Simulator) -> object:
        sim.inject(Fault(kind=kind, on="new_order", times=3))
        orders = [
            await mexc.orders.limit_buy("BTCUSDT", quantity=Decimal("0.001"), price=LOW + number) for number in range(5)
        ]
        account = next(iter(sim.exchange.accounts.values()))
        assert {order.client_order_id for order in orders} == {each.client_id for each in account.open_orders.values()}
        return len(list(account.orders()))

    assert play(scenario) == 5


def test_a_restart_is_survived_by_calls_and_books(play: Callable[[Scenario], object]) -> None:
    async def scenario(mexc: Mexc, sim: Simulator) -> None:
        async with mexc.books("BTCUSDT") as book:
            assert sim.restart(1500) > 0
            began = asyncio.get_running_loop().time()
            await mexc.spot.server_time()
            assert asyncio.get_running_loop().time() - began >= 1.5
            await asyncio.sleep(10)
            assert book.mid is not None
            await mexc.orders.limit_buy("BTCUSDT", quantity=Decimal("0.001"), price=LOW)

    play(scenario)


def test_connections_in_memory_need_no_pings(play: Callable[[Scenario], object]) -> None:
    async def scenario(mexc: Mexc, sim: Simulator) -> object:
        paths = []
        mexc.hooks.add(lambda event: paths.append(event.path) if isinstance(event, RequestDone) else None)
        await mexc.orders.limit_buy("BTCUSDT", quantity=Decimal("0.001"), price=LOW)
        await asyncio.sleep(600)
        order = await mexc.orders.limit_buy("BTCUSDT", quantity=Decimal("0.001"), price=LOW)
        await order.cancel()
        return paths.count("/api/v3/ping")

    assert play(scenario) == 0


def test_a_call_that_gets_no_answer_ends_after_its_virtual_time(play: Callable[[Scenario], object]) -> None:
    async def scenario(mexc: Mexc, sim: Simulator) -> object:
        sim.inject(Fault(kind="mute", on="account"))
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(RequestTimeout):
            await mexc.using(timeout_s=1.5).spot.account()
        return loop.time() - began

    waited = play(scenario)
    assert isinstance(waited, float)
    assert waited >= 1.5
