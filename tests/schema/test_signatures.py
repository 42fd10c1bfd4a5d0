"""Signatures and help texts of endpoints, as a reader of the package sees them."""

from __future__ import annotations

import inspect
import pydoc
import re
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

import pytest

from mexc_async.client.catalogue import endpoints
from mexc_async.client.mexc import Mexc
from mexc_async.client.orders import Orders
from mexc_async.schema.endpoint import Request, Resource, Route, call
from mexc_async.schema.meanings import MEANINGS
from mexc_async.spot.api import RawSpot, Spot
from mexc_async.spot.models import BookTicker, Depth, OrderAck

T = TypeVar("T")
DECLARED = {endpoint.name: endpoint for endpoint in endpoints()}


class Sender:
    """Sender that returns the request itself."""

    async def _answer(self, request: Any) -> Any:
        return request

    def send(self, request: Request[T], /) -> Coroutine[Any, Any, T]:
        return self._answer(request)


def shown(thing: object) -> str:
    return re.sub("(.)\b\\1", r"\1", pydoc.render_doc(thing))  # without its bold letters


def test_signature_of_an_order_reads_as_its_declaration() -> None:
    for method in (Spot(Sender()).new_order, Spot.new_order, Mexc.spot.new_order):
        signature = inspect.signature(method)
        parameters = signature.parameters
        assert {one.kind for one in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
        assert parameters["symbol"].annotation is str
        assert parameters["side"].annotation == Literal["BUY", "SELL"]
        assert parameters["new_client_order_id"].annotation == (str | None)
        assert parameters["price"].default is None
        assert signature.return_annotation is OrderAck
        assert str(signature).startswith("(*, symbol: str, side: Literal['BUY', 'SELL'], type: Literal['LIMIT', ")
        assert "Rule(" not in str(signature)


def test_help_shows_signature_meaning_of_parameters_and_path() -> None:
    for method in (Spot(Sender()).new_order, Spot.new_order, Mexc.spot.new_order):
        text = shown(method)
        assert "new_order(*, symbol: str, side: Literal['BUY', 'SELL']" in text
        assert "    Place an order. The answer only confirms its receipt." in text
        assert "        quantity: Quantity in base." in text
        assert "POST /api/v3/order; permission SPOT_DEAL_WRITE; weight 1 in limit `uid`" in text
    assert "depth(*, symbol: str, limit: int | None = None) -> " in shown(Spot)
    assert "limit_buy(" in shown(Mexc.orders.limit_buy)


def test_answer_of_one_or_all_and_of_a_raw_view() -> None:
    assert inspect.signature(Spot(Sender()).book_ticker).return_annotation == BookTicker | list[BookTicker]
    assert inspect.signature(Spot(Sender()).depth).return_annotation is Depth
    assert "dict" in inspect.signature(RawSpot(Sender()).depth).return_annotation


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_every_endpoint_reads_well(name: str) -> None:
    endpoint = DECLARED[name]
    for method in (getattr(Spot(Sender()), name), getattr(Spot, name)):
        signature = inspect.signature(method)
        assert tuple(signature.parameters) == endpoint.request.__struct_fields__
        assert "Annotated" not in str(signature)
        assert "object at 0x" not in str(signature)
        assert signature.return_annotation == endpoint.result
        text = inspect.getdoc(method) or ""
        assert text.startswith(endpoint.doc)
        assert f"{endpoint.method} {endpoint.path}" in text
        for parameter in signature.parameters:
            assert f"\n    {parameter}: " in text, f"schema/meanings.py does not say what {parameter} is"
        assert f"{name}(" in shown(method)


def test_meanings_are_of_parameters_that_there_are() -> None:
    fields = {field for one in DECLARED.values() for field in one.request.__struct_fields__}
    kinds = {kind.__name__: kind for one in DECLARED.values() for kind in one.request.__mro__}
    for name in MEANINGS:
        owner, _, field = name.rpartition(".")
        assert field in (getattr(kinds[owner], "__struct_fields__", ()) if owner else fields), name


async def test_entry_of_a_class_calls_the_endpoint_of_a_resource() -> None:
    spot = Spot(Sender())
    assert await Spot.depth(spot, symbol="BTCUSDT") == await spot.depth(symbol="BTCUSDT")


def test_endpoint_of_the_user_needs_no_meanings() -> None:
    class Etf(Request[Depth], frozen=True, kw_only=True):
        """An ETF."""

        route = Route("GET", "/api/v3/etf/info")
        ticker: str

    class Extra(Resource):
        etf_info = call(Etf)

    assert inspect.getdoc(Extra(Sender()).etf_info) == "An ETF.\n\nGET /api/v3/etf/info."


@pytest.mark.parametrize("kind", ["limit", "maker", "ioc", "fok", "market"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_shortcuts_of_orders_name_their_parameters(kind: str, side: str) -> None:
    signature = inspect.signature(getattr(Orders, f"{kind}_{side}"), eval_str=True)
    size = ["quantity", "quote"] if kind == "market" else ["quantity", "price"]
    assert list(signature.parameters) == ["self", "symbol", *size, "client_order_id", "stp_mode"]
    assert all("Decimal" in str(signature.parameters[name]) for name in size)
