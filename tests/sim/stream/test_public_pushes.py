"""Public channels: every push agrees with REST and with the exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mexc_async.sim.exchange.bars import DAY
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.matching import Side
from mexc_async.sim.exchange.orders import Order, OrderRequest
from mexc_async.sim.stream.pushes import midnight
from mexc_async.sim.stream.topics import KLINE_INTERVALS, ZONES
from mexc_async.spot import push_models as bodies
from mexc_async.spot.enums import Side as PushSide
from mexc_async.spot.push import Push, decode_push
from tests.support.stream_client import Stage, stage

D = Decimal
BTC = "BTCUSDT"


def channel(kind: str, *parts: str) -> str:
    return "@".join([f"spot@public.{kind}.v3.api.pb", *parts])


def buy(on: Stage, quantity: str, symbol: str = BTC) -> Order:
    request = OrderRequest(symbol=symbol, side="BUY", type="MARKET", quantity=D(quantity))
    return on.exchange.place(on.account, request, on.simulator._now_ms())


def quote(on: Stage, side: Side, price: Decimal, quantity: str, symbol: str = BTC) -> None:
    market = on.exchange.market(symbol)
    on.exchange.quote(
        market, side, price.quantize(market.tick), D(quantity).quantize(market.step), on.simulator._now_ms()
    )


def best(market: Market, side: Side) -> Decimal:
    top = market.top(side)
    assert top is not None
    return top[0]


def body(push: Push[Any], kind: type[Any]) -> Any:
    assert isinstance(push.body, kind), push
    assert push.unknown_fields == 0
    return push.body


def rows(levels: tuple[Any, ...]) -> list[list[str]]:
    return [[level.price_text, level.quantity_text] for level in levels]


@pytest.mark.parametrize("window", ["10ms", "100ms"])
async def test_aggre_deals_are_the_trades_of_the_window(window: str) -> None:
    async with stage() as on:
        stream = await on.connect()
        await stream.subscribe(name := channel("aggre.deals", window, BTC))
        buy(on, "0.5")
        push = await stream.push()
        deals = body(push, bodies.TradesPush).trades
        assert (push.channel, push.symbol) == (name, BTC)
        assert push.body.event_type == channel("aggre.deals", window)
        rest = await on.get("/api/v3/trades", symbol=BTC, limit=len(deals))
        assert len(deals) > 1
        assert [(each.price_text, each.quantity_text, each.time) for each in deals] == [
            (row["price"], row["qty"], row["time"]) for row in reversed(rest)
        ]
        assert {each.side for each in deals} == {PushSide.BUY}
        own = (await on.call("GET", "/api/v3/myTrades", symbol=BTC, limit=1000)).body
        assert [each.trade_id.split("X")[0] for each in deals] == [row["id"].split("X")[0] for row in reversed(own)]
        assert {len(each.trade_id) for each in deals} == {41}


async def test_aggre_depth_covers_every_version_once() -> None:
    async with stage() as on:
        market = on.exchange.market(BTC)
        stream = await on.connect()
        await stream.subscribe(channel("aggre.depth", "100ms", BTC))
        before = market.version
        ask, bid = best(market, "SELL"), best(market, "BUY")
        quote(on, "SELL", ask, "7")
        quote(on, "SELL", ask, "0")
        quote(on, "BUY", bid, "3")
        update = body(await stream.push(), bodies.DepthUpdate)
        assert (update.from_version, update.to_version) == (before + 1, market.version)
        assert market.version == before + 3
        assert rows(update.asks) == [[str(ask), "0"]]
        assert rows(update.bids) == [[str(bid), "3.000000"]]
        assert update.event_type == channel("aggre.depth", "100ms")
        quote(on, "BUY", bid, "2")
        update = body(await stream.push(), bodies.DepthUpdate)
        assert update.from_version == update.to_version == before + 4


async def test_a_book_kept_by_the_rules_is_the_exchanges() -> None:
    async with stage(flow=5) as on:
        market = on.exchange.market(BTC)
        stream = await on.connect()
        await stream.subscribe(channel("aggre.depth", "10ms", BTC))
        queued = [body(await stream.push(), bodies.DepthUpdate)]
        snapshot = await on.get("/api/v3/depth", symbol=BTC, limit=5000)
        version = snapshot["lastUpdateId"]
        assert version >= queued[0].from_version - 1
        book = {side: {D(price): D(size) for price, size in snapshot[side]} for side in ("bids", "asks")}
        applied = 0
        while applied < 30 or version != market.version:
            update = queued.pop() if queued else body(await stream.push(), bodies.DepthUpdate)
            if update.to_version <= version:
                continue
            assert update.from_version <= version + 1
            assert not applied or update.from_version == version + 1
            for side in ("bids", "asks"):
                for level in getattr(update, side):
                    book[side][level.price] = level.quantity
                    if not level.quantity:
                        del book[side][level.price]
            version, applied = update.to_version, applied + 1
            if applied == 30:
                on.simulator._movers.clear()  # the market stands still, and a reader on a busy machine catches up
        assert book["bids"] == dict(market.levels("BUY", 10_000))
        assert book["asks"] == dict(market.levels("SELL", 10_000))


@pytest.mark.parametrize("level", ["5", "10", "20"])
async def test_limit_depth_is_the_top_of_the_rest_book(level: str) -> None:
    async with stage() as on:
        stream = await on.connect()
        await stream.subscribe(channel("limit.depth", BTC, level))
        for _ in range(2):
            top = body(await stream.push(), bodies.DepthSnapshot)
            rest = await on.get("/api/v3/depth", symbol=BTC, limit=level)
            assert (rows(top.bids), rows(top.asks)) == (rest["bids"], rest["asks"])
            assert top.version == rest["lastUpdateId"]
            assert top.event_type == channel("limit.depth")
            buy(on, "0.2")


async def test_the_book_ticker_repeats_itself_and_follows_the_book() -> None:
    async with stage() as on:
        market = on.exchange.market(BTC)
        stream = await on.connect()
        await stream.subscribe(channel("aggre.bookTicker", "10ms", BTC))
        first, second = [await stream.push() for _ in range(2)]
        assert first.body == second.body
        assert second.send_time != first.send_time
        buy(on, "0.1")
        found = (await stream.until(lambda push: push.body != first.body))[-1]
        ticker = body(found, bodies.BookTickerPush)
        rest = await on.get("/api/v3/ticker/bookTicker", symbol=BTC)
        texts = (ticker.bid_price_text, ticker.bid_quantity_text, ticker.ask_price_text, ticker.ask_quantity_text)
        assert texts == (rest["bidPrice"], rest["bidQty"], rest["askPrice"], rest["askQty"])
        assert ticker.version == market.version
        assert ticker.last_order_create_time == market.changed_ms


async def test_an_empty_side_is_blank() -> None:
    async with stage() as on:
        for price in list(on.exchange.market(BTC).house("SELL")):
            quote(on, "SELL", price, "0")
        stream = await on.connect()
        await stream.subscribe(channel("aggre.bookTicker", "10ms", BTC), channel("limit.depth", BTC, "5"))
        for push in await stream.until(lambda push: isinstance(push.body, bodies.DepthSnapshot)):
            if isinstance(push.body, bodies.BookTickerPush):
                assert (push.body.ask_price, push.body.ask_quantity_text) == (None, "")
                assert push.body.bid_price is not None
            else:
                assert rows(body(push, bodies.DepthSnapshot).asks) == []


async def test_a_batch_holds_every_best_price_of_the_window() -> None:
    async with stage() as on:
        market = on.exchange.market(BTC)
        stream = await on.connect()
        await stream.subscribe(channel("bookTicker.batch", BTC))
        (only,) = body(await stream.push(), bodies.BookTickerBatch).items
        assert only.bid_price == best(market, "BUY")
        asks = [best(market, "SELL") - market.tick * step for step in (1, 2, 3)]
        for ask in asks:
            quote(on, "SELL", ask, "1")
        quote(on, "BUY", min(market.house("BUY")), "9")  # far from the top: no new best
        batch = body(await stream.push(), bodies.BookTickerBatch)
        assert [item.ask_price for item in batch.items] == asks
        assert batch.version == market.version


async def test_klines_are_rests() -> None:
    async with stage() as on:
        stream = await on.connect()
        buy(on, "0.05")
        await stream.subscribe(*(channel("kline", BTC, interval) for interval in KLINE_INTERVALS))
        for interval, history in KLINE_INTERVALS.items():
            push = await stream.push()
            bar = body(push, bodies.KlinePush)
            (expected,) = on.exchange.market(BTC).history.bars(history, on.simulator._now_ms(), None, None, 1)
            ends = (expected.open, expected.high, expected.low, expected.close)
            assert (bar.open, bar.high, bar.low, bar.close) == ends
            if interval != "Hour8":
                (row,) = await on.get("/api/v3/klines", symbol=BTC, interval=history, limit=1)
                texts = [bar.open_text, bar.high_text, bar.low_text, bar.close_text, bar.volume_text]
                assert [bar.open_time, *texts, bar.close_time, bar.quote_volume_text] == row
            name = channel("kline", BTC, interval)
            assert (push.channel, bar.interval, push.symbol, push.send_time) == (name, interval, BTC, None)
            assert push.create_time is not None
            assert len(push.symbol_id or "") == 32


async def test_klines_come_when_something_changed() -> None:
    async with stage() as on:
        stream, ticks = await on.connect(), await on.connect()
        await stream.subscribe(channel("kline", BTC, "Day1"))
        volume = body(await stream.push(), bodies.KlinePush).volume
        await ticks.subscribe(channel("aggre.bookTicker", "10ms", BTC))
        bought = buy(on, "0.05").executed
        assert body(await stream.push(), bodies.KlinePush).volume == volume + bought


async def test_mini_tickers_are_rests_days() -> None:
    async with stage() as on:
        buy(on, "0.05")
        stream = await on.connect()
        await stream.subscribe(*(channel("miniTicker", BTC, zone) for zone in ZONES))
        rest = await on.get("/api/v3/ticker/24hr", symbol=BTC)
        for zone in ZONES:
            push = await stream.push()
            day = body(push, bodies.MiniTicker)
            assert (push.channel, push.symbol) == (channel("miniTicker", BTC, zone), BTC)
            texts = (day.price_text, day.high_text, day.low_text, day.quote_volume_text, day.volume_text)
            assert texts == tuple(
                rest[name] for name in ("lastPrice", "highPrice", "lowPrice", "quoteVolume", "volume")
            )
            if zone == "24H":
                assert day.zoned_rate == D(rest["priceChangePercent"]).quantize(D("0.0001"))
            if zone == "UTC+8":
                assert day.zoned_rate == day.rate


async def test_all_mini_tickers_hold_each_symbols() -> None:
    async with stage() as on:
        stream = await on.connect()
        await stream.subscribe(channel("miniTicker", BTC, "UTC+9"), channel("miniTickers", "UTC+9"))
        one, every = [await stream.push() for _ in range(2)]
        items = body(every, bodies.MiniTickers).items
        assert one.body in items
        assert [item.symbol for item in items] == [row["symbol"] for row in await on.get("/api/v3/ticker/24hr")]
        assert (every.channel, every.symbol) == (channel("miniTickers", "UTC+9"), None)


def test_a_zones_day_begins_at_its_midnight() -> None:
    noon = 1_700_000_000_000 // DAY * DAY + DAY // 2
    hour = DAY // 24
    assert midnight("UTC+0", noon) == noon - 12 * hour
    assert midnight("UTC+8", noon) == noon - 20 * hour
    assert midnight("UTC-3", noon) == noon - 9 * hour
    assert midnight("UTC+12:45", noon) == noon - hour * 3 // 4
    assert midnight("UTC+5:30", noon) == noon - 17 * hour - hour // 2


async def test_the_older_channels_tell_the_same() -> None:
    async with stage() as on:
        market = on.exchange.market(BTC)
        stream = await on.connect()
        await stream.subscribe(channel("deals", BTC))
        await stream.subscribe(channel("bookTicker", BTC))
        await stream.subscribe(channel("increase.depth.batch", BTC))
        before = market.version
        assert body(await stream.push(), bodies.BookTickerItem).bid_price == best(market, "BUY")
        buy(on, "0.2")
        quote(on, "BUY", best(market, "BUY"), "5")
        found = {type(push.body): push.body for push in [await stream.push() for _ in range(3)]}
        deals: Any = found[bodies.LegacyTrades]
        assert sum(each.quantity for each in deals.trades) == D("0.2")
        changes: Any = found[bodies.LegacyDepthUpdates]
        assert [each.version for each in changes.items] == [before + 1, before + 2]
        ticker: Any = found[bodies.BookTickerItem]
        assert (ticker.ask_price, ticker.bid_quantity) == (best(market, "SELL"), D(5))


async def test_windows_end_at_their_multiples_and_sockets_share_the_bytes() -> None:
    async with stage(flow=20) as on:
        first, second = await on.connect(), await on.connect()
        name = channel("aggre.depth", "100ms", BTC)
        await first.subscribe(name)
        await second.subscribe(name)
        frames = [await first.frame() for _ in range(4)]
        same = [await second.frame() for _ in range(3)]
        assert same[-1] in frames
        sent = [decode_push(frame).send_time for frame in frames]
        windows = [(at or 0) // 100 for at in sent]
        assert len(set(windows)) == 4
        assert [push.create_time for push in map(decode_push, frames)] == [None] * 4


async def test_a_later_socket_is_shown_the_state_as_well() -> None:
    async with stage() as on:
        first, second = await on.connect(), await on.connect()
        name = channel("limit.depth", BTC, "5")
        await first.subscribe(name)
        await first.push()
        await second.subscribe(name)
        assert body(await second.push(), bodies.DepthSnapshot)


async def test_nothing_is_gathered_that_nobody_reads() -> None:
    async with stage() as on:
        stream = await on.connect()
        name = channel("aggre.deals", "10ms", BTC)
        await stream.subscribe(name)
        shortest = [on.simulator.sockets.shortest_ms]
        await stream.request("UNSUBSCRIPTION", name)
        assert [*shortest, on.simulator.sockets.shortest_ms] == [10, None]
        assert not on.exchange._subscribers
        buy(on, "0.01")
        assert (await stream.request("PING"))["msg"] == "PONG"
        assert stream.frames == []
