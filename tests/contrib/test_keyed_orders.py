"""One key, one order, despite failing callers, clients and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.contrib.keyed_orders import KeyedOrders, client_order_id_of
from mexc_async.errors import ClientClosed, ConnectionLost, InvalidRequest, MexcError, OrderNotFound
from mexc_async.net.pool import Timeouts
from mexc_async.sim.background import BackgroundSimulator
from mexc_async.sim.faults import Fault
from mexc_async.spot.trading import NewOrder
from tests.contrib.serving import maker
from tests.streams.support import until

Strike = Callable[[Fault], Callable[[], bool]]


def order(**changes: Any) -> NewOrder:
    usual: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}
    usual |= {"quantity": Decimal("0.001"), "price": Decimal(20000)}
    return NewOrder(**usual | changes)


def count(exchange: BackgroundSimulator) -> int:
    return exchange.call(lambda simulator: len(simulator.statement().orders))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("plain-key_1", "plain-key_1"),
        ("k" * 32, "k" * 32),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "81ed8f4a5c03f5e3"),
        ("with space", "a1f56b80bb2f2ba0"),
    ],
)
def test_a_key_that_cannot_be_an_order_id_becomes_its_hash(key: str, name: str) -> None:
    made = client_order_id_of(key)
    assert len(made) <= 32
    assert made == name or (key != made and len(made) == 32 and client_order_id_of(key) == made)


@pytest.mark.parametrize("key", ["", "k" * 256, "line\nbreak"])
def test_what_can_be_no_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest, match="idempotency key"):
        client_order_id_of(key)


async def test_an_order_that_an_earlier_run_sent_and_that_arrives_late_is_not_placed_again(
    exchange: BackgroundSimulator, strike: Strike
) -> None:
    make = maker(exchange, recv_window_ms=2000, timeouts=Timeouts(total_s=60))
    has_struck = strike(Fault(kind="hold", on="new_order", times=1, delay_ms=700))
    earlier = make()
    await earlier.__aenter__()
    sent = asyncio.create_task(KeyedOrders(earlier, earlier_s=0).place("late", order()))
    await until(has_struck)
    await earlier.aclose()
    with pytest.raises(MexcError):
        await sent
    assert count(exchange) == 0  # the exchange has received it but not processed it
    async with make() as mexc:
        placed = await KeyedOrders(mexc, earlier_s=2.5).place("late", order())
        assert placed.client_order_id == "late"
    assert count(exchange) == 1


async def test_a_caller_who_is_cancelled_does_not_stop_the_order(exchange: BackgroundSimulator, strike: Strike) -> None:
    has_struck = strike(Fault(kind="late_answer", on="new_order", times=1, delay_ms=200))
    async with maker(exchange)() as mexc:
        orders = KeyedOrders(mexc, earlier_s=0)
        caller = asyncio.create_task(orders.place("left", order()))
        await until(has_struck)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert orders.under_way == 1
        assert await orders.settled(10)
        assert (await orders.find("left", "BTCUSDT")).status == "NEW"
        assert (await orders.place("left", order())).order_id is not None
    assert count(exchange) == 1


async def test_an_order_that_was_cancelled_is_not_placed_again(exchange: BackgroundSimulator) -> None:
    async with maker(exchange)() as mexc:
        orders = KeyedOrders(mexc, earlier_s=0)
        first = await orders.place("once", order())
        await first.cancel()
        again = await orders.place("once", order())
        assert again == first
        assert again.status == "CANCELED"
    assert count(exchange) == 1


async def test_callers_are_told_when_the_client_is_closed_under_them(
    exchange: BackgroundSimulator, strike: Strike
) -> None:
    has_struck = strike(Fault(kind="mute", on="new_order", times=1))
    mexc = maker(exchange, timeouts=Timeouts(total_s=60, read_s=60))()
    async with mexc:
        caller = asyncio.create_task(KeyedOrders(mexc, earlier_s=0).place("closed", order()))
        await until(has_struck)
    with pytest.raises((ClientClosed, ConnectionLost)):
        await caller


async def test_a_key_that_was_never_used_is_not_found(exchange: BackgroundSimulator) -> None:
    async with maker(exchange)() as mexc:
        orders = KeyedOrders(mexc)
        with pytest.raises(OrderNotFound):
            await orders.find("never", "BTCUSDT")
        await KeyedOrders(mexc, earlier_s=0).place("used", order())
        with pytest.raises(OrderNotFound, match="no order of ETHUSDT"):
            await orders.find("used", "ETHUSDT")
