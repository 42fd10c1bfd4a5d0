"""One clock: the simulator's time, limits, lifetimes and ids come from its clock and its seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from mexc_async.sim.stream.pushes import ACCOUNT, DEALS, ORDERS
from tests.support.manual_time import ManualTime
from tests.support.naive_client import NaiveClient
from tests.support.stream_client import Stage, stage

STREAM = "/api/v3/userDataStream"
UID = "/api/v3/uid"
BTC = "BTCUSDT"
DEALS_OF_BTC = f"spot@public.aggre.deals.v3.api.pb@100ms@{BTC}"


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@contextmanager
def served(time: ManualTime, config: SimConfig) -> Iterator[NaiveClient]:
    """Run a simulator on this time, and yield a client on the same time."""
    with (
        BackgroundSimulator(config, time.clock) as sim,
        closing(NaiveClient(sim.rest, sim.api_key, sim.api_secret, clock=time.clock)) as client,
    ):
        yield client


def test_the_exchanges_time_and_its_windows_follow_the_clock(time: ManualTime) -> None:
    with served(time, SimConfig(limits="none", flow=0)) as client:
        for seconds, date in ((0, "Tue, 14 Nov 2023 22:30:00 GMT"), (86_400, "Wed, 15 Nov 2023 22:30:00 GMT")):
            time.now += seconds
            reply = client.get("/api/v3/time")
            assert (reply.body["serverTime"], reply.headers["Date"]) == (time.clock.wall_ms(), date)
        sent_ms = time.clock.wall_ms()
        statuses: list[int] = []
        for passed_s in (0, 5, 0.125):
            time.now += passed_s
            statuses.append(client.call("GET", UID, timestamp=sent_ms).status)
        assert statuses == [200, 200, 400]
        assert client.call("GET", UID, timestamp=time.clock.wall_ms() + 999).status == 200
        assert client.call("GET", UID, timestamp=time.clock.wall_ms() + 1000).status == 400


def test_rate_limits_are_counted_by_the_clock(time: ManualTime) -> None:
    with served(time, SimConfig(flow=0)) as client:
        statuses: list[int] = []
        for seconds in (0, 0, 0, 0.875, 0.125, 0, 0):
            time.now += seconds
            statuses.append(client.call("GET", "/api/v3/account").status)
        assert statuses == [200, 200, 429, 429, 200, 200, 429]


async def test_listen_keys_expire_by_the_clock_and_their_sockets_with_them(time: ManualTime) -> None:
    async with stage(time.clock) as on:
        first, second = await on.listen_key(), await on.listen_key()
        stream = await on.connect(first)
        await stream.subscribe(ORDERS)
        for _ in range(61):
            time.now += 59
            await stream.request("PING")
        assert (await on.call("PUT", STREAM, listenKey=second)).status == 200
        time.now += 1
        assert await stream.end() == 1000
        assert (await on.call("GET", STREAM)).body["listenKey"] == [second]
        assert (await on.call("PUT", STREAM, listenKey=first)).code == 730708


async def test_sockets_live_by_the_clock(time: ManualTime) -> None:
    async with stage(time.clock) as on:
        unused, idle, many = await on.connect(), await on.connect(), await on.connect()
        await idle.subscribe(DEALS_OF_BTC)
        await many.subscribe(DEALS_OF_BTC)
        for _ in range(2):
            for _ in range(90):  # of 100 messages a second
                await many.request("PING")
            time.now += 30
        assert await unused.end() == 1000
        assert await idle.end() == 1000
        assert (await many.request("PING"))["msg"] == "PONG"


async def test_the_same_seed_and_times_give_the_same_bytes() -> None:
    first = await _transcript(seed=3)
    assert await _transcript(seed=3) == first
    assert await _transcript(seed=4) != first


async def _transcript(seed: int) -> list[object]:
    """Trade and move money at set times; return every answer and private push as received."""
    time = ManualTime()
    async with stage(time.clock, seed=seed, flow=1, limits="default") as on:
        recorder = _Recorder(on)
        stream = await on.connect((await recorder.call("POST", STREAM))["listenKey"])
        await stream.subscribe(ACCOUNT, DEALS, ORDERS)
        for number in range(2):
            time.now += 7.25
            await _trade(recorder, number)
            await _move(recorder, number)
            await stream.request("PING")  # its answer comes after the pushes
            recorder.received += stream.frames
            stream.frames.clear()
        return recorder.received


class _Recorder:
    """Records the answers to a client's calls."""

    def __init__(self, on: Stage) -> None:
        self.received: list[object] = []
        self._on = on

    async def call(self, method: str, path: str, **parameters: object) -> Any:
        reply = await self._on.call(method, path, **parameters)
        self.received.append((reply.status, reply.headers, reply.content))
        assert reply.status == 200, reply
        return reply.body


async def _trade(recorder: _Recorder, number: int) -> None:
    for path in ("depth", "trades", "ticker/24hr"):
        await recorder.call("GET", f"/api/v3/{path}", symbol=BTC)
    await recorder.call("GET", "/api/v3/klines", symbol=BTC, interval="1m")
    order = {"symbol": BTC, "quantity": "0.001"}
    made = await recorder.call("POST", "/api/v3/order", **order, side="BUY", type="LIMIT", price="20000")
    await recorder.call("POST", "/api/v3/order", **order, side="SELL" if number % 2 else "BUY", type="MARKET")
    await recorder.call("GET", "/api/v3/order", symbol=BTC, orderId=made["orderId"])
    await recorder.call("DELETE", "/api/v3/order", symbol=BTC, orderId=made["orderId"])
    for path in ("account", "myTrades", "allOrders"):
        await recorder.call("GET", f"/api/v3/{path}", symbol=BTC)


async def _move(recorder: _Recorder, number: int) -> None:
    sub = {"subAccount": f"determined{number}", "note": "n"}
    await recorder.call("POST", "/api/v3/sub-account/virtualSubAccount", **sub)
    await recorder.call("POST", "/api/v3/sub-account/apiKey", **sub, permissions="SPOT_ACCOUNT_READ")
    await recorder.call("POST", "/api/v3/capital/deposit/address", coin="USDT", network="TRC20")
    (entry, *_) = (await recorder.call("GET", "/api/v3/capital/withdraw/address", coin="XRP"))["data"]
    to = {"coin": "XRP", "address": entry["address"], "memo": entry["memo"] or "", "netWork": entry["netWork"]}
    await recorder.call("POST", "/api/v3/capital/withdraw", **to, amount=20)
    between = {"fromAccountType": "SPOT", "toAccountType": "FUTURES"}
    await recorder.call("POST", "/api/v3/capital/transfer", **between, asset="USDT", amount="10")
    await recorder.call("GET", "/api/v3/capital/withdraw/history")
