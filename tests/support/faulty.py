"""A simulator with active faults, and helpers for their tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from mexc_async.sim.exchange.orders import Order
from mexc_async.sim.faults.faults import Fault
from tests.support import consistency
from tests.support.naive_client import Reply
from tests.support.naive_trader import NaiveTrader
from tests.support.stream_client import Stage, stage


@asynccontextmanager
async def market(*faults: Fault, **settings: Any) -> AsyncIterator[Stage]:
    """Run a simulator with these faults, and check the consistency of its balances at the end."""
    async with stage(faults=faults, **settings) as on:
        before = consistency.totals(on.exchange)
        try:
            yield on
        finally:
            consistency.check(on.exchange, before, on.simulator.wallet)


def placed(on: Stage) -> int:
    """Return the number of orders that the exchange has accepted."""
    return len(on.simulator.statement().orders)


def release_waiting(on: Stage) -> None:
    """Release every request that a fault holds."""
    for waiter in on.simulator._gate._waiting:
        waiter.set_result(True)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds. Raises TimeoutError."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def held(on: Stage, path: str, client_id: str) -> asyncio.Task[Reply]:
    """Send an order that a fault holds at the exchange, and return its task."""
    count = len(on.simulator._gate._waiting)
    under_way = asyncio.create_task(NaiveTrader(on).place(path, newClientOrderId=client_id))
    await until(lambda: len(on.simulator._gate._waiting) > count)
    return under_way


def order_of(on: Stage, client_id: str) -> Order:
    """Return the order with this client order id, which must exist."""
    order = on.account.find_order(None, client_id)
    assert order is not None
    return order


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


def labels(fault: Fault) -> str:
    return f"{fault.kind}-{fault.at}-{fault.status}"
