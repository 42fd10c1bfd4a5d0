"""Endpoints as values: methods, signatures and queries from one declaration."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Auth, Request, Resource, Route, call, call_one_or_all, declared, result_type
from mexc_async.schema.query import encode
from mexc_async.spot.api import RawSpot, Spot
from mexc_async.spot.enums import OrderType, Side
from mexc_async.spot.market import DepthQuery, Market, PriceTickerQuery
from mexc_async.spot.models import Depth, PriceTicker
from mexc_async.spot.trading import BatchOrders, CancelAllOrders, NewOrder


class Recorder:
    """A sender that records its requests and answers with a fixed value."""

    def __init__(self, answer: object = None) -> None:
        self.sent: list[Request[Any]] = []
        self.answer = answer

    async def send(self, request: Request[Any], /) -> Any:
        self.sent.append(request)
        return self.answer


async def test_method_builds_its_request_and_hands_it_to_the_sender() -> None:
    sender = Recorder("the answer")
    spot: Any = Spot(sender)
    assert await spot.depth(symbol="BTCUSDT", limit=5) == "the answer"
    assert await spot.ticker_price() == "the answer"
    assert await spot.ticker_price(symbol="MXUSDT") == "the answer"
    assert sender.sent == [DepthQuery(symbol="BTCUSDT", limit=5), PriceTickerQuery(), PriceTickerQuery(symbol="MXUSDT")]


async def test_resource_of_raw_answers_sends_the_same_requests() -> None:
    sender = Recorder({"raw": True})
    spot: Any = RawSpot(sender)
    assert await spot.depth(symbol="BTCUSDT") == {"raw": True}
    assert await spot.book_ticker() == {"raw": True}
    assert sender.sent[0] == DepthQuery(symbol="BTCUSDT")


def test_methods_are_made_once_and_belong_to_their_resource() -> None:
    one, two = Spot(Recorder()), Spot(Recorder())
    assert one.depth is one.depth
    assert one.ticker_price is one.ticker_price
    assert one.depth is not two.depth


def test_method_shows_the_signature_and_text_of_its_request() -> None:
    method = Spot(Recorder()).depth
    assert list(inspect.signature(method).parameters) == ["symbol", "limit"]
    assert getattr(method, "__name__") == "depth"  # noqa: B009 - a Callable is not known to have one
    assert (inspect.getdoc(method) or "").startswith(inspect.getdoc(DepthQuery) or "-")
    assert (inspect.getdoc(Spot(Recorder()).ticker_price) or "").startswith(inspect.getdoc(PriceTickerQuery) or "-")


def test_nothing_is_sent_when_a_parameter_is_wrong_or_unknown() -> None:
    sender = Recorder()
    spot: Any = Spot(sender)
    with pytest.raises(InvalidRequest):
        spot.depth(symbol="btcusdt")
    with pytest.raises(TypeError):
        spot.depth(symbl="BTCUSDT")
    with pytest.raises(TypeError):
        spot.depth()
    with pytest.raises(TypeError):
        spot.depth("BTCUSDT")
    assert sender.sent == []


def test_class_shows_its_declarations() -> None:
    assert isinstance(Spot.depth, call)
    assert Spot.depth.request is DepthQuery
    assert isinstance(Spot.ticker_price, call_one_or_all)
    assert (Spot.depth.name, Spot.ticker_price.name) == ("depth", "ticker_price")


def test_declared_endpoints_tell_everything_about_themselves() -> None:
    by_name = {endpoint.name: endpoint for endpoint in declared(Market)}
    depth = by_name["depth"]
    assert (depth.product, depth.method, depth.path, depth.auth) == ("spot", "GET", "/api/v3/depth", Auth.NONE)
    assert (depth.request, depth.result, depth.costs) == (DepthQuery, Depth, DepthQuery.route.costs)
    assert depth.doc.startswith("Get an order book snapshot")
    assert by_name["ticker_price"].result == PriceTicker | list[PriceTicker]


def test_endpoints_come_group_by_group() -> None:
    class More(Market):
        again = call(DepthQuery)

    names = [endpoint.name for endpoint in declared(More)]
    assert names == ["again", *(endpoint.name for endpoint in declared(Market))]
    assert [endpoint.name for endpoint in declared(Spot)][:2] == ["ping", "server_time"]
    assert {endpoint.name for endpoint in declared(Spot)} > set(names[1:])
    assert list(declared(Resource)) == []


def test_result_of_a_class_that_names_none_is_a_type_error() -> None:
    class Bare(msgspec.Struct):
        pass

    with pytest.raises(TypeError, match="Bare does not derive from Request"):
        result_type(Bare)


def test_parameters_carry_wire_names_and_texts_and_leave_out_what_is_none() -> None:
    order = NewOrder(
        symbol="MXUSDT",
        side=Side.BUY,
        type="LIMIT",
        quantity=Decimal("1E+2"),
        price=Decimal("1E-7"),
        new_client_order_id="me-1",
    )
    assert order.params() == [
        ("symbol", "MXUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("quantity", "100"),
        ("price", "0.0000001"),
        ("newClientOrderId", "me-1"),
    ]
    assert CancelAllOrders().params() == []


def test_batch_is_json_of_texts_with_upper_case_percent_encoding() -> None:
    orders = [
        NewOrder(symbol="BTCUSDT", side="BUY", type=OrderType.LIMIT, quantity=Decimal("0.0002"), price=Decimal(40000)),
        NewOrder(symbol="BTCUSDT", side="SELL", type="MARKET", quantity=Decimal("3E-4")),
    ]
    ((name, text),) = BatchOrders(orders=orders).params()
    assert name == "batchOrders"
    assert msgspec.json.decode(text) == [
        {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.0002", "price": "40000"},
        {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.0003"},
    ]
    assert " " not in text
    encoded = encode([(name, text)])
    assert encoded.startswith("batchOrders=%5B%7B%22symbol%22%3A%22BTCUSDT%22%2C")


def test_requests_are_values() -> None:
    one, two = DepthQuery(symbol="BTCUSDT"), DepthQuery(symbol="BTCUSDT")
    assert one == two
    assert hash(one) == hash(two)
    with pytest.raises(AttributeError):
        one.symbol = "X"  # type: ignore[misc]  # that it is frozen is the point
    assert msgspec.structs.replace(one, limit=5) == DepthQuery(symbol="BTCUSDT", limit=5)
    with pytest.raises(InvalidRequest):
        msgspec.structs.replace(one, limit=0)


def test_user_declares_an_endpoint_in_three_lines() -> None:
    class Etf(Request[PriceTicker], frozen=True, kw_only=True):
        """An ETF."""

        route = Route("GET", "/api/v3/etf/info")
        symbol: str

    class Extra(Resource):
        etf_info = call(Etf)

    def only() -> Iterator[Any]:
        yield from declared(Extra)

    (endpoint,) = only()
    assert (endpoint.name, endpoint.path, endpoint.doc) == ("etf_info", "/api/v3/etf/info", "An ETF.")
    assert Etf(symbol="OP3SUSDT").params() == [("symbol", "OP3SUSDT")]


TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, categories=["L", "N", "P", "S"]), max_size=20)


@given(
    st.decimals("1e-20", "1e20", places=8).filter(lambda number: number > 0),
    st.sampled_from([None, "", "cancel_both"]),
    st.sampled_from(["me-1", "a:b", "x~y", "100%", "A" * 32]) | st.none(),
    st.none() | st.integers(1, 60_000),
)
def test_the_generated_query_is_what_sorting_and_encoding_the_parameters_gives(
    price: Decimal, stp_mode: Any, name: str | None, window: int | None
) -> None:
    order = NewOrder(
        symbol="BTCUSDT", side=Side.SELL, type="LIMIT", quantity=Decimal("1E+2"), price=price,
        new_client_order_id=name, stp_mode=stp_mode,
    )  # fmt: skip
    assert order.query() == encode(order.params())
    assert order.query(window, 17) == encode([*order.params(), ("recvWindow", window), ("timestamp", 17)])
    batch = BatchOrders(orders=[order])
    assert batch.query(window, 17) == encode([*batch.params(), ("recvWindow", window), ("timestamp", 17)])


@given(TEXTS.filter(bool))
def test_the_generated_query_escapes_what_has_to_be(text: str) -> None:
    class Named(Request[PriceTicker], frozen=True, kw_only=True):
        """Has a field of every kind."""

        route = Route("GET", "/x")
        name: str
        count: int = 3
        is_on: bool | None = None

    one = Named(name=text, is_on=True)
    assert one.query() == encode(one.params())
    assert Named(name=text).query() == encode([("count", "3"), ("name", text)])


def test_a_request_without_parameters_has_an_empty_query() -> None:
    assert CancelAllOrders().query() == ""
    assert CancelAllOrders().query(None, 5) == "timestamp=5"
