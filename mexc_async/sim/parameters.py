"""What a request says: parameters from query and body, and the text that its signature must cover."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, TypeVar
from urllib.parse import unquote_plus

import orjson

from mexc_async.sim.refusals import Refusal, illegal, invalid_symbol, missing, too_many_decimals

W = TypeVar("W", bound=str)

_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?")
_INTEGER = re.compile(r"\d{1,18}")
_SYMBOL = re.compile(r"[A-Z0-9_]{1,40}")
_LOWER_CASE_HEX = re.compile(r"%(?:[0-9A-Fa-f][a-f]|[a-f][0-9A-Fa-f])")
_CONTENT_TYPES = ("", "application/json", "application/x-www-form-urlencoded")


class Received(NamedTuple):
    """A request's parameters and what its signature is judged by."""

    parameters: Parameters
    signed_text: bytes
    """Query and body as received, joined with nothing between, `signature` taken out."""
    is_well_encoded: bool
    """False when a percent code has lower-case hex digits, which MEXC's check does not accept."""


class Parameters:
    """Parameters by name; the query wins when a name is in both."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def optional(self, name: str) -> str | None:
        """The text, or None when it is absent or empty."""
        return self._values.get(name) or None

    def text(self, name: str) -> str:
        """The text. Raises Refusal 700004 when it is absent or empty."""
        value = self.optional(name)
        if value is None:
            raise missing(name)
        return value

    def word(self, name: str, allowed: tuple[W, ...]) -> W:
        """One of the allowed words, case included. Raises Refusal 700004 or 700008."""
        value = self.text(name)
        for word in allowed:
            if word == value:
                return word
        raise illegal(name)

    def decimal(self, name: str) -> Decimal | None:
        """A plain decimal number, or None when absent. Raises Refusal 700008 for anything else, `1E-7` included."""
        value = self.optional(name)
        if value is None:
            return None
        if not _NUMBER.fullmatch(value):
            raise illegal(name)
        return Decimal(value)

    def amount(self, name: str, decimals: int) -> Decimal:
        """An amount of money. Raises Refusal 10095, 10096, 10102 or 700008."""
        value = self.decimal(name)
        if value is None:
            raise Refusal(10095, "The amount is required.")
        if value <= 0:
            raise Refusal(10102, "The amount must be greater than 0.")
        check_decimals(name, value, decimals)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number of at least 0, or None when absent. Raises Refusal 700008."""
        value = self.optional(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise illegal(name)
        return int(value)

    def limit(self, bounds: tuple[int, int], name: str = "limit") -> int:
        """`limit` with this (default, maximum); more than the maximum counts as the maximum."""
        value = self.integer(name)
        if value == 0:
            raise illegal(name)
        return bounds[0] if value is None else min(value, bounds[1])

    def symbol(self) -> str:
        """The mandatory symbol as text. Raises Refusal 700004 or -1121."""
        return check_symbol(self.text("symbol"))

    def symbols(self, name: str = "symbol") -> list[str] | None:
        """A comma-separated list of symbols, or None when absent."""
        value = self.optional(name)
        return None if value is None else [check_symbol(part) for part in value.split(",")]

    def flag(self, name: str) -> bool:
        """`true` or `false`. Raises Refusal 700004 or 700008."""
        return self.word(name, ("true", "false")) == "true"


def check_decimals(name: str, number: Decimal, decimals: int) -> None:
    """Raise Refusal unless `number` has at most so many decimals that count."""
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > decimals:
        raise too_many_decimals(name, decimals)


def check_symbol(text: str) -> str:
    """The symbol, if it could be one: upper case, no separator. Raises Refusal -1121."""
    if not _SYMBOL.fullmatch(text):
        raise invalid_symbol()
    return text


def receive(query: str, body: bytes, content_type: str) -> Received:
    """Read a request. Raises Refusal 700013 for a wrong content type and 730002 for a body that is no JSON object."""
    if content_type.partition(";")[0].strip().lower() not in _CONTENT_TYPES:
        raise Refusal(700013, "Invalid content Type.")
    values: dict[str, str] = {}
    signed_query = _read_pairs(query, values)
    if not body:
        return Received(Parameters(values), signed_query.encode(), not _LOWER_CASE_HEX.search(query))
    in_body: dict[str, str] = {}
    if body.lstrip()[:1] == b"{":
        in_body = _read_json(body)
        signed_body, well_encoded = body, True
    else:
        text = body.decode("utf-8", "surrogateescape")
        signed_body = _read_pairs(text, in_body).encode("utf-8", "surrogateescape")
        well_encoded = not _LOWER_CASE_HEX.search(text)
    return Received(
        Parameters({**in_body, **values}),
        signed_query.encode("utf-8", "surrogateescape") + signed_body,
        well_encoded and not _LOWER_CASE_HEX.search(query),
    )


def _read_pairs(text: str, values: dict[str, str]) -> str:
    """Fill `values` from `a=1&b=2` and return the text without its `signature`."""
    if not text:
        return text
    kept: list[str] = []
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if name == "signature":
            values.setdefault(name, value)
            continue
        kept.append(pair)
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name), unquote_plus(value)
        values.setdefault(name, value)
    return "&".join(kept)


def _read_json(body: bytes) -> dict[str, str]:
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(730002, "Parameter error: the body is no JSON object.") from None
    return {name: _text_of(value) for name, value in decoded.items() if value is not None}


def _text_of(value: object) -> str:
    """A JSON value as the text it would have in a query."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode()
