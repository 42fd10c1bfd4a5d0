"""A client of the main account of a test's own exchange."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mexc_async.sim.rest.background import BackgroundSimulator
from tests.support.naive_client import NaiveClient


@pytest.fixture
def client(mexc_sim: BackgroundSimulator) -> Iterator[NaiveClient]:
    client = NaiveClient(mexc_sim.rest, mexc_sim.api_key, mexc_sim.api_secret)
    yield client
    client.close()
