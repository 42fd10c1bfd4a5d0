"""Invariants of an exchange, which hold at every moment."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.settlement import FEES
from mexc_async.sim.wallet.wallet import Wallet

ZERO = Decimal(0)


def totals(exchange: Exchange) -> dict[str, Decimal]:
    """Return the total of each asset that an account has."""
    assets = {asset for uid in exchange.accounts for asset in exchange.balances.balances(uid)}
    return {asset: exchange.balances.total(asset) for asset in assets}


def check(exchange: Exchange, before: Mapping[str, Decimal], wallet: Wallet | None = None) -> None:
    """Check that asset totals are unchanged, holds match their orders, fills add up, and books are in order."""
    for asset, total in before.items():
        assert exchange.balances.total(asset) == total
        assert exchange.balances.balance(FEES, asset).free >= 0
    for account in exchange.accounts.values():
        _check_holds(exchange, account, wallet)
        _check_orders(account)
    for market in exchange.markets.values():
        book = market.book
        best_bid, best_ask = book.bids.best(), book.asks.best()
        assert best_bid is None or best_ask is None or best_bid < best_ask
        for half in (book.bids, book.asks):
            assert half.keys == sorted(half.keys)
            for level in half.levels.values():
                assert level.quantity == sum((entry.quantity for entry in level.entries), ZERO) > 0


def _check_holds(exchange: Exchange, account: Account, wallet: Wallet | None) -> None:
    """Check that spot holds belong to open orders and pending withdrawals, and that futures wallets have none."""
    for asset, balance in exchange.balances.balances(account.uid).items():
        held = sum((o.held for o in account.open_orders.values() if o.hold_asset == asset), ZERO)
        assert balance.free >= 0
        assert balance.locked == held + (pending(wallet, account, asset) if wallet else ZERO)
    for balance in exchange.balances.balances(account.futures).values():
        assert balance.free >= 0
        assert balance.locked == 0


def pending(wallet: Wallet, account: Account, asset: str) -> Decimal:
    """Return the amount held for the account's pending withdrawals."""
    under_way = (each for each in wallet.withdrawals.newest_first(account) if not each.status.is_final)
    return sum((each.request.amount for each in under_way if each.request.currency.coin == asset), ZERO)


def _check_orders(account: Account) -> None:
    quantities: dict[str, Decimal] = {}
    values: dict[str, Decimal] = {}
    for trade in account.trades:
        quantities[trade.order_id] = quantities.get(trade.order_id, ZERO) + trade.quantity
        values[trade.order_id] = values.get(trade.order_id, ZERO) + trade.value
    assert len({trade.trade_id for trade in account.trades}) == len(account.trades)
    for order in account.orders():
        assert order.executed == quantities.get(order.order_id, ZERO)
        assert order.executed_value == values.get(order.order_id, ZERO)
        assert order.is_open == (order.order_id in account.open_orders)
        if order.is_open:
            assert order.entry is not None
            assert order.entry.quantity == order.remaining > 0
