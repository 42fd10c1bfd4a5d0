"""Back-office commands that MEXC has no endpoint for: the acts of other people, blockchains and clerks."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

import msgspec

from mexc_async.sim.exchange.accounts import Account, WithdrawAddress
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.wallet.wallet import Wallet
from mexc_async.sim.wallet.withdrawals import Status


class DepositOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Command to make a payment arrive."""

    account: str = ""
    """Name, uid or mail address; empty for the main account."""
    coin: str
    network: str = ""
    """Short network name, such as TRX; empty for the currency's first network."""
    amount: Decimal
    tx_id: str = ""


class WithdrawalOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Command to set the status of a withdrawal."""

    id: str
    status: Literal[
        "APPLY", "AUDITING", "WAIT", "PROCESSING", "WAIT_PACKAGING", "WAIT_CONFIRM", "SUCCESS", "FAILED", "MANUAL"
    ]


class AddressOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Command to add an entry to an account's address book."""

    account: str = ""
    address: WithdrawAddress


class KeyOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Command to set the age of an API key."""

    api_key: str
    age_days: Annotated[float, msgspec.Meta(ge=0, le=10_000)]


class FreezeOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Command to freeze or unfreeze a sub-account."""

    sub_account: str
    is_frozen: bool = True


Order: TypeAlias = DepositOrder | WithdrawalOrder | AddressOrder | KeyOrder | FreezeOrder

PATHS: dict[str, type[Order]] = {
    "/sim/deposits": DepositOrder,
    "/sim/withdrawals": WithdrawalOrder,
    "/sim/addresses": AddressOrder,
    "/sim/keys": KeyOrder,
    "/sim/sub-accounts": FreezeOrder,
}
"""URL paths of the commands."""


def carry_out(exchange: Exchange, wallet: Wallet, order: Order, now_ms: int) -> dict[str, object]:
    """Carry out a command and return its result. Raises ValueError or Refusal and then changes nothing."""
    match order:
        case DepositOrder():
            return _deposit(exchange, wallet, order, now_ms)
        case WithdrawalOrder():
            made = wallet.withdrawals.force(order.id, Status[order.status], now_ms)
            return {"id": made.withdrawal_id, "status": made.status.name}
        case AddressOrder():
            wallet.currencies.get(order.address.coin).by_short(order.address.network)
            wallet.withdrawals.allow(_account(exchange, order.account), [order.address])
            return {}
        case KeyOrder():
            key = exchange.keys.find(order.api_key)
            if key is None:
                raise ValueError(f"unknown API key {order.api_key!r}")
            key.set_age(order.age_days, now_ms)
            return {"remainingValidity": key.remaining_days(now_ms)}
        case FreezeOrder():
            sub = wallet.sub_accounts.named(order.sub_account)
            sub.is_frozen = order.is_frozen
            return {"uid": sub.uid, "isFreeze": sub.is_frozen}


def _deposit(exchange: Exchange, wallet: Wallet, order: DepositOrder, now_ms: int) -> dict[str, object]:
    account = _account(exchange, order.account)
    if not order.amount.is_finite() or order.amount <= 0:
        raise ValueError(f"amount {order.amount} is not positive")
    currency = wallet.currencies.get(order.coin)
    if not currency.networks:
        raise ValueError(f"{order.coin} has no network in the simulator")
    network = currency.by_short(order.network) if order.network else currency.networks[0]
    made = wallet.deposits.arrive(account, currency, network, order.amount, now_ms, order.tx_id)
    return {"uid": account.uid, "address": made.address.text, "memo": made.address.memo, "txId": made.tx_id}


def _account(exchange: Exchange, name: str) -> Account:
    accounts = exchange.accounts.values()
    if not name:
        return next(iter(accounts))
    for account in accounts:
        if name in (account.name, account.uid, account.email):
            return account
    raise ValueError(f"unknown account {name!r}")
