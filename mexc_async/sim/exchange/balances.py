"""Balances with holds, exact in Decimal. Money moves between accounts; the total of each asset never changes.

An unbounded account stands for the world outside: its balance may go below zero, and nothing is held on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

ZERO = Decimal(0)


class BalanceTooLow(Exception):
    """Error for a free balance that is too small. Nothing has moved."""

    def __init__(self, account: str, asset: str) -> None:
        super().__init__(f"{account} has too little free {asset}")
        self.account = account
        self.asset = asset


class Balance:
    """One account's free and locked amount of one asset."""

    __slots__ = ("free", "locked")

    def __init__(self, free: Decimal = ZERO) -> None:
        self.free = free
        self.locked = ZERO


class Balances:
    """The balances of all accounts."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, Balance]] = {}
        self._unbounded: set[str] = set()
        self._touched: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}

    def open(self, account: str, balances: Mapping[str, Decimal], *, unbounded: bool = False) -> None:
        """Open `account` with these free amounts. Raises ValueError if it exists or an amount is negative."""
        if account in self._accounts:
            raise ValueError(f"account {account} already exists")
        if any(amount < 0 for amount in balances.values()):
            raise ValueError(f"account {account} has a negative starting balance")
        self._accounts[account] = {asset: Balance(amount) for asset, amount in balances.items()}
        if unbounded:
            self._unbounded.add(account)

    def balances(self, account: str) -> Mapping[str, Balance]:
        """Return the account's balances by asset. A missing asset is zero."""
        return self._accounts[account]

    def balance(self, account: str, asset: str) -> Balance:
        """Return the account's balance of one asset."""
        held = self._accounts[account]
        found = held.get(asset)
        if found is None:
            found = held[asset] = Balance()
        return found

    def hold(self, account: str, asset: str, amount: Decimal) -> None:
        """Move `amount` from free to locked. Raises BalanceTooLow."""
        balance = self.balance(account, asset)
        if balance.free < amount:
            raise BalanceTooLow(account, asset)
        self._touch(account, asset, balance)
        balance.free -= amount
        balance.locked += amount

    def release(self, account: str, asset: str, amount: Decimal) -> None:
        """Move `amount` back from locked to free. Raises ValueError if less is locked."""
        if not amount:
            return
        balance = self.balance(account, asset)
        if balance.locked < amount:
            raise ValueError(f"{account} has less {asset} locked than the amount to release")
        self._touch(account, asset, balance)
        balance.locked -= amount
        balance.free += amount

    def pay(self, payer: str, payee: str, asset: str, amount: Decimal, *, from_locked: bool = False) -> None:
        """Move `amount` from one account to another's free balance. Raises BalanceTooLow."""
        if not amount:
            return
        source, target = self.balance(payer, asset), self.balance(payee, asset)
        available = source.locked if from_locked else source.free
        if available < amount and payer not in self._unbounded:
            raise BalanceTooLow(payer, asset)
        self._touch(payer, asset, source)
        self._touch(payee, asset, target)
        if from_locked and payer not in self._unbounded:
            source.locked -= amount
        else:
            source.free -= amount
        target.free += amount

    def total(self, asset: str) -> Decimal:
        """Return the sum of an asset over all accounts, free and locked. It never changes."""
        found = (balances[asset] for balances in self._accounts.values() if asset in balances)
        return sum((balance.free + balance.locked for balance in found), ZERO)

    def take_touched(self) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
        """Return the earlier (free, locked) of every balance touched since the last call, by (account, asset)."""
        touched, self._touched = self._touched, {}
        return touched

    def _touch(self, account: str, asset: str, balance: Balance) -> None:
        self._touched.setdefault((account, asset), (balance.free, balance.locked))
