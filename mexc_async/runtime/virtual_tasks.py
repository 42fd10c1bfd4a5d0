"""Tasks and futures of virtual time: they hash by their number, so that sets of them iterate alike in every run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from math import inf
from typing import Any, Protocol, TypeAlias, TypeVar, cast

T = TypeVar("T")
Work: TypeAlias = Generator[Any, None, T] | Coroutine[Any, Any, T]


class _Numbering(Protocol):
    next_number: Callable[[], int]


class VirtualTask(asyncio.Task[T]):
    """Task that hashes by its number."""

    def __init__(self, work: Work[T], *, number: int, loop: asyncio.AbstractEventLoop, **how: Any) -> None:
        self.number = number
        """Position in the order of creation."""
        super().__init__(work, loop=loop, **how)

    def __hash__(self) -> int:
        return self.number


def position(task: asyncio.Task[Any]) -> tuple[float, int, str]:
    """Return the place of a task in the order of creation; tasks without a number come last, by their names.

    From Python 3.12 on aiohttp makes some of its tasks by itself, so that they start at once.
    """
    name = task.get_name()
    return getattr(task, "number", inf), len(name), name


class VirtualFuture(asyncio.Future[T]):
    """Future that hashes by its number."""

    number = 0
    """Position in the order in which futures were hashed first; 0 before."""

    def __hash__(self) -> int:
        if not self.number:
            self.number = cast(_Numbering, self.get_loop()).next_number()
        return self.number
