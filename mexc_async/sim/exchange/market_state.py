"""State of one symbol: order book, last price, history and the background market's levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from mexc_async.sim.exchange.history import History
from mexc_async.sim.exchange.matching import Book, RestingOrder, Side
from mexc_async.sim.exchange.symbols import SymbolFilters

FIRST_VERSION = 1_112_416


class Taken(NamedTuple):
    """Part of a recorded level that users took, and the time at which they took the last of it, in ms."""

    quantity: Decimal
    time_ms: int


class Market:
    """One symbol's market."""

    def __init__(self, rules: SymbolFilters, seed: str, start_ms: int, *, is_recorded: bool = False) -> None:
        """Build the market. A recorded one remembers what users take from the background market."""
        self.rules = rules
        self.tick = rules.tick
        self.step = rules.step
        self.history = History(rules, seed, start_ms)
        self.last_price = rules.start_price.quantize(self.tick)
        self.version = FIRST_VERSION
        """lastUpdateId. Each command that changes the book adds one."""
        self.changed_ms = start_ms
        """Time of the last change of the book, in ms."""
        self._first: Callable[[Side], list[RestingOrder]] | None = None
        self.taken: dict[tuple[Side, Decimal], Taken] | None = {} if is_recorded else None
        """Quantities that users took from recorded levels; None unless the market is recorded."""

    def open(self, orders: Callable[[Side], list[RestingOrder]], now_ms: int) -> None:
        """Open with orders of the background market, which are drawn when the book is first looked at."""
        self._first = orders
        self.version += 1
        self.changed_ms = now_ms

    @cached_property
    def book(self) -> Book:
        """The resting orders."""
        book = Book(self.step)
        if self._first is not None:
            book.bids.fill(self._first("BUY"))
            book.asks.fill(self._first("SELL"))
        return book

    def house(self, side: Side) -> dict[Decimal, RestingOrder]:
        """Return the background market's resting orders on one side, at each price the last in the queue."""
        return self.book.half(side).house

    def house_traded(self, entry: RestingOrder, quantity: Decimal, now_ms: int, *, with_user: bool) -> None:
        """Account for a fill of the background market's resting order `entry`."""
        house = self.house(entry.side)
        if not entry.quantity and house.get(entry.price) is entry:
            del house[entry.price]
        if with_user:
            self.take_away(entry.side, entry.price, quantity, now_ms)

    def take_away(self, side: Side, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Remember that users took `quantity` from a recorded level."""
        if self.taken is not None:
            before = self.taken.get((side, price))
            self.taken[side, price] = Taken(quantity if before is None else before.quantity + quantity, now_ms)

    def levels(self, side: Side, limit: int) -> list[tuple[Decimal, Decimal]]:
        """Return (price, quantity) of the best `limit` levels, best first."""
        half = self.book.half(side)
        found: list[tuple[Decimal, Decimal]] = []
        for price in half.prices():
            if len(found) >= limit:
                break
            found.append((price, half.levels[price].quantity))
        return found

    def top(self, side: Side) -> tuple[Decimal, Decimal] | None:
        """Return (price, quantity) of the best level, or None for an empty side."""
        half = self.book.half(side)
        price = half.best()
        return None if price is None else (price, half.levels[price].quantity)


def worth_in_usdt(asset: str, markets: Mapping[str, Market]) -> Decimal | None:
    """Return the asset's price in USDT at the last prices; None without a market to derive it from."""
    if asset == "USDT":
        return Decimal(1)
    if direct := markets.get(f"{asset}USDT"):
        return direct.last_price
    for market in markets.values():
        if market.rules.quote == asset and (base := markets.get(f"{market.rules.base}USDT")):
            return base.last_price / market.last_price
    return None
