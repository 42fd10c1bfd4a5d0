"""Writers of messages: one function a message type, generated once, as `dataclasses` generates `__init__`.

Writing by a table takes three times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from mexc_async.schema.protobuf_fields import BYTES, Fields, Kind, Slot

Write: TypeAlias = Callable[[Any], bytes]


def writer(message: Fields[Any]) -> Write:
    """Make the function from a message to its bytes, fields in order of number.

    It raises ValueError for a number too large for its field.
    """
    names: dict[str, Any] = {"delimited": delimited}
    lines = ["def write(value):", " parts = []"]
    for index, slot in enumerate(message.slots):
        lines += [f" part = value.{slot.attribute}", *_lines(slot, index, names)]
    lines.append(" return b''.join(parts)")
    exec("\n".join(lines), names)  # noqa: S102 - made of the names of fields alone
    write: Write = names["write"]
    return write


def _lines(slot: Slot, index: int, names: dict[str, Any]) -> Iterator[str]:
    """Yield the code that writes `part`, and name what it uses."""
    number = slot.field.number
    names[f"default_{index}"] = slot.default
    is_sent = f" if part is not None and part != default_{index}:"
    content = f"parts.append(short_{index}[len(part)] + part if len(part) < 128 else delimited({number}, part))"
    if slot.kind in (Kind.MANY, Kind.ONE, Kind.TEXT):
        names[f"short_{index}"] = [varint(slot.tag) + bytes((size,)) for size in range(128)]
        names[f"encode_{index}"] = str.encode if slot.kind == Kind.TEXT else slot.detail.encode
    if slot.kind == Kind.MANY:
        yield f" for item in part: part = encode_{index}(item); {content}"
    elif slot.kind == Kind.ONE:
        names[f"struct_{index}"] = slot.detail.struct
        yield f" if type(part) is struct_{index}: part = encode_{index}(part); {content}"
    elif slot.kind == Kind.TEXT:
        yield f"{is_sent} part = encode_{index}(part); {content}"
    else:
        names[f"number_{index}"] = _number_writer(slot)
        yield f"{is_sent} parts.append(number_{index}(part))"


def _number_writer(slot: Slot) -> Write:
    tag, known = varint(slot.tag), slot.detail
    bits = 63 if slot.kind == Kind.INT64 else 31
    short = [tag + bytes((number,)) for number in range(128)]

    def write(value: Any) -> bytes:
        number = known.number(value) if slot.kind == Kind.NAMED else int(value)
        if 0 <= number < 128:
            return short[number]
        if not -1 << bits <= number < 1 << bits:
            raise ValueError(f"{slot.attribute} {number} does not fit into {bits + 1} bits")
        return tag + varint(number & 0xFFFFFFFFFFFFFFFF)

    return write


def delimited(number: int, content: bytes) -> bytes:
    """Encode one length-delimited field."""
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """Encode a whole number from 0, seven bits a byte."""
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
