"""Field tables of protobuf messages: number, kind and default of each field, derived once from a declaration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar

from mexc_async.schema.fields import OpenEnum

T = TypeVar("T")
E = TypeVar("E", bound=OpenEnum)

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""


class Kind(IntEnum):
    """Kind of a field."""

    TEXT = 0
    INT64 = 1
    INT32 = 2
    BOOL = 3
    NAMED = 4
    """An enum's value, by its number."""
    MANY = 5
    """Any number of messages of one type."""
    ONE = 6
    """A message, or one of several."""


class Names(Generic[E]):
    """Numbers of an enum on the wire. An unknown number becomes a value of its digits, whose `is_known` is False."""

    def __init__(self, enum: type[E], by_number: Mapping[int, E]) -> None:
        self.enum = enum
        self.by_number = dict(by_number)
        self._numbers = {value: number for number, value in by_number.items()}

    def value(self, number: int) -> E:
        """Return the value of a number."""
        known = self.by_number.get(number)
        return self.enum(str(number)) if known is None else known

    def number(self, value: E) -> int:
        """Return the number of a value. Raises ValueError if it has none."""
        known = self._numbers.get(value)
        return int(value) if known is None else known


class Field(NamedTuple):
    """A field's place on the wire, declared with its type: `Annotated[str, Field(7, "tradeId")]`."""

    number: int
    name: str
    """Name in the schema."""
    kind: Kind | Names[Any] | Fields[Any] | type[Any] | None = None
    """Kind, if the type does not imply it: INT32, an enum's numbers, or the message; the Struct of one of several."""


class OneOf:
    """Alternative fields, of which a message has one: `Annotated[Body, OneOf(Field(...), Field(...))]`."""

    def __init__(self, *options: Field) -> None:
        self.options = options


class Slot(NamedTuple):
    """A declared field, with the kind and default from its type."""

    position: int
    """Index of the Struct's field, from 0."""
    attribute: str
    field: Field
    kind: Kind
    default: Any
    """Value of an absent field; None if absence differs from every sent value."""
    detail: Any = None
    """The message, or the enum's numbers."""

    @property
    def tag(self) -> int:
        """The tag before the field on the wire."""
        return self.field.number << 3 | (BYTES if self.kind in (Kind.TEXT, Kind.MANY, Kind.ONE) else VARINT)


class Fields(Generic[T]):
    """Fields of a message by number. Raises TypeError for a number that is declared twice."""

    def __init__(self, struct: type[T], slots: Iterable[Slot]) -> None:
        self.struct = struct
        self.slots = tuple(sorted(slots, key=lambda slot: slot.field.number))
        self.numbers = frozenset(slot.field.number for slot in self.slots)
        if len(self.numbers) < len(self.slots):
            raise TypeError(f"{struct.__name__} declares a field number twice")
        self.known = {slot.tag: slot for slot in self.slots}
        self.defaults = [slot.default for slot in sorted({slot.position: slot for slot in self.slots}.values())]
        plain = [(slot.field.number, slot.kind, slot.default) for slot in self.slots]
        self.is_pair = plain == [(1, Kind.TEXT, ""), (2, Kind.TEXT, "")]
