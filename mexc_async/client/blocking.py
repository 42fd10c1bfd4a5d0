"""Parts of the client for programs without an event loop: each runs the methods of its asynchronous counterpart.

A method is declared once, where it is asynchronous; here a line names it, and type checkers see its parameters and its
result: `limit_buy = waits_for(Orders.limit_buy, SyncOrder)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from mexc_async.runtime.loop_thread import LoopThread

P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W")
R = TypeVar("R")


class Part(Generic[R]):
    """A part of the client; `real` is its asynchronous counterpart."""

    def __init__(self, thread: LoopThread, real: R) -> None:
        self._thread = thread
        self.real = real
        """The asynchronous counterpart, for attributes that this one lacks."""

    def _read(self, read: Callable[[], T]) -> T:
        """Return `read()` from the loop's thread, where no push changes anything meanwhile."""

        async def carry_out() -> T:
            return read()

        return self._thread.run(carry_out)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.real!r}>"


class OpenPart(Part[R]):
    """A part that a `with` opens and closes."""

    _is_entered = False

    def __enter__(self) -> Self:
        self._thread.run(cast(Any, self.real).__aenter__)
        self._is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.run(lambda: cast(Any, self.real).__aexit__(kind, error, traceback))


class Method(Generic[P, T]):
    """Method that runs one of `real` in the loop, waits for it, and wraps its result."""

    def __init__(self, method: Callable[..., Any], wrap: Callable[[LoopThread, Any], Any] | None) -> None:
        self._name, self._wrap, self.__doc__ = method.__name__, wrap, method.__doc__

    @overload
    def __get__(self, part: None, owner: type) -> Self: ...
    @overload
    def __get__(self, part: Part[Any], owner: type) -> Callable[P, T]: ...
    def __get__(self, part: Part[Any] | None, owner: type) -> object:
        if part is None:
            return self
        thread, wrap, method = part._thread, self._wrap, getattr(part.real, self._name)

        async def carry_out(args: Any, options: Any) -> Any:
            result = method(*args, **options)
            return await result if inspect.isawaitable(result) else result

        def wait(*args: Any, **options: Any) -> Any:
            result = thread.run(lambda: carry_out(args, options))
            if wrap is None:
                return result
            return [wrap(thread, item) for item in result] if isinstance(result, list) else wrap(thread, result)

        wait.__name__, wait.__doc__ = self._name, self.__doc__
        wait.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]  # functions take it; typeshed does not say
        return wait


def waits(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> Method[P, T]:
    """Wait for a coroutine method."""
    return Method(method, None)


def waits_for(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]], wrap: Callable[[LoopThread, T], W]
) -> Method[P, W]:
    """Wait for a coroutine method, and wrap its result."""
    return Method(method, wrap)


def waits_for_all(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, list[T]]], wrap: Callable[[LoopThread, T], W]
) -> Method[P, list[W]]:
    """Wait for a coroutine method, and wrap each item of its result."""
    return Method(method, wrap)


def runs(method: Callable[Concatenate[Any, P], T]) -> Method[P, T]:
    """Run an ordinary method in the loop's thread."""
    return Method(method, None)


def runs_for(method: Callable[Concatenate[Any, P], T], wrap: Callable[[LoopThread, T], W]) -> Method[P, W]:
    """Run an ordinary method in the loop's thread, and wrap its result."""
    return Method(method, wrap)


def runs_for_all(
    method: Callable[Concatenate[Any, P], list[T]], wrap: Callable[[LoopThread, T], W]
) -> Method[P, list[W]]:
    """Run an ordinary method in the loop's thread, and wrap each item of its result."""
    return Method(method, wrap)


class Read(Generic[T]):
    """Attribute of `real`, read in the loop's thread."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, part: Part[Any], owner: type) -> T:
        value: T = part._read(lambda: getattr(part.real, self._name))
        return value


def makes(maker: Callable[P, T], wrap: Callable[[T], W]) -> Callable[P, W]:
    """Return a function with the parameters of `maker` that wraps its result."""

    @wraps(maker)
    def make(*args: P.args, **options: P.kwargs) -> W:
        return wrap(maker(*args, **options))

    return make
