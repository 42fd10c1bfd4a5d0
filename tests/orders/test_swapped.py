"""Orders with equal terms and crossed answers: in whatever order the news arrives, the records end up true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import count, permutations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mexc_async.call_log.files import read_log
from mexc_async.call_log.log import CallLog
from mexc_async.call_log.replay import OrderReplay
from mexc_async.errors import ConnectionLost, MexcError
from mexc_async.orders.record import OrderRecord, OrderState
from mexc_async.orders.table import OrderTable
from mexc_async.orders.tracker import OrderSettings
from mexc_async.schema.answers import Reply
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.push_models import FillPush, OrderPush
from mexc_async.spot.trading import NewOrder
from tests.support.fake_transport import CANCEL, PLACE, QUERY, FakeClient, Sent, fake_client, refusal, reply
from tests.support.streams import until

D = Decimal
BTC, PRICE, QUANTITY = "BTCUSDT", D(60000), D("0.5")
AT_ONCE = OrderSettings(settle_s=5.0, lag_ms=0)
SHORT_MS = 1
"""Receive window: the absence of an order can be concluded at once."""
_numbers = count(1)


class Fate(NamedTuple):
    """True life of an order: parts filled, in hundredths, and its last state."""

    parts: tuple[int, ...]
    status: OrderStatus
    is_placed: bool = True

    @property
    def rests(self) -> bool:
        return self.is_placed and self.status.is_open

    def __str__(self) -> str:
        return self.status if self.is_placed else "REFUSED"


FILLED = Fate((20, 30), OrderStatus.FILLED)
AT_ONE_GO = Fate((50,), OrderStatus.FILLED)
OPEN = Fate((), OrderStatus.NEW)
PARTIAL = Fate((20,), OrderStatus.PARTIALLY_FILLED)
CANCELLED = Fate((), OrderStatus.CANCELED)
PART_CANCELLED = Fate((10, 5), OrderStatus.PARTIALLY_CANCELED)
REFUSED = Fate((), OrderStatus.NEW, is_placed=False)
FATES = (FILLED, AT_ONE_GO, OPEN, PARTIAL, CANCELLED, PART_CANCELLED, REFUSED)


class Real:
    """One order as the exchange has it."""

    def __init__(self, name: str, fate: Fate) -> None:
        self.name, self.fate = name, fate
        self.order_id = f"C02__{name}"
        self.status = fate.status
        self.executed = sum((D(part) for part in fate.parts), D(0)) / 100

    def fill_push(self, number: int, named: bool = True) -> FillPush:
        quantity = D(self.fate.parts[number]) / 100
        return FillPush(
            price_text=str(PRICE), quantity_text=str(quantity), quote_quantity_text=str(quantity * PRICE),
            side=Side.BUY, trade_id=f"{self.name}X{number}", order_id=self.order_id, time=1000 + number,
            client_order_id=self.name if named else "", commission_text=str(quantity), commission_asset="USDT",
        )  # fmt: skip

    def order_push(self) -> OrderPush:
        return OrderPush(
            order_id=self.order_id, status=self.status, type=OrderType.LIMIT, side=Side.BUY, create_time=1,
            client_order_id=self.name, executed_quantity_text=str(self.executed),
            executed_quote_quantity_text=str(self.executed * PRICE),
        )  # fmt: skip

    def answer(self) -> dict[str, object]:
        """Build it as in look-ups and lists."""
        return {
            "symbol": BTC, "orderId": self.order_id, "clientOrderId": self.name, "price": str(PRICE),
            "origQty": str(QUANTITY), "executedQty": str(self.executed), "status": self.status, "type": "LIMIT",
            "cummulativeQuoteQty": str(self.executed * PRICE), "side": "BUY", "time": 1,
        }  # fmt: skip

    def trades(self) -> list[dict[str, object]]:
        """Build them as in `myTrades`; the client order id may be missing."""
        pushes = [self.fill_push(number) for number in range(len(self.fate.parts))]
        return [
            {
                "symbol": BTC, "id": push.trade_id, "orderId": self.order_id, "price": push.price_text,
                "qty": push.quantity_text, "quoteQty": push.quote_quantity_text, "commission": push.commission_text,
                "commissionAsset": "USDT", "time": push.time, "isBuyer": True, "isMaker": False,
            }
            for push in pushes
        ]  # fmt: skip

    def shown(self) -> tuple[object, ...]:
        """Return what a record has to show."""
        if not self.fate.is_placed:
            return (self.name, None, None, D(0), D(0), [], D(0))
        fills = [f"{self.name}X{number}" for number in range(len(self.fate.parts))]
        return (
            self.name, self.order_id, self.status, self.executed, self.executed * PRICE, fills, self.executed
        )  # fmt: skip


def shown(record: OrderRecord) -> tuple[object, ...]:
    if not record.is_placed and record.is_final:
        assert record.state in (OrderState.REFUSED, OrderState.NOT_PLACED)
        return (record.client_order_id, None, None, record.filled_quantity, record.filled_quote_quantity, [], D(0))
    fills = [fill.trade_id for fill in record.fills]
    fees = record.fees.get("USDT", D(0))
    return (
        record.client_order_id, record.order_id, record.state, record.filled_quantity, record.filled_quote_quantity,
        fills, fees,
    )  # fmt: skip


class World:
    """Exchange with some equal orders of one client, whose answers to placing are delivered to each other's caller."""

    def __init__(self, d: FakeClient, fates: Iterable[Fate], crossing: Sequence[int], *, market: bool = False) -> None:
        self.d = d
        self.orders = [Real(f"m{next(_numbers)}", fate) for fate in fates]
        self.crossing = crossing
        """Index of the caller that gets the answer to each."""
        self.market = market
        self.traded: set[int] = set()
        """Orders whose fills were pushed."""
        self._sent = 0
        d.execution.tracker.check_answers()
        loop = asyncio.get_running_loop()
        self.answers: dict[str, asyncio.Future[Reply]] = {real.name: loop.create_future() for real in self.orders}
        transport = d.transport
        transport.sent.clear()
        transport.on(PLACE, self._place)
        transport.on(QUERY, self._query)
        transport.on(CANCEL, self._cancel)
        transport.on("GET /api/v3/openOrders", lambda _: self._list(lambda real: real.status.is_open))
        transport.on("GET /api/v3/allOrders", lambda _: self._list(lambda _: True))
        transport.on("GET /api/v3/myTrades", self._trades)

    # The exchange

    def _find(self, sent: Sent) -> Real | None:
        ids = sent.params.get("orderId"), sent.params.get("origClientOrderId")
        return next((one for one in self.standing if one.order_id == ids[0] or one.name == ids[1]), None)

    @property
    def standing(self) -> list[Real]:
        return [real for real in self.orders if real.fate.is_placed]

    async def _place(self, sent: Sent) -> Reply:
        self._sent += 1
        return await self.answers[sent.params["newClientOrderId"]]

    async def _query(self, sent: Sent) -> Reply:
        real = self._find(sent)
        return refusal(-2013) if real is None else reply(real.answer())

    async def _cancel(self, sent: Sent) -> Reply:
        real = self._find(sent)
        if real is None or not real.status.is_open:
            return refusal(-2011)
        real.status = OrderStatus.PARTIALLY_CANCELED if real.executed else OrderStatus.CANCELED
        return reply(real.answer() | {"origClientOrderId": real.name, "clientOrderId": ""})

    async def _list(self, which: Any) -> Reply:
        return reply([real.answer() for real in self.standing if which(real)])

    async def _trades(self, sent: Sent) -> Reply:
        of = sent.params.get("orderId")
        return reply([trade for one in self.standing if of in (None, one.order_id) for trade in one.trades()])

    # News for the client

    async def place(self) -> None:
        """Write every order."""
        view = self.d.view.using(recv_window_ms=SHORT_MS)
        terms: dict[str, Any] = {"type": "MARKET"} if self.market else {"type": "LIMIT", "price": PRICE}
        self.placing = [
            asyncio.ensure_future(
                view.send(NewOrder(symbol=BTC, side="BUY", quantity=QUANTITY, new_client_order_id=real.name, **terms))
            )
            for real in self.orders
        ]
        await until(lambda: self._sent == len(self.orders))

    async def happen(self, what: str, which: int) -> None:
        """Deliver one piece of news to the client."""
        real, tracker = self.orders[which], self.d.execution.tracker
        if what == "answer":
            answer = self.answers[self.orders[self.crossing[which]].name]
            if not answer.done():
                ack = {"symbol": BTC, "orderId": real.order_id, "price": str(PRICE), "origQty": str(QUANTITY)}
                answer.set_result(reply(ack) if real.fate.is_placed else refusal(30004))
        elif not real.fate.is_placed:
            pass
        elif what == "order":
            tracker.learn(real.order_push())
        elif what in ("fills", "fills without a name"):
            for number in range(len(real.fate.parts)):
                tracker.learn(real.fill_push(number, what == "fills"))
            self.traded.add(which)
        elif what == "look-up":
            await self.d.view.spot.query_order(symbol=BTC, orig_client_order_id=real.name)
        elif what == "look-up by order id":
            await self.d.view.spot.query_order(symbol=BTC, order_id=real.order_id)
        for _ in range(8):  # as many turns of the loop as an answer needs to reach its caller
            await asyncio.sleep(0)

    # The end

    @property
    def records(self) -> list[OrderRecord]:
        by_name = {record.client_order_id: record for record in self.d.execution.tracker.table}
        return [by_name[real.name] for real in self.orders]

    def is_true(self) -> bool:
        return [shown(record) for record in self.records] == [real.shown() for real in self.orders]

    async def settle(self) -> None:
        """Let the client find out the rest, after the pushes of orders that must follow those of fills."""
        for which in self.traded:
            await self.happen("order", which)
        await asyncio.gather(*self.placing, return_exceptions=True)
        async with asyncio.timeout(10):
            while not self.is_true():
                await self._look()
                await asyncio.sleep(0.001)

    async def _look(self) -> None:
        """Do what the tracking of orders does without a private stream."""
        orders: Any = self.d.view.orders
        await orders._reconciler.sweep()
        doubtful = [record for record in self.records if record.is_in_doubt]
        await self.d.execution.tracker.settled(doubtful, MexcError("looked for"))
        for record in self.records:
            if record.lacks:
                await self.d.view.spot.my_trades(symbol=BTC, order_id=record.order_id or "")

    async def check(self) -> None:
        """The client's records are true, and stay true when everything is cancelled by order id."""
        table = self.d.execution.tracker.table
        assert [shown(record) for record in self.records] == [real.shown() for real in self.orders]
        for real, record in zip(self.orders, self.records, strict=True):
            assert table.find(real.order_id, None) is (record if real.fate.is_placed else None)
        mine = {real.name for real in self.orders}
        live = {record.client_order_id for record in table.live()} & mine
        assert live == {real.name for real in self.orders if real.fate.is_placed and real.status.is_open}
        for real in self.standing:
            if real.status.is_open:
                cancelled = await self.d.view.spot.cancel_order(symbol=BTC, order_id=real.order_id)
                assert (cancelled.order_id, cancelled.status) == (real.order_id, real.status)
        assert [shown(record) for record in self.records] == [real.shown() for real in self.orders]
        assert not {record.client_order_id for record in table.live()} & mine


async def end(world: World) -> None:
    await world.settle()
    await world.check()


PAIRS = [
    (AT_ONE_GO, FILLED), (FILLED, CANCELLED), (CANCELLED, OPEN), (PARTIAL, OPEN), (PART_CANCELLED, PARTIAL),
    (FILLED, REFUSED), (OPEN, REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fates", "market"),
    [(pair, market) for pair in PAIRS for market in (False, True) if not (market and any(f.rests for f in pair))],
    ids=lambda value: ("limit", "market")[value] if isinstance(value, bool) else "-".join(map(str, value)),
)
async def test_two_alike_with_crossed_answers_end_in_the_truth_in_every_order(
    fates: tuple[Fate, Fate], market: bool
) -> None:
    happenings = [(what, which) for what in ("answer", "order", "fills") for which in range(2)]
    acts = [one for one in happenings if one[0] == "answer" or fates[one[1]].is_placed]
    acts = [one for one in acts if one[0] != "fills" or fates[one[1]].parts]
    async with fake_client(orders=AT_ONCE) as d:
        for order in permutations(acts):
            world = World(d, fates, (1, 0), market=market)
            await world.place()
            for what, which in order:
                await world.happen(what, which)
            assert all(str(r.state) == f.status for r, f in zip(world.records, fates, strict=True) if f.is_placed), (
                order
            )
            await end(world)


@pytest.mark.parametrize(("raw", "ended"), [(False, False), (True, False), (False, True)])
async def test_a_cancel_by_order_id_ends_the_order_that_really_has_it(raw: bool, ended: bool) -> None:
    async with fake_client(orders=AT_ONCE) as d:
        world = World(d, (CANCELLED if ended else OPEN, OPEN), (1, 0))
        await world.place()
        for which in range(2):
            await world.happen("answer", which)
        first, second = world.records
        assert (first.order_id, second.order_id) == (world.orders[1].order_id, world.orders[0].order_id)  # as acked
        view: Any = d.raw if raw else d.view
        await view.spot.cancel_order(symbol=BTC, order_id=world.orders[0].order_id)
        assert shown(first) == world.orders[0].shown()
        await world.settle()
        assert str(second.state) == "NEW"
        await world.check()


@pytest.mark.parametrize("has_others_id", [True, False], ids=["with the other's order id", "without an order id"])
async def test_a_cancel_answered_with_an_equal_orders_state_is_repeated(has_others_id: bool) -> None:
    async with fake_client(orders=AT_ONCE) as d:
        world = World(d, (OPEN, CANCELLED), (1, 0))
        await world.place()
        mine, other = world.orders
        await world.happen("answer", 1)
        if not has_others_id:
            d.execution.tracker.learn(other.order_push())  # it claims its id, and the look-up of the first begins
            d.transport.on(QUERY, ConnectionLost("gone"))
        first = world.records[0]
        assert first.order_id == (other.order_id if has_others_id else None)
        d.transport.on(CANCEL, reply(other.answer()), world._cancel)
        cancelled = await d.view.spot.cancel_order(symbol=BTC, orig_client_order_id=mine.name)
        assert (cancelled.order_id, mine.status) == (mine.order_id, OrderStatus.CANCELED)
        assert first.is_final
        d.transport.on(QUERY, world._query)
        await world.happen("answer", 0)
        await end(world)


def logged(record: OrderRecord) -> tuple[str, ...]:
    return record.client_order_id, str(shown(record)), str(record.fills), record.state


def replayed(log: CallLog, client: str) -> OrderTable:
    replay = OrderReplay(1e9)
    for _, stored in read_log(log.path):
        entry = stored.entry()
        assert entry is not None
        replay.take(entry)
    return replay.of(client)


ACTS = ("answer", "order", "fills", "fills without a name", "look-up", "look-up by order id")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_any_number_of_anything_in_any_order_ends_in_the_truth_and_so_does_the_log(
    tmp_path: Path, data: st.DataObject
) -> None:
    fates = data.draw(st.lists(st.sampled_from(FATES), min_size=2, max_size=4))
    crossing = data.draw(st.permutations(range(len(fates))))
    happenings = st.tuples(st.sampled_from(ACTS), st.integers(0, len(fates) - 1))
    some = data.draw(st.lists(happenings, max_size=16))
    acts = data.draw(st.permutations([*some, *(("answer", which) for which in range(len(fates)))]))
    log = CallLog(tmp_path / f"{next(_numbers)}.jsonl")
    async with fake_client(orders=AT_ONCE, call_log=log) as d:
        assert d.log is not None
        client = d.log.client
        world = World(d, fates, crossing)
        await world.place()
        for what, which in acts:
            await world.happen(what, which)
        await end(world)
    table = replayed(log, client)
    assert sorted(map(logged, table)) == sorted(map(logged, world.records))
