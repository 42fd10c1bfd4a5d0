"""JSON values of the SDK's objects: amounts as exact text, fields by the SDK's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TypeAlias

import msgspec

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"
"""A JSON value."""


def plain(value: object) -> Plain:
    """Convert an answer of the exchange, or a container of answers, to a JSON value.

    A `Decimal` becomes text without an exponent. Raises TypeError for a value without a JSON form.
    """
    if isinstance(value, msgspec.Struct):
        if isinstance(value, Iterable):  # a level of a book
            return [plain(item) for item in value]
        return {name: plain(getattr(value, name)) for name in field_names(type(value))}
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no form in JSON")


@cache
def field_names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the fields of a class. A number stored as text, `open_text`, appears as the number, `open`."""
    stems = [(field.name, field.name.removesuffix("_text")) for field in msgspec.structs.fields(kind)]
    return tuple(stem if stem in vars(kind) else name for name, stem in stems)
