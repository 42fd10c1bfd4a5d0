"""Amounts are given as Decimal, whole number or exact text, and become the same Decimal everywhere."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.errors import InvalidRequest
from mexc_async.schema.validation import amount, shown
from mexc_async.spot.models import OrderAck
from mexc_async.spot.prepared import Outcome, PreparedOrder
from mexc_async.spot.trading import NewOrder, TestOrder
from mexc_async.spot.wallet import InternalTransferRequest, UniversalTransfer, Withdraw

D = Decimal
EXACT = [
    (60000, "60000"),
    ("0.001", "0.001"),
    ("0.0010", "0.0010"),
    ("007", "7"),
    (D("1E+3"), "1000"),
    (D("0.1"), "0.1"),
    ("12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890"),
    (10**20, "100000000000000000000"),
]
"""Amounts as given, with their text on the wire."""
INEXACT: list[tuple[Any, str]] = [
    (0.1, "is a float, rounded already"),
    (1.0, "is a float, rounded already"),
    (float("nan"), "is a float, rounded already"),
    (True, "is a bool"),
    (None, "is a NoneType"),
    (b"1", "is a bytes"),
    (1j, "is a complex"),
    ("", "is not an exact amount"),
    (" 1", "is not an exact amount"),
    ("1\n", "is not an exact amount"),
    ("1e3", "is not an exact amount"),
    ("1E-7", "is not an exact amount"),
    ("1_000", "is not an exact amount"),
    ("1,000", "is not an exact amount"),
    ("0,5", "is not an exact amount"),
    (".5", "is not an exact amount"),
    ("5.", "is not an exact amount"),
    ("+1", "is not an exact amount"),
    ("0x10", "is not an exact amount"),
    ("NaN", "is not an exact amount"),
    ("Infinity", "is not an exact amount"),
    ("\uff11", "is not an exact amount"),  # digits of full width
    ("\u0661", "is not an exact amount"),  # Arabic digits
    ("9" * 5000, "is not an exact amount"),
    ("1 USDT", "is not an exact amount"),
    ("0", "must be above zero"),
    (0, "must be above zero"),
    ("-1", "must be above zero"),
    (-1, "must be above zero"),
    (D("NaN"), "is not a number"),
    (10**21, "is not an amount"),
    (10**5000, "is not an amount"),
    ("1." + "1" * 45, "is not an amount"),
]
LIMIT: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}


class Recorder:
    """Sender that stores what it is given."""

    def __init__(self) -> None:
        self.sent: list[NewOrder] = []

    async def send(self, request: NewOrder, /) -> OrderAck:
        self.sent.append(request)
        return OrderAck(symbol=request.symbol, order_id="1")

    def start(self, request: NewOrder, /) -> Outcome[OrderAck]:
        self.sent.append(request)
        raise NotImplementedError


@pytest.mark.parametrize(("given", "wire"), EXACT, ids=str)
def test_exact_amount_becomes_a_decimal_and_its_text(given: Any, wire: str) -> None:
    first = NewOrder(**LIMIT, price=given, quantity=given, new_client_order_id="a-1")
    for order in (first, NewOrder(**LIMIT, price=given, quantity=given, new_client_order_id="a-2")):
        assert (type(order.price), type(order.quantity)) == (D, D)
        assert order.price == order.quantity == D(wire)
        assert f"&price={wire}&quantity={wire}&" in order.query(None, 1)  # of a form that is known the second time
    assert TestOrder(**LIMIT, price=given, quantity=given).quantity == D(wire)
    by_value = NewOrder(symbol="BTCUSDT", side="BUY", type="MARKET", quote_order_qty=given)
    assert dict(by_value.params())["quoteOrderQty"] == wire


@pytest.mark.parametrize(("given", "wire"), EXACT, ids=str)
def test_amounts_of_the_wallet_are_exact(given: Any, wire: str) -> None:
    moved = UniversalTransfer(from_account_type="SPOT", to_account_type="FUTURES", asset="USDT", amount=given)
    paid = InternalTransferRequest(to_account_type="UID", to_account="1", asset="USDT", amount=given)
    for request in (moved, paid, Withdraw(coin="USDT", address="T1", amount=given)):
        assert type(request.amount) is D
        assert dict(request.params())["amount"] == wire


@pytest.mark.parametrize(("given", "words"), INEXACT, ids=shown)
def test_inexact_amount_is_refused_with_the_reason_in_one_line(given: Any, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        amount("price", given)
    assert words in caught.value.message
    assert caught.value.message.startswith("price ")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300
    if given is not None:
        with pytest.raises(InvalidRequest):
            NewOrder(**LIMIT, price=given, quantity=D(1))


@pytest.mark.parametrize("given", [1, "1", D(1)], ids=repr)
async def test_prepared_order_takes_exact_amounts(given: Any) -> None:
    sender = Recorder()
    buy = PreparedOrder(sender, "BTCUSDT", "BUY", "LIMIT")
    await buy.send(price=given, quantity=given)
    with pytest.raises(NotImplementedError):
        buy.start(price=given, quantity=given)
    assert [(order.price, type(order.price)) for order in sender.sent] == [(D(1), D)] * 2
    with pytest.raises(InvalidRequest, match="is a float"):
        buy.start(price=given, quantity=0.5)  # type: ignore[arg-type]  # a float is refused


@given(
    st.one_of(st.text(max_size=12), st.text("0123456789.-+eE_ ", max_size=12), st.integers(), st.floats(), st.none())
)
def test_anything_is_refused_or_becomes_exactly_that_number(value: Any) -> None:
    try:
        number = amount("price", value)
    except InvalidRequest:
        return
    assert isinstance(value, int | str)
    assert number == D(value)
    assert number > 0
