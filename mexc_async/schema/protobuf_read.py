"""Reader of any protobuf message, field by field by its table; `protobuf_fast.py` reads the usual ones."""

from __future__ import annotations

from typing import Any, TypeVar

from mexc_async.errors import ProtocolError
from mexc_async.schema.protobuf_fields import BYTES, FIXED32, FIXED64, VARINT, Fields, Kind

T = TypeVar("T")


def read(message: Fields[T], data: bytes) -> tuple[T, int]:
    """Return (message, count of unknown fields, nested ones included). Raises ProtocolError."""
    values = message.defaults.copy()
    try:
        unknown = _read(message, values, data, 0, len(data))
    except IndexError:
        raise ProtocolError(f"{message.struct.__name__}: ends within a field") from None
    return _made(message, values), unknown


def _read(message: Fields[Any], values: list[Any], data: bytes, at: int, end: int) -> int:
    """Put the fields of `data[at:end]` into `values`; return the count of unknown ones.

    Raises ProtocolError, or IndexError if the data end too early.
    """
    unknown = 0
    while at < end:
        tag, at = small_varint(data, at)
        slot = message.known.get(tag)
        if slot is None:
            at = _skip(message, tag, data, at)
            unknown += 1
            continue
        index, kind, detail = slot.position, slot.kind, slot.detail
        if tag & 7 == BYTES:
            size, at = small_varint(data, at)
            stop = at + size
            if stop > end:
                raise _bad(message, "a field goes past the end", at)
            if kind == Kind.ONE:
                if (held := values[index]) is None or held[0] is not detail:
                    held = values[index] = (detail, detail.defaults.copy())
                unknown += _read(detail, held[1], data, at, stop)
            elif kind == Kind.MANY:
                item = detail.defaults.copy()
                unknown += _read(detail, item, data, at, stop)
                if type(values[index]) is not list:
                    values[index] = []
                values[index].append(_made(detail, item))
            else:
                values[index] = _utf8(message, data, at, stop)
            at = stop
            continue
        number, at = varint(data, at)
        if kind == Kind.INT64:
            values[index] = signed(number)
        elif kind == Kind.BOOL:
            values[index] = number != 0
        else:
            if number > 0x7FFFFFFF:  # the low 32 bits count, as in Google's runtime
                number = (number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
            values[index] = number if kind == Kind.INT32 else detail.value(number)
    if at != end:
        raise _bad(message, "a field goes past the end", end)
    return unknown


def _made(message: Fields[T], values: list[Any]) -> T:
    """Make the Struct once all fields are read, with the lists and merged messages collected until now."""
    for slot in message.slots:
        held = values[slot.position]
        if slot.kind == Kind.MANY:
            values[slot.position] = tuple(held)
        elif slot.kind == Kind.ONE and type(held) is tuple:
            values[slot.position] = _made(*held)
    return message.struct(*values)


def _utf8(message: Fields[Any], data: bytes, at: int, stop: int) -> str:
    try:
        return str(data[at:stop], "utf-8")
    except UnicodeDecodeError:
        raise _bad(message, "text that is not UTF-8", at) from None


def small_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a tag or size of at most five bytes, and its end. Raises ProtocolError or IndexError."""
    if data[at] < 128:
        return data[at], at + 1
    value, stop = varint(data, at)
    if stop - at > 5:
        raise ProtocolError(f"a tag or size of {stop - at} bytes at byte {at}")
    return value, stop


time_rests: dict[bytes, tuple[int, int]] = {}
"""Cache of the upper part of times: the third to sixth byte -> (their share of the value, bytes after the first).

A time in milliseconds has six bytes, of which these four change every 16 s. A time in seconds has five, so that the
last of these four is the next field's first. The cache reads a time in a third of the time.
"""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and its end. Raises ProtocolError or IndexError."""
    value = shift = 0
    part = data[at : at + 10]
    for byte in part:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            if shift in (35, 42):
                if len(time_rests) > 999:
                    time_rests.clear()
                time_rests[part[2:6]] = (value >> 14 << 14) - 0x4080, shift // 7 - 1  # less two continuation bits
            return value & 0xFFFFFFFFFFFFFFFF, at + shift // 7
    if len(part) < 10:
        raise IndexError
    raise ProtocolError(f"a number of more than 10 bytes at byte {at}")


def signed(number: int) -> int:
    """Return 64 bits as a signed number."""
    return number if number < 1 << 63 else number - (1 << 64)


def _skip(message: Fields[Any], tag: int, data: bytes, at: int) -> int:
    """Return the end of an unknown field. Raises ProtocolError or IndexError."""
    number, wire_type = tag >> 3, tag & 7
    if not 0 < number < 1 << 29:
        raise _bad(message, f"the field number {number}", at)
    if number in message.numbers:
        raise _bad(message, f"field {number} in wire type {wire_type}", at)
    if wire_type == VARINT:
        return varint(data, at)[1]
    if wire_type == BYTES:
        size, at = small_varint(data, at)
        return at + size
    if wire_type in (FIXED64, FIXED32):
        return at + (8 if wire_type == FIXED64 else 4)
    raise _bad(message, f"wire type {wire_type}" + ", a group" * (wire_type in (3, 4)), at)


def _bad(message: Fields[Any], reason: str, at: int) -> ProtocolError:
    return ProtocolError(f"{message.struct.__name__}: {reason} at byte {at}")
