"""A symbol's rules: rounding to its steps, and errors for orders that break them."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.errors import InvalidRequest
from mexc_async.spot.models import SymbolInfo
from mexc_async.spot.rules import SymbolRules
from mexc_async.spot.trading import NewOrder


def rules(**changes: Any) -> SymbolRules:
    fields: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "status": "1",
        "base": "BTC",
        "base_precision": 8,
        "quote": "USDT",
        "quote_precision": 2,
        "quote_asset_precision": 2,
        "base_commission_precision": 8,
        "quote_commission_precision": 2,
        "order_types": [],
        "is_spot_trading_allowed": True,
        "min_notional": Decimal(1),
        "quantity_step": Decimal("0.000001"),
        "max_notional": Decimal(4_000_000),
        "min_notional_market_text": "5",
        "max_notional_market_text": "100000",
    }
    return SymbolRules(SymbolInfo(**fields | changes))


BTC = rules()


@pytest.mark.parametrize(
    ("value", "mode", "rounded"),
    [
        ("65000.129", "down", "65000.12"),
        ("65000.121", "up", "65000.13"),
        ("65000.125", "nearest", "65000.12"),
        ("65000.135", "nearest", "65000.14"),
        ("65000.12", "up", "65000.12"),
        ("1E+3", "down", "1000"),
        ("0.004", "up", "0.01"),
    ],
)
def test_price_is_rounded_to_the_ticks(value: str, mode: Literal["down", "up", "nearest"], rounded: str) -> None:
    assert BTC.price(Decimal(value), mode) == Decimal(rounded)


def test_rounding_goes_down_unless_told_otherwise() -> None:
    assert BTC.price(Decimal("1.019")) == Decimal("1.01")
    assert BTC.quantity(Decimal("0.0000019")) == Decimal("0.000001")


def test_quantity_step_of_zero_leaves_it_to_the_decimals() -> None:
    assert rules(quantity_step=Decimal(0)).step == Decimal("1E-8")
    assert rules(quantity_step=Decimal("0.00")).quantity(Decimal("0.123456789")) == Decimal("0.12345678")
    assert rules(quantity_step=Decimal(0), base_precision=0).quantity(Decimal("7.9")) == 7
    assert rules(quantity_step=Decimal(10)).quantity(Decimal("129.9")) == 120


@pytest.mark.parametrize("value", ["0.009", "0.001", "1E-20"])
def test_price_of_which_nothing_is_left_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match=r"price 0\.0+\d+ is less than one step of 0\.01 on BTCUSDT"):
        BTC.price(Decimal(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.5, "price 1.5 is a float, rounded already: amounts are Decimal"),
        (True, "price True is a bool"),
        ("1e3", "price '1e3' is not an exact amount"),
        (Decimal("NaN"), "price NaN is not a number"),
        (Decimal("Infinity"), "price Infinity is not a number"),
        (Decimal(-1), "price -1 must be above zero"),
        (Decimal(0), "price 0 must be above zero"),
    ],
)
def test_what_is_no_amount_is_not_rounded(value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        BTC.price(value)
    assert message in str(raised.value)


def test_unknown_rounding_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="round 'half' is not one of 'down', 'up', 'nearest'"):
        BTC.price(Decimal(1), "half")  # type: ignore[arg-type]  # that it is wrong is the point


AMOUNTS = st.decimals(min_value=Decimal("1E-12"), max_value=Decimal("1E15"), allow_nan=False).filter(
    lambda amount: amount > 0 and len(amount.as_tuple().digits) <= 40 and amount.adjusted() >= -20
)
STEPS = st.one_of(
    st.builds(lambda places: Decimal(1).scaleb(-places), st.integers(0, 18)),
    st.sampled_from([Decimal("0.5"), Decimal("0.3"), Decimal("25"), Decimal("0.0025"), Decimal("1E+2")]),
)


@given(AMOUNTS, STEPS, st.sampled_from(["down", "up", "nearest"]))
def test_rounded_quantity_is_on_the_step_and_less_than_a_step_away(
    amount: Decimal, step: Decimal, mode: Literal["down", "up", "nearest"]
) -> None:
    symbol = rules(quantity_step=step, min_notional=Decimal(0), max_notional=Decimal("1E40"))
    try:
        rounded = symbol.quantity(amount, mode)
    except InvalidRequest:
        assert mode != "up"
        assert amount < step
        return
    numerator, unit, result = _integers(amount, step, rounded)
    assert result % unit == 0
    assert abs(result - numerator) < unit
    assert {"down": result <= numerator, "up": result >= numerator, "nearest": abs(result - numerator) * 2 <= unit}[
        mode
    ]
    assert "E" not in format(rounded, "f")
    symbol.check(NewOrder(symbol="X", side="BUY", type="LIMIT", quantity=max(rounded, step), price=Decimal(1)))


def _integers(*values: Decimal) -> tuple[int, ...]:
    """Return the values as integers in a common unit."""
    places = max(0, *(-int(value.as_tuple().exponent) for value in values))
    found = []
    for value in values:
        sign, digits, exponent = value.as_tuple()
        found.append(int("".join(map(str, digits))) * 10 ** (int(exponent) + places) * (-1 if sign else 1))
    return tuple(found)


@given(AMOUNTS, st.integers(0, 18))
def test_rounded_price_is_on_the_tick_and_never_above_the_given_one(price: Decimal, places: int) -> None:
    symbol = rules(quote_precision=places)
    try:
        rounded = symbol.price(price)
    except InvalidRequest:
        assert price < symbol.tick
        return
    given_price, unit, result = _integers(price, symbol.tick, rounded)
    assert result % unit == 0
    assert 0 <= given_price - result < unit


def order(**changes: Any) -> NewOrder:
    fields: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": Decimal("0.01"),
        "price": Decimal("65000.12"),
    }
    return NewOrder(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price": Decimal("65000.123")}, "price 65000.123 is not a multiple of the step of BTCUSDT, 0.01"),
        ({"price": Decimal("1E-7")}, "price 0.0000001 is not a multiple of the step of BTCUSDT, 0.01"),
        ({"quantity": Decimal("0.0000015")}, "quantity 0.0000015 is not a multiple of the step of BTCUSDT, 0.000001"),
        ({"price": Decimal("0.01"), "quantity": Decimal(1)}, "value 0.01 USDT is below the minimum of BTCUSDT, 1"),
        ({"quantity": Decimal(1000)}, "value 65000120.00 USDT is above the maximum of BTCUSDT, 4000000"),
        (
            {"type": "MARKET", "price": None, "quantity": None, "quote_order_qty": Decimal("4.99")},
            "value 4.99 USDT is below the minimum of BTCUSDT, 5",
        ),
        (
            {"type": "MARKET", "price": None, "quantity": None, "quote_order_qty": Decimal(100_001)},
            "value 100001 USDT is above the maximum of BTCUSDT, 100000",
        ),
        (
            {"type": "MARKET", "price": None, "quantity": Decimal("0.00000001")},
            "quantity 0.00000001 is not a multiple of the step of BTCUSDT, 0.000001",
        ),
    ],
)
def test_order_that_breaks_a_rule_is_refused_naming_value_and_rule(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        BTC.check(order(**changes))
    assert str(raised.value) == message


def test_quantity_below_the_least_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"quantity 0\.5 is not a multiple of the step of BTCUSDT, 1"):
        rules(quantity_step=Decimal(1)).check(order(quantity=Decimal("0.5")))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": "LIMIT_MAKER", "price": Decimal("6.50001E+4")},
        {"type": "MARKET", "price": None},
        {"type": "MARKET", "price": None, "quantity": None, "quote_order_qty": Decimal("5.123456789")},
        {"price": Decimal(100), "quantity": Decimal("0.01")},
        {"price": Decimal(4_000_000), "quantity": Decimal(1)},
    ],
)
def test_order_within_the_rules_passes(changes: dict[str, Any]) -> None:
    BTC.check(order(**changes))


def test_bounds_that_the_exchange_does_not_give_are_not_checked() -> None:
    loose = rules(min_notional_market_text=None, max_notional_market_text=None)
    loose.check(order(type="MARKET", price=None, quantity=None, quote_order_qty=Decimal("1E-9")))


def test_value_is_compared_exactly_however_many_digits_it_has() -> None:
    """28 digits, the default of decimal arithmetic, would round this up to the least value."""
    symbol = rules(quote_precision=15, quantity_step=Decimal(0), base_precision=15)
    with pytest.raises(InvalidRequest, match="is below the minimum of BTCUSDT, 1"):
        symbol.check(order(price=Decimal(1) + Decimal("1E-15"), quantity=Decimal(1) - Decimal("1E-15")))


def test_repr_shows_symbol_tick_and_step() -> None:
    assert repr(BTC) == "SymbolRules(BTCUSDT, tick 0.01, step 0.000001)"
    assert "1E" not in repr(rules(quote_precision=8, quantity_step=Decimal("1E-8")))


AMOUNTS = st.decimals("1e-8", "1e9", allow_nan=False, places=8).filter(lambda number: number > 0)


@given(AMOUNTS, AMOUNTS, st.sampled_from([28, 6, 1]))
def test_the_quick_look_at_an_order_agrees_with_the_exact_one(price: Decimal, quantity: Decimal, digits: int) -> None:
    """Both agree in any decimal context of the user's program."""
    symbol = rules()
    order = NewOrder(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=quantity, price=price)

    def refused() -> bool:
        try:
            symbol.check(order)
        except InvalidRequest:
            return True
        return False

    with localcontext() as context:
        context.prec = digits
        quickly = refused()
    symbol._surely_enough = Decimal("Infinity")  # the quick check never accepts
    assert quickly == refused()
