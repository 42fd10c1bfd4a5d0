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
from enum import IntEnum
from functools import cache
from struct import Struct as Layout
from struct import error as LayoutError
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from mexc_async.core.fields import OpenEnum
from mexc_async.core.kind import compiled
from mexc_async.errors import ProtocolError

T = TypeVar("T")
E = TypeVar("E", bound=OpenEnum)
Buffer: TypeAlias = bytes | bytearray | memoryview

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""


class Kind(IntEnum):
    """What a field holds."""

    TEXT = 0
    INT64 = 1
    INT32 = 2
    BOOL = 3
    NAMED = 4
    """The number of an enum's value."""
    MANY = 5
    """Any number of messages of one type."""
    ONE = 6
    """A message, or one of several."""


_TEXT, _INT64, _INT32, _BOOL, _NAMED, _MANY, _ONE = (int(kind) for kind in Kind)  # plain, for the inner loop
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
        known = {slot.tag: (slot.position, int(slot.kind), slot.detail) for slot in self.slots}
        texts = {slot.tag: slot.position for slot in self.slots if slot.kind == Kind.TEXT and slot.tag < 128}
        text_positions = [texts.get(tag, -1) for tag in range(256)]
        self.defaults = [slot.default for slot in sorted({slot.position: slot for slot in self.slots}.values())]
        self._many = [slot.position for slot in self.slots if slot.kind == Kind.MANY]
        self._one = list({slot.position for slot in self.slots if slot.kind == Kind.ONE})
        self._is_flat = not self._many and not self._one
        plain = [(slot.field.number, slot.kind, slot.default) for slot in self.slots]
        self.is_pair = plain == [(1, Kind.TEXT, ""), (2, Kind.TEXT, "")]
        self._sides = self._sides_of([slot for slot in self.slots if slot.kind == Kind.MANY and slot.detail.is_pair])
        self._reading = (text_positions, known, self._sides)
        self.decode: Callable[[bytes], tuple[T, int]] = compiled.Reader(self).decode if compiled else self.decode_pure
        """The message, and how many fields in it and below are unknown. Raises ProtocolError."""

    def decode_pure(self, data: bytes) -> tuple[T, int]:
        """`decode` in Python."""
        values = self.defaults.copy()
        try:
            unknown = _read(self, values, data, str(data, "latin-1"), 0, len(data))
        except IndexError:
            raise ProtocolError(f"{self.struct.__name__}: ends within a field") from None
        return _made(self, values), unknown

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

    def _sides_of(self, pairs: list[Slot]) -> Any:
        """What `_read_sides` needs, where this is a book: two lists of levels and no other."""
        if len(pairs) != 2 or pairs[0].detail is not pairs[1].detail or len(self._many) != 2:
            return None
        first, second = pairs
        return bytes([first.tag]), bytes([second.tag]), first.position, second.position, first.detail.struct


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


# --- reading ---


def _read(message: Message[Any], values: list[Any], data: bytes, text: str, at: int, end: int) -> int:
    """Put the fields of `data[at:end]` into `values`; how many are unknown. `text` is `data` as Latin-1.

    Raises ProtocolError, or IndexError where the data end too early.
    """
    (texts, known, sides), unknown = message._reading, 0
    while at < end:
        tag, size = data[at], data[at + 1]  # of one byte each, as most are
        at += 2
        if (index := texts[tag]) >= 0 and size < 128:
            value = text[at : (at := at + size)]
            values[index] = value if value.isascii() else _utf8(message, data, at - size, at)
            continue
        if tag > 127:
            if size > 127:
                tag, at = _small_varint(data, at - 2)
            else:
                tag = tag & 127 | size << 7
            size = data[at]
            at += 1
        entry = known.get(tag)
        if entry is None:
            at = _skip(message, tag, data, at - 1)
            unknown += 1
            continue
        index, kind, detail = entry
        if tag & 7 == BYTES:
            if size > 127:
                if (high := data[at]) < 128:
                    size, at = size & 127 | high << 7, at + 1
                else:
                    size, at = _small_varint(data, at - 1)
            stop = at + size
            if stop > end:
                raise _bad(message, "a field goes past the end", at)
            if kind == _ONE:
                if (held := values[index]) is None or held[0] is not detail:
                    held = values[index] = (detail, detail.defaults.copy())
                unknown += _read(detail, held[1], data, text, at, stop)
            elif kind == _MANY:
                if sides and end - at > _SIDES_BYTES and data[at - 2] == tag:
                    sides = None  # tried once, so that what only looks like a book stays cheap
                    if length := _read_sides(message, values, data[at - 2 : end]):
                        at += length - 2
                        continue
                item = detail.defaults.copy()
                unknown += _read(detail, item, data, text, at, stop)
                made = detail.struct(*item) if detail._is_flat else _made(detail, item)
                if type(items := values[index]) is list:
                    items.append(made)
                else:
                    values[index] = [*items, made]
            else:
                values[index] = _utf8(message, data, at, stop)
            at = stop
            continue
        if size > 127:
            if (rest := _time_rests.get(data[at + 1 : at + 5])) and (middle := data[at]) > 127:
                upper, length = rest
                size, at = upper + (middle << 7) + size, at + length
            else:
                size, at = _varint(data, at - 1)
        if kind == _INT64:
            values[index] = size if size < 1 << 63 else size - (1 << 64)
        elif kind == _BOOL:
            values[index] = size != 0
        else:
            if size > 0x7FFFFFFF:  # its low 32 bits count, as in Google's runtime
                size = (size & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
            values[index] = size if kind == _INT32 else detail.by_number.get(size) or detail.value(size)
    if at != end:
        raise _bad(message, "a field goes past the end", end)
    return unknown


def _made(message: Message[T], values: list[Any]) -> T:
    """The Struct, once all its fields are read: what may be added to or merged until then is made now."""
    for index in message._many:
        if type(items := values[index]) is list:
            values[index] = tuple(items)
    for index in message._one:
        if (held := values[index]) is not None:
            values[index] = held[0].struct(*held[1]) if held[0]._is_flat else _made(*held)
    return message.struct(*values)


class _Outlines(dict[bytes, bytes]):
    """The outline of a level by the six bytes of it that are no digits: a space for each of those, 0 for each digit.

    Two levels at once have theirs by twelve bytes: half the look-ups. KeyError if the six are not
    `tag size 0A size 12 size` with sizes that agree.
    """

    def __missing__(self, marks: bytes) -> bytes:
        if len(marks) == 12:
            outline = self[marks[:6]] + self[marks[6:]]
        else:
            _, size, price_tag, price_size, quantity_tag, quantity_size = marks
            tags_fit = price_tag == 0x0A and quantity_tag == 0x12
            if not (tags_fit and price_size and quantity_size and price_size + quantity_size + 4 == size < 128):
                raise KeyError(marks)
            outline = b"    " + b"0" * price_size + b"  " + b"0" * quantity_size
        if len(self) >= _OUTLINES_MAX:
            self.clear()
        self[marks] = outline
        return outline


_OUTLINES_MAX = 20_000
"""Those of a market are some hundred; strange frames must not fill the memory."""
_outline = _Outlines().__getitem__
_DIGITS = b"0123456789."
_OUTLINED = bytes(48 if byte in _DIGITS else 32 for byte in range(256))
_SPACED = bytes(byte if byte in _DIGITS else 32 for byte in range(256))
_SIDES_BYTES = 200
"""From here on, about six levels, reading a book's levels in bulk is the cheaper way; at 30 it takes half the time."""

_SIDES_MAX = 300
"""Levels to read in bulk, so that there are no more `_pairs` than this."""


@cache
def _pairs(count: int) -> Callable[[bytes], tuple[bytes, ...]]:
    """What cuts the marks of so many levels from the beginning of something, two levels at a time."""
    return Layout("12s" * (count // 2) + "6s" * (count % 2)).unpack_from


def _read_sides(message: Message[Any], values: list[Any], chunk: bytes) -> int:
    """Read both sides of a book in bulk, if `chunk` begins with them; how long they are, 0 to read one by one.

    A level is `tag size 0A size PRICE 12 size QUANTITY`: six bytes that are no digits, and digits in two places. The
    six give the level's outline; if the outlines are those of the bytes, every size is right, and the digits can be
    split at the rest. All loops are in C.
    """
    first_tag, second_tag, first, second, level = message._sides
    marks = chunk.translate(None, _DIGITS)
    heads = marks[::6]
    others = heads.lstrip(first_tag)
    split = len(heads) - len(others)
    count = len(heads) - len(others.lstrip(second_tag))
    if count > _SIDES_MAX:
        count, split = _SIDES_MAX, min(split, _SIDES_MAX)
    try:
        outline = b"".join(map(_outline, _pairs(count)(marks)))
    except (KeyError, LayoutError):  # not a level, or only the beginning of one
        return 0
    levels = chunk[: len(outline)]
    if levels.translate(_OUTLINED) != outline or values[first] or values[second]:
        return 0
    texts = iter(levels.translate(_SPACED).decode().split())
    made = tuple(map(level, texts, texts))
    values[first], values[second] = made[:split], made[split:]
    return len(outline)


def _utf8(message: Message[Any], data: bytes, at: int, stop: int) -> str:
    try:
        return str(data[at:stop], "utf-8")
    except UnicodeDecodeError:
        raise _bad(message, "text that is not UTF-8", at) from None


def _small_varint(data: bytes, at: int) -> tuple[int, int]:
    """A tag or a size, at most five bytes, and where it ends. Raises ProtocolError or IndexError."""
    if data[at + 1] < 128:
        return data[at] & 127 | data[at + 1] << 7, at + 2
    value, stop = _varint(data, at)
    if stop - at > 5:
        raise ProtocolError(f"a tag or size of {stop - at} bytes at byte {at}")
    return value, stop


_time_rests: dict[bytes, tuple[int, int]] = {}
"""What the third to sixth byte add to a time, and how many bytes it has after the first, by those four bytes.

A time in milliseconds has six bytes, of which these are new every 16 s; one in seconds has five, so that the fourth of
these is the next field's first. Looked up here a time is read in a third of the time.
"""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends. Raises ProtocolError or IndexError."""
    value = shift = 0
    part = data[at : at + 10]
    for byte in part:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            if shift in (35, 42):
                if len(_time_rests) > 999:
                    _time_rests.clear()
                _time_rests[part[2:6]] = (value >> 14 << 14) - 0x4080, shift // 7 - 1  # less two continuation bits
            return value & 0xFFFFFFFFFFFFFFFF, at + shift // 7
    if len(part) < 10:
        raise IndexError
    raise ProtocolError(f"a number of more than 10 bytes at byte {at}")


def _skip(message: Message[Any], tag: int, data: bytes, at: int) -> int:
    """Where a field that is not known ends. Raises ProtocolError or IndexError."""
    number, wire_type = tag >> 3, tag & 7
    if not 0 < number < 1 << 29:
        raise _bad(message, f"the field number {number}", at)
    if number in message.numbers:
        raise _bad(message, f"field {number} in wire type {wire_type}", at)
    if wire_type == VARINT:
        return _varint(data, at)[1]
    if wire_type == BYTES:
        size, at = (data[at], at + 1) if data[at] < 128 else _small_varint(data, at)
        return at + size
    if wire_type in (FIXED64, FIXED32):
        return at + (8 if wire_type == FIXED64 else 4)
    raise _bad(message, f"wire type {wire_type}" + ", a group" * (wire_type in (3, 4)), at)


def _bad(message: Message[Any], reason: str, at: int) -> ProtocolError:
    return ProtocolError(f"{message.struct.__name__}: {reason} at byte {at}")


def unknown_bytes(message: Message[Any], data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, content) of the length-delimited fields at the top of a message that it does not declare.

    `data` must have passed `decode`.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = (data[at], at + 1) if data[at] < 128 else _small_varint(data, at)
        if tag & 7 == BYTES:
            size, at = (data[at], at + 1) if data[at] < 128 else _small_varint(data, at)
            if tag >> 3 not in message.numbers:
                yield tag >> 3, data[at : at + size]
            at += size
        elif tag & 7 == VARINT:
            at = _varint(data, at)[1]
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
