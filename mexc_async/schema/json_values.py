"""Plain values of the SDK's objects, with fields by the SDK's names: JSON with exact amounts, and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeAlias, cast

import msgspec

from mexc_async.errors import InvalidRequest

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"
"""A JSON value."""
Value: TypeAlias = "dict[str, Value] | list[Value] | Decimal | str | int | float | bool | None"
"""A value of `to_dict`."""
Numbers: TypeAlias = Literal["decimal", "float"]

_NUMBERS: dict[str, Callable[[Decimal], Decimal | float]] = {"decimal": lambda number: number, "float": float}


class ToDict:
    """Mixin for answers: conversion to a dict."""

    __slots__ = ()

    def to_dict(self, *, numbers: Numbers = "decimal") -> dict[str, Value]:
        """Return the fields by their names. Answers inside are dicts too, levels of a book lists, enums their text.

            frame = pandas.DataFrame([bar.to_dict(numbers="float") for bar in bars])

        Args:
            numbers: type of amounts: `decimal` is exact; `float` has 15 digits, for pandas, models and charts, never
                for orders.

        Raises InvalidRequest, ProtocolError for an amount that is no number.
        """
        if numbers not in _NUMBERS:
            raise InvalidRequest(f"numbers {numbers!r} is not one of 'decimal', 'float'")
        return _fields(cast(msgspec.Struct, self), _NUMBERS[numbers])


def plain(value: object) -> Plain:
    """Convert an answer of the exchange, or a container of answers, to a JSON value.

    A `Decimal` becomes text without an exponent. Raises TypeError for a value without a JSON form.
    """
    converted: Plain = _converted(value, _text)
    return converted


def _text(number: Decimal) -> str:
    return format(number, "f")


def _converted(value: object, number: Callable[[Decimal], object]) -> Any:
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, msgspec.Struct):
        if isinstance(value, Iterable):  # a level of a book
            return [_converted(item, number) for item in value]
        return _fields(value, number)
    if isinstance(value, Enum):
        return _converted(value.value, number)
    if isinstance(value, Mapping):
        return {str(key): _converted(item, number) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_converted(item, number) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _fields(value: msgspec.Struct, number: Callable[[Decimal], object]) -> dict[str, Any]:
    return {name: _converted(getattr(value, name), number) for name in field_names(type(value))}


@cache
def field_names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the fields of a class. A number stored as text, `open_text`, appears as the number, `open`."""
    stems = [(field.name, field.name.removesuffix("_text")) for field in msgspec.structs.fields(kind)]
    return tuple(stem if stem in vars(kind) else name for name, stem in stems)
