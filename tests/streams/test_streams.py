"""`mexc.streams` against the simulator and a scripted server: sharing, leaving, overflow, refusals, many symbols."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Network, Prepared
from mexc_async.errors import ClientClosed, ConnectionLost, InvalidRequest, StreamOverflow, SubscriptionRefused
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.sim.stream.socket_lifetime import SocketRules
from mexc_async.spot.push_models import (
    BookTickerBatch,
    BookTickerPush,
    DepthSnapshot,
    DepthUpdate,
    KlinePush,
    MiniTicker,
    MiniTickers,
    TradesPush,
)
from mexc_async.streams.events import BadFrame
from mexc_async.streams.streams import Stream
from mexc_async.streams.websocket import Listener, Socket, SocketConfig, connect
from tests.support.streams import Script, Told, acknowledgement, client, nothing_left, sim_client, until

BTC = "spot@public.limit.depth.v3.api.pb@BTCUSDT@20"
QUICK_RULES = SocketRules(kline_ms=50, mini_ticker_ms=50)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with nothing_left(), Simulator(SimConfig(limits="none", flow=20, sockets=QUICK_RULES)) as simulator:
        yield simulator


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    async with nothing_left(), Script() as server:
        yield server


@pytest.mark.parametrize(
    ("method", "kwargs", "body"),
    [
        ("trades", {"symbols": "BTCUSDT", "interval": "10ms"}, TradesPush),
        ("depth", {"symbols": "BTCUSDT"}, DepthUpdate),
        ("partial_depth", {"symbols": "BTCUSDT", "levels": 5}, DepthSnapshot),
        ("book_ticker", {"symbols": ["BTCUSDT"]}, BookTickerPush),
        ("book_ticker_batch", {"symbols": "BTCUSDT"}, BookTickerBatch),
        ("klines", {"symbols": "BTCUSDT", "interval": "5m"}, KlinePush),
        ("klines", {"symbols": "BTCUSDT", "interval": "Min15"}, KlinePush),
        ("mini_ticker", {"symbols": "BTCUSDT", "timezone": "UTC+8"}, MiniTicker),
        ("mini_tickers", {}, MiniTickers),
    ],
)
async def test_every_channel_yields_its_pushes(
    sim: Simulator, method: str, kwargs: dict[str, Any], body: type[object]
) -> None:
    async with sim_client(sim) as mexc:
        stream: Stream[Any]
        async with getattr(mexc.streams, method)(**kwargs) as stream:
            push = await asyncio.wait_for(anext(stream), 30)
            assert type(push.body) is body
            assert push.channel == stream.channels[0]
            assert push.send_time or push.create_time
            assert stream.lag_ms is not None
            assert abs(stream.lag_ms) < 60_000  # milliseconds, and no other unit
            assert (stream.dropped, stream.gaps) == (0, 0)


async def test_consumers_of_a_channel_share_it(script: Script) -> None:
    async with client(script.url) as mexc:
        one = await mexc.streams.partial_depth("BTCUSDT").open()
        two = await mexc.streams.partial_depth(["BTCUSDT", "BTCUSDT"]).open()
        three = mexc.streams.partial_depth("BTCUSDT")
        await asyncio.gather(three.open(), three.open())
        assert [method for method, _ in script.last.requests if method != "PING"] == ["SUBSCRIPTION"]
        script.last.push(BTC, 1)
        for stream in (one, two, three):
            assert (await anext(stream)).body.version == 1
        await one.aclose()
        await two.aclose()
        await two.aclose()
        script.last.push(BTC, 2)
        assert (await anext(three)).body.version == 2
        assert (one.received, two.received, three.received) == (1, 1, 2)
        other = await mexc.streams.partial_depth("ETHUSDT").open()
        await three.aclose()
        await until(lambda: ("UNSUBSCRIPTION", (BTC,)) in script.last.requests)
        await other.aclose()
        await until(lambda: not script.open_peers)


async def test_readers_that_give_up_leave_nothing_behind_and_take_no_push(script: Script) -> None:
    async with client(script.url) as mexc, mexc.streams.partial_depth("BTCUSDT") as stream:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await until(lambda: bool(stream._subscriber.waiters))
        assert len(stream._subscriber.waiters) == 1
        script.last.push(BTC, 1)
        assert (await waiting).body.version == 1
        assert not stream._subscriber.waiters


@pytest.mark.parametrize("way", ["exit", "exception", "cancellation", "break"])
async def test_leaving_unsubscribes(script: Script, way: str) -> None:
    async with client(script.url) as mexc, mexc.streams.partial_depth("ETHUSDT"):
        inside = asyncio.Event()

        async def consume() -> None:
            async with mexc.streams.partial_depth("BTCUSDT") as stream:
                inside.set()
                if way == "exception":
                    raise KeyError("mine")
                if way == "cancellation":
                    await anext(stream)
                if way == "break":
                    async for _ in stream:
                        break

        task = asyncio.create_task(consume())
        await inside.wait()
        if way == "cancellation":
            task.cancel()
        if way == "break":
            script.last.push(BTC, 1)
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        expected = {"exception": KeyError, "cancellation": asyncio.CancelledError}.get(way, type(None))
        assert type(outcome) is expected
        await until(lambda: script.subscribed() == [BTC.replace("BTC", "ETH")])


async def test_cancelled_while_opening(script: Script) -> None:
    script.is_mute = True
    async with client(script.url) as mexc:
        opening = asyncio.create_task(mexc.streams.partial_depth("BTCUSDT").open())
        await until(lambda: script.peers)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await until(lambda: not script.open_peers)


async def test_a_bare_loop_opens_and_a_dropped_stream_is_cleaned_up(script: Script) -> None:
    async with client(script.url) as mexc:
        stream: Stream[Any] | None = mexc.streams.partial_depth("BTCUSDT")

        async def feed() -> None:
            await until(lambda: BTC in script.subscribed())
            script.last.push(BTC, 1, 2)

        feeding = asyncio.create_task(feed())
        async for push in stream:  # type: ignore[union-attr]  # it is there
            if push.body.version == 2:
                break
        await feeding
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            stream = None
            gc.collect()
        assert [warning.category for warning in caught] == [ResourceWarning]
        assert "BTCUSDT" in str(caught[0].message)
        await until(lambda: not script.open_peers)
        assert stream is None


@pytest.mark.parametrize(
    ("overflow", "queue", "kept", "dropped"),
    [("drop_oldest", 3, [8, 9, 10], 7), ("latest", None, [10], 9), ("drop_oldest", None, list(range(1, 11)), 0)],
)
async def test_a_slow_consumer(script: Script, overflow: Any, queue: int | None, kept: list[int], dropped: int) -> None:
    async with (
        client(script.url) as mexc,
        mexc.streams.partial_depth("BTCUSDT", overflow=overflow, queue=queue) as slow,
        mexc.streams.partial_depth("BTCUSDT") as other,
    ):
        script.last.push(BTC, *range(1, 11))
        await until(lambda: other.received == 10)
        assert [(await anext(slow)).body.version for _ in kept] == kept
        assert (slow.received, slow.dropped, other.dropped) == (10, dropped, 0)
        assert [(await anext(other)).body.version for _ in range(10)] == list(range(1, 11))


async def test_overflow_raises_after_what_fits(script: Script) -> None:
    async with (
        client(script.url) as mexc,
        mexc.streams.partial_depth("BTCUSDT", overflow="raise", queue=2) as slow,
        mexc.streams.partial_depth("BTCUSDT") as other,
    ):
        script.last.push(BTC, 1, 2, 3)
        await until(lambda: other.received == 3)
        assert [(await anext(slow)).body.version for _ in range(2)] == [1, 2]
        with pytest.raises(StreamOverflow, match="2 pushes behind"):
            await anext(slow)
        with pytest.raises(StopAsyncIteration):
            await anext(slow)
        assert slow.dropped == 1


async def test_options_are_checked(script: Script) -> None:
    async with client(script.url) as mexc:
        wrong: list[dict[str, Any]] = [
            {"overflow": "block"},
            {"queue": 0},
            {"queue": 1.5},
            {"queue": "many"},
            {"callback": 5},
            {"callback": asyncio.sleep},
        ]
        for options in wrong:
            with pytest.raises(InvalidRequest, match=next(iter(options))):
                mexc.streams.trades("BTCUSDT", **options)
        nothing: list[Any] = [[], None, 5, ["BTCUSDT", 5]]
        for symbols in nothing:
            with pytest.raises(InvalidRequest, match="symbol"):
                mexc.streams.trades(symbols)
        with pytest.raises(InvalidRequest):
            mexc.streams.partial_depth("BTCUSDT", levels=7)


async def test_a_failing_callback_reaches_its_owner_only(script: Script) -> None:
    seen: list[int] = []

    def fail(push: Any) -> None:
        raise ZeroDivisionError(push.body.version)

    async with client(script.url) as mexc:
        told = Told(mexc)
        async with mexc.streams.partial_depth("BTCUSDT", callback=lambda push: seen.append(push.body.version)):
            bad = mexc.streams.partial_depth("BTCUSDT", callback=fail)

            async def leave_after_a_failure() -> None:
                async with bad:
                    script.last.push(BTC, 1, 2)
                    await until(lambda: seen == [1, 2])

            with pytest.raises(ZeroDivisionError):
                await leave_after_a_failure()
            assert bad.received == 1
            waiting = mexc.streams.partial_depth("BTCUSDT", callback=fail)
            ended = asyncio.create_task(waiting.wait())
            await until(lambda: waiting._subscriber.is_joined)
            script.last.push(BTC, 3)
            with pytest.raises(ZeroDivisionError):
                await ended
            await until(lambda: seen == [1, 2, 3])
        assert sum(isinstance(event, BadFrame) for event in told.events) == 2


async def test_a_refusal_names_the_channels_and_leaves_nothing(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        for symbols in (["NOPEUSDT"], ["BTCUSDT", "NOPEUSDT", "ETHUSDT", "NADAUSDT"]):
            bad = [symbol for symbol in symbols if symbol[0] == "N"]
            with pytest.raises(SubscriptionRefused, match="NOPEUSDT") as caught:
                await asyncio.wait_for(mexc.streams.trades(symbols).open(), 5)
            assert [name.split("@")[-1] for name in caught.value.channels] == bad
            await until(lambda: len(sim.sockets) == 0)
        with pytest.raises(SubscriptionRefused, match="Min7"):
            await mexc.streams.klines("BTCUSDT", interval="Min7").open()


async def test_a_refusal_among_many_sockets(script: Script) -> None:
    """The refusals of every request are gathered; no task waits for channels that were unsubscribed."""
    symbols = [f"COIN{number}USDT" for number in range(60)]
    async with client(script.url) as mexc, mexc.streams.partial_depth("COIN5USDT") as good:
        names = mexc.streams.partial_depth(symbols).channels
        script.refused = {names[3], names[58]}
        with pytest.raises(SubscriptionRefused) as caught:
            await asyncio.wait_for(mexc.streams.partial_depth(symbols).open(), 5)
        assert set(caught.value.channels) == script.refused
        assert all(name in str(caught.value) for name in script.refused)
        await until(lambda: script.subscribed() == [names[5]])
        script.open_peers[0].push(names[5], 1)
        assert (await anext(good)).body.version == 1


async def test_two_consumers_refused_on_one_socket(script: Script) -> None:
    """Both leave an unused socket."""
    script.acks = lambda peer, method, names: None
    async with client(script.url) as mexc:
        opening = [asyncio.create_task(mexc.streams.partial_depth(name).open()) for name in ("BTCUSDT", "ETHUSDT")]
        await until(lambda: script.peers and script.last.requests)
        names = script.last.requests[0][1]
        assert len(names) == 2
        script.last.text(msgspec.json.encode({"id": 1, "code": 0, "msg": acknowledgement((), names)}).decode())
        outcomes = await asyncio.gather(*opening, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [SubscriptionRefused] * 2
        await until(lambda: not script.open_peers)


async def test_a_refusal_after_a_drop_ends_the_stream(script: Script) -> None:
    async with client(script.url) as mexc, mexc.streams.partial_depth("ETHUSDT") as other:
        stream = await mexc.streams.partial_depth("BTCUSDT").open()
        script.refused = {BTC}
        script.last.drop()
        with pytest.raises(SubscriptionRefused, match="BTCUSDT"):
            await asyncio.wait_for(anext(stream), 30)
        await until(lambda: script.subscribed() == list(other.channels))


async def test_channels_are_spread_over_sockets(sim: Simulator) -> None:
    symbols = [name for name, market in sim.exchange.markets.items() if market.rules.status == "1"]
    async with sim_client(sim, per_socket=5) as mexc:
        wanted: list[Stream[Any]] = [
            mexc.streams.trades(symbols),
            mexc.streams.depth(symbols),
            mexc.streams.book_ticker(symbols),
        ]
        for stream in wanted:
            await stream.open()
        assert len(sim.sockets) == -(-3 * len(symbols) // 5)
        for stream in wanted:
            await stream.aclose()
        await until(lambda: len(sim.sockets) == 0)


async def test_a_thousand_channels_in_one_call(script: Script) -> None:
    symbols = [f"COIN{number}USDT" for number in range(1000)]
    async with client(script.url) as mexc:
        async with mexc.streams.trades(symbols) as stream:
            assert [len(peer.topics) for peer in script.peers] == [20] * 50
            assert sorted(script.subscribed()) == sorted(stream.channels)
        await until(lambda: not script.open_peers)


async def test_streams_that_come_and_go_quickly_keep_their_socket() -> None:
    """The exchange closes a socket that sends too many messages within a second."""
    config = SimConfig(limits="none", flow=0, sockets=SocketRules(messages_a_second=60))
    async with nothing_left(), Simulator(config) as sim, sim_client(sim) as mexc:
        told = Told(mexc)
        async with mexc.streams.trades("BTCUSDT") as kept:
            for _ in range(35):
                async with mexc.streams.trades("ETHUSDT"):
                    pass
            assert (kept.gaps, told.count("gap"), told.count("connected")) == (0, 0, 1)


async def test_a_socket_that_breaks_is_told(script: Script) -> None:
    is_broken = False

    async def connect_or_break(url: str, listener: Listener, config: SocketConfig) -> Socket:
        if is_broken:
            raise RuntimeError("none should")
        return await connect(url, listener, config)

    async with client(script.url, prepared=Prepared(network=Network(connect=connect_or_break))) as mexc:
        told = Told(mexc)
        async with mexc.streams.partial_depth("BTCUSDT") as stream:
            is_broken = True
            script.last.drop()
            with pytest.raises(ConnectionLost, match="RuntimeError"):
                await asyncio.wait_for(anext(stream), 30)
            assert told.states()[-2:] == ["refused", "closed"]
        with pytest.raises(ConnectionLost):
            await mexc.streams.partial_depth("BTCUSDT").open()


async def test_closing_the_client_ends_everything(script: Script) -> None:
    mexc: Mexc = client(script.url)
    async with mexc:
        stream = await mexc.streams.partial_depth("BTCUSDT").open()
        reading = asyncio.create_task(anext(stream))
        script.acks = lambda peer, method, names: "PONG" if method == "PING" else None
        opening = asyncio.create_task(mexc.streams.partial_depth("ETHUSDT").open())
        await until(lambda: any(BTC.replace("BTC", "ETH") in names for _, names in script.last.requests))
        await mexc.aclose()
        with pytest.raises(StopAsyncIteration):
            await reading
        with pytest.raises(ClientClosed):
            await opening
        with pytest.raises(ClientClosed):
            await asyncio.wait_for(mexc.streams.partial_depth("XRPUSDT").open(), 2)
    await until(lambda: not script.open_peers)
