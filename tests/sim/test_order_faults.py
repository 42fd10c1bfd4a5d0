"""Faults to requests: each is shown by a trader without care that ends up wrong, while the ledger stays right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mexc_async.sim.faults import Fault
from tests.sim import consistency
from tests.sim.naive_trader import BATCH, BTC, ORDER, Lost, NaiveTrader
from tests.sim.stream_client import Stage, stage

NAMES = {ORDER: "new_order", BATCH: "batch_orders"}
EACH = pytest.mark.parametrize("path", [ORDER, BATCH])
SHORT_S = 0.2


@asynccontextmanager
async def market(*faults: Fault, **settings: Any) -> AsyncIterator[Stage]:
    """A simulator in which these faults are in force, and whose ledger is right at the end."""
    async with stage(faults=faults, **settings) as on:
        before = consistency.totals(on.exchange)
        try:
            yield on
        finally:
            consistency.check(on.exchange, before)


def placed(on: Stage) -> int:
    """How many orders the exchange has accepted."""
    return len(on.simulator.statement().orders)


def let_go(on: Stage) -> None:
    """Time passes for every request that waits."""
    for waiter in on.simulator._gate._waiting:
        waiter.set_result(True)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds. Raises TimeoutError."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


LOST_ANSWERS = [
    Fault(kind="mute"),
    Fault(kind="error", status=504),
    Fault(kind="error", status=502),
    Fault(kind="error", status=403),
    Fault(kind="reset"),
    Fault(kind="truncate"),
    Fault(kind="restart", delay_ms=50),
]
LOST_REQUESTS = [
    Fault(kind="mute", at="read"),
    Fault(kind="error", at="read"),
    Fault(kind="error", at="unread", status=403),
    Fault(kind="reset", at="read"),
    Fault(kind="reset", at="unread"),
    Fault(kind="restart", at="read", delay_ms=50),
]


def to(path: str, fault: Fault) -> Fault:
    """The fault, once, to orders that are sent to `path`."""
    return Fault(kind=fault.kind, on=NAMES[path], times=1, at=fault.at, status=fault.status, delay_ms=fault.delay_ms)


def labels(fault: Fault) -> str:
    return f"{fault.kind}-{fault.at}-{fault.status}"


@EACH
@pytest.mark.parametrize("fault", LOST_ANSWERS, ids=labels)
async def test_who_resends_an_order_whose_answer_is_lost_doubles_it(path: str, fault: Fault) -> None:
    async with market(to(path, fault)) as on:
        await NaiveTrader(on, SHORT_S).place_stubbornly(path)
        assert placed(on) > 1


@EACH
@pytest.mark.parametrize("fault", LOST_REQUESTS, ids=labels)
async def test_who_believes_in_an_order_that_never_got_there_has_none(path: str, fault: Fault) -> None:
    async with market(to(path, fault)) as on:
        await NaiveTrader(on, SHORT_S).place_trustingly(path)
        assert placed(on) == 0


@EACH
async def test_who_resends_an_order_that_is_held_doubles_it(path: str) -> None:
    async with market(Fault(kind="hold", on=NAMES[path], times=1, delay_ms=600_000)) as on:
        with pytest.raises(Lost):
            await NaiveTrader(on, SHORT_S).place(path, newClientOrderId="held")
        trader = NaiveTrader(on)
        found = await trader.send("GET", ORDER, symbol=BTC, origClientOrderId="held")
        assert found.code == -2013  # so it believes that there is none
        await trader.place_stubbornly(path)
        assert placed(on) == 1
        let_go(on)
        await until(lambda: placed(on) == 2)
        assert on.account.find_order(None, "held") is not None


@EACH
async def test_an_order_that_is_held_beyond_its_window_is_refused(path: str) -> None:
    async with market(Fault(kind="hold", on=NAMES[path], delay_ms=300)) as on:
        await NaiveTrader(on, SHORT_S).place_trustingly(path, recvWindow=250)
        refused = await NaiveTrader(on).place(path, recvWindow=250)
        assert (refused.status, refused.code) == (400, 700003)
        assert placed(on) == 0
        late = await NaiveTrader(on).place(path, recvWindow=5000)
        assert late.status == 200
        assert placed(on) == 1
