"""Fees by the value that an account has traded, and in MX from the start."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec, BadAccounts, FeeTier, check_accounts
from mexc_async.sim.exchange.assumptions import MX_DISCOUNT
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.exchange.symbols import rules_of
from mexc_async.sim.rest.server import SimConfig, Simulator

D = Decimal
NOW = 1_700_000_000_000
RULES = rules_of("AB", "USDT", "AB", "100", 0, "1", maker_fee="0.001", taker_fee="0.002")
TIERS = (
    FeeTier(volume=D(1000), maker_fee=D("0.0005"), taker_fee=D("0.001")),
    FeeTier(volume=D(2000), maker_fee=D(0), taker_fee=D("0.0005")),
)


def on(mx_price: str | None = None, **spec: Any) -> list[tuple[str, Decimal]]:
    """Buy four times at 100, 5 each, and return the fees."""
    exchange = Exchange([RULES], seed=1, now_ms=NOW, mx_price=None if mx_price is None else D(mx_price))
    balances = {"USDT": D(10_000), "MX": D(10)}
    account = exchange.open_account(AccountSpec(name="a", api_key="k", api_secret="s", balances=balances, **spec), NOW)
    market = exchange.market("ABUSDT")
    exchange.quote(market, "SELL", D(100), D(100), NOW)
    for _ in range(4):
        exchange.place(
            account, OrderRequest(symbol="ABUSDT", side="BUY", type="LIMIT", quantity=D(5), price=D(100)), NOW
        )
    assert exchange.balances.balance(account.uid, "USDT").locked == 0
    return [(trade.fee_asset, trade.fee) for trade in account.trades]


def test_fees_fall_with_what_was_traded() -> None:
    assert on(fee_tiers=TIERS) == [("USDT", D(1)), ("USDT", D(1)), ("USDT", D("0.5")), ("USDT", D("0.5"))]
    assert on(fee_tiers=TIERS, traded=D(1500)) == [("USDT", D("0.5"))] + [("USDT", D("0.25"))] * 3


def test_an_accounts_own_fees_come_first() -> None:
    assert on(fee_tiers=TIERS, taker_fee=D("0.01")) == [("USDT", D(5))] * 4


def test_fees_in_mx_go_by_the_price_that_is_given_without_a_market() -> None:
    assert on("2", mx_deduct=True) == [("MX", MX_DISCOUNT / 2)] * 4
    assert on(None, mx_deduct=True) == [("USDT", D(1))] * 4


def test_a_simulated_account_pays_in_mx_from_the_start() -> None:
    spec = AccountSpec(name="a", api_key="k", api_secret="s", mx_deduct=True)
    (account,) = Simulator(SimConfig(accounts=(spec,))).exchange.accounts.values()
    assert account.mx_deduct


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"fee_tiers": TIERS[::-1]}, "fee_tiers: volume 1000 does not exceed the one before, 2000"),
        (
            {"fee_tiers": (TIERS[1], FeeTier(volume=D(3000), maker_fee=D(0), taker_fee=D("0.001")))},
            "fee_tiers: the fees from volume 3000 on exceed those before",
        ),
        ({"fee_tiers": (FeeTier(volume=D(0), maker_fee=D(-1), taker_fee=D(0)),)}, "fee -1 is not a ratio"),
        ({"traded": D(-1)}, "traded -1 is not a value from 0"),
    ],
)
def test_unusable_tiers_are_named(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(BadAccounts) as caught:
        check_accounts([AccountSpec(name="a", api_key="k", api_secret="s", **spec)])
    assert str(caught.value).startswith(f"account 'a': {message}")
