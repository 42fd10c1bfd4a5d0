"""No sequence of orders changes the total of an asset, and every hold belongs to an open order."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.sim.exchange.accounts import Account, AccountSpec
from mexc_async.sim.exchange.balances import Balances, BalanceTooLow
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.matching import Side
from mexc_async.sim.exchange.orders import ORDER_TYPES, OrderRequest
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.exchange.settlement import FEES
from mexc_async.sim.exchange.symbols import rules_of
from tests.support.consistency import check

D = Decimal
NOW = 1_700_000_000_000
RULES = rules_of("AAA", "USDT", "A", "10.0", 1, "0.01", min_value="0.1", band="0.5", maker_fee="0.0001")
MX = rules_of("MX", "USDT", "MX", "3.0", 2, "0.01", min_value="0.1")
ASSETS = ("AAA", "USDT", "MX")


def exchange_with(count: int, *, mx_deduct: bool = False) -> tuple[Exchange, list[Account]]:
    exchange = Exchange([RULES, MX], seed=1, now_ms=NOW)
    balances = {"AAA": D(50), "USDT": D(500), "MX": D(1)}
    accounts = [
        exchange.open_account(AccountSpec(name=f"n{i}", api_key=f"k{i}", api_secret="s", balances=balances), NOW)
        for i in range(count)
    ]
    if mx_deduct:
        accounts[0].mx_deduct = True
    exchange.stp_groups.create(accounts[0].uid, "mine", NOW)
    return exchange, accounts


sides = st.sampled_from(["BUY", "SELL"])
prices = st.integers(70, 130).map(lambda ticks: D(ticks) / 10)
quantities = st.integers(1, 2000).map(lambda steps: D(steps) / 100)
placing = st.tuples(
    st.just("place"),
    st.integers(0, 2),
    sides,
    st.sampled_from(ORDER_TYPES),
    prices,
    quantities,
    st.booleans(),
    st.sampled_from(["", "", "cancel_maker", "cancel_taker", "cancel_both"]),
)
cancelling = st.tuples(st.just("cancel"), st.integers(0, 2), st.integers(0, 30))
clearing = st.tuples(st.just("cancel_all"), st.integers(0, 2))
quoting = st.tuples(st.just("quote"), sides, prices, st.one_of(st.just(D(0)), quantities))
taking = st.tuples(st.just("take"), sides, prices, quantities, st.booleans())
actions = st.lists(st.one_of(placing, placing, cancelling, clearing, quoting, taking), max_size=40)


def act(exchange: Exchange, accounts: list[Account], action: tuple[object, ...], now_ms: int) -> None:
    market = exchange.market("AAAUSDT")
    match action:
        case ("place", int(who), side, str(kind), Decimal() as price, Decimal() as quantity, by_value, str(mode)):
            sized_by_value = kind == "MARKET" and by_value
            request = OrderRequest(
                symbol="AAAUSDT",
                side=cast("Side", side),
                type=kind,
                quantity=None if sized_by_value else quantity,
                quote_quantity=quantity * 10 if sized_by_value else None,
                price=price,
                stp_mode=mode,
            )
            exchange.place(accounts[who], request, now_ms)
        case ("cancel", int(who), int(index)):
            orders = list(accounts[who].open_orders.values())
            if orders:
                exchange.cancel([orders[index % len(orders)]], now_ms)
        case ("cancel_all", int(who)):
            exchange.cancel(list(accounts[who].open_orders.values()), now_ms)
        case ("quote", side, Decimal() as price, Decimal() as quantity):
            exchange.quote(market, cast("Side", side), price, quantity, now_ms)
        case ("take", side, Decimal() as price, Decimal() as quantity, must):
            exchange.take(market, cast("Side", side), price, quantity, now_ms, must=bool(must))


@settings(max_examples=150, deadline=None)
@given(actions, st.booleans())
def test_money_is_neither_made_nor_lost(sequence: list[tuple[object, ...]], mx_deduct: bool) -> None:
    exchange, accounts = exchange_with(3, mx_deduct=mx_deduct)
    totals = {asset: exchange.balances.total(asset) for asset in ASSETS}
    for step, action in enumerate(sequence):
        before = exchange.market("AAAUSDT").version
        try:
            act(exchange, accounts, action, NOW + step)
        except Refusal:
            assert exchange.market("AAAUSDT").version == before
        check(exchange, totals)


def place(exchange: Exchange, account: Account, side: Side, price: str, quantity: str, kind: str = "LIMIT") -> str:
    request = OrderRequest(symbol="AAAUSDT", side=side, type=kind, quantity=D(quantity), price=D(price))
    return exchange.place(account, request, NOW).order_id


def test_a_fill_moves_value_and_fees() -> None:
    exchange, (seller, buyer) = exchange_with(2)
    place(exchange, seller, "SELL", "10", "5")
    assert exchange.balances.balance(seller.uid, "AAA").locked == 5
    place(exchange, buyer, "BUY", "11", "2")
    balances = exchange.balances
    assert balances.balance(buyer.uid, "AAA").free == D(52)
    assert balances.balance(buyer.uid, "USDT").free == D(500) - 20 - 20 * RULES.taker_fee
    assert balances.balance(buyer.uid, "USDT").locked == 0
    assert balances.balance(seller.uid, "USDT").free == D(500) + 20 - 20 * RULES.maker_fee
    assert balances.balance(seller.uid, "AAA").locked == 3
    assert balances.balance(FEES, "USDT").free == 20 * (RULES.taker_fee + RULES.maker_fee)


def test_fees_in_mx_leave_the_quote_alone() -> None:
    exchange, accounts = exchange_with(2, mx_deduct=True)
    place(exchange, accounts[1], "SELL", "10", "5")
    place(exchange, accounts[0], "BUY", "10", "5")
    made = accounts[0].trades[-1]
    assert (made.fee_asset, made.fee) == ("MX", D("0.00666667"))
    assert exchange.balances.balance(accounts[0].uid, "USDT").free == D(450)


def test_a_resting_buy_holds_value_and_fee_and_gets_it_back() -> None:
    exchange, (account,) = exchange_with(1)
    place(exchange, account, "BUY", "9", "10")
    assert exchange.balances.balance(account.uid, "USDT").locked == 90 * (1 + RULES.taker_fee)
    exchange.cancel(list(account.open_orders.values()), NOW)
    balance = exchange.balances.balance(account.uid, "USDT")
    assert (balance.free, balance.locked) == (D(500), D(0))


def test_the_ledger_refuses_what_is_not_there() -> None:
    balances = Balances()
    balances.open("a", {"X": D(1)})
    balances.open("b", {})
    with pytest.raises(BalanceTooLow):
        balances.hold("a", "X", D(2))
    with pytest.raises(BalanceTooLow):
        balances.pay("a", "b", "X", D(2))
    with pytest.raises(BalanceTooLow):
        balances.pay("a", "b", "X", D(1), from_locked=True)
    with pytest.raises(ValueError, match="locked"):
        balances.release("a", "X", D(1))
    with pytest.raises(ValueError, match="exists"):
        balances.open("a", {})
    with pytest.raises(ValueError, match="negative starting balance"):
        balances.open("c", {"X": D(-1)})
    assert balances.total("X") == 1
