"""What is known of the account's orders and fills from its private stream, and what a gap in it leaves open.

Pure: pushes and answers come in, and out comes whether something is news, and which orders lack fills.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

ZERO = Decimal(0)
MAX_FILLS = 20_000
MAX_ORDERS = 10_000


def fill_key(trade_id: str) -> str:
    """What makes a fill the same fill in a push and in `my_trades`.

    That both carry the same text is an assumption: recorded ids look alike (505979017439002624X1), but no source says
    so. This is the one place to change if it proves wrong.
    """
    return trade_id


class KnownOrder(Struct):
    """How far an order got, as far as was told."""

    symbol: str
    executed: Decimal
    is_open: bool
    base: Decimal
    """What had been executed before this stream saw it."""
    filled: Decimal = ZERO
    """Sum of the fills that were delivered."""
    is_told: bool = True
    """Whether its state was told, and not only a fill of it."""
    content: Hashable = None
    """The last push about it; None if REST told more since."""

    @property
    def lacks(self) -> Decimal:
        """Quantity whose fills were not delivered."""
        return max(self.executed - self.base - self.filled, ZERO)


class UserState:
    """Orders and fills of one account since its stream began; finished orders and old fills are forgotten in time."""

    def __init__(self, since_ms: int) -> None:
        self.since_ms = since_ms
        """When the stream began: what was created later, it has seen from its start."""
        self.orders: OrderedDict[str, KnownOrder] = OrderedDict()
        self._fills: OrderedDict[str, None] = OrderedDict()

    def order(
        self,
        order_id: str,
        symbol: str,
        executed: Decimal,
        is_open: bool,
        create_time: int,
        content: Hashable = None,
    ) -> bool:
        """Take in an order's state; False if nothing about it is news (it repeats, or is older than what is known).

        `content` is all that a push says: one that differs from the last push is news although it is no further.
        """
        known = self.orders.get(order_id)
        if known is None or not known.is_told:
            filled = known.filled if known else ZERO  # the fill came before its order
            base = ZERO if create_time >= self.since_ms else max(executed - filled, ZERO)
            self.orders[order_id] = KnownOrder(symbol, executed, is_open, base, filled, content=content)
            self._forget()
            return True
        self.orders.move_to_end(order_id)
        if executed < known.executed or (not known.is_open and is_open):
            return False
        is_further = executed > known.executed or (known.is_open and not is_open)
        is_news = is_further or (None not in (content, known.content) and content != known.content)
        known.executed, known.is_open = executed, is_open
        known.content = content if is_further or content is not None else known.content
        known.symbol = known.symbol or symbol
        return is_news

    def fill(self, trade_id: str, order_id: str, symbol: str, quantity: Decimal) -> bool:
        """Take in a fill; False if it was delivered before."""
        key = fill_key(trade_id)
        if key in self._fills:
            return False
        self._fills[key] = None
        if len(self._fills) > MAX_FILLS:
            self._fills.popitem(last=False)
        known = self.orders.get(order_id)
        if known is None:
            known = self.orders[order_id] = KnownOrder(symbol, ZERO, True, ZERO, is_told=False)
            self._forget()
        known.filled += quantity
        return True

    def symbols(self) -> set[str]:
        """Symbols in which this account was seen to trade."""
        return {known.symbol for known in self.orders.values() if known.symbol}

    def believed_open(self) -> list[tuple[str, str]]:
        """(order id, symbol) of every order that was open when last heard of."""
        return [(order_id, known.symbol) for order_id, known in self.orders.items() if known.is_open and known.symbol]

    def lacking(self, orders: Iterable[str] | None = None) -> list[str]:
        """Orders of which fills are missing."""
        names = self.orders if orders is None else orders
        return [name for name in names if (known := self.orders.get(name)) is not None and known.lacks > 0]

    def _forget(self) -> None:
        if len(self.orders) <= MAX_ORDERS:
            return
        finished = [name for name, known in self.orders.items() if not known.is_open][: MAX_ORDERS // 10]
        for name in finished:
            del self.orders[name]


class Movement(NamedTuple):
    """A balance that is not what it was known to be."""

    asset: str
    free: Decimal
    free_change: Decimal
    locked: Decimal
    locked_change: Decimal


class Balances:
    """What the account is known to hold, and what a look at all of it tells beyond that."""

    def __init__(self) -> None:
        self.moved: set[str] = set()
        """Assets that looks showed to have moved unseen; to be cleared by who has found out why."""
        self._known: dict[str, tuple[Decimal, Decimal]] = {}
        self._is_whole = False
        """Whether what is not known is known to be zero."""
        self._pushed: set[str] = set()

    def push(self, asset: str, free: Decimal, locked: Decimal) -> None:
        """Take in a pushed balance."""
        self._known[asset] = free, locked
        self._pushed.add(asset)

    def begin(self) -> None:
        """A look begins: what is pushed from now on may be newer than what it shows."""
        self._pushed.clear()

    def start(self, shown: Mapping[str, tuple[Decimal, Decimal]], is_whole: bool = True) -> None:
        """Take in the first look, which is no news."""
        self._known = {**shown, **{asset: self._known[asset] for asset in self._pushed}}
        self._is_whole = is_whole

    def look(self, shown: Mapping[str, tuple[Decimal, Decimal]], is_whole: bool = True) -> list[Movement]:
        """Take in a later one; returns what it tells. An asset that it leaves out is at zero, if it is whole."""
        told = []
        for asset in sorted({*shown, *(self._known if is_whole else ())} - self._pushed):
            now, known = shown.get(asset, (ZERO, ZERO)), self._known.get(asset)
            if known is None and self._is_whole:
                known = ZERO, ZERO
            if known != now:
                free, locked = known or now
                told.append(Movement(asset, now[0], now[0] - free, now[1], now[1] - locked))
                self._known[asset] = now
                if known is not None:
                    self.moved.add(asset)
        self.moved |= self._pushed
        return told


def between(moved: set[str], markets: Mapping[str, tuple[str, str]], known: set[str]) -> list[str]:
    """Markets (base and quote by symbol) that are not known and of which both assets moved.

    First come those with an asset whose movement no known market explains.
    """
    explained = {asset for symbol in known if symbol in markets for asset in markets[symbol]}
    found = [symbol for symbol, assets in markets.items() if symbol not in known and moved.issuperset(assets)]
    return sorted(found, key=lambda symbol: (explained.issuperset(markets[symbol]), symbol))
