"""Live balances against the simulator: calls are counted, losses are seen, changes arrive."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import MissingCredentials, WaitTimeout
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.events import RequestDone
from mexc_async.runtime.events import Event
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from tests.support.settings import flat
from tests.support.streams import nothing_left, until

D = Decimal
USERS = 50


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(SimConfig(flow=0)) as simulator:  # with MEXC's limits: two reads of the account a second
        yield simulator


def client(sim: Simulator, **settings: Any) -> Mexc:
    return Mexc(Credentials(DEMO_KEY, DEMO_SECRET), **flat(**{"rest": sim.rest, "ws": sim.spot_ws} | settings))


def counted(mexc: Mexc) -> Counter[str | None]:
    """Count the calls of a client by their path from now on."""
    calls: Counter[str | None] = Counter()

    def count(event: Event) -> None:
        if isinstance(event, RequestDone):
            calls[event.path] += 1

    mexc.hooks.add(count)
    return calls


async def rest(mexc: Mexc) -> dict[str, tuple[Decimal, Decimal]]:
    account = await mexc.spot.account()
    return {each.asset: (each.free, each.locked) for each in account.balances if each.free or each.locked}


def live(mexc: Mexc) -> dict[str, tuple[Decimal, Decimal]] | None:
    balances = mexc.balances.live
    return None if balances is None else {asset: (each.free, each.locked) for asset, each in balances.items()}


async def test_fifty_users_share_a_call_and_the_next_fifty_need_none(sim: Simulator) -> None:
    async with nothing_left(), client(sim) as mexc:
        calls = counted(mexc)
        first = await asyncio.gather(*(mexc.balances.current() for _ in range(USERS)))
        assert all(each == first[0] for each in first)
        assert first[0]["USDT"].free > 0
        await mexc.balances.follow(30)
        assert calls["/api/v3/account"] <= 3  # the users' call, and one each for the view and the stream
        calls.clear()
        for _ in range(USERS):
            await asyncio.gather(*(mexc.balances.current() for _ in range(USERS)))
        assert calls["/api/v3/account"] <= 1  # the check after the start


async def test_changes_arrive_without_a_call(sim: Simulator) -> None:
    async with client(sim) as mexc:
        await mexc.balances.follow(30)
        order = await mexc.orders.limit_buy("XRPUSDT", quantity=D(20), price=D("0.5"))
        await until(lambda: (mexc.balances.live or {})["USDT"].locked > 10)
        await order.cancel()
        await until(lambda: (mexc.balances.live or {})["USDT"].locked == 0)
        assert live(mexc) == await rest(mexc)
        assert mexc.balances.corrections == 0


async def test_a_lost_stream_is_said_and_made_up_for(sim: Simulator) -> None:
    async with client(sim) as mexc, client(sim, limits="unlimited") as other:
        await mexc.balances.follow(30)
        sim.inject(Fault(kind="refuse", times=2), Fault(kind="drop", now=True))
        await until(lambda: mexc.balances.live is None)
        await other.spot.new_order(symbol="XRPUSDT", side="BUY", type="LIMIT", quantity=D(20), price=D("0.5"))
        assert (await mexc.balances.current())["USDT"].locked > 10  # by REST meanwhile
        await mexc.balances.follow(60)
        assert live(mexc) == await rest(other)


async def test_it_works_by_rest_where_the_subscription_is_refused(sim: Simulator) -> None:
    sim.inject(Fault(kind="block"))
    async with client(sim) as mexc:
        with pytest.raises(WaitTimeout):
            await mexc.balances.follow(1)
        assert (await mexc.balances.current())["USDT"].free > 0
        assert mexc.balances.live is None


async def test_following_needs_a_key_and_can_time_out(sim: Simulator) -> None:
    async with Mexc(rest=sim.rest, ws=sim.spot_ws) as mexc:
        with pytest.raises(MissingCredentials):
            await mexc.balances.follow()
        with pytest.raises(MissingCredentials):
            await mexc.balances.current()
    async with client(sim) as mexc:
        with pytest.raises(WaitTimeout, match=r"the balances were not live in 0\.001 s"):
            await mexc.balances.follow(0.001)
