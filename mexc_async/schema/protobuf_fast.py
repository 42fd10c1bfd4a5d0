"""Fast readers of usual messages: fields in order of number, each once, none unknown, ASCII texts below 128 bytes.

The readers are generated, one a message type, as `dataclasses` generates `__init__`: reading by a table takes twice the
time. For any other message a reader returns None or raises, and `protobuf_read.py` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from struct import Struct as Layout
from struct import error as LayoutError
from typing import Any, TypeAlias

from mexc_async.schema.protobuf_fields import Fields, Kind, Slot
from mexc_async.schema.protobuf_read import signed, time_rests, varint

Levels: TypeAlias = tuple[Any, ...]
Usual: TypeAlias = Callable[[bytes, str, int, int], Any]
"""(data with a zero byte appended, the same as Latin-1 text, start and end of the message) -> the message.

Returns None, or raises IndexError or ProtocolError, for an unusual or malformed message.
"""


def usual_reader(message: Fields[Any]) -> Usual:
    """Make the fast reader of a message type."""
    names: dict[str, Any] = {"defaults": message.defaults, "struct": message.struct, "rests": time_rests.get}
    values = ", ".join(f"v{position}" for position in range(len(message.defaults)))
    lines = ["def read(data, text, at, end):", f" {values}, = defaults"]
    slots = [slot for slot in message.slots if slot.tag < 1 << 14]
    pairs = [slot for slot in slots if slot.kind == Kind.MANY and slot.detail.is_pair and slot.tag < 128]
    if len(pairs) == 2 and pairs[0].detail is pairs[1].detail:
        names["levels"] = _levels_reader(*pairs)
        both = ", ".join(f"v{slot.position}" for slot in pairs)
        lines += [f" if end - at > {_LEVELS_BYTES}: {both}, at = levels(data, at, end)"]
    for _, group in groupby(slots, _group):
        lines += _lines(list(group), names)
    lines += [" if at != end: return None", f" return struct({values})"]
    exec("\n".join(lines), names)  # noqa: S102 - made of tags and positions alone
    reader: Usual = names["read"]
    return reader


def _group(slot: Slot) -> tuple[object, ...]:
    """Return the key of slots that are read together."""
    return slot.kind, slot.tag < 128, slot.kind == Kind.ONE and slot.position


def _lines(slots: list[Slot], names: dict[str, Any]) -> Iterator[str]:
    match slots[0].kind:
        case Kind.TEXT:
            yield from _text_lines(slots)
        case Kind.ONE:
            yield from _one_lines(slots, names)
        case Kind.MANY:
            for slot in slots:
                yield from _many_lines(slot, names)
        case _:
            for slot in slots:
                yield from _number_lines(slot, names)


def _text_lines(slots: list[Slot]) -> Iterator[str]:
    """Write code that slices each text; one check finds all texts, tags and sizes ASCII, so these have one byte."""
    width = _width(slots[0])
    yield " start = at"
    for slot in slots:
        yield f" if {_is_here(slot)}:"
        if width > 1:
            yield "  start = at + 2"
        yield f"  at += {width + 1}; v{slot.position} = text[at : (at := at + data[at - 1])]"
        if width > 1:
            yield "  if not text[start:at].isascii(): return None"
    if width == 1:
        yield " if not text[start:at].isascii(): return None"


def _number_lines(slot: Slot, names: dict[str, Any]) -> Iterator[str]:
    value = f"v{slot.position}"
    yield f" if {_is_here(slot)}:"
    yield f"  {value} = data[at + {_width(slot)}]; at += {_width(slot) + 1}"
    yield f"  if {value} > 127:"
    if slot.kind != Kind.INT64:
        yield "   return None"
    else:
        names["int64"] = _int64
        yield "   if (rest := rests(data[at + 1 : at + 5])) and (middle := data[at]) > 127:"
        yield f"    {value} += rest[0] + (middle << 7); at += rest[1]"
        yield f"   else: {value}, at = int64(data, at - 1)"
    if slot.kind == Kind.BOOL:
        yield f"  {value} = {value} != 0"
    if slot.kind == Kind.NAMED:
        names[f"named{slot.position}"] = slot.detail.by_number.get
        yield f"  if ({value} := named{slot.position}({value})) is None: return None"


def _one_lines(slots: list[Slot], names: dict[str, Any]) -> Iterator[str]:
    position, width = slots[0].position, _width(slots[0])
    names[f"one{position}_{width}"] = {_tag_bytes(slot): slot.detail.usual for slot in slots}.get
    yield f" if reader := one{position}_{width}(data[at : at + {width}]):"
    yield from _size_lines("  ", width)
    yield f"  if (v{position} := reader(data, text, at, at := at + size)) is None: return None"


def _many_lines(slot: Slot, names: dict[str, Any]) -> Iterator[str]:
    names[f"item{slot.position}"] = slot.detail.usual
    yield f" if {_is_here(slot)}:"
    yield f"  items = [*v{slot.position}]"
    yield f"  while at < end and {_is_here(slot)}:"
    yield from _size_lines("   ", _width(slot))
    yield f"   if (item := item{slot.position}(data, text, at, at := at + size)) is None: return None"
    yield "   items.append(item)"
    yield f"  v{slot.position} = tuple(items)"


def _size_lines(indent: str, width: int) -> Iterator[str]:
    yield f"{indent}size = data[at + {width}]; at += {width + 1}"
    yield f"{indent}if size > 127:"
    yield f"{indent} if (high := data[at]) > 127: return None"
    yield f"{indent} size += (high << 7) - 128; at += 1"


def _width(slot: Slot) -> int:
    return 1 if slot.tag < 128 else 2


def _tag_bytes(slot: Slot) -> bytes:
    return bytes([slot.tag]) if slot.tag < 128 else bytes([slot.tag & 127 | 128, slot.tag >> 7])


def _is_here(slot: Slot) -> str:
    return " and ".join(
        f"data[at + {i}] == {byte}" if i else f"data[at] == {byte}" for i, byte in enumerate(_tag_bytes(slot))
    )


def _int64(data: bytes, at: int) -> tuple[int, int]:
    value, stop = varint(data, at)
    return signed(value), stop


# --- the levels of a book ---


class _Outlines(dict[bytes, bytes]):
    """Outlines of levels by their six non-digit bytes: an outline has a space for each of these, 0 for each digit.

    Twelve bytes give the outline of two levels, with half the look-ups. Raises KeyError unless the six are
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
"""Most outlines in memory: a market has some hundred; malformed frames must not fill the memory."""
_outline = _Outlines().__getitem__
_DIGITS = b"0123456789."
_OUTLINED = bytes(48 if byte in _DIGITS else 32 for byte in range(256))
_SPACED = bytes(byte if byte in _DIGITS else 32 for byte in range(256))
_LEVELS_BYTES = 200
"""Bytes, about six levels, from which reading levels in bulk is faster; at 30 levels it takes half the time."""

_LEVELS_MAX = 300
"""Most levels to read in bulk, which also bounds the count of `_pairs`."""


@cache
def _pairs(count: int) -> Callable[[bytes], tuple[bytes, ...]]:
    """Make a function that cuts the non-digit bytes of `count` levels from bytes, two levels at a time."""
    return Layout("12s" * (count // 2) + "6s" * (count % 2)).unpack_from


def _levels_reader(first: Slot, second: Slot) -> Callable[[bytes, int, int], tuple[Levels, Levels, int]]:
    """Make a bulk reader of both sides of a book at the start of `data[at:end]`; it returns the levels and their end.

    A level is `tag size 0A size PRICE 12 size QUANTITY`: six bytes that are no digits, and digits in two places. The
    six bytes give the level's outline. If the outlines match the bytes, every size is right, and the text can be split
    at the non-digits. All loops are in C. Other levels are read one by one.
    """
    first_tag, second_tag, level = bytes([first.tag]), bytes([second.tag]), first.detail.struct

    def read_levels(data: bytes, at: int, end: int) -> tuple[Levels, Levels, int]:
        chunk = data[at:end]
        marks = chunk.translate(None, _DIGITS)
        heads = marks[::6]
        others = heads.lstrip(first_tag)
        split = len(heads) - len(others)
        count = len(heads) - len(others.lstrip(second_tag))
        if count > _LEVELS_MAX:
            count, split = _LEVELS_MAX, min(split, _LEVELS_MAX)
        try:
            outline = b"".join(map(_outline, _pairs(count)(marks)))
        except (KeyError, LayoutError):  # not a level, or a truncated one
            return (), (), at
        levels = chunk[: len(outline)]
        if levels.translate(_OUTLINED) != outline:
            return (), (), at
        texts = iter(levels.translate(_SPACED).decode().split())
        made = tuple(map(level, texts, texts))
        return made[:split], made[split:], at + len(outline)

    return read_levels
