"""Pushes against the reference's wire vectors and, both ways, against Google's protobuf runtime."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # the package ships no types
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mexc_async.errors import ProtocolError
from mexc_async.schema.protobuf import Message, message_of
from mexc_async.schema.protobuf_fields import Kind
from mexc_async.schema.protobuf_write import delimited
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.models import Level
from mexc_async.spot.push import MAX_FRAME_BYTES, Push, decode_push, encode_push
from mexc_async.spot.push_models import (
    LEVEL,
    BalanceChange,
    Body,
    BookTickerBatch,
    BookTickerItem,
    BookTickerPush,
    DepthSnapshot,
    DepthUpdate,
    FillPush,
    KlinePush,
    LegacyDepthUpdate,
    LegacyDepthUpdates,
    LegacyTrade,
    LegacyTrades,
    MiniTicker,
    MiniTickers,
    OrderPush,
    TradePush,
    TradesPush,
    Unknown,
)
from tests.support import protobuf_oracle, reference

WRAPPER = protobuf_oracle.WRAPPER
MESSAGES: dict[str, Message[Any]] = {
    "PrivateAccountV3Api": message_of(BalanceChange),
    "PrivateDealsV3Api": message_of(FillPush),
    "PrivateOrdersV3Api": message_of(OrderPush),
    "PublicAggreBookTickerV3Api": message_of(BookTickerPush),
    "PublicAggreDealsV3Api": message_of(TradesPush),
    "PublicAggreDealsV3ApiItem": message_of(TradePush),
    "PublicAggreDepthV3ApiItem": LEVEL,
    "PublicAggreDepthsV3Api": message_of(DepthUpdate),
    "PublicBookTickerBatchV3Api": message_of(BookTickerBatch),
    "PublicBookTickerV3Api": message_of(BookTickerItem),
    "PublicDealsV3Api": message_of(LegacyTrades),
    "PublicDealsV3ApiItem": message_of(LegacyTrade),
    "PublicIncreaseDepthV3ApiItem": LEVEL,
    "PublicIncreaseDepthsBatchV3Api": message_of(LegacyDepthUpdates),
    "PublicIncreaseDepthsV3Api": message_of(LegacyDepthUpdate),
    "PublicLimitDepthV3ApiItem": LEVEL,
    "PublicLimitDepthsV3Api": message_of(DepthSnapshot),
    "PublicMiniTickerV3Api": message_of(MiniTicker),
    "PublicMiniTickersV3Api": message_of(MiniTickers),
    "PublicSpotKlineV3Api": message_of(KlinePush),
    WRAPPER: message_of(Push),
}
TYPES = {Kind.TEXT: "string", Kind.INT64: "int64", Kind.INT32: "int32", Kind.NAMED: "int32", Kind.BOOL: "bool"}


# --- the declarations ---


def declared(name: str) -> dict[int, tuple[str, str, str]]:
    """Return (name, type, label) by number, from our tables."""
    rows = {}
    for slot in MESSAGES[name].slots:
        if slot.kind >= Kind.MANY:
            kinds = {kind for kind, message in MESSAGES.items() if message is slot.detail}
            kind = next(row.type for row in protobuf_oracle.schema()[name] if row.number == slot.field.number)
            assert kind in kinds
            label = "repeated" if slot.kind == Kind.MANY else "singular"
        else:
            kind, label = TYPES[slot.kind], "optional" if slot.default is None else "singular"
        rows[slot.field.number] = (slot.field.name, kind, label)
    return rows


def test_every_message_of_the_schema_is_declared() -> None:
    assert MESSAGES.keys() == protobuf_oracle.schema().keys()
    assert len(MESSAGES) == 21


@pytest.mark.parametrize("name", MESSAGES)
def test_declaration_is_the_oracles_schema(name: str) -> None:
    assert declared(name) == {row.number: (row.name, row.type, row.label) for row in protobuf_oracle.schema()[name]}


@pytest.mark.parametrize("name", MESSAGES)
def test_declaration_is_the_references(name: str) -> None:
    fields = reference.read("spot-ws.json")["messages"][name]["fields"]
    assert declared(name) == {field["number"]: (field["name"], field["type"], field["label"]) for field in fields}


def test_reference_has_no_other_message() -> None:
    file = reference.read("spot-ws.json")
    assert file["messages"].keys() == MESSAGES.keys()
    for channel in file["channels"]:
        body = channel["wrapper_oneof_field"]
        assert declared(WRAPPER)[body["number"]][:2] == (body["name"], channel["message"])


# --- values of either side in the same terms: by field number, None for an absent field with presence ---


def of_oracle(message: Any) -> dict[int, Any]:
    values: dict[int, Any] = {}
    for row, (_, value) in zip(
        protobuf_oracle.schema()[message.DESCRIPTOR.name], protobuf_oracle.known_fields(message), strict=True
    ):
        if row.label == "repeated":
            values[row.number] = [of_oracle(item) for item in value]
        else:
            values[row.number] = of_oracle(value) if hasattr(value, "DESCRIPTOR") else value
    return values


def of_ours(message: Message[Any], value: Any) -> dict[int, Any]:
    values: dict[int, Any] = {}
    for slot in message.slots:
        part = getattr(value, slot.attribute)
        if slot.kind == Kind.MANY:
            part = [of_ours(slot.detail, item) for item in part]
        elif slot.kind == Kind.ONE:
            part = of_ours(slot.detail, part) if type(part) is slot.detail.struct else None
        elif slot.kind == Kind.NAMED:
            part = slot.detail.number(part)
        values[slot.field.number] = part
    return values


# --- wire vectors ---


VECTORS: list[dict[str, Any]] = reference.read("spot-ws.json")["wire_vectors"]["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_reference_vector_both_ways(vector: dict[str, Any]) -> None:
    frame = bytes.fromhex(vector["hex"])
    push = decode_push(frame)
    assert push.unknown_fields == 0
    assert encode_push(push) == frame
    assert decode_push(memoryview(frame)) == decode_push(bytearray(frame)) == push
    assert by_name(MESSAGES[WRAPPER], push) == vector["json"]


def by_name(message: Message[Any], value: Any) -> dict[str, Any]:
    """Convert to the reference's JSON form: MEXC's names, only fields on the wire, empty lists of levels."""
    names: dict[str, Any] = {}
    for slot in message.slots:
        part = getattr(value, slot.attribute)
        if slot.kind == Kind.MANY:
            names[slot.field.name] = [by_name(slot.detail, item) for item in part]
        elif slot.kind == Kind.ONE:
            if type(part) is slot.detail.struct:
                names[slot.field.name] = by_name(slot.detail, part)
        elif part is not None and part != slot.default:
            names[slot.field.name] = slot.detail.number(part) if slot.kind == Kind.NAMED else part
    return names


# --- differential, every message, both ways ---

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=8).map(lambda value: f"{value:f}")
TEXTS = NUMBERS | st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,8})?", fullmatch=True) | st.text(max_size=150)
TIMES = st.integers(1_600_000_000_000, 2_000_000_000_000)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "int64": TIMES | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-300, 300),
    "int32": st.integers(0, 6) | st.integers(-(1 << 31), (1 << 31) - 1),
    "bool": st.booleans(),
}


def messages(name: str) -> st.SearchStrategy[Any]:
    """Generate messages of the oracle with any of their fields set."""
    parts: dict[str, st.SearchStrategy[Any]] = {}
    for row in protobuf_oracle.schema()[name]:
        if row.oneof is None:
            part = SCALARS[row.type] if row.type in SCALARS else messages(row.type)
            parts[row.name] = st.lists(part, max_size=25 if name.endswith("DepthsV3Api") else 4)
            if row.label != "repeated":
                parts[row.name] = part
    fields = st.fixed_dictionaries({}, optional=parts)
    bodies = [row for row in protobuf_oracle.schema()[name] if row.oneof]
    if bodies:
        body = st.one_of([st.fixed_dictionaries({row.name: messages(row.type)}) for row in bodies])
        fields = st.tuples(fields, body | st.just({})).map(lambda both: both[0] | both[1])
    return fields.map(lambda values: protobuf_oracle.message_class(name)(**values))


@pytest.mark.parametrize("name", MESSAGES)
def test_reads_and_writes_as_the_oracle_does(name: str) -> None:
    ours, theirs = MESSAGES[name], protobuf_oracle.message_class(name)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(messages(name))
    def check(message: Any) -> None:
        wire = message.SerializeToString()
        value, unknown = ours.decode(wire)
        assert unknown == 0
        assert of_ours(ours, value) == of_oracle(message)
        assert ours.encode(value) == wire
        assert theirs.FromString(ours.encode(value)) == message

    check()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(messages(WRAPPER))
def test_frame_there_and_back(message: Any) -> None:
    frame = message.SerializeToString()
    push = decode_push(frame)
    assert encode_push(push) == frame
    assert isinstance(push.body, Unknown) is (message.WhichOneof("body") is None)


def test_values_of_ours_reach_the_oracle() -> None:
    for body in BODIES:
        push = Push("spot@x", body, "BTCUSDT", send_time=1736409765052)
        message = protobuf_oracle.message_class(WRAPPER).FromString(encode_push(push))
        assert of_oracle(message) == of_ours(MESSAGES[WRAPPER], push)
        assert decode_push(encode_push(push)) == push


LEVELS = tuple(Level(f"93{i}.5", f"0.{i}") for i in range(12))
TRADE = TradePush("93220.00", "0.04438243", Side.SELL, 1736409765051, "730292425431437318X0_1")
BODIES: list[Body] = [
    TradesPush((TRADE, TRADE), "spot@public.aggre.deals.v3.api.pb@100ms"),
    DepthUpdate(LEVELS[:9], LEVELS[:4], "10589632359", "10589632360", "spot@x", 1789897517454),
    DepthSnapshot(LEVELS[:10], LEVELS[:10], "36913565463", last_order_create_time=1789897517454),
    BookTickerPush("80535.88", "0.380497", "80535.89", "0.33336356", "81721676217", 1789897517454),
    BookTickerBatch((BookTickerItem("1", "2", "3", "4"), BookTickerItem()), "7", 1789897517454),
    KlinePush("Min15", 1736410500, "92925", "93158.47", "93158.47", "92800", "36.8", "3424811.05", 1736411400),
    MiniTicker("MXUSDT", "2.5174", "0.0766", "0.0766", "2.6", "2.3", "11336518.0", "4638390.1", "1", "2", "3", "4"),
    MiniTickers((MiniTicker("MXUSDT", "2.5174"), MiniTicker("ÄUSDT", "1"))),
    BalanceChange("USDT", "21.9", "10", "0", "-1", "ENTRUST_PLACE", 1736416910000, "128f"),
    FillPush("3.6962", "1", "3.6962", Side.BUY, "505X1", "C02__5", 1736417034280, True, True, "mine", "0.0003", "MX"),
    OrderPush("C02__5", OrderStatus.FILLED, OrderType.MARKET, Side.SELL, 1736417034259, last_fill_quantity_text=""),
    LegacyTrades((LegacyTrade("1", "2", Side.BUY, 5),)),
    LegacyDepthUpdate(LEVELS[:2], LEVELS[:1], "5"),
    LegacyDepthUpdates((LegacyDepthUpdate(LEVELS[:12], (), "5"), LegacyDepthUpdate((), LEVELS[:1], "6")), "e"),
    BookTickerItem("1", "2", "3", "4"),
]
FRAMES = [encode_push(Push("spot@x", body, "BTCUSDT", None, 1736410707571, 1736410707572)) for body in BODIES]
FRAME_IDS = [type(body).__name__ for body in BODIES]


# --- broken frames ---


def unlike_the_schema(message: Any) -> bool:
    """Return True if the oracle skipped a group or a known field of another wire type, which we refuse."""
    known = {row.number for row in protobuf_oracle.schema()[message.DESCRIPTOR.name]}
    if any(field.wire_type == 3 or field.field_number in known for field in UnknownFieldSet(message)):
        return True
    for _, value in protobuf_oracle.known_fields(message):
        parts = value if hasattr(value, "add") else [value]
        if any(unlike_the_schema(part) for part in parts if hasattr(part, "DESCRIPTOR")):
            return True
    return False


def taken(frame: bytes) -> tuple[Push[Body] | None, str]:
    """Decode a frame; return the push, or None and the reason of the refusal."""
    try:
        return decode_push(frame), ""
    except ProtocolError as error:
        return None, str(error)


def judge(frame: bytes) -> bool:
    """Return True if both decode the frame equally; fail on unintended differences from the oracle."""
    try:
        theirs = protobuf_oracle.message_class(WRAPPER).FromString(frame)
    except DecodeError:
        theirs = None
    push, refusal = taken(frame)
    if push is None:
        intended = re.search(r"a group|in wire type", refusal)
        # The part that a oneof replaced is gone from the oracle's result; what was wrong with it cannot be seen there.
        assert theirs is None or (intended and (unlike_the_schema(theirs) or frame.count(b"\x13") > 1)), refusal
        assert refusal.isprintable()
        return False
    assert theirs is not None
    assert of_ours(MESSAGES[WRAPPER], push) == of_oracle(theirs)
    return True


@pytest.mark.parametrize("frame", FRAMES, ids=FRAME_IDS)
def test_frame_cut_anywhere_is_refused_or_read_as_the_oracle_does(frame: bytes) -> None:
    assert sum(judge(frame[:size]) for size in range(len(frame))) < 10  # between the wrapper's fields


@pytest.mark.parametrize("frame", FRAMES, ids=FRAME_IDS)
def test_flipped_bytes_read_as_the_oracle_does(frame: bytes) -> None:
    for at in range(len(frame)):
        for byte in {frame[at] ^ 1 << bit for bit in range(8)} | {0, 0x0A, 0x12, 0x7F, 0x80, 0xFF, frame[at] + 8 & 255}:
            judge(frame[:at] + bytes([byte]) + frame[at + 1 :])


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Make a frame with bytes changed, dropped, doubled or inserted."""
    data = bytearray(draw(st.sampled_from(FRAMES)))
    for _ in range(draw(st.integers(1, 4))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
        part = draw(st.sampled_from([b"", bytes(data[at : at + size]) * 2, draw(st.binary(max_size=12))]))
        data[at : at + size] = part
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(broken() | st.binary(max_size=80))
def test_broken_frame_reads_as_the_oracle_does(frame: bytes) -> None:
    judge(frame)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([frame[frame.index(b"\x30") + 7 :] for frame in FRAMES]), min_size=2, max_size=5))
def test_several_bodies_merge_and_replace_as_the_oracle_does(bodies: list[bytes]) -> None:
    assert judge(b"".join(bodies))


def test_too_large_a_frame_is_refused_unread() -> None:
    frame = delimited(7, b"\0" * MAX_FRAME_BYTES)
    with pytest.raises(ProtocolError, match="a frame of 4194309 bytes"):
        decode_push(frame)


# --- unknown fields ---

EXTRA = [b"\xf8\x03\x05", b"\xf9\x03" + b"\0" * 8, b"\xfa\x03\x02hi", b"\xfd\x03" + b"\0" * 4, b"\xc2\x3e\x00"]
"""Field 63 in every wire type, and field 1000."""


def number_at(data: bytes, at: int) -> tuple[int, int]:
    """Return a varint and its end."""
    stop = next(i for i in range(at, len(data)) if data[i] < 128) + 1
    return sum((byte & 127) << 7 * i for i, byte in enumerate(data[at:stop])), stop


def with_extra(draw: Callable[[st.SearchStrategy[Any]], Any], message: Message[Any], data: bytes) -> tuple[bytes, int]:
    """Insert unknown fields before, between and after the fields, at every depth; return bytes and count."""
    embedded = {slot.field.number: slot.detail for slot in message.slots if slot.kind >= Kind.MANY}
    parts: list[bytes] = []
    count = at = 0
    while True:
        extra = draw(st.lists(st.sampled_from(EXTRA), max_size=1 if at else 2))
        parts += extra
        count += len(extra)
        if at == len(data):
            return b"".join(parts), count
        start = at
        tag, at = number_at(data, at)
        value, at = number_at(data, at)
        if tag & 7 == 2:
            at += value
        if below := embedded.get(tag >> 3):
            content, inside = with_extra(draw, below, data[at - value : at])
            parts.append(delimited(tag >> 3, content))
            count += inside
        else:
            parts.append(data[start:at])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data(), st.sampled_from(FRAMES))
def test_unknown_fields_anywhere_are_skipped_and_counted(data: st.DataObject, frame: bytes) -> None:
    extended, count = with_extra(data.draw, MESSAGES[WRAPPER], frame)
    push = decode_push(extended)
    assert push.unknown_fields == count
    assert msgspec.structs.replace(push, unknown_fields=0) == decode_push(frame)
    assert judge(extended)


def test_unknown_body_is_kept() -> None:
    head = Push("spot@new", Unknown(), "BTCUSDT")
    push = decode_push(encode_push(head) + delimited(20, b"no body") + delimited(316, b"\x0a\x01a"))
    assert push == Push("spot@new", Unknown(316, b"\x0a\x01a"), "BTCUSDT", unknown_fields=2)
    assert decode_push(encode_push(push)) == msgspec.structs.replace(push, unknown_fields=1)


def test_push_without_body_says_so() -> None:
    push = Push("spot@new", Unknown())
    assert decode_push(encode_push(push)) == push
    assert decode_push(b"") == Push("", Unknown())


def test_known_body_stands_before_an_unknown_one() -> None:
    push = decode_push(FRAMES[3] + delimited(316, b"new"))
    assert (push.body, push.unknown_fields) == (BODIES[3], 1)


# --- the consumer's view of a push ---


def test_numbers_are_exact_and_made_when_read() -> None:
    assert (TRADE.price, TRADE.quantity) == (Decimal("93220.00"), Decimal("0.04438243"))
    assert str(TRADE.price) == "93220.00"
    update = decode_push(FRAMES[1]).body
    assert isinstance(update, DepthUpdate)
    assert (update.from_version, update.to_version) == (10589632359, 10589632360)
    assert update.asks[1].price == Decimal("931.5")


def test_blank_number_is_none_where_it_may_be_missing() -> None:
    ticker = BookTickerPush("80535.88", "1")
    assert (ticker.bid_price, ticker.ask_price, ticker.version) == (Decimal("80535.88"), None, None)
    order = decode_push(FRAMES[10]).body
    assert isinstance(order, OrderPush)
    assert (order.price, order.last_fill_quantity, order.trigger_price, order.oco_id) == (None, None, None, None)
    assert order.last_fill_quantity_text == ""


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1,5", "9" * 5000 + "x"])
def test_text_that_is_no_number_raises_when_read(text: str) -> None:
    trade = TradePush(text, "1", Side.BUY, 1)
    assert decode_push(encode_push(Push("c", TradesPush((trade,))))).body == TradesPush((trade,))
    with pytest.raises(ProtocolError, match=f"price_text {text[:10]!r}"[:20]):
        _ = trade.price
    with pytest.raises(ProtocolError, match="version_text"):
        _ = DepthSnapshot((), (), text).version


def test_kline_times_are_milliseconds() -> None:
    kline = BODIES[5]
    assert isinstance(kline, KlinePush)
    assert (kline.open_time, kline.close_time) == (1736410500_000, 1736411400_000)
    assert (kline.open, kline.close, kline.volume) == (Decimal(92925), Decimal("93158.47"), Decimal("36.8"))


@pytest.mark.parametrize("number", [0, 3, -1, 100])
def test_unknown_side_type_and_status_keep_their_number(number: int) -> None:
    message = protobuf_oracle.message_class(WRAPPER)()
    order = message.privateOrders
    order.tradeType = order.orderType = order.status = 50 + number
    read = decode_push(message.SerializeToString()).body
    assert isinstance(read, OrderPush)
    assert (read.side, read.type, read.status) == (str(50 + number),) * 3
    assert not any(value.is_known for value in (read.side, read.type, read.status))
    assert encode_push(Push("", read)) == message.SerializeToString()


def test_numbers_of_the_enums_are_the_references() -> None:
    enums = reference.read("spot-ws.json")["enums"]
    for field, kinds in (("trade_type", "side"), ("order_status", "status"), ("order_type", "type")):
        slot = next(slot for slot in message_of(OrderPush).slots if slot.attribute == kinds)
        for number, name in enums[field].items():
            if int(number) < 100:
                assert slot.detail.value(int(number)) == name.split()[0]


def test_nothing_of_a_push_can_be_changed() -> None:
    push = decode_push(FRAMES[1])
    with pytest.raises(AttributeError):
        push.channel = "x"  # type: ignore[misc]  # that is the point
    assert isinstance(push.body, DepthUpdate)
    assert isinstance(push.body.asks, tuple)
    hash(push)
