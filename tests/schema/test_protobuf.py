"""The protobuf codec on test messages; `tests/spot/test_push.py` compares it with Google's runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from mexc_async.errors import ProtocolError
from mexc_async.schema import protobuf_fast, protobuf_read
from mexc_async.schema.protobuf import Message, unknown_bytes
from mexc_async.schema.protobuf_fields import Field
from mexc_async.schema.protobuf_write import delimited
from tests.support.messages import NEST, ROW, SIDES, Colour, Nest, Pair, Row, Sides, book, levels


def row(wire: str) -> Row:
    value, unknown = ROW.decode(bytes.fromhex(wire))
    assert unknown == 0
    return value


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (Row(), ""),
        (Row(text="a"), "0a 01 61"),
        (Row(text="é" * 100), "0a c801" + "c3a9" * 100),
        (Row(big=1), "10 01"),
        (Row(big=300), "10 ac02"),
        (Row(big=1736409765052), "10 bca9d9d0c432"),
        (Row(big=-1), "10 ffffffffffffffffff01"),
        (Row(big=-(1 << 63)), "10 80808080808080808001"),
        (Row(big=(1 << 63) - 1), "10 ffffffffffffffff7f"),
        (Row(small=-2), "18 feffffffffffffffff01"),
        (Row(flag=True), "20 01"),
        (Row(colour=Colour.BLUE), "28 02"),
        (Row(colour=Colour("9")), "28 09"),
        (Row(colour=Colour("-1")), "28 ffffffffffffffffff01"),
        (Row(maybe="", maybe_small=0), "a201 00 a801 00"),
    ],
)
def test_values_and_their_bytes(value: Row, wire: str) -> None:
    assert ROW.encode(value) == bytes.fromhex(wire)
    assert row(wire) == value


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("0a0161 0a0162", Row(text="b")),  # the last one wins
        ("0a0161 0a00", Row()),
        ("8a00 0161", Row(text="a")),  # longer than need be
        ("0a 818000 61", Row(text="a")),
        ("10 8100", Row(big=1)),
        ("10 ffffffffffffffffff7f", Row(big=-1)),  # what is above 64 bits is dropped
        ("18 ffffffff0f", Row(small=-1)),  # of an int32 the low 32 bits count
        ("18 8080808010", Row(small=0)),
        ("20 02", Row(flag=True)),
        ("20 80808080808080808002", Row(flag=False)),
    ],
)
def test_reads_what_no_one_writes(wire: str, value: Row) -> None:
    assert row(wire) == value


def test_unknown_number_of_an_enum_keeps_its_digits() -> None:
    colour = row("28 09").colour
    assert colour == "9"
    assert not colour.is_known
    assert row("28 01").colour is Colour.RED


@pytest.mark.parametrize("wire", ["38 01", "38 ffffffffffffffffff01", "39" + "00" * 8, "3d" + "00" * 4, "3a 02 0a61"])
@pytest.mark.parametrize("after", [False, True])
def test_unknown_field_is_skipped_and_counted(wire: str, after: bool) -> None:
    known = "0a0161"
    both = f"{known} {wire}" if after else f"{wire} {known}"
    assert ROW.decode(bytes.fromhex(both)) == (Row(text="a"), 1)
    assert NEST.decode(delimited(10, bytes.fromhex(both)) + bytes.fromhex("f001 05")) == (Nest(one=Row(text="a")), 2)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("00 01", "field number 0"),
        ("0a", "ends within a field"),
        ("0a 02 61", "past the end"),
        ("0a ffffffff07 61", "past the end"),
        ("0a ffffffffff0f 61", "6 bytes"),
        ("10", "ends within a field"),
        ("10 80", "ends within a field"),
        ("10" + "ff" * 10 + "01", "more than 10 bytes"),
        ("38" + "ff" * 10 + "01", "more than 10 bytes"),
        ("8a", "ends within a field"),
        ("8a8080808000 0161", "6 bytes"),
        ("f8ffffff1f 01", "field number 1073741823"),
        ("0a 01 ff", "not UTF-8"),
        ("0a 03 eda080", "not UTF-8"),
        ("0a 81 00 ff", "not UTF-8"),
        ("08 01", "field 1 in wire type 0"),
        ("12 00", "field 2 in wire type 2"),
        ("3b 3c", "a group"),
        ("3c", "a group"),
        ("3c 00", "a group"),
        ("3e 00", "wire type 6"),
        ("3f 00", "wire type 7"),
        ("39 00", "past the end"),
        ("3d 00", "past the end"),
        ("3a 05 00", "past the end"),
    ],
)
def test_malformed_is_refused_in_one_line(wire: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason) as refusal:
        ROW.decode(bytes.fromhex(wire))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("inner", ["0a 02 61", "10 80", "3d 00", "8a", "10" + "ff" * 3])
def test_embedded_message_does_not_read_on_in_what_follows(inner: str) -> None:
    tail = delimited(1, b"") * 3  # an unchecked reader would go on here
    with pytest.raises(ProtocolError):
        NEST.decode(delimited(2, bytes.fromhex(inner)) + delimited(10, tail))


def test_embedded_message_is_merged_and_one_of_several_replaced() -> None:
    first, second = delimited(10, b"\x0a\x01a"), delimited(10, b"\x10\x05")
    assert NEST.decode(first + second)[0].one == Row(text="a", big=5)
    assert NEST.decode(first + delimited(11, b"") + second)[0].one == Row(big=5)
    assert NEST.decode(delimited(2, b"\x0a\x01a") + delimited(2, b"\x10\x05"))[0].plain == Row(text="a", big=5)
    level = delimited(1, b"")
    assert NEST.decode(delimited(11, level) * 2)[0].one == Sides(left=(Pair(), Pair()))


def test_what_a_oneof_replaces_is_checked_too() -> None:
    with pytest.raises(ProtocolError):
        NEST.decode(delimited(10, b"\x0a\x05") + delimited(11, b""))


def test_writes_what_it_reads() -> None:
    nest = Nest(one=Sides((Pair("1", "2"),), (), "x"), plain=Row(big=3), many=(Sides(), Sides(time=9)))
    assert NEST.decode(NEST.encode(nest)) == (nest, 0)
    assert Nest().one is None
    assert NEST.encode(Nest()) == b""


@pytest.mark.parametrize("value", [Row(big=1 << 63), Row(big=-(1 << 63) - 1), Row(small=1 << 31), Row(text="\ud800")])
def test_what_does_not_fit_is_not_written(value: Row) -> None:
    with pytest.raises(ValueError):
        ROW.encode(value)
    with pytest.raises(ValueError):
        ROW.encode(Row(colour=Colour("green")))


def test_unknown_bytes_lists_the_content_of_unknown_fields() -> None:
    wire = bytes.fromhex("0a0161 3a026263 10bca9d9d0c432 a201 00 390000000000000000 3d00000000 c203 8100 64")
    assert list(unknown_bytes(ROW, wire)) == [(7, b"bc"), (56, b"d")]


class Twice(Struct):
    a: Annotated[str, Field(1, "a")]
    b: Annotated[int, Field(1, "b")]


class Gap(Struct):
    a: int
    b: Annotated[int, Field(1, "b")]


class Odd(Struct):
    a: Annotated[float, Field(1, "a")]


@pytest.mark.parametrize(("struct", "reason"), [(Twice, "twice"), (Gap, "comes after"), (Odd, "no way")])
def test_declaration_that_does_not_fit_is_refused(struct: type, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        Message(struct)


# --- levels in bulk ---


def outcome(decode: Callable[[bytes], tuple[Sides, int]], data: bytes) -> Sides | None:
    """Return the decoded message; None if the reader refuses it."""
    try:
        return decode(data)[0]
    except ProtocolError:
        return None


def one_by_one(data: bytes) -> Sides | None:
    """Read by the general Python reader."""
    return outcome(partial(protobuf_read.read, SIDES), data)


def in_bulk(data: bytes) -> Sides | None:
    return outcome(SIDES.decode_pure, data)


def in_use(data: bytes) -> Sides | None:
    """Read by the core in use."""
    return outcome(SIDES.decode, data)


@pytest.mark.parametrize("left", [0, 1, 15, 30, 1500])
@pytest.mark.parametrize("right", [0, 1, 15, 30])
@pytest.mark.parametrize(("note", "time"), [("", 0), ("spot@public", 1736409765052), ("", 3), ("1.5", 0x3030)])
def test_levels_in_bulk_are_those_read_one_by_one(left: int, right: int, note: str, time: int) -> None:
    sides = book(levels(left), levels(right), note, time)
    wire = SIDES.encode(sides)
    assert SIDES.decode(wire) == SIDES.decode_pure(wire) == (sides, 0)
    assert one_by_one(wire) == sides


def test_bulk_takes_every_size_that_a_level_has() -> None:
    sizes = [1, 2, 9, 10, 17, 18, 26, 40, 44, 46, 48, 57, 60, 61, 62, 63, 100, 127, 128, 250, 260]
    for size in sizes:
        sides = book([("1" * size, "2.5")] * 9, [("3", "4" * size)] * 9, "x")
        assert SIDES.decode_pure(SIDES.encode(sides)) == (sides, 0)


def test_outlines_of_strange_levels_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    outlines: dict[bytes, bytes] = protobuf_fast._outline.__self__  # type: ignore[attr-defined]  # a bound method
    outlines.clear()
    monkeypatch.setattr(protobuf_fast, "_OUTLINES_MAX", 50)
    for size in range(1, 100):
        sides = book([("1" * size, "2" * 20)] * 9, [("3", "4" * size)] * 9)
        assert SIDES.decode_pure(SIDES.encode(sides)) == (sides, 0)
        assert len(outlines) <= 50


@pytest.mark.parametrize("odd", [("", "1"), ("1", ""), ("", ""), ("1e-7", "1"), ("-1", "2"), ("1 2", "3"), ("١", "é")])
@pytest.mark.parametrize("at", [0, 7, 19])
def test_odd_level_among_plain_ones_is_kept(odd: tuple[str, str], at: int) -> None:
    pairs = levels(20)
    pairs[at] = odd
    sides = book(pairs, levels(20))
    assert SIDES.decode_pure(SIDES.encode(sides)) == (sides, 0)


def test_sides_in_any_order_are_kept() -> None:
    left, right = SIDES.encode(book(levels(12), [])), SIDES.encode(book([], levels(12)))
    for wire in (right + left, left + right + left, right + left + right, (left + right) * 3):
        assert SIDES.decode_pure(wire) == (one_by_one(wire), 0)
    for wire in (right + left, b"\x1a\x01n" + left + right, left + b"\x1a\x01n" + right):
        sides = SIDES.decode_pure(wire)[0]
        assert (sides.left, sides.right) == (book(levels(12), []).left, book([], levels(12)).right)


WIRE = SIDES.encode(book(levels(12), levels(12), "spot@1", 1736409765052))


@given(
    st.lists(st.tuples(st.integers(0, len(WIRE) - 1), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(0, len(WIRE)),
)
@example([(5, 0x0A)], len(WIRE))
def test_changed_levels_read_in_bulk_as_one_by_one(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(WIRE)
    for at, byte in changes:
        data[at] = byte
    for wire in (bytes(data), bytes(data[:cut])):
        assert in_use(wire) == in_bulk(wire) == one_by_one(wire)


@given(st.data())
def test_sizes_that_lie_read_in_bulk_as_one_by_one(data: st.DataObject) -> None:
    """Shift sizes between neighbours so that their sums still agree, which single flips never do."""
    wire = bytearray(WIRE)
    starts = [0]
    while wire[starts[-1]] in (0x0A, 0x12):
        starts.append(starts[-1] + 2 + wire[starts[-1] + 1])
    for _ in range(data.draw(st.integers(1, 3))):
        start, by = data.draw(st.sampled_from(starts[:-1])), data.draw(st.integers(-4, 4))
        places = [start + 1, start + 3, start + 5 + WIRE[start + 3]]
        for place in data.draw(st.permutations(places))[:2]:
            wire[place] = (wire[place] + by) % 128
            by = -by
    assert in_use(bytes(wire)) == in_bulk(bytes(wire)) == one_by_one(bytes(wire))


# --- bounds ---


def test_times_of_any_day_are_read_exactly() -> None:
    for day in range(3000):  # more than the cache of upper bytes holds
        time = (1 << 35) + day * 86_400_000 + day
        assert ROW.decode(ROW.encode(Row(big=time))) == (Row(big=time), 0)


def test_work_grows_with_the_size_only() -> None:
    """Each would run for minutes if earlier bytes were copied or read again."""
    sides = SIDES.encode(book(levels(20_000), [("x", "y")] * 20_000))
    again = delimited(11, b"") * 200_000
    assert len(_sides_of(NEST.decode(delimited(11, sides) + again)[0]).left) == 20_000
    many = delimited(3, SIDES.encode(book([("x", "1"), *levels(10)], []))) * 5_000
    assert len(NEST.decode(many)[0].many) == 5_000
    assert ROW.decode(b"\x38\x01" * 300_000)[1] == 300_000


def test_huge_sizes_are_refused_before_anything_is_made() -> None:
    for field in (1, 2, 3, 11):
        with pytest.raises(ProtocolError):
            NEST.decode(delimited(field, b"")[:-1] + b"\xff\xff\xff\xff\x0f" + b"\x00" * 50)


def test_deep_nesting_is_no_deeper_than_the_schema() -> None:
    content = b""
    for _ in range(5_000):
        content = delimited(7, content)  # unknown, so never entered
    assert NEST.decode(content) == (Nest(), 1)
    with pytest.raises(ProtocolError, match="a group"):
        NEST.decode(b"\x3b" * 100_000)


def _sides_of(nest: Nest) -> Sides:
    assert isinstance(nest.one, Sides)
    return nest.one
