"""An order book: levels of both sides, updated from wire text and read as numbers.

Prices are kept as integers (the price times a power of ten that suits all of the side's prices), quantities as the wire
said them; both become numbers only when they are read, and no float is ever stored or compared.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal, InvalidOperation, localcontext
from itertools import islice
from math import inf
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from mexc_async.errors import InvalidRequest, ProtocolError

N = TypeVar("N", Decimal, float)

MAX_TEXT = 64
"""Longest price or quantity, and most decimals, that are taken for a number."""
MAX_KNOWN = 512
"""Price texts a side remembers. Trading keeps to few prices: looking one up costs a fifth of parsing it."""

_POWERS: list[int] = [10**exponent for exponent in range(2 * MAX_TEXT + 1)]
_EXACT = Context(prec=8 * MAX_TEXT)
"""Whatever precision the caller works with, conversions are exact, and so are sums."""


class LevelText(Protocol):
    """A level as decoded from the wire."""

    @property
    def price_text(self) -> str:
        """Price in quote."""

    @property
    def quantity_text(self) -> str:
        """Absolute quantity in base; zero, in any spelling or left blank, removes the level."""


Levels: TypeAlias = Sequence[tuple[str, str]] | Sequence[Sequence[str]] | Sequence[LevelText]
"""(price, quantity) pairs of text, or objects that hold them; all of one kind."""

_texts_of: Callable[[LevelText], tuple[str, str]] = attrgetter("price_text", "quantity_text")


class BookLevel(NamedTuple, Generic[N]):
    """One level as read."""

    price: N
    quantity: N


class Vwap(NamedTuple, Generic[N]):
    """What taking a quantity at once would give."""

    price: N | None
    """Average price, weighted by quantity, in the caller's precision; None if there is nothing to take."""
    quantity: N
    """What there is of the quantity asked for."""
    missing: N
    """What the book is too thin for."""
    worst: N | None
    """Price of the last level touched."""


class BookView(Generic[N]):
    """Reads a book as one type of number; always shows its present state, and never changes it."""

    __slots__ = ("_asks", "_bids", "_from_int", "_from_text")
    _from_text: Callable[[str], N]
    _from_int: Callable[[int, int], N]

    def __init__(
        self, bids: _Side, asks: _Side, from_text: Callable[[str], N], from_int: Callable[[int, int], N]
    ) -> None:
        self._bids = bids
        self._asks = asks
        self._from_text = from_text
        self._from_int = from_int

    @property
    def best_bid(self) -> BookLevel[N] | None:
        """Highest price that somebody buys at; None if nobody does. O(1)."""
        return next(self._read(self._bids), None)

    @property
    def best_ask(self) -> BookLevel[N] | None:
        """Lowest price that somebody sells at; None if nobody does. O(1)."""
        return next(self._read(self._asks), None)

    def bids(self, n: int | None = None) -> list[BookLevel[N]]:
        """The best `n` levels, or all, best first."""
        return _first(self._read(self._bids), n)

    def asks(self, n: int | None = None) -> list[BookLevel[N]]:
        """The best `n` levels, or all, best first."""
        return _first(self._read(self._asks), n)

    @property
    def mid(self) -> N | None:
        """Half-way between the best prices, exactly; None if a side is empty."""
        if not (self._bids.order and self._asks.order):
            return None
        bid, ask, scale = _touch(self._bids, self._asks)
        return self._from_int((bid + ask) * 5, -scale - 1)

    @property
    def spread(self) -> N | None:
        """Best ask minus best bid, exactly; None if a side is empty."""
        if not (self._bids.order and self._asks.order):
            return None
        bid, ask, scale = _touch(self._bids, self._asks)
        return self._from_int(ask - bid, -scale)

    def vwap(self, side: str, quantity: N) -> Vwap[N]:
        """What a taker of `quantity` base pays (side "BUY") or gets ("SELL"), fees aside.

        Raises InvalidRequest for another side or a quantity that is not above zero and finite.
        """
        zero, quantity = self._from_int(0, 0), self._number("quantity", quantity)
        if not (quantity == quantity and zero < quantity < inf):
            raise InvalidRequest(f"quantity {quantity} is not above zero and finite")
        missing, paid, worst = quantity, zero, None
        with localcontext(_EXACT):
            for level in self._read(self._taken_by(side)):
                taken = min(level.quantity, missing)
                paid += level.price * taken
                missing -= taken
                worst = level.price
                if not missing:
                    break
            filled = quantity - missing
        return Vwap(paid / filled if filled else None, filled, missing, worst)

    def depth_within(self, side: str, price: N) -> N:
        """All the base that a taker (side "BUY" or "SELL") finds at `price` or better. Raises InvalidRequest."""
        taken, price = self._taken_by(side), self._number("price", price)
        total = self._from_int(0, 0)
        with localcontext(_EXACT):
            for level in self._read(taken):
                if level.price > price if taken is self._asks else level.price < price:
                    break
                total += level.quantity
        return total

    def _taken_by(self, side: str) -> _Side:
        if side == "BUY":
            return self._asks
        if side == "SELL":
            return self._bids
        raise InvalidRequest(f"side {side!r} is neither BUY nor SELL")

    def _number(self, name: str, value: N) -> N:
        """The value in this book's numbers; a float says nothing exact, so a book of Decimal refuses it."""
        kind = type(self._from_int(0, 0))
        if type(value) is kind:
            return value
        if type(value) in (int, Decimal):
            return kind(value)
        raise InvalidRequest(f"{name} {value!r} must be {kind.__name__}")

    def _read(self, side: _Side) -> Iterator[BookLevel[N]]:
        """Levels as numbers, best first."""
        from_text, from_int, quantities = self._from_text, self._from_int, side.quantities
        exponent, quantity_exponent = -side.scale, -side.quantity_scale
        for key in reversed(side.order):
            held = quantities[key]
            if isinstance(held, int):
                quantity = from_int(held, quantity_exponent)
            elif held < "1" and not held.strip("0."):
                continue
            else:
                try:
                    quantity = from_text(held)
                except (InvalidOperation, ValueError):  # such as two points, which `apply` need not notice
                    raise ProtocolError(f"a level has the quantity {held!r}") from None
            price = from_int(key if key > 0 else -key, exponent)
            yield tuple.__new__(BookLevel, (price, quantity))  # half the cost of calling BookLevel


class OrderBook(BookView[Decimal]):
    """Both sides of a book, read as `Decimal`. Whether it may be believed is for `BookSync` to say.

    An update costs the same in a book of 1,000 levels as in one of 5,000.
    """

    __slots__ = ("floats", "version")

    def __init__(self) -> None:
        super().__init__(_Side(1), _Side(-1), Decimal, _EXACT.scaleb)  # a third of the cost of parsing text
        self.floats: BookView[float] = BookView(self._bids, self._asks, float, _float)
        """The same book read as floats: for signals, never for an order."""
        self.version = 0
        """The exchange's version that the levels are of."""

    def load(self, bids: Levels, asks: Levels, version: int) -> None:
        """Replace everything by a snapshot.

        Raises ProtocolError if something in it is no number; the book is void then.
        """
        self._bids.load(_pairs(bids))
        self._asks.load(_pairs(asks))
        self.version = version

    def apply(self, bids: Levels, asks: Levels, to_version: int) -> None:
        """Take in changed levels: absolute quantities, zero removes, an unknown level may be removed.

        Raises ProtocolError if something in them is no number; the book is void then.
        """
        if bids:
            self._bids.apply(_pairs(bids))
        if asks:
            self._asks.apply(_pairs(asks))
        self.version = to_version

    def clear(self) -> None:
        """Forget all levels and the version."""
        self.load((), (), 0)

    @property
    def is_crossed(self) -> bool:
        """Whether somebody buys at a price at which somebody sells: no true book does."""
        bids, asks = self._bids, self._asks
        if not (bids.order and asks.order):
            return False
        if bids.scale == asks.scale:
            return bids.order[-1] >= -asks.order[-1]
        bid, ask, _ = _touch(bids, asks)
        return bid >= ask

    def __repr__(self) -> str:
        return f"<OrderBook {self.best_bid} {self.best_ask} at {self.version}>"


class _Side:
    """Levels of one side.

    `order` is sorted with the best price at the end, where inserting is cheap, because trading happens near the best.
    A level that is removed stays in place with its quantity of zero, unless it was the best, and goes when many have
    gathered: most prices are used again soon, and an update is one store in a dict.
    """

    __slots__ = ("_known", "_room", "_sign", "order", "quantities", "quantity_scale", "scale")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        """1 for bids, -1 for asks: keys ascend towards the best."""
        self._known: dict[str, int] = {}
        """Key by price text, for prices that were seen lately."""
        self._room = 0
        """How many keys there may be before the removed ones are taken out."""
        self.order: list[int] = []
        """Keys: price times sign times 10 to the power of `scale`. The last one is the best live price."""
        self.quantities: dict[int, str | int] = {}
        """Text, or what came by snapshot as an integer of `quantity_scale`, which takes half the memory."""
        self.scale = 0
        self.quantity_scale = 0

    def load(self, levels: Sequence[Sequence[str]]) -> None:
        """Replace all levels; of several with one price the last counts."""
        prices, self.scale = _scaled([level[0] for level in levels])
        quantities, self.quantity_scale = _scaled([level[1] for level in levels])
        if prices and min(prices) <= 0:
            raise ProtocolError("a snapshot has a price that is not above zero")
        sign = self._sign
        found = dict(zip([price * sign for price in prices], quantities, strict=True))
        if not all(quantities):
            found = {key: quantity for key, quantity in found.items() if quantity}
        self._known.clear()
        self._keep(found)

    def apply(self, levels: Sequence[Sequence[str]]) -> None:
        """Take in changed levels, in their order."""
        if not _are_plain([quantity for _, quantity in levels]):
            levels = [(price, _plain(quantity)) for price, quantity in levels]
        order, quantities, known = self.order, self.quantities, self._known.get
        for price, quantity in levels:
            key = known(price) or self._key(price)
            if key in quantities:
                quantities[key] = quantity
            elif not _is_zero(quantity):
                insort(order, key)
                quantities[key] = quantity
        while order and _is_zero(quantities[order[-1]]):
            del quantities[order.pop()]
        if len(order) > self._room:
            self._keep({key: quantities[key] for key in order if not _is_zero(quantities[key])})

    def _key(self, text: str) -> int:
        """Parse a price that is not among the known."""
        value, scale = _exact(text)
        if value <= 0:
            raise ProtocolError(f"price {text!r} is not above zero")
        finer = scale - self.scale
        if finer > 0 and value % _POWERS[finer]:
            self._refine(finer)
            finer = 0
        value = value // _POWERS[finer] if finer > 0 else value * _POWERS[-finer]
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        key = self._known[text] = value * self._sign
        return key

    def _refine(self, decimals: int) -> None:
        """Make room for prices with more decimals than any before."""
        self.scale += decimals
        power = _POWERS[decimals]
        self._known.clear()
        self._keep({key * power: quantity for key, quantity in self.quantities.items()})

    def _keep(self, levels: dict[int, str | int] | dict[int, int]) -> None:
        """Hold these levels and no others; whoever iterates has the same containers in hand."""
        ordered = sorted(levels)
        self.quantities.clear()
        self.quantities.update(levels)
        self.order[:] = ordered
        self._room = len(ordered) + len(ordered) // 4 + 64


def _pairs(levels: Levels) -> Sequence[Sequence[str]]:
    if levels and not isinstance(levels[0], tuple | list):
        return list(map(_texts_of, levels))  # type: ignore[arg-type]  # all of one kind, as the type says
    return levels  # type: ignore[return-value]  # likewise


def _is_zero(quantity: str | int) -> bool:
    return type(quantity) is not int and quantity < "1" and not quantity.strip("0.")  # type: ignore[operator,union-attr]


def _are_plain(quantities: list[str]) -> bool:
    """Whether these are made of digits, and no more points than there can be."""
    text = "".join(quantities)
    digits = text.replace(".", "")
    points, most = len(text) - len(digits), len(quantities)
    return digits.isdecimal() and digits.isascii() and points <= most and len(text) <= most * MAX_TEXT


def _plain(text: str) -> str:
    """A quantity without sign or exponent. Raises ProtocolError."""
    if _is_zero(text):
        return "0"
    value, scale = _exact(text)
    return f"{Decimal(f'{value}E-{scale}'):f}"


def _exact(text: str) -> tuple[int, int]:
    """(value, scale) of a number that is not negative: value over 10 to the power of scale. Raises ProtocolError."""
    whole, _, decimals = text.partition(".")
    digits = whole + decimals
    if digits.isdecimal() and digits.isascii() and len(text) <= MAX_TEXT:
        return int(digits), len(decimals)
    try:
        number = Decimal(text if len(text) <= MAX_TEXT and "_" not in text else "NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0 or abs(number.adjusted()) > MAX_TEXT:
        raise ProtocolError(f"{text[:MAX_TEXT]!r} is no price or quantity")
    _, parts, exponent = number.as_tuple()
    value = int("".join(map(str, parts)))
    assert isinstance(exponent, int)
    return (value, -exponent) if exponent < 0 else (value * _POWERS[exponent], 0)


def _scaled(texts: list[str]) -> tuple[list[int], int]:
    """The numbers as integers of one scale. Raises ProtocolError."""
    if not texts:
        return [], 0
    scale = len(texts[0].partition(".")[2])
    everything = "".join(texts)
    if (
        scale
        and len(everything) <= len(texts) * MAX_TEXT
        and everything.count(".") == len(texts)
        and everything.replace(".", "").isdecimal()
        and {text[-scale - 1 : -scale] for text in texts} == {"."}
    ):
        return [int(text.replace(".", "")) for text in texts], scale
    exact = [_exact(text) for text in texts]
    scale = max(scale for _, scale in exact)
    return [value * _POWERS[scale - own] for value, own in exact], scale


def _touch(bids: _Side, asks: _Side) -> tuple[int, int, int]:
    """Best bid and best ask as integers, and their scale."""
    scale = max(bids.scale, asks.scale)
    return bids.order[-1] * _POWERS[scale - bids.scale], -asks.order[-1] * _POWERS[scale - asks.scale], scale


def _first(levels: Iterator[BookLevel[N]], n: int | None) -> list[BookLevel[N]]:
    if n is not None and (type(n) is not int or n < 0):
        raise InvalidRequest(f"n {n!r} must be a whole number that is not negative")
    return list(levels if n is None else islice(levels, n))


def _float(value: int, exponent: int) -> float:
    return value / _POWERS[-exponent]  # of two integers: correctly rounded
