"""An order book: both its sides, updated from wire text and read as numbers; no float is ever stored or compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Context, Decimal, localcontext
from itertools import islice
from math import inf
from typing import Generic, NamedTuple

from mexc_async.books.side import MAX_TEXT, POWERS, BookLevel, BookSide, Levels, N, Numbers, PureBookSide
from mexc_async.errors import InvalidRequest
from mexc_async.native.loader import compiled
from mexc_async.schema.validation import Amount, exact

_EXACT = Context(prec=8 * MAX_TEXT)
"""Conversions and sums are exact, whatever precision the caller works with."""


class Vwap(NamedTuple, Generic[N]):
    """Result of taking a quantity from the book at once."""

    price: N | None
    """Average price, weighted by quantity, in the caller's precision; None if there is nothing to take."""
    quantity: N
    """Part of the requested quantity that the book has."""
    missing: N
    """Part of the requested quantity that the book lacks."""
    worst: N | None
    """Price of the last level touched."""


class BookView(Generic[N]):
    """Read-only view of a book in one type of number; always shows the present state."""

    __slots__ = ("_asks", "_bids", "_numbers")

    def __init__(self, bids: BookSide, asks: BookSide, numbers: Numbers[N]) -> None:
        self._bids = bids
        self._asks = asks
        self._numbers: Numbers[N] = numbers

    @property
    def best_bid(self) -> BookLevel[N] | None:
        """Highest price of a buyer; None if there is none. O(1)."""
        return self._bids.best(self._numbers)

    @property
    def best_ask(self) -> BookLevel[N] | None:
        """Lowest price of a seller; None if there is none. O(1)."""
        return self._asks.best(self._numbers)

    def bids(self, n: int | None = None) -> list[BookLevel[N]]:
        """Return the best `n` levels, or all, best first."""
        return _first(self._bids.read(self._numbers), n)

    def asks(self, n: int | None = None) -> list[BookLevel[N]]:
        """Return the best `n` levels, or all, best first."""
        return _first(self._asks.read(self._numbers), n)

    @property
    def mid(self) -> N | None:
        """Exact middle between the best prices; None if a side is empty."""
        touch = _touch(self._bids, self._asks)
        return None if touch is None else self._numbers.from_int((touch.bid + touch.ask) * 5, -touch.scale - 1)

    @property
    def spread(self) -> N | None:
        """Best ask minus best bid, exact; None if a side is empty."""
        touch = _touch(self._bids, self._asks)
        return None if touch is None else self._numbers.from_int(touch.ask - touch.bid, -touch.scale)

    def vwap(self, side: str, quantity: N | Amount) -> Vwap[N]:
        """Return what a taker of `quantity` base pays (side "BUY") or gets ("SELL"), without fees.

        Raises InvalidRequest for another side or a quantity that is not above zero and finite.
        """
        zero, wanted = self._numbers.from_int(0, 0), self._number("quantity", quantity)
        if not (wanted == wanted and zero < wanted < inf):
            raise InvalidRequest(f"quantity {wanted} is not above zero and finite")
        missing, paid, worst = wanted, zero, None
        with localcontext(_EXACT):
            for level in self._taken_by(side).read(self._numbers):
                paid, missing = _take(level, paid, missing)
                worst = level.price
                if not missing:
                    break
            filled = wanted - missing
        return Vwap(paid / filled if filled else None, filled, missing, worst)

    def depth_within(self, side: str, price: N | Amount) -> N:
        """Return the base that a taker (side "BUY" or "SELL") finds at `price` or better. Raises InvalidRequest."""
        taken, limit = self._taken_by(side), self._number("price", price)
        quantities: list[N] = []
        with localcontext(_EXACT):
            for level in taken.read(self._numbers):
                if level.price > limit if taken is self._asks else level.price < limit:
                    break
                quantities.append(level.quantity)
            return sum(quantities, self._numbers.from_int(0, 0))

    def _taken_by(self, side: str) -> BookSide:
        if side == "BUY":
            return self._asks
        if side == "SELL":
            return self._bids
        raise InvalidRequest(f"side {side!r} is neither BUY nor SELL")

    def _number(self, name: str, value: N | Amount) -> N:
        """Convert the value to this book's numbers; a book of Decimal refuses floats, which are not exact."""
        kind = type(self._numbers.from_int(0, 0))
        return value if isinstance(value, kind) else kind(exact(name, value))


class OrderBook(BookView[Decimal]):
    """Both sides of a book, read as `Decimal`. `BookSync` decides if it is in sync.

    An update costs the same in a book of 1,000 levels as in one of 5,000.
    """

    __slots__ = ("floats", "version")

    def __init__(self, side: Callable[[int], BookSide] = compiled.Side if compiled else PureBookSide) -> None:
        super().__init__(side(1), side(-1), _DECIMALS)
        self.floats: BookView[float] = BookView(self._bids, self._asks, _FLOATS)
        """Same book read as floats: for signals, never for an order."""
        self.version = 0
        """The exchange's version of the levels."""

    def load(self, bids: Levels, asks: Levels, version: int) -> None:
        """Replace everything by a snapshot.

        Raises ProtocolError if a value in it is not a number; the book is void then.
        """
        self._bids.load(bids)
        self._asks.load(asks)
        self.version = version

    def apply(self, bids: Levels, asks: Levels, to_version: int) -> None:
        """Apply changed levels: absolute quantities, zero removes, an unknown level may be removed.

        Raises ProtocolError if a value in them is not a number; the book is void then.
        """
        if bids:
            self._bids.apply(bids)
        if asks:
            self._asks.apply(asks)
        self.version = to_version

    def clear(self) -> None:
        """Remove all levels and the version."""
        self.load((), (), 0)

    @property
    def is_crossed(self) -> bool:
        """True if a bid is at or above an ask, which no true book has."""
        bid, ask = self._bids.best_price(), self._asks.best_price()
        if bid is None or ask is None:
            return False
        if bid[1] == ask[1]:
            return bid[0] >= ask[0]
        touch = _touch(self._bids, self._asks)
        return touch is not None and touch.bid >= touch.ask

    def __repr__(self) -> str:
        return f"<OrderBook {self.best_bid} {self.best_ask} at {self.version}>"


class _Touch(NamedTuple):
    """Best bid and best ask, as integers of one scale."""

    bid: int
    ask: int
    scale: int


def _touch(bids: BookSide, asks: BookSide) -> _Touch | None:
    bid, ask = bids.best_price(), asks.best_price()
    if bid is None or ask is None:
        return None
    scale = max(bid[1], ask[1])
    return _Touch(bid[0] * POWERS[scale - bid[1]], ask[0] * POWERS[scale - ask[1]], scale)


def _take(level: BookLevel[N], paid: N, missing: N) -> tuple[N, N]:
    """Return what is paid and what is missing once the level is taken."""
    quantity = min(level.quantity, missing)
    return paid + level.price * quantity, missing - quantity


def _first(levels: Iterator[BookLevel[N]], n: int | None) -> list[BookLevel[N]]:
    if n is not None and (type(n) is not int or n < 0):
        raise InvalidRequest(f"n {n!r} must be a whole number that is not negative")
    return list(levels if n is None else islice(levels, n))


def _float(value: int, exponent: int) -> float:
    return value / POWERS[-exponent]  # of two integers: correctly rounded


_DECIMALS = Numbers(Decimal, _EXACT.scaleb)  # a third of the cost of parsing text
_FLOATS = Numbers(float, _float)
