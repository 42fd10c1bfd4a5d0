"""Orders, fills and balances seen on the private stream, and the open questions after a gap.

Pure: pushes and answers come in; the result says if something is news, and which orders lack fills.
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
    """Return a key that is equal for the same fill in a push and in `my_trades`.

    That both carry the same text is an assumption: recorded ids look alike (505979017439002624X1), but no source says
    so. This is the one place to change if it proves wrong.
    """
    return trade_id


class KnownOrder(Struct):
    """Known progress of an order."""

    symbol: str
    executed: Decimal
    is_open: bool
    base: Decimal
    """Executed quantity before this stream saw the order."""
    filled: Decimal = ZERO
    """Sum of the fills that were delivered."""
    is_reported: bool = True
    """True if its state was reported; False if only a fill was."""
    content: Hashable = None
    """Content of the last push about it; None if REST reported more since."""

    @property
    def lacks(self) -> Decimal:
        """Quantity whose fills were not delivered."""
        return max(self.executed - self.base - self.filled, ZERO)


class UserState:
    """Orders and fills of one account since its stream began; finished orders and old fills leave in time."""

    def __init__(self, since_ms: int) -> None:
        self.since_ms = since_ms
        """Start of the stream: an order created later was seen from its beginning."""
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
        """Apply an order's state; return False if it repeats or is older than the known state.

        `content` is all that a push says: one that differs from the last push is news although it is no further.
        """
        known = self.orders.get(order_id)
        if known is None or not known.is_reported:
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
        """Apply a fill; return False if it was delivered before."""
        key = fill_key(trade_id)
        if key in self._fills:
            return False
        self._fills[key] = None
        if len(self._fills) > MAX_FILLS:
            self._fills.popitem(last=False)
        known = self.orders.get(order_id)
        if known is None:
            known = self.orders[order_id] = KnownOrder(symbol, ZERO, True, ZERO, is_reported=False)
            self._forget()
        known.filled += quantity
        return True

    def symbols(self) -> set[str]:
        """Return the symbols in which this account was seen to trade."""
        return {known.symbol for known in self.orders.values() if known.symbol}

    def believed_open(self) -> list[tuple[str, str]]:
        """Return (order id, symbol) of every order that was open at its last report."""
        return [(order_id, known.symbol) for order_id, known in self.orders.items() if known.is_open and known.symbol]

    def lacking(self, orders: Iterable[str] | None = None) -> list[str]:
        """Return the orders that lack fills."""
        names = self.orders if orders is None else orders
        return [name for name in names if (known := self.orders.get(name)) is not None and known.lacks > 0]

    def _forget(self) -> None:
        if len(self.orders) <= MAX_ORDERS:
            return
        finished = [name for name, known in self.orders.items() if not known.is_open][: MAX_ORDERS // 10]
        for name in finished:
            del self.orders[name]


class Movement(NamedTuple):
    """Unreported change of a balance."""

    asset: str
    free: Decimal
    free_change: Decimal
    locked: Decimal
    locked_change: Decimal


class Balances:
    """Known balances of the account, and the changes that a full read shows beyond them."""

    def __init__(self) -> None:
        self.moved: set[str] = set()
        """Assets that reads showed to have changed without a push; cleared by the caller that found the reason."""
        self._known: dict[str, tuple[Decimal, Decimal]] = {}
        self._is_whole = False
        """True if an asset without an entry has a balance of zero."""
        self._pushed: set[str] = set()

    def push(self, asset: str, free: Decimal, locked: Decimal) -> None:
        """Apply a pushed balance."""
        self._known[asset] = free, locked
        self._pushed.add(asset)

    def begin(self) -> None:
        """Begin a read: pushes from now on may be newer than its answer."""
        self._pushed.clear()

    def start(self, shown: Mapping[str, tuple[Decimal, Decimal]], is_whole: bool = True) -> None:
        """Apply the first read, which is no news."""
        self._known = {**shown, **{asset: self._known[asset] for asset in self._pushed}}
        self._is_whole = is_whole

    def look(self, shown: Mapping[str, tuple[Decimal, Decimal]], is_whole: bool = True) -> list[Movement]:
        """Apply a later read; return its news. An asset that a complete answer leaves out has a balance of zero."""
        movements = []
        for asset in sorted({*shown, *(self._known if is_whole else ())} - self._pushed):
            now, known = shown.get(asset, (ZERO, ZERO)), self._known.get(asset)
            if known is None and self._is_whole:
                known = ZERO, ZERO
            if known != now:
                free, locked = known or now
                movements.append(Movement(asset, now[0], now[0] - free, now[1], now[1] - locked))
                self._known[asset] = now
                if known is not None:
                    self.moved.add(asset)
        self.moved |= self._pushed
        return movements


def between(moved: set[str], markets: Mapping[str, tuple[str, str]], known: set[str]) -> list[str]:
    """Return the markets (base and quote by symbol) that are not known and of which both assets changed.

    First come those with an asset whose change no known market explains.
    """
    explained = {asset for symbol in known if symbol in markets for asset in markets[symbol]}
    found = [symbol for symbol, assets in markets.items() if symbol not in known and moved.issuperset(assets)]
    return sorted(found, key=lambda symbol: (explained.issuperset(markets[symbol]), symbol))
