"""Dust conversion: small balances are turned into MX at the last prices."""

from __future__ import annotations

from collections import deque
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import NamedTuple

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.ids import Ids
from mexc_async.sim.exchange.market_state import worth_in_usdt
from mexc_async.sim.exchange.settlement import FEES, HOUSE

_MX = "MX"
_STEP = Decimal("0.00000001")
_REMEMBERED = 10_000
ZERO = Decimal(0)


class DustQuote(NamedTuple):
    """Result that a conversion of one balance would have, or the reason against it."""

    asset: str
    balance: Decimal
    usdt: Decimal
    mx: Decimal
    """Amount of MX before the fee."""
    code: int = 0
    message: str = ""


class Item(NamedTuple):
    """One converted asset."""

    item_id: str
    asset: str
    amount: Decimal
    mx: Decimal
    """Amount of MX after the fee."""
    fee: Decimal
    time_ms: int


class Conversion(NamedTuple):
    """One conversion of several assets."""

    account: str
    items: tuple[Item, ...]
    time_ms: int


class Dust:
    """Every account's dust conversions."""

    def __init__(self, exchange: Exchange, ids: Ids) -> None:
        self._exchange = exchange
        self._ids = ids
        self._made: deque[Conversion] = deque(maxlen=_REMEMBERED)

    def quotes(self, account: Account) -> list[DustQuote]:
        """Return quotes for the account's small balances and for those without a price."""
        balances = self._exchange.balances.balances(account.uid)
        quotes = [self.quote(account, asset) for asset, held in balances.items() if asset != _MX and held.free]
        return [quote for quote in quotes if quote.code != assumptions.DUST_TOO_MUCH]

    def quote(self, account: Account, asset: str) -> DustQuote:
        """Return the quote for converting the whole free balance of one asset."""
        free = self._exchange.balances.balance(account.uid, asset).free
        price, mx_price = (worth_in_usdt(each, self._exchange.markets) for each in (asset, _MX))
        if price is None or mx_price is None or asset == _MX:
            return DustQuote(asset, free, ZERO, ZERO, assumptions.DUST_NO_MARKET, "Asset cannot be converted.")
        usdt = (free * price).quantize(_STEP, ROUND_DOWN)
        mx = (free * price / mx_price).quantize(_STEP, ROUND_DOWN)
        if usdt > assumptions.DUST_LIMIT_USDT:
            return DustQuote(asset, free, usdt, mx, assumptions.DUST_TOO_MUCH, "Balance is too large to be converted.")
        if mx <= _STEP:
            return DustQuote(
                asset, free, usdt, mx, assumptions.DUST_TOO_LITTLE, "Balance is too small to be converted."
            )
        return DustQuote(asset, free, usdt, mx)

    def convert(self, account: Account, assets: list[str], now_ms: int) -> tuple[Conversion, list[DustQuote]]:
        """Convert the assets that can be converted. Return the conversion and the quotes of the refused assets."""
        items, failed = [], []
        for asset in dict.fromkeys(assets):
            quote = self.quote(account, asset)
            if quote.code:
                failed.append(quote)
                continue
            fee = dust_fee(quote.mx)
            balances = self._exchange.balances
            balances.pay(account.uid, HOUSE, asset, quote.balance)
            balances.pay(HOUSE, account.uid, _MX, quote.mx)
            balances.pay(account.uid, FEES, _MX, fee)
            items.append(Item(self._ids.hex(), asset, quote.balance, quote.mx - fee, fee, now_ms))
        conversion = Conversion(account.uid, tuple(items), now_ms)
        if items:
            self._made.append(conversion)
            self._exchange.report(now_ms)
        return conversion, failed

    def newest_first(self, account: Account) -> list[Conversion]:
        """Return the account's conversions, newest first."""
        return [made for made in reversed(self._made) if made.account == account.uid]


def dust_fee(mx: Decimal) -> Decimal:
    """Return the exchange's fee on a conversion."""
    return (mx * assumptions.DUST_FEE).quantize(_STEP, ROUND_UP)
