"""Parameters of a request from query and body, and the text that its signature covers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, TypeVar
from urllib.parse import unquote_plus

import orjson

from mexc_async.sim.exchange.decimals import check_decimals
from mexc_async.sim.exchange.refusals import Refusal, illegal, invalid_symbol, missing

W = TypeVar("W", bound=str)

_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?")
_INTEGER = re.compile(r"\d{1,18}")
_SYMBOL = re.compile(r"[A-Z0-9_]{1,40}")
_LOWER_CASE_HEX = re.compile(r"%(?:[0-9A-Fa-f][a-f]|[a-f][0-9A-Fa-f])")
_CONTENT_TYPES = ("", "application/json", "application/x-www-form-urlencoded")


class Received(NamedTuple):
    """A request's parameters and the input of its signature check."""

    parameters: Parameters
    signed_text: bytes
    """Query and body as received, joined with nothing between them, without `signature`."""
    is_well_encoded: bool
    """False if a percent code has lower-case hex digits, which MEXC's check does not accept."""


class Parameters:
    """Parameters by name. The query wins over the body."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def optional(self, name: str) -> str | None:
        """Return the text, or None if it is absent or empty."""
        return self._values.get(name) or None

    def text(self, name: str) -> str:
        """Return the text. Raises Refusal 700004 if it is absent or empty."""
        value = self.optional(name)
        if value is None:
            raise missing(name)
        return value

    def word(self, name: str, allowed: tuple[W, ...]) -> W:
        """Return one of the allowed words; case counts. Raises Refusal 700004 or 700008."""
        value = self.text(name)
        for word in allowed:
            if word == value:
                return word
        raise illegal(name)

    def decimal(self, name: str) -> Decimal | None:
        """Return a plain decimal number, or None if absent. Raises Refusal 700008 for other text, such as `1E-7`."""
        value = self.optional(name)
        if value is None:
            return None
        if not _NUMBER.fullmatch(value):
            raise illegal(name)
        return Decimal(value)

    def amount(self, name: str, decimals: int) -> Decimal:
        """Return a positive amount of an asset. Raises Refusal 10095, 10096, 10102 or 700008."""
        value = self.decimal(name)
        if value is None:
            raise Refusal(10095, "The amount is required.")
        if value <= 0:
            raise Refusal(10102, "The amount must be greater than 0.")
        check_decimals(name, value, decimals)
        return value

    def integer(self, name: str) -> int | None:
        """Return a whole number from 0, or None if absent. Raises Refusal 700008."""
        value = self.optional(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise illegal(name)
        return int(value)

    def limit(self, bounds: tuple[int, int], name: str = "limit") -> int:
        """Return a number of rows with this (default, maximum), capped at the maximum. Raises Refusal 700008."""
        value = self.integer(name)
        if value == 0:
            raise illegal(name)
        return bounds[0] if value is None else min(value, bounds[1])

    def symbol(self) -> str:
        """Return the mandatory symbol, not looked up yet. Raises Refusal 700004 or -1121."""
        return check_symbol(self.text("symbol"))

    def symbols(self, name: str = "symbol") -> list[str] | None:
        """Return a comma-separated list of symbols, or None if absent. Raises Refusal -1121."""
        value = self.optional(name)
        return None if value is None else [check_symbol(part) for part in value.split(",")]

    def flag(self, name: str) -> bool:
        """Return `true` or `false` as a bool. Raises Refusal 700004 or 700008."""
        return self.word(name, ("true", "false")) == "true"


def check_symbol(text: str) -> str:
    """Return the text if it has the form of a symbol: upper case, no separator. Raises Refusal -1121."""
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
    """Add the pairs of `a=1&b=2` to `values`, and return the text without its `signature`."""
    if not text:
        return text
    signed: list[str] = []
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if name == "signature":
            values.setdefault(name, value)
            continue
        signed.append(pair)
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name), unquote_plus(value)
        values.setdefault(name, value)
    return "&".join(signed)


def _read_json(body: bytes) -> dict[str, str]:
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(730002, "Parameter error: the body is no JSON object.") from None
    return {name: _text_of(value) for name, value in decoded.items() if value is not None}


def _text_of(value: object) -> str:
    """Return a JSON value as the text that it would be in a query."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode()
