"""Shares of the fees: to who invited a trader, back to the trader invited, and to brokers for their sub-accounts.

They are worked out from the accounts' own fills, and paid out of the fees that those fills left with the exchange.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from mexc_async.sim import choices
from mexc_async.sim.accounts import Account
from mexc_async.sim.exchange import Exchange
from mexc_async.sim.market import worth_in_usdt
from mexc_async.sim.orders import AccountTrade
from mexc_async.sim.settlement import FEES

Kind: TypeAlias = Literal["referral", "kickback", "broker"]
_REMEMBERED = 50_000


class Rebate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One share of one fill's fee."""

    kind: Kind
    payee: str
    """Whose wallet it went to."""
    trader: str
    """Whose fill it was."""
    rate: Decimal
    asset: str
    amount: Decimal
    usdt: Decimal
    """What the amount was worth."""
    trade: AccountTrade
    trade_usdt: Decimal
    """What the fill was worth."""
    paid_ms: int


class Rebates:
    """Every share that was paid. `advance` pays those of new fills."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._counted: dict[str, int] = {}
        """Fills that have been looked at, by uid."""
        self._paid: deque[Rebate] = deque(maxlen=_REMEMBERED)

    def advance(self, now_ms: int) -> None:
        """Pay the shares of every fill since the last time."""
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
            self._exchange.tell(now_ms, {payee.uid: "DEPOSIT" for _, payee, _ in shares})

    def newest_first(self, is_wanted: Callable[[Rebate], bool]) -> list[Rebate]:
        """Every share that is wanted."""
        return [rebate for rebate in reversed(self._paid) if is_wanted(rebate)]

    def in_usdt(self, asset: str, amount: Decimal) -> Decimal:
        """What an amount is worth at the last prices; nothing where no market tells."""
        return amount * (worth_in_usdt(asset, self._exchange.markets) or 0)

    def _pay(
        self, kind: Kind, payee: Account, trader: Account, rate: Decimal, trade: AccountTrade, now_ms: int
    ) -> None:
        amount = trade.fee * rate
        if not amount:
            return
        self._exchange.ledger.pay(FEES, payee.uid, trade.fee_asset, amount)
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
    """(what for, who is paid, which share) of each of the trader's fees."""
    shares: list[tuple[Kind, Account, Decimal]] = []
    if trader.inviter is not None:
        shares.append(("referral", trader.inviter, choices.REFERRAL_RATE))
        shares.append(("kickback", trader, choices.KICKBACK_RATE))
    if trader.master is not None and trader.is_broker:
        shares.append(("broker", trader.master, choices.BROKER_RATE))
    return shares


def refer_code(account: Account) -> str:
    """The code that an account invites others with."""
    return f"mexc-{account.uid}"
