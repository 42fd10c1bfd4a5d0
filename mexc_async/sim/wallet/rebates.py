"""Rebates: shares of each fee for the inviter, for the invited trader, and for the broker of a sub-account.

They are computed from the accounts' own fills, and paid from the fees that the exchange charged on those fills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from math import inf
from typing import Literal, TypeAlias

import msgspec

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.market_state import worth_in_usdt
from mexc_async.sim.exchange.orders import AccountTrade
from mexc_async.sim.exchange.settlement import FEES

Kind: TypeAlias = Literal["referral", "kickback", "broker"]
_REMEMBERED = 50_000


class Rebate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rebate: a share of one fill's fee."""

    kind: Kind
    payee: str
    """Uid of the account that receives it."""
    trader: str
    """Uid of the account that traded."""
    rate: Decimal
    asset: str
    amount: Decimal
    usdt: Decimal
    """Value of the amount in USDT at the time of payment."""
    trade: AccountTrade
    trade_usdt: Decimal
    """Value of the fill in USDT at the time of payment."""
    paid_ms: int


class Rebates:
    """All paid rebates. `advance` pays those of new fills."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._counted: dict[str, int] = {}
        """Number of fills processed, by uid."""
        self._fills = 0
        """Number of all accounts' fills processed."""
        self._paid: deque[Rebate] = deque(maxlen=_REMEMBERED)

    @property
    def due_ms(self) -> float:
        """0 after a fill, for rebates at once; infinity without one."""
        return inf if self._exchange.fill_count == self._fills else 0.0

    def advance(self, now_ms: int) -> None:
        """Pay the rebates of every fill since the last call."""
        if self._fills == self._exchange.fill_count:
            return
        self._fills = self._exchange.fill_count
        for account in self._exchange.accounts.values():
            seen = self._counted.get(account.uid, 0)
            if account.trade_count == seen:
                continue
            self._counted[account.uid] = account.trade_count
            shares = _shares(account)
            if not shares:
                continue
            for trade in account.trades_since(seen):
                for kind, payee, rate in shares:
                    self._pay(kind, payee, account, rate, trade, now_ms)
            self._exchange.report(now_ms, {payee.uid: "DEPOSIT" for _, payee, _ in shares})

    def newest_first(self, is_wanted: Callable[[Rebate], bool]) -> list[Rebate]:
        """Return the rebates for which `is_wanted` is true, newest first."""
        return [rebate for rebate in reversed(self._paid) if is_wanted(rebate)]

    def in_usdt(self, asset: str, amount: Decimal) -> Decimal:
        """Return the value of an amount in USDT at the last prices; 0 without a market to derive it from."""
        return amount * (worth_in_usdt(asset, self._exchange.markets) or 0)

    def _pay(
        self, kind: Kind, payee: Account, trader: Account, rate: Decimal, trade: AccountTrade, now_ms: int
    ) -> None:
        amount = trade.fee * rate
        if not amount:
            return
        self._exchange.balances.pay(FEES, payee.uid, trade.fee_asset, amount)
        quote = self._exchange.market(trade.symbol).rules.quote
        paid = Rebate(
            kind=kind,
            payee=payee.uid,
            trader=trader.uid,
            rate=rate,
            asset=trade.fee_asset,
            amount=amount,
            usdt=self.in_usdt(trade.fee_asset, amount),
            trade=trade,
            trade_usdt=self.in_usdt(quote, trade.value),
            paid_ms=now_ms,
        )
        self._paid.append(paid)


def _shares(trader: Account) -> list[tuple[Kind, Account, Decimal]]:
    """Return (kind, receiver, ratio) of each rebate on the trader's fees."""
    shares: list[tuple[Kind, Account, Decimal]] = []
    if trader.inviter is not None:
        shares.append(("referral", trader.inviter, assumptions.REFERRAL_RATE))
        shares.append(("kickback", trader, assumptions.KICKBACK_RATE))
    if trader.master is not None and trader.is_broker:
        shares.append(("broker", trader.master, assumptions.BROKER_RATE))
    return shares


def refer_code(account: Account) -> str:
    """Return the account's invitation code."""
    return f"mexc-{account.uid}"
