"""One side of a book: levels by price, updated from wire text. `compiled.Side` is the same in C.

Prices are stored as integers (the price times a power of ten that suits all prices of the side), quantities as wire
text; both become numbers only when read.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from mexc_async.errors import ProtocolError

N = TypeVar("N", Decimal, float)

MAX_TEXT = 64
"""Longest price or quantity, and most decimals, accepted as a number."""
MAX_KNOWN = 512
"""Price texts that a side remembers. Trading repeats few prices: looking one up costs a fifth of parsing it."""

POWERS: list[int] = [10**exponent for exponent in range(2 * MAX_TEXT + 1)]


class LevelText(Protocol):
    """Level as decoded from the wire."""

    @property
    def price_text(self) -> str:
        """Price in quote."""
        ...

    @property
    def quantity_text(self) -> str:
        """Absolute quantity in base; zero, in any spelling or left blank, removes the level."""
        ...


Levels: TypeAlias = Sequence[tuple[str, str]] | Sequence[Sequence[str]] | Sequence[LevelText]
"""(price, quantity) pairs of text, or objects that hold them; all of one kind."""

_texts_of: Callable[[LevelText], tuple[str, str]] = attrgetter("price_text", "quantity_text")


class BookLevel(NamedTuple, Generic[N]):
    """One level, as numbers."""

    price: N
    quantity: N


class Numbers(NamedTuple, Generic[N]):
    """Type of number in which a book is read."""

    from_text: Callable[[str], N]
    from_int: Callable[[int, int], N]
    """Converts an integer and an exponent of ten, which is not above zero."""


class BookSide(Protocol):
    """One side of a book."""

    def load(self, levels: Levels) -> None:
        """Replace all levels; of equal prices the last counts. Raises ProtocolError; the side is void then."""
        ...

    def apply(self, levels: Levels) -> None:
        """Apply changed levels, in their order. Raises ProtocolError; the side is void then."""
        ...

    def best_price(self) -> tuple[int, int] | None:
        """Return (integer, scale): the price is integer / 10**scale. None if the side is empty."""
        ...

    def best(self, numbers: Numbers[N]) -> BookLevel[N] | None:
        """Return the best level, None if the side is empty. O(1)."""
        ...

    def read(self, numbers: Numbers[N]) -> Iterator[BookLevel[N]]:
        """Yield the levels, best first. Raises ProtocolError for a quantity that is not a number."""
        ...


class PureBookSide:
    """Levels of one side.

    `order` is sorted with the best price at the end, where inserting is cheap, because trading happens near the best. A
    removed level stays in place with a quantity of zero, unless it was the best, and is dropped when many have
    gathered: most prices are used again soon, and an update is one store in a dict.
    """

    __slots__ = ("_known", "_room", "_sign", "order", "quantities", "quantity_scale", "scale")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        """1 for bids, -1 for asks: keys ascend towards the best."""
        self._known: dict[str, int] = {}
        """Key by price text, for recent prices."""
        self._room = 0
        """Most keys before the removed ones are dropped."""
        self.order: list[int] = []
        """Keys: price times sign times 10 to the power of `scale`. The last one is the best live price."""
        self.quantities: dict[int, str | int] = {}
        """Text, or for levels of a snapshot an integer of `quantity_scale`, which takes half the memory."""
        self.scale = 0
        self.quantity_scale = 0

    def load(self, levels: Levels) -> None:
        """Replace all levels."""
        levels = _pairs(levels)
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

    def apply(self, levels: Levels) -> None:
        """Apply changed levels."""
        levels = _pairs(levels)
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

    def best_price(self) -> tuple[int, int] | None:
        """Return the best price as an integer, and its scale."""
        return (self.order[-1] * self._sign, self.scale) if self.order else None

    def best(self, numbers: Numbers[N]) -> BookLevel[N] | None:
        """Return the best level."""
        return self._level(self.order[-1], numbers) if self.order else None

    def read(self, numbers: Numbers[N]) -> Iterator[BookLevel[N]]:
        """Yield the levels, best first."""
        quantities = self.quantities
        for key in reversed(self.order):
            if not _is_zero(quantities[key]):
                yield self._level(key, numbers)

    def _level(self, key: int, numbers: Numbers[N]) -> BookLevel[N]:
        from_text, from_int = numbers
        held = self.quantities[key]
        if isinstance(held, int):
            quantity = from_int(held, -self.quantity_scale)
        else:
            try:
                quantity = from_text(held)
            except (InvalidOperation, ValueError):  # such as two points, which `apply` need not notice
                raise ProtocolError(f"a level has the quantity {held!r}") from None
        price = from_int(key if key > 0 else -key, -self.scale)
        return tuple.__new__(BookLevel, (price, quantity))  # half the cost of calling BookLevel

    def _key(self, text: str) -> int:
        """Parse a price that is not among the recent ones."""
        value, scale = exact(text)
        if value <= 0:
            raise ProtocolError(f"price {text!r} is not above zero")
        finer = scale - self.scale
        if finer > 0 and value % POWERS[finer]:
            self._refine(finer)
            finer = 0
        value = value // POWERS[finer] if finer > 0 else value * POWERS[-finer]
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        key = self._known[text] = value * self._sign
        return key

    def take_over(self, scale: int, quantities: dict[int, str | int]) -> None:
        """Adopt the levels of another side: by key at this scale, the text of a quantity."""
        self.scale = scale
        self._keep(quantities)

    def _refine(self, decimals: int) -> None:
        """Rescale the keys for prices with more decimals than any before."""
        self.scale += decimals
        power = POWERS[decimals]
        self._known.clear()
        self._keep({key * power: quantity for key, quantity in self.quantities.items()})

    def _keep(self, levels: dict[int, str | int] | dict[int, int]) -> None:
        """Replace the levels in the same containers, which an iteration may be using."""
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
    """Return True if these are digits, with no more points than texts."""
    text = "".join(quantities)
    digits = text.replace(".", "")
    points, most = len(text) - len(digits), len(quantities)
    return digits.isdecimal() and digits.isascii() and points <= most and len(text) <= most * MAX_TEXT


def _plain(text: str) -> str:
    """Return a quantity without sign or exponent. Raises ProtocolError."""
    if _is_zero(text):
        return "0"
    value, scale = exact(text)
    return f"{Decimal(f'{value}E-{scale}'):f}"


def exact(text: str) -> tuple[int, int]:
    """Parse a number that is not negative as (value, scale): value / 10**scale. Raises ProtocolError."""
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
    return (value, -exponent) if exponent < 0 else (value * POWERS[exponent], 0)


def _scaled(texts: list[str]) -> tuple[list[int], int]:
    """Parse the numbers as integers of one scale. Raises ProtocolError."""
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
    numbers = [exact(text) for text in texts]
    scale = max(scale for _, scale in numbers)
    return [value * POWERS[scale - own] for value, own in numbers], scale
