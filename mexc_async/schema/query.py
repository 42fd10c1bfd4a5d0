"""Query encoder: parameters to the exact text on the wire, sorted by name, with upper-case percent-encoding.

MEXC signs the text that it receives, so the SDK signs and sends exactly this text. MEXC's guides ask for sorted
parameters; the exchange itself takes any order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import TypeAlias
from urllib.parse import quote

from mexc_async.native.loader import compiled
from mexc_async.schema.validation import shown

Scalar: TypeAlias = str | int | bool | Decimal | None


_PLAIN_QUERY = re.compile(r"[A-Za-z0-9_.~&=-]*").fullmatch
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def render(value: Scalar) -> str:
    """Return a parameter's value as text: decimals in plain notation, booleans in lower case.

    Raises TypeError for anything else, floats above all: 0.1 + 0.2 must never become an order.
    """
    if isinstance(value, str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} is not a number that a parameter can carry")
        return plain(value)
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    raise TypeError(
        f"{shown(value)} is a {type(value).__name__}; a parameter is text, a whole number, a boolean or a Decimal"
    )


def plain(number: Decimal) -> str:
    """Return a finite number in plain notation."""
    text = str(number)
    return format(number, "f") if "E" in text else text  # `format` costs three times as much


def escape_pure(text: str) -> str:
    """Percent-encode UTF-8 with upper-case hex digits; letters, digits and `-_.~` are unchanged."""
    if text.isascii() and (text.isalnum() or _PLAIN(text)):  # nearly all, and far cheaper than `quote`
        return text
    return quote(text, safe="")


escape = compiled.escape if compiled else escape_pure


def encode(params: Mapping[str, Scalar] | Iterable[tuple[str, Scalar]]) -> str:
    """Return the query text, sorted by name, without parameters that are None."""
    pairs: Iterable[tuple[str, Scalar]]  # a mapping with pairs for keys would be one too, and is not meant
    pairs = params.items() if isinstance(params, Mapping) else params  # pyright: ignore[reportAssignmentType]
    texts = [(n, v if type(v) is str else render(v)) for n, v in sorted(pairs) if v is not None]
    query = "&".join([f"{name}={value}" for name, value in texts])
    # One check of the whole text instead of one of each part: hardly ever does any part need escaping.
    if _PLAIN_QUERY(query) and query.count("=") == len(texts) == query.count("&") + 1:
        return query
    return "&".join([f"{escape(name)}={escape(value)}" for name, value in texts])
