"""Settings of limits, and the refusal of bad ones with one line that names the known settings."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from mexc_async.errors import ConfigError
from mexc_async.risk.risk_limits import GuardLimits

OFF = GuardLimits()


def test_nothing_is_limited_at_first() -> None:
    for name in GuardLimits.__struct_fields__:
        assert getattr(OFF, name) in (None, "both", "refuse")


def test_what_is_given_is_changed_and_the_rest_stays() -> None:
    first = OFF.changed({"collar": D("0.02"), "max_open_orders": 5})
    second = first.changed({"round": "down", "collar": None})
    assert (second.round, second.collar, second.max_open_orders) == ("down", None, 5)


def test_a_plain_amount_is_in_usdt_and_a_mapping_names_quote_assets() -> None:
    limits = OFF.changed({"max_order_notional": D(100), "max_daily_loss": {"BTC": D("0.1"), "USDT": D(5)}})
    assert limits.max_order_notional == {"USDT": D(100)}
    assert limits.max_daily_loss == {"BTC": D("0.1"), "USDT": D(5)}


@pytest.mark.parametrize("symbols", ["BTCUSDT", ["BTCUSDT"], ("BTCUSDT", "BTCUSDT"), {"BTCUSDT": 1}])
def test_symbols_may_come_as_one_or_several(symbols: Any) -> None:
    assert OFF.changed({"symbols": symbols}).symbols == frozenset({"BTCUSDT"})


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"max_notional": D(5)},
        "limits takes no 'max_notional'; there are round, collar, collar_side, without_book, max_",
    ),
    ({"round": "up"}, "round 'up' is not one of 'down', 'refuse'"),
    ({"round": True}, "round True is not one of"),
    ({"collar": 0.02}, "collar 0.02 is a float, rounded already: amounts are Decimal"),
    ({"collar": D("1.5")}, "collar 1.5 is a fraction: it must be below 1"),
    ({"collar": D(0)}, "collar 0 must be above zero"),
    ({"collar": D("-0.02")}, "collar -0.02 must be above zero"),
    ({"collar": D("NaN")}, "collar NaN is not a number"),
    ({"collar_side": "buy"}, "collar_side 'buy' is not one of 'both', 'worse'"),
    ({"collar_side": None}, "collar_side None is not one of"),
    ({"without_book": "wait"}, "without_book 'wait' is not one of 'refuse', 'admit'"),
    ({"max_order_notional": 100.0}, "max_order_notional 100.0 is a float"),
    ({"max_order_notional": True}, "max_order_notional True is a bool"),
    ({"collar": 1}, "collar 1 is a fraction: it must be below 1"),
    ({"max_symbol_notional": D(-1)}, "max_symbol_notional -1 must be above zero"),
    ({"max_symbol_notional": D("Infinity")}, "max_symbol_notional Infinity is not a number"),
    ({"max_total_notional": {}}, "max_total_notional names no quote asset"),
    ({"max_total_notional": {"usdt": D(1)}}, "max_total_notional's quote asset 'usdt' has 'u'"),
    ({"max_total_notional": {"USDT": 1.0}}, "max_total_notional['USDT'] 1.0 is a float"),
    ({"max_daily_loss": D(0)}, "max_daily_loss 0 must be above zero"),
    ({"max_daily_loss": "5 USDT"}, "max_daily_loss '5 USDT' is not an exact amount"),
    ({"max_open_orders": 0}, "max_open_orders 0 must be at least 1"),
    ({"max_open_orders": -3}, "max_open_orders -3 must not be negative"),
    ({"max_open_orders": 2.0}, "max_open_orders 2.0 is a float, not a whole number"),
    ({"max_open_orders": True}, "max_open_orders True is a bool"),
    ({"max_orders_per_s": 10_001}, "max_orders_per_s 10001 must be from 1 to 10000"),
    ({"symbols": "btcusdt"}, "symbols 'btcusdt' has 'b'"),
    ({"symbols": ["BTC/USDT"]}, "symbols 'BTC/USDT' has '/'"),
    ({"symbols": ["BTCUSDT", ""]}, "symbols '' is empty"),
    ({"symbols": []}, "symbols is empty: no symbol could be traded"),
    ({"symbols": 5}, "symbols 5 is an int, not a list of symbols"),
]


@pytest.mark.parametrize(("wrong", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_what_makes_no_sense_is_refused_in_one_line(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OFF.changed({"max_open_orders": 7} | wrong)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_told_all_the_known() -> None:
    with pytest.raises(ConfigError) as caught:
        OFF.changed({"stop_loss": D(1)})
    assert all(name in str(caught.value) for name in GuardLimits.__struct_fields__)
