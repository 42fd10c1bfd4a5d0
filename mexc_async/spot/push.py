"""Codec between spot WebSocket frames and `Push`: one push per binary frame (MEXC: PushDataV3ApiWrapper)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from msgspec import Struct, structs

from mexc_async.errors import ProtocolError
from mexc_async.native.loader import compiled
from mexc_async.schema.protobuf import Message, message_of, unknown_bytes
from mexc_async.schema.protobuf_fields import Field, OneOf
from mexc_async.schema.protobuf_write import delimited
from mexc_async.spot.push_models import (
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
    LegacyTrades,
    MiniTicker,
    MiniTickers,
    OrderPush,
    TradesPush,
    Unknown,
)

B_co = TypeVar("B_co", covariant=True)
Dispatch: TypeAlias = Callable[[bytes, float], bool]

MAX_FRAME_BYTES = 4 << 20
"""Maximum size of a frame. The largest known, the mini tickers of all symbols, have about 200 kB."""
FIRST_BODY = 301
"""First field number of bodies in the wrapper."""

_BODIES = OneOf(
    Field(301, "publicDeals", LegacyTrades),
    Field(302, "publicIncreaseDepths", LegacyDepthUpdate),
    Field(303, "publicLimitDepths", DepthSnapshot),
    Field(304, "privateOrders", OrderPush),
    Field(305, "publicBookTicker", BookTickerItem),
    Field(306, "privateDeals", FillPush),
    Field(307, "privateAccount", BalanceChange),
    Field(308, "publicSpotKline", KlinePush),
    Field(309, "publicMiniTicker", MiniTicker),
    Field(310, "publicMiniTickers", MiniTickers),
    Field(311, "publicBookTickerBatch", BookTickerBatch),
    Field(312, "publicIncreaseDepthsBatch", LegacyDepthUpdates),
    Field(313, "publicAggreDepths", DepthUpdate),
    Field(314, "publicAggreDeals", TradesPush),
    Field(315, "publicAggreBookTicker", BookTickerPush),
)


class Push(Struct, Generic[B_co], frozen=True, gc=False):
    """One message of a channel; `Push[TradesPush]` has trades as its body."""

    channel: Annotated[str, Field(1, "channel")]
    """Channel name, as subscribed."""
    body: Annotated[B_co, _BODIES]
    symbol: Annotated[str | None, Field(3, "symbol")] = None
    symbol_id: Annotated[str | None, Field(4, "symbolId")] = None
    create_time: Annotated[int | None, Field(5, "createTime")] = None
    send_time: Annotated[int | None, Field(6, "sendTime")] = None
    unknown_fields: int = 0
    """Number of skipped fields that this release does not know, at any depth."""


# Made at their first use: a client without streams needs none.


@cache
def _message() -> Message[Push[Body]]:
    return message_of(Push)


@cache
def _reader(packs: bool) -> Callable[[bytes], tuple[Push[Body], int]]:
    return compiled.Reader(_message(), packs=True).decode if compiled and packs else _message().decode


def decode_push(frame: bytes | bytearray | memoryview, packs: bool = False) -> Push[Body]:
    """Decode one binary frame. Raises only ProtocolError: truncated, malformed or too large.

    A body with an unknown number becomes `Unknown`; unknown fields are skipped and counted. With `packs` the compiled
    core leaves levels encoded, in a sequence that decodes them at access; an order book applies them without.
    """
    data = frame if type(frame) is bytes else bytes(frame)
    if len(data) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame of {len(data)} bytes, more than {MAX_FRAME_BYTES}")
    push, unknown = _reader(packs)(data)
    if push.body is not None and not unknown:
        return push
    body = push.body if push.body is not None else _unknown_body(data)
    return structs.replace(push, body=body, unknown_fields=unknown)


def dispatcher(
    subscribers: dict[str, Any], packed: set[bytes], on_error: Callable[[Any, Any, Exception], None]
) -> Dispatch | None:
    """Return the compiled function that decodes a frame and calls `put(push, now)` of its channel's `subscribers`.

    None in the pure core. The function returns False, without effect, for a frame with unknown parts, of another
    channel, or of a `packed` channel.
    """
    if not compiled:
        return None
    reader = compiled.Reader(_message())
    dispatch: Dispatch = compiled.Dispatch(reader, Push, subscribers, packed, on_error, MAX_FRAME_BYTES)
    return dispatch


def encode_push(push: Push[Body]) -> bytes:
    """Encode a push as a frame, fields in the order of their numbers. Raises ValueError for a number out of range."""
    frame, body = _message().encode(push), push.body
    return frame + delimited(body.number, body.data) if isinstance(body, Unknown) and body.number else frame


def _unknown_body(data: bytes) -> Unknown:
    """Return the last unknown field in the range of bodies."""
    bodies = [Unknown(number, content) for number, content in unknown_bytes(_message(), data) if number >= FIRST_BODY]
    return bodies[-1] if bodies else Unknown()
