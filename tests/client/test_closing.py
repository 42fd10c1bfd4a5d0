"""Closing a client in the middle of its own background work."""

from __future__ import annotations

import asyncio

import pytest

from mexc_async.errors import ClientClosed
from mexc_async.runtime.tasks import Tasks


async def test_a_cancelled_waiter_of_a_shared_task_stays_cancelled_when_the_owner_closes() -> None:
    """A background task that waits for a shared one must end with it, not go on as if that were an error."""
    tasks = Tasks()
    forever = asyncio.Event()

    async def shared() -> None:
        await forever.wait()

    async def background() -> None:
        while True:
            try:
                await tasks.shared("clock", shared)
            except ClientClosed:  # what an outside caller gets; swallowing it here would never end
                continue

    tasks.spawn(background())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.aclose()


async def test_an_outside_waiter_of_a_shared_task_learns_that_the_client_was_closed() -> None:
    tasks = Tasks()
    forever = asyncio.Event()

    async def shared() -> None:
        await forever.wait()

    waiter = asyncio.create_task(tasks.shared("clock", shared))
    await asyncio.sleep(0)
    await tasks.aclose()
    with pytest.raises(ClientClosed):
        await waiter
