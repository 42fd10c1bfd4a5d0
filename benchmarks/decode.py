"""Decoding of spot WebSocket frames. Every subject gets the same frames and states the type of its prices."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from importlib import import_module
from itertools import cycle, islice
from types import ModuleType
from typing import Any, TypeAlias

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # the package ships no types

from benchmarks import instructions
from benchmarks.harness import OWN, OWN_PURE, CpuLoop, Goal, Report, Row, Settings, interleave, summarise
from benchmarks.instructions import Work, Works
from mexc_async.books.book import OrderBook
from mexc_async.books.side import PureBookSide
from mexc_async.native.loader import core_kind
from mexc_async.schema.protobuf import message_of
from mexc_async.spot.enums import Side
from mexc_async.spot.models import Level
from mexc_async.spot.push import Push, decode_push, encode_push
from mexc_async.spot.push_models import (
    Body,
    BookTickerPush,
    DepthSnapshot,
    DepthUpdate,
    KlinePush,
    TradePush,
    TradesPush,
)
from tests.support import protobuf_oracle

Best: TypeAlias = tuple[Sequence[Any] | None, Sequence[Any] | None]
Feed: TypeAlias = Callable[[bytes], Best]
Decode: TypeAlias = Callable[[bytes], Any]

STRUCTS, DECIMALS, OWN_DECIMALS = "protobuf + Structs text", "protobuf + Structs Decimal", f"{OWN} Decimal"
BARE, AS_CCXT = "protobuf bare", "protobuf + MessageToDict text"
CCXT_BLOCKS, UPB_BLOCKS = "ccxt's parts", "protobuf + Structs, pure book"
CCXT, PYMEXC, AIOMEXC, TYPED_MEXC = "ccxt", "pymexc bare", "aiomexc", "typed-mexc"
GOALS = {"book ticker": 3.0, "depth, 30 levels": 1.0, "limit depth, 20 levels": 1.0, "deals": 3.0, "kline": 4.0}
"""Goals of the pure core relative to protobuf + Structs text; the compiled core has one goal for all frames."""
COMPILED_GOAL = 0.35
TO_BOOK = "depth, 30 levels, to a book and its best prices"
NOW = 1763719200123
FRAMES = 64
"""Number of different frames of each kind."""

parse: Decode = protobuf_oracle.message_class(protobuf_oracle.WRAPPER).FromString
_SIDES = {1: Side.BUY, 2: Side.SELL}


def _subjects(notes: list[str]) -> dict[str, Decode]:
    subjects: dict[str, Decode] = {
        OWN: decode_push,
        OWN_PURE: message_of(Push).decode_pure,
        OWN_DECIMALS: lambda frame: decimals(decode_push(frame).body),
        STRUCTS: structs,
        DECIMALS: lambda frame: decimals(structs(frame).body),
        BARE: parse,
        AS_CCXT: lambda frame: MessageToDict(parse(frame)),
    }
    for name, decode in PEERS.items():
        try:
            subjects[name] = decode()
        except Exception as error:  # a peer's import may raise anything
            notes.append(f"absent: {name} ({type(error).__name__})")
    return subjects


def run(settings: Settings) -> Report:
    """Measure the five most frequent kinds of frames."""
    notes = [
        f"{OWN}: the {core_kind} core",
        f"{OWN}: prices are text until they are read, as in {STRUCTS}, which makes the same values; Decimal: all read",
        f"{BARE}: nothing read; {AS_CCXT}: as ccxt decodes, before it parses the dict",
        "other clients hand out text too: ccxt a dict, pymexc protobuf's message with nothing read, others own objects",
    ]
    subjects = _subjects(notes)
    baselines = {AS_CCXT: 0.5} | {name: at_most for name, at_most in PEER_GOALS.items() if name in subjects}
    rows: list[Row] = []
    for case, frames in frames_by_case().items():
        assert all(structs(frame) == decode_push(frame) for frame in frames), "the subjects do not do the same"
        seconds = 0.0005 if settings.quick else 0.03
        loops = {name: _Loop(decode, frames, seconds) for name, decode in subjects.items()}
        rows += summarise(case, interleave(loops, settings.rounds), [STRUCTS, *baselines], ["cpu_us_per_op"])
    rows += _to_book(settings)
    rows += instructions.rows("decode", settings, notes, [STRUCTS, *baselines])
    goals = [
        Goal(TO_BOOK, "cpu_us_per_op", CCXT_BLOCKS, 1 / 40 if core_kind == "compiled" else 1 / 4),
        Goal(TO_BOOK, "cpu_us_per_op", CCXT_BLOCKS, 1 / 4, OWN_PURE),
    ]
    for case, pure_goal in GOALS.items():
        own_goal = COMPILED_GOAL if core_kind == "compiled" else pure_goal
        goals.append(Goal(case, "cpu_us_per_op", STRUCTS, own_goal))
        goals.append(Goal(case, "cpu_us_per_op", STRUCTS, pure_goal, OWN_PURE))
        goals += [Goal(case, "cpu_us_per_op", baseline, at_most) for baseline, at_most in baselines.items()]
    return Report(rows, goals, notes)


def _to_book(settings: Settings) -> list[Row]:
    """Measure a frame's bytes to an updated book of 1,000 levels per side and its best prices."""
    frames = frames_by_case()["depth, 30 levels"]
    subjects = {name: make() for name, make in book_feeders().items()}
    for frame in frames:
        found = [_as_floats(feed(frame)) for feed in subjects.values()]
        assert all(best == found[0] for best in found), "the subjects do not do the same"
    seconds = 0.0005 if settings.quick else 0.03
    loops = {name: _Loop(feed, frames, seconds) for name, feed in subjects.items()}
    baselines = [CCXT_BLOCKS, UPB_BLOCKS]
    return summarise(TO_BOOK, interleave(loops, settings.rounds), baselines, ["cpu_us_per_op"])


def book_feeders() -> dict[str, Callable[[], Feed]]:
    """Return functions that apply a frame to a book of 1,000 levels per side and read its best prices."""
    feeders: dict[str, Callable[[], Feed]] = {
        OWN: lambda: _own_feed(OrderBook(), partial(decode_push, packs=True)),
        OWN_PURE: lambda: _own_feed(OrderBook(PureBookSide), _decode_pure),
        UPB_BLOCKS: lambda: _own_feed(OrderBook(PureBookSide), structs),
    }
    with suppress(ImportError):
        feeders[CCXT_BLOCKS] = partial(_ccxt_feed, import_module("ccxt.async_support.base.ws.order_book").OrderBook)
    return feeders


def _deep_book() -> list[list[tuple[str, str]]]:
    return [[(_price(9338728 + (sign > 0) + sign * i), "1.25") for i in range(1000)] for sign in (-1, 1)]


def _decode_pure(frame: bytes) -> Push[Body]:
    return message_of(Push).decode_pure(frame)[0]


def _own_feed(book: OrderBook, decode: Callable[[bytes], Push[Body]]) -> Feed:
    bids, asks = _deep_book()
    book.load(bids, asks, 1)

    def feed(frame: bytes) -> Best:
        update = decode(frame).body
        assert isinstance(update, DepthUpdate)
        book.apply(update.bids, update.asks, 1)
        return book.best_bid, book.best_ask

    return feed


def _ccxt_feed(make: Callable[[dict[str, Any]], Any]) -> Feed:
    """Return ccxt's own parts, combined as in its exchange classes."""
    bids, asks = ([[float(p), float(q)] for p, q in side] for side in _deep_book())
    book = make({"bids": bids, "asks": asks})

    def feed(frame: bytes) -> Best:
        update = MessageToDict(parse(frame))["publicAggreDepths"]
        for side in ("bids", "asks"):
            store = book[side].store
            for level in update[side]:
                store(float(level["price"]), float(level["quantity"]))
        return book["bids"][0], book["asks"][0]

    return feed


def _as_floats(best: Best) -> list[list[float]]:
    return [[float(number) for number in level or ()] for level in best]


def work() -> Works:
    """Return the work for the instruction count: frames."""
    subjects = _subjects([])
    return {
        case: {name: _every(decode, frames) for name, decode in subjects.items()}
        for case, frames in frames_by_case().items()
    }


def _every(decode: Decode, frames: list[bytes]) -> Work:
    def decode_so_many(times: int) -> None:
        for frame in islice(cycle(frames), times):
            decode(frame)

    return decode_so_many


class _Loop:
    """CPU time per frame, over all frames of a case."""

    def __init__(self, decode: Decode, frames: list[bytes], seconds: float) -> None:
        self._frames = len(frames)
        self._loop = CpuLoop(partial(_every(decode, frames), len(frames)), seconds)

    def __call__(self) -> dict[str, float]:
        return {"cpu_us_per_op": self._loop()["cpu_ns_per_op"] / self._frames / 1000}


# --- the same values through Google's runtime, in C ---


def structs(frame: bytes) -> Push[Body]:
    message = parse(frame)
    has, kind = message.HasField, message.WhichOneof("body")
    return Push(
        message.channel,
        _BODIES[kind](getattr(message, kind)),
        message.symbol if has("symbol") else None,
        message.symbolId if has("symbolId") else None,
        message.createTime if has("createTime") else None,
        message.sendTime if has("sendTime") else None,
    )


def _ticker(m: Any) -> Body:
    return BookTickerPush(m.bidPrice, m.bidQuantity, m.askPrice, m.askQuantity, m.version, m.lastOrderCreateTime)


def _levels(side: Any) -> tuple[Level, ...]:
    return tuple([Level(level.price, level.quantity) for level in side])


def _update(m: Any) -> Body:
    asks, bids = _levels(m.asks), _levels(m.bids)
    return DepthUpdate(asks, bids, m.fromVersion, m.toVersion, m.eventType, m.lastOrderCreateTime)


def _snapshot(m: Any) -> Body:
    return DepthSnapshot(_levels(m.asks), _levels(m.bids), m.version, m.eventType, m.lastOrderCreateTime)


def _trades(m: Any) -> Body:
    trades = [TradePush(d.price, d.quantity, _SIDES[d.tradeType], d.time, d.tradeId) for d in m.deals]
    return TradesPush(tuple(trades), m.eventType)


def _kline(m: Any) -> Body:
    return KlinePush(
        m.interval,
        m.windowStart,
        m.openingPrice,
        m.closingPrice,
        m.highestPrice,
        m.lowestPrice,
        m.volume,
        m.amount,
        m.windowEnd,
    )


_BODIES: dict[str, Callable[[Any], Body]] = {
    "publicAggreBookTicker": _ticker,
    "publicAggreDepths": _update,
    "publicLimitDepths": _snapshot,
    "publicAggreDeals": _trades,
    "publicSpotKline": _kline,
}


def decimals(body: Body) -> list[Decimal | None]:
    """Read every price and quantity once."""
    match body:
        case DepthUpdate() | DepthSnapshot():
            return [number for side in (body.asks, body.bids) for level in side for number in level]
        case TradesPush():
            return [number for trade in body.trades for number in (trade.price, trade.quantity)]
        case BookTickerPush():
            return [body.bid_price, body.bid_quantity, body.ask_price, body.ask_quantity]
        case KlinePush():
            return [body.open, body.close, body.high, body.low, body.volume, body.quote_volume]
    raise TypeError(type(body).__name__)


# --- decoders of other clients ---


def _ccxt() -> Decode:
    decode: Decode = import_module("ccxt.pro").mexc().decode_proto_msg
    return decode


def _pymexc() -> Decode:
    sys.modules.setdefault("pymexc._async.web", ModuleType("web"))  # the package imports it, but its wheel lacks it
    wrapper: Any = import_module("pymexc.proto").PushDataV3ApiWrapper

    def decode(frame: bytes) -> object:
        message = wrapper()
        message.ParseFromString(frame)
        return message

    return decode


def _aiomexc() -> Decode:
    decode: Decode = import_module("aiomexc.ws.proto").PushMessage.loads
    return decode


def _typed_mexc() -> Decode:
    module = import_module("typed_mexc.spot.streams.core.proto")
    name = next(name for name in dir(module) if name.lower().startswith("pushdatav3apiwrapper"))
    decode: Decode = getattr(module, name).parse
    return decode


PEERS: dict[str, Callable[[], Decode]] = {
    CCXT: _ccxt,
    PYMEXC: _pymexc,
    AIOMEXC: _aiomexc,
    TYPED_MEXC: _typed_mexc,
}
PEER_GOALS = {CCXT: 0.5, AIOMEXC: 0.1, TYPED_MEXC: 0.1}
"""Goals relative to other clients; pymexc has none, since it reads no field."""


# --- frames ---


def frames_by_case(seed: int = 7) -> dict[str, list[bytes]]:
    """Create frames of the shapes that MEXC sends, the same in every run."""
    rng = random.Random(seed)
    makers = {
        "book ticker": _book_ticker,
        "depth, 30 levels": _depth,
        "limit depth, 20 levels": _limit_depth,
        "deals": _deals,
        "kline": _bar,
    }
    return {case: [encode_push(make(rng)) for _ in range(FRAMES)] for case, make in makers.items()}


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _quantity(rng: random.Random) -> str:
    """Format a quantity with eight decimals or without trailing zeros: MEXC sends both."""
    text = f"{rng.uniform(0.0001, 90):.{rng.choice((4, 6, 8, 8))}f}"
    return text if rng.random() < 0.5 else text.rstrip("0").rstrip(".")


def _side(rng: random.Random, cents: int, step: int, levels: int) -> tuple[Level, ...]:
    return tuple(Level(_price(cents + i * step), _quantity(rng)) for i in range(levels))


def _book_ticker(rng: random.Random) -> Push[Body]:
    bid = 9338728 + rng.randint(-50, 50)
    body = BookTickerPush(_price(bid), _quantity(rng), _price(bid + 1), _quantity(rng), "81721676217", NOW)
    return Push("spot@public.aggre.bookTicker.v3.api.pb@100ms@BTCUSDT", body, "BTCUSDT", send_time=_moment(rng))


def _depth(rng: random.Random) -> Push[Body]:
    name = "spot@public.aggre.depth.v3.api.pb@100ms"
    asks, bids = _side(rng, 9338729, 3, 15), _side(rng, 9338728, -3, 15)
    body = DepthUpdate(asks, bids, "10589632359", "10589632389", name, NOW)
    return Push(f"{name}@BTCUSDT", body, "BTCUSDT", send_time=_moment(rng))


def _limit_depth(rng: random.Random) -> Push[Body]:
    name = "spot@public.limit.depth.v3.api.pb"
    body = DepthSnapshot(_side(rng, 9338729, 1, 20), _side(rng, 9338728, -1, 20), "36913565463", name, NOW)
    return Push(f"{name}@BTCUSDT@20", body, "BTCUSDT", send_time=_moment(rng))


def _deals(rng: random.Random) -> Push[Body]:
    name = "spot@public.aggre.deals.v3.api.pb@100ms"
    trades = [
        TradePush(
            _price(9338728 + rng.randint(-9, 9)),
            _quantity(rng),
            rng.choice((Side.BUY, Side.SELL)),
            _moment(rng),
            "730292425431437318X0_730292425431437318X1",
        )
        for _ in range(5)
    ]
    return Push(f"{name}@BTCUSDT", TradesPush(tuple(trades), name), "BTCUSDT", send_time=_moment(rng))


def _bar(rng: random.Random) -> Push[Body]:
    first, last, high, low = (_price(9338728 + rng.randint(-999, 999)) for _ in range(4))
    start = NOW // 900_000 * 900
    body = KlinePush("Min15", start, first, last, high, low, _quantity(rng), "3424811.05", start + 900)
    symbol_id = "2fb942154ef44a4ab2ef98c8afb6a4a7"
    return Push("spot@public.kline.v3.api.pb@BTCUSDT@Min15", body, "BTCUSDT", symbol_id, _moment(rng))


def _moment(rng: random.Random) -> int:
    return NOW + rng.randint(0, 100_000)
