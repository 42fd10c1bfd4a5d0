"""The compiled core has the results and errors of the pure one, and leaks no memory."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.decode import frames_by_case
from mexc_async.books.book import OrderBook
from mexc_async.books.side import BookSide, PureBookSide
from mexc_async.errors import ProtocolError
from mexc_async.native.loader import compiled, core_kind
from mexc_async.rest.signing import blocks, hmac
from mexc_async.schema.answers import names_code_pure
from mexc_async.schema.protobuf import Message, message_of
from mexc_async.schema.protobuf_read import read
from mexc_async.schema.protobuf_write import delimited
from mexc_async.schema.query import escape_pure
from mexc_async.schema.validation import is_amount_pure
from mexc_async.spot.enums import Side as OrderSide
from mexc_async.spot.models import Level
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import Body, DepthUpdate
from mexc_async.spot.trading import order_text_pure
from tests.support import reference
from tests.support.messages import NEST, ROW, SIDES, book, levels

pytestmark = pytest.mark.skipif(compiled is None, reason="the compiled core was not built, or is switched off")

PUSH: Message[Push[Body]] = message_of(Push)
NUMBERS = OrderBook()._numbers, OrderBook().floats._numbers


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return a call's result, or the text of its error."""
    try:
        return function(*arguments)
    except ProtocolError as error:
        return f"refused: {error}"


def test_each_kind_can_be_chosen() -> None:
    code = "import mexc_async; print(mexc_async.core_kind)"
    for pure, kind in (("", "compiled"), ("1", "pure")):
        environment = os.environ | {"MEXC_ASYNC_PURE": pure}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == kind
    assert core_kind == "compiled"


# --- the wire ---


def both(message: Message[Any], data: bytes) -> Any:
    """Read a message by both readers, which must agree; return the result."""
    found, expected = outcome(message.decode, data), outcome(message.decode_pure, data)
    assert found == expected
    return found


def vectors() -> list[bytes]:
    return [bytes.fromhex(vector["hex"]) for vector in reference.read("spot-ws.json")["wire_vectors"]["vectors"]]


FRAMES = [frame for frames in frames_by_case().values() for frame in frames[:3]] + vectors()


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_of_the_exchange_are_usual_ones(frame: bytes) -> None:
    made = PUSH.usual(frame + b"\0", str(frame, "latin-1"), 0, len(frame))
    assert (made, 0) == read(PUSH, frame)


@pytest.mark.parametrize("frame", FRAMES)
def test_frame_cut_anywhere_or_changed_in_any_byte_reads_the_same(frame: bytes) -> None:
    assert "refused" not in both(PUSH, frame)
    for at in range(min(len(frame), 400)):
        both(PUSH, frame[:at])
        for byte in (0, 1, frame[at] ^ 1, frame[at] ^ 0x80, frame[at] + 8 & 255, 255):
            both(PUSH, frame[:at] + bytes([byte]) + frame[at + 1 :])


@given(st.sampled_from(FRAMES), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 3))))
def test_frame_with_pieces_put_in_and_taken_out_reads_the_same(
    frame: bytes, changes: list[tuple[float, bytes, int]]
) -> None:
    for share, piece, cut in changes:
        at = int(share * len(frame))
        frame = frame[:at] + piece + frame[at + cut :]
    both(PUSH, frame)


varints = st.builds(
    lambda value, more: bytes([*(value >> 7 * i & 127 | 128 for i in range(more)), value >> 7 * more & 127]),
    st.one_of(st.integers(0, 300), st.integers(0, (1 << 64) - 1)),
    st.integers(0, 10),
)
texts = st.one_of(st.text(max_size=12).map(str.encode), st.binary(max_size=4), st.just(b"93387.28"))


def field(number: int, wire_type: int, content: bytes) -> bytes:
    head = number << 3 | wire_type
    tag = bytes([head]) if head < 128 else bytes([head & 127 | 128, head >> 7])
    return tag + (bytes([len(content)]) if wire_type == 2 and len(content) < 128 else b"") + content


def fields(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    numbers = st.sampled_from([1, 1, 1, 2, 2, 3, 4, 5, 6, 9, 10, 11, 20, 21, 301, 302, 303, 304, 313, 314, 315, 316])
    one = st.one_of(
        st.builds(field, numbers, st.just(2), st.one_of(texts, inner, inner)),
        st.builds(field, numbers, st.just(0), varints),
        st.builds(field, numbers, st.integers(0, 7), st.binary(max_size=9)),
    )
    return st.lists(one, max_size=6).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(st.recursive(texts, fields, max_leaves=12), st.sampled_from([PUSH, ROW, SIDES, NEST]))
@example(delimited(10, b"\x0a\x01a") + delimited(10, b"\x10\x05"), NEST)
@example(delimited(10, b"\x0a\x05") + delimited(11, b""), NEST)
def test_messages_made_of_any_fields_read_the_same(data: bytes, message: Message[Any]) -> None:
    both(message, data)


def test_what_a_struct_refuses_is_raised_and_leaves_nothing_behind() -> None:
    data = NEST.encode(NEST.decode(delimited(10, b"\x0a\x01a"))[0])
    with pytest.raises(TypeError):
        NEST.decode(bytearray(data))  # type: ignore[arg-type]  # what is refused
    with pytest.raises(TypeError):
        NEST.decode(None)  # type: ignore[arg-type]  # likewise


# --- the book ---

prices = st.one_of(
    st.integers(1, 400).map(lambda ticks: f"{ticks / 100:.2f}"),
    st.sampled_from(["1", "1.5", "1.50", "2.505", "2.5000000", "3E-1", "+2", "01.1", ".5", "5."]),
    st.sampled_from(["0", "-1", "", "x", "1.2.3", "1e40", "123456789012345678901", "1." + "0" * 30 + "1", "٣", "NaN"]),
    st.from_regex(r"[0-9]{1,10}(\.[0-9]{0,12})?", fullmatch=True),
)
quantities = st.one_of(
    st.sampled_from(
        ["0", "0.00", "", "0E-8", "-0", "1", "2.50", "7e2", "123456789.123456789123", "1_0", "..", "4.2.1"]
    ),
    st.from_regex(r"[0-9]{1,6}(\.[0-9]{0,8})?", fullmatch=True),
)
plain_prices, plain_quantities = prices.filter(lambda text: text[:1].isdigit()), st.sampled_from(["1.25", "3", "0"])
changes = st.lists(
    st.one_of(st.tuples(prices, quantities), *[st.tuples(plain_prices, plain_quantities)] * 5), max_size=8
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([1, -1]), st.lists(st.tuples(st.booleans(), changes), max_size=12), st.booleans())
@example(1, [(True, [("1.5", "1")]), (False, [("1.25", "1"), ("1.5", "0")]), (False, [("1.25", "0")])], False)
@example(1, [(True, [("1.5", ".")])], False)
@example(-1, [(True, [(".", "1")])], False)
def test_any_changes_give_the_same_side(sign: int, script: list[tuple[bool, Any]], as_structs: bool) -> None:
    assert compiled
    one, other = compiled.Side(sign), PureBookSide(sign)
    for is_snapshot, change in script:
        rows = [Level(*pair) for pair in change] if as_structs else change
        found = outcome(one.load if is_snapshot else one.apply, rows)
        assert found == outcome(other.load if is_snapshot else other.apply, rows)
        if found is not None:  # void until the next snapshot
            one.load([])
            other.load([])
        assert one.best_price() == other.best_price()
        for numbers in NUMBERS:
            assert outcome(one.best, numbers) == outcome(other.best, numbers)
            assert outcome(listed, one, numbers) == outcome(listed, other, numbers)


def listed(side: BookSide, numbers: Any) -> str:
    return str(list(side.read(numbers)))


def test_numbers_at_the_bounds_of_64_bits_are_kept_exactly() -> None:
    for digits in ("999999999999999999", "1000000000000000000", "9223372036854775807", "92233720368547758080"):
        for point in (0, 1, 9, 17, 18):
            text = f"{digits[:-point] or '0'}.{digits[-point:]}" if point else digits
            for finer in ("1.5", "0.000000000000000001", "1.123456789"):
                order_book = OrderBook()
                order_book.load([(text, text)], [], 1)
                order_book.apply([(finer, "2")], [], 2)
                order_book.apply([(text, text)], [], 3)
                assert dict(order_book.bids()) == {Decimal(text): Decimal(text), Decimal(finer): Decimal(2)}


@pytest.mark.parametrize("size", range(1, 21))
def test_numbers_of_every_size_are_read_the_same(size: int) -> None:
    digits = "98765432109876543210"[:size]
    spellings = [digits, "0" * size, "." * size]
    for point in range(size):
        spellings.append(digits[:point] + "." + digits[point + 1 :])
        spellings += [digits[:point] + odd + digits[point + 1 :] for odd in "/:-+eE _\0\x7fé"]
        spellings += [spellings[-11][:other] + "." + spellings[-11][other + 1 :] for other in range(size)]
    for spelling in spellings:
        sides = compiled.Side(1), PureBookSide(1)
        for pair in [(spelling, "1"), ("7", spelling)]:
            outcomes = [outcome(side.apply, [pair]) for side in sides]
            assert outcomes[0] == outcomes[1], pair
            if outcomes[0] is None:
                levels = [outcome(lambda side=side: list(side.read(NUMBERS[0]))) for side in sides]
                assert levels[0] == levels[1], pair


@given(st.integers(1, 10**18), st.integers(0, 18))
@example(10**18 - 1, 0)
@example(1, 18)
def test_decimals_of_a_book_are_what_their_text_makes(value: int, scale: int) -> None:
    text = f"{Decimal(value).scaleb(-scale):f}"
    side = compiled.Side(1)
    side.load([(text, text)])
    level = side.best(NUMBERS[0])
    assert level is not None
    for number in level:
        same = Decimal(text)
        assert (number.as_tuple(), hash(number), str(number)) == (same.as_tuple(), hash(same), str(same))
        assert number * number + 1 - number == same * same + 1 - same
        assert pickle.loads(pickle.dumps(number)) == copy.deepcopy(number) == same
        assert sys.getsizeof(number) == sys.getsizeof(same)


def test_side_may_change_while_it_is_read() -> None:
    assert compiled
    side = compiled.Side(1)
    side.load([(f"{price}.5", "1") for price in range(100, 0, -1)])
    reading = side.read(NUMBERS[0])
    assert next(reading).price == Decimal("100.5")
    side.apply([(f"{price}.5", "0") for price in range(100, 3, -1)])
    assert [level.price for level in reading] == [Decimal("3.5"), Decimal("2.5"), Decimal("1.5")]
    reading = side.read(NUMBERS[0])
    next(reading)
    side.apply([("1" * 40, "1")])  # more than fits: the pure side takes over
    assert list(reading) == []
    assert len(list(side.read(NUMBERS[0]))) == 4


# --- levels in their wire format ---


def packed(data: bytes) -> Any:
    assert compiled
    return compiled.Reader(message_of(DepthUpdate), packs=True).decode(data)[0]


@given(st.lists(st.tuples(prices, quantities), max_size=10), st.sampled_from([1, -1]))
def test_levels_kept_as_they_came_change_a_book_like_their_structs(pairs: list[tuple[str, str]], sign: int) -> None:
    assert compiled
    update = DepthUpdate(tuple(Level(*pair) for pair in pairs), (), "1", "2")
    kept = packed(message_of(DepthUpdate).encode(update))
    assert kept == update
    assert (len(kept.asks), list(kept.asks)) == (len(pairs), list(update.asks))
    one, other = compiled.Side(sign), PureBookSide(sign)
    assert outcome(one.apply, kept.asks) == outcome(other.apply, update.asks)


def test_levels_kept_as_they_came_are_a_sequence() -> None:
    side = [Level("93387.28", "1.5"), Level("93387.29", "0")]
    frame = message_of(DepthUpdate).encode(DepthUpdate((), tuple(side), "1", "2"))
    bids = packed(frame).bids
    assert type(bids).__name__ == "Packed"
    assert (len(bids), bids[0], bids[-1], list(bids), bids == tuple(side)) == (2, side[0], side[1], side, True)
    assert bids == packed(frame).bids
    assert hash(bids) == hash(packed(frame).bids)
    assert bids != tuple(side[:1])
    with pytest.raises(IndexError):
        bids[2]


@pytest.mark.parametrize(
    "wire", ["0a8000", "0a8000" * 3, "0a00", "0a8a00 0a0131 1204 31323334", "0a0a 0a0131 1205 3132333435"]
)
def test_oddly_written_levels_are_read_all_the_same(wire: str) -> None:
    assert compiled
    data, message = bytes.fromhex(wire), message_of(DepthUpdate)
    reader = compiled.Reader(message, packs=True)
    assert outcome(reader.decode, data) == outcome(message.decode, data) == outcome(message.decode_pure, data)


@given(st.data())
def test_what_is_kept_as_it_came_is_refused_like_what_is_read(data: st.DataObject) -> None:
    assert compiled
    wire = bytearray(SIDES.encode(book(levels(6), levels(3), "x")))
    for _ in range(data.draw(st.integers(0, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    reader = compiled.Reader(message_of(DepthUpdate), packs=True)
    assert outcome(reader.decode, bytes(wire)) == outcome(message_of(DepthUpdate).decode_pure, bytes(wire))


# --- signing ---


@given(st.binary(max_size=100), st.binary(max_size=300))
def test_signatures_are_the_same(secret: bytes, message: bytes) -> None:
    assert compiled
    assert compiled.Hmac(*blocks(secret)).sign(message) == hmac(*blocks(secret))(message)


def test_signer_in_c_takes_bytes_alone_and_shows_nothing() -> None:
    assert compiled
    signer = compiled.Hmac(b"i" * 64, b"o" * 64)
    assert repr(signer) == "Hmac(***)"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(signer)
    for wrong in (None, "text", 5):
        with pytest.raises(TypeError):
            signer.sign(wrong)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(ValueError):
        compiled.Hmac(b"short", b"o" * 64)


@given(st.text(max_size=20), st.text(max_size=300))
@example("/api/v3/order", "symbol=BTCUSDT")
def test_signed_queries_are_the_same(path: str, query: str) -> None:
    assert compiled
    sign = hmac(*blocks(b"secret"))
    assert compiled.Hmac(*blocks(b"secret")).signed(path, query) == f"{path}?{query}&signature={sign(query.encode())}"


# --- orders ---

AMOUNTS = (
    st.decimals(allow_nan=True, allow_infinity=True)
    | st.decimals("0", "1e9", places=8)
    | st.sampled_from(
        [Decimal(text) for text in ("0", "-0", "1E+3", "1E-9", "0.000", "-1", "sNaN", "9" * 21, "1" * 22)]
    )
)


@given(AMOUNTS | st.sampled_from([1, 1.5, "1", None, True]))
def test_amounts_are_the_same(value: object) -> None:
    assert compiled
    assert compiled.is_amount(value) is is_amount_pure(value)


class Money(Decimal):
    """A user's own number class."""


def test_an_amount_of_another_class_is_not_surely_one() -> None:
    assert compiled
    assert not compiled.is_amount(Money("1.5"))
    assert not is_amount_pure(Money("1.5"))


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=300), max_size=40) | st.from_regex(r"[A-Za-z0-9.-]{1,32}"),
    AMOUNTS,
    AMOUNTS,
    st.sampled_from(["&symbol=BTCUSDT&timestamp=", "&x=\xe9", "&x=" + "y" * 600, ""]),
    st.integers(-5, 1 << 66) | st.sampled_from([1736164463001, 0, (1 << 62) - 1, 1 << 62]),
    st.sampled_from(["&type=LIMIT", "&type=\u20ac"]),
)
def test_orders_texts_are_the_same(
    name: str, price: Decimal, quantity: Decimal, middle: str, timestamp_ms: int, end: str
) -> None:
    """The compiled one may leave unusual orders to the general writer, but no usual order."""
    assert compiled
    pure = order_text_pure(name, price, quantity, middle, timestamp_ms, end)
    found = compiled.order_text(name, price, quantity, middle, timestamp_ms, end)
    is_usual = f"{middle}{end}".isascii() and len(middle) < 300 and 0 < timestamp_ms < 1 << 62
    is_short = len(f"{price:f}{quantity:f}") < 80
    assert found == pure if is_usual and is_short else found in (pure, None)


@given(st.binary(max_size=60) | st.lists(st.sampled_from([b'"', b"code", b'"code"', b"c", b"o"])).map(b"".join))
def test_a_code_is_found_the_same(body: bytes) -> None:
    assert compiled
    assert compiled.names_code(body) is names_code_pure(body) is (b'"code"' in body)


@given(st.one_of(st.text(), st.text(st.characters(max_codepoint=127)), st.from_regex(r"[A-Za-z0-9_.~-]*")))
def test_texts_are_escaped_the_same(text: str) -> None:
    assert compiled
    assert compiled.escape(text) == escape_pure(text)
    assert compiled.escape(OrderSide.BUY) == "BUY"


# --- no leaks ---


def use_everything(seed: int) -> None:
    assert compiled
    random = Random(seed)
    for frame in FRAMES:
        both(PUSH, frame)
        both(PUSH, frame[: random.randrange(len(frame))])
        at = random.randrange(len(frame))
        both(PUSH, frame[:at] + random.randbytes(2) + frame[at:])
    for message in (ROW, NEST, SIDES):
        both(message, random.randbytes(6))
    side = compiled.Side(-1)
    side.load([(f"{price}.25", "1.5") for price in range(1, 80)])
    for _ in range(20):
        side.apply([(f"{random.randrange(1, 80)}.{random.randrange(100)}", f"{random.randrange(3)}") for _ in range(9)])
        side.best(NUMBERS[0])
        side.best(NUMBERS[1])
        list(side.read(NUMBERS[0]))
    outcome(side.apply, [("x", "1")])
    compiled.Hmac(b"i" * 64, b"o" * 64).sign(random.randbytes(99))
    side.apply(packed(message_of(DepthUpdate).encode(DepthUpdate((Level("1", "2"),) * 3, (), "1", "2"))).asks)


def test_nothing_is_left_behind() -> None:
    grown = []
    for first in (0, 100, 200):
        before = sys.getallocatedblocks()
        for seed in range(first, first + 30):
            use_everything(seed)
        gc.collect()
        grown.append(sys.getallocatedblocks() - before)
    assert min(grown) < 300, grown  # caches grow once; a leak of one block a frame would be 900 a time
