"""Price-time matching for one symbol.

Nothing here knows accounts, money or time: a plan says what an order would trade, applying it changes the book.
Between planning and applying nothing else may touch the book.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Literal, NamedTuple

Side = Literal["BUY", "SELL"]

ZERO = Decimal(0)


def opposite(side: Side) -> Side:
    """The other side."""
    return "SELL" if side == "BUY" else "BUY"


class Entry:
    """An order at rest in the book."""

    __slots__ = ("order_id", "owner", "price", "quantity", "side")

    def __init__(self, owner: str, order_id: str, side: Side, price: Decimal, quantity: Decimal) -> None:
        self.owner = owner
        self.order_id = order_id
        self.side: Side = side
        self.price = price
        self.quantity = quantity
        """What is left to trade."""


class Fill(NamedTuple):
    """One match of an incoming order with a resting one, at the resting one's price."""

    maker: Entry
    price: Decimal
    quantity: Decimal


class Plan(NamedTuple):
    """What an incoming order would do to the book."""

    fills: list[Fill]
    prevented: list[Entry]
    """Resting orders that self-trade prevention cancels."""
    taker_prevented: bool
    """True when self-trade prevention cancels what is left of the incoming order."""
    left: Decimal
    """Quantity that finds no match; for an order sized by value, what is left of the value."""

    @property
    def quantity(self) -> Decimal:
        """Base amount traded."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def value(self) -> Decimal:
        """Quote amount traded."""
        return sum((fill.price * fill.quantity for fill in self.fills), ZERO)


class Prevention(NamedTuple):
    """Self-trade prevention for one incoming order."""

    mode: str
    """cancel_maker, cancel_taker or cancel_both."""
    is_self: Callable[[str], bool]
    """Whether an owner counts as the incoming order's own."""


class Level:
    """The orders at one price, oldest first."""

    __slots__ = ("entries", "quantity")

    def __init__(self) -> None:
        self.entries: dict[Entry, None] = {}
        self.quantity = ZERO


class Half:
    """One side of the book; `keys` ascend towards the best price, so that the best is the last."""

    __slots__ = ("_sign", "keys", "levels", "touched")

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side == "BUY" else -1
        self.keys: list[Decimal] = []
        self.levels: dict[Decimal, Level] = {}
        self.touched: dict[Decimal, None] = {}
        """Prices whose quantity changed since `take_changes`."""

    def best(self) -> Decimal | None:
        """Best price, or None when the side is empty."""
        return self.keys[-1] * self._sign if self.keys else None

    def prices(self) -> Iterator[Decimal]:
        """Prices, best first."""
        return (key * self._sign for key in reversed(self.keys))

    def worst(self) -> Decimal | None:
        """Price furthest from the other side, or None when the side is empty."""
        return self.keys[0] * self._sign if self.keys else None

    def add(self, entry: Entry) -> None:
        """Queue `entry` behind the orders at its price."""
        level = self.levels.get(entry.price)
        if level is None:
            level = self.levels[entry.price] = Level()
            key = entry.price * self._sign
            self.keys.insert(bisect_left(self.keys, key), key)
        level.entries[entry] = None
        level.quantity += entry.quantity
        self.touched[entry.price] = None

    def reduce(self, entry: Entry, quantity: Decimal) -> None:
        """Take `quantity` off `entry`; an entry with nothing left leaves the book."""
        level = self.levels[entry.price]
        entry.quantity -= quantity
        level.quantity -= quantity
        self.touched[entry.price] = None
        if entry.quantity:
            return
        del level.entries[entry]
        if not level.entries:
            del self.levels[entry.price]
            key = entry.price * self._sign
            del self.keys[bisect_left(self.keys, key)]

    def reaches(self, price: Decimal, limit: Decimal | None) -> bool:
        """Whether a resting `price` is acceptable to an incoming order with this limit."""
        return limit is None or price * self._sign >= limit * self._sign

    def take_changes(self) -> list[tuple[Decimal, Decimal]]:
        """(price, quantity now) of every level changed since the last call; quantity 0 means gone."""
        if not self.touched:
            return []
        levels = self.levels
        changes = [(price, levels[price].quantity if price in levels else ZERO) for price in self.touched]
        self.touched.clear()
        return changes


class Book:
    """Resting orders of one symbol in price-time order."""

    def __init__(self, step: Decimal) -> None:
        self.bids = Half("BUY")
        self.asks = Half("SELL")
        self._step = step

    def half(self, side: Side) -> Half:
        """The side that orders of `side` rest on."""
        return self.bids if side == "BUY" else self.asks

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Whether an order at `price` would trade at once."""
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
    ) -> Plan:
        """What an order of `quantity` base, or `value` quote, would trade down to `limit`. Changes nothing."""
        against = self.half(opposite(side))
        left = value if quantity is None else quantity
        if left is None:
            raise ValueError("a plan needs a quantity or a value")
        by_value = quantity is None
        fills: list[Fill] = []
        prevented: list[Entry] = []
        for price in against.prices():
            if not left or not against.reaches(price, limit):
                break
            for entry in against.levels[price].entries:
                if prevention is not None and prevention.is_self(entry.owner):
                    if prevention.mode != "cancel_taker":
                        prevented.append(entry)
                    if prevention.mode != "cancel_maker":
                        return Plan(fills, prevented, True, left)
                    continue
                wanted = self._affordable(left, price) if by_value else left
                traded = min(wanted, entry.quantity)
                if not traded:
                    return Plan(fills, prevented, False, left)
                fills.append(Fill(entry, price, traded))
                left -= traded * price if by_value else traded
                if not left:
                    break
        return Plan(fills, prevented, False, left)

    def _affordable(self, value: Decimal, price: Decimal) -> Decimal:
        """The most whole steps that `value` buys at `price`."""
        return (value / price).quantize(self._step, rounding=ROUND_DOWN)

    def apply(self, plan: Plan) -> None:
        """Take the plan's fills and prevented orders out of the book."""
        for fill in plan.fills:
            self.half(fill.maker.side).reduce(fill.maker, fill.quantity)
        for entry in plan.prevented:
            self.remove(entry)

    def rest(self, entry: Entry) -> None:
        """Put `entry` into the book behind the orders at its price."""
        self.half(entry.side).add(entry)

    def remove(self, entry: Entry) -> None:
        """Take what is left of `entry` out of the book, if it still rests there."""
        if entry.quantity:
            self.half(entry.side).reduce(entry, entry.quantity)
