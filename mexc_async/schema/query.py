"""Parameters to the exact text on the wire: sorted by name, percent-encoded with upper-case hex digits.

MEXC signs the text it receives, so whatever is built here is signed and sent as it is. Sorting is what MEXC's guides
ask for; the exchange itself takes any order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import TypeAlias
from urllib.parse import quote

from mexc_async.native.loader import compiled

Scalar: TypeAlias = str | int | bool | Decimal | None


_PLAIN_QUERY = re.compile(r"[A-Za-z0-9_.~&=-]*").fullmatch
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def render(value: Scalar) -> str:
    """One parameter's value as text: decimals in plain notation, booleans in lower case.

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
        f"{value!r} is a {type(value).__name__}; a parameter is text, a whole number, a boolean or a Decimal"
    )


def plain(number: Decimal) -> str:
    """A finite number in plain notation."""
    text = str(number)
    return format(number, "f") if "E" in text else text  # `format` costs three times as much


def escape_pure(text: str) -> str:
    """Percent-encode UTF-8 with upper-case hex digits; only letters, digits and `-_.~` stay as they are."""
    if text.isascii() and (text.isalnum() or _PLAIN(text)):  # nearly all, and far cheaper than asking `quote`
        return text
    return quote(text, safe="")


escape = compiled.escape if compiled else escape_pure


def encode(params: Mapping[str, Scalar] | Iterable[tuple[str, Scalar]]) -> str:
    """The query text, sorted by name; a parameter that is None is left out."""
    pairs = params.items() if isinstance(params, Mapping) else params
    texts = [(n, v if type(v) is str else render(v)) for n, v in sorted(pairs) if v is not None]
    query = "&".join([f"{name}={value}" for name, value in texts])
    # One look at the whole instead of one at each part: nearly always nothing has to be escaped.
    if _PLAIN_QUERY(query) and query.count("=") == len(texts) == query.count("&") + 1:
        return query
    return "&".join([f"{escape(name)}={escape(value)}" for name, value in texts])
