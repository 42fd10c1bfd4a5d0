"""Live books: each is loaded from a snapshot, applies the depth stream, and resyncs after every gap until closed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypedDict, TypeVar, Unpack, cast, overload

from msgspec.structs import replace

from mexc_async.books.book import BookView, OrderBook, Vwap
from mexc_async.books.side import BookLevel
from mexc_async.books.sync import Action, BookSync, SyncCounts, SyncState
from mexc_async.errors import ClientClosed, ConnectFailed, InvalidRequest, MexcError, ProtocolError, TransportError
from mexc_async.rest.call import Call, Options
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.priority_semaphore import PrioritySemaphore, Rank
from mexc_async.schema.endpoint import Priority
from mexc_async.schema.validation import Amount, shown
from mexc_async.schema.validation import symbol as check_symbol
from mexc_async.spot import channels
from mexc_async.spot.market import DepthQuery
from mexc_async.spot.models import Depth
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import DepthUpdate
from mexc_async.streams.router import Router
from mexc_async.streams.subscriber import Subscriber

N = TypeVar("N", Decimal, float)
FETCHES = 10
"""Most snapshots of each kind (first ones, resyncs) that are under way or queue for the rate limits: as many as the
limits allow in a second, so that other calls do not queue behind hundreds of books.
"""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0


class LiveBook(Generic[N]):
    """Book of a symbol, in sync with the exchange: `async with mexc.books("BTCUSDT") as book`.

    Reading it while it is out of sync raises BookNotSynced; `await book.synced()` waits until it is in sync.
    """

    def __init__(
        self, books: Books, symbol: str, interval: channels.PushInterval, levels: int, priority: int, as_float: bool
    ) -> None:
        self.symbol: str = symbol
        self._books: Books = books
        self._router = router = books.router
        self._as_float = as_float
        self._rank = books.rank(priority)
        self._sync = BookSync(symbol)
        self._query = DepthQuery(symbol=symbol, limit=levels)
        self._subscriber = Subscriber(
            (channels.depth(symbol, interval),),
            1,
            "raise",
            self._on_push,
            router.clock.server_ms,
            packs=True,
            on_gap=self._on_gap,
            on_back=self._on_back,
            on_end=self._on_gap,
        )
        self._clock = books.api.clock.local
        self._is_open = False
        self._fetching: asyncio.Task[None] | None = None
        self._changes: set[asyncio.Future[None]] = set()

    # Life

    async def open(self) -> Self:
        """Open the book and return it; idempotent. Its waits do it by themselves.

        Raises SubscriptionRefused, ClientClosed, ConnectFailed if the exchange was never reached.
        """
        await _open(self._router, (self,))
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the book; idempotent. Pending waits raise ClientClosed."""
        self._router.leave(self._subscriber)
        self._books.closed(self)

    # Waits

    async def synced(self) -> None:
        """Wait until the book is in sync.

        Raises ClientClosed when it is closed, SubscriptionRefused, ConnectFailed if the exchange was never reached.
        """
        while not self._sync.is_synced:
            await self.changed()

    async def changed(self) -> None:
        """Wait for the next change of the book or of its state. Raises ClientClosed when it is closed."""
        await self.open()
        if self._subscriber.is_closed:
            raise self._subscriber.error or ClientClosed(f"the book of {self.symbol} was closed")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changes.add(future)
        try:
            await future
        finally:
            self._changes.discard(future)
        if self._subscriber.is_closed:
            raise self._subscriber.error or ClientClosed(f"the book of {self.symbol} was closed")

    # Reads

    @property
    def state(self) -> SyncState:
        """State: connecting, syncing, synced or resyncing."""
        return self._sync.state

    @property
    def is_synced(self) -> bool:
        """True if the book can be read."""
        return self._sync.is_synced

    @property
    def is_closed(self) -> bool:
        """True if the book was closed or its stream ended."""
        return self._subscriber.is_closed

    @property
    def counts(self) -> SyncCounts:
        """Counts of gaps, resyncs, snapshots and so on since the book was opened."""
        return self._sync.counts

    @property
    def age_ms(self) -> float:
        """Milliseconds since the book last applied an update; inf before the first snapshot."""
        return self._sync.age_ms(self._clock.monotonic())

    @property
    def lag_ms(self) -> float | None:
        """Age of the newest push when it arrived, by the exchange's clock."""
        return self._subscriber.lag_ms

    @property
    def version(self) -> int:
        """The exchange's version of the book. Raises BookNotSynced."""
        return self._sync.book.version

    @property
    def view(self) -> BookView[N]:
        """Levels, for many reads at once; fetch it again after every await. Raises BookNotSynced."""
        book = self.exact
        return cast("BookView[N]", book.floats if self._as_float else book)

    @property
    def exact(self) -> OrderBook:
        """Levels in `Decimal`, whatever `numbers` other reads return. Raises BookNotSynced."""
        return self._sync.book

    @property
    def best_bid(self) -> BookLevel[N] | None:
        """Highest bid; None if there is none. Raises BookNotSynced, as every read does."""
        return self.view.best_bid

    @property
    def best_ask(self) -> BookLevel[N] | None:
        """Lowest ask; None if there is none."""
        return self.view.best_ask

    def bids(self, n: int | None = None) -> list[BookLevel[N]]:
        """Return the best `n` bids, or all."""
        return self.view.bids(n)

    def asks(self, n: int | None = None) -> list[BookLevel[N]]:
        """Return the best `n` asks, or all."""
        return self.view.asks(n)

    @property
    def mid(self) -> N | None:
        """Exact middle between the best prices."""
        return self.view.mid

    @property
    def spread(self) -> N | None:
        """Best ask minus best bid."""
        return self.view.spread

    def vwap(self, side: Literal["BUY", "SELL"], quantity: N | Amount) -> Vwap[N]:
        """Return what a taker of `quantity` base would pay or get, and the part that the book lacks."""
        return self.view.vwap(side, quantity)

    def __repr__(self) -> str:
        return f"<LiveBook {self._sync!r}>"

    # Pushes and the end of the stream

    def _on_push(self, push: Push[Any]) -> None:
        update = push.body
        if not isinstance(update, DepthUpdate):
            return
        try:
            versions = update.from_version, update.to_version
        except ProtocolError as error:
            self._act(self._sync.gap_possible(error.message))
            return
        self._act(self._sync.delta(*versions, update.bids, update.asks, self._clock.monotonic()))

    def _on_gap(self) -> None:
        """Mark the book out of sync: the socket is gone, or the stream ended."""
        self._stop_fetching()
        self._sync.disconnected()
        self._wake()

    def _on_back(self) -> None:
        if self._sync.state is SyncState.CONNECTING:
            self._act(self._sync.connected())

    def _act(self, action: Action) -> None:
        if action is Action.FETCH_SNAPSHOT and (self._fetching is None or self._fetching.done()):
            self._fetching = self._books.api.tasks.spawn(self._fetch())
        if action is not Action.NONE:
            self._wake()

    async def _fetch(self) -> None:
        """Fetch snapshots until one fits; a resync goes ahead of other market data."""
        action = Action.FETCH_SNAPSHOT
        while action is Action.FETCH_SNAPSHOT:
            turns, priority = self._books.first, Priority.MARKET
            if self._sync.was_synced:
                turns, priority = self._books.again, Priority.RESYNC
            call = Call(replace(DepthQuery.route, priority=priority), self._query.params(), Depth)
            try:
                async with turns.turn(self._rank):
                    depth: Depth = await self._books.api.run(call, Options())
            except ClientClosed:
                return
            except MexcError as error:
                if isinstance(error, ConnectFailed) and not self._books.api.is_reached:
                    self._end(error)
                    return
                if isinstance(error, TransportError):
                    self._books.api.outages.warn(f"the book of {self.symbol} has no snapshot, trying again: {error}")
                action = self._sync.snapshot_failed(error.message)
            else:
                action = self._sync.snapshot(depth.last_update_id, depth.bids, depth.asks, self._clock.monotonic())
            if action is Action.FETCH_SNAPSHOT:
                pause_s = min(_FIRST_PAUSE_S * 2.0 ** (self._sync.attempts - 1), _LONGEST_PAUSE_S)
                await asyncio.sleep(pause_s * (0.5 + self._clock.random.random() / 2))
        self._wake()

    def _end(self, error: MexcError) -> None:
        """End the book with an error, which its waits raise."""
        self._subscriber.fail(error)
        self._router.leave(self._subscriber)
        self._books.closed(self)

    def _stop_fetching(self) -> None:
        task, self._fetching = self._fetching, None
        if task is not None:
            self._books.api.tasks.cancel(task)

    def _wake(self) -> None:
        for future in self._changes:
            if not future.done():
                future.set_result(None)


async def _open(router: Router, books: Collection[LiveBook[N]]) -> None:
    """Subscribe those books that are not open, together; close them all if one cannot be."""
    fresh = [book for book in books if not book._is_open]
    for book in fresh:
        book._is_open = True
        book._books.opened(book)
    try:
        await router.join(*(book._subscriber for book in fresh))
    except BaseException:
        for book in books:
            await book.aclose()
        raise
    for book in fresh:
        book._on_back()


class LiveBooks(Mapping[str, LiveBook[N]]):
    """Several live books by their symbols: `async with mexc.books(["BTCUSDT", "ETHUSDT"]) as books`.

    Each syncs by itself; leaving closes all.
    """

    def __init__(self, router: Router, books: Iterable[LiveBook[N]]) -> None:
        self._router = router
        self._books: dict[str, LiveBook[N]] = {book.symbol: book for book in books}

    def __getitem__(self, symbol: str) -> LiveBook[N]:
        return self._books[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._books)

    def __len__(self) -> int:
        return len(self._books)

    async def open(self) -> Self:
        """Open all books and return them; idempotent. Raises what `LiveBook.open` raises."""
        await _open(self._router, self.values())
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all books; idempotent."""
        for book in self.values():
            await book.aclose()

    async def synced(self) -> None:
        """Wait until every book is in sync. Raises the error that ended one: ClientClosed, SubscriptionRefused."""
        await self.open()
        while late := next((book for book in self.values() if not book.is_synced), None):
            await late.synced()

    def __repr__(self) -> str:
        return f"<LiveBooks {sum(book.is_synced for book in self.values())} of {len(self)} synced>"


class BookOptions(TypedDict, total=False):
    """Options of `mexc.books` apart from symbols and `numbers`; see its docstring."""

    interval: channels.PushInterval
    levels: int
    priority: int


class Books:
    """`mexc.books(symbol)`, or with a list of symbols."""

    def __init__(self, api: Api, router: Router, held: object = None) -> None:
        self.api = api
        self.router = router
        self.first = PrioritySemaphore(FETCHES)
        """For the first snapshots of books."""
        self.again = PrioritySemaphore(FETCHES)
        """For the snapshots of resyncs."""
        self._made = 0
        self._held = held
        self._opened: dict[str, list[LiveBook[Any]]] = {}
        """Open books by symbol."""

    def rank(self, priority: int) -> Rank:
        """Return the place of a new book in the queue for snapshots."""
        self._made += 1
        return priority, self._made

    def opened(self, book: LiveBook[Any]) -> None:
        """Register a book that was opened."""
        self._opened.setdefault(book.symbol, []).append(book)

    def closed(self, book: LiveBook[Any]) -> None:
        """Remove a book that was closed; idempotent."""
        if book in (opened := self._opened.get(book.symbol, [])):
            opened.remove(book)

    def in_step(self, symbol: str) -> OrderBook | None:
        """Return the book of a symbol, if one is open and in sync."""
        for live in self._opened.get(symbol, ()):
            if live._sync.state is SyncState.SYNCED:  # read for every order that is checked against the book
                return live._sync.book
        return None

    def has(self, symbol: str) -> bool:
        """Return True if a book of this symbol is open, in sync or not."""
        return any(not live.is_closed for live in self._opened.get(symbol, ()))

    @overload
    def __call__(
        self, symbols: str, *, numbers: Literal["decimal"] = "decimal", **options: Unpack[BookOptions]
    ) -> LiveBook[Decimal]: ...
    @overload
    def __call__(
        self, symbols: str, *, numbers: Literal["float"], **options: Unpack[BookOptions]
    ) -> LiveBook[float]: ...
    @overload
    def __call__(
        self,
        symbols: list[str] | tuple[str, ...],
        *,
        numbers: Literal["decimal"] = "decimal",
        **options: Unpack[BookOptions],
    ) -> LiveBooks[Decimal]: ...
    @overload
    def __call__(
        self, symbols: list[str] | tuple[str, ...], *, numbers: Literal["float"], **options: Unpack[BookOptions]
    ) -> LiveBooks[float]: ...
    def __call__(
        self,
        symbols: str | list[str] | tuple[str, ...],
        *,
        numbers: Literal["decimal", "float"] = "decimal",
        interval: channels.PushInterval = "100ms",
        levels: int = 5000,
        priority: int = 0,
    ) -> LiveBook[Decimal] | LiveBook[float] | LiveBooks[Decimal] | LiveBooks[float]:
        """Return a live book, or one for each symbol of a list; open it with `async with`.

        Args:
            symbols: such as BTCUSDT.
            numbers: type of number that reads return; `float` for models and charts, never for orders.
            interval: time over which the exchange gathers changes, `100ms` or `10ms`.
            levels: depth of the snapshot on each side, 1 to 5000; MEXC's rules ask for 5000.
            priority: order of the queue for snapshots: the lowest first, then the first in line; a list queues in its
                order.

        Raises InvalidRequest.
        """
        if numbers not in ("decimal", "float"):
            raise InvalidRequest(f"numbers {shown(numbers)} is not one of 'decimal', 'float'")
        if type(priority) is not int:
            raise InvalidRequest(f"priority {shown(priority)} must be a whole number")
        names = [symbols] if isinstance(symbols, str) else list(symbols) if isinstance(symbols, Iterable) else []
        if not names:
            raise InvalidRequest(f"symbols {shown(symbols)} is neither a symbol nor a list of them")
        for name in names:
            check_symbol("symbol", name)

        def make(symbol: str) -> LiveBook[Any]:
            return LiveBook(self, symbol, interval, levels, priority, as_float=numbers == "float")

        return make(symbols) if isinstance(symbols, str) else LiveBooks(self.router, map(make, dict.fromkeys(names)))
