"""Pytest plugin: the `mexc_sim` fixture, a simulated exchange of one's own for each test.

    def test_my_strategy(mexc_sim):
        run_strategy(rest=mexc_sim.rest, ws=mexc_sim.spot_ws, api_key=mexc_sim.api_key, api_secret=mexc_sim.api_secret)

It serves from a thread of its own, so that it works the same in synchronous and asynchronous tests. Nothing of the
simulator is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mexc_async.sim.background import BackgroundSimulator
    from mexc_async.sim.server import SimConfig


@pytest.fixture
def mexc_sim_config() -> SimConfig:
    """How `mexc_sim` is run; override it in a test module or conftest to change seed, limits, accounts or tape."""
    from mexc_async.sim.server import SimConfig

    return SimConfig()


@pytest.fixture
def mexc_sim(mexc_sim_config: SimConfig) -> Iterator[BackgroundSimulator]:
    """A fresh simulated exchange with `.rest`, `.spot_ws`, `.api_key`, `.api_secret` and `.exchange`."""
    from mexc_async.sim.background import BackgroundSimulator

    with BackgroundSimulator(mexc_sim_config) as simulator:
        yield simulator
