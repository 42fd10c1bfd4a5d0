"""Answers in a `DataFrame` of pandas."""

from __future__ import annotations

from decimal import Decimal

import pandas
import pytest

from mexc_async.errors import InvalidRequest
from mexc_async.schema.json_values import Numbers
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.models import BookTicker, Depth, Kline, Level, Order

BARS = [Kline(60_000 * n, "1.10", "1.3", "1", "1.2", "0.00000001", 60_000 * (n + 1), "5") for n in range(3)]


def test_bars_are_numbers_under_their_fields_names() -> None:
    frame = pandas.DataFrame([bar.to_dict(numbers="float") for bar in BARS])
    assert list(frame) == ["open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"]
    assert all(pandas.api.types.is_numeric_dtype(frame[name]) for name in frame)
    assert frame.open_time.dtype == "int64"
    assert frame.volume.sum() == pytest.approx(3e-8)
    assert frame.open.iloc[0] == 1.1


def test_a_missing_amount_is_not_a_number_and_text_stays_text() -> None:
    tickers = [BookTicker(symbol="A", bid_price=Decimal("1.5")), BookTicker(symbol="B")]
    frame = pandas.DataFrame([ticker.to_dict(numbers="float") for ticker in tickers])
    assert frame.bid_price.dtype == "float64"
    assert frame.bid_price.isna().tolist() == [False, True]
    assert frame.symbol.tolist() == ["A", "B"]


def test_amounts_are_exact_unless_floats_are_asked_for() -> None:
    order = Order(
        symbol="A",
        order_id="1",
        executed_quantity=Decimal("0.10"),
        executed_quote_quantity=Decimal(0),
        status=OrderStatus.NEW,
        type=OrderType.LIMIT,
        side=Side.BUY,
        time=1,
    )
    exact, floats = order.to_dict(), order.to_dict(numbers="float")
    assert (str(exact["executed_quantity"]), floats["executed_quantity"]) == ("0.10", 0.1)
    assert isinstance(exact["executed_quantity"], Decimal)
    assert (type(exact["status"]), exact["status"], exact["price"]) == (str, "NEW", None)
    assert pandas.DataFrame([exact]).executed_quantity.dtype == object


def test_levels_of_a_book_are_pairs_and_rows_of_their_own() -> None:
    depth = Depth(last_update_id=1, bids=[Level("2", "3.5")], asks=[])
    assert depth.to_dict(numbers="float")["bids"] == [[2.0, 3.5]]
    assert depth.bids[0].to_dict() == {"price": Decimal(2), "quantity": Decimal("3.5")}


@pytest.mark.parametrize("numbers", ["text", "", None])
def test_other_numbers_are_refused(numbers: Numbers) -> None:
    with pytest.raises(InvalidRequest, match="is not one of 'decimal', 'float'"):
        BARS[0].to_dict(numbers=numbers)
