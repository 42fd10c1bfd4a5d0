"""Code generated from a request class's declaration: one function checks its fields, one writes its query.

Both are generated once a class, as `dataclasses` generates `__init__`: a loop over the declaration would cost an order
three times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec

from mexc_async.native.loader import compiled
from mexc_async.schema.query import escape
from mexc_async.schema.validation import CONVERTING, checks_of, is_exact

Query: TypeAlias = Callable[[Any, int | None, int | None], str]
"""(request, recvWindow, timestamp) -> the query's text."""


@cache
def checker(cls: type[msgspec.Struct]) -> Callable[[Any], None]:
    """Make the function that checks an instance's fields and makes its amounts Decimal. It raises InvalidRequest."""
    names: dict[str, Any] = {"keep": msgspec.structs.force_setattr}
    lines = ["def check(request):"]
    for number, (field, is_optional, check) in enumerate(checks_of(cls)):
        names[f"check_{number}"] = check
        call = f"check_{number}({field!r}, value)"
        if check in CONVERTING:
            call = f"keep(request, {field!r}, {call})"
        lines += [f" value = request.{field}", f" {'if value is not None: ' if is_optional else ''}{call}"]
    checks: Callable[[Any], None] = _function([*lines, " pass"], names)
    return checks


def query_writer(cls: type[msgspec.Struct], otherwise: Callable[[Any], str]) -> Query:
    """Make the function that writes an instance's query, sorted by wire name; `otherwise` converts unusual values."""
    hints = get_type_hints(cls, include_extras=True)
    columns = [(f.encode_name, f"request.{f.name}", _text_of(hints[f.name])) for f in msgspec.structs.fields(cls)]
    columns += [(stamp, stamp, "str(value)") for stamp in ("recvWindow", "timestamp")]
    lines = ["def query(request, recvWindow, timestamp):", " text = ''"]
    for name, value, written in sorted(columns):
        lines += [f" value = {value}", f" if value is not None: text += '&{escape(name)}=' + ({written})"]
    names = {"escape": escape, "format": format, "otherwise": otherwise}
    query: Query = _function([*lines, " return text[1:]"], names)
    return query


def _function(lines: list[str], names: dict[str, Any]) -> Any:
    exec("\n".join(lines), names)  # noqa: S102 - made of the names of fields alone
    return names[lines[0][4 : lines[0].index("(")]]


_WRITTEN = {
    Decimal: "written if 'E' not in (written := str(value)) else format(value, 'f')",
    str: "escape(value)" if compiled else "value if value.isalnum() and value.isascii() else escape(value)",
    int: "str(value)",
}
"""Expression that writes a value, by type; the common cases need no call."""


def _text_of(hint: Any) -> str:
    """Return the expression that writes a value of this type."""
    if get_origin(hint) is Annotated:
        return _text_of(get_args(hint)[0])
    if is_exact(hint):
        return _WRITTEN[Decimal]
    if get_origin(hint) in (Union, UnionType):
        ways = {_text_of(arm) for arm in get_args(hint) if arm is not NoneType}
        return ways.pop() if len(ways) == 1 else _OTHERWISE
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    if isinstance(hint, type) and issubclass(hint, Enum):
        choices = tuple(hint)
    if choices and all(isinstance(choice, str) and escape(choice) == choice for choice in choices):
        return "value"
    return _WRITTEN.get(hint, _OTHERWISE)


_OTHERWISE = "escape(otherwise(value))"
