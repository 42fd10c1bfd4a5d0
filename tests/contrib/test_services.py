"""The example services under uvicorn and aiohttp, with many users, lost answers, restarts and signals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from mexc_async.client.mexc import Mexc
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.wallet.account_audit import OrderLine
from mexc_async.spot.market import Ping
from mexc_async.transport.config import Timeouts
from tests.support.serving import EXAMPLES, maker, serving
from tests.support.streams import until

USERS = 200
RESTING = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.001", "price": "20000"}
PATIENT = Timeouts(read_s=120, total_s=120)
Strike = Callable[[Fault], Callable[[], bool]]


def taken(exchange: BackgroundSimulator) -> tuple[OrderLine, ...]:
    """List all orders that the exchange accepted."""
    return exchange.call(lambda simulator: simulator.statement().orders)


async def post(user: aiohttp.ClientSession, url: str, key: str, **changes: str) -> tuple[int, dict[str, Any]]:
    """Post an order."""
    async with user.post(f"{url}/orders", json=RESTING | changes, headers={"Idempotency-Key": key}) as answer:
        return answer.status, await answer.json()


async def get(user: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    """Get a path."""
    async with user.get(url) as answer:
        return answer.status, await answer.json()


async def test_200_users_trade_at_once_and_none_waits_for_another(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession, strike: Strike
) -> None:
    async def trade(number: int) -> str:
        key = f"user-{number}"
        status, placed = await post(user, url, key)
        assert (status, placed["status"]) == (201, "NEW")
        assert await post(user, url, key) == (201, placed)
        assert await get(user, f"{url}/orders/BTCUSDT/{key}") == (200, placed)
        status, balances = await get(user, f"{url}/balances")
        assert status == 200
        assert "USDT" in balances
        async with user.delete(f"{url}/orders/BTCUSDT/{key}") as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "CANCELED")
        order_id: str = placed["order_id"]
        return order_id

    async with serving(kind, maker(exchange, timeouts=PATIENT)) as (url, service):
        has_struck = strike(Fault(kind="mute", on="query_order", times=1))  # the client itself queries balances too
        held = asyncio.create_task(get(user, f"{url}/orders/BTCUSDT/nobodys"))  # the exchange never answers this one
        await until(has_struck)
        order_ids = await asyncio.gather(*map(trade, range(USERS)))
        assert not held.done()
        assert service.orders.under_way == 0
        exchange.call(lambda simulator: simulator.restart(0))  # its connection ends
        assert (await held)[0] in (404, 504)  # retried, unless the others used up the retries' time
    lines = taken(exchange)
    assert {line.order_id for line in lines} == set(order_ids)
    assert len(lines) == USERS
    assert {line.status for line in lines} == {"CANCELED"}


async def test_a_key_asked_for_many_times_at_once_is_one_order(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    async with serving(kind, maker(exchange)) as (url, _):
        answers = await asyncio.gather(*(post(user, url, "same") for _ in range(20)))
    assert {status for status, _ in answers} == {201}
    assert {answer["client_order_id"] for _, answer in answers} == {"same"}
    assert len(taken(exchange)) == 1


async def test_a_key_is_the_same_order_after_a_restart(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    answers = []
    for _ in range(2):
        async with serving(kind, maker(exchange)) as (url, _):
            answers.append(await post(user, url, "before-and-after"))
    assert [status for status, _ in answers] == [201, 201]
    assert len({(answer["client_order_id"], answer["order_id"]) for _, answer in answers}) == 1
    assert len(taken(exchange)) == 1


async def test_a_key_is_the_same_order_after_a_lost_answer(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession, strike: Strike
) -> None:
    strike(Fault(kind="mute", on="new_order", times=1))
    async with serving(kind, maker(exchange, timeouts=Timeouts(read_s=0.5))) as (url, _):
        status, placed = await post(user, url, "lost")
        assert (status, placed["status"]) == (201, "NEW")
        assert await post(user, url, "lost") == (201, placed)
    assert len(taken(exchange)) == 1


async def test_a_user_who_goes_away_leaves_no_order_in_doubt(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession, strike: Strike
) -> None:
    has_struck = strike(Fault(kind="late_answer", on="new_order", times=1, delay_ms=300))
    async with serving(kind, maker(exchange)) as (url, service):
        asked = asyncio.create_task(post(user, url, "gone"))
        await until(has_struck)
        asked.cancel()
        status, placed = await post(user, url, "gone")
        assert (status, placed["status"]) == (201, "NEW")
        assert service.orders.under_way == 0
    assert [line.client_id for line in taken(exchange)] == ["gone"]


async def test_a_key_is_refused_for_another_order(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    async with serving(kind, maker(exchange)) as (url, _):
        await post(user, url, "mine")
        for change in ({"price": "20001"}, {"quantity": "0.002"}, {"side": "SELL"}):
            status, body = await post(user, url, "mine", **change)
            assert status == 422
            assert "'mine' was used for another order already" in body["message"]
    assert len(taken(exchange)) == 1


async def test_a_key_whose_order_was_refused_is_free_again(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    async with serving(kind, maker(exchange)) as (url, _):
        status, body = await post(user, url, "twice", quantity="20")
        assert (status, body["error"]) == (409, "InsufficientBalance")
        status, placed = await post(user, url, "twice")
        assert (status, placed["status"]) == (201, "NEW")


async def test_wrong_input_is_answered_with_what_is_wrong(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    async with serving(kind, maker(exchange)) as (url, _):
        assert (await post(user, url, ""))[0] == 422
        for changes in ({"quantity": "-1"}, {"quantity": "much"}, {"side": "UP"}, {"symbol": "btcusdt"}):
            assert (await post(user, url, "wrong", **changes))[0] == 422, changes
        status, body = await get(user, f"{url}/orders/BTCUSDT/never-placed")
        assert (status, body["error"], body["outcome_known"]) == (404, "OrderNotFound", True)
    assert taken(exchange) == ()


async def test_a_rejected_key_is_the_services_own_fault_and_no_secret_is_told(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    def make() -> Mexc:
        return Mexc(Credentials(exchange.api_key, "not-its-secret"), rest=exchange.rest, ws=exchange.spot_ws)

    async with serving(kind, make) as (url, _), user.get(f"{url}/balances") as answer:
        text = await answer.text()
        assert answer.status == 500
        assert "ServiceMisconfigured" in text
        assert exchange.api_key not in text
        assert "not-its-secret" not in text


async def test_a_service_is_ready_until_something_stands_in_the_way(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    async with serving(kind, maker(exchange, limits="default")) as (url, service):
        await until(lambda: service.readiness().ready)
        status, ready = await get(user, f"{url}/ready")
        assert (status, ready["mode"], ready["private_stream"], ready["problems"]) == (200, "SIM", True, [])
        assert 0 < ready["headroom"]["ip"] <= 1
        service.mexc.limits.penalise(Ping.route, 418, 60)
        status, ready = await get(user, f"{url}/ready")
        assert status == 503
        assert any("is closed for" in problem for problem in ready["problems"])
        assert await get(user, f"{url}/health") == (200, {"alive": True})


async def test_a_service_starts_without_its_exchange_and_says_that_it_is_not_ready(
    kind: str, user: aiohttp.ClientSession
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        rest = f"http://127.0.0.1:{closed.getsockname()[1]}"  # no server listens there

        def make() -> Mexc:
            return Mexc(Credentials("key-of-nobody", "secret-of-nobody"), rest=rest, ws=f"ws{rest[4:]}/ws")

        async with serving(kind, make) as (url, service):
            await until(lambda: any("ConnectFailed" in one for one in service.readiness().problems))
            assert (await get(user, f"{url}/ready"))[0] == 503
            assert (await get(user, f"{url}/health"))[0] == 200


@asynccontextmanager
async def started(*command: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a service in a separate process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", *command),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended_well(process: asyncio.subprocess.Process) -> None:
    """Check that a service ends by its signal and leaves no warning behind."""
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode in (0, -signal.SIGTERM), err.decode()
    assert not {b"Traceback", b"Unclosed", b"destroyed", b"never awaited", b"doubt"} & set(err.split()), err.decode()
    assert b"Traceback" not in err, err.decode()


async def test_sigterm_lets_an_order_under_way_come_to_its_end(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession, strike: Strike
) -> None:
    words = ["-m", "tests.support.serving", kind, exchange.rest, exchange.spot_ws, exchange.api_key]
    async with started(*words, SECRET=exchange.api_secret) as process:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        has_struck = strike(Fault(kind="late_answer", on="new_order", times=1, delay_ms=700))
        asked = asyncio.create_task(post(user, url, "last"))
        await until(has_struck)
        process.send_signal(signal.SIGTERM)
        status, placed = await asked
        assert (status, placed["status"]) == (201, "NEW")
        await ended_well(process)
    assert [line.client_id for line in taken(exchange)] == ["last"]


async def test_an_example_runs_as_it_is(kind: str, user: aiohttp.ClientSession) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"

    async def is_ready() -> bool:
        try:
            return (await get(user, f"{url}/ready"))[0] == 200
        except aiohttp.ClientConnectionError:
            return False

    async with started(str(EXAMPLES / f"{kind}_service.py"), "--port", str(port)) as process:
        async with asyncio.timeout(30):
            while not await is_ready():
                assert process.returncode is None
                await asyncio.sleep(0.05)
        assert "USDT" in (await get(user, f"{url}/balances"))[1]
        process.send_signal(signal.SIGTERM)
        await ended_well(process)
