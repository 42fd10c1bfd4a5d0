"""A client's life: opened by its first call, once; closed with its event loop; refused in another one."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.client.sim_process import SimulatorProcess
from mexc_async.errors import ClientClosed, ConfigError
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.spot.market import DepthQuery
from mexc_async.spot.models import Order
from mexc_async.spot.trading import NewOrder
from mexc_async.transport.lane import Lane
from tests.support.streams import nothing_left

RESTING: dict[str, Any] = {"price": Decimal("20000.00"), "quantity": Decimal("0.001")}
ORDER = NewOrder(symbol="BTCUSDT", side="BUY", type="LIMIT", **RESTING)


@pytest.fixture
def near(mexc_sim: BackgroundSimulator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let `Mexc.sim()` use a simulator of this process; return the list of its starts and stops."""
    told: list[str] = []

    class Near(SimulatorProcess):
        def __init__(self, *arguments: str) -> None:
            super().__init__(*arguments)
            self.credentials = Credentials(mexc_sim.api_key, mexc_sim.api_secret)

        async def start(self) -> None:
            told.append("start")
            await asyncio.sleep(0)
            if told.count("start") < told.count("fail"):
                raise ConfigError("the simulated exchange did not start: no luck")
            self.rest, self.ws = mexc_sim.rest, mexc_sim.spot_ws

        async def stop(self) -> None:
            told.append("stop")

    monkeypatch.setattr("mexc_async.client.mexc.SimulatorProcess", Near)
    return told


async def first_push(mexc: Mexc) -> None:
    async for _ in mexc.streams.book_ticker("BTCUSDT", interval="10ms"):
        return


async def synced(mexc: Mexc) -> None:
    async with mexc.books("BTCUSDT") as book:
        await book.synced()


async def session(mexc: Mexc) -> None:
    async with mexc.orders.session() as orders:
        await orders.limit_buy("BTCUSDT", **RESTING)


async def followed(mexc: Mexc) -> None:
    await mexc.orders.follow(30)


async def presigned(mexc: Mexc) -> None:
    (order,) = await mexc.spot.presign([ORDER])
    await order.send()


FIRST_USES: dict[str, Callable[[Mexc], Awaitable[object]]] = {
    "a public call": lambda mexc: mexc.spot.ping(),
    "a signed call": lambda mexc: mexc.spot.account(),
    "a view": lambda mexc: mexc.using(timeout_s=20).spot.server_time(),
    "a raw view": lambda mexc: mexc.using(raw=True).spot.server_time(),
    "send": lambda mexc: mexc.send(DepthQuery(symbol="BTCUSDT")),
    "start": lambda mexc: mexc.start(ORDER),
    "request": lambda mexc: mexc.request("GET", "/api/v3/time"),
    "an order": lambda mexc: mexc.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", **RESTING),
    "a tracked order": lambda mexc: mexc.orders.limit_buy("BTCUSDT", **RESTING),
    "a session": session,
    "a prepared order": lambda mexc: mexc.spot.prepare(symbol="BTCUSDT", side="BUY", type="LIMIT").send(**RESTING),
    "a signed order": presigned,
    "the private stream": followed,
    "a stream": first_push,
    "a book": synced,
    "rules": lambda mexc: mexc.load_rules(),
    "the clock": lambda mexc: mexc.sync_clock(),
    "balances": lambda mexc: mexc.balances.current(),
    "warm-up": lambda mexc: mexc.warm_up(1),
}


@pytest.mark.filterwarnings("ignore:a stream of:ResourceWarning")
@pytest.mark.parametrize("use", FIRST_USES)
async def test_the_first_use_opens_the_client(near: list[str], use: str) -> None:
    mexc = Mexc.sim()
    await FIRST_USES[use](mexc)
    assert near == ["start"]
    assert await mexc.open() is mexc
    async with mexc:
        assert near == ["start"]
    assert near == ["start", "stop"]
    await mexc.aclose()


async def test_calls_at_the_same_time_share_one_opening(near: list[str]) -> None:
    mexc = Mexc.sim()
    await asyncio.gather(mexc.spot.ping(), mexc.open(), mexc.spot.account(), mexc.open(), mexc.spot.server_time())
    assert near == ["start"]
    await mexc.aclose()


async def test_a_failed_opening_can_be_tried_again(near: list[str]) -> None:
    near += ["fail", "fail"]
    mexc = Mexc.sim()
    with pytest.raises(ConfigError, match="no luck"):
        await mexc.spot.ping()
    await mexc.spot.ping()
    assert near.count("start") == 2
    await mexc.aclose()


async def test_a_cancelled_opening_can_be_tried_again(near: list[str]) -> None:
    mexc = Mexc.sim()
    opening = asyncio.create_task(mexc.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await mexc.spot.ping()
    await mexc.aclose()


async def test_a_client_whose_opening_is_cancelled_on_entering_is_closed(near: list[str]) -> None:
    async def enter() -> None:
        async with mexc:
            raise AssertionError("it was cancelled")

    async with nothing_left():
        mexc = Mexc.sim()
        entering = asyncio.create_task(enter())
        await asyncio.sleep(0)
        entering.cancel()
        await asyncio.wait([entering])
        assert entering.cancelled()
        with pytest.raises(ClientClosed):
            await mexc.spot.ping()


async def test_a_closed_client_is_not_opened_again(near: list[str]) -> None:
    mexc = await Mexc.sim().open()
    await mexc.aclose()
    for use in (mexc.open, mexc.spot.ping, mexc.streams.trades("BTCUSDT").open, mexc.warm_up):
        with pytest.raises(ClientClosed):
            await use()


async def test_accounts_open_by_themselves_and_close_their_pool_once(mexc_sim: BackgroundSimulator) -> None:
    key = Credentials(mexc_sim.api_key, mexc_sim.api_secret)
    desk = Mexc.accounts({"one": key, "two": key}, rest=mexc_sim.rest, ws=mexc_sim.spot_ws)
    await desk["two"].spot.account()
    assert not desk["one"]._api.is_open
    assert await desk.open() is desk
    await desk["two"].aclose()
    await desk["one"].spot.ping()
    await desk.aclose()
    transport = desk["one"]._transport
    assert isinstance(transport, Lane)
    assert not transport.connections


def let_go(parts: list[object]) -> None:
    parts.clear()
    gc.collect()  # a book and its callback refer to each other


def test_a_dropped_client_is_closed_with_a_warning(near: list[str]) -> None:
    async def main() -> None:
        mexc = await Mexc.sim().open()
        parts: list[object] = [mexc.streams.trades("BTCUSDT"), mexc.books("BTCUSDT"), mexc.orders]
        parts.append(view := mexc.using(timeout_s=9))
        del mexc
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)
        await view.spot.ping()  # whoever holds a part of a client holds the client
        del view
        with pytest.warns(ResourceWarning, match=r"a client of 127\.0\.0\.1:\d+ was dropped without aclose"):
            let_go(parts)
        async with asyncio.timeout(30):
            while "stop" not in near:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)

    asyncio.run(main())


async def open_orders(simulator: BackgroundSimulator) -> list[Order]:
    key = Credentials(simulator.api_key, simulator.api_secret)
    async with Mexc(key, rest=simulator.rest, ws=simulator.spot_ws) as mexc:
        return await mexc.spot.open_orders(symbol="BTCUSDT")


@pytest.mark.filterwarnings("always::ResourceWarning")
def test_a_second_loop_gets_one_clear_error(
    mexc_sim: BackgroundSimulator, near: list[str], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything of the first loop is closed in it, and nothing is sent from the second one."""
    mexc = Mexc.sim()

    async def first() -> None:
        await mexc.orders.limit_buy("BTCUSDT", **RESTING)
        await mexc.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", **RESTING)
        await mexc.streams.trades("BTCUSDT").open()
        await mexc.books("BTCUSDT").__aenter__()

    async def second(use: Callable[[Mexc], Awaitable[object]]) -> None:
        with pytest.raises(ClientClosed, match=r"make one Mexc\(...\) inside each asyncio\.run") as caught:
            await use(mexc)
        assert "\n" not in str(caught.value)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(first())
        assert near == ["start", "stop"]
        for use in FIRST_USES.values():
            asyncio.run(second(use))
        gc.collect()
    printed = capsys.readouterr()
    noise = caplog.text + printed.out + printed.err + "".join(str(one.message) for one in warned)
    for word in ("Unclosed", "unclosed", "Traceback", "loop is closed", "never awaited"):
        assert word not in noise
    assert len(asyncio.run(open_orders(mexc_sim))) == 2


async def test_another_loop_beside_the_first_is_refused(near: list[str]) -> None:
    mexc = await Mexc.sim().open()
    await mexc.spot.ping()

    def elsewhere(use: Callable[[Mexc], Awaitable[object]]) -> None:
        async def main() -> None:
            with pytest.raises(ClientClosed, match="belongs to another event loop"):
                await use(mexc)

        asyncio.run(main())

    for use in ("a public call", "a signed call", "a stream"):
        await asyncio.to_thread(elsewhere, FIRST_USES[use])
    await mexc.aclose()


def test_a_session_that_the_loops_end_cancels_still_cancels_its_orders(
    mexc_sim: BackgroundSimulator, near: list[str]
) -> None:
    """The client closes last: tasks that end with the loop may still need it."""
    mexc = Mexc.sim()
    placed = []

    async def trade(ready: asyncio.Event) -> None:
        async with mexc.orders.session() as orders:
            placed.append(await orders.limit_buy("BTCUSDT", **RESTING))
            ready.set()
            await asyncio.Event().wait()

    async def main() -> asyncio.Task[None]:
        ready = asyncio.Event()
        task = asyncio.create_task(trade(ready))
        await ready.wait()
        return task  # it is still running

    asyncio.run(main())
    assert [order.status.name for order in placed] == ["CANCELED"]
    assert near == ["start", "stop"]
