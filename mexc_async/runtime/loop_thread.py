"""A thread with an event loop, for programs that have none of their own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from mexc_async.errors import ClientClosed, ConfigError
from mexc_async.runtime.runner import loop_factory

T = TypeVar("T")
Running: TypeAlias = tuple[asyncio.AbstractEventLoop, asyncio.Event]
"""A loop, and the event that ends it."""


class LoopThread:
    """Thread that runs an event loop, from its first use until `close`. Any thread may use it."""

    def __init__(self, kept: object = None) -> None:
        """Set up a thread; `kept` lives until its loop has ended, even if both are garbage at the same time."""
        self._kept = kept
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._own = threading.local()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._finalizer: weakref.finalize[Any, LoopThread] | None = None

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work()` in the loop; return its result, or raise its error. Ctrl-C cancels it.

        Raises ClientClosed after `close` and in a forked process, ConfigError where an event loop runs.
        """
        loop, context = self._started(), self._context()

        async def carry_out() -> T:
            return await loop.create_task(_awaited(work), context=context)

        future = asyncio.run_coroutine_threadsafe(carry_out(), loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ClientClosed("the client was closed while this call was under way") from None
        except BaseException:
            future.cancel()
            raise

    @property
    def is_running(self) -> bool:
        """True from the first use to `close`, in the process that made it."""
        return self._loop is not None and not self._is_closed and os.getpid() == self._pid

    def _context(self) -> contextvars.Context:
        """Return the calling thread's context, which all of its calls share: an order session lives in it."""
        if not hasattr(self._own, "context"):
            self._own.context = contextvars.copy_context()
        context: contextvars.Context = self._own.context
        return context

    def _started(self) -> asyncio.AbstractEventLoop:
        if os.getpid() != self._pid:
            raise ClientClosed(f"this client belongs to process {self._pid}: make one in each process, after the fork")
        if asyncio._get_running_loop() is not None:
            raise ConfigError("a synchronous client would block the event loop that runs here: await Mexc(...) instead")
        with self._lock:
            if self._is_closed:
                raise ClientClosed("the client is closed")
            if self._loop is None:
                started: concurrent.futures.Future[Running] = concurrent.futures.Future()
                thread = threading.Thread(target=_serve, args=(started,), name="mexc_async", daemon=True)
                thread.start()
                self._loop, end = started.result()
                self._finalizer = weakref.finalize(self, _drop, self._loop, end, thread, self._kept)
            return self._loop

    def close(self) -> None:
        """End the loop and wait for the end of its thread; idempotent."""
        with self._lock:
            self._is_closed = True
            running = self._finalizer and self._finalizer.detach()
        if running:
            _stop(*running[2][:3])


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def _serve(started: concurrent.futures.Future[Running]) -> None:
    """Run a loop until its event is set; then its remaining tasks are cancelled and awaited."""

    async def main() -> None:
        end = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), end))
        await end.wait()

    with asyncio.Runner(loop_factory=loop_factory(None)) as runner:
        runner.run(main())


def _drop(loop: asyncio.AbstractEventLoop, end: asyncio.Event, thread: threading.Thread, _kept: object) -> None:
    """End the loop of a `LoopThread` that is garbage, or left over at the program's end, with a ResourceWarning."""
    warnings.warn("a synchronous client was dropped without close()", ResourceWarning, stacklevel=2)
    _stop(loop, end, thread)


def _stop(loop: asyncio.AbstractEventLoop, end: asyncio.Event, thread: threading.Thread) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(end.set)
    if threading.current_thread() is not thread:  # garbage may be collected in the loop's own thread
        thread.join()
