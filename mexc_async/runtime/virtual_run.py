"""Runner of a program in virtual time: it ends as under `mexc_async.run`, and its tasks end in order of creation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from mexc_async.runtime.runner import run_on
from mexc_async.runtime.virtual_loop import VirtualLoop, VirtualTask

T = TypeVar("T")


def run_virtual(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run `main` on `loop` until it ends, close the loop, and return what `main` returns.

    The first SIGTERM or Ctrl-C cancels `main`, as in `mexc_async.run`: SystemExit 143 or 130 follows unless `main`
    caught the cancellation and returned.
    """

    async def supervised() -> T:
        try:
            return await main
        finally:
            await _cancel_others(loop)

    return run_on(supervised(), lambda: loop)


async def _cancel_others(loop: VirtualLoop) -> None:
    """Cancel the tasks that are left, in order of creation, and wait for their end."""
    own = asyncio.current_task()
    left = [task for task in asyncio.all_tasks(loop) if isinstance(task, VirtualTask) and task is not own]
    left.sort(key=lambda task: task.number)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
