"""A simulated exchange for the commands, and commands that use it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from tests.support.command import Ended, Run, invoke


@pytest.fixture(scope="module")
def exchange() -> Iterator[BackgroundSimulator]:
    """Run a simulator with static order books."""
    with BackgroundSimulator(SimConfig(limits="none", flow=0)) as simulator:
        yield simulator


@pytest.fixture
def run(exchange: BackgroundSimulator, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs commands on the simulator, with the key in the environment."""
    monkeypatch.setenv("MEXC_API_KEY", exchange.api_key)
    monkeypatch.setenv("MEXC_API_SECRET", exchange.api_secret)

    def on_exchange(*arguments: str, stdin: io.StringIO | None = None) -> Ended:
        return invoke(*arguments, "--rest", exchange.rest, stdin=stdin)

    return on_exchange
