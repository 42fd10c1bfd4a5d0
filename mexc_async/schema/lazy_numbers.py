"""Numbers that stay text until they are read: most of a book's levels, of bars and of pushes never are."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Generic, TypeVar

from msgspec import Struct

from mexc_async.errors import ProtocolError

N = TypeVar("N")


class _FromText(Generic[N]):
    """A number made from the text of the field beside it."""

    def __init__(self, parse: Callable[[str], N]) -> None:
        self._parse = parse

    def __set_name__(self, owner: type, name: str) -> None:
        self._text = f"{name}_text"

    def _number(self, text: str) -> N:
        try:
            return self._parse(text)
        except (ArithmeticError, ValueError):
            raise ProtocolError(f"{self._text} {text[:40]!r} is not a number") from None


class Exact(_FromText[N]):
    """The number; blank text raises ProtocolError like any other that is no number."""

    def __get__(self, body: Struct, owner: type) -> N:
        return self._number(getattr(body, self._text))


class ExactOrNone(_FromText[N]):
    """The number, or None where the text is blank or did not come."""

    def __get__(self, body: Struct, owner: type) -> N | None:
        text = getattr(body, self._text)
        return self._number(text) if text else None


def amount(text: str) -> Decimal:
    """A finite Decimal. Raises ValueError or ArithmeticError."""
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(text)
    return value
