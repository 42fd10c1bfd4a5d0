"""One key, one order, despite failing callers, clients and answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.contrib.keyed_orders import KeyedOrders, client_order_id_of, terms_of_record
from mexc_async.errors import (
    ClientClosed,
    ConnectionLost,
    InvalidRequest,
    MexcError,
    OrderNotFound,
    OutcomeUnknown,
)
from mexc_async.orders.from_spot import adopted, record_of
from mexc_async.orders.tracker import OrderSettings
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.spot.models import Order
from mexc_async.spot.trading import NewOrder
from mexc_async.transport.config import Timeouts
from tests.support.serving import maker
from tests.support.streams import until

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


# --- another order under the same key ---

LIMIT: dict[str, Any] = {}
WORTH: dict[str, Any] = {"type": "MARKET", "quantity": None, "price": None, "quote_order_qty": Decimal(20)}
AMOUNT: dict[str, Any] = {"type": "MARKET", "quantity": Decimal("0.001"), "price": None}
PREVENTED: dict[str, Any] = {"stp_mode": "cancel_maker"}
OTHERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (WORTH, {"quote_order_qty": Decimal(5000)}, "quote_order_qty"),
    (WORTH, {"quote_order_qty": None, "quantity": Decimal("0.01")}, "quantity, quote_order_qty"),
    (WORTH, {"side": "SELL"}, "side"),
    (WORTH, PREVENTED, "stp_mode"),
    (AMOUNT, {"quantity": Decimal("0.002")}, "quantity"),
    (AMOUNT, {"quantity": None, "quote_order_qty": Decimal(20)}, "quantity, quote_order_qty"),
    (AMOUNT, {"type": "LIMIT", "price": Decimal(20000)}, "type, price"),
    (LIMIT, {"quantity": Decimal("0.002")}, "quantity"),
    (LIMIT, {"price": Decimal(20001)}, "price"),
    (LIMIT, {"type": "LIMIT_MAKER"}, "type"),
    (LIMIT, {"side": "SELL"}, "side"),
    (LIMIT, {"symbol": "ETHUSDT"}, "symbol"),
    (LIMIT, PREVENTED, "stp_mode"),
    (PREVENTED, {"stp_mode": None}, "stp_mode"),
    (PREVENTED, {"stp_mode": "cancel_both"}, "stp_mode"),
]


@asynccontextmanager
async def two_runs(
    exchange: BackgroundSimulator, restarted: bool, **limits: Any
) -> AsyncIterator[tuple[KeyedOrders, KeyedOrders]]:
    """A run's orders under keys, and those of the same run or of the next."""
    async with maker(exchange)() as first, maker(exchange)() as later:
        for mexc in (first, later) if limits else ():
            mexc.orders.limits(**limits)
        orders = KeyedOrders(first, earlier_s=0)
        yield orders, KeyedOrders(later, earlier_s=0) if restarted else orders


@pytest.mark.parametrize("restarted", [False, True], ids=["same run", "restarted"])
@pytest.mark.parametrize(("asked", "change", "differing"), OTHERS)
async def test_a_key_is_refused_for_any_other_term_without_telling_the_first_orders(
    exchange: BackgroundSimulator, asked: dict[str, Any], change: dict[str, Any], differing: str, restarted: bool
) -> None:
    async with two_runs(exchange, restarted) as (orders, later):
        first = await orders.place("mine", order(**asked))
        with pytest.raises(InvalidRequest) as refused:
            await later.place("mine", order(**asked | change))
        again = await later.place("mine", order(**asked))
        assert again.order_id == first.order_id
    assert refused.value.message == (
        f"idempotency key 'mine' was used for another order already; these terms differ: {differing}"
    )
    assert count(exchange) == 1


@pytest.mark.parametrize("restarted", [False, True], ids=["same run", "restarted"])
async def test_amounts_written_otherwise_are_the_same_order(exchange: BackgroundSimulator, restarted: bool) -> None:
    async with two_runs(exchange, restarted) as (orders, later):
        first = await orders.place("mine", order())
        again = await later.place("mine", order(quantity=Decimal("0.00100"), price=Decimal("2E+4"), stp_mode=""))
        assert again.order_id == first.order_id
    assert count(exchange) == 1


@pytest.mark.parametrize("restarted", [False, True], ids=["same run", "restarted"])
async def test_a_rounded_order_is_repeated_with_the_terms_it_was_asked_for_with(
    exchange: BackgroundSimulator, restarted: bool
) -> None:
    uneven = order(quantity=Decimal("0.0010000009"), price=Decimal("20000.009"))
    async with two_runs(exchange, restarted, round="down") as (orders, later):
        first = await orders.place("uneven", uneven)
        assert (first.quantity, first.price) != (uneven.quantity, uneven.price)
        assert (await later.place("uneven", uneven)).order_id == first.order_id
        with pytest.raises(InvalidRequest, match=r"these terms differ: quantity$"):
            await later.place("uneven", order(quantity=Decimal("0.0020000009"), price=uneven.price))
        if not restarted:  # what it was before it was rounded is known as long as this run lasts
            with pytest.raises(InvalidRequest, match=r"these terms differ: quantity, price$"):
                await later.place("uneven", order(quantity=first.quantity, price=first.price))
    assert count(exchange) == 1


async def test_an_order_asked_for_while_another_has_the_key_waits_for_what_becomes_of_that(
    exchange: BackgroundSimulator, strike: Strike
) -> None:
    async with maker(exchange)() as mexc:
        orders = KeyedOrders(mexc, earlier_s=0)
        for quantity, is_refused in (("0.001", False), ("20", True)):  # 20 cost more than the account has
            has_struck = strike(Fault(kind="late_answer", on="new_order", times=1, delay_ms=200))
            key = f"at-once-{quantity}"
            first = asyncio.create_task(orders.place(key, order(quantity=Decimal(quantity))))
            await until(has_struck)
            other = asyncio.create_task(orders.place(key, order(quantity=Decimal("0.003"))))
            results = await asyncio.gather(first, other, return_exceptions=True)
            assert [isinstance(result, MexcError) for result in results] == [is_refused, not is_refused]
    assert count(exchange) == 2


async def test_an_order_in_doubt_is_not_the_answer_to_another_order(
    exchange: BackgroundSimulator, strike: Strike
) -> None:
    strike(Fault(kind="hold", on="new_order", times=1, delay_ms=5000))
    settings = {"timeouts": Timeouts(read_s=0.3), "orders": OrderSettings(settle_s=0.3)}
    async with maker(exchange, **settings)() as mexc:
        orders = KeyedOrders(mexc, earlier_s=0)
        with pytest.raises(OutcomeUnknown):
            await orders.place("doubt", order())
        with pytest.raises(InvalidRequest, match=r"these terms differ: quantity$"):
            await orders.place("doubt", order(quantity=Decimal("0.002")))


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ({}, {"quantity": None, "quote_order_qty": None}),
        ({"quote_order_qty": Decimal(20)}, {"quantity": None, "quote_order_qty": Decimal(20)}),
        (
            {"quantity": Decimal("0.001"), "quote_order_qty": Decimal(20)},  # the quantity that it bought
            {"quantity": None, "quote_order_qty": Decimal(20)},
        ),
        (
            {"quantity": Decimal("0.001"), "quote_order_qty": Decimal(0)},
            {"quantity": Decimal("0.001"), "quote_order_qty": None},
        ),
    ],
)
def test_only_the_size_that_the_exchange_tells_is_known_of_a_market_order(
    told: dict[str, Any], known: dict[str, Any]
) -> None:
    usual: dict[str, Any] = {"symbol": "BTCUSDT", "order_id": "1", "status": "FILLED", "type": "MARKET", "side": "BUY"}
    usual |= {"executed_quantity": Decimal("0.001"), "executed_quote_quantity": Decimal(20), "time": 1}
    terms = terms_of_record(adopted(Order(**usual | told), "mine"))
    assert {name: terms[name] for name in known} == known


def test_every_term_of_an_order_is_compared() -> None:
    terms = terms_of_record(record_of(order(new_client_order_id="mine")))
    assert set(terms) == set(NewOrder.__struct_fields__) - {"new_client_order_id"}
