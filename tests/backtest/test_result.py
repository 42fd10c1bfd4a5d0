"""Result of a run as JSON and as a table."""

from __future__ import annotations

import json
from decimal import Decimal

from mexc_async.backtest.result import (
    BoundLimit,
    Drawdown,
    Result,
    RunBalance,
    RunFill,
    RunOrder,
    fees_of,
    normal,
)

D = Decimal
START = 1_640_991_660_000

ORDER = RunOrder(
    account="main",
    order_id="C02__1",
    client_order_id="x1",
    symbol="BTCUSDT",
    side="BUY",
    type="LIMIT",
    price=D("46656.5"),
    quantity=D("0.1"),
    quote_quantity=D(0),
    status="PARTIALLY_FILLED",
    filled_quantity=D("0.05"),
    filled_quote_quantity=D("2332.825"),
    created_time=START,
    updated_time=START + 1,
)
FILL = RunFill(
    account="main",
    trade_id="1X2",
    order_id="C02__1",
    symbol="BTCUSDT",
    side="BUY",
    price=D("46656.5"),
    quantity=D("0.05"),
    quote_quantity=D("2332.825"),
    fee=D("0.00000001"),
    fee_asset="USDT",
    is_maker=True,
    time=START + 1,
)
RESULT = Result(
    strategy="grid.py:main",
    market="btc-1m.csv.gz",
    seed=7,
    parameters={"levels": "5", "step": "0.001"},
    start_time=START,
    end_time=START + 2_701_800_000,
    ended_by="market ended",
    quote="USDT",
    capital=D(10_000),
    profit=D("-1234.50"),
    fees={"USDT": D("1E-8")},
    drawdown=Drawdown(amount=D(1500), ratio=D("0.15"), peak_time=START, low_time=START + 60_000),
    equity=((START, D(0)), (START + 60_000, D("-1234.5"))),
    orders=(ORDER,),
    fills=(FILL,),
    balances=(
        RunBalance(account="main", asset="BTC", start=D(0), free=D("0.05"), locked=D(0)),
        RunBalance(account="main", asset="MX", start=D(5), free=D(5), locked=D(0)),
        RunBalance(account="main", asset="USDT", start=D(10_000), free=D(7600), locked=D("67.175")),
    ),
    limits=(
        BoundLimit(limit="orders", kind="waited", times=12, waited_ms=3400),
        BoundLimit(limit="max_order_notional", kind="refused by the guard", times=2),
    ),
    warnings=("bars do not show the order of high and low", "a second one"),
)

TABLE = """\
grid.py:main(levels=5, step=0.001) on btc-1m.csv.gz, seed 7
2021-12-31 23:01 to 2022-02-01 05:31 UTC (31 d 6 h), market ended
orders     1: 1 partially filled
fills      1, 1 as maker
fees       0.00000001 USDT
profit     -1,234.5 USDT (-12.3450% of 10,000)
drawdown   1,500 USDT (15.0000%), 2021-12-31 23:01 to 2021-12-31 23:02
balances   BTC 0 -> 0.05
           USDT 10,000 -> 7,667.175, 67.175 in open orders
limits     orders: 12 calls waited 3.400 s
           max_order_notional: 2 calls refused by the guard
warnings   bars do not show the order of high and low
           a second one"""


def test_table_is_short_and_exact() -> None:
    assert str(RESULT) == TABLE


def test_json_has_sorted_names_and_exact_amounts_as_text() -> None:
    text = RESULT.to_json().decode()
    found = json.loads(text)
    assert text == json.dumps(found, sort_keys=True, separators=(",", ":"))
    assert found["fees"] == {"USDT": "0.00000001"}
    assert found["profit"] == "-1234.50"
    assert found["equity"] == [[START, "0"], [START + 60_000, "-1234.5"]]
    assert found["orders"][0]["filled_quote_quantity"] == "2332.825"
    assert set(found) == set(RESULT.__struct_fields__)


def test_balance_sums_accounts() -> None:
    assert RESULT.balance("USDT") == D("7667.175")
    assert RESULT.balance("USDT", "other") == 0


def test_fees_are_summed_by_asset_without_zeros_behind() -> None:
    assert str(fees_of([FILL, FILL])["USDT"]) == "2E-8"
    assert fees_of([]) == {}
    assert str(normal(D("1.500"))) == "1.5"
