"""Streams, books and orders of the synchronous client; each line names a method of the asynchronous one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Generic, Literal, TypeVar

from mexc_async.books.book import Vwap
from mexc_async.books.live_book import LiveBook
from mexc_async.books.side import BookLevel
from mexc_async.books.sync import SyncState
from mexc_async.client.blocking import (
    OpenPart,
    Part,
    Read,
    runs,
    runs_for,
    runs_for_all,
    waits,
    waits_for,
    waits_for_all,
)
from mexc_async.client.orders import Orders
from mexc_async.errors import MexcError
from mexc_async.orders.handle import OrderReads, TrackedOrder
from mexc_async.orders.session import OrderSession
from mexc_async.orders.shortcuts import Shortcuts
from mexc_async.runtime.loop_thread import LoopThread
from mexc_async.spot.push import Push
from mexc_async.streams.streams import Stream, Streams

B = TypeVar("B")
N = TypeVar("N", Decimal, float)
R = TypeVar("R")


class SyncStream(OpenPart[Stream[B]], Generic[B]):
    """One consumer's pushes: `for push in mexc.streams.trades("BTCUSDT")`.

    The stream ends with its `for`, or with the `with` around it: inside, a second `for` goes on where the first ended.
    """

    close = waits(Stream.aclose)

    def __iter__(self) -> Iterator[Push[B]]:
        try:
            while True:
                yield self._thread.run(self.real.__anext__)
        except StopAsyncIteration:
            return
        finally:
            if not self._is_entered:
                with suppress(MexcError):  # the client may be closed by now
                    self.close()


class SyncStreams(Part[Streams]):
    """`mexc.streams`: one method per channel, as in `Streams`."""

    trades = runs_for(Streams.trades, SyncStream)
    depth = runs_for(Streams.depth, SyncStream)
    partial_depth = runs_for(Streams.partial_depth, SyncStream)
    book_ticker = runs_for(Streams.book_ticker, SyncStream)
    book_ticker_batch = runs_for(Streams.book_ticker_batch, SyncStream)
    klines = runs_for(Streams.klines, SyncStream)
    mini_ticker = runs_for(Streams.mini_ticker, SyncStream)
    mini_tickers = runs_for(Streams.mini_tickers, SyncStream)
    account = runs_for(Streams.account, SyncStream)
    fills = runs_for(Streams.fills, SyncStream)
    orders = runs_for(Streams.orders, SyncStream)


class SyncBook(OpenPart[LiveBook[N]], Generic[N]):
    """Live book of a symbol: `with mexc.books("BTCUSDT") as book`; see `LiveBook`."""

    synced = waits(LiveBook.synced)
    changed = waits(LiveBook.changed)
    close = waits(LiveBook.aclose)
    state: Read[SyncState] = Read()
    is_synced: Read[bool] = Read()
    version: Read[int] = Read()
    age_ms: Read[float] = Read()
    best_bid: Read[BookLevel[N] | None] = Read()
    best_ask: Read[BookLevel[N] | None] = Read()
    mid: Read[N | None] = Read()
    spread: Read[N | None] = Read()

    def bids(self, n: int | None = None) -> list[BookLevel[N]]:
        """Return the best `n` bids, or all."""
        return self._read(lambda: self.real.bids(n))

    def asks(self, n: int | None = None) -> list[BookLevel[N]]:
        """Return the best `n` asks, or all."""
        return self._read(lambda: self.real.asks(n))

    def vwap(self, side: Literal["BUY", "SELL"], quantity: N) -> Vwap[N]:
        """Return what a taker of `quantity` base would pay or get, and the part that the book lacks."""
        return self._read(lambda: self.real.vwap(side, quantity))


class SyncOrder(Part[TrackedOrder], OrderReads):
    """One order: its present state, and waits for its progress; see `TrackedOrder`."""

    def __init__(self, thread: LoopThread, real: TrackedOrder) -> None:
        Part.__init__(self, thread, real)
        OrderReads.__init__(self, real.record)

    accepted = waits_for(TrackedOrder.accepted, lambda thread, order: SyncOrder(thread, order))
    filled = waits_for(TrackedOrder.filled, lambda thread, order: SyncOrder(thread, order))
    closed = waits_for(TrackedOrder.closed, lambda thread, order: SyncOrder(thread, order))
    settled = waits_for(TrackedOrder.settled, lambda thread, order: SyncOrder(thread, order))
    changed = waits_for(TrackedOrder.changed, lambda thread, order: SyncOrder(thread, order))
    cancel = waits_for(TrackedOrder.cancel, lambda thread, order: SyncOrder(thread, order))
    replace = waits_for(TrackedOrder.replace, lambda thread, order: SyncOrder(thread, order))


class SyncShortcuts(Part[R]):
    """One method per kind of order, as in `Shortcuts`; each returns once the exchange has the order."""

    place = waits_for(Shortcuts.place, SyncOrder)
    limit_buy = waits_for(Shortcuts.limit_buy, SyncOrder)
    limit_sell = waits_for(Shortcuts.limit_sell, SyncOrder)
    maker_buy = waits_for(Shortcuts.maker_buy, SyncOrder)
    maker_sell = waits_for(Shortcuts.maker_sell, SyncOrder)
    ioc_buy = waits_for(Shortcuts.ioc_buy, SyncOrder)
    ioc_sell = waits_for(Shortcuts.ioc_sell, SyncOrder)
    fok_buy = waits_for(Shortcuts.fok_buy, SyncOrder)
    fok_sell = waits_for(Shortcuts.fok_sell, SyncOrder)
    market_buy = waits_for(Shortcuts.market_buy, SyncOrder)
    market_sell = waits_for(Shortcuts.market_sell, SyncOrder)


class SyncSession(SyncShortcuts[OrderSession], OpenPart[OrderSession]):
    """Orders opened inside a `with`, cancelled at its end; see `OrderSession`."""


class SyncOrders(SyncShortcuts[Orders]):
    """`mexc.orders`, as in `Orders`."""

    place_many = waits_for_all(Orders.place_many, SyncOrder)
    find = waits_for(Orders.find, SyncOrder)
    adopt = waits_for_all(Orders.adopt, SyncOrder)
    restore = waits_for_all(Orders.restore, SyncOrder)
    cancel_all = waits_for_all(Orders.cancel_all, SyncOrder)
    live = runs_for_all(Orders.live, SyncOrder)
    all = runs_for_all(Orders.all, SyncOrder)
    get = runs_for(Orders.get, lambda thread, order: None if order is None else SyncOrder(thread, order))
    follow = waits(Orders.follow)
    limits = runs(Orders.limits)
    halt = runs(Orders.halt)
    resume = runs(Orders.resume)
    exposure = runs(Orders.exposure)
    session = runs_for(Orders.session, SyncSession)
