"""A simulated exchange for services, and an HTTP client for their users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import pytest

from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from tests.support.serving import KINDS


@pytest.fixture
def exchange() -> Iterator[BackgroundSimulator]:
    """Run a simulator with static order books and no rate limits."""
    with BackgroundSimulator(SimConfig(limits="none", flow=0)) as simulator:
        yield simulator


@pytest.fixture
def strike(exchange: BackgroundSimulator) -> Callable[[Fault], Callable[[], bool]]:
    """Return a function that orders a fault; its result is True once the fault has occurred."""

    def order(fault: Fault) -> Callable[[], bool]:
        exchange.call(lambda simulator: simulator.inject(fault))
        return lambda: any(one.fault == fault and one.struck for one in exchange.call(lambda s: s.fault_counts()))

    return order


@pytest.fixture
async def user() -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP client for any number of concurrent users."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the framework of the service."""
    name: str = request.param
    return name
