"""Price-time matching engine for one symbol.

Nothing here deals with accounts, balances or time. A plan lists the fills of an incoming order; applying it changes the
book. Nothing else may change the book in between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Literal, NamedTuple

Side = Literal["BUY", "SELL"]

ZERO = Decimal(0)


def opposite(side: Side) -> Side:
    """Return the other side."""
    return "SELL" if side == "BUY" else "BUY"


class RestingOrder:
    """A resting order."""

    __slots__ = ("order_id", "owner", "price", "quantity", "side")

    def __init__(self, owner: str, order_id: str, side: Side, price: Decimal, quantity: Decimal) -> None:
        self.owner = owner
        self.order_id = order_id
        self.side: Side = side
        self.price = price
        self.quantity = quantity
        """Remaining quantity."""


class Fill(NamedTuple):
    """One match of an incoming order with a resting one, at the resting order's price."""

    maker: RestingOrder
    price: Decimal
    quantity: Decimal


class Match(NamedTuple):
    """Fills and cancels that an incoming order would cause in the book."""

    fills: list[Fill]
    prevented: list[RestingOrder]
    """Resting orders that self-trade prevention cancels."""
    taker_prevented: bool
    """True if self-trade prevention cancels the remainder of the incoming order."""
    left: Decimal
    """Unmatched quantity; for an order sized by value, the unmatched value."""

    @property
    def quantity(self) -> Decimal:
        """Base quantity of all fills."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def value(self) -> Decimal:
        """Quote amount of all fills."""
        return sum((fill.price * fill.quantity for fill in self.fills), ZERO)


class Prevention(NamedTuple):
    """Self-trade prevention for one incoming order."""

    mode: str
    """cancel_maker, cancel_taker or cancel_both."""
    is_self: Callable[[str], bool]
    """Function that returns True for an owner whose orders count as the incoming order's own."""


class PriceLevel:
    """The orders at one price, oldest first."""

    __slots__ = ("entries", "is_touched", "price", "quantity")

    def __init__(self, price: Decimal) -> None:
        self.price = price
        self.entries: dict[RestingOrder, None] = {}
        self.quantity = ZERO
        self.is_touched = False
        """True if the quantity changed since `Half.take_changes`."""


class Half:
    """One side of the book. `keys` ascend towards the best price, which is the last."""

    __slots__ = ("_gone", "_sign", "house", "keys", "levels", "touched", "users")

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side == "BUY" else -1
        self.keys: list[Decimal] = []
        self.levels: dict[Decimal, PriceLevel] = {}
        self.touched: list[PriceLevel] = []
        """Levels whose quantity changed since `take_changes`."""
        self._gone: dict[Decimal, PriceLevel] = {}
        """Those of them that are empty."""
        self.house: dict[Decimal, RestingOrder] = {}
        """The background market's orders, at each price the last in the queue."""
        self.users: dict[RestingOrder, None] = {}
        """Users' orders, oldest first."""

    def best(self) -> Decimal | None:
        """Return the best price, or None for an empty side."""
        return self.keys[-1] * self._sign if self.keys else None

    def prices(self) -> Iterator[Decimal]:
        """Return the prices, best first."""
        return (key * self._sign for key in reversed(self.keys))

    def worst(self) -> Decimal | None:
        """Return the price furthest from the other side, or None for an empty side."""
        return self.keys[0] * self._sign if self.keys else None

    def fill(self, orders: Iterable[RestingOrder]) -> None:
        """Add the background market's first orders, one a price, to an empty side. They are no change."""
        for order in orders:
            level = self.levels[order.price] = PriceLevel(order.price)
            level.entries[order] = None
            level.quantity = order.quantity
            self.house[order.price] = order
        self.keys = sorted(price * self._sign for price in self.levels)

    def add(self, entry: RestingOrder) -> None:
        """Queue `entry` behind the orders at its price."""
        level = self.levels.get(entry.price)
        if level is None:
            gone = self._gone.pop(entry.price, None) if self._gone else None
            level = self.levels[entry.price] = PriceLevel(entry.price) if gone is None else gone
            key = entry.price * self._sign
            self.keys.insert(bisect_left(self.keys, key), key)
        level.entries[entry] = None
        level.quantity = level.quantity + entry.quantity if len(level.entries) > 1 else entry.quantity
        self._touch(level)
        if entry.order_id:
            self.users[entry] = None

    def reduce(self, entry: RestingOrder, quantity: Decimal) -> None:
        """Reduce `entry` by `quantity`; a negative one adds to it. An entry without a remainder leaves the book."""
        level = self.levels[entry.price]
        entry.quantity -= quantity
        level.quantity -= quantity
        self._touch(level)
        if not entry.quantity:
            self._drop(level, entry)

    def resize(self, level: PriceLevel, entry: RestingOrder, quantity: Decimal) -> None:
        """Set the quantity of the only order of a level. With 0 it leaves the book."""
        entry.quantity = level.quantity = quantity
        self._touch(level)
        if not quantity:
            self._drop(level, entry)

    def _touch(self, level: PriceLevel) -> None:
        if not level.is_touched:
            level.is_touched = True
            self.touched.append(level)

    def _drop(self, level: PriceLevel, entry: RestingOrder) -> None:
        """Remove an order without a remainder, and the level if it was the last."""
        if entry.order_id:
            del self.users[entry]
        del level.entries[entry]
        if not level.entries:
            level.quantity = ZERO
            self._gone[level.price] = level
            del self.levels[level.price]
            key = level.price * self._sign
            del self.keys[bisect_left(self.keys, key)]

    def reaches(self, price: Decimal, limit: Decimal | None) -> bool:
        """Return True if an incoming order with this limit accepts a resting `price`."""
        return limit is None or price * self._sign >= limit * self._sign

    def take_changes(self) -> tuple[tuple[Decimal, Decimal], ...]:
        """Return (price, new quantity) of every level changed since the last call; quantity 0 means gone."""
        if not self.touched:
            return ()
        changes = []
        for level in self.touched:
            level.is_touched = False
            changes.append((level.price, level.quantity))
        self.touched.clear()
        self._gone.clear()
        return tuple(changes)


class Book:
    """Resting orders of one symbol in price-time priority."""

    def __init__(self, step: Decimal) -> None:
        self.bids = Half("BUY")
        self.asks = Half("SELL")
        self._step = step

    def half(self, side: Side) -> Half:
        """Return the side on which orders of `side` rest."""
        return self.bids if side == "BUY" else self.asks

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Return True if an order at `price` would trade at once."""
        against = self.half(opposite(side))
        best = against.best()
        return best is not None and against.reaches(best, price)

    def plan(
        self,
        side: Side,
        limit: Decimal | None,
        quantity: Decimal | None = None,
        value: Decimal | None = None,
        prevention: Prevention | None = None,
    ) -> Match:
        """Match an order of `quantity` base or `value` quote within `limit`, without changing the book.

        Raises ValueError if both are None.
        """
        against = self.half(opposite(side))
        left = value if quantity is None else quantity
        if left is None:
            raise ValueError("a plan needs a quantity or a value")
        by_value = quantity is None
        fills: list[Fill] = []
        prevented: list[RestingOrder] = []
        for price in against.prices():
            if not left or not against.reaches(price, limit):
                break
            for entry in against.levels[price].entries:
                if prevention is not None and prevention.is_self(entry.owner):
                    if prevention.mode != "cancel_taker":
                        prevented.append(entry)
                    if prevention.mode != "cancel_maker":
                        return Match(fills, prevented, True, left)
                    continue
                wanted = self._affordable(left, price) if by_value else left
                traded = min(wanted, entry.quantity)
                if not traded:
                    return Match(fills, prevented, False, left)
                fills.append(Fill(entry, price, traded))
                left -= traded * price if by_value else traded
                if not left:
                    break
        return Match(fills, prevented, False, left)

    def _affordable(self, value: Decimal, price: Decimal) -> Decimal:
        """Return the largest quantity in whole steps that `value` buys at `price`."""
        return (value / price).quantize(self._step, rounding=ROUND_DOWN)

    def apply(self, plan: Match) -> None:
        """Remove the plan's fills and prevented orders from the book."""
        for fill in plan.fills:
            self.half(fill.maker.side).reduce(fill.maker, fill.quantity)
        for entry in plan.prevented:
            self.remove(entry)

    def rest(self, entry: RestingOrder) -> None:
        """Add `entry` to the book behind the orders at its price."""
        self.half(entry.side).add(entry)

    def remove(self, entry: RestingOrder) -> None:
        """Remove the remainder of `entry` from the book, if it still rests there."""
        if entry.quantity:
            self.half(entry.side).reduce(entry, entry.quantity)
