"""Balances with holds, exact in Decimal: money moves between accounts and is never made or lost.

An unbounded account stands for the rest of the world: it may go below zero and holds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

ZERO = Decimal(0)


class InsufficientBalance(Exception):
    """An account's free balance does not cover what was asked of it; nothing has moved."""

    def __init__(self, account: str, asset: str) -> None:
        super().__init__(f"{account} has too little free {asset}")
        self.account = account
        self.asset = asset


class Balance:
    """One account's amount of one asset."""

    __slots__ = ("free", "locked")

    def __init__(self, free: Decimal = ZERO) -> None:
        self.free = free
        self.locked = ZERO


class Ledger:
    """Every account's balances."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, Balance]] = {}
        self._unbounded: set[str] = set()
        self._touched: dict[tuple[str, str], None] = {}

    def open(self, account: str, balances: Mapping[str, Decimal], *, unbounded: bool = False) -> None:
        """Open `account` with these free amounts. Raises ValueError if it exists or an amount is negative."""
        if account in self._accounts:
            raise ValueError(f"account {account} exists")
        if any(amount < 0 for amount in balances.values()):
            raise ValueError(f"account {account} would start below zero")
        self._accounts[account] = {asset: Balance(amount) for asset, amount in balances.items()}
        if unbounded:
            self._unbounded.add(account)

    def balances(self, account: str) -> Mapping[str, Balance]:
        """The account's balances by asset; a missing asset is zero."""
        return self._accounts[account]

    def balance(self, account: str, asset: str) -> Balance:
        """The account's balance of one asset."""
        held = self._accounts[account]
        found = held.get(asset)
        if found is None:
            found = held[asset] = Balance()
        return found

    def hold(self, account: str, asset: str, amount: Decimal) -> None:
        """Move `amount` from free to locked. Raises InsufficientBalance."""
        balance = self.balance(account, asset)
        if balance.free < amount:
            raise InsufficientBalance(account, asset)
        balance.free -= amount
        balance.locked += amount
        self._touched[account, asset] = None

    def release(self, account: str, asset: str, amount: Decimal) -> None:
        """Move `amount` back from locked to free."""
        if not amount:
            return
        balance = self.balance(account, asset)
        if balance.locked < amount:
            raise ValueError(f"{account} has less {asset} locked than is to be released")
        balance.locked -= amount
        balance.free += amount
        self._touched[account, asset] = None

    def pay(self, payer: str, payee: str, asset: str, amount: Decimal, *, from_locked: bool = False) -> None:
        """Move `amount` from one account to another's free balance. Raises InsufficientBalance."""
        if not amount:
            return
        source = self.balance(payer, asset)
        if payer in self._unbounded:
            source.free -= amount
        elif from_locked:
            if source.locked < amount:
                raise InsufficientBalance(payer, asset)
            source.locked -= amount
        else:
            if source.free < amount:
                raise InsufficientBalance(payer, asset)
            source.free -= amount
        self.balance(payee, asset).free += amount
        self._touched[payer, asset] = None
        self._touched[payee, asset] = None

    def total(self, asset: str) -> Decimal:
        """Sum over all accounts, free and locked; constant for ever."""
        found = (balances[asset] for balances in self._accounts.values() if asset in balances)
        return sum((balance.free + balance.locked for balance in found), ZERO)

    def take_touched(self) -> list[tuple[str, str]]:
        """(account, asset) of every balance changed since the last call, in order of first change."""
        touched = list(self._touched)
        self._touched.clear()
        return touched
