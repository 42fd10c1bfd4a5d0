"""Balances of one account as pushes and reads report them, and if they are complete and up to date.

Pure. A push has the newest state of its asset, whatever a read says that was on its way at the same time. A read has
the assets that were not pushed.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mexc_async.spot.models import Balance

LAG_S = 2.0
"""Longest time for which a read may lag behind a push."""


class BalanceView:
    """Balances that are live between the first complete read on a connection and its loss."""

    def __init__(self) -> None:
        self.is_connected = False
        """True while every change is pushed."""
        self.is_live = False
        """True if `balances` are those of the account."""
        self.corrections = 0
        """Balances that a read found to differ without a push."""
        self._balances: dict[str, Balance] = {}
        self._pushed_at: dict[str, float] = {}
        """Time of the last push of each asset on this connection."""

    @property
    def balances(self) -> dict[str, Balance] | None:
        """Balances by asset, without those of zero; None unless they are live."""
        return dict(self._balances) if self.is_live else None

    def connected(self) -> None:
        """Note that every change is pushed from now on."""
        self.is_connected, self.is_live = True, False
        self._pushed_at.clear()

    def lost(self) -> None:
        """Note that changes may be missed."""
        self.is_connected = self.is_live = False

    def push(self, asset: str, free: Decimal, locked: Decimal, now: float) -> None:
        """Apply a pushed balance."""
        if self.is_connected:
            self._pushed_at[asset] = now
            self._set(Balance(asset=asset, free=free, locked=locked))

    def read(self, balances: Iterable[Balance], began_at: float) -> None:
        """Apply a complete read that began at `began_at`."""
        if not self.is_connected:
            return
        since = began_at - LAG_S if self.is_live else 0.0
        pushed = {asset for asset, at in self._pushed_at.items() if at >= since}
        shown = {balance.asset: balance for balance in nonzero(balances)}
        for asset in (shown.keys() | self._balances.keys()) - pushed:
            found = shown.get(asset) or Balance(asset=asset, free=Decimal(0), locked=Decimal(0))
            self.corrections += self.is_live and self._balances.get(asset) != shown.get(asset)
            self._set(found)
        self.is_live = True

    def _set(self, balance: Balance) -> None:
        if balance.free or balance.locked:
            self._balances[balance.asset] = balance
        else:
            self._balances.pop(balance.asset, None)


def nonzero(balances: Iterable[Balance]) -> list[Balance]:
    """Return the balances that are not zero, in the form that pushes give."""
    return [
        Balance(asset=each.asset, free=each.free, locked=each.locked) for each in balances if each.free or each.locked
    ]
