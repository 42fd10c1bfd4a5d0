"""Stream faults: each leaves a naive client with a wrong belief, and none occurs unasked."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from random import Random
from typing import Any

import aiohttp
import pytest

from mexc_async.errors import ProtocolError
from mexc_async.sim.faults.faults import AT_ONCE, BadFault, Fault, Faults, parse_fault
from mexc_async.sim.faults.wire import Wire, corrupted
from mexc_async.spot.push import decode_push
from mexc_async.spot.push_models import DepthUpdate, FillPush, TradesPush
from tests.support import reference
from tests.support.stream_client import Closed, Stage, Stream, stage

D = Decimal
BTC = "BTCUSDT"
DEPTH = "spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT"
TRADES = "spot@public.aggre.deals.v3.api.pb@10ms@BTCUSDT"
FILLS = "spot@private.deals.v3.api.pb"


class NaiveBook:
    """A book that applies every push without checking for gaps."""

    def __init__(self, on: Stage, stream: Stream) -> None:
        self.on = on
        self.stream = stream
        self.market = on.exchange.market(BTC)
        self.bids = dict(self.market.levels("BUY", 10_000))
        self.price = min(self.bids)
        """Price of a level that the test changes: the worst bid."""

    def set(self, quantity: str) -> None:
        """Change the level's quantity at the exchange."""
        size = D(quantity).quantize(self.market.step)
        self.on.exchange.quote(self.market, "BUY", self.price, size, self.on.simulator._now_ms())

    async def apply(self) -> None:
        """Apply the next push."""
        update = (await self.stream.push()).body
        assert isinstance(update, DepthUpdate)
        for level in update.bids:
            self.bids[level.price] = level.quantity

    @property
    def is_right(self) -> bool:
        return self.bids[self.price] == dict(self.market.levels("BUY", 10_000)).get(self.price, 0)


async def follow(on: Stage) -> NaiveBook:
    stream = await on.connect()
    await stream.subscribe(DEPTH)
    return NaiveBook(on, stream)


async def until_struck(on: Stage) -> None:
    """Let windows pass until the fault, which spares the book ticker, has applied."""
    stream = await on.connect()
    await stream.subscribe("spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT")
    while not on.simulator.fault_counts()[0].struck:
        await stream.frame()


async def test_without_faults_the_naive_book_is_right() -> None:
    async with stage() as on:
        book = await follow(on)
        for quantity in ("3", "5", "0"):
            book.set(quantity)
            await book.apply()
            assert book.is_right


async def test_drop() -> None:
    async with stage() as on:
        book = await follow(on)
        assert on.simulator.inject(Fault(kind="drop", on="*aggre.deals*", now=True)) == 0
        assert on.simulator.inject(Fault(kind="drop", on="*aggre.depth*", now=True)) == 1
        with pytest.raises(Closed):
            await book.apply()
        assert book.stream.socket.close_code in (None, 1006)
        book.set("5")
        assert not book.is_right


async def test_drop_at_a_push() -> None:
    async with stage(faults=(Fault(kind="drop", after=1, times=1),)) as on:
        book = await follow(on)
        book.set("3")
        await book.apply()
        assert book.is_right
        book.set("5")
        with pytest.raises(Closed):
            await book.apply()
        assert not book.is_right


async def test_half_open() -> None:
    async with stage() as on:
        book = await follow(on)
        assert on.simulator.inject(Fault(kind="half_open", now=True)) == 1
        book.set("5")
        witness = await follow(on)
        witness.set("6")
        await witness.apply()
        for question in (book.stream.request("PING"), book.apply()):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(question, 0.05)
        assert not book.stream.socket.closed
        assert not book.is_right
        assert len(on.simulator.sockets) == 2


async def test_a_half_open_socket_does_not_even_answer_a_close() -> None:
    async with stage() as on:
        socket = await on.http.ws_connect(on.simulator.spot_ws, timeout=aiohttp.ClientWSTimeout(ws_close=0.1))
        on.simulator.inject(Fault(kind="half_open", now=True))
        await socket.close()
        assert socket.close_code == 1006
        witness = await on.connect()
        await witness.subscribe("spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT")
        while len(on.simulator.sockets) > 1:
            await witness.frame()


async def test_refuse() -> None:
    async with stage(faults=(Fault(kind="refuse"),)) as on:
        for _ in range(2):
            with pytest.raises(aiohttp.ClientError):
                await on.connect()
        assert (await on.get("/api/v3/ping")) == {}
        on.simulator.clear_faults()
        book = await follow(on)
        book.set("5")
        await book.apply()
        assert book.is_right


async def test_skip() -> None:
    async with stage(faults=(Fault(kind="skip", on="*aggre.depth*", times=1),)) as on:
        book = await follow(on)
        book.set("5")
        version = book.market.version
        await until_struck(on)
        on.exchange.quote(book.market, "SELL", max(book.market.house("SELL")), D(0), on.simulator._now_ms())
        push = await book.stream.push()
        assert isinstance(push.body, DepthUpdate)
        assert push.body.from_version == version + 1
        assert not book.is_right


async def test_duplicate() -> None:
    async with stage(faults=(Fault(kind="duplicate", on=TRADES),)) as on:
        stream = await on.connect()
        await stream.subscribe(TRADES)
        market = on.exchange.market(BTC)
        on.exchange.take(market, "BUY", market.levels("SELL", 1)[0][0], market.step, on.simulator._now_ms())
        volume = D(0)
        for _ in range(2):
            trades = (await stream.push()).body
            assert isinstance(trades, TradesPush)
            volume += sum(trade.quantity for trade in trades.trades)
        assert volume == 2 * market.step


async def test_delay() -> None:
    async with stage(faults=(Fault(kind="delay", delay_ms=200, times=1),)) as on:
        book = await follow(on)
        book.set("5")
        rest = await on.get("/api/v3/depth", symbol=BTC, limit=5000)
        assert not book.is_right
        push = await book.stream.push()
        assert isinstance(push.body, DepthUpdate)
        assert push.body.to_version == rest["lastUpdateId"]
        assert time.time() * 1000 - (push.send_time or 0) >= 190


async def test_what_follows_a_delayed_push_waits_behind_it() -> None:
    async with stage(faults=(Fault(kind="delay", on=DEPTH, delay_ms=100, times=1),)) as on:
        book = await follow(on)
        book.set("5")
        await until_struck(on)
        book.set("6")
        await book.apply()
        assert book.bids[book.price] == 5
        await book.apply()
        assert book.is_right


async def test_reorder() -> None:
    async with stage(faults=(Fault(kind="reorder", on=DEPTH, times=1),)) as on:
        book = await follow(on)
        book.set("5")
        await until_struck(on)
        book.set("6")
        await book.apply()
        assert book.is_right
        await book.apply()
        assert book.bids[book.price] == 5
        assert not book.is_right


async def test_corrupt() -> None:
    async with stage(faults=(Fault(kind="corrupt", times=1),)) as on:
        book = await follow(on)
        book.set("5")
        with pytest.raises(ProtocolError):
            await book.apply()
        assert not book.is_right
        book.set("6")
        await book.apply()
        assert book.is_right


def test_a_corrupted_frame_is_never_a_message() -> None:
    random = Random(7)
    for vector in reference.read("spot-ws.json")["wire_vectors"]["vectors"]:
        for _ in range(50):
            with pytest.raises(ProtocolError):
                decode_push(corrupted(bytes.fromhex(vector["hex"]), random))


async def test_block() -> None:
    async with stage(faults=(Fault(kind="block", on=DEPTH),)) as on:
        stream = await on.connect()
        answer = await stream.request("SUBSCRIPTION", DEPTH, TRADES)
        assert answer["code"] == 0
        book = NaiveBook(on, stream)
        book.set("5")
        market = book.market
        on.exchange.take(market, "BUY", market.levels("SELL", 1)[0][0], market.step, on.simulator._now_ms())
        assert isinstance((await stream.push()).body, TradesPush)
        assert not book.is_right
        on.simulator.clear_faults()
        await stream.subscribe(DEPTH)


async def sell(on: Stage) -> Any:
    await on.call("POST", "/api/v3/order", symbol=BTC, side="SELL", type="MARKET", quantity="0.00002")
    return (await on.call("GET", "/api/v3/myTrades", symbol=BTC)).body


@pytest.mark.parametrize("at_once", [True, False])
async def test_expire_key(at_once: bool) -> None:
    async with stage() as on:
        key = await on.listen_key()
        stream = await on.connect(key)
        await stream.subscribe(FILLS)
        assert len(await sell(on)) == 1
        assert isinstance((await stream.push()).body, FillPush)
        on.simulator.inject(Fault(kind="expire_key", now=at_once))
        made = await sell(on)
        assert await stream.end() == 1000
        assert stream.frames == []
        assert len(made) == 2  # the client saw one of them
        assert (await on.call("PUT", "/api/v3/userDataStream", listenKey=key)).code == 730708


def test_the_same_seed_strikes_alike() -> None:
    def run(seed: int) -> list[bool]:
        faults = Faults([Fault(kind="skip", chance=0.3, after=5, times=20)], seed=seed)
        return [faults.strikes("skip", "x") is not None for _ in range(200)]

    assert run(1) == run(1) != run(2)
    assert not any(run(1)[:5])
    assert sum(run(1)) == 20


def test_a_fault_strikes_what_it_names() -> None:
    faults = Faults([Fault(kind="skip", on="*aggre.depth*"), Fault(kind="skip", on=TRADES, times=1)])
    assert faults.strikes("skip", DEPTH)
    assert faults.strikes("skip", TRADES)
    assert not faults.strikes("skip", TRADES)
    assert not faults.strikes("duplicate", DEPTH)
    assert [(count.seen, count.struck) for count in faults.counts()] == [(1, 1), (2, 1)]
    faults.clear()
    assert not faults
    assert not faults.strikes("skip", DEPTH)


def test_a_push_held_back_for_reordering_is_not_lost_when_faults_end() -> None:
    faults = Faults([Fault(kind="reorder", times=1)])
    wire = Wire(faults)
    assert wire.carry(DEPTH, b"1").frames == ()
    assert wire.carry(TRADES, b"a").frames == (b"a",)
    faults.clear()
    assert wire.is_holding
    assert wire.carry(DEPTH, b"2").frames == (b"2", b"1")
    assert not wire.is_holding


def test_only_private_pushes_expire_a_key() -> None:
    wire = Wire(Faults([Fault(kind="expire_key")]))
    assert wire.carry(DEPTH, b"1").broken is None
    assert wire.carry(FILLS, b"1").broken == "expire_key"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop", Fault(kind="drop")),
        ("skip,on=*aggre.depth*,chance=0.01,times=3", Fault(kind="skip", on="*aggre.depth*", chance=0.01, times=3)),
        ("delay,delay_ms=50,after=2", Fault(kind="delay", delay_ms=50, after=2)),
        ("half_open,now=true", Fault(kind="half_open", now=True)),
    ],
)
def test_faults_are_read_from_text(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "fault ''"),
        ("explode", "explode"),
        ("skip,chance=2", "chance 2.0 is not between 0 and 1"),
        ("skip,chance=much", "chance"),
        ("skip,often=1", "often"),
        ("skip,times=0", "times is at least 1"),
        ("delay,delay_ms=-1", "cannot be negative"),
        ("skip,now=true", f"only {', '.join(AT_ONCE)} can apply at once"),
    ],
)
def test_a_bad_fault_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(BadFault, match=words):
        parse_fault(text)


async def order(on: Stage, method: str, json: object = None) -> tuple[int, Any]:
    async with on.http.request(method, f"{on.simulator.rest}/sim/faults", json=json) as response:
        return response.status, await response.json()


async def test_faults_are_ordered_over_http() -> None:
    async with stage(control=True) as on:
        assert await order(on, "POST", {"kind": "skip", "on": DEPTH, "times": 1}) == (200, {"struck": 0})
        book = await follow(on)
        book.set("5")
        witness = await follow(on)
        await witness.stream.request("PING")
        status, found = await order(on, "GET")
        assert status == 200
        assert found["faults"][0]["fault"]["kind"] == "skip"
        assert await order(on, "POST", {"kind": "drop", "now": True}) == (200, {"struck": 2})
        assert await order(on, "DELETE") == (200, {})
        assert await order(on, "GET") == (200, {"faults": []})
        wrong: list[object] = [{"kind": "explode"}, {}, [], {"kind": "skip", "chance": 3}]
        for bad in wrong:
            status, answer = await order(on, "POST", bad)
            assert (status, answer["code"]) == (400, 400)
        async with on.http.get(f"{on.simulator.rest}/sim/other") as response:
            assert response.status == 404


async def test_faults_cannot_be_ordered_unless_that_is_asked_for() -> None:
    async with stage() as on:
        status, _ = await order(on, "POST", {"kind": "drop", "now": True})
        assert status == 404
