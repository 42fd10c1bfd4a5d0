"""Orders, fills and balances seen on the private stream, and the open questions after a gap.

Pure: pushes and answers come in; the result says if something is news, and which orders lack fills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from mexc_async.runtime.recent import Parts, RecentIds

ZERO = Decimal(0)
MAX_FILLS = 20_000
MAX_ORDERS = 10_000
TURNS = 4
"""Orders that are looked at when one is added to too many; each that ended has two turns."""


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
    is_recent: bool = False
    """True if it was reported since its last turn to be forgotten."""

    @property
    def lacks(self) -> Decimal:
        """Quantity whose fills were not delivered."""
        return max(self.executed - self.base - self.filled, ZERO)


class UserState:
    """Orders and fills of one account since its stream began; finished orders and old fills leave in time."""

    def __init__(self, since_ms: int) -> None:
        self.since_ms = since_ms
        """Start of the stream: an order created later was seen from its beginning."""
        self._orders: Parts[str, KnownOrder] = Parts()
        self._turns: deque[str] = deque()
        """Orders by their turns to be forgotten."""
        self._fills = RecentIds(MAX_FILLS)

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
        known = self.known(order_id)
        if known is None or not known.is_reported:
            filled = known.filled if known else ZERO  # the fill came before its order
            base = ZERO if create_time >= self.since_ms else max(executed - filled, ZERO)
            self._add(order_id, KnownOrder(symbol, executed, is_open, base, filled, content=content), known is None)
            return True
        known.is_recent = True
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
        if not self._fills.add(fill_key(trade_id)):
            return False
        known = self.known(order_id)
        if known is None:
            known = KnownOrder(symbol, ZERO, True, ZERO, is_reported=False)
            self._add(order_id, known, True)
        known.filled += quantity
        return True

    def known(self, order_id: str) -> KnownOrder | None:
        """Return what is known of an order; None if it was not seen, or ended a while ago."""
        return self._orders.of(order_id).get(order_id)

    def __len__(self) -> int:
        """Return the number of known orders."""
        return len(self._turns)

    def _all(self) -> Iterator[tuple[str, KnownOrder]]:
        return ((order_id, self._orders.of(order_id)[order_id]) for order_id in self._turns)

    def symbols(self) -> set[str]:
        """Return the symbols in which this account was seen to trade."""
        return {known.symbol for _, known in self._all() if known.symbol}

    def believed_open(self) -> list[tuple[str, str]]:
        """Return (order id, symbol) of every order that was open at its last report."""
        return [(order_id, known.symbol) for order_id, known in self._all() if known.is_open and known.symbol]

    def lacking(self, orders: Iterable[str] | None = None) -> list[str]:
        """Return the orders that lack fills."""
        names = self._turns if orders is None else orders
        return [name for name in names if (known := self.known(name)) is not None and known.lacks > 0]

    def _add(self, order_id: str, known: KnownOrder, is_new: bool) -> None:
        """Add an order, and of too many forget one or two that ended and were not reported for long."""
        self._orders.of(order_id)[order_id] = known
        if not is_new:
            return
        self._turns.append(order_id)
        if len(self._turns) > MAX_ORDERS:
            self._forget()

    def _forget(self) -> None:
        for _ in range(TURNS):
            order_id = self._turns.popleft()
            part = self._orders.of(order_id)
            known = part[order_id]
            if known.is_open or known.is_recent:
                known.is_recent = False
                self._turns.append(order_id)
            else:
                del part[order_id]


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
