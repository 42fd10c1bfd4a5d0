"""OpenAPI of a FastAPI service: the models describe exactly what `answer` writes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from msgspec.structs import replace
from pydantic import TypeAdapter

from mexc_async.client.catalogue import endpoints
from mexc_async.contrib.http_answers import ErrorBody, answer_of, body_of
from mexc_async.contrib.keyed_orders import OrderAnswer
from mexc_async.contrib.response_models import model_of
from mexc_async.errors import InsufficientBalance
from mexc_async.schema.fields import Unspecified
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.models import Account, Balance, Depth, Kline, Level, Order
from mexc_async.spot.wallet_models import Deposit
from tests.support.serving import example

BALANCE = Balance(asset="USDT", free=Decimal("1E-7"), locked=Decimal(0))
ORDER = Order(
    symbol="A",
    order_id="1",
    executed_quantity=Decimal("0.10"),
    executed_quote_quantity=Decimal(0),
    status=OrderStatus.NEW,
    type=OrderType.LIMIT,
    side=Side.BUY,
    time=1,
)
VALUES: list[tuple[Any, object]] = [
    (dict[str, Balance], {"USDT": BALANCE}),
    (list[Balance], [BALANCE, replace(BALANCE, available=Decimal(1))]),
    (Account, Account(balances=[BALANCE])),
    (Depth, Depth(last_update_id=1, bids=[Level("1", "2")], asks=[])),
    (list[Kline], [Kline(1, "1", "1", "1", "1", "1", 2, "1")]),
    (Order, ORDER),
    (OrderAnswer, OrderAnswer("a", None, "A", "BUY", "LIMIT", "NEW", Decimal(1), None, Decimal(0), None)),
    (ErrorBody, body_of(InsufficientBalance("too little", code=30004))),
]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda case: str(case)[:30])
def test_a_model_is_what_an_answer_holds(kind: Any, value: object) -> None:
    body = answer_of(value).body
    adapter: TypeAdapter[Any] = TypeAdapter(model_of(kind))
    assert orjson.loads(adapter.dump_json(adapter.validate_json(body, strict=True))) == orjson.loads(body)


def test_every_answer_of_the_exchange_has_a_model() -> None:
    for endpoint in endpoints():
        if endpoint.result is not Unspecified:  # no source describes it
            assert TypeAdapter(model_of(endpoint.result)).json_schema()
    amount = TypeAdapter(model_of(Deposit)).json_schema()["properties"]["amount"]
    assert (amount["type"], amount["format"]) == ("string", "decimal")


def test_the_example_shows_its_answers_and_errors() -> None:
    schema = example("fastapi").app.openapi()
    balances = schema["paths"]["/balances"]["get"]["responses"]
    assert balances["200"]["content"]["application/json"]["schema"]["additionalProperties"] == {
        "$ref": "#/components/schemas/Balance"
    }
    assert schema["components"]["schemas"]["Balance"]["properties"]["free"]["type"] == "string"
    placed = schema["paths"]["/orders"]["post"]["responses"]
    assert placed["201"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/OrderAnswer"}
    assert placed["409"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
    assert "InsufficientBalance" in placed["409"]["description"]
