"""Accounts of the simulated exchange: how they are described, read from a file or flags, and kept while it runs."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from mexc_async.sim.orders import AccountTrade, Order

DEMO_KEY = "mx0simDEMOkey00001"
DEMO_SECRET = "5d2c0f6f5b7e4f0f9a54c1f2sim00001"  # noqa: S105 - opens the simulator only
"""The main account's default key: fixed, public, good for nothing but the simulator."""

ALL_PERMISSIONS = (
    "SPOT_ACCOUNT_READ",
    "SPOT_ACCOUNT_WRITE",
    "SPOT_DEAL_READ",
    "SPOT_DEAL_WRITE",
    "SPOT_TRANSFER_READ",
    "SPOT_TRANSFER_WRITE",
    "SPOT_WITHDRAW_READ",
    "SPOT_WITHDRAW_WRITE",
    "SPOT_DEPOSIT_READ",
    "SPOT_DEPOSIT_WRITE",
    "CONTRACT_ACCOUNT_READ",
    "CONTRACT_ACCOUNT_WRITE",
    "CONTRACT_DEAL_READ",
    "CONTRACT_DEAL_WRITE",
)

DEFAULT_BALANCES: dict[str, Decimal] = {
    asset: Decimal(amount)
    for asset, amount in {
        "USDT": "100000",
        "USDC": "20000",
        "BTC": "2",
        "ETH": "30",
        "SOL": "200",
        "XRP": "50000",
        "DOGE": "200000",
        "MX": "5000",
        "ADA": "50000",
        "LTC": "200",
        "PEPE": "500000000",
        "SHIB": "500000000",
        "NOT": "1000000",
    }.items()
}

_ASSET = re.compile(r"[A-Z0-9]{1,20}")
_LARGEST = Decimal(10) ** 12
_MOST_DECIMALS = 8
_REMEMBERED = 50_000


class BadAccounts(ValueError):
    """An accounts file or a balance flag cannot be used; the message is one line that names the value and the rule."""


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account to open when the simulator starts."""

    name: str
    api_key: str
    api_secret: str
    balances: dict[str, Decimal] | None = None
    """Free amounts by asset; None for the usual starting balances."""
    permissions: tuple[str, ...] = ALL_PERMISSIONS
    ips: tuple[str, ...] = ()
    """Addresses that may use the key; empty for any."""
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    """Fee ratios; None for each symbol's own."""
    kyc: str = "2"
    """1 unverified, 2 primary, 3 advanced, 4 institutional."""

    def __repr__(self) -> str:
        return f"AccountSpec(name={self.name!r}, api_key={self.api_key!r})"


class Account:
    """A running account: its key, its orders and its fills."""

    def __init__(self, uid: str, spec: AccountSpec, created_ms: int) -> None:
        self.uid = uid
        self.spec = spec
        self.created_ms = created_ms
        self.ips: tuple[str, ...] = spec.ips
        self.note = spec.name
        self.mx_deduct = False
        self.open_orders: dict[str, Order] = {}
        self.trades: deque[AccountTrade] = deque(maxlen=_REMEMBERED)
        """Oldest first."""
        self._orders: dict[str, Order] = {}
        self._by_client_id: dict[str, Order] = {}

    def add_order(self, order: Order) -> None:
        """Keep `order` findable by both ids; when there are too many, the oldest closed one is forgotten."""
        if len(self._orders) >= _REMEMBERED:
            self._forget_oldest()
        self._orders[order.order_id] = order
        if order.client_id is not None:
            self._by_client_id[order.client_id] = order

    def _forget_oldest(self) -> None:
        oldest = next(order for order in self._orders.values() if order.order_id not in self.open_orders)
        del self._orders[oldest.order_id]
        if oldest.client_id is not None and self._by_client_id.get(oldest.client_id) is oldest:
            del self._by_client_id[oldest.client_id]

    def find_order(self, order_id: str | None, client_id: str | None) -> Order | None:
        """The order with this id, or the newest with this client id."""
        if order_id is not None:
            return self._orders.get(order_id)
        return self._by_client_id.get(client_id) if client_id is not None else None

    def orders(self) -> Iterable[Order]:
        """Every remembered order, oldest first."""
        return self._orders.values()

    def orders_newest_first(self) -> Iterable[Order]:
        """The same, newest first."""
        return reversed(self._orders.values())


def parse_balance(text: str) -> tuple[str, Decimal]:
    """`ASSET=AMOUNT` as asset and amount. Raises BadAccounts."""
    asset, separator, amount = text.partition("=")
    if not separator or not _ASSET.fullmatch(asset):
        raise BadAccounts(f"balance {text!r} is not ASSET=AMOUNT, such as USDT=100000")
    try:
        number = Decimal(amount)
    except InvalidOperation:
        raise BadAccounts(f"balance {text!r}: {amount!r} is no number") from None
    check_balance(text, number)
    return asset, number


def check_balance(label: str, amount: Decimal) -> None:
    """Raise BadAccounts unless `amount` can be a starting balance."""
    if not amount.is_finite() or not 0 <= amount <= _LARGEST:
        raise BadAccounts(f"balance {label!r} must lie between 0 and {_LARGEST:f}")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _MOST_DECIMALS:
        raise BadAccounts(f"balance {label!r} has more than {_MOST_DECIMALS} decimals")


def read_accounts(path: Path) -> tuple[AccountSpec, ...]:
    """The accounts in a JSON file: a list of objects with the fields of `AccountSpec`. Raises BadAccounts."""
    try:
        specs = msgspec.json.decode(path.read_bytes(), type=tuple[AccountSpec, ...])
    except OSError as error:
        raise BadAccounts(f"accounts file {path}: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAccounts(f"accounts file {path}: {error}") from None
    try:
        check_accounts(specs)
    except BadAccounts as error:
        raise BadAccounts(f"accounts file {path}: {error}") from None
    return specs


def check_accounts(specs: Iterable[AccountSpec]) -> None:
    """Raise BadAccounts unless names and keys are unique and every value is usable."""
    names: set[str] = set()
    keys: set[str] = set()
    for spec in specs:
        if not spec.api_key or not spec.api_secret:
            raise BadAccounts(f"account {spec.name!r} needs a key and a secret")
        if spec.name in names or spec.api_key in keys:
            raise BadAccounts(f"account {spec.name!r}: name or key is used twice")
        names.add(spec.name)
        keys.add(spec.api_key)
        for asset, amount in (spec.balances or {}).items():
            if not _ASSET.fullmatch(asset):
                raise BadAccounts(f"account {spec.name!r}: {asset!r} is no asset")
            check_balance(f"{asset}={amount}", amount)
        for permission in spec.permissions:
            if permission not in ALL_PERMISSIONS:
                raise BadAccounts(f"account {spec.name!r}: {permission!r} is no permission")
        for fee in (spec.maker_fee, spec.taker_fee):
            if fee is not None and not (fee.is_finite() and 0 <= fee <= Decimal("0.1") and fee == round(fee, 6)):
                raise BadAccounts(f"account {spec.name!r}: fee {fee} is no ratio from 0 to 0.1 with at most 6 decimals")
