"""Numbers converted on access: most numbers in book levels, bars and pushes are never read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Generic, TypeVar

from msgspec import Struct

from mexc_async.errors import ProtocolError

N = TypeVar("N")


class _FromText(Generic[N]):
    """A number, converted from the text of its sibling field."""

    def __init__(self, parse: Callable[[str], N]) -> None:
        self._parse = parse

    def __set_name__(self, owner: type, name: str) -> None:
        self._text = f"{name}_text"

    def _number(self, text: str) -> N:
        try:
            return self._parse(text)
        except (ArithmeticError, ValueError):
            raise ProtocolError(f"{self._text} {text[:40]!r} is not a number") from None


class Lazy(_FromText[N]):
    """A number; blank text raises ProtocolError like all other text that is no number."""

    def __get__(self, body: Struct, owner: type) -> N:
        return self._number(getattr(body, self._text))


class LazyOrNone(_FromText[N]):
    """A number, or None if the text is blank or missing."""

    def __get__(self, body: Struct, owner: type) -> N | None:
        text = getattr(body, self._text)
        return self._number(text) if text else None


def amount(text: str) -> Decimal:
    """Convert text to a finite Decimal. Raises ValueError or ArithmeticError."""
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(text)
    return value
