"""Account audit for tests: an account's true orders, fills, balances, transfers, withdrawals and deposits."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.balances import Balances
from mexc_async.sim.exchange.orders import AccountTrade, Order
from mexc_async.sim.wallet.deposits import SUCCESS, Deposit
from mexc_async.sim.wallet.transfers import Transfer
from mexc_async.sim.wallet.wallet import Wallet
from mexc_async.sim.wallet.withdrawals import Withdrawal


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted order in its current state."""

    order_id: str
    client_id: str | None
    symbol: str
    side: str
    type: str
    price: Decimal
    quantity: Decimal
    """Base quantity; 0 for an order sized by value."""
    quote_quantity: Decimal
    status: str
    executed: Decimal
    executed_value: Decimal
    created_ms: int
    updated_ms: int


class BalanceLine(msgspec.Struct, frozen=True):
    """Balance of one asset."""

    free: Decimal
    locked: Decimal


class TransferLine(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer that the account requested or took part in."""

    tran_id: str
    kind: str
    """own, sub, broker or internal."""
    from_account: str
    """Uid."""
    from_type: str
    to_account: str
    to_type: str
    asset: str
    amount: Decimal
    time_ms: int


class WithdrawalLine(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted withdrawal in its current state."""

    withdrawal_id: str
    order_id: str | None
    """The caller's withdrawOrderId."""
    coin: str
    network: str
    address: str
    amount: Decimal
    """Amount with the fee included."""
    fee: Decimal
    status: str
    created_ms: int
    updated_ms: int


class DepositLine(msgspec.Struct, frozen=True, kw_only=True):
    """One deposit in its current state."""

    tx_id: str
    coin: str
    network: str
    amount: Decimal
    is_credited: bool
    created_ms: int


class AccountAudit(msgspec.Struct, frozen=True, kw_only=True):
    """Audit of an account. It has every open order, and the last 50,000 orders and fills."""

    account: str
    """The account's uid."""
    name: str
    orders: tuple[OrderLine, ...]
    """Orders by acceptance. A client order id may occur again once its order is closed."""
    fills: tuple[AccountTrade, ...]
    """Fills, oldest first."""
    balances: dict[str, BalanceLine]
    """Spot balances by asset."""
    futures: dict[str, BalanceLine]
    """Futures balances by asset."""
    transfers: tuple[TransferLine, ...]
    """Transfers, oldest first; withdrawals and deposits likewise."""
    withdrawals: tuple[WithdrawalLine, ...]
    deposits: tuple[DepositLine, ...]


def audit_of(account: Account, balances: Balances, wallet: Wallet) -> AccountAudit:
    """Return the audit of the account's current state."""
    transfers = wallet.transfers.newest_first(lambda made: account.uid in _parties(made))
    return AccountAudit(
        account=account.uid,
        name=account.name,
        orders=tuple(_line(order) for order in account.orders()),
        fills=tuple(account.trades),
        balances=_balances(balances, account.uid),
        futures=_balances(balances, account.futures),
        transfers=tuple(_transfer(made) for made in reversed(transfers)),
        withdrawals=tuple(_withdrawal(each) for each in reversed(wallet.withdrawals.newest_first(account))),
        deposits=tuple(_deposit(each) for each in reversed(wallet.deposits.newest_first(frozenset({account.uid})))),
    )


def _balances(balances: Balances, name: str) -> dict[str, BalanceLine]:
    return {asset: BalanceLine(balance.free, balance.locked) for asset, balance in balances.balances(name).items()}


def _parties(made: Transfer) -> tuple[str, ...]:
    return made.owner, made.source.account.uid, made.target.account.uid


def _transfer(made: Transfer) -> TransferLine:
    return TransferLine(
        tran_id=made.tran_id,
        kind=made.kind,
        from_account=made.source.account.uid,
        from_type=made.source.type,
        to_account=made.target.account.uid,
        to_type=made.target.type,
        asset=made.asset,
        amount=made.amount,
        time_ms=made.time_ms,
    )


def _withdrawal(made: Withdrawal) -> WithdrawalLine:
    return WithdrawalLine(
        withdrawal_id=made.withdrawal_id,
        order_id=made.request.order_id,
        coin=made.request.currency.coin,
        network=made.request.network.short,
        address=made.request.address,
        amount=made.request.amount,
        fee=made.request.network.fee,
        status=made.status.name,
        created_ms=made.created_ms,
        updated_ms=made.updated_ms,
    )


def _deposit(made: Deposit) -> DepositLine:
    return DepositLine(
        tx_id=made.tx_id,
        coin=made.network.coin,
        network=made.network.short,
        amount=made.amount,
        is_credited=made.status == SUCCESS,
        created_ms=made.created_ms,
    )


def _line(order: Order) -> OrderLine:
    return OrderLine(
        order_id=order.order_id,
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        price=order.price,
        quantity=order.quantity,
        quote_quantity=order.quote_quantity,
        status=order.status,
        executed=order.executed,
        executed_value=order.executed_value,
        created_ms=order.created_ms,
        updated_ms=order.updated_ms,
    )
