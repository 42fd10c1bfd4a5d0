"""Request faults: each leaves a naive trader with a wrong belief, and the balances stay consistent."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import orjson
import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import main_account
from mexc_async.spot.enums import OrderStatus
from tests.support.faulty import (
    LOST_ANSWERS,
    LOST_REQUESTS,
    held,
    labels,
    market,
    order_of,
    placed,
    release_waiting,
    until,
)
from tests.support.naive_client import now_ms
from tests.support.naive_trader import BATCH, BTC, FILLS, GOOD, OPEN, ORDER, TRADES, Lost, NaiveTrader, line

ORDERS, DEALS = "spot@private.orders.v3.api.pb", "spot@private.deals.v3.api.pb"
NAMES = {ORDER: "new_order", BATCH: "batch_orders"}
EACH = pytest.mark.parametrize("path", [ORDER, BATCH])
SHORT_S = 0.2


def to(path: str, fault: Fault) -> Fault:
    """Return the fault, once, for orders that are sent to `path`."""
    return Fault(kind=fault.kind, on=NAMES[path], times=1, at=fault.at, status=fault.status, delay_ms=fault.delay_ms)


@EACH
@pytest.mark.parametrize("fault", LOST_ANSWERS, ids=labels)
async def test_who_resends_an_order_whose_answer_is_lost_doubles_it(path: str, fault: Fault) -> None:
    async with market(to(path, fault)) as on:
        await NaiveTrader(on, SHORT_S).place_stubbornly(path)
        assert placed(on) > 1


@EACH
@pytest.mark.parametrize("fault", LOST_REQUESTS, ids=labels)
async def test_who_believes_in_an_order_that_never_got_there_has_none(path: str, fault: Fault) -> None:
    async with market(to(path, fault)) as on:
        await NaiveTrader(on, SHORT_S).place_trustingly(path)
        assert placed(on) == 0


@EACH
async def test_who_resends_an_order_that_is_held_doubles_it(path: str) -> None:
    async with market(Fault(kind="hold", on=NAMES[path], times=1, delay_ms=600_000)) as on:
        with pytest.raises(Lost):
            await NaiveTrader(on, SHORT_S).place(path, newClientOrderId="held")
        trader = NaiveTrader(on)
        found = await trader.send("GET", ORDER, symbol=BTC, origClientOrderId="held")
        assert found.code == -2013  # so the trader believes that there is no order
        await trader.place_stubbornly(path)
        assert placed(on) == 1
        release_waiting(on)
        await until(lambda: placed(on) == 2)
        assert on.account.find_order(None, "held") is not None


@EACH
async def test_an_order_that_is_held_beyond_its_window_is_refused(path: str) -> None:
    async with market(Fault(kind="hold", on=NAMES[path], delay_ms=300)) as on:
        await NaiveTrader(on, SHORT_S).place_trustingly(path, recvWindow=250)
        refused = await NaiveTrader(on).place(path, recvWindow=250)
        assert (refused.status, refused.code) == (400, 700003)
        assert placed(on) == 0
        late = await NaiveTrader(on).place(path, recvWindow=5000)
        assert late.status == 200
        assert placed(on) == 1


@EACH
async def test_a_cancel_overtakes_its_order(path: str) -> None:
    async with market(Fault(kind="overtake", delay_ms=600_000)) as on:
        under_way = await held(on, path, "slow")
        answer = await NaiveTrader(on).cancel("slow")
        assert answer.code == -2011  # so the trader believes that there is no order
        assert (await under_way).status == 200
        order = on.account.find_order(None, "slow")
        assert order is not None
        assert order.is_open


@pytest.mark.parametrize(("path", "symbols"), [(OPEN, {"symbol": BTC}), ("/api/v3/order/all", {})])
async def test_a_cancel_of_everything_overtakes_an_order(path: str, symbols: dict[str, str]) -> None:
    async with market(Fault(kind="overtake", times=1, delay_ms=600_000)) as on:
        under_way = await held(on, ORDER, "slow")
        trader = NaiveTrader(on)
        await trader.place(newClientOrderId="other")
        assert (await trader.send("DELETE", path, **symbols)).status == 200
        await under_way
        assert [order.client_id for order in on.account.open_orders.values()] == ["slow"]


async def test_only_its_own_cancel_overtakes_an_order() -> None:
    stranger = AccountSpec(name="stranger", api_key="k", api_secret="s")
    async with market(Fault(kind="overtake", delay_ms=600_000), accounts=(main_account(), stranger)) as on:
        under_way = await held(on, ORDER, "slow")
        await NaiveTrader(on).cancel("other")
        await NaiveTrader(on).query("slow")
        theirs = NaiveTrader(on)
        theirs._login = ("k", "s")
        await theirs.send("DELETE", "/api/v3/order/all")
        assert placed(on) == 0
        release_waiting(on)
        assert (await under_way).status == 200


async def test_an_order_that_nothing_overtakes_goes_on_after_a_while() -> None:
    async with market(Fault(kind="overtake", delay_ms=20)) as on:
        assert (await NaiveTrader(on).place()).status == 200
        assert placed(on) == 1


@EACH
async def test_who_takes_the_second_copy_of_an_answer_for_the_next_one_knows_a_wrong_order(path: str) -> None:
    async with market(Fault(kind="answer_twice", on=NAMES[path], times=1)) as on, line(on) as wire:
        orders = [{**GOOD, "newClientOrderId": name} for name in ("first", "second")]
        fields = orders if path == ORDER else [{"batchOrders": orjson.dumps([order]).decode()} for order in orders]
        first, second = [await wire.send("POST", path, **each) for each in fields]
        assert first == second
        late = await wire.send("GET", ORDER, symbol=BTC, origClientOrderId="second")
        ack = late if path == ORDER else late[0]
        second_order = on.account.find_order(None, "second")
        assert second_order is not None
        assert ack["orderId"] == second_order.order_id  # the answer to the second comes when the third is waited for
        assert placed(on) == 2


async def test_pushes_before_acks() -> None:
    async with market(Fault(kind="late_answer", on="new_order", delay_ms=600_000)) as on:
        stream = await on.connect(await on.listen_key())
        await stream.subscribe(ORDERS)
        under_way = await held(on, ORDER, "one")
        assert (await stream.push()).body.client_order_id == "one"
        assert not under_way.done()
        release_waiting(on)
        assert (await under_way).status == 200


async def test_who_lets_a_late_ack_open_an_order_again_believes_in_one_that_is_filled() -> None:
    async with market(Fault(kind="late_answer", on="new_order", delay_ms=600_000)) as on:
        stream = await on.connect(await on.listen_key())
        await stream.subscribe(ORDERS)
        under_way = await held(on, ORDER, "one")
        on.exchange.meet(order_of(on, "one"), 1, on.simulator._now_ms())
        pushes = await stream.until(lambda push: push.body.status is OrderStatus.FILLED)
        believed = pushes[-1].body.status
        release_waiting(on)
        if (await under_way).status == 200:
            believed = OrderStatus.NEW
        assert believed is OrderStatus.NEW
        assert order_of(on, "one").status == "FILLED"


async def test_a_late_answer_is_an_old_one() -> None:
    async with market(Fault(kind="late_answer", on="query_order", delay_ms=600_000)) as on:
        trader = NaiveTrader(on)
        await trader.place(newClientOrderId="one")
        under_way = asyncio.create_task(trader.query("one"))
        await until(lambda: on.simulator._gate._waiting)
        on.exchange.meet(order_of(on, "one"), 1, on.simulator._now_ms())
        release_waiting(on)
        assert (await under_way).body["status"] == "NEW"
        assert order_of(on, "one").status == "FILLED"


async def test_who_adds_up_pushes_that_come_twice_has_too_much() -> None:
    async with market(Fault(kind="duplicate", on="spot@private.*")) as on:
        stream = await on.connect(await on.listen_key())
        await stream.subscribe(DEALS)
        await NaiveTrader(on).place(**FILLS)
        (made,) = on.account.trades
        position = Decimal(0)
        for _ in range(2):
            position += (await stream.push()).body.quantity
        assert position == 2 * made.quantity


async def test_who_believes_the_last_push_believes_in_an_order_that_is_filled() -> None:
    async with market(Fault(kind="reorder", on=ORDERS, times=1)) as on:
        stream = await on.connect(await on.listen_key())
        await stream.subscribe(ORDERS)
        await NaiveTrader(on).place(newClientOrderId="one", **FILLS)
        statuses = [(await stream.push()).body.status for _ in range(2)]
        assert statuses[-1] is OrderStatus.NEW
        assert order_of(on, "one").status == "FILLED"


async def test_late_private_pushes() -> None:
    async with market(Fault(kind="delay", on="spot@private.*", delay_ms=300)) as on:
        stream = await on.connect(await on.listen_key())
        await stream.subscribe(DEALS)
        await NaiveTrader(on).place(**FILLS)
        found = (await NaiveTrader(on).send("GET", TRADES, symbol=BTC)).body
        assert len(found) == 1
        push = await stream.push()
        assert push.body.trade_id == found[0]["id"]
        assert now_ms() - (push.send_time or 0) >= 290


@EACH
async def test_who_trusts_a_lookup_that_lags_doubles_its_order(path: str) -> None:
    async with market(
        Fault(kind="mute", on=NAMES[path], times=1), Fault(kind="lag", on="query_order", delay_ms=600_000)
    ) as on:
        with pytest.raises(Lost):
            await NaiveTrader(on, SHORT_S).place(path, newClientOrderId="one")
        trader = NaiveTrader(on)
        assert (await trader.query("one")).code == -2013
        await trader.place(path, newClientOrderId="one-again")
        assert placed(on) == 2


async def test_every_lookup_lags_and_catches_up() -> None:
    async with market(Fault(kind="lag", delay_ms=600_000)) as on:
        trader = NaiveTrader(on)
        await trader.place(newClientOrderId="open")
        await trader.place(newClientOrderId="filled", **FILLS)

        async def lookups() -> list[int]:
            found = await asyncio.gather(
                trader.send("GET", OPEN),
                trader.send("GET", "/api/v3/allOrders", symbol=BTC),
                trader.send("GET", TRADES, symbol=BTC),
            )
            return [len(reply.body) for reply in found]

        assert await lookups() == [0, 0, 0]
        assert (await trader.cancel("open")).body["status"] == "CANCELED"  # `cancel_lag` is a fault of its own
        await trader.place(newClientOrderId="open")
        on.simulator.clear_faults()
        on.simulator.inject(Fault(kind="lag", delay_ms=200))
        while (await trader.query("open")).body.get("code") == -2013:
            pass
        assert order_of(on, "open").created_ms + 200 <= now_ms()
        assert await lookups() == [1, 3, 1]


async def test_who_trusts_a_cancel_that_lags_leaves_an_order_open() -> None:
    async with market(Fault(kind="cancel_lag", delay_ms=600_000)) as on:
        trader = NaiveTrader(on)
        await trader.place(newClientOrderId="one")
        assert (await trader.cancel("one")).code == -2011  # so the trader believes that there is no order
        assert (await trader.send("DELETE", OPEN, symbol=BTC)).body == []
        assert (await trader.send("DELETE", "/api/v3/order/all")).body["code"] == 200
        assert (await trader.query("one")).body["status"] == "NEW"
        assert order_of(on, "one").is_open


@pytest.mark.parametrize(
    ("part", "executed", "status"), [(0.5, "0.0005", "PARTIALLY_CANCELED"), (1.0, "0.001", "FILLED")]
)
@pytest.mark.parametrize("path", [ORDER, OPEN, "/api/v3/order/all"])
async def test_who_takes_a_cancelled_order_for_an_empty_one_misses_a_fill(
    path: str, part: float, executed: str, status: str
) -> None:
    async with market(Fault(kind="fill_first", part=part)) as on:
        trader = NaiveTrader(on)
        await trader.place(newClientOrderId="one")
        before = on.exchange.balances.balance(on.account.uid, "BTC").free
        fields = {"symbol": BTC, "origClientOrderId": "one"} if path == ORDER else {"symbol": BTC}
        answer = await trader.send("DELETE", path, **fields)
        assert (order_of(on, "one").status, order_of(on, "one").executed) == (status, Decimal(executed))
        assert on.exchange.balances.balance(on.account.uid, "BTC").free == before + Decimal(executed)
        assert not on.account.open_orders
        if path == ORDER and part == 1:
            assert answer.code == -2011


async def test_a_fill_during_a_cancel_is_one_step_at_least() -> None:
    async with market(Fault(kind="fill_first", part=1e-9)) as on:
        trader = NaiveTrader(on)
        await trader.place(newClientOrderId="one")
        await trader.cancel("one")
        assert order_of(on, "one").executed == on.exchange.market(BTC).step


@pytest.mark.parametrize(("part", "count"), [(0.5, 2), (0.01, 1), (1.0, 4)])
async def test_a_batch_can_be_lost_halfway(part: float, count: int) -> None:
    async with market(Fault(kind="reset", on="batch_orders", part=part)) as on:
        orders = [{**GOOD, "newClientOrderId": f"n{number}"} for number in range(4)]
        with pytest.raises(Lost):
            await NaiveTrader(on).send("POST", BATCH, batchOrders=orjson.dumps(orders).decode())
        assert [order.client_id for order in on.account.orders()] == [f"n{number}" for number in range(count)]
