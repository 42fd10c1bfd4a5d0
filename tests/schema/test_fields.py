"""Field types accept the variants of the exchange's sources, and refuse the rest."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from mexc_async.errors import ProtocolError
from mexc_async.schema.answers import decode
from mexc_async.schema.fields import (
    Coded,
    Hiding,
    MaybeDecimal,
    MaybeText,
    MaybeTimeMs,
    OpenEnum,
    Text,
    TimeMs,
    decode_field,
    same_under,
)


class Colour(OpenEnum):
    RED = "red"


class Digit(OpenEnum):
    ONE = "1"


class Row(msgspec.Struct, frozen=True):
    amount: MaybeDecimal = None
    name: Text = "-"
    note: MaybeText = None
    at: TimeMs = 0
    colour: Colour = Colour.RED
    code: Coded[Digit] | None = None
    since: MaybeTimeMs = None


def row(body: str) -> Row:
    value, odd = decode(Row, body.encode())
    assert odd == []
    assert isinstance(value, Row)
    return value


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ('"0.10"', Decimal("0.10")),
        ("0.003000000000000000", Decimal("0.003")),
        ("12", Decimal(12)),
        ("1e-7", Decimal("1e-7")),
        ('""', None),
        ("null", None),
        ('"-0.5"', Decimal("-0.5")),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("123456789012345678901.5", Decimal("123456789012345678901.5")),
    ],
)
def test_decimal_comes_as_text_or_number_and_blank_is_missing(wire: str, value: Decimal | None) -> None:
    assert row(f'{{"amount":{wire}}}').amount == value


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ('"91"', "91"),
        ("91", "91"),
        ('""', ""),
        *((token, token) for token in ("0", "-0", "1.5", "1.10", "1e3", "1E+2", "123456789012345678901")),
    ],
)
def test_text_comes_as_text_or_number(wire: str, value: str) -> None:
    assert row(f'{{"name":{wire},"note":{wire}}}').name == value
    assert row(f'{{"note":{wire}}}').note == value


def test_missing_text_is_none_or_what_it_is_by_default() -> None:
    assert row('{"note":null}').note is None
    assert row('{"name":null,"at":null,"colour":null}') == Row()
    assert row("{}") == Row()


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("1789412016000", 1789412016000),
        ('"1789412016000"', 1789412016000),
        ('"2026-09-14T18:53:36.000+00:00"', 1789412016000),
        ('"2026-09-14T18:53:36.123Z"', 1789412016123),
        ('"2026-09-15T02:53:36+08:00"', 1789412016000),
        ("1637145478", 1637145478000),
        ('"1637145478"', 1637145478000),
        ('"2021-11-19"', 1637280000000),
        ('"20221022"', 1666396800000),
        ("0", 0),
    ],
)
def test_time_comes_as_milliseconds_seconds_a_date_or_iso_text(wire: str, value: int) -> None:
    assert row(f'{{"at":{wire}}}').at == value
    assert row(f'{{"since":{wire}}}').since == value


@pytest.mark.parametrize("wire", ["null", '""'])
def test_time_may_be_missing(wire: str) -> None:
    assert row(f'{{"since":{wire}}}').since is None


@pytest.mark.parametrize(
    ("wire", "known"), [("1", True), ('"1"', True), ("7", False), ('"7"', False), ("1.0", False), ("0", False)]
)
def test_code_comes_as_number_or_text(wire: str, known: bool) -> None:
    assert row(f'{{"colour":{wire}}}').colour == wire.strip('"')
    code = row(f'{{"code":{wire}}}').code
    assert isinstance(code, Digit)
    assert (code, code.is_known) == (wire.strip('"'), known)
    assert row('{"code":null}').code is None


class Spelt(msgspec.Struct, frozen=True):
    name: MaybeText = None
    nmae: MaybeText = None
    key: str = ""
    kye: str = ""
    amount: MaybeDecimal = None
    amuont: MaybeDecimal = None

    def __post_init__(self) -> None:
        same_under(self, "name", "nmae")
        same_under(self, "key", "kye")
        same_under(self, "amount", "amuont")


def test_two_spellings_are_evened_out() -> None:
    one, _ = decode(Spelt, b'{"name":"a","key":"k","amount":"0"}')
    two, _ = decode(Spelt, b'{"nmae":"a","kye":"k","amuont":0}')
    assert one == two == Spelt("a", "a", "k", "k", Decimal(0), Decimal(0))
    both, _ = decode(Spelt, b'{"name":"a","nmae":"b","key":"k"}')
    assert (both.name, both.nmae, both.amount) == ("a", "b", None)
    with pytest.raises(ProtocolError, match="key is missing"):
        decode(Spelt, b'{"name":"a"}')


class Login(Hiding, msgspec.Struct, frozen=True):
    hidden = ("token",)
    name: str
    token: str


def test_what_is_hidden_is_in_no_repr() -> None:
    login = Login("me", "abc")
    assert repr(login) == str(login) == f"{login}" == "Login(name='me', token='***')"
    assert login.__rich_repr__() == [("name", "me"), ("token", "***")]
    assert "abc" not in repr([login])
    assert login.token == "abc"
    assert login == Login("me", "abc")


def test_time_without_a_zone_is_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            assert row('{"at":"2026-09-14T18:53:36"}').at == 1789412016000
        finally:
            patch.undo()
            time.tzset()


@pytest.mark.parametrize(
    "wire",
    [
        '"amount":"x"',
        '"amount":true',
        '"amount":[]',
        '"name":true',
        '"note":{}',
        '"at":"yesterday"',
        '"at":true',
        '"at":1.5',
        '"colour":true',
    ],
)
def test_what_does_not_fit_is_refused(wire: str) -> None:
    with pytest.raises(ProtocolError, match="unexpected shape"):
        row(f"{{{wire}}}")


def test_unknown_value_of_an_enum_keeps_its_text_and_says_so() -> None:
    colour = row('{"colour":"green"}').colour
    assert isinstance(colour, Colour)
    assert (colour, colour.value, colour.name, colour.is_known) == ("green", "green", "green", False)
    assert f"{colour}" == "green"
    assert colour not in list(Colour)
    assert Colour("green") == colour
    assert len({Colour("green"), colour}) == 1
    assert Colour.RED.is_known
    assert row('{"colour":"red"}').colour is Colour.RED


def test_enum_of_something_else_than_text_is_refused() -> None:
    with pytest.raises(ValueError, match="1 is not a valid Colour"):
        Colour(1)  # type: ignore[arg-type]  # that it is no text is the point


def test_type_that_is_no_marker_is_left_to_msgspec() -> None:
    with pytest.raises(NotImplementedError):
        decode_field(complex, "1")
