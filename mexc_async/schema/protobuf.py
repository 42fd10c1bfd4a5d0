"""Protocol Buffers' wire format (proto3), read and written by tables that are derived once from a Struct's annotations.

    class Trade(Struct, frozen=True, gc=False):
        price_text: Annotated[str, Field(1, "price")]
        time: Annotated[int, Field(4, "time")] = 0

    trade, unknown = message_of(Trade).decode(frame)

Results are those of Google's runtime: defaults for what is absent, the last one wins, a repeated embedded message is
merged, unknown fields are skipped. Two things are refused that it skips too: groups, which proto3 does not have, and a
known field in another wire type, which would read as if it were absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from mexc_async.errors import ProtocolError
from mexc_async.native.loader import compiled
from mexc_async.schema.fields import OpenEnum
from mexc_async.schema.protobuf_fast import usual_reader
from mexc_async.schema.protobuf_read import BYTES, FIXED64, VARINT, read, small_varint, varint
from mexc_async.schema.protobuf_read import Kind as Kind

T = TypeVar("T")
E = TypeVar("E", bound=OpenEnum)
Buffer: TypeAlias = bytes | bytearray | memoryview

_SCALARS: dict[object, tuple[Kind, object]] = {str: (Kind.TEXT, ""), int: (Kind.INT64, 0), bool: (Kind.BOOL, False)}


class Names(Generic[E]):
    """The numbers of an enum on the wire. An unknown number becomes its digits, of which `is_known` is False."""

    def __init__(self, enum: type[E], by_number: Mapping[int, E]) -> None:
        self.enum = enum
        self.by_number = dict(by_number)
        self._numbers = {value: number for number, value in by_number.items()}

    def value(self, number: int) -> E:
        """What a number stands for."""
        known = self.by_number.get(number)
        return self.enum(str(number)) if known is None else known

    def number(self, value: E) -> int:
        """The number of a value. Raises ValueError if it has none."""
        known = self._numbers.get(value)
        return int(value) if known is None else known


class Field(NamedTuple):
    """A field's place on the wire, noted beside its type: `Annotated[str, Field(7, "tradeId")]`."""

    number: int
    name: str
    """The schema's word."""
    kind: Kind | Names[Any] | Message[Any] | None = None
    """Where the type does not tell: INT32, an enum's numbers, or the message."""


class OneOf:
    """The fields of which a message carries one: `Annotated[Body, OneOf(Field(...), Field(...))]`."""

    def __init__(self, *options: Field) -> None:
        self.options = options


class Slot(NamedTuple):
    """A declared field with what its type tells."""

    position: int
    """Which field of the Struct, from 0."""
    attribute: str
    field: Field
    kind: Kind
    default: Any
    """What an absent one is; None where it can be told from one that is sent."""
    detail: Any = None
    """The message, or the enum's numbers."""

    @property
    def tag(self) -> int:
        """What precedes the field on the wire."""
        return self.field.number << 3 | (BYTES if self.kind in (Kind.TEXT, Kind.MANY, Kind.ONE) else VARINT)


class Message(Generic[T]):
    """A message type: a Struct and its fields on the wire. Reads and writes it.

    `fields` by attribute stand in for the annotations of a Struct that has none. Fields of the Struct that are not
    on the wire come last. Raises TypeError for a declaration that does not fit.
    """

    def __init__(self, struct: type[T], fields: Mapping[str, Field] | None = None) -> None:
        self.struct = struct
        self.slots = tuple(sorted(_slots(struct, fields), key=lambda slot: slot.field.number))
        self.numbers = frozenset(slot.field.number for slot in self.slots)
        if len(self.numbers) < len(self.slots):
            raise TypeError(f"{struct.__name__} declares a field number twice")
        self.known = {slot.tag: slot for slot in self.slots}
        self.defaults = [slot.default for slot in sorted({slot.position: slot for slot in self.slots}.values())]
        plain = [(slot.field.number, slot.kind, slot.default) for slot in self.slots]
        self.is_pair = plain == [(1, Kind.TEXT, ""), (2, Kind.TEXT, "")]
        self.usual = usual_reader(self)
        self.decode: Callable[[bytes], tuple[T, int]] = compiled.Reader(self).decode if compiled else self.decode_pure
        """The message, and how many fields in it and below are unknown. Raises ProtocolError."""

    def decode_pure(self, data: bytes) -> tuple[T, int]:
        """`decode` in Python."""
        try:
            made = self.usual(data + b"\0", str(data, "latin-1"), 0, len(data))
        except (IndexError, ProtocolError):
            made = None
        return read(self, data) if made is None else (made, 0)

    def encode(self, value: T) -> bytes:
        """The message in bytes, fields by number. Raises ValueError for a number that does not fit its field."""
        parts: list[bytes] = []
        for slot in self.slots:
            part = getattr(value, slot.attribute)
            if slot.kind == Kind.MANY:
                parts += [delimited(slot.field.number, slot.detail.encode(item)) for item in part]
            elif slot.kind == Kind.ONE:
                if type(part) is slot.detail.struct:
                    parts.append(delimited(slot.field.number, slot.detail.encode(part)))
            elif part is not None and part != slot.default:
                parts.append(_scalar(slot, part))
        return b"".join(parts)


def message_of(struct: type[T]) -> Message[T]:
    """The message that a Struct's annotations declare, made once."""
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
            yield from (Slot(position, attribute, option, Kind.ONE, None, option.kind) for option in note.options)
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
    """(number, content) of the length-delimited fields at the top of a message that it does not declare.

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


# --- writing ---


def delimited(number: int, content: bytes) -> bytes:
    """One length-delimited field."""
    return _varint_of(number << 3 | BYTES) + _varint_of(len(content)) + content


def _scalar(slot: Slot, value: Any) -> bytes:
    if slot.kind == Kind.TEXT:
        return delimited(slot.field.number, value.encode())
    number = slot.detail.number(value) if slot.kind == Kind.NAMED else int(value)
    bits = 63 if slot.kind == Kind.INT64 else 31
    if not -1 << bits <= number < 1 << bits:
        raise ValueError(f"{slot.attribute} {number} does not fit into {bits + 1} bits")
    return _varint_of(slot.field.number << 3 | VARINT) + _varint_of(number & 0xFFFFFFFFFFFFFFFF)


def _varint_of(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
