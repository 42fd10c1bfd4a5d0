"""Withdrawals: address books, checks, holds and the steps of processing. `advance` makes the steps that are due."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import IntEnum
from math import inf

import msgspec

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.accounts import Account, WithdrawAddress
from mexc_async.sim.exchange.balances import BalanceTooLow
from mexc_async.sim.exchange.decimals import check_decimals
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.ids import Ids
from mexc_async.sim.exchange.refusals import Refusal, missing
from mexc_async.sim.exchange.settlement import CHAIN, FEES
from mexc_async.sim.wallet.addresses import make_address
from mexc_async.sim.wallet.currencies import Currencies, Currency, Network
from mexc_async.sim.wallet.deposits import Deposits


class Status(IntEnum):
    """Status of a withdrawal, with MEXC's numbers."""

    APPLY = 1
    AUDITING = 2
    WAIT = 3
    PROCESSING = 4
    WAIT_PACKAGING = 5
    WAIT_CONFIRM = 6
    SUCCESS = 7
    FAILED = 8
    CANCEL = 9
    MANUAL = 10

    @property
    def is_final(self) -> bool:
        """True if no further status follows."""
        return self in (Status.SUCCESS, Status.FAILED, Status.CANCEL)


_MOVES_ON = (Status.APPLY, Status.AUDITING, Status.WAIT, Status.PROCESSING, Status.WAIT_PACKAGING, Status.WAIT_CONFIRM)
"""Statuses that are followed by the next number after one step. MANUAL waits for a back-office command."""
_ON_CHAIN = (Status.WAIT_PACKAGING, Status.WAIT_CONFIRM, Status.SUCCESS)
_CANCELLABLE = (Status.APPLY, Status.AUDITING, Status.WAIT, Status.MANUAL)
_REMEMBERED = 50_000


class WithdrawRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A withdrawal request, not checked yet."""

    currency: Currency
    network: Network
    address: str
    amount: Decimal
    """Amount with the fee included."""
    memo: str | None = None
    order_id: str | None = None
    """The caller's withdrawOrderId."""
    remark: str | None = None


class Withdrawal:
    """One accepted withdrawal."""

    def __init__(self, withdrawal_id: str, account: str, request: WithdrawRequest, now_ms: int) -> None:
        self.withdrawal_id = withdrawal_id
        self.account = account
        """The sender's uid."""
        self.request = request
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.status = Status.APPLY
        self.tx_hash: str | None = None
        self.is_internal = False
        """True if the receiver is an account of this exchange."""


class Withdrawals:
    """The address books and withdrawals of all accounts."""

    def __init__(self, exchange: Exchange, deposits: Deposits, ids: Ids, *, step_ms: int) -> None:
        self._exchange = exchange
        self._deposits = deposits
        self._ids = ids
        self._step_ms = step_ms
        self._books: dict[str, list[WithdrawAddress]] = {}
        self._made: dict[str, Withdrawal] = {}
        self._used: set[tuple[str, str]] = set()
        """Used pairs of uid and withdrawOrderId."""
        self._moving: list[Withdrawal] = []

    # Address books

    def allow(self, account: Account, addresses: Iterable[WithdrawAddress]) -> None:
        """Add entries to the account's address book."""
        self._books.setdefault(account.uid, []).extend(addresses)

    def address_book(self, account: Account, coin: str | None = None) -> list[WithdrawAddress]:
        """Return the address book of the account, or of its main account, for one coin or all."""
        uid = account.uid if account.master is None else account.master.uid
        return [entry for entry in self._books.get(uid, ()) if coin in (None, entry.coin)]

    # Withdrawals

    def apply(self, account: Account, request: WithdrawRequest, now_ms: int) -> Withdrawal:
        """Accept a withdrawal and hold its amount. Raises Refusal and then changes nothing."""
        self._check(account, request)
        try:
            self._exchange.balances.hold(account.uid, request.currency.coin, request.amount)
        except BalanceTooLow:
            raise Refusal(10101, "资金不足") from None
        if len(self._made) >= _REMEMBERED:
            self._forget_oldest()
        withdrawal = Withdrawal(self._ids.hex(), account.uid, request, now_ms)
        withdrawal.is_internal = self._deposits.owner(request.address, request.memo) is not None
        self._made[withdrawal.withdrawal_id] = withdrawal
        self._moving.append(withdrawal)
        if request.order_id is not None:
            self._used.add((account.uid, request.order_id))
        self._exchange.report(now_ms, {account.uid: "WITHDRAW"})
        return withdrawal

    def cancel(self, account: Account, withdrawal_id: str, now_ms: int) -> Withdrawal:
        """Cancel a withdrawal that is not processed yet. Raises Refusal 22222, or 10211 when it is too late."""
        withdrawal = self._made.get(withdrawal_id)
        if withdrawal is None or withdrawal.account != account.uid:
            raise Refusal(22222, "The record does not exist.")
        if withdrawal.status not in _CANCELLABLE:
            raise Refusal(assumptions.NOT_CANCELLABLE, "The withdrawal can no longer be cancelled.")
        self._set(withdrawal, Status.CANCEL, now_ms)
        return withdrawal

    def force(self, withdrawal_id: str, status: Status, now_ms: int) -> Withdrawal:
        """Set any status on a withdrawal that is not final. Raises ValueError for an unknown or final one."""
        withdrawal = self._made.get(withdrawal_id)
        if withdrawal is None:
            raise ValueError(f"unknown withdrawal {withdrawal_id!r}")
        if withdrawal.status.is_final:
            raise ValueError(f"withdrawal {withdrawal_id!r} is final: {withdrawal.status.name}")
        self._set(withdrawal, status, now_ms)
        return withdrawal

    @property
    def due_ms(self) -> float:
        """Time of the next step; infinity without one."""
        if not self._moving:
            return inf
        moving = (each.updated_ms for each in self._moving if each.status in _MOVES_ON)
        return min(moving, default=inf) + self._step_ms

    def advance(self, now_ms: int) -> None:
        """Make every step that is due."""
        if not self._moving:
            return
        for withdrawal in self._moving:
            while withdrawal.status in _MOVES_ON and withdrawal.updated_ms + self._step_ms <= now_ms:
                at_ms = withdrawal.updated_ms + self._step_ms
                self._set(withdrawal, Status(withdrawal.status + 1), at_ms)
        self._moving = [withdrawal for withdrawal in self._moving if not withdrawal.status.is_final]

    def newest_first(self, account: Account) -> list[Withdrawal]:
        """Return the account's withdrawals, newest first."""
        return [each for each in reversed(self._made.values()) if each.account == account.uid]

    def _check(self, account: Account, request: WithdrawRequest) -> None:
        network = request.network
        if not network.withdrawals:
            raise Refusal(assumptions.WITHDRAWALS_CLOSED, "Withdrawals of this currency are suspended on this network.")
        check_decimals("amount", request.amount, network.decimals)
        if not network.least <= request.amount <= network.most:
            raise Refusal(
                assumptions.OUTSIDE_WITHDRAW_LIMITS, f"The amount must be from {network.least:f} to {network.most:f}."
            )
        if network.needs_memo and request.memo is None:
            raise missing("memo")
        if request.remark is not None and len(request.remark) > assumptions.LONGEST_REMARK:
            raise Refusal(10268, "The remark is too long.")
        wanted = (network.short, request.address, request.memo)
        book = self.address_book(account, network.coin)
        if wanted not in ((entry.network, entry.address, entry.memo) for entry in book):
            raise Refusal(10212, "The withdrawal address is not in the address book.")
        if request.order_id is not None and (account.uid, request.order_id) in self._used:
            raise Refusal(assumptions.DUPLICATE_WITHDRAW_ID, "Parameter error: withdrawOrderId has been used.")

    def _set(self, withdrawal: Withdrawal, status: Status, now_ms: int) -> None:
        withdrawal.status, withdrawal.updated_ms = status, now_ms
        if status in _ON_CHAIN and not withdrawal.is_internal:
            withdrawal.tx_hash = withdrawal.tx_hash or self._ids.hash()
        if status == Status.SUCCESS:
            self._send(withdrawal, now_ms)
        elif status.is_final:
            self._exchange.balances.release(
                withdrawal.account, withdrawal.request.currency.coin, withdrawal.request.amount
            )
        if status.is_final:
            self._exchange.report(now_ms, {withdrawal.account: "WITHDRAW"})

    def _send(self, withdrawal: Withdrawal, now_ms: int) -> None:
        """Pay the fee to the exchange and the rest to the chain, from where it reaches an address of the exchange."""
        request, balances = withdrawal.request, self._exchange.balances
        coin, fee = request.currency.coin, request.network.fee
        balances.pay(withdrawal.account, FEES, coin, fee, from_locked=True)
        balances.pay(withdrawal.account, CHAIN, coin, request.amount - fee, from_locked=True)
        receiver = self._deposits.owner(request.address, request.memo)
        if receiver is not None:
            tx_id = withdrawal.tx_hash or ""
            self._deposits.arrive(receiver, request.currency, request.network, request.amount - fee, now_ms, tx_id)

    def _forget_oldest(self) -> None:
        oldest = next((key for key, withdrawal in self._made.items() if withdrawal.status.is_final), None)
        if oldest is not None:
            del self._made[oldest]


def usual_addresses(currencies: Currencies, seed: int, account: Account) -> list[WithdrawAddress]:
    """Return an address book with one outside address for every currency and network."""
    book = []
    for currency in currencies.all():
        for network in currency.networks:
            made = make_address(seed, f"{account.uid}:outside", network)
            entry = WithdrawAddress(
                coin=currency.coin, network=network.short, address=made.text, memo=made.memo, label="sim"
            )
            book.append(entry)
    return book
