"""Live books against the simulator: in sync, or reporting that they are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mexc_async.books.live_book import LiveBook
from mexc_async.books.sync import SyncState
from mexc_async.errors import BookNotSynced, ClientClosed, InvalidRequest, SubscriptionRefused
from mexc_async.rest.events import RequestDone
from mexc_async.rest.retry import RetryPolicy
from mexc_async.sim.faults.faults import Fault, Kind
from mexc_async.sim.market.tape import read_tape
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.spot import channels
from mexc_async.spot.models import Level
from mexc_async.spot.push import Push, encode_push
from mexc_async.spot.push_models import DepthUpdate
from mexc_async.streams.router import _channel_of
from mexc_async.streams.session import Timing
from tests.support.raw_server import Arrival, RawServer, Way, answer
from tests.support.streams import BINARY, QUICK, Script, Told, client, frame, nothing_left, sim_client, until

TAPE = Path(__file__).resolve().parents[3] / "shared" / "data" / "book-tape.jsonl.gz"
DEPTH = "*aggre.depth*"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with nothing_left(), Simulator(SimConfig(limits="none", flow=20)) as simulator:
        yield simulator


def freeze(sim: Simulator) -> None:
    """Let the market stand still; later changes are still pushed."""
    sim._movers.clear()


def is_same(sim: Simulator, book: LiveBook[Decimal]) -> bool:
    """Return True if a book equals the simulator's, level by level."""
    market = sim.exchange.markets[book.symbol]
    if not book.is_synced or book.version != market.version:
        return False
    bids = [(level.price, level.quantity) for level in book.bids()]
    asks = [(level.price, level.quantity) for level in book.asks()]
    assert (bids, asks) == (market.levels("BUY", 5000), market.levels("SELL", 5000))
    return True


async def test_a_synced_book_is_that_of_rest(sim: Simulator) -> None:
    async with sim_client(sim) as mexc, mexc.books("BTCUSDT", interval="10ms") as book:
        await asyncio.wait_for(book.synced(), 30)
        first = book.version
        while book.version < first + 20:
            await asyncio.wait_for(book.changed(), 5)
        freeze(sim)
        depth = await mexc.spot.depth(symbol="BTCUSDT", limit=5000)
        await until(lambda: book.version == depth.last_update_id)
        assert [(level.price, level.quantity) for level in depth.bids] == [(p, q) for p, q, *_ in book.bids()]
        assert [(level.price, level.quantity) for level in depth.asks] == [(p, q) for p, q, *_ in book.asks()]
        assert is_same(sim, book)
        best_bid, best_ask = book.best_bid, book.best_ask
        assert best_bid is not None
        assert best_ask is not None
        assert (best_bid, best_ask) == (book.bids(1)[0], book.asks(1)[0])
        assert book.spread == best_ask.price - best_bid.price
        assert book.mid == (best_ask.price + best_bid.price) / 2
        assert book.vwap("BUY", best_ask.quantity).price == best_ask.price
        assert book.age_ms < 5000
        assert book.lag_ms is not None
        assert book.counts.resyncs == 0
        assert "synced" in repr(book)


async def test_a_stream_of_the_same_channel_gets_levels_as_structs(sim: Simulator) -> None:
    """A book alone may take levels as sent; other consumers of its channel get them decoded."""
    async with sim_client(sim) as mexc, mexc.books("BTCUSDT", interval="10ms") as book:
        await asyncio.wait_for(book.synced(), 30)
        assert mexc._router._packed == {channels.depth("BTCUSDT", "10ms").encode()}
        async with mexc.streams.depth("BTCUSDT", interval="10ms") as stream:
            assert not mexc._router._packed
            for _ in range(5):
                update = (await asyncio.wait_for(anext(stream), 30)).body
                assert (type(update.asks), type(update.bids)) == (tuple, tuple)
                assert {type(level) for level in (*update.asks, *update.bids)} == {Level}
        assert mexc._router._packed
        freeze(sim)
        await until(lambda: is_same(sim, book))
        assert book.counts.resyncs == 0
    assert not mexc._router._packed


def test_a_frame_tells_its_channel() -> None:
    for channel in ("", "spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT"):
        push = Push(channel=channel, body=DepthUpdate((), (), "1", "2"))
        assert _channel_of(encode_push(push)) == channel.encode() or not channel
    for short in (b"", b"\x0a", b"\x0a\xff"):
        assert _channel_of(short) == b""


@pytest.mark.parametrize(
    ("kind", "resyncs"),
    [("skip", True), ("reorder", True), ("corrupt", True), ("duplicate", False), ("delay", False)],
)
async def test_a_faulty_push_never_makes_a_wrong_book(sim: Simulator, kind: Kind, resyncs: bool) -> None:
    async with sim_client(sim) as mexc, mexc.books("BTCUSDT", interval="10ms") as book:
        await asyncio.wait_for(book.synced(), 30)
        refused: list[str] = []

        async def read() -> None:
            while True:
                await book.changed()
                try:
                    _ = book.best_bid
                except BookNotSynced as error:
                    refused.append(error.message)

        reading = asyncio.create_task(read())
        for _ in range(3):
            before = book.counts.resyncs
            sim.inject(Fault(kind=kind, on=DEPTH, chance=0.5, delay_ms=100))
            await until(lambda: any(count.struck for count in sim.fault_counts()))
            if resyncs:  # the lost push may be in the snapshot already, so one strike may not do
                await until(lambda before=before: book.counts.resyncs > before)  # type: ignore[misc]  # the loop's own
                sim.clear_faults()
            sim.clear_faults()
            await asyncio.wait_for(book.synced(), 30)
        version = sim.exchange.markets[book.symbol].version
        await until(lambda: book.is_synced and book.version > version + 2)  # a push held back goes out behind the next
        freeze(sim)
        await until(lambda: is_same(sim, book))
        reading.cancel()
        assert bool(refused) is resyncs
        assert all(message.startswith("BTCUSDT is resyncing") for message in refused)
        assert bool(book.counts.resyncs) is resyncs
        assert bool(mexc.streams.bad_frames) is (kind == "corrupt")


@pytest.mark.parametrize("kind", ["drop", "half_open"])
async def test_a_lost_socket_is_never_read_over(sim: Simulator, kind: Kind) -> None:
    async with sim_client(sim, timing=QUICK) as mexc, mexc.books("BTCUSDT") as book:
        told = Told(mexc)
        await asyncio.wait_for(book.synced(), 30)
        assert sim.inject(Fault(kind=kind, now=True)) == 1
        while book.is_synced:
            await asyncio.wait_for(book.changed(), 5)
        with pytest.raises(BookNotSynced, match="BTCUSDT is connecting: disconnected"):
            book.bids(1)
        await asyncio.wait_for(book.synced(), 30)
        freeze(sim)
        await until(lambda: is_same(sim, book))
        assert told.states()[-3:] == ["gap", "connected", "resubscribed"]


async def test_a_book_outlives_the_move_to_a_new_socket(sim: Simulator) -> None:
    timing = Timing(ping_s=5.0, silence_s=5.0, ack_s=5.0, lifetime_s=0.4, retry_s=0.02)
    async with sim_client(sim, timing=timing) as mexc, mexc.books("BTCUSDT", interval="10ms") as book:
        told = Told(mexc)
        await asyncio.wait_for(book.synced(), 30)
        await until(lambda: told.count("moved") >= 3)
        freeze(sim)
        await until(lambda: is_same(sim, book))
        assert book.counts.resyncs == 0
        assert told.count("gap") == 0


async def test_a_book_lives_on_when_the_old_socket_dies_in_the_move(sim: Simulator) -> None:
    """Reads meanwhile are refused, and the book resyncs without another loss."""
    timing = Timing(ping_s=5.0, silence_s=5.0, ack_s=5.0, lifetime_s=0.4, retry_s=0.02)
    async with sim_client(sim, timing=timing) as mexc, mexc.books("BTCUSDT") as book:
        await asyncio.wait_for(book.synced(), 30)
        snapshots: list[str] = []
        mexc.hooks.add(lambda event: snapshots.append(event.path) if isinstance(event, RequestDone) else None)
        kept = mexc._router._shards[0].kept
        await until(lambda: kept._next is not None)
        kept.reconnect()
        await until(lambda: not book.is_synced or snapshots)  # it may be back sooner than one could look
        await asyncio.wait_for(book.synced(), 30)
        freeze(sim)
        await until(lambda: is_same(sim, book))


async def test_several_books_as_decimals_and_floats(sim: Simulator) -> None:
    symbols = sorted(sim.exchange.markets)[:6]
    async with sim_client(sim) as mexc:
        books = [mexc.books(symbol) for symbol in symbols if sim.exchange.markets[symbol].rules.status == "1"]
        assert len(books) >= 4
        for book in books:
            await book.__aenter__()
        async with mexc.books(books[0].symbol, numbers="float") as light:
            await asyncio.wait_for(asyncio.gather(light.synced(), *(book.synced() for book in books)), 5)
            freeze(sim)
            for book in books:
                await until(lambda book=book: is_same(sim, book))  # type: ignore[misc]  # the loop's own
            await until(lambda: light.version == books[0].version)
            exact, rough = books[0].best_bid, light.best_bid
            assert exact is not None
            assert rough is not None
            assert type(rough.price) is float
            assert rough.price == float(exact.price)
            assert len(mexc._router._shards) == 1
        for book in books:
            await book.aclose()


async def test_waiting_ends_with_the_book(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        book = mexc.books("BTCUSDT")
        with pytest.raises(BookNotSynced, match="connecting"):
            _ = book.mid
        async with book:
            await asyncio.wait_for(book.synced(), 30)
            freeze(sim)
            await until(lambda: is_same(sim, book))  # the last change has arrived, and no other comes
            waiting = asyncio.create_task(book.changed())
            cancelled = asyncio.create_task(book.changed())
            await until(lambda: len(book._changes) == 2)
            cancelled.cancel()
            await book.aclose()
            await book.aclose()
            with pytest.raises(ClientClosed, match="was closed"):
                await waiting
        with pytest.raises(BookNotSynced):
            _ = book.best_ask
        with pytest.raises(ClientClosed):
            await book.synced()
        assert len(sim.sockets) <= 1


async def test_a_closed_client_ends_its_books(sim: Simulator) -> None:
    mexc = sim_client(sim)
    async with mexc:
        book = await mexc.books("BTCUSDT").__aenter__()
        waiting = asyncio.create_task(book.changed())
        await asyncio.wait_for(book.synced(), 30)
    freeze(sim)
    with pytest.raises(ClientClosed):
        await asyncio.wait_for(asyncio.gather(waiting, book.changed()), 5)
    with pytest.raises(BookNotSynced):
        book.bids()


async def test_an_unknown_symbol_is_refused_by_name(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        with pytest.raises(SubscriptionRefused, match="NOPEUSDT") as caught:
            async with mexc.books("NOPEUSDT"):
                pass
        assert caught.value.channels == ("spot@public.aggre.depth.v3.api.pb@100ms@NOPEUSDT",)
        with pytest.raises(InvalidRequest, match="fraction"):
            mexc.books("BTCUSDT", numbers="fraction")  # type: ignore[call-overload]  # what is refused


async def test_several_books_in_one_call(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        async with mexc.books(["ETHUSDT", "BTCUSDT", "ETHUSDT"], interval="10ms") as books:
            await asyncio.wait_for(books.synced(), 5)
            assert (list(books), len(books)) == (["ETHUSDT", "BTCUSDT"], 2)
            freeze(sim)
            for book in books.values():
                await until(lambda book=book: is_same(sim, book))  # type: ignore[misc]  # the loop's own
        assert {book.state for book in books.values()} == {SyncState.CONNECTING}
        with pytest.raises(SubscriptionRefused) as caught:  # a call that is refused in part leaves nothing behind
            async with mexc.books(("BTCUSDT", "NOPEUSDT", "NADAUSDT")):
                pass
        assert [name.split("@")[-1] for name in caught.value.channels] == ["NOPEUSDT", "NADAUSDT"]
        await until(lambda: len(sim.sockets) == 0)


async def test_options_of_books_are_checked(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        for wrong, word in (
            ({"priority": "high"}, "priority 'high'"),
            ({"levels": 0}, "limit"),
            ({"interval": "@"}, "@"),
        ):
            with pytest.raises(InvalidRequest, match=word):
                mexc.books("BTCUSDT", **wrong)
        nothing: list[Any] = [[], None, 5, ["BTCUSDT", 5]]
        for symbols in nothing:
            with pytest.raises(InvalidRequest, match="symbol"):
                mexc.books(symbols)
        with pytest.raises(InvalidRequest):
            mexc.books("")
        with pytest.raises(TypeError):
            mexc.books("BTCUSDT", depth=5)  # type: ignore[call-overload]  # what is refused


async def test_a_resync_goes_ahead_of_other_market_data() -> None:
    """Snapshots of new books wait for the budget; the resync of a book does not wait behind them."""
    async with nothing_left(), Simulator(SimConfig(limits="none", flow=20)) as sim:
        symbols = [name for name, market in sim.exchange.markets.items() if market.rules.status == "1"]
        async with sim_client(sim, limits="conservative") as mexc, mexc.books(symbols[0], interval="10ms") as book:
            await asyncio.wait_for(book.synced(), 30)
            crowd = [asyncio.create_task(mexc.spot.depth(symbol=symbols[1], limit=5 + n)) for n in range(60)]
            await asyncio.sleep(0)
            sim.inject(Fault(kind="skip", on=DEPTH, times=1))
            await until(lambda: book.counts.resyncs == 1)
            await asyncio.wait_for(book.synced(), 30)
            waiting = sum(not task.done() for task in crowd)
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
            assert waiting > 10


async def test_a_snapshot_that_cannot_be_had_is_asked_for_again(sim: Simulator) -> None:
    async with client(sim.spot_ws, sim.rest, retry=RetryPolicy(budget_s=0)) as mexc:
        sim.inject(Fault(kind="reset", on="depth"))
        book = await mexc.books("BTCUSDT").open()
        await until(lambda: book.counts.snapshots >= 3)
        assert book.state is SyncState.SYNCING
        with pytest.raises(BookNotSynced):
            _ = book.mid
        sim.clear_faults()
        await asyncio.wait_for(book.synced(), 10)


async def test_a_book_joins_a_stream_that_begins_right_behind_its_snapshot() -> None:
    """A snapshot with a level that cannot be read is refused as well."""
    channel = channels.depth("BTCUSDT")
    bodies = [b'[["99","1"],["98",null]]', b'[["99","1"],["98","2"]]']

    async def depth(arrival: Arrival, way: Way) -> bool:
        await until(lambda: book._sync._queue)
        levels = bodies.pop(0) if len(bodies) > 1 else bodies[0]
        return await answer(b'{"lastUpdateId":10,"bids":%b,"asks":[["101","1"]]}' % levels)(arrival, way)

    async with (
        nothing_left(),
        Script() as script,
        RawServer(depth) as raw,
        client(script.url, raw.url, retry=RetryPolicy(budget_s=0)) as mexc,
        mexc.books("BTCUSDT") as book,
    ):
        update = DepthUpdate((Level("101", "0"), Level("102", "4")), (Level("99", "3"),), "11", "12")
        script.last.raw(frame(BINARY, encode_push(Push(channel=channel, body=update, symbol="BTCUSDT"))))
        await asyncio.wait_for(book.synced(), 10)
        assert (book.version, book.counts.snapshots, book.counts.stale) == (12, 2, 0)
        assert [tuple(map(int, level[:2])) for level in book.bids()] == [(99, 3), (98, 2)]
        assert [tuple(map(int, level[:2])) for level in book.asks()] == [(102, 4)]


@pytest.mark.skipif(not TAPE.exists(), reason="the recorded market is not here")
async def test_the_recorded_market_ends_in_the_same_books() -> None:
    config = SimConfig(limits="none", tape=TAPE, loop_tape=False, flow=0)
    async with nothing_left(), Simulator(config) as sim:
        player, tape = sim._movers[-1], read_tape(TAPE)
        symbols = [rules.symbol for rules in tape.rules]
        freeze(sim)
        async with sim_client(sim) as mexc:
            books = [await mexc.books(symbol, interval="10ms").__aenter__() for symbol in symbols]
            await asyncio.wait_for(asyncio.gather(*(book.synced() for book in books)), 10)
            now = sim._now_ms()
            length = max(message.ts_ms for message in tape.messages) - tape.messages[0].ts_ms
            for step in range(200):
                player.advance(now + length * (step + 1) // 200)
                await asyncio.sleep(0.005)
            for book in books:
                await until(lambda book=book: is_same(sim, book))  # type: ignore[misc]  # the loop's own
                assert book.counts.resyncs == 0
                assert len(book.bids()) > 10
                await book.aclose()
