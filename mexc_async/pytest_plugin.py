"""Pytest plugin: the `mexc_sim` fixture, a fresh simulated exchange for each test.

    def test_my_strategy(mexc_sim):
        run_strategy(rest=mexc_sim.rest, ws=mexc_sim.spot_ws, api_key=mexc_sim.api_key, api_secret=mexc_sim.api_secret)

The simulator runs in its own thread, so synchronous and asynchronous tests can use it. The plugin imports it only for
tests that request the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mexc_async.runtime.clock import Clock
    from mexc_async.sim.rest.background import BackgroundSimulator
    from mexc_async.sim.rest.server import SimConfig


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    """Configure `mexc_sim`; override it in a test module or conftest to change seed, limits, accounts or tape."""
    from mexc_async.sim.rest.server import SimConfig

    return SimConfig()


@pytest.fixture
def mexc_sim_clock() -> Clock:
    """Return the clock of `mexc_sim`; override it to set the exchange's time."""
    from mexc_async.runtime.clock import SYSTEM

    return SYSTEM


@pytest.fixture
def mexc_sim(mexc_sim_config: SimConfig, mexc_sim_clock: Clock) -> Iterator[BackgroundSimulator]:
    """Start a simulated exchange with `.rest`, `.spot_ws`, `.api_key`, `.api_secret` and `.exchange`."""
    from mexc_async.sim.rest.background import BackgroundSimulator

    with BackgroundSimulator(mexc_sim_config, mexc_sim_clock) as simulator:
        yield simulator
