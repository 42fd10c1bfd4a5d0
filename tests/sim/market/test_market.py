"""The background market and its history."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.exchange.bars import DAY, INTERVALS, MINUTE, Bar, bar_close, bar_open
from mexc_async.sim.exchange.events import BookEvent, Event, OrderEvent, TradeEvent
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.history import History, Trade
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.exchange.symbols import ONLINE, SEEDED, SymbolFilters
from mexc_async.sim.market.liquidity import LEVELS, Liquidity
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from tests.support.naive_client import NaiveClient

NOW = 1_700_000_000_000
BTC, PEPE = SEEDED[0], SEEDED[8]
SYMBOLS = [rules.symbol for rules in SEEDED]


def run(seed: int, step_ms: int, flow: float = 1.0) -> list[Event]:
    exchange = Exchange(SEEDED, seed=seed, now_ms=NOW)
    events: list[Event] = []
    exchange.subscribe(events.append)
    liquidity = Liquidity(exchange, SYMBOLS, seed=seed, now_ms=NOW, flow=flow)
    for now_ms in range(NOW, NOW + 4001, step_ms):
        liquidity.advance(now_ms)
    return events


def test_the_same_seed_gives_the_same_market_however_it_is_looked_at() -> None:
    first, second = run(7, 50), run(7, 1000)
    assert first == second
    assert any(isinstance(event, TradeEvent) for event in first)
    assert run(8, 50) != first


def test_versions_count_up_by_one() -> None:
    versions = [event.version for event in run(7, 100) if isinstance(event, BookEvent) and event.symbol == "BTCUSDT"]
    assert versions == list(range(versions[0], versions[0] + len(versions)))


def test_levels_can_be_followed_from_the_events() -> None:
    exchange = Exchange([BTC], seed=3, now_ms=NOW)
    seen: dict[str, dict[Decimal, Decimal]] = {"BUY": {}, "SELL": {}}

    def follow(event: Event) -> None:
        if isinstance(event, BookEvent):
            for side, levels in (("BUY", event.bids), ("SELL", event.asks)):
                for price, quantity in levels:
                    seen[side][price] = quantity
                    if not quantity:
                        del seen[side][price]

    exchange.subscribe(follow)
    liquidity = Liquidity(exchange, ["BTCUSDT"], seed=3, now_ms=NOW, flow=20)
    liquidity.advance(NOW + 5000)
    market = exchange.market("BTCUSDT")
    assert dict(market.levels("BUY", 10_000)) == seen["BUY"]
    assert dict(market.levels("SELL", 10_000)) == seen["SELL"]
    assert LEVELS * 0.7 < len(seen["BUY"]) < LEVELS * 1.3


def test_exchanges_of_one_seed_open_with_the_same_books_and_share_none() -> None:
    first, second = (Exchange([BTC], seed=3, now_ms=NOW) for _ in range(2))
    Liquidity(first, ["BTCUSDT"], seed=3, now_ms=NOW)
    market = first.market("BTCUSDT")
    opened = market.levels("BUY", 10_000)
    first.take(market, "SELL", opened[5][0], Decimal(10**6), NOW)
    assert market.levels("BUY", 10_000) == opened[6:]
    Liquidity(second, ["BTCUSDT"], seed=3, now_ms=NOW)
    assert second.market("BTCUSDT").levels("BUY", 10_000) == opened


def test_a_subscriber_can_leave() -> None:
    exchange = Exchange([BTC], seed=3, now_ms=NOW)
    events: list[Event] = []
    exchange.subscribe(events.append)()
    Liquidity(exchange, ["BTCUSDT"], seed=3, now_ms=NOW)
    assert events == []


def test_the_market_comes_to_users_orders() -> None:
    exchange = Exchange([BTC], seed=5, now_ms=NOW)
    account = exchange.open_account(AccountSpec(name="a", api_key="k", api_secret="s"), NOW)
    liquidity = Liquidity(exchange, ["BTCUSDT"], seed=5, now_ms=NOW, flow=10)
    events: list[Event] = []
    exchange.subscribe(events.append)
    market = exchange.market("BTCUSDT")
    best = market.book.bids.best() or Decimal(0)
    request = OrderRequest(
        symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=Decimal("0.00002"), price=best + market.tick
    )
    order = exchange.place(account, request, NOW)
    liquidity.advance(NOW + 20_000)
    assert order.status == "FILLED"
    assert next(event.status for event in events if isinstance(event, OrderEvent)) == "NEW"
    assert account.trades[-1].is_maker


def test_a_long_pause_is_not_caught_up_with_for_ever() -> None:
    exchange = Exchange([BTC], seed=5, now_ms=NOW)
    liquidity = Liquidity(exchange, ["BTCUSDT"], seed=5, now_ms=NOW)
    liquidity.advance(NOW + 30 * DAY)
    before = exchange.market("BTCUSDT").version
    liquidity.advance(NOW + 30 * DAY)
    assert exchange.market("BTCUSDT").version == before


@pytest.mark.parametrize("interval", INTERVALS)
def test_klines_are_continuous_and_end_now(interval: str) -> None:
    history = History(PEPE, "1", NOW)
    history.record(Trade(1, Decimal("0.0000120000"), Decimal(100), NOW + 70_000, True))
    now_ms = NOW + 3 * MINUTE
    bars = history.bars(interval, now_ms, None, None, 500)
    assert bars[-1].open_ms == bar_open(interval, now_ms)
    assert bars[-1].close == Decimal("0.0000120000")
    for earlier, later in pairwise(bars):
        assert bar_close(interval, earlier.open_ms) == later.open_ms
        assert earlier.low <= min(earlier.open, earlier.close) <= max(earlier.open, earlier.close) <= earlier.high
    assert len(bars) == min(500, len(history.bars(interval, now_ms, 0, None, 10**6)))
    start = bars[10].open_ms
    assert [bar.open_ms for bar in history.bars(interval, now_ms, start, None, 3)] == [
        bar.open_ms for bar in bars[10:13]
    ]
    assert history.bars(interval, now_ms, None, start, 2)[-1].open_ms == start


def bars_since(history: History, interval: str, start_ms: int, end_ms: int) -> list[Bar]:
    """Read bars page by page."""
    bars: list[Bar] = []
    while page := history.bars(interval, NOW, start_ms, end_ms, 500):
        bars += page
        start_ms = page[-1].open_ms + 1
    return bars


@pytest.mark.parametrize("interval", ["1m", "5m", "1d"])
@pytest.mark.parametrize("limit", [1, 2, 29, 30, 31, 60, 500])
def test_the_last_bars_are_the_end_of_all(interval: str, limit: int) -> None:
    history = History(BTC, "7", NOW)
    for minute in range(45):
        history.record(Trade(minute, BTC.start_price + minute % 7, Decimal("0.1"), NOW + minute * MINUTE, False))
        end_ms = NOW + minute * MINUTE
        found = history.bars(interval, end_ms, None, None, limit)
        every = history.bars(interval, end_ms, None, end_ms, 500)
        assert [(bar.open_ms, bar.close, bar.volume) for bar in found] == [
            (bar.open_ms, bar.close, bar.volume) for bar in every[-limit:]
        ]


@pytest.mark.parametrize("interval", INTERVALS)
def test_history_reaches_back_a_year(interval: str) -> None:
    bars = History(PEPE, "1", NOW).bars(interval, NOW, NOW - 365 * DAY, None, 3)
    assert bars[0].open_ms <= NOW - 365 * DAY + bar_close(interval, 0)
    assert all(bar.volume > 0 for bar in bars)


@pytest.mark.parametrize("rules", [BTC, PEPE], ids=["BTC", "PEPE"])
@pytest.mark.parametrize(("first_ms", "days"), [(NOW - 300 * DAY, 2), (NOW - 2 * DAY, 3)], ids=["old", "new"])
def test_long_bars_are_made_of_the_short_ones(rules: SymbolFilters, first_ms: int, days: int) -> None:
    history = History(rules, "1", NOW)
    first_ms = bar_open("1d", first_ms)
    history.record(Trade(1, rules.start_price * 2, Decimal(3), NOW, True))
    minutes = bars_since(history, "1m", first_ms, first_ms + days * DAY - 1)
    for interval in ("5m", "15m", "30m", "60m", "4h", "8h", "1d"):
        made: dict[int, list[Bar]] = {}
        for bar in minutes:
            made.setdefault(bar_open(interval, bar.open_ms), []).append(bar)
        bars = bars_since(history, interval, first_ms, first_ms + days * DAY - 1)
        assert [bar.open_ms for bar in bars] == list(made)
        for bar, parts in zip(bars, made.values(), strict=True):
            assert (bar.open, bar.close) == (parts[0].open, parts[-1].close)
            assert (bar.high, bar.low) == (max(part.high for part in parts), min(part.low for part in parts))
            assert (bar.volume, bar.value) == (sum(part.volume for part in parts), sum(part.value for part in parts))
            assert bar.low <= bar.value / bar.volume <= bar.high


def test_months_are_made_of_days() -> None:
    history = History(BTC, "1", NOW)
    days = history.bars("1d", NOW, None, None, 500)
    for month in history.bars("1M", NOW, None, None, 20):
        parts = [day for day in days if bar_open("1M", day.open_ms) == month.open_ms]
        assert month.volume == sum(day.volume for day in parts)
        assert (month.open, month.close) == (parts[0].open, parts[-1].close)


def test_the_same_seed_gives_the_same_history_in_whatever_order_it_is_read() -> None:
    def read(history: History, intervals: list[str]) -> dict[str, list[tuple[Decimal, ...]]]:
        return {
            interval: [
                (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.value)
                for bar in history.bars(interval, NOW, NOW - 200 * DAY, None, 50)
            ]
            for interval in intervals
        }

    first = read(History(BTC, "1", NOW), ["1m", "60m", "1d"])
    assert read(History(BTC, "1", NOW), ["1d", "1m", "60m"]) == first
    assert read(History(BTC, "2", NOW), ["1m", "60m", "1d"]) != first


def test_past_trades_make_up_the_past_bars() -> None:
    history = History(BTC, "1", NOW)
    trades = history.trades(1000)
    assert [trade.time_ms for trade in trades] == sorted((trade.time_ms for trade in trades), reverse=True)
    bar = history.bars("1m", NOW, None, None, 3)[0]
    own = history.trades_between(bar.open_ms, bar.open_ms + MINUTE - 1, 1000)
    assert sum(trade.quantity for trade in own) == bar.volume
    assert sum(trade.value for trade in own) == bar.value
    assert {bar.high, bar.low, bar.open, bar.close} <= {trade.price for trade in own}


def test_the_day_counts_the_running_minute() -> None:
    history = History(BTC, "1", NOW)
    before = history.day(NOW)
    minutes = bars_since(history, "1m", bar_open("1m", NOW) - DAY + MINUTE, NOW)
    assert before.volume == sum(bar.volume for bar in minutes)
    assert (before.open, before.high) == (minutes[0].open, max(bar.high for bar in minutes))
    history.record(Trade(1, before.high * 2, Decimal(1), NOW + 1, False))
    after = history.day(NOW + 2)
    assert (after.high, after.volume) == (before.high * 2, before.volume + 1)
    assert history.average(NOW + 2, 5) > before.low


@pytest.fixture(scope="module")
def client() -> Iterator[NaiveClient]:
    with BackgroundSimulator(SimConfig(limits="none")) as simulator:
        client = NaiveClient(simulator.rest, simulator.api_key, simulator.api_secret)
        yield client
        client.close()


@pytest.mark.parametrize("symbol", [rules.symbol for rules in SEEDED if rules.status == ONLINE])
def test_every_symbol_has_a_full_screen(client: NaiveClient, symbol: str) -> None:
    depth = client.get("/api/v3/depth", symbol=symbol, limit=50).body
    bids = [Decimal(price) for price, _ in depth["bids"]]
    asks = [Decimal(price) for price, _ in depth["asks"]]
    assert len(bids) == len(asks) == 50
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert len(client.get("/api/v3/klines", symbol=symbol, interval="1m").body) == 500
    assert len(client.get("/api/v3/trades", symbol=symbol, limit=100).body) == 100
    average = Decimal(client.get("/api/v3/avgPrice", symbol=symbol).body["price"])
    last = Decimal(client.get("/api/v3/ticker/price", symbol=symbol).body["price"])
    assert abs(average / last - 1) < Decimal("0.02")


def test_agg_trades_take_at_most_an_hour(client: NaiveClient) -> None:
    path, now = "/api/v3/aggTrades", client.get("/api/v3/time").body["serverTime"]
    rows = client.get(path, symbol="BTCUSDT", startTime=now - 600_000, endTime=now).body
    assert rows
    assert all(row["T"] % 1000 == 0 and row["T"] >= now - 601_000 for row in rows)
    assert client.get(path, symbol="BTCUSDT", startTime=now - 3_600_001, endTime=now).code == -1127
    assert client.get(path, symbol="BTCUSDT", startTime=now).code == -1128
    assert client.get(path, symbol="BTCUSDT", startTime=now, endTime=now - 1).code == -1128


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("/api/v3/depth", {}, 700004),
        ("/api/v3/depth", {"symbol": "NOSUCH"}, -1121),
        ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "-5"}, 700008),
        ("/api/v3/klines", {"symbol": "BTCUSDT"}, 700004),
        ("/api/v3/klines", {"symbol": "BTCUSDT", "interval": "1h"}, -1121),
        ("/api/v3/klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": 2, "endTime": 1}, -1128),
        ("/api/v3/etf/info", {"symbol": "SOL3LUSDT"}, -1121),
        ("/api/v3/exchangeInfo", {"symbols": "BTCUSDT,NOSUCH"}, -1121),
    ],
)
def test_bad_market_requests(client: NaiveClient, path: str, parameters: dict[str, object], code: int) -> None:
    reply = client.get(path, **parameters)
    assert (reply.status, reply.code) == (400, code)


@pytest.mark.parametrize("path", ["/api/v3/ticker/24hr", "/api/v3/ticker/price", "/api/v3/ticker/bookTicker"])
def test_one_symbol_or_all(client: NaiveClient, path: str) -> None:
    assert client.get(path, symbol="ETHUSDT").body["symbol"] == "ETHUSDT"
    assert len(client.get(path).body) == 14


def test_prices_of_several_symbols(client: NaiveClient) -> None:
    rows = client.get("/api/v3/ticker/price", symbols="MXUSDT,BTCUSDT").body
    assert [row["symbol"] for row in rows] == ["MXUSDT", "BTCUSDT"]
    assert client.get("/api/v3/ticker/price", symbols="MXUSDT,NOSUCH").code == -1121


def test_exchange_info_can_be_narrowed(client: NaiveClient) -> None:
    path = "/api/v3/exchangeInfo"
    assert len(client.get(path).body["symbols"]) == len(SEEDED)
    assert [row["symbol"] for row in client.get(path, symbols="MXUSDT,BTCUSDT").body["symbols"]] == [
        "MXUSDT",
        "BTCUSDT",
    ]
