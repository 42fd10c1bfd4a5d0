"""Content of a call log's entries, in both encodings."""

from __future__ import annotations

from typing import get_args

import pytest

from mexc_async.call_log.entries import (
    AnyEntry,
    Closed,
    Done,
    Opened,
    Pushed,
    Sending,
    json_line,
    of_json,
    packed,
    public,
    unpacked,
)
from mexc_async.orders.snapshot import RecordedError
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.push_models import OrderPush

AT, WALL = 1_795_647_864_621, 1_795_647_864_622


def test_every_kind_of_entry_can_be_read_again() -> None:
    entries: list[AnyEntry] = [
        Opened(AT, WALL, 1, 17, 5),
        Sending(AT, WALL, "m@0", 1, "POST /api/v3/order", {"symbol": "BTCUSDT"}, AT + 5000, "m-1"),
        Done(AT, WALL, "m@0", "GET /api/v3/order", "refused", 5, 6, error=RecordedError("OrderNotFound", "no", -2013)),
        Closed(AT, WALL),
    ]
    assert [unpacked(packed(entry)) for entry in entries] == entries
    assert [of_json(json_line(entry, 0, "", "")) for entry in entries] == entries
    assert {type(entry) for entry in entries} <= set(get_args(AnyEntry))


def test_push_says_all_that_came_and_no_more() -> None:
    body = OrderPush(
        order_id="C1", status=OrderStatus.NEW, type=OrderType.LIMIT, side=Side.BUY, create_time=5,
        client_order_id="m-1", price_text="0.5",
    )  # fmt: skip
    entry = unpacked(packed(Pushed(AT, WALL, "m@0", "spot@private.orders.v3.api.pb", body, "XRPUSDT", "m-1", "C1", 7)))
    assert isinstance(entry, Pushed)
    assert entry.body == {
        "order_id": "C1", "status": "NEW", "type": "LIMIT", "side": "BUY", "create_time": 5,
        "client_order_id": "m-1", "price_text": "0.5",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"nonsense", b'{"kind":"later","at":1,"wall":1}', b'{"kind":"lost"}', b"\xff"]
)
def test_what_is_not_understood_is_none(line: bytes) -> None:
    assert of_json(line) is None
    assert unpacked(line) is None


@pytest.mark.parametrize(
    "name", ["listenKey", "apiKey", "accessKey", "secretKey", "password", "signature", "API_KEY", "passphrase", "token"]
)
def test_parameters_that_are_secret_by_name_lose_their_value(name: str) -> None:
    assert public([("symbol", "BTCUSDT"), (name, "hidden")]) == {"symbol": "BTCUSDT", name: "***"}


def test_parameters_of_an_order_stay() -> None:
    params = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("newClientOrderId", "m-1"),
        ("stpMode", ""),
        ("recvWindow", "5000"),
    ]
    assert public(params) == dict(params)


def test_secrets_are_masked_wherever_they_stand() -> None:
    error = RecordedError("ApiError", "key K3Y-abc is bad")
    entries = [
        Done(AT, WALL, "m@0", "GET /api/v3/order", "refused", 5, 6, error=error),
        Sending(AT, WALL, "m@0", 1, "POST /api/v3/order", {"K3Y-abc": "K3Y-abc"}, 7, "K3Y-abc"),
        Pushed(AT, WALL, "m@0", "channel", {"items": ["K3Y-abc", 5, None]}),
    ]
    for entry in entries:
        data = packed(entry, (b"K3Y-abc",))
        assert b"K3Y-abc" not in data
        assert unpacked(data) is not None
    assert b"key *** is bad" in packed(entries[0], (b"K3Y-abc",))
