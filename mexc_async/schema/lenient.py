"""Lenient decoder for answers that differ from their declaration; reads them part by part from the raw bytes.

- A text field that arrives as a number holds the number as it was written: 11, 1.10, 1e3, -0, with all digits.
- Null or blank in a field that allows neither counts as missing: an optional field takes its default.
- One malformed item of a list is left out and reported. A required list without one good item is an error, and so is
  one bad item in a list that must be complete.

The decoder accepts nothing else: a missing required field makes its object malformed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

import msgspec

from mexc_async.schema.fields import OpenEnum, decode_field

_MISSING = (b"null", b'""')
_LEFT_OUT = "_left_out"
"""Suffix of a counter field: `x_left_out` counts the items left out of the list `x`."""
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBER = frozenset(b"%d" % digit for digit in range(10)) | {b"-"}
_items = msgspec.json.Decoder(list[msgspec.Raw])


@cache
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type, built once. Numbers may come as text."""
    return msgspec.json.Decoder(kind, dec_hook=decode_field, strict=False)


def read(kind: Any, raw: bytes, odd: list[str]) -> Any:
    """Decode a part of an answer; add the items left out of its lists to `odd`.

    Raises ValidationError if it does not fit, DecodeError if it is not JSON.
    """
    try:
        return decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        return _differing(kind, raw, odd, error)


def _differing(kind: Any, raw: bytes, odd: list[str], error: msgspec.ValidationError) -> Any:
    """Decode a part that differs from its declaration."""
    begin = raw.lstrip()[:1]
    if begin in _NUMBER:
        if (of_number := _of_number(kind)) is not None:
            return _fitting(of_number, raw.decode())
    elif begin == b"[" and (item := item_of(kind)) is not None:
        return _list(item, raw, odd)
    elif begin in (b"{", b"[") and (answer := struct_of(kind)) is not None:
        if begin == b"{":
            return _made(answer, _parts.decode(raw), odd)
        if _class_of(answer).__struct_config__.array_like:
            columns = (field.wire for field in _fields(answer))
            return _made(answer, dict(zip(columns, _items.decode(raw), strict=False)), odd)
    raise error


def other_shapes(kind: Any, raw: bytes) -> Iterator[bytes]:
    """Yield the answer in the shapes that other sources document."""
    answer = struct_of(kind)
    if answer is None:
        return
    is_list = raw.lstrip()[:1] == b"["
    if is_list and len(items := _items.decode(raw)) == 1:
        yield bytes(items[0])
    rows = getattr(answer, "list_field", None)
    if rows and (is_list or (raw.lstrip()[:1] == b"{" and rows not in _parts.decode(raw))):
        yield b'{"%s":%s}' % (rows.encode(), raw if is_list else b"[" + raw + b"]")


def item_of(kind: Any) -> Any:
    """Return the type of a list's items, also of a list in a union; None if there is no list."""
    return next((get_args(arm)[0] for arm in _arms(kind) if get_origin(arm) is list), None)


def struct_of(kind: Any) -> Any:
    """Return the Struct class of a type, also of one in a union; None without one."""
    return next((arm for arm in _arms(kind) if isinstance(_class_of(arm), msgspec.StructMeta)), None)


def _class_of(answer: Any) -> Any:
    """Return the class without its type arguments."""
    return get_origin(answer) or answer


def _arms(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


@cache
def _of_number(kind: Any) -> Any:
    """Return the function from a number's text to a value of this type; None if the type holds no text."""
    for arm in _arms(kind):
        if arm is str or (isinstance(arm, type) and issubclass(arm, OpenEnum)):
            return arm
        if getattr(arm, "takes_number_as_text", False):
            return arm.decode
    return None


def _fitting(make: Any, *args: Any, **fields: Any) -> Any:
    try:
        return make(*args, **fields)
    except ValueError as error:  # from a marker or a `__post_init__`
        raise msgspec.ValidationError(str(error)) from error


class _Field(NamedTuple):
    wire: str
    name: str
    kind: Any
    decode: Callable[[bytes], Any]
    is_required: bool
    is_list: bool


@cache
def _fields(answer: Any) -> tuple[_Field, ...]:
    return tuple(
        _Field(f.encode_name, f.name, f.type, decoder(f.type).decode, f.required, item_of(f.type) is not None)
        for f in msgspec.structs.fields(answer)
    )


def _made(answer: Any, parts: dict[str, msgspec.Raw], odd: list[str]) -> Any:
    """Make an object from its raw fields."""
    values: dict[str, Any] = {}
    for field in _fields(answer):
        if field.wire not in parts:
            if field.is_required:
                raise msgspec.ValidationError(f"Object missing required field `{field.wire}`")
            continue
        raw = bytes(parts[field.wire])
        try:
            values[field.name] = field.decode(raw)
            continue
        except msgspec.ValidationError as error:
            unlike = error
        inner: list[str] = []
        try:
            values[field.name] = _differing(field.kind, raw, inner, unlike)
        except msgspec.ValidationError as error:
            is_missing = raw in _MISSING
            if field.is_required or not (is_missing or field.is_list):
                raise msgspec.ValidationError(f"{field.wire}: {error}") from error
            if not is_missing and not inner:
                inner.append(f"{field.wire}: {error}")
        if inner and (count := f"{field.name}{_LEFT_OUT}") in _class_of(answer).__struct_fields__:
            values[count] = len(inner)
        odd += inner
    return _fitting(_class_of(answer), **values)


def _list(item: Any, raw: bytes, odd: list[str]) -> list[Any]:
    """Return the items that fit; report the others in `odd`."""
    fit, parts = [], _items.decode(raw)
    counts = getattr(item, "every_one_counts", False)
    for index, part in enumerate(parts):
        inner: list[str] = []
        try:
            fit.append(read(item, bytes(part), inner))
        except msgspec.ValidationError as error:
            if counts:
                raise msgspec.ValidationError(f"item {index}: {error}") from error
            odd.append(f"item {index}: {error}")
        else:
            odd += [f"item {index}, {text}" for text in inner]
    if parts and not fit:
        raise msgspec.ValidationError("no item fits")
    return fit
