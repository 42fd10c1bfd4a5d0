"""Wallet of the exchange: everything that moves funds outside the markets."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mexc_async.sim.exchange.accounts import Account, BadAccounts, WithdrawAddress
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.ids import Ids
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.exchange.settlement import CHAIN
from mexc_async.sim.wallet.currencies import Currencies
from mexc_async.sim.wallet.deposits import Deposits
from mexc_async.sim.wallet.dust import Dust
from mexc_async.sim.wallet.rebates import Rebates
from mexc_async.sim.wallet.subaccounts import SubAccounts
from mexc_async.sim.wallet.transfers import Transfers
from mexc_async.sim.wallet.withdrawals import Withdrawals, usual_addresses


class WalletRules(msgspec.Struct, frozen=True):
    """Durations of deposits and withdrawals. Raises ValueError for a time that is negative or longer than a day."""

    deposit_s: float = 2.0
    """Time from a deposit's arrival to its credit."""
    withdraw_step_s: float = 0.5
    """Time of each of the six steps of a withdrawal."""

    def __post_init__(self) -> None:
        for name in ("deposit_s", "withdraw_step_s"):
            if not 0 <= getattr(self, name) <= 86_400:
                raise ValueError(f"{name} {getattr(self, name)} is not between 0 and 86400")


class Wallet:
    """Currencies, sub-accounts, transfers, deposits, withdrawals, dust and rebates of one exchange."""

    def __init__(self, exchange: Exchange, *, seed: int, rules: WalletRules) -> None:
        self.ids = ids = Ids(seed)
        exchange.balances.open(CHAIN, {}, unbounded=True)
        self._seed = seed
        self.currencies = Currencies(market.rules for market in exchange.markets.values())
        self.sub_accounts = SubAccounts(exchange)
        self.transfers = Transfers(exchange, ids)
        self.deposits = Deposits(exchange, ids, seed=seed, deposit_ms=int(rules.deposit_s * 1000))
        self.withdrawals = Withdrawals(exchange, self.deposits, ids, step_ms=int(rules.withdraw_step_s * 1000))
        self.dust = Dust(exchange, ids)
        self.rebates = Rebates(exchange)

    def open(self, account: Account, addresses: Iterable[WithdrawAddress] | None) -> None:
        """Fill an account's address book; None for generated addresses. Raises BadAccounts for an unknown network."""
        for entry in addresses or ():
            try:
                self.currencies.get(entry.coin).by_short(entry.network)
            except Refusal as refusal:
                where = f"withdraw address of {entry.coin!r} on {entry.network!r}"
                raise BadAccounts(f"account {account.name!r}: {where}: {refusal.msg}") from None
        usual = usual_addresses(self.currencies, self._seed, account)
        self.withdrawals.allow(account, usual if addresses is None else addresses)

    @property
    def due_ms(self) -> float:
        """Time of the next credit, step of a withdrawal or rebate; infinity without one, 0 for at once."""
        return min(self.deposits.due_ms, self.withdrawals.due_ms, self.rebates.due_ms)

    def advance(self, now_ms: int) -> None:
        """Carry out the deposits, withdrawals and rebates that are due."""
        self.deposits.advance(now_ms)
        self.withdrawals.advance(now_ms)
        self.rebates.advance(now_ms)

    def pause(self, ms: int) -> None:
        """Ignore a downtime: blockchains went on meanwhile, so everything due happens at the next `advance`."""
