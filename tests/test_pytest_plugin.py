"""The pytest plugin's fixtures, and what a test may override."""

from __future__ import annotations

import json
from urllib.request import urlopen

import pytest

from mexc_async.runtime.clock import Clock
from mexc_async.sim.rest.background import BackgroundSimulator
from tests.support.manual_time import ManualTime

_TIME = ManualTime()


@pytest.fixture
def mexc_sim_clock() -> Clock:
    return _TIME.clock


def test_the_exchange_runs_on_the_clock_of_the_test(mexc_sim: BackgroundSimulator) -> None:
    def server_time() -> int:
        with urlopen(f"{mexc_sim.rest}/api/v3/time") as answer:
            time_ms: int = json.load(answer)["serverTime"]
        return time_ms

    assert server_time() == _TIME.clock.wall_ms()
    _TIME.now += 3600
    assert server_time() == _TIME.clock.wall_ms()
