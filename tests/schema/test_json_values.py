"""JSON values of the SDK's objects."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mexc_async.schema.json_values import plain
from mexc_async.spot.enums import OrderStatus, Side
from mexc_async.spot.models import Balance, Depth, Level


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (Side.BUY, "BUY"),
        (OrderStatus("STRANGE"), "STRANGE"),
        ((1, None, True, "a"), [1, None, True, "a"]),
        ({"USDT": Decimal(1)}, {"USDT": "1"}),
        (
            Balance(asset="A", free=Decimal(1), locked=Decimal("0.5")),
            {"asset": "A", "free": "1", "locked": "0.5", "available": None},
        ),
        (
            Depth(last_update_id=7, bids=[Level("1", "2")], asks=[]),
            {"last_update_id": 7, "bids": [["1", "2"]], "asks": [], "timestamp": None},
        ),
    ],
)
def test_amounts_are_exact_and_names_are_the_sdks(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no form in JSON"):
        plain(object())
