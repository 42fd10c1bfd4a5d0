"""Pre-trade risk limits, as the user sets them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Literal, TypeAlias, TypedDict

from msgspec import Struct
from msgspec.structs import replace

from mexc_async.errors import ConfigError, InvalidRequest
from mexc_async.schema.validation import Amount, amount, kind_of, one_of, shown, symbol, whole

MONEY = "USDT"
"""Quote asset of a plain amount."""
MOST_A_SECOND = 10_000
"""Greatest `max_orders_per_s`: as many times are remembered."""

QuoteAmount: TypeAlias = Amount | Mapping[str, Amount]
"""Amount in USDT, or one for each quote asset: `{"USDT": 1000, "BTC": "0.02"}`."""


class GuardSettings(TypedDict, total=False):
    """Arguments of `mexc.orders.limits`; see `GuardLimits` for each. None removes a limit."""

    round: Literal["down", "refuse"] | None
    collar: Amount | None
    collar_side: Literal["both", "worse"]
    without_book: Literal["refuse", "admit"]
    max_order_notional: QuoteAmount | None
    max_symbol_notional: QuoteAmount | None
    max_total_notional: QuoteAmount | None
    max_open_orders: int | None
    max_orders_per_s: int | None
    max_daily_loss: QuoteAmount | None
    symbols: str | Iterable[str] | None


class GuardLimits(Struct, frozen=True, kw_only=True):
    """Pre-trade risk limits. None is no limit; amounts are by quote asset, and different ones are never added."""

    round: Literal["down", "refuse"] | None = None
    """Treatment of a price or quantity off the symbol's steps.

    `down` makes the quantity smaller, a buy's price lower and a sell's higher, so that an order is never larger or
    worse than requested; `refuse` refuses.
    """
    collar: Decimal | None = None
    """Price collar: greatest distance of a price from the middle of the live book, as a fraction.

    A market order is checked by the last level that it would reach.
    """
    collar_side: Literal["both", "worse"] = "both"
    """`worse` limits only prices that would cost you: buys above the middle, sells below."""
    without_book: Literal["refuse", "admit"] = "refuse"
    """Treatment of orders that need a book while it is out of sync: `admit` lets them pass without a collar."""
    max_order_notional: dict[str, Decimal] | None = None
    """Greatest value of one order."""
    max_symbol_notional: dict[str, Decimal] | None = None
    """Greatest exposure in one symbol: see `SymbolExposure.worst_case`."""
    max_total_notional: dict[str, Decimal] | None = None
    """Greatest exposure in all symbols of one quote asset together."""
    max_open_orders: int | None = None
    """Most orders open, on their way or with unknown outcome; MEXC itself allows an account 500."""
    max_orders_per_s: int | None = None
    """Most orders in any second; more are refused, not delayed."""
    max_daily_loss: dict[str, Decimal] | None = None
    """Loss of the UTC day, realised and unrealised, with fees, at which only closing orders pass."""
    symbols: frozenset[str] | None = None
    """Symbols that may be traded."""

    def changed(self, changes: Mapping[str, object]) -> GuardLimits:
        """Return the limits with these changes. Raises ConfigError."""
        for name in changes:
            if name not in _READERS:
                raise ConfigError(f"limits takes no {name!r}; there are {', '.join(_READERS)}")
        try:
            return replace(self, **{name: _READERS[name](name, value) for name, value in changes.items()})
        except InvalidRequest as error:
            raise ConfigError(error.message) from None


def _optional(read: Callable[[str, object], object]) -> Callable[[str, object], object]:
    return lambda name, value: None if value is None else read(name, value)


def _choice(*allowed: str) -> Callable[[str, object], object]:
    check = one_of(allowed)

    def read(name: str, value: object) -> object:
        check(name, value)
        return value

    return read


def _fraction(name: str, value: object) -> Decimal:
    fraction = amount(name, value)
    if fraction >= 1:
        raise ConfigError(f"{name} {fraction:f} is a fraction: it must be below 1, as in Decimal('0.02') for 2 %")
    return fraction


def _amounts(name: str, value: object) -> dict[str, Decimal]:
    given = value if isinstance(value, Mapping) else {MONEY: value}
    if not given:
        raise ConfigError(f"{name} names no quote asset")
    amounts: dict[str, Decimal] = {}
    for asset, one in given.items():
        symbol(f"{name}'s quote asset", asset)
        amounts[asset] = amount(name if given is not value else f"{name}[{asset!r}]", one)
    return amounts


def _count(most: int | None) -> Callable[[str, object], object]:
    def read(name: str, value: object) -> object:
        whole(name, value)
        assert isinstance(value, int)
        if value < 1 or (most is not None and value > most):
            raise ConfigError(f"{name} {value} must be {'at least 1' if most is None else f'from 1 to {most}'}")
        return value

    return read


def _symbols(name: str, value: object) -> frozenset[str]:
    if not isinstance(value, Iterable):
        raise ConfigError(f"{name} {shown(value)} is {kind_of(value)}, not a list of symbols")
    found = [value] if isinstance(value, str) else list(value)
    for one in found:
        symbol(name, one)
    if not found:
        raise ConfigError(f"{name} is empty: no symbol could be traded; use halt() for that")
    return frozenset(found)


_READERS: dict[str, Callable[[str, object], object]] = {
    "round": _optional(_choice("down", "refuse")),
    "collar": _optional(_fraction),
    "collar_side": _choice("both", "worse"),
    "without_book": _choice("refuse", "admit"),
    "max_order_notional": _optional(_amounts),
    "max_symbol_notional": _optional(_amounts),
    "max_total_notional": _optional(_amounts),
    "max_open_orders": _optional(_count(None)),
    "max_orders_per_s": _optional(_count(MOST_A_SECOND)),
    "max_daily_loss": _optional(_amounts),
    "symbols": _optional(_symbols),
}
