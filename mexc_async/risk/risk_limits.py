"""The limits of a pre-trade guard, as the user sets them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Literal, TypeAlias, TypedDict

from msgspec import Struct
from msgspec.structs import replace

from mexc_async.errors import ConfigError, InvalidRequest
from mexc_async.schema.validation import kind_of, one_of, positive, symbol, whole

MONEY = "USDT"
"""The quote asset that a plain amount is in."""
MOST_A_SECOND = 10_000
"""Greatest `max_orders_per_s`: so many times are remembered."""

Amount: TypeAlias = Decimal | Mapping[str, Decimal]
"""In USDT, or for each quote asset one: `{"USDT": Decimal(1000), "BTC": Decimal("0.02")}`."""


class GuardSettings(TypedDict, total=False):
    """What `mexc.orders.limits` takes; `GuardLimits` says what each means. None takes a limit away."""

    round: Literal["down", "refuse"] | None
    collar: Decimal | None
    collar_side: Literal["both", "worse"]
    without_book: Literal["refuse", "admit"]
    max_order_notional: Amount | None
    max_symbol_notional: Amount | None
    max_total_notional: Amount | None
    max_open_orders: int | None
    max_orders_per_s: int | None
    max_daily_loss: Amount | None
    symbols: str | Iterable[str] | None


class GuardLimits(Struct, frozen=True, kw_only=True):
    """What the guard allows. None is no limit; amounts are by quote asset, and those of different ones never added."""

    round: Literal["down", "refuse"] | None = None
    """What happens to a price or quantity off the symbol's steps: `down` makes the quantity smaller, a buy's price
    lower and a sell's higher, so that nothing is ever more or worse than was asked; `refuse` refuses."""
    collar: Decimal | None = None
    """How far, as a fraction, a price may lie from the middle of the live book; a market order is held to the last
    level that it would reach."""
    collar_side: Literal["both", "worse"] = "both"
    """`worse` holds only what would cost you: buys above the middle, sells below."""
    without_book: Literal["refuse", "admit"] = "refuse"
    """What happens to orders that need a book while it is not in step: `admit` lets them pass uncollared."""
    max_order_notional: dict[str, Decimal] | None = None
    """Greatest value of one order."""
    max_symbol_notional: dict[str, Decimal] | None = None
    """Most at stake in one symbol: see `SymbolExposure.at_stake`."""
    max_total_notional: dict[str, Decimal] | None = None
    """Most at stake in all symbols of one quote asset together."""
    max_open_orders: int | None = None
    """Orders open, on their way or in doubt at the same time; MEXC itself allows an account 500."""
    max_orders_per_s: int | None = None
    """Orders in any second; more are refused, not held back."""
    max_daily_loss: dict[str, Decimal] | None = None
    """Loss of the UTC day, realised and not, with fees, from which on orders may only close positions."""
    symbols: frozenset[str] | None = None
    """What may be traded."""

    def changed(self, changes: Mapping[str, object]) -> GuardLimits:
        """The same limits with these in place of theirs. Raises ConfigError."""
        for name in changes:
            if name not in _READERS:
                raise ConfigError(f"limits takes no {name!r}; it knows {', '.join(_READERS)}")
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
    positive(name, value)
    assert isinstance(value, Decimal)
    if value >= 1:
        raise ConfigError(f"{name} {value:f} is a fraction: it must be below 1, as in Decimal('0.02') for 2 %")
    return value


def _amounts(name: str, value: object) -> dict[str, Decimal]:
    given = value if isinstance(value, Mapping) else {MONEY: value}
    if not given:
        raise ConfigError(f"{name} names no quote asset")
    for asset, amount in given.items():
        symbol(f"{name}'s quote asset", asset)
        positive(name if given is not value else f"{name}[{asset!r}]", amount)
    return dict(given)


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
        raise ConfigError(f"{name} {value!r} is {kind_of(value)}, not a list of symbols")
    found = [value] if isinstance(value, str) else list(value)
    for one in found:
        symbol(name, one)
    if not found:
        raise ConfigError(f"{name} is empty: nothing could be traded; halt() says so more plainly")
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
