"""Orders that are started from a callback and run by themselves: no task, no wait, and none lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ClientClosed, GuardRefused, InvalidRequest, OutcomeUnknown
from mexc_async.native.loader import compiled
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.spot.market import ServerTimeQuery
from mexc_async.spot.trading import NewOrder
from tests.support import raw_server as server
from tests.support.fake_transport import KEY, SECRET
from tests.support.raw_server import Arrival, Behaviour, RawServer, Way
from tests.support.settings import flat

LIMIT: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}
TERMS: dict[str, Any] = {"price": Decimal("9.5"), "quantity": Decimal(1)}
ORDER = NewOrder(**LIMIT, **TERMS)
ACK = b'{"symbol":"BTCUSDT","orderId":"C02__1","price":"9.5","origQty":"1","type":"LIMIT","side":"BUY"}'
ANSWER = server.answer(ACK)


@asynccontextmanager
async def trading(placed: Behaviour = ANSWER, **settings: Any) -> AsyncIterator[tuple[RawServer, Mexc]]:
    async def behave(arrival: Arrival, way: Way) -> bool:
        if arrival.path == "/api/v3/order" and arrival.method == "POST":
            return await placed(arrival, way)
        body = b'{"timezone":"CST","serverTime":1700000000000,"symbols":[]}'
        return await server.answer(body)(arrival, way)

    usual: dict[str, Any] = {"limits": "unlimited", "check_rules": False, "orders": OrderSettings(settle_s=0.05)}
    async with (
        RawServer(behave) as raw,
        Mexc(Credentials(KEY, SECRET), **flat(rest=raw.url, **usual | settings)) as mexc,
    ):
        await mexc.warm_up(2)
        yield raw, mexc


def placed(raw: RawServer) -> int:
    return sum(arrival.path == "/api/v3/order" and arrival.method == "POST" for arrival in raw.arrivals)


async def test_an_order_begun_in_a_callback_is_answered() -> None:
    async with trading() as (raw, mexc):
        lane = mexc._lane
        assert lane is not None
        buy, free = mexc.spot.prepare(**LIMIT), lane.open_connections
        begun: list[Any] = []
        asyncio.get_running_loop().call_soon(lambda: begun.append((buy.start(**TERMS), lane.open_connections)))
        await raw.until(lambda: placed(raw) == 1)
        ((future, left),) = begun
        assert (await future).order_id == "C02__1"
        if compiled:
            assert left == free - 1  # written before `start` returned
        (order,) = mexc.orders.all()
        assert order.order_id == "C02__1"


async def test_whatever_can_be_sent_can_be_begun() -> None:
    async with trading() as (raw, mexc):
        (rung,) = await mexc.spot.presign([ORDER])
        assert (await rung.start()).order_id == "C02__1"
        assert (await mexc.start(ORDER)).order_id == "C02__1"
        assert await mexc.using(raw=True).start(ORDER) == msgspec.json.decode(ACK)
        assert (await mexc.start(ServerTimeQuery())).server_time == 1700000000000
        buy = mexc.spot.prepare(symbol="BTCUSDT", side="BUY", type="MARKET")
        assert (await buy.start(quantity=Decimal(1))).order_id == "C02__1"
        assert placed(raw) == 4


async def test_what_is_no_order_is_refused_at_once_and_everything_else_by_the_future() -> None:
    async with trading() as (raw, mexc):
        buy = mexc.spot.prepare(**LIMIT)
        with pytest.raises(InvalidRequest, match=r"price 9\.5"):
            buy.start(price=9.5, quantity=Decimal(1))  # type: ignore[arg-type]  # what is refused
        mexc.orders.halt("tested")
        halted = buy.start(**TERMS)
        with pytest.raises(GuardRefused, match="halted"):
            await halted
        mexc.orders.resume()
        again = mexc.start(NewOrder(**LIMIT, **TERMS, new_client_order_id="mine"))
        await again
        with pytest.raises(InvalidRequest, match="was used before"):
            await mexc.start(NewOrder(**LIMIT, **TERMS, new_client_order_id="mine"))
        assert placed(raw) == 1
    with pytest.raises(ClientClosed):
        await buy.start(**TERMS)
    with pytest.raises(ClientClosed):
        await mexc.start(ServerTimeQuery())


async def test_an_order_goes_on_although_its_future_is_cancelled() -> None:
    told = asyncio.Event()

    async def late(arrival: Arrival, way: Way) -> bool:
        await told.wait()
        return await server.answer(ACK)(arrival, way)

    async with trading(late) as (raw, mexc):
        future = mexc.spot.prepare(**LIMIT).start(**TERMS)
        await raw.until(lambda: placed(raw) == 1)
        future.cancel()
        told.set()
        (order,) = mexc.orders.all()
        await mexc.orders.execution.tracker.changed(order.record, 5)
        assert order.order_id == "C02__1"


async def test_closing_tells_what_is_unknown() -> None:
    async with trading(server.silence) as (raw, mexc):
        future = mexc.spot.prepare(**LIMIT).start(**TERMS)
        await raw.until(lambda: placed(raw) == 1)
        (order,) = mexc.orders.all()
    with pytest.raises(OutcomeUnknown) as unknown:
        await future
    assert unknown.value.client_order_id == order.client_order_id
    assert order.record.is_in_doubt


async def test_closing_ends_what_waits_for_the_limits() -> None:
    async with trading(limits="default") as (raw, mexc):
        buy = mexc.spot.prepare(**LIMIT)
        futures = [buy.start(**TERMS) for _ in range(60)]
        await raw.until(lambda: placed(raw) > 0)
    results = await asyncio.gather(*futures, return_exceptions=True)
    kinds = {type(result) for result in results}
    assert ClientClosed in kinds
    sent = sum(not isinstance(result, ClientClosed) for result in results)
    assert placed(raw) <= sent < 60


async def test_an_error_that_nobody_foresaw_leaves_no_order_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        pytest.skip("the order is a task's then")
    async with trading() as (raw, mexc):
        monkeypatch.setattr(mexc._api, "recorder", object())  # it cannot write
        with pytest.raises(AttributeError):
            await mexc.spot.prepare(**LIMIT).start(**TERMS)
        monkeypatch.undo()
        assert not mexc.orders.live()
        assert placed(raw) == 0
