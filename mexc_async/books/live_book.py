"""Books that keep themselves: the depth stream, a snapshot, and again after every gap, until they are left."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypedDict, TypeVar, Unpack, cast, overload

from msgspec.structs import replace

from mexc_async.books.book import BookView, OrderBook, Vwap
from mexc_async.books.side import BookLevel
from mexc_async.books.sync import Action, BookSync, SyncCounts, SyncState
from mexc_async.errors import ClientClosed, InvalidRequest, MexcError, ProtocolError
from mexc_async.rest.call import Call, Options
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.priority_semaphore import PrioritySemaphore, Rank
from mexc_async.schema.endpoint import Priority
from mexc_async.spot import channels
from mexc_async.spot.market import DepthQuery
from mexc_async.spot.models import Depth
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import DepthUpdate
from mexc_async.streams.router import Router
from mexc_async.streams.subscriber import Subscriber

N = TypeVar("N", Decimal, float)
FETCHES = 10
"""Snapshots under way or in line for the limits at a time, of first ones and of others: as many as the limits let
through in a second, so that other calls need not stand behind those of hundreds of books."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0


class LiveBook(Generic[N]):
    """A symbol's book, kept in step with the exchange: `async with mexc.books("BTCUSDT") as book`.

    Reading it while it is not known to be in step raises BookNotSynced; `await book.synced()` waits until it is.
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
            router.server_ms,
            packs=True,
            on_gap=self._on_gap,
            on_back=self._on_back,
            on_end=self._on_gap,
        )
        self._fetching: asyncio.Task[None] | None = None
        self._changes: set[asyncio.Future[None]] = set()

    # Its life

    async def __aenter__(self) -> Self:
        self._books.opened(self)
        try:
            await self._router.join(self._subscriber)
        except BaseException:
            await self.aclose()
            raise
        self._on_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the book up; idempotent. Who waits for it gets ClientClosed."""
        self._router.leave(self._subscriber)
        self._books.closed(self)

    # Waiting for it

    async def synced(self) -> None:
        """Wait until the book may be read. Raises ClientClosed when it is given up, SubscriptionRefused."""
        while not self._sync.is_synced:
            await self.changed()

    async def changed(self) -> None:
        """Wait for the next change of the book or of its state. Raises ClientClosed when it is given up."""
        if self._subscriber.is_closed:
            raise self._subscriber.error or ClientClosed(f"the book of {self.symbol} was given up")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changes.add(future)
        try:
            await future
        finally:
            self._changes.discard(future)
        if self._subscriber.is_closed:
            raise self._subscriber.error or ClientClosed(f"the book of {self.symbol} was given up")

    # Reading it

    @property
    def state(self) -> SyncState:
        """connecting, syncing, synced or resyncing."""
        return self._sync.state

    @property
    def is_synced(self) -> bool:
        """Whether it may be read."""
        return self._sync.is_synced

    @property
    def is_closed(self) -> bool:
        """Whether it was given up, or its stream ended."""
        return self._subscriber.is_closed

    @property
    def counts(self) -> SyncCounts:
        """Gaps, resyncs, snapshots and so on since it was opened."""
        return self._sync.counts

    @property
    def age_ms(self) -> float:
        """Milliseconds since the book last took something in; inf before the first snapshot."""
        return self._sync.age_ms(time.monotonic())

    @property
    def lag_ms(self) -> float | None:
        """Age of the newest push when it came, by the exchange's clock."""
        return self._subscriber.lag_ms

    @property
    def version(self) -> int:
        """The exchange's version of the book. Raises BookNotSynced."""
        return self._sync.book.version

    @property
    def view(self) -> BookView[N]:
        """The levels, for many reads at once; to be asked for anew after every await. Raises BookNotSynced."""
        book = self.exact
        return cast("BookView[N]", book.floats if self._as_float else book)

    @property
    def exact(self) -> OrderBook:
        """The same in `Decimal`, whatever `numbers` reads return. Raises BookNotSynced."""
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
        """The best `n` bids, or all."""
        return self.view.bids(n)

    def asks(self, n: int | None = None) -> list[BookLevel[N]]:
        """The best `n` asks, or all."""
        return self.view.asks(n)

    @property
    def mid(self) -> N | None:
        """Half-way between the best prices."""
        return self.view.mid

    @property
    def spread(self) -> N | None:
        """Best ask minus best bid."""
        return self.view.spread

    def vwap(self, side: Literal["BUY", "SELL"], quantity: N) -> Vwap[N]:
        """What a taker of `quantity` base would pay or get, and what is missing for it."""
        return self.view.vwap(side, quantity)

    def __repr__(self) -> str:
        return f"<LiveBook {self._sync!r}>"

    # What happens to it

    def _on_push(self, push: Push[Any]) -> None:
        update = push.body
        if not isinstance(update, DepthUpdate):
            return
        try:
            versions = update.from_version, update.to_version
        except ProtocolError as error:
            self._act(self._sync.gap_possible(error.message))
            return
        self._act(self._sync.delta(*versions, update.bids, update.asks, time.monotonic()))

    def _on_gap(self) -> None:
        """The socket is gone, or the stream ended: nothing is known until it is back."""
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
        """Fetch snapshots until one fits; a book that was in step before goes ahead of other market data."""
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
                action = self._sync.snapshot_failed(error.message)
            else:
                action = self._sync.snapshot(depth.last_update_id, depth.bids, depth.asks, time.monotonic())
            if action is Action.FETCH_SNAPSHOT:
                pause_s = min(_FIRST_PAUSE_S * 2.0 ** (self._sync.attempts - 1), _LONGEST_PAUSE_S)
                await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - spreads, protects nothing
        self._wake()

    def _stop_fetching(self) -> None:
        task, self._fetching = self._fetching, None
        if task is not None:
            self._books.api.tasks.cancel(task)

    def _wake(self) -> None:
        for future in self._changes:
            if not future.done():
                future.set_result(None)


class LiveBooks(Mapping[str, LiveBook[N]]):
    """Several live books by their symbols: `async with mexc.books(["BTCUSDT", "ETHUSDT"]) as books`.

    Each is kept for itself; leaving gives them all up.
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

    async def __aenter__(self) -> Self:
        for book in self.values():
            book._books.opened(book)
        try:
            await self._router.join(*(book._subscriber for book in self.values()))
        except BaseException:
            await self.aclose()
            raise
        for book in self.values():
            book._on_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give all of them up; idempotent."""
        for book in self.values():
            await book.aclose()

    async def synced(self) -> None:
        """Wait until every book may be read. Raises what ended one: ClientClosed, SubscriptionRefused."""
        while late := next((book for book in self.values() if not book.is_synced), None):
            await late.synced()

    def __repr__(self) -> str:
        return f"<LiveBooks {sum(book.is_synced for book in self.values())} of {len(self)} synced>"


class BookOptions(TypedDict, total=False):
    """What `mexc.books` takes beside symbols and `numbers`; its docstring says what each means."""

    interval: channels.PushInterval
    levels: int
    priority: int


class Books:
    """`mexc.books(symbol)`, or with a list of symbols."""

    def __init__(self, api: Api, router: Router) -> None:
        self.api = api
        self.router = router
        self.first = PrioritySemaphore(FETCHES)
        """For the first snapshots of books."""
        self.again = PrioritySemaphore(FETCHES)
        """For those of books that were in step."""
        self._made = 0
        self._opened: dict[str, list[LiveBook[Any]]] = {}
        """By symbol, the books that are open."""

    def rank(self, priority: int) -> Rank:
        """The place of a new book among those that wait for a snapshot."""
        self._made += 1
        return priority, self._made

    def opened(self, book: LiveBook[Any]) -> None:
        """A book was opened."""
        self._opened.setdefault(book.symbol, []).append(book)

    def closed(self, book: LiveBook[Any]) -> None:
        """A book was given up; idempotent."""
        if book in (opened := self._opened.get(book.symbol, [])):
            opened.remove(book)

    def in_step(self, symbol: str) -> OrderBook | None:
        """The book of a symbol, if anybody has one open that is in step."""
        for live in self._opened.get(symbol, ()):
            if live._sync.state is SyncState.SYNCED:  # asked for every order that is held against it
                return live._sync.book
        return None

    def has(self, symbol: str) -> bool:
        """Whether anybody has a book of this symbol open, in step or not."""
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
        """A live book, or one for each symbol of a list; to be opened with `async with`.

        Args:
            symbols: such as BTCUSDT.
            numbers: what reads return; `float` for models and charts, never for orders.
            interval: how long the exchange gathers changes, `100ms` or `10ms`.
            levels: how deep the snapshot reaches a side, 1 to 5000; MEXC's rules ask for 5000.
            priority: of the books that wait for a snapshot the lowest goes first, then the one that was asked for
                first; a list is asked for in its order.

        Raises InvalidRequest.
        """
        if numbers not in ("decimal", "float"):
            raise InvalidRequest(f"numbers {numbers!r} is not one of 'decimal', 'float'")
        if type(priority) is not int:
            raise InvalidRequest(f"priority {priority!r} must be a whole number")
        if not symbols or not isinstance(symbols, Iterable):
            raise InvalidRequest(f"symbols {symbols!r} is neither a symbol nor a list of them")

        def make(symbol: str) -> LiveBook[Any]:
            return LiveBook(self, symbol, interval, levels, priority, as_float=numbers == "float")

        return make(symbols) if isinstance(symbols, str) else LiveBooks(self.router, map(make, dict.fromkeys(symbols)))
