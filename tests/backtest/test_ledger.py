"""The record of an exchange's books, and its valuation."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import NamedTuple

import pytest

from mexc_async.backtest.ledger import Ledger, Prices
from mexc_async.sim.exchange.accounts import Account, AccountSpec
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.matching import Side
from mexc_async.sim.exchange.orders import Order, OrderRequest
from mexc_async.sim.exchange.symbols import SymbolFilters, rules_of

D = Decimal
START = 1_700_000_000_000


def rules(base: str, quote: str, price: str) -> SymbolFilters:
    return rules_of(
        base, quote, base, price, 2, "0.001", min_value="0", band="10", maker_fee="0.001", taker_fee="0.001"
    )


class World(NamedTuple):
    """An exchange with two accounts and a ledger."""

    exchange: Exchange
    accounts: tuple[Account, Account]
    ledger: Ledger

    def quote(self, symbol: str, side: Side, price: str, quantity: str = "100", now_ms: int = START) -> None:
        """Let the background market quote."""
        self.exchange.quote(self.exchange.market(symbol), side, D(price), D(quantity), now_ms)

    def order(self, side: Side, quantity: str, price: str, now_ms: int = START, account: int = 0) -> Order:
        """Place a limit order in BTCUSDT."""
        request = OrderRequest(symbol="BTCUSDT", side=side, type="LIMIT", quantity=D(quantity), price=D(price))
        return self.exchange.place(self.accounts[account], request, now_ms)

    def last(self, price: str, now_ms: int = START) -> None:
        """Let the background market trade at a price."""
        self.quote("BTCUSDT", "SELL", price, "1", now_ms)
        self.exchange.take(self.exchange.market("BTCUSDT"), "BUY", D(price), D(1), now_ms)


Make = Callable[..., World]


@pytest.fixture
def world() -> World:
    listed = [rules("BTC", "USDT", "100"), rules("ETH", "BTC", "0.5"), rules("EUR", "GBP", "1")]
    exchange = Exchange(listed, seed=1, now_ms=START)
    balances = {"USDT": D(1000), "BTC": D(2), "EUR": D(50)}
    first, second = (
        exchange.open_account(AccountSpec(name=name, api_key=name, api_secret=name, balances=balances), START)
        for name in ("one", "two")
    )
    ledger = Ledger("USDT", 60)
    ledger.begin(exchange, START)
    return World(exchange, (first, second), ledger)


def test_prices_lead_over_several_markets_in_both_directions(world: World) -> None:
    prices = Prices(world.exchange.markets.values(), "USDT")
    assert [prices.price(asset) for asset in ("USDT", "BTC", "ETH", "EUR")] == [1, 100, 50, None]
    in_eth = Prices(world.exchange.markets.values(), "ETH")
    assert in_eth.price("USDT") == D("0.02")


def test_capital_values_all_accounts_at_the_first_prices(world: World) -> None:
    assert world.ledger.capital == 2 * (1000 + 2 * 100)


def test_profit_is_what_trading_changed_at_the_last_price_after_fees(world: World) -> None:
    world.last("130")
    assert world.ledger.profit() == 0  # the balances of the start do not count
    world.quote("BTCUSDT", "SELL", "131", "2")
    world.order("BUY", "2", "131")
    assert world.ledger.profit() == -D("0.262")
    world.last("141", START + 1)
    assert world.ledger.profit() == 2 * 10 - D("0.262")


def test_profit_is_exact_whatever_precision_the_strategy_works_with(world: World) -> None:
    world.quote("BTCUSDT", "SELL", "100.01")
    with localcontext() as context:
        world.order("BUY", "1.001", "100.01")
        context.prec = 2
        found = world.ledger.profit()
    assert found == -D("0.10011001")


def test_orders_and_fills_are_those_of_the_exchange(world: World) -> None:
    world.quote("BTCUSDT", "SELL", "100", "1")
    bought = world.order("BUY", "2.5", "100", START + 5)
    world.order("SELL", "1.5", "99", START + 7, account=1)
    kept = world.order("SELL", "0.5", "120", START + 8, account=1)
    world.exchange.cancel([kept], START + 9)
    first, second, third = world.ledger.orders()
    assert (first.order_id, first.account, first.status) == (bought.order_id, "one", "FILLED")
    assert (first.quantity, first.filled_quantity, first.filled_quote_quantity) == (D("2.5"), D("2.5"), D(250))
    assert (first.created_time, first.updated_time) == (START + 5, START + 7)
    assert (second.account, second.status) == ("two", "FILLED")
    assert (third.status, third.updated_time) == ("CANCELED", START + 9)
    fills = world.ledger.fills()
    assert [(one.account, one.side, one.quantity, one.is_maker, one.time) for one in fills] == [
        ("one", "BUY", 1, False, START + 5),
        ("two", "SELL", D("1.5"), False, START + 7),
        ("one", "BUY", D("1.5"), True, START + 7),
    ]
    assert sum(one.fee for one in fills) == D("0.4")


def test_balances_at_the_end_name_locked_amounts_and_omit_zeros(world: World) -> None:
    world.order("BUY", "1", "50")
    balances = {(one.account, one.asset): one for one in world.ledger.balances()}
    own = balances["one", "USDT"]
    assert (own.start, own.free + own.locked, own.locked) == (D(1000), D(1000), D("50.05"))
    assert sorted(balances) == [(name, asset) for name in ("one", "two") for asset in ("BTC", "EUR", "USDT")]


def test_drawdown_is_the_largest_fall_from_a_peak(world: World) -> None:
    world.quote("BTCUSDT", "SELL", "100")
    world.order("BUY", "4", "100", START)
    for minute, price in enumerate(("100", "120", "110", "115", "125", "105", "124"), 1):
        world.last(price, START + minute * 60_000)
        world.ledger.advance(START + minute * 60_000)
    drawdown = world.ledger.drawdown()
    peak, low = START + 5 * 60_000, START + 6 * 60_000
    assert (drawdown.amount, drawdown.peak_time, drawdown.low_time) == (D(80), peak, low)
    assert drawdown.ratio == round(D(80) / (2400 + 100 - D("0.4")), 8)


def test_nothing_traded_has_no_drawdown(world: World) -> None:
    world.last("50")
    world.ledger.sample(START + 1)
    assert (world.ledger.drawdown().amount, world.ledger.drawdown().ratio) == (D(0), D(0))


def test_samples_are_taken_at_regular_times_once_each(world: World) -> None:
    for second in (0, 1, 59, 60, 61, 200, 239, 240):
        world.ledger.advance(START + second * 1000)
    assert [(time_ms - START) // 1000 for time_ms, _ in world.ledger.equity] == [0, 60, 200, 240]
    assert world.ledger.due_ms == START + 300_000


def test_asset_that_no_market_values_is_named(world: World) -> None:
    world.quote("EURGBP", "BUY", "0.9")
    request = OrderRequest(symbol="EURGBP", side="SELL", type="MARKET", quantity=D(10))
    world.exchange.place(world.accounts[0], request, START)
    assert world.ledger.profit() == 0
    assert world.ledger.warnings() == [
        "profit leaves out -10 EUR: no market leads from EUR to USDT",
        "profit leaves out +8.991 GBP: no market leads from GBP to USDT",
    ]
