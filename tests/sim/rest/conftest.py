"""A client of the main account of the module's `simulator`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mexc_async.sim.rest.background import BackgroundSimulator
from tests.support.naive_client import NaiveClient


@pytest.fixture
def client(simulator: BackgroundSimulator) -> Iterator[NaiveClient]:
    client = NaiveClient(simulator.rest, simulator.api_key, simulator.api_secret)
    yield client
    client.close()
