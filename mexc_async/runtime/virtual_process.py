"""A program with an event loop of its own, beside others in the same virtual time: as a process beside others.

It ends as a process does: by itself, by Ctrl-C, or killed, and then without a `finally`, a callback or a flush.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from decimal import getcontext, setcontext
from typing import Any, Generic, TypeVar

from mexc_async.errors import ConfigError
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import cancel_others, drop

T = TypeVar("T")


class ProcessKilled(Exception):
    """The process was killed before its program ended."""


def _nothing(loop: VirtualLoop) -> None:
    """Release nothing."""


class VirtualProcess(Generic[T]):
    """A program on a loop of its own.

    Its modules are those of the others: what it keeps in a module's variables outlives it.

    Args:
        loop: the loop that runs first, in which all methods are called.
        main: function that returns the program's coroutine.
        seed: seed of the random numbers of its loop's clock.
        release: function that closes what the system closes for a process, connections and files, by the process's
            loop. It is called at the end, whatever the end is.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        main: Callable[[], Coroutine[Any, Any, T]],
        seed: int,
        release: Callable[[VirtualLoop], None] = _nothing,
    ) -> None:
        self._first = loop
        self._main = main
        self._release = release
        self._task: asyncio.Task[T] | None = None
        self._thaw: asyncio.TimerHandle | None = None
        self._remains: list[asyncio.Task[Any]] = []
        self._left: tuple[str, ...] = ()
        self.loop = loop.sibling(seed)
        """The program's loop."""
        self.ended: asyncio.Future[T] = loop.create_future()
        """Result or error of the program, in the first loop: wait for it with `asyncio.wait`.

        It is cancelled if the program ended so, and has ProcessKilled if the process was killed.
        """

    def start(self) -> None:
        """Begin the program, in the next turn. Raises ConfigError the second time."""
        if self._task is not None or self.ended.done():
            raise ConfigError("a process starts once: make another one")
        own = copy_context()  # with a decimal context of its own
        own.run(setcontext, getcontext().copy())
        self._task = self.loop.create_task(self._run(), name="main", context=own)
        self._task.add_done_callback(self._on_end)

    async def _run(self) -> T:
        own = asyncio.current_task()
        assert own is not None
        self.loop.supervise(own)
        try:
            return await self._main()
        finally:
            self._left = tuple(map(_described, (task for task in self.loop.tasks() if task is not own)))
            await cancel_others(self.loop, own)
            await self.loop.shutdown_asyncgens()

    def _on_end(self, task: asyncio.Task[T]) -> None:
        self._stop()
        error = None if task.cancelled() else task.exception()
        if self.ended.done():
            return
        if task.cancelled():
            self.ended.cancel()
        elif error is not None:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(task.result())

    def _stop(self) -> None:
        if self._thaw is not None:
            self._thaw.cancel()
        self._remains = self.loop.tasks()  # a loop holds its tasks weakly
        self.loop.kill()
        self._release(self.loop)

    @property
    def is_alive(self) -> bool:
        """True until the program has ended or was killed."""
        return self._task is not None and not self.loop.is_killed

    def kill(self) -> None:
        """Stop at once, as by SIGKILL: no `finally`, no callback and no flush. Does nothing after the end.

        Called by the process itself, it lets the callback that runs come to its next `await`.
        """
        if self.loop.is_killed:
            return
        self._stop()
        if not self.ended.done():
            self.ended.set_exception(ProcessKilled("the process was killed"))
            self.ended.exception()  # nobody has to look

    def freeze(self, seconds: float) -> None:
        """Stand still for so much virtual time, as a machine that stops. What comes due meanwhile runs afterwards.

        A second call while it stands still can only make the time longer. Does nothing after the end.
        """
        until = self._first.clock.monotonic() + seconds
        if self.loop.is_killed or (self._thaw is not None and self._thaw.when() >= until):
            return
        if self._thaw is not None:
            self._thaw.cancel()
        self.loop.halt()
        self._thaw = self._first.call_at(until, self._go_on)

    def _go_on(self) -> None:
        self._thaw = None
        self.loop.resume()

    def interrupt(self) -> None:
        """Cancel the program, as Ctrl-C and SIGTERM do. Does nothing before the start and after the end."""
        if self._task is not None and not self.loop.is_killed:
            self._task.cancel()

    def left(self) -> tuple[str, ...]:
        """Return the tasks that had not ended when the program had; they were cancelled then."""
        return self._left

    def bury(self) -> None:
        """Drop what is in memory, without output and without an effect on files. Kills a process that lives.

        A `finally` may run now, for Python gives no memory free without it, but nobody sees what it does.
        """
        self.kill()
        drop(self.loop)
        self._remains.clear()


def _described(task: asyncio.Task[Any]) -> str:
    return f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"
