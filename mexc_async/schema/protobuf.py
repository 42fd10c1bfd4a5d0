"""Protocol Buffers (proto3): reads and writes messages by tables derived once from a Struct's annotations.

    class Trade(Struct, frozen=True, gc=False):
        price_text: Annotated[str, Field(1, "price")]
        time: Annotated[int, Field(4, "time")] = 0

    trade, unknown = message_of(Trade).decode(frame)

Results are those of Google's runtime: absent fields have defaults, the last value wins, a repeated embedded message is
merged, unknown fields are skipped. Two things that Google skips raise an error here: groups, which proto3 does not
have, and a known field of another wire type, which would read as if it were absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from mexc_async.errors import ProtocolError
from mexc_async.native.loader import compiled
from mexc_async.schema.protobuf_fast import Usual, usual_reader
from mexc_async.schema.protobuf_fields import BYTES, FIXED64, VARINT, Field, Fields, Kind, Names, OneOf, Slot
from mexc_async.schema.protobuf_read import read, small_varint, varint
from mexc_async.schema.protobuf_write import Write, writer

T = TypeVar("T")
Buffer: TypeAlias = bytes | bytearray | memoryview

_SCALARS: dict[object, tuple[Kind, object]] = {str: (Kind.TEXT, ""), int: (Kind.INT64, 0), bool: (Kind.BOOL, False)}


class Message(Fields[T]):
    """A message type: reads and writes a Struct by its fields on the wire.

    `fields`, by attribute, replace the annotations of a Struct that has none. Fields of the Struct that are not
    on the wire come last. Raises TypeError for an invalid declaration.
    """

    def __init__(self, struct: type[T], fields: Mapping[str, Field] | None = None) -> None:
        super().__init__(struct, _slots(struct, fields))
        self._write: Write | None = None  # made at the first use: a client writes hardly any
        self.decode: Callable[[bytes], tuple[T, int]] = compiled.Reader(self).decode if compiled else self.decode_pure
        """Function from bytes to (message, count of unknown fields, nested ones included). Raises ProtocolError."""

    @cached_property
    def usual(self) -> Usual:
        """The fast reader in Python, made at its first use."""
        return usual_reader(self)

    def decode_pure(self, data: bytes) -> tuple[T, int]:
        """Decode in Python, as `decode` does."""
        try:
            made = self.usual(data + b"\0", str(data, "latin-1"), 0, len(data))
        except (IndexError, ProtocolError):
            made = None
        return read(self, data) if made is None else (made, 0)

    def encode(self, value: T) -> bytes:
        """Encode a message, fields in order of number. Raises ValueError for a number too large for its field."""
        if self._write is None:
            self._write = writer(self)
        return self._write(value)


def message_of(struct: type[T]) -> Message[T]:
    """Return the message type that a Struct's annotations declare, made once."""
    message = _messages.get(struct)
    if message is None:
        message = _messages[struct] = Message(struct)
    return message


_messages: dict[type, Message[Any]] = {}


def _slots(struct: type, declared: Mapping[str, Field] | None) -> Iterator[Slot]:
    hints = get_type_hints(struct, include_extras=True)
    names: tuple[str, ...] = struct.__struct_fields__  # type: ignore[attr-defined]  # every Struct has them
    on_wire = 0
    for position, attribute in enumerate(names):
        hint, where = hints[attribute], f"{struct.__name__}.{attribute}"
        base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        note = declared[attribute] if declared else next((n for n in notes if isinstance(n, Field | OneOf)), None)
        if note is None:
            continue
        if position != on_wire:
            raise TypeError(f"{where} comes after a field that is not on the wire")
        on_wire += 1
        if isinstance(note, OneOf):
            for option in note.options:
                if not isinstance(option.kind, type):
                    raise TypeError(f"{where}: {option.name} names no Struct")
                yield Slot(position, attribute, option, Kind.ONE, None, message_of(option.kind))
        else:
            yield _slot(where, position, attribute, base, note)


def _slot(where: str, position: int, attribute: str, base: Any, field: Field) -> Slot:
    is_optional = get_origin(base) in (Union, UnionType) and NoneType in get_args(base)
    if is_optional:
        base = next(arm for arm in get_args(base) if arm is not NoneType)
    if get_origin(base) is tuple:
        item = field.kind or message_of(get_args(base)[0])
        return Slot(position, attribute, field, Kind.MANY, (), item)
    if isinstance(field.kind, Names):
        default = None if is_optional else field.kind.value(0)
        return Slot(position, attribute, field, Kind.NAMED, default, field.kind)
    if base in _SCALARS:
        kind, zero = _SCALARS[base]
        kind = field.kind if isinstance(field.kind, Kind) else kind
        return Slot(position, attribute, field, kind, None if is_optional else zero)
    if isinstance(base, type) and issubclass(base, Struct):
        return Slot(position, attribute, field, Kind.ONE, None, field.kind or message_of(base))
    raise TypeError(f"{where}: no way to put {base} on the wire")


def unknown_bytes(message: Message[Any], data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, content) of the undeclared length-delimited fields at the top level of a message.

    `data` must have passed `decode`.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = small_varint(data, at)
        if tag & 7 == BYTES:
            size, at = small_varint(data, at)
            if tag >> 3 not in message.numbers:
                yield tag >> 3, data[at : at + size]
            at += size
        elif tag & 7 == VARINT:
            at = varint(data, at)[1]
        else:
            at += 8 if tag & 7 == FIXED64 else 4
