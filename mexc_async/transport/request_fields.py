"""Header fields of requests, which tracebacks may show with all local variables of a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Fields(Protocol):
    """Header fields of a request: a dict, or `RequestFields`."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return the pairs of names and values."""
        ...


class RequestFields:
    """Header fields that do not show their values, such as the API key.

    This is no mapping on purpose: error trackers list the values of one, whatever its `repr` says.
    """

    __slots__ = ("_items",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._items = tuple(fields.items())

    def items(self) -> Iterable[tuple[str, str]]:
        """Return the pairs of names and values."""
        return self._items

    def __repr__(self) -> str:
        return f"RequestFields({', '.join(name for name, _ in self._items)})"


def bare(error: BaseException) -> BaseException:
    """Return an error without the frames and errors that led to it: they hold a signed request."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
