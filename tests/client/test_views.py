"""`mexc.using(...).orders`: the same orders, sent with a view's options."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.client.view import View
from mexc_async.errors import OrderRejected, RateLimited
from mexc_async.limits.profiles import Limits
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.schema.answers import Reply
from mexc_async.spot.trading import NewOrder
from tests.support.fake_transport import CANCEL, PLACE, FakeClient, Sent, fake_client, refusal, reply

D = Decimal
BATCH = "POST /api/v3/batchOrders"
FEW = Limits.custom("unlimited", orders=(2, 0.3))


async def placed(sent: Sent) -> Reply:
    return reply({"symbol": "BTCUSDT", "orderId": f"C02__{sent.params['newClientOrderId']}"})


async def cancelled(sent: Sent) -> Reply:
    name = sent.params["origClientOrderId"]
    told = {"symbol": "BTCUSDT", "orderId": f"C02__{name}", "status": "CANCELED", "executedQty": "0"}
    return reply(told)


async def batch(sent: Sent) -> Reply:
    rows = json.loads(sent.params["batchOrders"])
    names = [row["newClientOrderId"] for row in rows]
    return reply([{"symbol": "BTCUSDT", "orderId": f"C02__{name}", "newClientOrderId": name} for name in names])


@asynccontextmanager
async def exchange(limits: Limits | str = "unlimited") -> AsyncIterator[FakeClient]:
    """Build a pipeline on an exchange that takes every order and every cancel."""
    async with fake_client(limits) as d:
        for where, answer in ((PLACE, placed), (CANCEL, cancelled), (BATCH, batch)):
            d.transport.on(where, answer)
        yield d


async def buy(view: View, **more: Any) -> TrackedOrder:
    return await view.orders.limit_buy("BTCUSDT", quantity=D("0.5"), price=D(60000), **more)


def went_out(d: FakeClient, where: str) -> list[tuple[float | None, str | None]]:
    """Return time-out and recvWindow of everything that was sent there."""

    def options(sent: Sent) -> tuple[float | None, str | None]:
        return sent.timeout_s, sent.params.get("recvWindow")

    return [options(sent) for sent in d.transport.of(where)]


async def test_a_views_options_are_those_of_what_it_places_and_cancels() -> None:
    async with exchange() as d:
        quick = d.view.using(timeout_s=3, recv_window_ms=700)
        order = await buy(quick)
        await order.replace(price=D(59000))
        (known,) = quick.orders.live()
        await known.cancel()
        assert went_out(d, PLACE) == went_out(d, CANCEL) == [(3, "700")] * 2
        await quick.orders.place_many([NewOrder(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=D(1))])
        assert went_out(d, BATCH) == [(3, "700")]
        await buy(d.view)
        assert went_out(d, PLACE)[-1] == (None, None)


async def test_an_order_is_cancelled_by_the_options_of_where_it_was_got() -> None:
    async with exchange() as d:
        quick = d.view.using(timeout_s=3)
        order = await buy(d.view)
        found = quick.orders[order.client_order_id]
        assert found == order
        await found.cancel()
        assert order.status is OrderState.CANCELED
        assert went_out(d, CANCEL) == [(3, None)]


async def test_a_view_of_a_view_keeps_what_is_not_given() -> None:
    async with exchange() as d:
        await buy(d.view.using(timeout_s=3).using(recv_window_ms=700))
        assert went_out(d, PLACE) == [(3, "700")]


async def test_an_order_that_may_not_wait_for_the_limits_is_refused_at_once() -> None:
    async with exchange(FEW) as d:
        fast = d.view.using(max_wait_s=0)
        first, _ = await buy(fast), await buy(fast)
        with pytest.raises(RateLimited) as caught:
            await buy(fast, client_order_id="late")
        assert caught.value.client_order_id == "late"
        assert fast.orders["late"].status is OrderState.NOT_PLACED
        with pytest.raises(RateLimited):
            await first.cancel()
        assert not d.transport.of(CANCEL)
        assert len(d.transport.of(PLACE)) == 2
        await buy(d.view)  # one that may wait
        assert len(d.transport.of(PLACE)) == 3


async def test_what_a_session_leaves_open_is_cancelled_though_its_view_does_not_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with exchange(FEW) as d:
        fast = d.view.using(max_wait_s=0)
        async with fast.orders.session() as session:
            order, other = await buy(fast), await buy(d.view)
            assert session.opened == [order, other]
        assert (order.status, other.status) == (OrderState.CANCELED, OrderState.CANCELED)
        assert "not cancelled" not in caplog.text  # it waited, and did not ask again and again


async def test_an_order_that_could_not_be_replaced_is_put_back_though_its_view_does_not_wait() -> None:
    async with exchange(FEW) as d:
        order = await buy(d.view.using(max_wait_s=0))
        with pytest.raises(RateLimited):  # placing and cancelling took what the limit allows
            await order.replace(price=D(59000))
        assert order.replaced_by is not None
        assert (order.replaced_by.status, order.replaced_by.price) == (OrderState.NEW, D(60000))


async def test_guard_and_halt_are_one_for_all_views() -> None:
    async with exchange() as d:
        view = d.view.using(timeout_s=3)
        view.orders.halt("enough")
        assert d.view.orders.halted == "enough"
        d.view.orders.resume()
        d.transport.on(PLACE, refusal(30002))
        with pytest.raises(OrderRejected):
            await buy(view)
