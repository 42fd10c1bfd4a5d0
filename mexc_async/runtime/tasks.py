"""Background tasks of a client, and their owner: closing the client cancels and awaits each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar

from mexc_async.errors import ClientClosed

T = TypeVar("T")
CLOSED = "the client was closed while this call was under way"
OTHER_LOOP = "this client belongs to another event loop: make one Mexc(...) inside each asyncio.run"


class Tasks:
    """Owner of tasks: starts them, lets callers share one, and ends them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._shared: dict[Hashable, tuple[asyncio.Task[Any], list[None]]] = {}
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.end = "the client is closed"
        """Text of ClientClosed once the owner is closed."""

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` as a task of this owner. Raises ClientClosed once closed, and in another event loop."""
        try:
            loop = self.check_open()
        except ClientClosed:
            work.close()
            raise
        task = loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def check_open(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, which the first call binds. Raises ClientClosed once closed, and in another loop."""
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._closed or loop is not self._loop:
            raise ClientClosed(self.end if self._closed else OTHER_LOOP)
        return loop

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Run `work` as a task of this owner; return a future of its outcome, ClientClosed if the task is cancelled.

        Cancelling the future does not cancel the task.
        """
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            follow(self.spawn(work), outcome)
        except ClientClosed as error:
            outcome.set_exception(error)
        return outcome

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task of this owner, once: a second call does not disturb its clean-up."""
        # `task.cancelling()` also counts a timeout inside the task, after which the task goes on.
        if task not in self._cancelled and not task.done():
            self._cancelled.add(task)
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._cancelled.discard(task)
        if not task.cancelled():
            task.exception()  # a waiter gets the error; without one no warning is due

    async def shared(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await the task under `key`, starting it if there is none; its last waiter to leave cancels it."""
        entry = self._shared.get(key)
        if entry is None:
            task = self.spawn(start())
            entry = self._shared[key] = (task, [])
            task.add_done_callback(lambda ended: self._forget(key, ended))
        task, waiters = entry
        waiters.append(None)
        try:
            result: T = await asyncio.shield(task)
            return result
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if self._closed and task.cancelled() and not (waiter and waiter.cancelling()):
                raise ClientClosed(CLOSED) from None
            raise
        finally:
            waiters.pop()
            if not waiters and not task.done():
                self._forget(key, task)
                self.cancel(task)

    def _forget(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        """Accept no new waiters for `task`; leave a later task under the same key alone."""
        if (entry := self._shared.get(key)) is not None and entry[0] is task:
            del self._shared[key]

    async def aclose(self) -> None:
        """Cancel every task and wait for its end; idempotent, from any task."""
        self._closed = True
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            self.cancel(task)
        await asyncio.gather(*tasks, return_exceptions=True)


def follow(task: asyncio.Task[T], outcome: asyncio.Future[T]) -> None:
    """Copy the result or error of a task to `outcome`; the task goes on if `outcome` is cancelled."""
    task.add_done_callback(partial(_ended, outcome))


def _ended(outcome: asyncio.Future[T], task: asyncio.Task[T]) -> None:
    if outcome.done():
        return
    if task.cancelled():
        outcome.set_exception(ClientClosed(CLOSED))
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
