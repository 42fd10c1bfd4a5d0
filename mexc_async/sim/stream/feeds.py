"""Public channels: each feed collects the exchange's events and builds one push at the end of each window.

All sockets with the same subscription share a feed, so that each push is encoded once. Windows in which nothing
happened are not due.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import inf

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.bars import bar_close, bar_open
from mexc_async.sim.exchange.events import BookEvent, Event, TradeEvent
from mexc_async.sim.exchange.history import Trade
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.symbols import ONLINE
from mexc_async.sim.stream import pushes
from mexc_async.sim.stream.socket_lifetime import SocketRules
from mexc_async.sim.stream.topics import KLINE_INTERVALS, Topic


class Feed:
    """Collector for one topic. `window_ms` is the length of a window."""

    def __init__(self, topic: Topic, window_ms: int) -> None:
        self.topic = topic
        self.window_ms = window_ms
        self.due_ms = inf
        """Time of the next push; infinity until something happens, 0 for soon."""

    def restart(self) -> None:
        """Prepare for a new subscriber: a feed of states pushes its state again soon."""

    def on_book(self, event: BookEvent) -> None:
        """Apply a change of the symbol's book."""

    def on_trade(self, trade: Trade) -> None:
        """Apply a trade of the symbol."""

    def flush(self, now_ms: int) -> bytes | None:
        """Return the push at the end of a window, or None. Only the time can make a further one due."""
        raise NotImplementedError

    def end_window(self, time_ms: int) -> None:
        """Make a push due at the end of the window of `time_ms`, if none is due before."""
        self.due_ms = min(self.due_ms, (time_ms // self.window_ms + 1) * self.window_ms)


class DealsFeed(Feed):
    """Feed of a window's trades, oldest first."""

    def __init__(self, topic: Topic, window_ms: int) -> None:
        super().__init__(topic, window_ms)
        self._trades: list[Trade] = []

    def on_trade(self, trade: Trade) -> None:
        """Collect a trade for the end of the window."""
        if not self._trades:
            self.end_window(trade.time_ms)
        self._trades.append(trade)

    def flush(self, now_ms: int) -> bytes | None:
        """Return the window's trades as a push, or None without trades."""
        if not self._trades:
            return None
        trades, self._trades = self._trades, []
        build = pushes.aggre_deals if self.topic.window_ms else pushes.deals
        return build(self.topic, trades, now_ms)


class DepthFeed(Feed):
    """Feed of the levels that changed in a window, each with its last quantity, and of the versions covered."""

    def __init__(self, topic: Topic, window_ms: int) -> None:
        super().__init__(topic, window_ms)
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._first: int | None = None
        self._last: BookEvent | None = None

    def on_book(self, event: BookEvent) -> None:
        """Collect a change of the book for the end of the window."""
        self._bids.update(event.bids)
        self._asks.update(event.asks)
        if self._first is None:
            self._first = event.version
            self.end_window(event.time_ms)
        self._last = event

    def flush(self, now_ms: int) -> bytes | None:
        """Return the window's changed levels as a push, or None without changes."""
        if self._first is None or self._last is None:
            return None
        frame = pushes.aggre_depth(self.topic, self._bids, self._asks, self._first, self._last, now_ms)
        self._bids.clear()
        self._asks.clear()
        self._first = self._last = None
        return frame


class IncreaseBatchFeed(Feed):
    """Feed of every single change of the book, collected into one push."""

    def __init__(self, topic: Topic, window_ms: int) -> None:
        super().__init__(topic, window_ms)
        self._events: list[BookEvent] = []

    def on_book(self, event: BookEvent) -> None:
        """Collect a change of the book for the end of the window."""
        if not self._events:
            self.end_window(event.time_ms)
        self._events.append(event)

    def flush(self, now_ms: int) -> bytes | None:
        """Return the window's changes as a push, or None without changes."""
        if not self._events:
            return None
        events, self._events = self._events, []
        return pushes.increase_depths(self.topic, events, now_ms)


class StateFeed(Feed):
    """Feed of a state at the end of every window."""

    def __init__(self, topic: Topic, window_ms: int, show: Callable[[Topic, int], bytes]) -> None:
        """Build pushes with `show`."""
        super().__init__(topic, window_ms)
        self._show = show
        self.due_ms = 0.0

    def restart(self) -> None:
        """Push the state again soon."""
        self.due_ms = 0.0

    def flush(self, now_ms: int) -> bytes | None:
        """Return the state as a push."""
        self.end_window(now_ms)
        return self._show(self.topic, now_ms)


class TopFeed(Feed):
    """Feed of the top of the book at the end of a window, if `mark` has changed since the last push."""

    def __init__(
        self, topic: Topic, window_ms: int, show: Callable[[Topic, int], bytes], mark: Callable[[], object]
    ) -> None:
        """Build pushes with `show`."""
        super().__init__(topic, window_ms)
        self._show = show
        self._mark = mark
        self.restart()

    def restart(self) -> None:
        """Push the state again soon, changed or not."""
        self._shown: object = self
        self.due_ms = 0.0

    def on_book(self, event: BookEvent) -> None:
        """Look at the book at the end of the window."""
        self.end_window(event.time_ms)

    def flush(self, now_ms: int) -> bytes | None:
        """Return the state as a push, or None if its mark has not changed."""
        mark = self._mark()
        if mark == self._shown:
            return None
        self._shown = mark
        return self._show(self.topic, now_ms)


class KlineFeed(Feed):
    """Feed of the running bar, at the end of a window with a trade or with the opening of a bar."""

    def __init__(self, topic: Topic, window_ms: int, market: Market) -> None:
        super().__init__(topic, window_ms)
        self._market = market
        self._interval = KLINE_INTERVALS[topic.choice]
        self.due_ms = 0.0

    def restart(self) -> None:
        """Push the running bar again soon."""
        self.due_ms = 0.0

    def on_trade(self, trade: Trade) -> None:
        """Push the bar at the end of the window."""
        self.end_window(trade.time_ms)

    def flush(self, now_ms: int) -> bytes | None:
        """Return the running bar as a push."""
        self.end_window(bar_close(self._interval, bar_open(self._interval, now_ms)) - 1)
        return pushes.kline(self.topic, self._market, self._interval, now_ms)


class BatchFeed(Feed):
    """Feed of every best bid and ask of a window."""

    def __init__(self, topic: Topic, window_ms: int, market: Market) -> None:
        super().__init__(topic, window_ms)
        self._market = market
        self._last = self._top()
        self._tops = [self._last]
        self.due_ms = 0.0

    def _top(self) -> pushes.Top:
        return self._market.top("BUY"), self._market.top("SELL")

    def restart(self) -> None:
        """Push the current best bid and ask again soon."""
        self._tops = self._tops or [self._last]
        self.due_ms = 0.0

    def on_book(self, event: BookEvent) -> None:
        """Collect the best bid and ask if they changed."""
        top = self._top()
        if top != self._last:
            self.end_window(event.time_ms)
            self._last = top
            self._tops.append(top)

    def flush(self, now_ms: int) -> bytes | None:
        """Return the window's best bids and asks as a push, or None without a change."""
        if not self._tops:
            return None
        tops, self._tops = self._tops, []
        return pushes.book_ticker_batch(self.topic, tops, self._market, now_ms)


def make_feed(topic: Topic, markets: Mapping[str, Market], rules: SocketRules) -> Feed:
    """Build the feed of a public topic."""
    if topic.kind == "public.miniTickers":
        return _mini_tickers(topic, markets, rules)
    market = markets[topic.symbol]
    simple = _GATHERED.get(topic.kind)
    if simple is not None:
        return simple(topic, topic.window_ms or assumptions.LEGACY_MS)
    if topic.kind == "public.bookTicker.batch":
        return BatchFeed(topic, assumptions.BATCH_MS, market)
    return _STATES[topic.kind](topic, market, rules)


def _aggre_book_ticker(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    return StateFeed(topic, topic.window_ms, lambda topic, now_ms: pushes.aggre_book_ticker(topic, market, now_ms))


def _book_ticker(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    return TopFeed(
        topic,
        assumptions.LEGACY_MS,
        lambda topic, now_ms: pushes.book_ticker(topic, market, now_ms),
        lambda: (market.top("BUY"), market.top("SELL")),
    )


def _limit_depth(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    return TopFeed(
        topic,
        assumptions.LIMIT_DEPTH_MS,
        lambda topic, now_ms: pushes.limit_depth(topic, market, now_ms),
        lambda: market.version,
    )


def _kline(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    return KlineFeed(topic, rules.kline_ms, market)


def _mini_ticker(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    return StateFeed(topic, rules.mini_ticker_ms, lambda topic, now_ms: pushes.mini_ticker(topic, market, now_ms))


def _mini_tickers(topic: Topic, markets: Mapping[str, Market], rules: SocketRules) -> Feed:
    listed = [market for market in markets.values() if market.rules.status == ONLINE]
    return StateFeed(topic, rules.mini_ticker_ms, lambda topic, now_ms: pushes.mini_tickers(topic, listed, now_ms))


_GATHERED: dict[str, Callable[[Topic, int], Feed]] = {
    "public.aggre.deals": DealsFeed,
    "public.deals": DealsFeed,
    "public.aggre.depth": DepthFeed,
    "public.increase.depth.batch": IncreaseBatchFeed,
}
_STATES: dict[str, Callable[[Topic, Market, SocketRules], Feed]] = {
    "public.aggre.bookTicker": _aggre_book_ticker,
    "public.bookTicker": _book_ticker,
    "public.limit.depth": _limit_depth,
    "public.kline": _kline,
    "public.miniTicker": _mini_ticker,
}


class Feeds:
    """The feeds of all subscribed topics."""

    def __init__(self, markets: Mapping[str, Market], rules: SocketRules) -> None:
        self._markets = markets
        self._rules = rules
        self._feeds: dict[str, Feed] = {}
        self._by_symbol: dict[str, list[Feed]] = {}
        self.shortest_ms: int | None = None
        """Length of the shortest window; None without feeds."""
        self._windows_ms: frozenset[int] = frozenset()
        """Lengths of all windows."""
        self.due_ms = inf
        """Time of the next push, 0 for soon; infinity without one."""

    def open(self, topic: Topic) -> None:
        """Add a subscription to a topic, and its feed if it is the first."""
        feed = self._feeds.get(topic.name)
        if feed is not None:
            feed.restart()
        else:
            feed = self._feeds[topic.name] = make_feed(topic, self._markets, self._rules)
            self._by_symbol.setdefault(topic.symbol, []).append(feed)
        self._measure()

    def close(self, topic: Topic) -> None:
        """Remove a topic's feed after its last subscriber has left."""
        feed = self._feeds.pop(topic.name)
        self._by_symbol[topic.symbol].remove(feed)
        self._measure()

    def on_event(self, event: Event) -> None:
        """Pass an event to the feeds of its symbol."""
        if isinstance(event, BookEvent):
            for feed in self._by_symbol.get(event.symbol, ()):
                feed.on_book(event)
                if feed.due_ms < self.due_ms:
                    self.due_ms = feed.due_ms
        elif isinstance(event, TradeEvent):
            for feed in self._by_symbol.get(event.symbol, ()):
                feed.on_trade(event.trade)
                if feed.due_ms < self.due_ms:
                    self.due_ms = feed.due_ms

    def shift(self, ms: int) -> None:
        """Take a jump of the clock: each push that is due stays as far away as it was."""
        for feed in self._feeds.values():
            if feed.due_ms:
                feed.due_ms += ms
        self._find_due()

    def due(self, now_ms: int) -> list[tuple[Topic, bytes]]:
        """Return the pushes of every window that has ended."""
        if now_ms < self.due_ms:
            return []
        found = []
        for feed in self._feeds.values():
            if feed.due_ms <= now_ms:
                feed.due_ms = inf
                frame = feed.flush(now_ms)
                if frame is not None:
                    found.append((feed.topic, frame))
        self._find_due()
        return found

    def window_end(self, time_ms: float) -> float:
        """Return the first end of a window after `time_ms`; infinity without feeds."""
        return min(((time_ms // width_ms + 1) * width_ms for width_ms in self._windows_ms), default=inf)

    def _measure(self) -> None:
        """Note the windows' lengths, after a change of the feeds."""
        self._windows_ms = frozenset(feed.window_ms for feed in self._feeds.values())
        self.shortest_ms = min(self._windows_ms, default=None)
        self._find_due()

    def _find_due(self) -> None:
        due_ms = inf
        for feed in self._feeds.values():
            if feed.due_ms < due_ms:
                due_ms = feed.due_ms
        self.due_ms = due_ms
