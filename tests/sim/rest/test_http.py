"""Requests and responses as values, without a socket."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.http import Delivery, NoResponse, Response
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.sim.stream.channel import POLICY_VIOLATION
from tests.support.portless import NoPort, Talk, asked


def simulator(*faults: Fault, control: bool = False) -> Simulator:
    return Simulator(SimConfig(flow=0, faults=faults, control=control), listen=NoPort)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/ws", "/ws", {}),
        ("/%77s?listenKey=a%2Bb+c&listenKey=second&empty=", "/ws", {"listenKey": "a+b c", "empty": ""}),
    ],
)
def test_a_target_has_a_path_and_a_query(target: str, path: str, query: dict[str, str]) -> None:
    request = asked(target)
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    ("fault", "delivery"),
    [
        (None, Delivery.WHOLE),
        (Fault(kind="answer_twice"), Delivery.TWICE),
        (Fault(kind="truncate"), Delivery.BROKEN_OFF),
    ],
)
async def test_an_answer_is_a_response_and_its_delivery(fault: Fault | None, delivery: Delivery) -> None:
    async with simulator(*(() if fault is None else (fault,))) as sim:
        outcome = await sim.answer(asked())
    assert isinstance(outcome, Response)
    assert (outcome.status, outcome.delivery) == (200, delivery)
    assert set(outcome.headers) == {"Cache-Control", "Content-Type", "Date"}
    assert set(orjson.loads(outcome.body)) == {"serverTime"}


@pytest.mark.parametrize("fault", [Fault(kind="reset"), Fault(kind="reset", at="unread"), Fault(kind="restart")])
async def test_a_lost_answer_drops_the_connection(fault: Fault) -> None:
    async with simulator(fault) as sim:
        assert await sim.answer(asked()) is NoResponse.DROPPED


async def test_a_mute_request_ends_with_its_sender() -> None:
    async with simulator(Fault(kind="mute")) as sim:
        request = asked()
        answer = asyncio.create_task(sim.answer(request))
        await asyncio.sleep(0)
        assert not answer.done()
        request.peer.is_closing = True  # type: ignore[misc]  # the test's own sender
        assert await answer is NoResponse.DROPPED


async def test_a_body_is_read_only_when_it_is_needed() -> None:
    async def read() -> bytes:
        reads.append(1)
        raise ConnectionResetError

    reads: list[int] = []
    async with simulator() as sim:
        unknown = await sim.answer(asked("/nothing", "POST", body=read))
        assert isinstance(unknown, Response)
        assert (unknown.status, reads) == (404, [])
        assert await sim.answer(asked("/api/v3/order", "POST", body=read)) is NoResponse.DROPPED
        assert reads == [1]


async def test_a_restart_by_request_spares_its_sender_and_ends_its_connection() -> None:
    async with simulator(control=True) as sim:
        body = b'{"kind": "restart", "now": true, "delay_ms": 0}'
        outcome = await sim.answer(asked("/sim/faults", "POST", body=body))
        assert isinstance(outcome, Response)
        assert (outcome.body, outcome.delivery) == (b'{"struck":0}', Delivery.LAST)


async def test_a_stream_is_served_on_any_channel() -> None:
    async def accept(headers: object) -> Talk:
        return talk

    talk = Talk('{"method":"PING"}')
    async with simulator() as sim:
        assert await sim.answer(asked("/ws", upgrade=accept)) is NoResponse.STREAMED
        assert talk.sent == ['{"id":0,"code":0,"msg":"PONG"}']
        talk = Talk()
        assert await sim.answer(asked("/ws?listenKey=unknown", upgrade=accept)) is NoResponse.STREAMED
        assert talk.closed == (POLICY_VIOLATION, "")
        plain = await sim.answer(asked("/ws"))
        assert isinstance(plain, Response)
        assert plain.status == 426


async def test_a_refused_stream_is_dropped_before_it_is_accepted() -> None:
    async def accept(headers: object) -> Talk:
        raise AssertionError

    async with simulator(Fault(kind="refuse")) as sim:
        assert await sim.answer(asked("/ws", upgrade=accept)) is NoResponse.DROPPED
