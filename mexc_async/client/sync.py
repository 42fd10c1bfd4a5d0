"""The client without `await`, for scripts: `with Mexc.sync.from_env() as mexc: mexc.spot.depth(symbol="BTCUSDT")`."""

from __future__ import annotations

from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypedDict, TypeVar, Unpack, cast, overload

from mexc_async.books.live_book import BookOptions, Books
from mexc_async.client.blocking import Part, waits
from mexc_async.client.sync_parts import SyncBook, SyncOrders, SyncStreams
from mexc_async.client.view import View
from mexc_async.errors import InvalidRequest
from mexc_async.runtime.loop_thread import LoopThread
from mexc_async.schema.endpoint import Request
from mexc_async.spot.api import BlockingSpot
from mexc_async.spot.rules import SymbolRules
from mexc_async.streams.streams import Streams

T = TypeVar("T")


class CallOptions(TypedDict, total=False):
    """Options of calls; see `View.using`."""

    max_wait_s: float | None
    timeout_s: float | None
    recv_window_ms: int | None
    cached: bool | None


class Client(Protocol):
    """Parts and life of `Mexc`, as its synchronous twin needs them."""

    streams: Streams
    books: Books
    _held: object

    def rules(self, symbol: str) -> SymbolRules:
        """Return a symbol's rules."""
        ...

    async def load_rules(self) -> None:
        """Load the rules of every symbol."""
        ...

    async def open(self) -> object:
        """Open the client."""
        ...

    async def aclose(self) -> None:
        """Close the client."""
        ...


class SyncView(Part[View]):
    """View of the client with options for its calls: `mexc.using(timeout_s=2)`."""

    def __init__(self, thread: LoopThread, real: View) -> None:
        super().__init__(thread, real)
        self.spot = BlockingSpot(cast(Any, self))  # its calls return what `send` returns
        """All spot endpoints: `mexc.spot.depth(symbol="BTCUSDT")`."""
        self.orders = SyncOrders(thread, real.orders)
        """Tracked orders: `mexc.orders.limit_buy("BTCUSDT", quantity=..., price=...)`."""

    request = waits(View.request)

    def send(self, request: Request[T]) -> T:
        """Send a request value, such as `DepthQuery(symbol="BTCUSDT")`, and return its typed answer."""
        return self._thread.run(lambda: self.real.send(request))

    def using(self, **options: Unpack[CallOptions]) -> SyncView:
        """Return the same client with other options for its calls; see `View.using`."""
        return SyncView(self._thread, self.real.using(**options))


class SyncMexc(SyncView):
    """Client of the MEXC exchange for scripts: every call waits for its answer.

        with Mexc.sync.from_env() as mexc:
            book = mexc.spot.depth(symbol="BTCUSDT", limit=5)

    A thread with an event loop does the work, from the first call until `close`. Any thread may use the client, no
    coroutine may, and a forked process makes its own.
    """

    def __init__(self, view: View, client: Client) -> None:
        super().__init__(LoopThread(client._held), view)
        self._client = client
        self.streams = SyncStreams(self._thread, client.streams)
        """Push streams: `for push in mexc.streams.trades("BTCUSDT")`."""

    def rules(self, symbol: str) -> SymbolRules:
        """Return a symbol's rules: `.price(...)` and `.quantity(...)` round by them; see `Mexc.rules`."""
        return self._read(lambda: self._client.rules(symbol))

    def load_rules(self) -> None:
        """Load the rules of every symbol (one call of weight 25)."""
        self._thread.run(self._client.load_rules)

    @overload
    def books(
        self, symbol: str, *, numbers: Literal["decimal"] = "decimal", **options: Unpack[BookOptions]
    ) -> SyncBook[Decimal]: ...
    @overload
    def books(self, symbol: str, *, numbers: Literal["float"], **options: Unpack[BookOptions]) -> SyncBook[float]: ...
    def books(self, symbol: str, *, numbers: Any = "decimal", **options: Unpack[BookOptions]) -> SyncBook[Any]:
        """Return a live book of one symbol: `with mexc.books("BTCUSDT") as book`; see `Books`."""
        if not isinstance(symbol, str):
            raise InvalidRequest(f"symbols {symbol!r}: a synchronous book is of one symbol")
        book: Any = self._read(lambda: self._client.books(symbol, numbers=numbers, **options))
        return SyncBook(self._thread, book)

    def open(self) -> Self:
        """Open the client and return it; idempotent. The first call does it by itself."""
        self._thread.run(self._client.open)
        return self

    def close(self) -> None:
        """Close the client and end its thread; idempotent."""
        if self._thread.is_running:
            self._thread.run(self._client.aclose)
        self._thread.close()

    def __enter__(self) -> Self:
        try:
            return self.open()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Sync{repr(self.real)[1:]}"
