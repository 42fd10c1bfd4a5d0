"""Calls whose answer is missing, on a fake transport: requests, conclusions, and their times."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.errors import (
    ConnectFailed,
    ConnectionLost,
    InsufficientBalance,
    InvalidRequest,
    OrderNotFound,
    OrderNotPlaced,
    OutcomeUnknown,
    PermissionDenied,
    RequestTimeout,
)
from mexc_async.orders.events import OrderSettled
from mexc_async.orders.tracker import PROOFS, OrderSettings
from mexc_async.schema.answers import Reply
from mexc_async.spot.enums import OrderStatus
from mexc_async.spot.trading import NewOrder
from tests.support.fake_transport import CANCEL, PLACE, QUERY, FakeClient, Sent, fake_client, refusal, reply, reported
from tests.support.streams import until

OPEN, ALL, TRADES = "GET /api/v3/openOrders", "GET /api/v3/allOrders", "GET /api/v3/myTrades"
BATCH = "POST /api/v3/batchOrders"
WINDOW_MS, LAG_MS = 200, 100
QUICK = OrderSettings(settle_s=5.0, lag_ms=LAG_MS)
LOST = [
    ConnectionLost("gone"),
    RequestTimeout("late"),
    reply(b'{"symbol":', 200),
    reply(b"", 504),
    reply(b"<html>denied", 403),
]


def order(name: str | None = "mine", **fields: Any) -> NewOrder:
    usual: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": Decimal("0.5"),
        "price": Decimal(60000),
        "new_client_order_id": name,
    }
    return NewOrder(**usual | fields)


def after(seconds: float, then: Reply, before: Reply | None = None) -> Callable[[Sent], Awaitable[Reply]]:
    """Answer one thing until some time has passed, and then another."""
    started = time.monotonic()

    async def answer(_: Sent) -> Reply:
        return then if time.monotonic() - started >= seconds else (before or refusal(-2013))

    return answer


async def place(d: FakeClient, wanted: NewOrder | None = None) -> Any:
    return await d.view.using(recv_window_ms=WINDOW_MS).send(wanted or order())


def absent(d: FakeClient) -> None:
    """Answer as an exchange without any order."""
    for path in (OPEN, ALL, TRADES):
        d.transport.on(path, reply([]))


# --- placing ---


@pytest.mark.parametrize("answer", LOST, ids=repr)
async def test_a_placed_order_whose_answer_is_lost_is_found_and_answered(answer: Any) -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(PLACE, answer)
        d.transport.on(QUERY, reply(reported()))
        ack = await place(d)
        assert (ack.order_id, ack.client_order_id, ack.symbol) == ("C02__mine", "mine", "BTCUSDT")
        assert len(d.transport.of(PLACE)) == 1
        (asked,) = d.transport.of(QUERY)
        assert asked.params["origClientOrderId"] == "mine"


async def test_an_order_that_is_not_there_yet_is_not_given_up() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(PLACE, ConnectionLost("gone"))
        d.transport.on(QUERY, after(0.15, reply(reported())))
        assert (await place(d)).order_id == "C02__mine"
        assert len(d.transport.of(QUERY)) > 1
        assert len(d.transport.of(PLACE)) == 1


async def test_not_placed_is_concluded_only_when_nothing_can_come_any_more() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(PLACE, ConnectionLost("gone"))
        with pytest.raises(OrderNotPlaced) as caught:
            await place(d)
        (placed,) = d.transport.of(PLACE)
        looked = d.transport.of(QUERY)
        end_ms = int(placed.params["timestamp"]) + WINDOW_MS + LAG_MS
        stamps = [int(sent.params["timestamp"]) for sent in looked]
        assert all(stamp > end_ms for stamp in stamps[-PROOFS:])  # the look-ups that counted were sent after it
        assert all(stamp <= end_ms for stamp in stamps[:-PROOFS])
        assert caught.value.outcome_known
        assert caught.value.retryable
        assert caught.value.client_order_id == "mine"
        assert isinstance(caught.value.__cause__, OutcomeUnknown)
        for path in (OPEN, ALL, TRADES):
            assert len(d.transport.of(path)) == PROOFS


async def test_an_answer_that_cannot_be_an_orders_has_the_connections_proven() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(PLACE, reply({}))  # as of a ping before it
        with pytest.raises(OrderNotPlaced):
            await place(d)
        assert d.transport.distrusted == 1


async def test_one_answer_that_may_be_another_requests_does_not_prove_an_order_absent() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(PLACE, ConnectionLost("gone"))
        d.transport.on(ALL, reply([]), reply([reported()]))  # the first is the copy of an answer to something else
        assert (await place(d)).order_id == "C02__mine"


@pytest.mark.parametrize("path", [OPEN, ALL, TRADES])
async def test_an_order_that_only_another_list_shows_is_found(path: str) -> None:
    trade = {
        "symbol": "BTCUSDT", "id": "T1", "orderId": "C02__mine", "clientOrderId": "mine", "price": "60000",
        "qty": "0.1", "quoteQty": "6000", "commission": "6", "commissionAsset": "USDT", "time": 1,
        "isBuyer": True, "isMaker": False,
    }  # fmt: skip
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(
            path, reply([trade if path == TRADES else reported(), reported("another")][: 1 if path == TRADES else 2])
        )
        d.transport.on(PLACE, RequestTimeout("late"))
        assert (await place(d)).order_id == "C02__mine"


async def test_a_key_that_may_not_read_fills_can_still_conclude() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(TRADES, refusal(700007))
        d.transport.on(PLACE, ConnectionLost("gone"))
        with pytest.raises(OrderNotPlaced):
            await place(d)


async def test_without_any_answer_the_outcome_stays_unknown_and_is_found_out_later() -> None:
    async with fake_client(orders=OrderSettings(settle_s=0.3, lag_ms=LAG_MS)) as d:
        absent(d)
        d.transport.on(PLACE, RequestTimeout("late"))
        d.transport.on(QUERY, after(0.6, reply(reported()), reply(b"", 502)))
        with pytest.raises(OutcomeUnknown) as caught:
            await place(d)
        error = caught.value
        assert error.client_order_id == "mine"
        assert error.accepted_until_ms == int(d.transport.of(PLACE)[0].params["timestamp"]) + WINDOW_MS
        await until(lambda: any(isinstance(event, OrderSettled) for event in d.events))
        (settled,) = [event for event in d.events if isinstance(event, OrderSettled)]
        assert (settled.client_order_id, settled.order_id, settled.state) == ("mine", "C02__mine", "NEW")
        assert len(d.transport.of(PLACE)) == 1


async def test_a_caller_that_is_cancelled_leaves_no_order_in_doubt() -> None:
    arrived = asyncio.Event()

    async def never(_: Sent) -> Reply:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(PLACE, never)
        d.transport.on(QUERY, reply(reported(status="FILLED", executed="0.5")))
        placing = asyncio.create_task(place(d))
        await arrived.wait()
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
        await until(lambda: any(isinstance(event, OrderSettled) for event in d.events))
        assert d.events[-1] == OrderSettled("mine", "C02__mine", "FILLED")  # type: ignore[arg-type]  # its text
        assert len(d.transport.of(PLACE)) == 1


async def test_an_order_that_was_cancelled_before_it_was_sent_needs_no_look_up() -> None:
    async with fake_client("unlimited", orders=QUICK) as d:
        blocked = asyncio.Event()

        async def late_clock(_: Sent) -> Reply:
            await blocked.wait()
            return reply({"serverTime": 1})

        d.transport.on("/api/v3/time", late_clock)
        placing = asyncio.create_task(place(d))
        await asyncio.sleep(0.01)
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
        await asyncio.sleep(0.05)
        assert d.transport.of("/api/v3/order") == []


async def test_a_retry_after_a_proven_refusal_counts_its_own_stamp() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(PLACE, refusal(700003), ConnectionLost("gone"))
        with pytest.raises(OrderNotPlaced):
            await place(d)
        _, second = d.transport.of(PLACE)
        assert int(d.transport.of(QUERY)[-1].params["timestamp"]) > int(second.params["timestamp"]) + WINDOW_MS


async def test_an_id_is_used_once_unless_nothing_was_placed_under_it() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(PLACE, refusal(30004), ConnectFailed("down"), reply(reported()))
        with pytest.raises(InsufficientBalance):
            await place(d)
        with pytest.raises(ConnectFailed):
            await place(d)
        await place(d)
        with pytest.raises(InvalidRequest, match="'mine' was used before"):
            await place(d)
        assert len(d.transport.of(PLACE)) == 3


async def test_a_raw_view_is_answered_in_the_exchanges_words_when_the_answer_is_lost() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(PLACE, ConnectionLost("gone"))
        d.transport.on(QUERY, reply(reported()))
        answer: Any = await d.raw.send(order())
        assert (answer["orderId"], answer["symbol"]) == ("C02__mine", "BTCUSDT")


async def test_closing_the_client_ends_the_search() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(PLACE, ConnectionLost("gone"))
        placing = asyncio.create_task(d.view.send(order()))
        await until(lambda: bool(d.transport.of(QUERY)))
        d.api.close()
        d.close()
        async with asyncio.timeout(1):
            with pytest.raises(OutcomeUnknown):
                await placing


@asynccontextmanager
async def strict() -> AsyncIterator[FakeClient]:
    """Build a client that distrusts answers about other orders, as it does once orders are tracked."""
    async with fake_client(orders=QUICK) as d:
        d.execution.tracker.check_answers()
        yield d


# --- batches ---


async def batch(d: FakeClient, *names: str) -> Any:
    return await d.view.using(recv_window_ms=WINDOW_MS).spot.batch_orders(orders=[order(name) for name in names])


async def test_an_unknown_batch_is_settled_item_by_item() -> None:
    async def known(sent: Sent) -> Reply:
        name = sent.params["origClientOrderId"]
        return refusal(-2013) if name == "b" else reply(reported(name))

    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(BATCH, RequestTimeout("late"))
        d.transport.on(QUERY, known)
        results = await batch(d, "a", "b", "c")
        assert [result.order_id for result in results] == ["C02__a", None, "C02__c"]
        assert [result.is_accepted for result in results] == [True, False, True]
        assert results[1].msg
        assert len(d.transport.of(BATCH)) == 1


async def test_a_batch_of_one_that_is_not_placed_is_an_item_too() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(BATCH, RequestTimeout("late"))
        (result,) = await batch(d, "a")
        assert not result.is_accepted


@pytest.mark.parametrize("named", [True, False], ids=["with ids", "without ids"])
async def test_refusals_in_a_batch_belong_to_their_orders(named: bool) -> None:
    items: list[dict[str, object]] = [
        {"symbol": "BTCUSDT", "orderId": "1", "newClientOrderId": "a"},
        {"code": 30002, "msg": "too small", "newClientOrderId": "b"},
        {"symbol": "BTCUSDT", "orderId": "3", "newClientOrderId": "c"},
    ]
    if named:
        items.reverse()
    else:
        for item in items:
            del item["newClientOrderId"]
    async with fake_client(orders=QUICK) as d:
        d.transport.on(BATCH, reply(items))
        results = await batch(d, "a", "b", "c")
        assert [result.order_id for result in results] == ["1", None, "3"]
        assert results[1].code == 30002
        assert d.transport.of(QUERY) == []


async def test_orders_that_a_batchs_answer_leaves_out_are_looked_up() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(BATCH, reply([{"symbol": "BTCUSDT", "orderId": "1", "newClientOrderId": "a"}, {"orderId": []}]))
        d.transport.on(QUERY, reply(reported("b")))
        first, second = await batch(d, "a", "b")
        assert (first.order_id, second.order_id) == ("1", "C02__b")


async def test_an_item_that_failed_on_the_exchanges_side_is_looked_up() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(BATCH, reply([{"code": 500, "msg": "busy", "newClientOrderId": "a"}]))
        d.transport.on(QUERY, reply(reported("a")))
        (result,) = await batch(d, "a")
        assert result.order_id == "C02__a"


async def test_a_batch_with_an_order_that_is_refused_here_is_not_sent() -> None:
    async with fake_client(orders=QUICK, check_rules=True) as d:
        wrong = order("b", price=Decimal("60000.001"))
        with pytest.raises(InvalidRequest, match=r"60000\.001"):
            await d.view.spot.batch_orders(orders=[order("a"), wrong])
        assert d.transport.of(BATCH) == []
        await d.view.send(order("a"))  # its id is free


# --- cancelling ---

GONE = refusal(-2011)


async def cancel(d: FakeClient, **ids: str) -> Any:
    return await d.view.spot.cancel_order(symbol="BTCUSDT", **ids or {"orig_client_order_id": "mine"})


@pytest.mark.parametrize("answer", LOST, ids=repr)
async def test_a_cancel_whose_answer_is_lost_is_repeated(answer: Any) -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(CANCEL, answer, reply(reported(status="CANCELED")))
        cancelled = await cancel(d)
        assert cancelled.status is OrderStatus.CANCELED
        assert len(d.transport.of(CANCEL)) == 2


async def test_a_cancel_of_an_order_that_has_ended_tells_its_end() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(CANCEL, GONE)
        d.transport.on(QUERY, reply(reported(status="FILLED", executed="0.5")))
        cancelled = await cancel(d)
        assert (cancelled.order_id, cancelled.status) == ("C02__mine", OrderStatus.FILLED)
        assert cancelled.executed_quantity == Decimal("0.5")


async def test_the_end_of_this_clients_own_order_is_told_without_asking_again() -> None:
    async with fake_client(orders=QUICK) as d:
        await place(d)
        d.transport.on(CANCEL, reply(reported(status="PARTIALLY_CANCELED", executed="0.2")))
        await cancel(d)
        again = await cancel(d)
        assert (again.status, again.executed_quantity) == (OrderStatus.PARTIALLY_CANCELED, Decimal("0.2"))
        assert len(d.transport.of(CANCEL)) == 1


async def test_an_unknown_order_that_nobody_sent_is_not_found() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(CANCEL, GONE)
        with pytest.raises(OrderNotFound):
            await cancel(d)
        assert len(d.transport.of(CANCEL)) == 1


async def test_a_cancel_that_overtakes_its_order_is_repeated_until_it_meets_it() -> None:
    acked = asyncio.Event()

    async def slow_ack(_: Sent) -> Reply:
        await acked.wait()
        return reply(reported())

    async def meets(_: Sent) -> Reply:
        return reply(reported(status="CANCELED")) if acked.is_set() else GONE

    async with fake_client(orders=QUICK) as d:
        d.transport.on(PLACE, slow_ack)
        d.transport.on(CANCEL, meets)
        placing = asyncio.create_task(d.view.send(order()))
        cancelling = asyncio.create_task(cancel(d))
        await until(lambda: len(d.transport.of(QUERY)) >= 2)
        assert not cancelling.done()  # -2011 and -2013 prove nothing while the order is on its way
        acked.set()
        await placing
        assert (await cancelling).status is OrderStatus.CANCELED


async def test_cancelling_an_order_that_was_never_placed_says_so() -> None:
    async with fake_client(orders=QUICK) as d:
        absent(d)
        d.transport.on(PLACE, ConnectionLost("gone"))
        d.transport.on(CANCEL, GONE)
        placing = asyncio.create_task(place(d))
        await asyncio.sleep(0.02)
        with pytest.raises(OrderNotPlaced):
            await cancel(d)
        with pytest.raises(OrderNotPlaced):
            await placing


async def test_a_cancel_that_never_gets_through_leaves_the_outcome_unknown() -> None:
    async with fake_client(orders=OrderSettings(settle_s=0.2)) as d:
        d.transport.on(CANCEL, ConnectionLost("gone"))
        d.transport.on(QUERY, ConnectionLost("gone"))
        with pytest.raises(OutcomeUnknown) as caught:
            await cancel(d)
        assert caught.value.client_order_id == "mine"
        assert (caught.value.method, caught.value.path) == ("DELETE", "/api/v3/order")
        assert len(d.transport.of(CANCEL)) > 1


async def test_a_refusal_of_a_cancel_that_repeating_cannot_mend_is_raised_at_once() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(CANCEL, refusal(700007))
        with pytest.raises(PermissionDenied):
            await cancel(d)
        assert len(d.transport.of(CANCEL)) == 1


@pytest.mark.parametrize("code", [10101, 30002, 30005, 30087, 30069, 10206, 730708])
async def test_a_cancel_is_asked_again_after_a_refusal_that_no_cancel_can_get(code: int) -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(CANCEL, refusal(code), reply(reported(status="CANCELED")))
        assert (await cancel(d)).status is OrderStatus.CANCELED
        assert len(d.transport.of(CANCEL)) == 2


async def test_an_order_found_open_after_its_cancel_found_nothing_is_cancelled_again() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(CANCEL, GONE, reply(reported(status="CANCELED")))
        d.transport.on(QUERY, reply(reported()))
        assert (await cancel(d)).status is OrderStatus.CANCELED
        assert len(d.transport.of(CANCEL)) == 2


async def test_an_answer_without_a_status_is_completed_by_asking() -> None:
    bare = {"symbol": "BTCUSDT", "orderId": "C02__mine", "price": "60000", "origQty": "0.5", "type": "LIMIT"}
    async with fake_client(orders=QUICK) as d:
        await place(d)
        d.transport.on(CANCEL, reply({**bare, "side": "BUY"}))
        d.transport.on(QUERY, reply(reported(status="PARTIALLY_CANCELED", executed="0.1")))
        cancelled = await cancel(d)
        assert (cancelled.status, cancelled.executed_quantity) == (OrderStatus.PARTIALLY_CANCELED, Decimal("0.1"))


async def test_an_order_of_another_symbol_is_refused_before_sending() -> None:
    async with fake_client(orders=QUICK) as d:
        await place(d)
        with pytest.raises(InvalidRequest, match="'ETHUSDT' is not that of"):
            await d.view.spot.cancel_order(symbol="ETHUSDT", orig_client_order_id="mine")
        assert d.transport.of(CANCEL) == []


async def test_raw_cancels_are_answered_as_the_exchange_did() -> None:
    async with fake_client(orders=QUICK) as d:
        await place(d)
        d.transport.on(CANCEL, reply(reported(status="CANCELED", extra=json.loads("1"))))
        answer: Any = await d.raw.spot.cancel_order(symbol="BTCUSDT", orig_client_order_id="mine")
        assert answer["extra"] == 1


# --- answers that changed places ---


async def test_an_ack_with_other_terms_is_not_taken_for_this_orders() -> None:
    async with strict() as d:
        d.transport.on(PLACE, reply({"symbol": "BTCUSDT", "orderId": "C02__other", "price": "59999", "origQty": "0.5"}))
        d.transport.on(QUERY, reply(reported()))
        assert (await place(d)).order_id == "C02__mine"
        assert d.transport.distrusted == 1


@pytest.mark.parametrize("raw", [False, True])
async def test_an_ack_with_the_id_of_another_order_is_not_taken_for_this_orders(raw: bool) -> None:
    async with strict() as d:
        d.transport.on(PLACE, reply({"symbol": "BTCUSDT", "orderId": "C02__first"}))
        d.transport.on(QUERY, reply(reported()))
        await place(d, order("first"))
        answer: Any = await (d.raw if raw else d.view).send(order())
        assert (answer["orderId"] if raw else answer.order_id) == "C02__mine"


async def test_an_item_with_a_refusal_that_no_order_can_get_is_looked_up() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(BATCH, reply([{"newClientOrderId": "a", "code": -2011, "msg": "unknown order"}]))
        d.transport.on(QUERY, reply(reported("a")))
        (result,) = await batch(d, "a")
        assert result.order_id == "C02__a"


async def test_a_look_up_answered_with_another_order_is_repeated() -> None:
    async with strict() as d:
        d.transport.on(PLACE, ConnectionLost("gone"))
        d.transport.on(QUERY, reply(reported("second", status="FILLED", executed="0.5")), reply(reported()))
        assert (await place(d)).order_id == "C02__mine"
        assert len(d.transport.of(QUERY)) == 2


async def test_a_cancel_answered_with_another_order_is_repeated() -> None:
    async with strict() as d:
        another = reported("x", status="PARTIALLY_CANCELED", executed="0.4", origClientOrderId="x", orderId="C02__x")
        right = reported(status="CANCELED", origClientOrderId="mine")
        d.transport.on(PLACE, reply({"symbol": "BTCUSDT", "orderId": "C02__mine"}))
        await place(d)
        d.transport.on(CANCEL, reply(another), reply(right))
        cancelled = await cancel(d)
        assert (cancelled.status, cancelled.executed_quantity) == (OrderStatus.CANCELED, Decimal(0))


async def test_an_ack_that_comes_twice_cancels_nothing() -> None:
    async with strict() as d:
        ack = reply({"symbol": "BTCUSDT", "orderId": "C02__mine", "price": "60000", "origQty": "0.5", "side": "BUY"})
        d.transport.on(PLACE, ack)
        await place(d)
        d.transport.on(CANCEL, ack, reply(reported(status="CANCELED", origClientOrderId="mine")))
        d.transport.on(QUERY, reply(reported()))
        assert (await cancel(d)).status is OrderStatus.CANCELED
        assert len(d.transport.of(CANCEL)) == 2


async def test_a_batch_answered_with_another_batchs_items_is_looked_up() -> None:
    async with strict() as d:
        d.transport.on(BATCH, reply([{"symbol": "BTCUSDT", "orderId": "C02__a"}]))
        d.transport.on(QUERY, reply(reported("b")))
        await batch(d, "a")
        (result,) = await batch(d, "b")
        assert result.order_id == "C02__b"


async def test_a_batchs_answer_without_its_orders_has_the_connections_proven() -> None:
    async def known(sent: Sent) -> Reply:
        return reply(reported(sent.params["origClientOrderId"]))

    async with strict() as d:
        others = [{"symbol": "BTCUSDT", "orderId": f"C02__{name}", "newClientOrderId": name} for name in "xy"]
        d.transport.on(BATCH, reply(others))
        d.transport.on(QUERY, known)
        results = await batch(d, "a", "b")
        assert [result.order_id for result in results] == ["C02__a", "C02__b"]
        assert d.transport.distrusted


async def test_a_canned_answer_is_taken_as_it_is_while_orders_are_not_followed() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(PLACE, reply({"symbol": "MXUSDT", "orderId": "06a480", "price": "0.1", "origQty": "50"}))
        for name in ("a", "b"):
            assert (await place(d, order(name))).order_id == "06a480"
        assert d.transport.of(QUERY) == []


@pytest.mark.parametrize("code", [-2013, -2011, 10206, 140001, 730708])
async def test_a_refusal_that_cannot_be_one_of_placing_settles_nothing(code: int) -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(PLACE, refusal(code))
        d.transport.on(QUERY, reply(reported()))
        assert (await place(d)).order_id == "C02__mine"


async def test_a_look_up_after_a_cancel_that_makes_no_sense_is_repeated() -> None:
    async with fake_client(orders=QUICK) as d:
        d.transport.on(CANCEL, GONE)
        d.transport.on(QUERY, reply([]), reply(reported(status="FILLED", executed="0.5")))
        assert (await cancel(d)).status is OrderStatus.FILLED
