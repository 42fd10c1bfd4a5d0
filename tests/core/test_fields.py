"""Named field types take what the exchange's sources differ on, and refuse the rest."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from mexc_async.core.fields import MaybeDecimal, MaybeText, OpenEnum, Text, TimeMs, decode_field
from mexc_async.core.reply import decode
from mexc_async.errors import ProtocolError


class Colour(OpenEnum):
    RED = "red"


class Row(msgspec.Struct, frozen=True):
    amount: MaybeDecimal = None
    name: Text = "-"
    note: MaybeText = None
    at: TimeMs = 0
    colour: Colour = Colour.RED


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
    ],
)
def test_decimal_comes_as_text_or_number_and_blank_is_missing(wire: str, value: Decimal | None) -> None:
    assert row(f'{{"amount":{wire}}}').amount == value


@pytest.mark.parametrize(("wire", "value"), [('"91"', "91"), ("91", "91"), ('""', "")])
def test_text_comes_as_text_or_number(wire: str, value: str) -> None:
    assert row(f'{{"name":{wire},"note":{wire}}}').name == value
    assert row(f'{{"note":{wire}}}').note == value


def test_missing_text_is_none() -> None:
    assert row('{"note":null}').note is None
    assert row("{}") == Row()


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("1789412016000", 1789412016000),
        ('"1789412016000"', 1789412016000),
        ('"2026-09-14T18:53:36.000+00:00"', 1789412016000),
        ('"2026-09-14T18:53:36.123Z"', 1789412016123),
        ('"2026-09-15T02:53:36+08:00"', 1789412016000),
    ],
)
def test_time_comes_as_milliseconds_or_iso_text(wire: str, value: int) -> None:
    assert row(f'{{"at":{wire}}}').at == value


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
        '"name":null',
        '"name":true',
        '"name":1.5',
        '"note":{}',
        '"at":"yesterday"',
        '"at":true',
        '"at":null',
        '"at":1.5',
        '"colour":1',
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
