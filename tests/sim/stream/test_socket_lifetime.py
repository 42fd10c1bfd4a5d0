"""Ends of a socket: without subscriptions, idle, too old, too many messages, too slow a reader."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSMsgType

from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig
from mexc_async.sim.stream.socket_lifetime import Life, SocketRules
from tests.support.stream_client import Closed, Stream, stage

SLOW_TICKER = "spot@public.aggre.bookTicker.v3.api.pb@100ms@BTCUSDT"
TICKER = "spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"
RULES = SocketRules()


def test_a_socket_without_a_subscription_ends_after_30_s() -> None:
    life = Life(RULES, 0)
    assert life.end(29.9) is None
    assert life.end(30) == "no subscription"
    life.use(True, 30)
    life.hear(80)
    assert life.end(100) is None
    life.use(False, 100)
    life.use(False, 120)
    life.hear(120)
    assert life.end(129.9) is None
    assert life.end(130) == "no subscription"


def test_a_silent_client_is_ended_after_60_s() -> None:
    life = Life(RULES, 0)
    life.use(True, 0)
    assert life.end(59.9) is None
    assert life.end(60) == "idle"
    life.hear(60)
    assert life.end(119.9) is None


def test_a_socket_ends_after_24_hours() -> None:
    life = Life(RULES, 0)
    life.use(True, 0)
    life.hear(86_399)
    assert life.end(86_399) is None
    assert life.end(86_400) == "open for too long"


def test_101_messages_within_a_second_are_too_many() -> None:
    life = Life(RULES, 0)
    assert all(life.hear(0.5) for _ in range(100))
    assert not life.hear(1.4)
    assert Life(RULES, 0).hear(5)
    steady = Life(RULES, 0)
    assert all(steady.hear(step / 64) for step in range(1000))


@pytest.mark.parametrize("name", ["unused_s", "most_topics", "kline_ms"])
def test_rules_are_above_0(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} 0 is not above 0"):
        SocketRules(**{name: 0})


async def test_an_unused_socket_is_closed() -> None:
    async with stage(sockets=SocketRules(unused_s=0.3)) as on:
        used, unused = await on.connect(), await on.connect()
        await used.subscribe(TICKER)
        await unused.request("SUBSCRIPTION", "spot@public.deals.v3.api.pb@NOPEUSDT")
        assert await unused.end() == 1000
        await used.push()
        assert not used.socket.closed


async def test_an_idle_socket_is_closed_however_much_it_is_sent() -> None:
    async with stage(sockets=SocketRules(idle_s=0.6)) as on:
        talks, silent = await on.connect(), await on.connect()
        await talks.subscribe(SLOW_TICKER)
        await silent.subscribe(SLOW_TICKER)
        code = None
        while code is None:
            await talks.request("PING")
            try:
                await silent.frame()
                await silent.socket.ping()  # does not restart the idle timer
            except Closed as closed:
                code = closed.args[0]
        assert code == 1000
        assert (await talks.request("PING"))["msg"] == "PONG"


async def test_an_old_socket_is_closed() -> None:
    async with stage(sockets=SocketRules(lifetime_s=0.3)) as on:
        stream = await on.connect()
        await stream.subscribe(TICKER)
        assert await stream.end() == 1000


async def test_a_hasty_client_is_cut() -> None:
    async with stage() as on:
        stream = await on.connect()
        for _ in range(101):
            await stream.socket.send_str('{"method":"PING"}')
        assert await stream.end() in (None, 1006)


async def test_a_socket_that_does_not_read_is_cut_when_too_much_waits() -> None:
    held_back = Fault(kind="delay", delay_ms=600_000)
    async with stage(sockets=SocketRules(queue=5), faults=(held_back,)) as on:
        stream = await on.connect()
        await stream.subscribe(TICKER)
        assert await stream.end() in (None, 1006)


async def test_a_message_that_is_too_long_closes_the_socket() -> None:
    async with stage() as on:
        stream = await on.connect()
        await stream.socket.send_str("x" * 70_000)
        assert await stream.end() == 1009


async def test_closing_the_simulator_closes_its_sockets() -> None:
    async with stage() as on:
        stream = await on.connect()
        await stream.subscribe(TICKER)
        code, _ = await asyncio.gather(stream.end(), on.simulator.aclose())
        assert code == 1001


async def test_a_client_that_leaves_is_forgotten() -> None:
    async with stage() as on:
        stays, leaves, breaks = [await on.connect() for _ in range(3)]
        for stream in (stays, leaves, breaks):
            await stream.subscribe(TICKER)
        await leaves.socket.close()
        transport = _transport(breaks)
        transport.abort()  # type: ignore[attr-defined]  # an asyncio transport
        while len(on.simulator.sockets) > 1:
            await stays.push()
        assert leaves.socket.close_code == 1000


def _transport(stream: Stream) -> object:
    return stream.socket.get_extra_info("socket") and stream.socket._conn.transport  # type: ignore[union-attr]


async def test_protocol_pings_are_answered() -> None:
    async with stage() as on:
        socket = await on.http.ws_connect(on.simulator.spot_ws, autoping=False)
        await socket.ping(b"there?")
        message = await socket.receive()
        assert (message.type, message.data) == (WSMsgType.PONG, b"there?")


def test_sockets_have_mexcs_rules_by_default() -> None:
    rules = SimConfig().sockets
    assert (rules.most_topics, rules.unused_s, rules.idle_s, rules.lifetime_s) == (30, 30, 60, 86_400)
    assert (rules.messages_a_second, rules.listen_key_s, rules.listen_keys) == (100, 3600, 60)
