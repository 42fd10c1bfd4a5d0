"""A client's orders are restored exactly from its call log, and later changes are looked up."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mexc_async.call_log.files import read_log, verified
from mexc_async.call_log.log import CallLog
from mexc_async.call_log.replay import OrderReplay
from mexc_async.client.mexc import Mexc
from mexc_async.errors import (
    ConfigError,
    GuardRefused,
    InsufficientBalance,
    InvalidRequest,
    OrderNotPlaced,
    OrderRejected,
    OutcomeUnknown,
)
from mexc_async.orders.from_spot import OrderNews
from mexc_async.orders.record import OrderRecord, OrderState
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.exchange.accounts import DEMO_KEY, AccountSpec
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.models import CancelledOrder, Fill, Order
from mexc_async.spot.push_models import FillPush, OrderPush
from mexc_async.transport.config import Timeouts
from tests.support.call_logs import json_lines
from tests.support.fake_transport import fake_client
from tests.support.keys_world import credentials, second_key
from tests.support.restored import known_by, past, shown
from tests.support.streams import nothing_left, sim_client

D = Decimal
XRP = "XRPUSDT"
NAMES = ("m-1", "m-2", "m-3")


# Replay of written lines

Act: TypeAlias = tuple[str, str, int]


def order_of(name: str, amount: int, status: OrderStatus) -> Order:
    return Order(
        symbol=XRP, order_id=f"C{name}", client_order_id=name, executed_quantity=D(amount),
        executed_quote_quantity=D(amount) / 2, status=status, type=OrderType.LIMIT, side=Side.BUY, time=1,
        quantity=D(10), price=D("0.5"),
    )  # fmt: skip


def told_by(what: str, name: str, amount: int) -> OrderNews:
    """Build an answer or a push about an order with so much filled, or its fill with that number."""
    if what == "query":
        return order_of(name, amount, OrderStatus.FILLED if amount == 10 else OrderStatus.NEW)
    if what == "cancelled":
        return CancelledOrder(symbol=XRP, order_id=f"C{name}", orig_client_order_id=name)
    if what == "push":
        return OrderPush(
            order_id=f"C{name}", status=OrderStatus.PARTIALLY_FILLED, type=OrderType.LIMIT, side=Side.BUY,
            create_time=1, client_order_id=name, executed_quantity_text=str(amount), executed_quote_quantity_text="0.5",
        )  # fmt: skip
    if what == "fill":
        return Fill(
            symbol=XRP, id=f"{name}X{amount}", order_id=f"C{name}", price=D("0.5"), quantity=D(2),
            quote_quantity=D(1), commission=D("0.001"), commission_asset="USDT", time=amount, is_buyer=True,
            is_maker=False, client_order_id=name,
        )  # fmt: skip
    return FillPush(
        price_text="0.5", quantity_text="2", quote_quantity_text="1", side=Side.BUY, trade_id=f"{name}X{amount}",
        order_id=f"C{name}", time=amount, client_order_id=name, commission_text="0.001", commission_asset="USDT",
    )  # fmt: skip


TELLERS = ("query", "cancelled", "push", "fill", "fill push")
ERRORS = (InsufficientBalance("too little", code=30004), OrderRejected("no"), OrderNotPlaced("not there"))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from((*TELLERS, "doubt", "place", "refuse", "give up")),
            st.sampled_from(NAMES),
            st.integers(1, 10),
        ),
        min_size=1,
        max_size=40,
    )
)
async def test_replaying_the_log_yields_the_trackers_state(tmp_path: Path, acts: list[Act]) -> None:
    log = CallLog(tmp_path / "calls.log")
    async with fake_client(call_log=log) as at:
        tracker = at.execution.tracker
        records = {}
        for number, name in enumerate(NAMES):
            quote = D(5) if number == 2 else None
            records[name] = OrderRecord(name, XRP, "BUY", "LIMIT", None if quote else D(10), D("0.5"), quote)
            tracker.table.add(records[name])
        at.api.close()  # nothing is looked up
        for what, name, amount in acts:
            record = records[name]
            if what == "doubt":
                tracker.mark_unknown(record, amount * 1000)
            elif what == "place":
                tracker.apply(record, record.place(f"C{name}"))
            elif what == "refuse":
                tracker.apply(record, record.refuse(ERRORS[amount % 3]))
            elif what == "give up":
                tracker.apply(record, record.give_up(ERRORS[amount % 3]))
            else:
                tracker.learn(told_by(what, name, amount))
        assert at.log is not None
        client = at.log.client
    replay = OrderReplay(1e9)
    for _, stored in read_log(log.path):
        entry = stored.entry()
        assert entry is not None
        replay.take(entry)
    touched = {name for _, name, _ in acts}
    assert known_by(replay.of(client)) == {name: shown(record) for name, record in records.items() if name in touched}
    (tmp_path / "calls.log").unlink()
    (tmp_path / "calls.log.head").unlink()


# On an exchange


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    other = AccountSpec(name="other", api_key="mx0simOTHER000001", api_secret="other-secret")
    async with Simulator(SimConfig(flow=0, limits="none", accounts=(main_account(), other))) as simulator:
        yield simulator


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.log"


def trader(sim: Simulator, log: Path | CallLog | None, **more: Any) -> Mexc:
    usual: dict[str, Any] = {
        "orders": OrderSettings(settle_s=5.0, lag_ms=100, poll_s=0.05, watch_s=0.2),
        "timeouts": Timeouts(read_s=0.3),
        "recv_window_ms": 300,
        "call_log": log,
    }
    return sim_client(sim, **usual | more)


async def price_of(mexc: Mexc, factor: str) -> Decimal:
    await mexc.load_rules()
    ticker = await mexc.spot.book_ticker(symbol=XRP)
    assert ticker.bid_price is not None
    return mexc.rules(XRP).price(ticker.bid_price * D(factor))


async def test_orders_come_back_as_they_were(sim: Simulator, log: Path) -> None:
    async with nothing_left():
        async with trader(sim, log) as mexc:
            low = await price_of(mexc, "0.9")
            resting = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
            taken = await mexc.orders.market_buy(XRP, quote=D(20))
            gone = await (await mexc.orders.limit_buy(XRP, quantity=D(40), price=low)).cancel()
            await taken.settled(5)
            before = known_by(mexc.orders.execution.tracker.table)
            assert len(before) == 3
        async with trader(sim, log) as mexc:
            (live,) = await mexc.orders.restore()
            assert live.client_order_id == resting.client_order_id
            assert known_by(mexc.orders.execution.tracker.table) == before
            assert mexc.orders[gone.client_order_id].status is OrderState.CANCELED
            assert (await live.cancel()).status is OrderState.CANCELED
    assert verified(log).is_whole


async def test_what_happened_meanwhile_is_found_out(sim: Simulator, log: Path) -> None:
    async with trader(sim, log) as mexc:
        low = await price_of(mexc, "0.9")
        cancelled = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
        filled = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
        open_still = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
    async with trader(sim, None) as somebody:
        await somebody.spot.cancel_order(symbol=XRP, order_id=cancelled.order_id)
        sim.inject(Fault(kind="fill_first", on="cancel_order", part=1.0, times=1))
        await somebody.spot.cancel_order(symbol=XRP, order_id=filled.order_id)
        sim.clear_faults()
    async with trader(sim, log) as mexc:
        restored = {order.client_order_id: order for order in await mexc.orders.restore()}
        assert restored[cancelled.client_order_id].status is OrderState.CANCELED
        assert restored[filled.client_order_id].status is OrderState.FILLED
        assert restored[open_still.client_order_id].status is OrderState.NEW
        await restored[filled.client_order_id].settled(5)
        truth = [fill.trade_id for fill in sim.statement().fills]
        assert [fill.trade_id for fill in restored[filled.client_order_id].fills] == truth
        assert mexc.orders.live() == [mexc.orders[open_still.client_order_id]]


@pytest.mark.parametrize(("at", "state"), [("processed", OrderState.NEW), ("read", OrderState.NOT_PLACED)])
async def test_order_in_doubt_is_looked_for_by_the_next_client(
    sim: Simulator, log: Path, at: Any, state: OrderState
) -> None:
    impatient = OrderSettings(settle_s=0.01, lag_ms=100)
    async with trader(sim, log, orders=impatient) as mexc:
        low = await price_of(mexc, "0.9")
        sim.inject(
            Fault(kind="mute", on="new_order", at=at),
            Fault(kind="skip", on="spot@private.*"),
            Fault(kind="lag", on="query_order", delay_ms=5000),
        )
        with pytest.raises(OutcomeUnknown) as caught:
            await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
        sim.clear_faults()
    name = caught.value.client_order_id
    async with trader(sim, log) as mexc:
        (order,) = await mexc.orders.restore()
        assert order.client_order_id == name
        assert order.status is state
    assert len(sim.statement().orders) == (state is OrderState.NEW)


async def test_order_that_no_line_tells_of_is_adopted_by_its_prefix(sim: Simulator, log: Path) -> None:
    async with trader(sim, None, order_id_prefix="grid") as mexc:
        low = await price_of(mexc, "0.9")
        order = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
    async with trader(sim, log, order_id_prefix="grid") as mexc:
        (adopted,) = await mexc.orders.restore()
        assert adopted.client_order_id == order.client_order_id
    async with trader(sim, log, order_id_prefix="grid") as mexc:  # and stands in the log from then on
        assert order.client_order_id in known_by(await past(mexc, log))


async def test_restored_orders_count_for_the_limits(sim: Simulator, log: Path) -> None:
    async with trader(sim, log) as mexc:
        low = await price_of(mexc, "0.9")
        order = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
    async with trader(sim, log) as mexc:
        await mexc.load_rules()
        mexc.orders.limits(max_open_orders=1)
        await mexc.orders.restore()
        assert mexc.orders.exposure().open_orders == 1
        with pytest.raises(GuardRefused, match="max_open_orders"):
            await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
        await mexc.orders[order.client_order_id].cancel()
        await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)


async def test_id_that_was_used_before_the_restart_is_refused(sim: Simulator, log: Path) -> None:
    async with trader(sim, log) as mexc:
        low = await price_of(mexc, "0.9")
        await (await mexc.orders.limit_buy(XRP, quantity=D(50), price=low, client_order_id="mine")).cancel()
    async with trader(sim, log) as mexc:
        assert await mexc.orders.restore() == []
        with pytest.raises(InvalidRequest, match="'mine' was used before"):
            await mexc.orders.limit_buy(XRP, quantity=D(50), price=low, client_order_id="mine")


async def test_restoring_twice_changes_nothing(sim: Simulator, log: Path) -> None:
    async with trader(sim, log) as mexc:
        low = await price_of(mexc, "0.9")
        order = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
        assert await mexc.orders.restore() == [order]
        assert await mexc.orders.restore() == [order]
        assert len(mexc.orders.all()) == 1


async def test_other_clients_of_the_same_log_are_left_alone(sim: Simulator, log: Path) -> None:
    shared = CallLog(log)
    other = sim.config.accounts[1]
    login = Credentials(other.api_key, other.api_secret)
    async with trader(sim, shared) as one, trader(sim, shared, credentials=login) as two:
        low = await price_of(one, "0.9")
        await two.load_rules()
        mine = await one.orders.limit_buy(XRP, quantity=D(50), price=low)
        theirs = await two.orders.limit_buy(XRP, quantity=D(50), price=low)
    async with trader(sim, log) as one:
        assert [order.client_order_id for order in await one.orders.restore()] == [mine.client_order_id]
    async with trader(sim, log, credentials=login) as two:
        assert [order.client_order_id for order in await two.orders.restore()] == [theirs.client_order_id]


async def test_orders_stay_the_clients_own_when_its_key_is_replaced(sim: Simulator, log: Path) -> None:
    new = second_key(sim)
    async with trader(sim, log) as mexc:
        low = await price_of(mexc, "0.9")
        first = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low, client_order_id="chosen-1")
        await mexc.replace_credentials(credentials(new))
        second = await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
        before = known_by(mexc.orders.execution.tracker.table)
    async with trader(sim, log, credentials=credentials(new)) as mexc:
        restored = [order.client_order_id for order in await mexc.orders.restore()]
        assert restored == [first.client_order_id, second.client_order_id]
        assert known_by(mexc.orders.execution.tracker.table) == before
    text = b"".join(json_lines(log)).decode()
    assert new.key not in text
    assert DEMO_KEY not in text
    assert verified(log).is_whole


async def test_another_log_can_be_restored_from_and_is_not_needed_again(
    sim: Simulator, log: Path, tmp_path: Path
) -> None:
    async with trader(sim, log) as mexc:
        low = await price_of(mexc, "0.9")
        await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
        before = known_by(mexc.orders.execution.tracker.table)
    async with trader(sim, tmp_path / "new.log") as mexc:
        assert len(await mexc.orders.restore(log)) == 1
    async with trader(sim, tmp_path / "new.log") as mexc:
        assert len(await mexc.orders.restore()) == 1
        assert known_by(mexc.orders.execution.tracker.table) == before


async def test_log_that_cannot_be_read_is_an_error(sim: Simulator, tmp_path: Path) -> None:
    async with trader(sim, None) as mexc:
        with pytest.raises(ConfigError, match="no call log to restore from"):
            await mexc.orders.restore()
        with pytest.raises(ConfigError, match=r"nowhere\.log cannot be read: No such file"):
            await mexc.orders.restore(tmp_path / "nowhere.log")


async def test_broken_log_is_reported_and_used_as_far_as_it_goes(
    sim: Simulator, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with trader(sim, log) as mexc:
        low = await price_of(mexc, "0.9")
        await mexc.orders.limit_buy(XRP, quantity=D(50), price=low)
    spoil(log)
    async with trader(sim, log) as mexc:
        with caplog.at_level(logging.WARNING, "mexc_async"):
            assert len(await mexc.orders.restore()) == 1
    assert "is broken in 1 places, first calls.log:1: entry number 1 was changed" in caplog.text


def spoil(log: Path) -> None:
    log.write_bytes(log.read_bytes().replace(b"format\x02", b"format\x03", 1))
