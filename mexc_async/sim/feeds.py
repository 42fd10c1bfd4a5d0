"""Public channels: what each subscribed topic gathers from the exchange's events, and its pushes when a window ends.

A feed is shared by all sockets that subscribe to its topic, so that each push is put into bytes once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from mexc_async.sim import choices, pushes
from mexc_async.sim.events import BookEvent, Event, TradeEvent
from mexc_async.sim.history import Trade, bar_open
from mexc_async.sim.market import Market
from mexc_async.sim.socket_rules import SocketRules
from mexc_async.sim.symbols import ONLINE
from mexc_async.sim.topics import KLINE_INTERVALS, Topic


class Feed:
    """One topic's gathering. `window_ms` is how often it is looked at."""

    def __init__(self, topic: Topic, window_ms: int) -> None:
        self.topic = topic
        self.window_ms = window_ms
        self.window = -1
        """Number of the window that was looked at last."""

    def restart(self) -> None:
        """Somebody has subscribed: whoever shows a state shows it again soon."""
        self.window = -1

    def on_book(self, event: BookEvent) -> None:
        """The symbol's book has changed."""

    def on_trade(self, trade: Trade) -> None:
        """The symbol has traded."""

    def flush(self, now_ms: int) -> bytes | None:
        """The push that a window ends with, if it has one."""
        raise NotImplementedError


class DealsFeed(Feed):
    """Trades of a window, oldest first."""

    def __init__(self, topic: Topic, window_ms: int) -> None:
        super().__init__(topic, window_ms)
        self._trades: list[Trade] = []

    def on_trade(self, trade: Trade) -> None:
        """Keep it for the window's end."""
        self._trades.append(trade)

    def flush(self, now_ms: int) -> bytes | None:
        """The window's push, if there is anything to tell."""
        if not self._trades:
            return None
        trades, self._trades = self._trades, []
        build = pushes.aggre_deals if self.topic.window_ms else pushes.deals
        return build(self.topic, trades, now_ms)


class DepthFeed(Feed):
    """Levels that a window changed, each with its last quantity, and the versions that this covers."""

    def __init__(self, topic: Topic, window_ms: int) -> None:
        super().__init__(topic, window_ms)
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._first: int | None = None
        self._last: BookEvent | None = None

    def on_book(self, event: BookEvent) -> None:
        """Keep it for the window's end."""
        self._bids.update(event.bids)
        self._asks.update(event.asks)
        if self._first is None:
            self._first = event.version
        self._last = event

    def flush(self, now_ms: int) -> bytes | None:
        """The window's push, if there is anything to tell."""
        if self._first is None or self._last is None:
            return None
        frame = pushes.aggre_depth(self.topic, self._bids, self._asks, self._first, self._last, now_ms)
        self._bids.clear()
        self._asks.clear()
        self._first = self._last = None
        return frame


class IncreaseBatchFeed(Feed):
    """Every change of the book on its own, gathered into one push."""

    def __init__(self, topic: Topic, window_ms: int) -> None:
        super().__init__(topic, window_ms)
        self._events: list[BookEvent] = []

    def on_book(self, event: BookEvent) -> None:
        """Keep it for the window's end."""
        self._events.append(event)

    def flush(self, now_ms: int) -> bytes | None:
        """The window's push, if there is anything to tell."""
        if not self._events:
            return None
        events, self._events = self._events, []
        return pushes.increase_depths(self.topic, events, now_ms)


class StateFeed(Feed):
    """What something looks like at the end of a window; after the first push only if `mark` has changed."""

    def __init__(
        self,
        topic: Topic,
        window_ms: int,
        show: Callable[[Topic, int], bytes],
        mark: Callable[[int], object] | None = None,
    ) -> None:
        """Without `mark` it is pushed at the end of every window."""
        super().__init__(topic, window_ms)
        self._show = show
        self._mark = mark
        self._shown: object = self

    def restart(self) -> None:
        """Show the state again soon."""
        super().restart()
        self._shown = self

    def flush(self, now_ms: int) -> bytes | None:
        """The window's push, if there is anything to tell."""
        if self._mark is not None:
            mark = self._mark(now_ms)
            if mark == self._shown:
                return None
            self._shown = mark
        return self._show(self.topic, now_ms)


class BatchFeed(Feed):
    """Every best bid and ask that a window saw."""

    def __init__(self, topic: Topic, window_ms: int, market: Market) -> None:
        super().__init__(topic, window_ms)
        self._market = market
        self._last = self._top()
        self._tops = [self._last]

    def _top(self) -> pushes.Top:
        return self._market.top("BUY"), self._market.top("SELL")

    def restart(self) -> None:
        """Show the state again soon."""
        super().restart()
        self._tops = self._tops or [self._last]

    def on_book(self, event: BookEvent) -> None:
        """Keep it for the window's end."""
        top = self._top()
        if top != self._last:
            self._last = top
            self._tops.append(top)

    def flush(self, now_ms: int) -> bytes | None:
        """The window's push, if there is anything to tell."""
        if not self._tops:
            return None
        tops, self._tops = self._tops, []
        return pushes.book_ticker_batch(self.topic, tops, self._market, now_ms)


def make_feed(topic: Topic, markets: Mapping[str, Market], rules: SocketRules) -> Feed:
    """The feed of a public topic."""
    if topic.kind == "public.miniTickers":
        return _mini_tickers(topic, markets, rules)
    market = markets[topic.symbol]
    simple = _GATHERED.get(topic.kind)
    if simple is not None:
        return simple(topic, topic.window_ms or choices.LEGACY_MS)
    if topic.kind == "public.bookTicker.batch":
        return BatchFeed(topic, choices.BATCH_MS, market)
    return _STATES[topic.kind](topic, market, rules)


def _aggre_book_ticker(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    return StateFeed(topic, topic.window_ms, lambda topic, now_ms: pushes.aggre_book_ticker(topic, market, now_ms))


def _book_ticker(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    return StateFeed(
        topic,
        choices.LEGACY_MS,
        lambda topic, now_ms: pushes.book_ticker(topic, market, now_ms),
        lambda now_ms: (market.top("BUY"), market.top("SELL")),
    )


def _limit_depth(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    return StateFeed(
        topic,
        choices.LIMIT_DEPTH_MS,
        lambda topic, now_ms: pushes.limit_depth(topic, market, now_ms),
        lambda now_ms: market.version,
    )


def _kline(topic: Topic, market: Market, rules: SocketRules) -> Feed:
    interval = KLINE_INTERVALS[topic.choice]
    return StateFeed(
        topic,
        rules.kline_ms,
        lambda topic, now_ms: pushes.kline(topic, market, interval, now_ms),
        lambda now_ms: (bar_open(interval, now_ms), market.history.count),
    )


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
    """The feeds of every topic that somebody subscribes to."""

    def __init__(self, markets: Mapping[str, Market], rules: SocketRules) -> None:
        self._markets = markets
        self._rules = rules
        self._feeds: dict[str, Feed] = {}
        self._by_symbol: dict[str, list[Feed]] = {}
        self.shortest_ms: int | None = None
        """The shortest window of all; None when there are no feeds."""

    def open(self, topic: Topic) -> None:
        """Somebody subscribes."""
        feed = self._feeds.get(topic.name)
        if feed is not None:
            feed.restart()
            return
        feed = self._feeds[topic.name] = make_feed(topic, self._markets, self._rules)
        self._by_symbol.setdefault(topic.symbol, []).append(feed)
        self._measure()

    def close(self, topic: Topic) -> None:
        """Nobody subscribes any more."""
        feed = self._feeds.pop(topic.name)
        self._by_symbol[topic.symbol].remove(feed)
        self._measure()

    def on_event(self, event: Event) -> None:
        """Let the feeds that are concerned take note."""
        if isinstance(event, BookEvent):
            for feed in self._by_symbol.get(event.symbol, ()):
                feed.on_book(event)
        elif isinstance(event, TradeEvent):
            for feed in self._by_symbol.get(event.symbol, ()):
                feed.on_trade(event.trade)

    def due(self, now_ms: int) -> Iterator[tuple[Topic, bytes]]:
        """The pushes of every window that has ended."""
        for feed in self._feeds.values():
            window = now_ms // feed.window_ms
            if window == feed.window:
                continue
            feed.window = window
            frame = feed.flush(now_ms)
            if frame is not None:
                yield feed.topic, frame

    def _measure(self) -> None:
        self.shortest_ms = min((feed.window_ms for feed in self._feeds.values()), default=None)
