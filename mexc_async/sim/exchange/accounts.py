"""Accounts of the simulated exchange: their description, the accounts file, and their state at run time."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice, pairwise
from pathlib import Path

import msgspec

from mexc_async.sim.exchange.keys import ALL_PERMISSIONS, ApiKey
from mexc_async.sim.exchange.orders import AccountTrade, Order

DEMO_KEY = "mx0simDEMOkey00001"
DEMO_SECRET = "5d2c0f6f5b7e4f0f9a54c1f2sim00001"  # noqa: S105 - opens the simulator only
"""The main account's default key and secret. They are fixed and public, and only the simulator accepts them."""

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
_OLDEST_KEY_DAYS = 10_000


class BadAccounts(ValueError):
    """Error for an unusable accounts file or balance flag. The message is one line with the value and the rule."""


class WithdrawAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of an account's withdrawal address book. The exchange withdraws to these addresses only."""

    coin: str
    network: str
    """Short network name, such as TRX."""
    address: str
    memo: str | None = None
    label: str = ""


class FeeTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fees of an account from a traded value on."""

    volume: Decimal
    """Least value traded so far, in USDT."""
    maker_fee: Decimal
    taker_fee: Decimal
    """Fee ratios, 0.001 for 0.1 %."""


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Description of an account that the simulator opens at its start."""

    name: str
    api_key: str
    api_secret: str
    balances: dict[str, Decimal] | None = None
    """Free amounts by asset; None for the default balances."""
    permissions: tuple[str, ...] = ALL_PERMISSIONS
    ips: tuple[str, ...] = ()
    """IP addresses that may use the key; empty for any."""
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    """Fee ratios, 0.001 for 0.1 %; None for those of `fee_tiers`, or else each symbol's own."""
    fee_tiers: tuple[FeeTier, ...] = ()
    """Fees by the value that the account has traded, lowest volume first."""
    traded: Decimal = Decimal(0)
    """Value traded before the start, in USDT, for `fee_tiers`."""
    mx_deduct: bool = False
    """True to pay fees in MX from the start, as after `set_mx_deduct`."""
    kyc: str = "2"
    """KYC level: 1 unverified, 2 primary, 3 advanced, 4 institutional."""
    key_age_days: float = 0
    """Age of the key at the start, in days. A key without an IP list expires after 90 days."""
    email: str = ""
    """Address for internal transfers; NAME@sim.example by default."""
    mobile: str = ""
    invited_by: str = ""
    """Name of the account that receives a share of this one's fees. It must come earlier in the list."""
    is_affiliate: bool = True
    is_broker: bool = True
    """True to let the account use the affiliate endpoints (`is_affiliate`) or the broker endpoints (`is_broker`)."""
    withdraw_addresses: tuple[WithdrawAddress, ...] | None = None
    """Withdrawal address book; None for one generated address per currency and network."""

    def __repr__(self) -> str:
        return f"AccountSpec(name={self.name!r}, api_key={self.api_key!r})"


class Account:
    """An open account with its orders and fills."""

    def __init__(
        self,
        uid: str,
        name: str,
        created_ms: int,
        *,
        maker_fee: Decimal | None = None,
        taker_fee: Decimal | None = None,
        fee_tiers: tuple[FeeTier, ...] = (),
        traded: Decimal = Decimal(0),
        mx_deduct: bool = False,
        kyc: str = "2",
        email: str = "",
        mobile: str = "",
        is_affiliate: bool = False,
        is_broker: bool = False,
        master: Account | None = None,
        note: str = "",
    ) -> None:
        self.uid = uid
        self.name = name
        self.created_ms = created_ms
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.fee_tiers = fee_tiers
        self.traded = traded
        """Value of all fills in USDT; counted for an account with fee tiers only."""
        self.kyc = kyc
        self.email = email or f"{name}@sim.example"
        self.mobile = mobile
        self.is_affiliate = is_affiliate
        self.is_broker = is_broker
        """True for a broker, and for a sub-account that a broker endpoint created."""
        self.master = master
        """The main account of a sub-account; None for a main account."""
        self.note = note
        self.is_frozen = False
        self.mx_deduct = mx_deduct
        self.inviter: Account | None = None
        self.open_orders: dict[str, Order] = {}
        self.trades: deque[AccountTrade] = deque(maxlen=_REMEMBERED)
        """The newest fills, oldest first."""
        self.trade_count = 0
        """Number of fills so far, including those no longer stored."""
        self._orders: dict[str, Order] = {}
        self._by_client_id: dict[str, Order] = {}

    @classmethod
    def of(cls, uid: str, spec: AccountSpec, created_ms: int) -> Account:
        """Build a main account from its description."""
        return cls(
            uid,
            spec.name,
            created_ms,
            maker_fee=spec.maker_fee,
            taker_fee=spec.taker_fee,
            fee_tiers=spec.fee_tiers,
            traded=spec.traded,
            mx_deduct=spec.mx_deduct,
            kyc=spec.kyc,
            email=spec.email,
            mobile=spec.mobile,
            is_affiliate=spec.is_affiliate,
            is_broker=spec.is_broker,
        )

    @property
    def futures(self) -> str:
        """Name of the futures wallet in the balances. The spot wallet goes by the uid."""
        return f"{self.uid}/FUTURES"

    @property
    def tier(self) -> FeeTier | None:
        """The account's fee tier; None before the first."""
        return next((tier for tier in reversed(self.fee_tiers) if tier.volume <= self.traded), None)

    def add_trade(self, made: AccountTrade) -> None:
        """Store a fill."""
        self.trades.append(made)
        self.trade_count += 1

    def trades_since(self, count: int) -> Iterable[AccountTrade]:
        """Return the stored fills after the first `count`, oldest first."""
        return islice(self.trades, max(0, len(self.trades) - (self.trade_count - count)), None)

    def add_order(self, order: Order) -> None:
        """Store `order` under both of its ids. Beyond 50,000 orders the oldest closed one is dropped."""
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
        """Return the order with this order id, else the newest one with this client order id, else None."""
        if order_id is not None:
            return self._orders.get(order_id)
        return self._by_client_id.get(client_id) if client_id is not None else None

    def orders(self) -> Iterable[Order]:
        """Return every stored order, oldest first."""
        return self._orders.values()

    def orders_newest_first(self) -> Iterable[Order]:
        """Return every stored order, newest first."""
        return reversed(self._orders.values())


def key_of(spec: AccountSpec, uid: str, now_ms: int) -> ApiKey:
    """Build the API key that the account starts with."""
    key = ApiKey(
        spec.api_key,
        spec.api_secret,
        account=uid,
        permissions=spec.permissions,
        ips=spec.ips,
        note=spec.name,
        created_ms=now_ms,
    )
    key.set_age(spec.key_age_days, now_ms)
    return key


def parse_balance(text: str) -> tuple[str, Decimal]:
    """Parse `ASSET=AMOUNT`. Raises BadAccounts."""
    asset, separator, amount = text.partition("=")
    if not separator or not _ASSET.fullmatch(asset):
        raise BadAccounts(f"balance {text!r} is not ASSET=AMOUNT, such as USDT=100000")
    try:
        number = Decimal(amount)
    except InvalidOperation:
        raise BadAccounts(f"balance {text!r}: {amount!r} is not a number") from None
    check_balance(text, number)
    return asset, number


def check_balance(label: str, amount: Decimal) -> None:
    """Raise BadAccounts unless `amount` is from 0 to 10^12 with at most 8 decimals. `label` is named in the message."""
    if not amount.is_finite() or not 0 <= amount <= _LARGEST:
        raise BadAccounts(f"balance {label!r} must lie between 0 and {_LARGEST:f}")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _MOST_DECIMALS:
        raise BadAccounts(f"balance {label!r} has more than {_MOST_DECIMALS} decimals")


def read_accounts(path: Path) -> tuple[AccountSpec, ...]:
    """Read accounts from a JSON file: a list of objects with the fields of `AccountSpec`. Raises BadAccounts."""
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
        if spec.invited_by and spec.invited_by not in names:
            raise BadAccounts(f"account {spec.name!r}: invited_by {spec.invited_by!r} does not name an earlier account")
        if not 0 <= spec.key_age_days <= _OLDEST_KEY_DAYS:
            raise BadAccounts(
                f"account {spec.name!r}: key_age_days {spec.key_age_days} is not from 0 to {_OLDEST_KEY_DAYS}"
            )
        if not spec.api_key or not spec.api_secret:
            raise BadAccounts(f"account {spec.name!r} needs a key and a secret")
        if spec.name in names or spec.api_key in keys:
            raise BadAccounts(f"account {spec.name!r}: name or key is used twice")
        names.add(spec.name)
        keys.add(spec.api_key)
        for asset, amount in (spec.balances or {}).items():
            if not _ASSET.fullmatch(asset):
                raise BadAccounts(f"account {spec.name!r}: {asset!r} is not an asset")
            check_balance(f"{asset}={amount}", amount)
        for permission in spec.permissions:
            if permission not in ALL_PERMISSIONS:
                raise BadAccounts(f"account {spec.name!r}: {permission!r} is not a permission")
        if fault := _fault_of(spec.fee_tiers):
            raise BadAccounts(f"account {spec.name!r}: fee_tiers: {fault}")
        if not (spec.traded.is_finite() and spec.traded >= 0):
            raise BadAccounts(f"account {spec.name!r}: traded {spec.traded} is not a value from 0")
        tiers = (fee for tier in spec.fee_tiers for fee in (tier.maker_fee, tier.taker_fee))
        for fee in (spec.maker_fee, spec.taker_fee, *tiers):
            if fee is not None and not (fee.is_finite() and 0 <= fee <= Decimal("0.1") and fee == round(fee, 6)):
                raise BadAccounts(
                    f"account {spec.name!r}: fee {fee} is not a ratio from 0 to 0.1 with at most 6 decimals"
                )


def _fault_of(tiers: Sequence[FeeTier]) -> str | None:
    """Return the first fault of a table of tiers, or None: volumes rise, and no fee does."""
    for before, tier in pairwise(tiers):
        if tier.volume <= before.volume:
            return f"volume {tier.volume} does not exceed the one before, {before.volume}"
        if tier.maker_fee > before.maker_fee or tier.taker_fee > before.taker_fee:
            return f"the fees from volume {tier.volume} on exceed those before"
    return None
