"""Listen keys: their four endpoints, their hour of validity and their sockets."""

from __future__ import annotations

import asyncio

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest.server import main_account
from mexc_async.sim.stream.listen_keys import ListenKeys
from mexc_async.sim.stream.socket_lifetime import SocketRules
from tests.support.stream_client import Closed, Stage, Stream, stage

NOW = 1_700_000_000_000
HOUR = 3_600_000
PATH = "/api/v3/userDataStream"
ORDERS = "spot@private.orders.v3.api.pb"
SECOND = AccountSpec(name="second", api_key="k2", api_secret="s2")


def keys(most: int = 60) -> ListenKeys:
    return ListenKeys(7, valid_ms=HOUR, most=most)


def test_a_key_is_valid_for_an_hour_and_longer_when_extended() -> None:
    held = keys()
    key = held.create("1", NOW)
    assert len(key) == 64
    assert held.owner(key, NOW + HOUR - 1) == "1"
    assert held.owner(key, NOW + HOUR) is None
    held.extend("1", key, NOW + HOUR - 1)
    assert held.owner(key, NOW + 2 * HOUR - 2) == "1"
    with pytest.raises(Refusal, match="730708"):
        held.extend("1", key, NOW + 2 * HOUR)


def test_an_accounts_keys_are_its_own_and_limited() -> None:
    held = keys(most=2)
    mine = [held.create("1", NOW), held.create("1", NOW + 1)]
    theirs = held.create("2", NOW)
    assert held.of("1", NOW + 1) == mine
    with pytest.raises(Refusal, match="730003"):
        held.create("1", NOW + 1)
    for act in (held.extend, held.close):
        with pytest.raises(Refusal, match="730708"):
            act("1", theirs, NOW)
    held.create("1", NOW + HOUR)  # the first has expired by now
    held.close("1", mine[1], NOW + HOUR)
    assert held.owner(mine[1], NOW + HOUR) is None


async def test_the_four_calls() -> None:
    async with stage() as on:
        key = await on.listen_key()
        assert (await on.call("PUT", PATH, listenKey=key)).body == {"listenKey": key}
        assert (await on.call("GET", PATH)).body == {"total": 60, "listenKey": [key], "available": 59}
        assert (await on.call("DELETE", PATH, listenKey=key)).body == {"listenKey": key}
        for method in ("PUT", "DELETE"):
            reply = await on.call(method, PATH, listenKey=key)
            assert (reply.status, reply.code) == (400, 730708)
            assert (await on.call(method, PATH)).code == 700004
        for _ in range(60):
            await on.listen_key()
        assert (await on.call("POST", PATH)).code == 730003


async def test_unsigned_calls_are_refused() -> None:
    async with stage() as on, on.http.post(on.simulator.rest + PATH) as response:
        assert response.status == 400


async def opened(on: Stage, key: str) -> Stream:
    stream = await on.connect(key)
    await stream.subscribe(ORDERS)
    return stream


async def test_a_wrong_key_is_told_so_and_closed() -> None:
    async with stage() as on:
        for key in ("", "nonsense"):
            stream = await on.connect(key)
            assert await stream.receive() == "Invalid listen key"
            with pytest.raises(Closed):
                await stream.receive()


async def test_a_key_serves_five_sockets() -> None:
    async with stage() as on:
        key = await on.listen_key()
        sockets = [await opened(on, key) for _ in range(5)]
        assert await (await on.connect(key)).receive() == "Invalid listen key"
        await sockets[0].socket.close()
        while len(on.simulator.sockets) > 4:
            await sockets[1].request("PING")
        await opened(on, key)


async def test_a_closed_key_closes_its_sockets_and_no_others() -> None:
    async with stage() as on:
        key, other = await on.listen_key(), await on.listen_key()
        stream, stays = await opened(on, key), await opened(on, other)
        await on.call("DELETE", PATH, listenKey=key)
        assert await stream.end() == 1000
        assert (await stays.request("PING"))["msg"] == "PONG"
        assert await (await on.connect(key)).receive() == "Invalid listen key"


async def test_a_key_that_lapses_closes_its_socket_unless_it_is_extended() -> None:
    async with stage(sockets=SocketRules(listen_key_s=0.6)) as on:
        lapsing, kept = await on.listen_key(), await on.listen_key()
        stream, stays = await opened(on, lapsing), await opened(on, kept)
        end = asyncio.create_task(stream.end())
        while not end.done():
            assert (await on.call("PUT", PATH, listenKey=kept)).status == 200
        assert end.result() == 1000
        assert (await on.call("PUT", PATH, listenKey=lapsing)).code == 730708
        assert (await stays.request("PING"))["msg"] == "PONG"


async def test_public_channels_work_on_a_keyed_socket() -> None:
    async with stage(accounts=(main_account(), SECOND)) as on:
        stream = await on.connect(await on.listen_key())
        await stream.subscribe("spot@public.limit.depth.v3.api.pb@BTCUSDT@5", ORDERS)
        assert (await stream.push()).symbol == "BTCUSDT"
