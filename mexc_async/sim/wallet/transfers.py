"""Instant transfers: between an account's wallets, between a main account and its sub-accounts, and to other users."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.balances import BalanceTooLow
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.ids import Ids
from mexc_async.sim.exchange.refusals import Refusal

AccountType: TypeAlias = Literal["SPOT", "FUTURES"]
ACCOUNT_TYPES: tuple[AccountType, ...] = ("SPOT", "FUTURES")
_REMEMBERED = 50_000


class TransferSide(msgspec.Struct, frozen=True):
    """Source or target of a transfer."""

    account: Account
    type: AccountType = "SPOT"

    @property
    def wallet(self) -> str:
        """Name of this wallet in the balances."""
        return self.account.uid if self.type == "SPOT" else self.account.futures


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One completed transfer."""

    tran_id: str
    kind: Literal["own", "sub", "broker", "internal"]
    owner: str
    """Uid of the account that requested it."""
    source: TransferSide
    target: TransferSide
    asset: str
    amount: Decimal
    time_ms: int
    to_type: str = ""
    to_name: str = ""
    """Type and name by which the sender named the receiver of an internal transfer."""


class Transfers:
    """All transfers."""

    def __init__(self, exchange: Exchange, ids: Ids) -> None:
        self._exchange = exchange
        self._ids = ids
        self._made: deque[Transfer] = deque(maxlen=_REMEMBERED)

    def own(
        self, account: Account, source: AccountType, target: AccountType, asset: str, amount: Decimal, now_ms: int
    ) -> Transfer:
        """Transfer between the account's own wallets. Raises Refusal 10101 or 10103."""
        made = Transfer(
            tran_id=self._ids.hex(),
            kind="own",
            owner=account.uid,
            source=TransferSide(account, source),
            target=TransferSide(account, target),
            asset=asset,
            amount=amount,
            time_ms=now_ms,
        )
        return self._move(made, "CONTRACT_TRANSFER", "CONTRACT_TRANSFER")

    def between(
        self,
        master: Account,
        source: TransferSide,
        target: TransferSide,
        asset: str,
        amount: Decimal,
        now_ms: int,
        *,
        by_broker: bool,
    ) -> Transfer:
        """Transfer between a main account and its sub-accounts. Raises Refusal 10101, 10103 or 140002."""
        if source.account.is_frozen or target.account.is_frozen:
            raise Refusal(140002, "The sub-account is forbidden.")
        made = Transfer(
            tran_id=self._ids.hex() if by_broker else str(self._ids.number()),
            kind="broker" if by_broker else "sub",
            owner=master.uid,
            source=source,
            target=target,
            asset=asset,
            amount=amount,
            time_ms=now_ms,
        )
        return self._move(made, "WITHDRAW", "DEPOSIT")

    def internal(
        self, sender: Account, to_type: str, to_name: str, asset: str, amount: Decimal, now_ms: int
    ) -> Transfer:
        """Transfer to another user's spot wallet. Raises Refusal 10001, 10101 or 10103."""
        made = Transfer(
            tran_id=self._ids.hex(),
            kind="internal",
            owner=sender.uid,
            source=TransferSide(sender),
            target=TransferSide(self._receiver(to_type, to_name)),
            asset=asset,
            amount=amount,
            time_ms=now_ms,
            to_type=to_type,
            to_name=to_name,
        )
        return self._move(made, "WITHDRAW", "DEPOSIT")

    def find(self, owner: str, tran_id: str) -> Transfer | None:
        """Return a transfer between the owner's own wallets, or None."""
        own = self.newest_first(lambda made: made.kind == "own" and made.tran_id == tran_id and made.owner == owner)
        return own[0] if own else None

    def newest_first(self, is_wanted: Callable[[Transfer], bool]) -> list[Transfer]:
        """Return the transfers for which `is_wanted` is true, newest first."""
        return [made for made in reversed(self._made) if is_wanted(made)]

    def _receiver(self, to_type: str, name: str) -> Account:
        for account in self._mains():
            if name == {"UID": account.uid, "EMAIL": account.email, "MOBILE": account.mobile}[to_type]:
                return account
        raise Refusal(10001, "The user does not exist.")

    def _mains(self) -> Iterable[Account]:
        return (account for account in self._exchange.accounts.values() if account.master is None)

    def _move(self, made: Transfer, out: str, into: str) -> Transfer:
        source, target = made.source.wallet, made.target.wallet
        if source == target:
            raise Refusal(10103, "This transfer is not supported.")
        try:
            self._exchange.balances.pay(source, target, made.asset, made.amount)
        except BalanceTooLow:
            raise Refusal(10101, "资金不足") from None
        self._made.append(made)
        self._exchange.report(made.time_ms, {source: out, target: into})
        return made
