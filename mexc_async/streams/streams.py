"""Push streams as a strategy uses them: `async for push in mexc.streams.trades("BTCUSDT")`."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

from mexc_async.errors import InvalidRequest
from mexc_async.schema.validation import shown
from mexc_async.spot import channels
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import (
    BalanceChange,
    BookTickerBatch,
    BookTickerPush,
    DepthSnapshot,
    DepthUpdate,
    FillPush,
    KlinePush,
    MiniTicker,
    MiniTickers,
    OrderPush,
    TradesPush,
)
from mexc_async.streams.router import Router
from mexc_async.streams.subscriber import Overflow, Subscriber

B = TypeVar("B")
Symbols: TypeAlias = str | Sequence[str]


class Stream(Generic[B]):
    """One consumer's pushes: `async with ... as stream: async for push in stream:`, or a callback.

    Leaving the `async with` unsubscribes. A bare `async for` opens the stream by itself; a stream that is dropped
    without `aclose` is cleaned up with a ResourceWarning. Every push has `.symbol`, `.send_time` and `.body`.
    """

    def __init__(self, router: Router, subscriber: Subscriber, held: object = None) -> None:
        self._router = router
        self._held = held
        self._subscriber = subscriber
        self._is_open = False

    @property
    def channels(self) -> tuple[str, ...]:
        """Subscribed channels, by MEXC's names."""
        return self._subscriber.channels

    @property
    def received(self) -> int:
        """Pushes received, dropped ones included."""
        return self._subscriber.received

    @property
    def dropped(self) -> int:
        """Pushes dropped because this consumer was too slow."""
        return self._subscriber.dropped

    @property
    def gaps(self) -> int:
        """Number of gaps: times that pushes may have been missed because a socket was lost."""
        return self._subscriber.gaps

    @property
    def is_connected(self) -> bool:
        """True while the exchange serves every channel; a lost socket is replaced for as long as it takes."""
        return all(map(self._router.is_connected, self.channels))

    @property
    def lag_ms(self) -> float | None:
        """Age of the newest push when it arrived, by the exchange's clock; None before the first."""
        return self._subscriber.lag_ms

    async def open(self) -> Self:
        """Subscribe. Raises SubscriptionRefused naming the channels, ClientClosed, ConnectFailed.

        ConnectFailed means that there was no connection yet, and none within `Timeouts.connect_s`.
        """
        if not self._is_open:
            self._is_open = True
            try:
                await self._router.join(self._subscriber)
            except BaseException:
                self._router.leave(self._subscriber)
                raise
        return self

    async def aclose(self) -> None:
        """Unsubscribe; idempotent. Received pushes can still be read."""
        self._subscriber.close()
        self._router.leave(self._subscriber)

    async def wait(self) -> None:
        """Wait until the stream ends. Raises the error that ended it: a callback's, a refusal, an overflow."""
        await self.open()
        subscriber = self._subscriber
        while not subscriber.is_closed:
            await self._until_changed()
        if subscriber.error is not None:
            raise subscriber.error

    async def _until_changed(self) -> None:
        """Wait on an own future: the next push then wakes the caller in the loop's very next round."""
        waiter = asyncio.get_running_loop().create_future()
        self._subscriber.waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self._subscriber.waiters:
                self._subscriber.waiters.remove(waiter)
            raise

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
        if error is None and self._subscriber.callback is not None and self._subscriber.error is not None:
            raise self._subscriber.error

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Push[B]:
        if not self._is_open:
            await self.open()
        subscriber = self._subscriber
        while not subscriber.queue:
            if subscriber.is_closed:
                if subscriber.error is not None:
                    error, subscriber.error = subscriber.error, None
                    raise error
                raise StopAsyncIteration
            await self._until_changed()
        return subscriber.take()

    def __del__(self) -> None:
        subscriber = getattr(self, "_subscriber", None)
        if subscriber is not None and self._is_open and not subscriber.is_closed:
            subscriber.close()
            self._router.leave_later(subscriber)
            warnings.warn(
                f"a stream of {subscriber.channels[0]} was dropped without aclose()", ResourceWarning, 2, source=self
            )


class Streams:
    """`mexc.streams`: one method per channel. `symbols` is one symbol or any number of them.

    Every method takes `callback` (called with each push instead of queueing it), `overflow` and `queue`.
    """

    def __init__(self, router: Router, held: object = None) -> None:
        self._router = router
        self._held = held

    @property
    def bad_frames(self) -> int:
        """Frames that could not be understood."""
        return self._router.bad_frames

    @property
    def unknown_fields(self) -> int:
        """Fields of pushes that this release does not know."""
        return self._router.unknown_fields

    def _stream(
        self, names: Iterable[str], callback: Callable[[Any], None] | None, overflow: Overflow, queue: int | None
    ) -> Stream[Any]:
        if overflow not in ("latest", "drop_oldest", "raise"):
            raise InvalidRequest(f"overflow {shown(overflow)} is not one of 'latest', 'drop_oldest', 'raise'")
        if callback is not None and not callable(callback):
            raise InvalidRequest(f"callback {shown(callback)} cannot be called")
        if inspect.iscoroutinefunction(callback):
            raise InvalidRequest("callback is a coroutine function: it is called, not awaited; use `async for` instead")
        if queue is not None and (type(queue) is not int or queue < 1):
            raise InvalidRequest(f"queue {shown(queue)} must be a whole number of at least 1")
        wanted = tuple(dict.fromkeys(names))
        if not wanted:
            raise InvalidRequest("no symbol given")
        size = self._router.settings.queue if queue is None else queue
        subscriber = Subscriber(wanted, size, overflow, callback, self._router.clock.server_ms)
        return Stream(self._router, subscriber, self._held)

    def trades(
        self,
        symbols: Symbols,
        *,
        interval: channels.PushInterval = "100ms",
        callback: Callable[[Push[TradesPush]], None] | None = None,
        overflow: Overflow = "drop_oldest",
        queue: int | None = None,
    ) -> Stream[TradesPush]:
        """Stream public trades, gathered over `interval`."""
        return self._stream([channels.trades(s, interval) for s in _list(symbols)], callback, overflow, queue)

    def depth(
        self,
        symbols: Symbols,
        *,
        interval: channels.PushInterval = "100ms",
        callback: Callable[[Push[DepthUpdate]], None] | None = None,
        overflow: Overflow = "drop_oldest",
        queue: int | None = None,
    ) -> Stream[DepthUpdate]:
        """Stream changes of the book with their versions; for a synchronised book, see `mexc.books`."""
        return self._stream([channels.depth(s, interval) for s in _list(symbols)], callback, overflow, queue)

    def partial_depth(
        self,
        symbols: Symbols,
        *,
        levels: int = 20,
        callback: Callable[[Push[DepthSnapshot]], None] | None = None,
        overflow: Overflow = "drop_oldest",
        queue: int | None = None,
    ) -> Stream[DepthSnapshot]:
        """Stream the best 5, 10 or 20 levels, complete each time."""
        return self._stream([channels.partial_depth(s, levels) for s in _list(symbols)], callback, overflow, queue)

    def book_ticker(
        self,
        symbols: Symbols,
        *,
        interval: channels.PushInterval = "100ms",
        callback: Callable[[Push[BookTickerPush]], None] | None = None,
        overflow: Overflow = "drop_oldest",
        queue: int | None = None,
    ) -> Stream[BookTickerPush]:
        """Stream best bid and ask every `interval`, changed or not."""
        return self._stream([channels.book_ticker(s, interval) for s in _list(symbols)], callback, overflow, queue)

    def book_ticker_batch(
        self,
        symbols: Symbols,
        *,
        callback: Callable[[Push[BookTickerBatch]], None] | None = None,
        overflow: Overflow = "drop_oldest",
        queue: int | None = None,
    ) -> Stream[BookTickerBatch]:
        """Stream best bids and asks, several to a push."""
        return self._stream([channels.book_ticker_batch(s) for s in _list(symbols)], callback, overflow, queue)

    def klines(
        self,
        symbols: Symbols,
        *,
        interval: str = "1m",
        callback: Callable[[Push[KlinePush]], None] | None = None,
        overflow: Overflow = "drop_oldest",
        queue: int | None = None,
    ) -> Stream[KlinePush]:
        """Stream the running bar, about every second; `interval` as in the REST API (`1m`) or the channel (`Min1`)."""
        return self._stream([channels.klines(s, interval) for s in _list(symbols)], callback, overflow, queue)

    def mini_ticker(
        self,
        symbols: Symbols,
        *,
        timezone: str = "24H",
        callback: Callable[[Push[MiniTicker]], None] | None = None,
        overflow: Overflow = "drop_oldest",
        queue: int | None = None,
    ) -> Stream[MiniTicker]:
        """Stream the day of each symbol, in a time zone such as `UTC+8`, or the last 24 hours."""
        return self._stream([channels.mini_ticker(s, timezone) for s in _list(symbols)], callback, overflow, queue)

    def mini_tickers(
        self,
        *,
        timezone: str = "24H",
        callback: Callable[[Push[MiniTickers]], None] | None = None,
        overflow: Overflow = "drop_oldest",
        queue: int | None = None,
    ) -> Stream[MiniTickers]:
        """Stream the day of every symbol in one push."""
        return self._stream([channels.mini_tickers(timezone)], callback, overflow, queue)

    def account(
        self,
        *,
        callback: Callable[[Push[BalanceChange]], None] | None = None,
        overflow: Overflow = "raise",
        queue: int | None = None,
    ) -> Stream[BalanceChange]:
        """Stream changes of the account's balances. By default a consumer that is too slow gets StreamOverflow."""
        return self._stream([channels.ACCOUNT], callback, overflow, queue)

    def fills(
        self,
        *,
        callback: Callable[[Push[FillPush]], None] | None = None,
        overflow: Overflow = "raise",
        queue: int | None = None,
    ) -> Stream[FillPush]:
        """Stream the account's trades. By default a consumer that is too slow gets StreamOverflow."""
        return self._stream([channels.FILLS], callback, overflow, queue)

    def orders(
        self,
        *,
        callback: Callable[[Push[OrderPush]], None] | None = None,
        overflow: Overflow = "raise",
        queue: int | None = None,
    ) -> Stream[OrderPush]:
        """Stream updates of the account's orders. By default a consumer that is too slow gets StreamOverflow."""
        return self._stream([channels.ORDERS], callback, overflow, queue)


def _list(symbols: Symbols) -> Sequence[str]:
    if isinstance(symbols, str):
        return [symbols]
    if not isinstance(symbols, Iterable):
        raise InvalidRequest(f"symbols {shown(symbols)} is neither a symbol nor a list of them")
    return symbols
