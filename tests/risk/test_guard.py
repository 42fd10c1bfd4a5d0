"""`mexc.orders.limits` on a simulated exchange: a refused order is never sent, whatever method placed it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Literal

import pytest
from msgspec.structs import replace

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError, GuardRefused, InvalidRequest, MexcError
from mexc_async.limits.profiles import Limits
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.rest.events import RequestDone
from mexc_async.rest.retry import RetryPolicy
from mexc_async.risk.exposure_counter import UNKNOWN_FEE_RATE, assets_of
from mexc_async.schema.answers import Reply
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.spot.rules import SymbolRules
from mexc_async.spot.trading import NewOrder
from mexc_async.transport.config import Timeouts
from tests.support import fake_transport
from tests.support.streams import nothing_left, until
from tests.support.trading import FIFTY, XRP, best, resting, state, trader

D = Decimal


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """Start an exchange with static books and without limits."""
    async with Simulator(SimConfig(flow=0, limits="none")) as simulator:
        yield simulator


@pytest.fixture
async def mexc(sim: Simulator) -> AsyncIterator[Mexc]:
    async with nothing_left(), trader(sim, timeouts=Timeouts(), recv_window_ms=5000) as client:
        await client.warm_up()
        yield client


@pytest.fixture
async def hurried(sim: Simulator) -> AsyncIterator[Mexc]:
    """A client whose requests soon run out of time."""
    async with nothing_left(), trader(sim) as client:
        await client.warm_up()
        yield client


def placed(sim: Simulator) -> int:
    """Return the orders that reached the exchange."""
    return len(sim.statement().orders)


async def refusal(work: Awaitable[object]) -> GuardRefused:
    with pytest.raises(GuardRefused) as caught:
        await work
    return caught.value


async def an_order(mexc: Mexc, quantity: Decimal = FIFTY) -> NewOrder:
    bid, _ = await best(mexc)
    return NewOrder(
        symbol=XRP, side="BUY", type="LIMIT", quantity=quantity, price=mexc.rules(XRP).price(bid * D("0.9"))
    )


# --- settings ---


async def test_nothing_is_halted_at_first_or_after_resuming(mexc: Mexc) -> None:
    found = [mexc.orders.halted]
    mexc.orders.halt("a test")
    mexc.orders.resume()
    assert [*found, mexc.orders.halted] == [None, None]


async def test_limits_are_off_until_they_are_set_and_each_call_changes_what_it_names(mexc: Mexc) -> None:
    assert not mexc.orders.execution.guard.is_on
    assert mexc.orders.limits().max_open_orders is None
    mexc.orders.limits(max_open_orders=1)
    limits = mexc.orders.limits(max_order_notional=D(100))
    assert (limits.max_open_orders, limits.max_order_notional) == (1, {"USDT": D(100)})
    assert mexc.orders.limits(max_open_orders=None, max_order_notional=None) == type(limits)()


async def test_wrong_limits_change_nothing(mexc: Mexc) -> None:
    mexc.orders.limits(max_open_orders=1)
    for wrong in ({"max_notional": D(1)}, {"max_open_orders": -1}, {"collar": 0.1}, {"symbols": ["XRPUSTD"]}):
        with pytest.raises(ConfigError):
            mexc.orders.limits(max_order_notional=D(1), **wrong)
    assert mexc.orders.limits().max_order_notional is None


async def test_a_symbol_that_the_exchange_does_not_list_is_refused_once_rules_are_known(mexc: Mexc) -> None:
    with pytest.raises(ConfigError, match="'XRPUSTD' is not one of the exchange's 16"):
        mexc.orders.limits(symbols=["XRPUSTD"])


# --- every way to place ---


async def by_orders(mexc: Mexc, order: NewOrder) -> object:
    return await mexc.orders.place(order)


async def by_endpoint(mexc: Mexc, order: NewOrder) -> object:
    return await mexc.spot.new_order(
        symbol=order.symbol, side="BUY", type="LIMIT", quantity=order.quantity, price=order.price
    )


async def by_value(mexc: Mexc, order: NewOrder) -> object:
    return await mexc.send(order)


async def by_raw_view(mexc: Mexc, order: NewOrder) -> object:
    return await mexc.using(raw=True).send(order)


async def by_batch(mexc: Mexc, order: NewOrder) -> object:
    return await mexc.spot.batch_orders(orders=[order])


async def by_session(mexc: Mexc, order: NewOrder) -> object:
    async with mexc.orders.session() as session:
        return await session.place(order)


WAYS = [by_orders, by_endpoint, by_value, by_raw_view, by_batch, by_session]
Way = Callable[[Mexc, NewOrder], Awaitable[object]]


@pytest.mark.parametrize("way", WAYS)
async def test_an_order_is_held_by_whatever_method_it_is_placed(mexc: Mexc, sim: Simulator, way: Way) -> None:
    order = await an_order(mexc)
    mexc.orders.limits(max_order_notional=D(1))
    assert (await refusal(way(mexc, order))).rule == "max_order_notional"
    assert placed(sim) == 0
    mexc.orders.limits(max_order_notional=D(1000))
    await way(mexc, order)
    assert placed(sim) == 1


@pytest.mark.parametrize("path", ["/api/v3/order", "/api/v3/order/place", "/api/v3/batchOrders", "/API/v3/Order"])
async def test_no_path_leads_past_the_guard(mexc: Mexc, path: str) -> None:
    mexc.orders.limits(max_open_orders=1)
    with pytest.raises(InvalidRequest, match="would bypass the guard"):
        await mexc.request("POST", path, {"symbol": XRP}, signed=True)
    assert isinstance(await mexc.request("GET", "/api/v3/openOrders", signed=True), list)


class OwnOrder(NewOrder, frozen=True, kw_only=True):
    """An order class of a user's own."""


async def test_an_order_class_of_ones_own_meets_the_guard(mexc: Mexc) -> None:
    mexc.orders.limits(max_order_notional=D(1))
    order = OwnOrder(symbol=XRP, side="BUY", type="LIMIT", quantity=D(20), price=D("0.5"))
    for place in (mexc.send, mexc.start):
        with pytest.raises(GuardRefused, match="max_order_notional"):
            await place(order)


@pytest.mark.parametrize("transport", ["lane", "pool"])
@pytest.mark.parametrize("path", ["/api/v3/order/", "//api/v3/order", "/api/v3/x/../order", "/api/v3/%6Frder"])
async def test_no_spelling_of_a_path_leads_past_the_guard(
    sim: Simulator, path: str, transport: Literal["lane", "pool"]
) -> None:
    async with trader(sim, transport=transport) as mexc:
        await mexc.load_rules()
        order = await an_order(mexc)
        mexc.orders.limits(max_order_notional=D(1))
        with pytest.raises(InvalidRequest, match="must be a plain path"):
            await mexc.request("POST", path, dict(order.params()), signed=True)
    assert placed(sim) == 0


async def test_checking_of_rules_may_be_off_and_the_guard_still_knows_them(sim: Simulator) -> None:
    async with trader(sim, check_rules=False) as mexc:
        mexc.orders.limits(max_order_notional=D(1), round="down")
        bid, _ = await best(mexc)
        await refusal(mexc.orders.limit_buy(XRP, quantity=D("20.00001"), price=bid))
        mexc.orders.limits(max_order_notional=None)
        order = await mexc.orders.limit_buy(XRP, quantity=D("20.0000000001"), price=bid / 2 + D("1e-12"))
        assert order.quantity == 20
        await order.cancel()


async def test_of_many_orders_only_the_offending_are_refused(mexc: Mexc, sim: Simulator) -> None:
    mexc.orders.limits(max_open_orders=3, max_order_notional=D(500))
    orders = [await an_order(mexc, quantity) for quantity in (D(30), D(90_000), D(40), D(50), D(60))]
    ends = await mexc.orders.place_many(orders)
    assert [end.status for end in ends] == ["NEW", "REFUSED", "NEW", "NEW", "REFUSED"]
    rules = [end.error.rule for end in ends if isinstance(end.error, GuardRefused)]
    assert rules == ["max_order_notional", "max_open_orders"]
    assert placed(sim) == 3


async def test_a_batch_of_the_endpoint_is_refused_whole_and_leaves_nothing_counted(mexc: Mexc, sim: Simulator) -> None:
    mexc.orders.limits(max_open_orders=2)
    await refusal(mexc.spot.batch_orders(orders=[await an_order(mexc) for _ in range(3)]))
    assert placed(sim) == 0
    assert mexc.orders.exposure().open_orders == 0
    await mexc.spot.batch_orders(orders=[await an_order(mexc) for _ in range(2)])
    assert mexc.orders.exposure().open_orders == 2


# --- rounding ---


async def test_what_is_off_the_steps_is_rounded_so_that_nothing_gets_worse(mexc: Mexc) -> None:
    rules = mexc.rules(XRP)
    mexc.orders.limits(round="down")
    bid, ask = await best(mexc)
    low, high = rules.price(bid * D("0.9")), rules.price(ask * D("1.1"))
    buy = await mexc.orders.limit_buy(XRP, quantity=20 + rules.step / 2, price=low + rules.tick * D("0.9"))
    sell = await mexc.orders.maker_sell(XRP, quantity=20 + rules.step * D("0.9"), price=high + rules.tick / 10)
    assert (buy.price, buy.quantity) == (low, D(20))
    assert (sell.price, sell.quantity) == (high + rules.tick, D(20))
    exact = await mexc.orders.limit_buy(XRP, quantity=D(20), price=low)
    assert (exact.price, exact.quantity) == (low, D(20))
    moved = await buy.replace(price=low - rules.tick / 2)
    assert moved.price == low - rules.tick
    market = await mexc.orders.market_buy(XRP, quantity=20 + rules.step / 2)
    assert (market.price, market.quantity) == (None, D(20))


async def test_nothing_is_rounded_to_nothing(mexc: Mexc, sim: Simulator) -> None:
    mexc.orders.limits(round="down")
    step = mexc.rules(XRP).step
    error = await refusal(mexc.orders.limit_buy(XRP, quantity=step / 2, price=D(1)))
    assert (error.rule, "is less than one step of" in str(error)) == ("round", True)
    assert placed(sim) == 0


async def test_what_is_off_the_steps_may_be_refused_instead(mexc: Mexc) -> None:
    mexc.orders.limits(round="refuse")
    rules = mexc.rules(XRP)
    error = await refusal(mexc.orders.limit_buy(XRP, quantity=20 + rules.step / 2, price=D(1)))
    assert str(error).startswith("round: quantity 20.")
    assert "not a multiple of the step of XRPUSDT" in str(error)


def test_a_symbol_whose_fees_are_not_said_is_counted_at_more_than_nothing(mexc: Mexc) -> None:
    info = mexc.rules(XRP).info
    for changes, rate in (
        ({"maker_commission": None}, UNKNOWN_FEE_RATE),
        ({"taker_commission": None}, UNKNOWN_FEE_RATE),
        ({"maker_commission": D("0.001"), "taker_commission": D("0.003")}, D("0.003")),
        ({"maker_commission": D(0), "taker_commission": D(0)}, D(0)),
    ):
        assert assets_of(SymbolRules(replace(info, **changes))).fee_rate == rate


# --- the collar and its book ---


def depth_requests(mexc: Mexc) -> list[RequestDone]:
    found: list[RequestDone] = []

    def note(event: object) -> None:
        if isinstance(event, RequestDone) and event.path == "/api/v3/depth":
            found.append(event)

    mexc.hooks.add(note)
    return found


async def test_the_guard_opens_the_book_that_it_needs_and_the_first_order_waits_for_it(mexc: Mexc) -> None:
    asked = depth_requests(mexc)
    mexc.orders.limits(collar=D("0.02"))
    _, ask = await best(mexc)
    far = mexc.rules(XRP).price(ask * D("1.03"))
    first, second, third = await asyncio.gather(
        mexc.orders.limit_buy(XRP, quantity=FIFTY, price=far),
        mexc.orders.limit_sell(XRP, quantity=FIFTY, price=ask),
        mexc.orders.limit_sell(XRP, quantity=FIFTY, price=far),
        return_exceptions=True,
    )
    assert isinstance(second, TrackedOrder)
    for error in (first, third):
        assert isinstance(error, GuardRefused)
        assert "% above" in str(error)
    assert (await refusal(resting(mexc, below="0.9"))).rule == "collar"
    mexc.orders.limits(collar_side="worse")
    await resting(mexc, below="0.9")
    assert len(asked) == 1  # one book for all of them


async def test_a_book_of_the_users_serves_the_guard_too(mexc: Mexc) -> None:
    asked = depth_requests(mexc)
    mexc.orders.limits(collar=D("0.02"))
    async with mexc.books(XRP, numbers="float") as book:
        await book.synced()
        await resting(mexc, below="0.99")
        await refusal(resting(mexc, below="0.9"))
        assert len(asked) == 1
    await resting(mexc, below="0.99")  # its own book, from here on
    assert len(asked) == 2


async def test_market_orders_are_held_to_what_they_would_reach(mexc: Mexc, sim: Simulator) -> None:
    mexc.orders.limits(collar=D("0.002"))
    await mexc.orders.market_buy(XRP, quantity=D(20))
    async with mexc.books(XRP) as book:
        await book.synced()
        _, ask = await best(mexc)
        deep = book.view.depth_within("BUY", ask * D("1.01"))
    error = await refusal(mexc.orders.market_buy(XRP, quantity=mexc.rules(XRP).quantity(deep)))
    assert "the market order reaches" in str(error)
    assert placed(sim) == 1


async def test_without_a_book_in_step_orders_are_refused_at_once_unless_the_user_says_so(
    mexc: Mexc, sim: Simulator
) -> None:
    mexc.orders.limits(collar=D("0.02"))
    await resting(mexc, below="0.99")
    sim.inject(Fault(kind="refuse", times=1000))
    sim.inject(Fault(kind="drop", on="*aggre.depth*", now=True))
    await until(lambda: mexc.orders._guard._books.in_step(XRP) is None)
    error = await refusal(resting(mexc, below="0.99"))
    assert str(error) == "collar: prices are checked against the book, and the live book of XRPUSDT is out of sync"
    assert not mexc.orders._guard._opening  # no book that it could have waited for
    mexc.orders.limits(without_book="admit")
    await resting(mexc, below="0.99")
    mexc.orders.limits(without_book="refuse")
    sim.clear_faults()
    await until(lambda: mexc.orders._guard._books.in_step(XRP) is not None)
    await resting(mexc, below="0.99")


async def test_a_book_that_the_exchange_does_not_give_is_named_as_the_reason(mexc: Mexc, sim: Simulator) -> None:
    sim.inject(Fault(kind="block", on="*aggre.depth*"))
    mexc.orders.limits(collar=D("0.02"))
    error = await refusal(resting(mexc, below="0.99"))
    assert "the live book of XRPUSDT cannot be opened (" in str(error)


async def test_books_that_no_limit_needs_any_more_are_given_up(mexc: Mexc) -> None:
    mexc.orders.limits(collar=D("0.02"))
    await resting(mexc, below="0.99")
    assert mexc.orders._guard._books.has(XRP)
    mexc.orders.limits(collar=None)
    await until(lambda: not mexc.orders._guard._books.has(XRP))


async def test_a_symbol_that_may_not_be_traded_opens_no_book(mexc: Mexc) -> None:
    mexc.orders.limits(collar=D("0.02"), symbols="BTCUSDT")
    assert (await refusal(resting(mexc))).rule == "symbols"
    assert not mexc.orders._guard._opening


# --- the count ---


async def test_orders_of_before_count_and_so_do_those_adopted_after_a_restart(sim: Simulator) -> None:
    async with trader(sim) as mexc:
        await mexc.warm_up()
        await resting(mexc)
        await resting(mexc)
        mexc.orders.limits(max_open_orders=3)
        assert mexc.orders.exposure().open_orders == 2
        await resting(mexc)
        await refusal(resting(mexc))
    async with trader(sim) as again:
        again.orders.limits(max_open_orders=3)
        taken = await again.orders.adopt()
        await refusal(an_order_placed(again))
        report = again.orders.exposure()
        assert report.open_orders == 3
        worth = sum((FIFTY * (order.price or D(0)) for order in taken), D(0))
        assert report.symbols[XRP].open_buys == report.notional["USDT"] == worth
        await again.orders.cancel_all()
        assert again.orders.exposure().notional["USDT"] == 0


async def an_order_placed(mexc: Mexc) -> object:
    return await mexc.orders.place(await an_order_unruled(mexc))


async def an_order_unruled(mexc: Mexc) -> NewOrder:
    """As `an_order`, before the rules are loaded."""
    return NewOrder(symbol=XRP, side="BUY", type="LIMIT", quantity=FIFTY, price=D("0.3"))


async def test_orders_placed_by_endpoint_are_followed_while_limits_are_set(mexc: Mexc, sim: Simulator) -> None:
    mexc.orders.limits(max_open_orders=1)
    _, ask = await best(mexc)
    for _ in range(3):  # each fills, and the private stream reports it
        await mexc.spot.new_order(symbol=XRP, side="BUY", type="LIMIT", quantity=D(20), price=ask)
        await until(lambda: mexc.orders.exposure().open_orders == 0)
    assert mexc.orders.exposure().symbols[XRP].position == 60


async def test_an_order_in_doubt_counts_until_it_is_known_what_became_of_it(hurried: Mexc, sim: Simulator) -> None:
    mexc = hurried
    mexc.orders.limits(max_open_orders=1)
    sim.inject(Fault(kind="mute", on="new_order", at="read", times=1))
    lost = asyncio.create_task(an_order_placed(mexc))
    await until(lambda: mexc.orders.exposure().open_orders == 1)
    await until(lambda: [order.status for order in mexc.orders.all()] == [OrderState.UNKNOWN])
    await refusal(resting(mexc))
    with pytest.raises(MexcError):
        await lost  # never accepted, which a look-up proves in the end
    assert mexc.orders.exposure().open_orders == 0
    await resting(mexc)


async def test_a_replacement_does_not_count_beside_the_order_that_it_replaces(mexc: Mexc, sim: Simulator) -> None:
    order = await resting(mexc)
    value = (order.quantity or D(0)) * (order.price or D(0))
    mexc.orders.limits(max_open_orders=1, max_symbol_notional=value, max_total_notional=value)
    tick = mexc.rules(XRP).tick
    order = await order.replace(price=(order.price or D(0)) - tick)
    assert state(order) is OrderState.NEW
    with pytest.raises(GuardRefused, match="max_symbol_notional"):
        await order.replace(quantity=D(60))
    assert state(order) is OrderState.NEW  # it was not touched
    with pytest.raises(GuardRefused):
        await order.replace(quantity=D(60), on_fail="cancel")
    assert state(order) is OrderState.CANCELED


async def test_fills_make_a_position_and_closing_it_is_always_possible(mexc: Mexc) -> None:
    bid, ask = await best(mexc)
    mexc.orders.limits(max_symbol_notional=ask * 40)
    order = await mexc.orders.ioc_buy(XRP, quantity=D(40), price=ask)
    await order.settled(5)
    assert (await refusal(mexc.orders.ioc_buy(XRP, quantity=D(20), price=ask))).rule == "max_symbol_notional"
    closing = await mexc.orders.ioc_sell(XRP, quantity=D(40), price=bid)
    await closing.settled(5)
    exposure = mexc.orders.exposure().symbols[XRP]
    assert (exposure.position, exposure.cost, exposure.notional, exposure.open_orders) == (D(0), D(0), D(0), 0)


async def test_the_rate_of_orders_is_limited_by_refusing(mexc: Mexc, sim: Simulator) -> None:
    mexc.orders.limits(max_orders_per_s=3)
    results = await asyncio.gather(*(resting(mexc) for _ in range(6)), return_exceptions=True)
    rules = [result.rule for result in results if isinstance(result, GuardRefused)]
    assert rules == ["max_orders_per_s"] * 3
    assert placed(sim) == 3


# --- the day's loss ---


async def test_a_day_that_lost_enough_lets_only_closing_orders_through(
    mexc: Mexc, monkeypatch: pytest.MonkeyPatch
) -> None:
    bid, ask = await best(mexc)
    mexc.orders.limits(max_daily_loss=D("0.05"))
    lost = False
    for _ in range(50):  # each round costs the spread and two fees
        bought = await mexc.orders.ioc_buy(XRP, quantity=D(20), price=ask)
        await bought.settled(5)
        sold = await mexc.orders.ioc_sell(XRP, quantity=D(20), price=bid)
        await sold.settled(5)
        if mexc.orders.exposure().result["USDT"] <= D("-0.05"):
            lost = True
            break
    assert lost
    spent = [order.filled_quote_quantity * (1 if order.side == "SELL" else -1) for order in mexc.orders.all()]
    fees = sum((order.fees.get("USDT", D(0)) for order in mexc.orders.all()), D(0))
    assert mexc.orders.exposure().result["USDT"] == sum(spent, D(0)) - fees
    error = await refusal(mexc.orders.ioc_buy(XRP, quantity=D(20), price=ask))
    assert error.rule == "max_daily_loss"
    assert "lost since 0:00 UTC, the limit is 0.05" in str(error)
    now_ms = mexc.clock.now_ms
    monkeypatch.setattr(mexc.clock, "now_ms", lambda: now_ms() + 86_400_000)
    mexc.orders._guard._value_at = 0  # not to wait for it
    mexc.orders._guard._counter.turn_day(time.monotonic())
    monkeypatch.undo()
    await mexc.orders.ioc_buy(XRP, quantity=D(20), price=ask)


# --- halting ---


async def test_halting_stops_every_new_order_and_no_cancel(mexc: Mexc, sim: Simulator) -> None:
    order = await resting(mexc)
    mexc.orders.halt("the feed is broken")
    assert mexc.orders.halted == "the feed is broken"
    for way in WAYS:
        error = await refusal(way(mexc, await an_order(mexc)))
        assert str(error) == "halt: trading is halted: the feed is broken"
    with pytest.raises(GuardRefused):
        await order.replace(quantity=D(20))
    await order.cancel()
    assert placed(sim) == 1
    mexc.orders.resume()
    await resting(mexc)


async def test_halting_needs_no_reason(mexc: Mexc) -> None:
    mexc.orders.halt()
    assert mexc.orders.halted


async def test_what_is_still_in_line_for_the_limits_is_stopped_too(sim: Simulator) -> None:
    async with nothing_left(), trader(sim, limits=Limits.custom("default", orders=(1, 1.0))) as mexc:
        await mexc.warm_up()
        mexc.orders.limits(max_open_orders=100)
        order = await an_order(mexc)
        waiting = [asyncio.create_task(mexc.orders.place(order)) for _ in range(3)]
        batch = asyncio.create_task(mexc.orders.place_many([order, order]))
        await until(lambda: placed(sim) == 1)
        mexc.orders.halt("enough")
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(result, GuardRefused) for result in results) == 2
        assert [end.status for end in await batch] == [OrderState.NOT_PLACED] * 2
        assert placed(sim) == 1
        assert mexc.orders.exposure().open_orders == 1


async def test_an_order_that_would_be_sent_again_after_a_429_is_stopped_too() -> None:
    async with fake_transport.fake_client(retry=RetryPolicy()) as d:

        async def too_many(sent: fake_transport.Sent) -> Reply:
            d.execution.halt.halt("meanwhile")
            return fake_transport.refusal(429, 429, retry_after="1")

        d.transport.on(fake_transport.PLACE, too_many)
        error = await refusal(d.view.spot.new_order(symbol=XRP, side="BUY", type="LIMIT", quantity=FIFTY, price=D(1)))
        assert error.rule == "halt"
        assert len(d.transport.of(fake_transport.PLACE)) == 1


async def test_the_guard_ends_with_its_client(sim: Simulator) -> None:
    async with nothing_left():
        async with trader(sim) as mexc:
            await mexc.warm_up()
            mexc.orders.limits(collar=D("0.02"), max_daily_loss=D(5))
            await resting(mexc, below="0.99")
        with pytest.raises(MexcError):
            await mexc.orders.limit_buy(XRP, quantity=FIFTY, price=D(1))


async def test_refusals_are_counted_by_rule(mexc: Mexc) -> None:
    mexc.orders.limits(max_order_notional=D(1), symbols={XRP})
    order = await an_order(mexc)
    for symbol in (XRP, XRP, "BTCUSDT"):
        await refusal(mexc.send(replace(order, symbol=symbol)))
    assert mexc.orders.exposure().refused == {"max_order_notional": 2, "symbols": 1}
