"""Parameters become exactly one text: sorted, upper-case percent encoding, plain decimals."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mexc_async.schema.query import Scalar, encode, escape, render
from mexc_async.spot.enums import OrderType, Side


def test_escape_leaves_exactly_the_unreserved_letters() -> None:
    for letter in map(chr, range(256)):
        assert escape(letter) == quote(letter, safe="")


@given(st.text())
@example("BEP20(BSC)")
@example("a b,c")
@example("资金不足")
@example("-_.~")
@example("²")
@example("")
def test_escape_is_percent_encoding_of_utf8_with_upper_case_digits(text: str) -> None:
    escaped = escape(text)
    assert escaped == quote(text, safe="")
    assert unquote(escaped) == text
    assert re.fullmatch(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})*", escaped)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("", ""),
        (5000, "5000"),
        (-1, "-1"),
        (True, "true"),
        (False, "false"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (Decimal("123456789012345678901234567890.5"), "123456789012345678901234567890.5"),
        (Side.BUY, "BUY"),
        (OrderType.LIMIT_MAKER, "LIMIT_MAKER"),
        (Side("HOLD"), "HOLD"),
    ],
)
def test_value_is_rendered_plainly(value: str | int | bool | Decimal, text: str) -> None:
    assert render(value) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
def test_decimal_is_never_in_exponent_form_and_keeps_its_value(value: Decimal) -> None:
    text = render(value)
    assert "e" not in text.lower()
    assert Decimal(text) == value


@pytest.mark.parametrize("value", [0.1, 1.0, float("nan"), b"x", ["a"], {"a": 1}, None])
def test_anything_else_is_refused_floats_above_all(value: Any) -> None:
    with pytest.raises(TypeError, match=f"is a {type(value).__name__}; a parameter is text"):
        render(value)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity")])
def test_what_is_no_number_is_refused(value: Decimal) -> None:
    with pytest.raises((TypeError, ValueError)):
        render(value)


def test_parameters_are_sorted_by_name_and_none_is_left_out() -> None:
    params: dict[str, Scalar] = {
        "timestamp": 1,
        "symbol": "BTCUSDT",
        "recvWindow": None,
        "Zebra": "z",
        "price": Decimal("1E-7"),
    }
    assert encode(params) == "Zebra=z&price=0.0000001&symbol=BTCUSDT&timestamp=1"
    assert encode(list(params.items())) == encode(params)


def test_names_are_encoded_like_values() -> None:
    assert encode({"a b": "c&d=e"}) == "a%20b=c%26d%3De"


def test_no_parameters_are_an_empty_text() -> None:
    assert encode({}) == ""
    assert encode({"limit": None}) == ""


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.text(), st.integers(), st.booleans())))
def test_order_of_the_parameters_given_does_not_matter(params: dict[str, str | int | bool]) -> None:
    query = encode(params)
    assert query == encode(dict(reversed(params.items())))
    assert query.count("=") == len(params)
