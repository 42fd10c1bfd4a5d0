"""Deposits: an address per account, currency and network, and incoming payments. `advance` counts confirmations."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from math import inf

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.ids import Ids
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.exchange.settlement import CHAIN
from mexc_async.sim.wallet.addresses import Address, make_address
from mexc_async.sim.wallet.currencies import Currency, Network

PENDING, SUCCESS = 4, 5
"""The two of MEXC's deposit statuses that occur here."""
_REMEMBERED = 50_000


class Deposit:
    """One incoming payment."""

    def __init__(
        self,
        account: str,
        coin: str,
        network: Network,
        address: Address,
        amount: Decimal,
        tx_id: str,
        now_ms: int,
    ) -> None:
        self.account = account
        """The receiver's uid."""
        self.coin = coin
        """The coin as histories spell it."""
        self.network = network
        self.address = address
        self.amount = amount
        self.tx_id = tx_id
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.status = PENDING
        self.confirmations = 0


class Deposits:
    """Every account's deposit addresses and deposits."""

    def __init__(self, exchange: Exchange, ids: Ids, *, seed: int, deposit_ms: int) -> None:
        """Start without addresses. `deposit_ms` is the time from a payment to its last confirmation."""
        self._exchange = exchange
        self._ids = ids
        self._seed = seed
        self._deposit_ms = deposit_ms
        self._addresses: dict[tuple[str, str, str], tuple[Network, Address]] = {}
        """Addresses by (uid, coin, short network name)."""
        self._owners: dict[Address, str] = {}
        self._made: deque[Deposit] = deque(maxlen=_REMEMBERED)
        self._pending: list[Deposit] = []

    # Addresses

    def generate(self, account: Account, network: Network) -> Address:
        """Open the account's address for a currency on a network; the same at each call. Raises Refusal 10216."""
        if not network.deposits:
            raise Refusal(10216, "No available deposit address.")
        address = make_address(self._seed, account.uid, network)
        self._addresses[account.uid, network.coin, network.short] = network, address
        self._owners[address] = account.uid
        return address

    def addresses(self, account: Account, coin: str) -> list[tuple[Network, Address]]:
        """Return the addresses that the account has opened for a currency."""
        return [found for (uid, held, _), found in self._addresses.items() if uid == account.uid and held == coin]

    def owner(self, address: str, memo: str | None) -> Account | None:
        """Return the account with this deposit address, or None for an address outside the exchange."""
        uid = self._owners.get(Address(address, memo))
        return None if uid is None else self._exchange.accounts[uid]

    # Payments

    def arrive(
        self, account: Account, currency: Currency, network: Network, amount: Decimal, now_ms: int, tx_id: str = ""
    ) -> Deposit:
        """Register a payment to the account's address. It is credited after its confirmations."""
        address = self.generate(account, network)
        coin, tx_id = currency.coin_on(network), tx_id or f"{self._ids.hash()}:0"
        deposit = Deposit(account.uid, coin, network, address, amount, tx_id, now_ms)
        self._made.append(deposit)
        self._pending.append(deposit)
        self.advance(now_ms)
        return deposit

    @property
    def due_ms(self) -> float:
        """Time of the next credit; infinity without one."""
        if not self._pending:
            return inf
        return min(deposit.created_ms for deposit in self._pending) + self._deposit_ms

    def advance(self, now_ms: int) -> None:
        """Count confirmations, and credit the deposits that have enough."""
        if not self._pending:
            return
        for deposit in self._pending:
            needed, age_ms = deposit.network.confirmations, now_ms - deposit.created_ms
            if age_ms < self._deposit_ms:
                deposit.confirmations = max(deposit.confirmations, needed * age_ms // self._deposit_ms)
                continue
            deposit.confirmations = needed
            deposit.status, deposit.updated_ms = SUCCESS, now_ms
            self._exchange.balances.pay(CHAIN, deposit.account, deposit.network.coin, deposit.amount)
            self._exchange.report(now_ms, {deposit.account: "DEPOSIT"})
        self._pending = [deposit for deposit in self._pending if deposit.status == PENDING]

    def newest_first(self, accounts: frozenset[str]) -> list[Deposit]:
        """Return the deposits of these accounts, newest first."""
        return [deposit for deposit in reversed(self._made) if deposit.account in accounts]
