"""`mexc.orders` on a simulated exchange: tracking, replacing, batches and sessions, with and without faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, Literal

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import (
    ApiError,
    ConfigError,
    GuardRefused,
    InsufficientBalance,
    InvalidRequest,
    MissingCredentials,
    OrderNotFilled,
    OrdersLeftOpen,
    OutcomeUnknown,
    ReadOnlyError,
    WaitTimeout,
    WouldTakeLiquidity,
)
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.orders.tracker import OrderSettings
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.spot.trading import NewOrder
from tests.support.streams import nothing_left, until
from tests.support.trading import XRP, best, resting, state, trader

D = Decimal


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """Start an exchange with static books and without limits."""
    async with Simulator(SimConfig(flow=0, limits="none")) as simulator:
        yield simulator


@pytest.fixture
async def mexc(sim: Simulator) -> AsyncIterator[Mexc]:
    async with nothing_left(), trader(sim) as client:
        await client.warm_up()
        yield client


def truth(sim: Simulator, order: TrackedOrder) -> tuple[str, Decimal, Decimal]:
    (line,) = [line for line in sim.statement().orders if line.client_id == order.client_order_id]
    return line.status, line.executed, line.executed_value


def agrees(sim: Simulator, order: TrackedOrder) -> bool:
    return truth(sim, order) == (order.status, order.filled_quantity, order.filled_quote_quantity)


# --- placing and tracking ---


async def test_an_order_is_followed_to_its_end(mexc: Mexc, sim: Simulator) -> None:
    order = await resting(mexc)
    assert await order.accepted() is order
    assert (order.status, order.is_final) == (OrderState.NEW, False)
    assert order.filled_quantity == 0
    assert order.average_price is None
    assert agrees(sim, order)
    assert await order.cancel() is order
    assert state(order) is OrderState.CANCELED
    assert order.remaining_quantity == 50
    assert agrees(sim, order)


@pytest.mark.parametrize("way", ["limit", "ioc", "fok", "market"])
@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_an_order_that_trades_knows_its_fills_and_fees(mexc: Mexc, sim: Simulator, side: str, way: str) -> None:
    bid, ask = await best(mexc)
    terms: dict[str, Any] = {"quantity": D(20)}
    if way != "market":
        terms["price"] = ask if side == "buy" else bid
    order: TrackedOrder = await getattr(mexc.orders, f"{way}_{side}")(XRP, **terms)
    await order.filled(5)
    await order.settled(5)
    assert agrees(sim, order)
    fills = [fill for fill in sim.statement().fills if fill.order_id == order.order_id]
    assert sorted(fill.trade_id for fill in order.fills) == sorted(fill.trade_id for fill in fills)
    assert sum((fill.quantity for fill in order.fills), D(0)) == order.filled_quantity == 20
    assert order.fees == {"USDT": sum((fill.fee for fill in fills), D(0))}
    assert order.average_price == order.filled_quote_quantity / 20


@pytest.mark.parametrize("kind", [D, str])
async def test_exact_amounts_of_any_kind_reach_the_exchange_as_they_are(mexc: Mexc, sim: Simulator, kind: Any) -> None:
    mexc.orders.limits(max_order_notional=kind("50"), max_total_notional={"USDT": 500}, collar=kind("0.9"))
    tick, (bid, _) = mexc.rules(XRP).tick, await best(mexc)
    price = mexc.rules(XRP).price(kind(f"{bid / 2:f}"))
    order = await mexc.orders.limit_buy(XRP, quantity=20, price=kind(f"{price:f}"))
    order = await order.replace(price=kind(f"{price - tick:f}"), quantity=kind("25.0"))
    (line,) = [one for one in sim.statement().orders if one.client_id == order.client_order_id]
    assert (line.price, line.quantity) == (price - tick, D(25))
    with pytest.raises(GuardRefused, match="max_order_notional"):
        await mexc.orders.market_buy(XRP, quote=kind("50.5"))
    with pytest.raises(InvalidRequest, match="is a float, rounded already"):
        await order.replace(price=0.5)  # type: ignore[arg-type]  # a float is refused


async def test_a_maker_order_that_would_trade_is_refused_as_such_by_every_way(mexc: Mexc) -> None:
    _, ask = await best(mexc)
    terms: dict[str, Any] = {"quantity": D(20), "price": ask}
    crossing = NewOrder(symbol=XRP, side="BUY", type="LIMIT_MAKER", **terms)
    with pytest.raises(WouldTakeLiquidity, match=r"30041 .* Place it away from the other side"):
        await mexc.orders.maker_buy(XRP, **terms)
    with pytest.raises(WouldTakeLiquidity):
        await mexc.send(crossing)
    with pytest.raises(WouldTakeLiquidity):
        await mexc.start(crossing)
    (placed,) = await mexc.orders.place_many([crossing])
    assert isinstance(placed.error, WouldTakeLiquidity)
    assert mexc.orders.live() == []


async def test_a_market_order_may_be_sized_in_quote(mexc: Mexc, sim: Simulator) -> None:
    order = await mexc.orders.market_buy(XRP, quote=D(30))
    await order.settled(5)
    assert state(order) is OrderState.FILLED
    assert D("29.5") < order.filled_quote_quantity <= 30
    assert (order.quantity, order.price) == (None, None)
    assert agrees(sim, order)


async def test_a_maker_order_that_would_trade_is_refused(mexc: Mexc) -> None:
    _, ask = await best(mexc)
    with pytest.raises(ApiError) as caught:
        await mexc.orders.maker_buy(XRP, quantity=D(20), price=ask)
    order = mexc.orders[caught.value.client_order_id or ""]
    assert (order.status, order.error) == (OrderState.REFUSED, caught.value)
    for wait in (order.accepted, order.filled):
        with pytest.raises(type(caught.value)):
            await wait()
    await order.closed()


async def test_waiting_for_an_end_that_is_another_or_does_not_come(mexc: Mexc) -> None:
    order = await resting(mexc)
    for wait in (order.filled, order.closed, order.changed, order.settled):
        with pytest.raises(WaitTimeout, match=r"in 0\.01 s"):
            await wait(0.01)
    with pytest.raises(TimeoutError):
        await order.filled(0)
    filled = asyncio.create_task(order.filled())
    await order.cancel()
    with pytest.raises(OrderNotFilled, match="CANCELED"):
        await filled


async def test_orders_placed_by_endpoint_are_followed_too(mexc: Mexc) -> None:
    bid, _ = await best(mexc)
    price = mexc.rules(XRP).price(bid * D("0.9"))
    await mexc.spot.new_order(
        symbol=XRP, side="BUY", type="LIMIT", quantity=D(20), price=price, new_client_order_id="by-endpoint"
    )
    order = mexc.orders["by-endpoint"]
    assert state(order) is OrderState.NEW
    await mexc.spot.cancel_open_orders(symbol=XRP)
    assert state(order) is OrderState.CANCELED
    assert mexc.orders.live() == []
    assert order in mexc.orders.all()
    with pytest.raises(KeyError):
        mexc.orders["another"]


async def test_the_private_stream_tells_of_fills(sim: Simulator) -> None:
    async with trader(sim, orders=OrderSettings(poll_s=60.0, watch_s=60.0)) as mexc:  # REST is not asked
        await mexc.warm_up()
        order = await resting(mexc)
        await mexc.orders.follow(10)
        _sell_into(sim, order, D(20))
        await order.changed(5)
        await until(lambda: order.filled_quantity == 20)
        assert (order.status, len(order.fills)) == (OrderState.PARTIALLY_FILLED, 1)
        _sell_into(sim, order, D(30))
        await order.filled(5)
        await order.settled(5)
        assert agrees(sim, order)


async def test_without_a_stream_rest_tells(sim: Simulator) -> None:
    sim.inject(Fault(kind="refuse"))
    async with trader(sim) as mexc:
        await mexc.warm_up()
        with pytest.raises(WaitTimeout, match="private stream"):
            await mexc.orders.follow(0.05)
        order = await resting(mexc)
        assert not mexc.orders.is_followed
        _sell_into(sim, order, D(50))
        await order.settled(10)
        assert (order.status, len(order.fills)) == (OrderState.FILLED, 1)
        assert agrees(sim, order)


async def test_an_order_that_ends_at_once_is_looked_up_at_once_where_no_stream_tells(sim: Simulator) -> None:
    sim.inject(Fault(kind="refuse"))
    async with trader(sim, orders=OrderSettings(poll_s=60.0)) as mexc:
        await mexc.warm_up()
        order = await mexc.orders.market_buy(XRP, quantity=D(20))
        await order.filled(10)


async def test_a_push_that_was_lost_is_made_up_for(sim: Simulator) -> None:
    async with trader(sim) as mexc:
        await mexc.warm_up()
        order = await resting(mexc)
        await until(lambda: mexc.orders.is_followed)
        sim.inject(Fault(kind="skip", on="spot@private.*"))
        _sell_into(sim, order, D(50))
        await order.settled(10)
        assert (order.status, len(order.fills)) == (OrderState.FILLED, 1)


def _sell_into(sim: Simulator, order: TrackedOrder, quantity: Decimal) -> None:
    """Let somebody sell this much to just this order."""
    (account,) = [account for account in sim.exchange.accounts.values() if account.name == "main"]
    standing = account.open_orders[order.order_id or ""]
    sim.exchange.meet(standing, float(quantity / standing.remaining), int(time.time() * 1000))


# --- unknown outcomes ---

LOSSES = [
    Fault(kind="mute", on="new_order", times=1),
    Fault(kind="error", on="new_order", status=504, times=1),
    Fault(kind="error", on="new_order", status=403, times=1),
    Fault(kind="reset", on="new_order", times=1),
    Fault(kind="truncate", on="new_order", times=1),
]


@pytest.mark.parametrize("fault", LOSSES, ids=lambda fault: f"{fault.kind} {fault.status}")
async def test_an_accepted_order_without_an_answer_is_found(mexc: Mexc, sim: Simulator, fault: Fault) -> None:
    sim.inject(fault)
    order = await resting(mexc)
    assert state(order) is OrderState.NEW
    assert agrees(sim, order)


async def test_the_private_stream_may_tell_first_what_became_of_an_order(mexc: Mexc, sim: Simulator) -> None:
    await resting(mexc)
    await until(lambda: mexc.orders.is_followed)
    bid, _ = await best(mexc)
    price = mexc.rules(XRP).price(bid * D("0.9"))
    sim.inject(Fault(kind="mute", on="new_order", times=1), Fault(kind="error", on="GET /api/v3/*", status=502))
    order = await mexc.orders.limit_buy(XRP, quantity=D(20), price=price)
    assert order.status is OrderState.NEW
    sim.clear_faults()
    assert agrees(sim, order)


async def test_an_order_that_was_never_accepted_is_safe_to_place_again(mexc: Mexc, sim: Simulator) -> None:
    sim.inject(Fault(kind="reset", on="new_order", at="read", times=1))
    with pytest.raises(Exception, match="cannot accept it any more") as caught:
        await resting(mexc)
    assert type(caught.value).__name__ == "OrderNotPlaced"
    await resting(mexc)
    assert len(sim.statement().orders) == 1


async def test_an_order_that_is_accepted_long_after_its_caller_gave_up_is_found(sim: Simulator) -> None:
    async with trader(sim, recv_window_ms=3000) as mexc:
        await mexc.warm_up()
        sim.inject(
            Fault(kind="hold", on="new_order", delay_ms=900, times=1), Fault(kind="mute", on="new_order", times=1)
        )
        sim.inject(Fault(kind="lag", on="query_order", delay_ms=100))
        order = await resting(mexc)
        assert state(order) is OrderState.NEW
        assert len(sim.statement().orders) == 1


async def test_an_outcome_that_stays_unknown_is_still_found_out(sim: Simulator) -> None:
    async with trader(sim, orders=OrderSettings(settle_s=0.3, lag_ms=100)) as mexc:
        await mexc.warm_up()
        bid, _ = await best(mexc)
        sim.inject(Fault(kind="mute", on="new_order", times=1), Fault(kind="error", on="GET /api/v3/*", status=502))
        with pytest.raises(OutcomeUnknown) as caught:
            await mexc.orders.limit_buy(XRP, quantity=D(50), price=mexc.rules(XRP).price(bid * D("0.9")))
        order = mexc.orders[caught.value.client_order_id or ""]
        assert state(order) is OrderState.UNKNOWN
        sim.clear_faults()
        await order.accepted(20)
        assert state(order) is OrderState.NEW


async def test_a_cancel_overtaking_its_order_still_cancels_it(mexc: Mexc, sim: Simulator) -> None:
    sim.inject(Fault(kind="overtake", on="new_order", delay_ms=2000, times=1))
    async with asyncio.TaskGroup() as group:
        placing = group.create_task(resting(mexc, client_order_id="mine"))
        await until(lambda: mexc.orders.get("mine") is not None)
        await mexc.orders["mine"].cancel()
    order = placing.result()
    assert state(order) is OrderState.CANCELED
    assert agrees(sim, order)


@pytest.mark.parametrize("part", [0.4, 1.0])
async def test_a_fill_during_the_cancel_is_counted(mexc: Mexc, sim: Simulator, part: float) -> None:
    order = await resting(mexc)
    sim.inject(Fault(kind="fill_first", on="cancel_order", part=part))
    await order.cancel()
    assert order.status is (OrderState.FILLED if part == 1 else OrderState.PARTIALLY_CANCELED)
    assert agrees(sim, order)


# --- replacing ---


async def test_a_replacement_takes_over_what_is_left(mexc: Mexc, sim: Simulator) -> None:
    order = await resting(mexc)
    _sell_into(sim, order, D(20))
    price = mexc.rules(XRP).price((order.price or D(0)) * D("0.99"))
    new = await order.replace(price=price)
    assert (new.quantity, new.price, new.replaces, order.replaced_by) == (D(30), price, order, new)
    assert (order.status, order.filled_quantity) == (OrderState.PARTIALLY_CANCELED, D(20))
    larger = await new.replace(quantity=D(40))
    assert (larger.quantity, larger.price) == (D(40), price)


@pytest.mark.parametrize("part", [0.4, 1.0])
async def test_a_fill_that_slips_in_never_makes_the_total_more_than_was_asked(
    mexc: Mexc, sim: Simulator, part: float
) -> None:
    order = await resting(mexc)
    sim.inject(Fault(kind="fill_first", on="cancel_order", part=part))
    new = await order.replace(price=mexc.rules(XRP).price((order.price or D(0)) * D("0.99")))
    if part == 1:
        assert new is order
        assert state(order) is OrderState.FILLED
    else:
        assert order.filled_quantity == 20
        assert new.quantity == 30
    assert sum(line.quantity for line in sim.statement().orders if line.status == "NEW") <= 30


async def test_a_smaller_total_than_is_filled_only_cancels(mexc: Mexc, sim: Simulator) -> None:
    order = await resting(mexc)
    _sell_into(sim, order, D(20))
    await until(lambda: order.filled_quantity == 20)
    assert await order.replace(quantity=D(10)) is order
    assert state(order) is OrderState.PARTIALLY_CANCELED
    assert len(sim.statement().orders) == 1


@pytest.mark.parametrize("on_fail", ["keep", "cancel"])
async def test_what_is_wrong_with_the_new_order_is_seen_before_the_old_one_goes(
    mexc: Mexc, sim: Simulator, on_fail: Literal["keep", "cancel"]
) -> None:
    order = await resting(mexc)
    with pytest.raises(InvalidRequest, match="not a multiple of the step"):
        await order.replace(price=D("0.123456789"), on_fail=on_fail)
    assert order.status is (OrderState.NEW if on_fail == "keep" else OrderState.CANCELED)
    assert agrees(sim, order)


@pytest.mark.parametrize("on_fail", ["keep", "cancel"])
async def test_a_refused_replacement_puts_the_old_order_back_or_leaves_nothing(
    mexc: Mexc, sim: Simulator, on_fail: Literal["keep", "cancel"]
) -> None:
    order = await resting(mexc)
    with pytest.raises(InsufficientBalance) as caught:
        await order.replace(quantity=D(500_000), on_fail=on_fail)
    standing = [line for line in sim.statement().orders if line.status == "NEW"]
    if on_fail == "cancel":
        assert standing == []
        return
    (line,) = standing
    assert order.replaced_by is not None
    assert (line.client_id, line.quantity, line.price) == (order.replaced_by.client_order_id, D(50), order.price)
    assert "was put back" in caught.value.__notes__[0]


async def test_a_replacement_whose_cancel_stays_unknown_places_nothing(sim: Simulator) -> None:
    async with trader(sim, orders=OrderSettings(settle_s=0.3)) as mexc:
        await mexc.warm_up()
        order = await resting(mexc)
        sim.inject(Fault(kind="mute", on="cancel_order"), Fault(kind="error", on="GET /api/v3/*", status=502))
        with pytest.raises(OutcomeUnknown):
            await order.replace(price=mexc.rules(XRP).price((order.price or D(0)) / 2))
        assert len(sim.statement().orders) == 1


async def test_only_a_standing_order_can_be_replaced_and_once_at_a_time(mexc: Mexc) -> None:
    order = await resting(mexc)
    for wrong, words in (
        ({}, "neither given"),
        ({"price": D(1), "on_fail": "retry"}, "'retry' is not one of"),
        ({"price": D(-1)}, "price"),
        ({"quantity": D("NaN")}, "quantity"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            await order.replace(**wrong)
    price = mexc.rules(XRP).price((order.price or D(0)) * D("0.99"))
    results = await asyncio.gather(order.replace(price=price), order.replace(price=price), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["InvalidRequest", "TrackedOrder"]
    with pytest.raises(InvalidRequest, match="has ended"):
        await order.replace(price=price)
    bought = await mexc.orders.market_buy(XRP, quantity=D(20))
    with pytest.raises(InvalidRequest, match="MARKET"):
        await bought.replace(quantity=D(30))
    await bought.closed(5)
    assert len(mexc.orders.live()) == 1


# --- batches ---


def wanted(price: Decimal, count: int, symbol: str = XRP, **more: Any) -> list[NewOrder]:
    return [
        NewOrder(symbol=symbol, side="BUY", type="LIMIT", quantity=D(20), price=price, **more) for _ in range(count)
    ]


async def test_any_number_of_orders_goes_out_in_batches_of_twenty_of_one_symbol(mexc: Mexc, sim: Simulator) -> None:
    bid, _ = await best(mexc)
    price = mexc.rules(XRP).price(bid * D("0.9"))
    ada, _ = await best(mexc, "ADAUSDT")
    low = mexc.rules("ADAUSDT").price(ada * D("0.9"))
    asked = [*wanted(price, 45), *wanted(price, 1, new_client_order_id="own"), *wanted(low, 3, "ADAUSDT")]
    orders = await mexc.orders.place_many(asked)
    assert [order.symbol for order in orders] == [order.symbol for order in asked]
    assert {order.status for order in orders} == {OrderState.NEW}
    assert orders[45].client_order_id == "own"
    assert len(sim.statement().orders) == 49
    done = await mexc.orders.cancel_all(XRP)
    assert len(done) == 46
    assert [order.symbol for order in mexc.orders.live()] == ["ADAUSDT"] * 3
    await mexc.orders.cancel_all()
    assert not [line for line in sim.statement().orders if line.status == "NEW"]


async def test_the_refusals_of_a_batch_come_one_by_one(mexc: Mexc) -> None:
    bid, _ = await best(mexc)
    price = mexc.rules(XRP).price(bid * D("0.9"))
    good = wanted(price, 2)
    off_step = NewOrder(symbol=XRP, side="BUY", type="LIMIT", quantity=D(20), price=price + D("0.0000001"))
    too_much = NewOrder(symbol=XRP, side="BUY", type="LIMIT", quantity=D(900_000), price=price)
    first, wrong, poor, last = await mexc.orders.place_many([good[0], off_step, too_much, good[1]])
    assert (first.status, last.status) == (OrderState.NEW, OrderState.NEW)
    assert isinstance(wrong.error, InvalidRequest)
    assert isinstance(poor.error, InsufficientBalance)
    with pytest.raises(InsufficientBalance):
        await poor.accepted()


async def test_a_batch_without_an_answer_is_found_item_by_item(mexc: Mexc, sim: Simulator) -> None:
    bid, _ = await best(mexc)
    sim.inject(Fault(kind="mute", on="batch_orders", times=1))
    orders = await mexc.orders.place_many(wanted(mexc.rules(XRP).price(bid * D("0.9")), 21))
    assert {order.status for order in orders} == {OrderState.NEW}
    assert len(sim.statement().orders) == 21


async def test_one_id_for_two_orders_is_refused(mexc: Mexc, sim: Simulator) -> None:
    with pytest.raises(InvalidRequest, match="given to two orders"):
        await mexc.orders.place_many(wanted(D(1), 2, new_client_order_id="same"))
    assert sim.statement().orders == ()


# --- sessions ---


def standing(sim: Simulator) -> set[str | None]:
    return {line.client_id for line in sim.statement().orders if line.status in ("NEW", "PARTIALLY_FILLED")}


async def test_orders_opened_inside_are_cancelled_at_the_end_and_no_others(mexc: Mexc, sim: Simulator) -> None:
    outside = await resting(mexc)

    async def grid() -> None:
        await resting(mexc, client_order_id="by-task")

    async with mexc.orders.session() as session:
        await resting(mexc, client_order_id="inside")
        bid, _ = await best(mexc)
        price = mexc.rules(XRP).price(bid * D("0.9"))
        await session.limit_buy(XRP, quantity=D(20), price=price, client_order_id="by-session")
        await mexc.spot.new_order(
            symbol=XRP, side="BUY", type="LIMIT", quantity=D(20), price=price, new_client_order_id="by-endpoint"
        )
        await asyncio.create_task(grid())
        assert {order.client_order_id for order in session.opened} == {"inside", "by-session", "by-endpoint", "by-task"}
    assert standing(sim) == {outside.client_order_id}


async def fail_inside(mexc: Mexc) -> None:
    async with mexc.orders.session(timeout_s=0.3):
        await resting(mexc)
        raise ZeroDivisionError


async def test_an_exception_and_a_cancellation_end_a_session_alike(mexc: Mexc, sim: Simulator) -> None:
    with pytest.raises(ZeroDivisionError):
        await fail_inside(mexc)
    assert standing(sim) == set()
    placed = asyncio.Event()

    async def strategy() -> None:
        async with mexc.orders.session():
            await resting(mexc)
            placed.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(strategy())
    await placed.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert standing(sim) == set()


async def test_cancelling_at_the_end_is_not_cut_short_by_another_cancellation(mexc: Mexc, sim: Simulator) -> None:
    placed = asyncio.Event()

    async def strategy() -> None:
        async with mexc.orders.session():
            await resting(mexc)
            placed.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(strategy())
    await placed.wait()
    sim.inject(Fault(kind="hold", on="cancel_order", delay_ms=200))
    running.cancel()
    for _ in range(5):
        await asyncio.sleep(0.01)
        running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert standing(sim) == set()


async def test_an_order_that_was_on_its_way_at_the_end_is_cancelled_too(mexc: Mexc, sim: Simulator) -> None:
    sim.inject(Fault(kind="hold", on="new_order", delay_ms=200, times=1))

    async def strategy() -> None:
        async with mexc.orders.session():
            await resting(mexc, client_order_id="late")

    running = asyncio.create_task(strategy())
    await until(lambda: mexc.orders.get("late") is not None)
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert mexc.orders["late"].status is OrderState.CANCELED
    assert standing(sim) == set()


async def test_the_end_of_a_session_tells_what_could_not_be_cancelled(mexc: Mexc, sim: Simulator) -> None:
    sim.inject(Fault(kind="error", on="cancel_order", at="read"))
    session = mexc.orders.session(timeout_s=0.3)
    await session.__aenter__()
    order = await resting(mexc)
    with pytest.raises(OrdersLeftOpen) as caught:
        await session.__aexit__(None, None, None)
    assert caught.value.orders == (order.client_order_id,)
    with pytest.raises(ZeroDivisionError) as noted:
        await fail_inside(mexc)
    assert mexc.orders.live()[-1].client_order_id in noted.value.__notes__[0]
    sim.clear_faults()


async def test_a_session_that_does_not_cancel_leaves_its_orders(mexc: Mexc, sim: Simulator) -> None:
    async with mexc.orders.session() as outer:
        async with mexc.orders.session(cancel_on_exit=False) as inner:
            order = await resting(mexc)
        assert inner.opened == outer.opened == [order]
        assert standing(sim) == {order.client_order_id}
    assert standing(sim) == set()
    with pytest.raises(InvalidRequest, match="timeout_s"):
        mexc.orders.session(timeout_s=-1)


# --- restart and refusals ---


async def test_open_orders_of_an_earlier_run_are_adopted_by_their_prefix(sim: Simulator) -> None:
    async with trader(sim, order_id_prefix="grid-") as mexc:
        await mexc.warm_up()
        old = await resting(mexc)
        await resting(mexc, client_order_id="grid-by-hand")
    async with trader(sim, order_id_prefix="grid-") as mexc:
        await mexc.warm_up()
        (order,) = await mexc.orders.adopt()
        assert (order.client_order_id, order.order_id, order.quantity) == (old.client_order_id, old.order_id, D(50))
        assert await mexc.orders.adopt() == [order]
        assert len(await mexc.orders.adopt("")) == 2
        await order.cancel()
        assert state(order) is OrderState.CANCELED


async def test_what_cannot_trade_is_told_at_once(sim: Simulator) -> None:
    async with nothing_left(), trader(sim, credentials=None) as mexc:
        with pytest.raises(MissingCredentials):
            await mexc.orders.limit_buy(XRP, quantity=D(20), price=D(1))
    async with trader(sim, read_only=True) as mexc:
        with pytest.raises(ReadOnlyError):
            await mexc.orders.place_many(wanted(D(1), 1))


@pytest.mark.parametrize("wrong", [{"settle_s": 0}, {"lag_ms": -1}, {"keep_s": "1"}, {"lag_ms": 1.5}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        OrderSettings(**wrong)


async def test_closing_the_client_lets_go_who_waits(sim: Simulator) -> None:
    mexc = trader(sim)
    await mexc.warm_up()
    order = await resting(mexc)
    waiting = asyncio.create_task(order.filled())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await mexc.aclose()
        with pytest.raises(Exception, match="closed"):
            await waiting
