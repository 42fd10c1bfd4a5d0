"""Heartbeat file: touched while this client's event loop runs, so that a second process notices when it stops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from mexc_async.errors import ConfigError
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.log import logger
from mexc_async.schema.settings import check_path
from mexc_async.schema.validation import shown

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Heartbeat:
    """Task that touches a file at an interval, inside an `async with`. The file has the time of the client's clock."""

    def __init__(self, path: str | os.PathLike[str], every_s: float, spawn: Spawn, clock: Clock) -> None:
        check_path("heartbeat", path)
        if not (isinstance(every_s, int | float) and 0.01 <= every_s <= 3600):
            raise ConfigError(f"every_s {shown(every_s)} must be a number of seconds from 0.01 to 3600")
        self.path = os.fspath(path)
        self._every_s = every_s
        self._spawn = spawn
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise ConfigError(f"the heartbeat {self.path} is running already")
        try:
            self._beat()
        except OSError as error:
            raise ConfigError(f"heartbeat {self.path}: {error.strerror or error}") from None
        self._task = self._spawn(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _beat(self) -> None:
        with open(self.path, "ab"):  # recreates the file if it was deleted
            pass
        now_ns = self._clock.wall_ns()
        os.utime(self.path, ns=(now_ns, now_ns))

    async def _run(self) -> None:
        is_failing = False
        while True:
            await asyncio.sleep(self._every_s)
            try:
                self._beat()
                is_failing = False
            except OSError as error:  # a watcher sees it stop, and that is the safe side
                if not is_failing:
                    logger.error("the heartbeat %s cannot be written: %s", self.path, error.strerror or error)
                is_failing = True
