"""The simulator's port."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from mexc_async.sim.rest.http import Outcome, Request, Response
from mexc_async.sim.rest.port import Port


async def answer(request: Request) -> Outcome:
    return Response(b"here")


@pytest.mark.parametrize("rounds", range(6))
async def test_closing_leaves_no_connection_however_young(rounds: int) -> None:
    """Close the simulator `rounds` turns of the loop after a client's connect, because accepting takes several."""
    listener = Port(answer, "127.0.0.1", 0)
    port = urlsplit(await listener.open()).port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=5) as client:
        for _ in range(rounds):
            await asyncio.sleep(0)
        await listener.aclose()
        try:
            left = await asyncio.to_thread(client.recv, 1)
        except ConnectionError:  # the connection was never accepted
            left = b""
    assert left == b""
