"""The request pipeline on a fake transport: order of steps, retries, and results for the caller."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import traceback
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any

import pytest

from mexc_async.errors import (
    ApiError,
    ClientClosed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ExchangeUnavailable,
    InsufficientBalance,
    InvalidRequest,
    IpBanned,
    MexcError,
    MissingCredentials,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    ReadOnlyError,
    RequestTimeout,
    TimestampRejected,
    TooManyRequests,
    WithdrawalsOff,
)
from mexc_async.limits.profiles import Limits
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.events import ClockSynced, OddItems, RequestDone
from mexc_async.rest.retry import RetryPolicy
from mexc_async.runtime.clock import Clock
from mexc_async.schema.answers import Reply
from mexc_async.schema.endpoint import Request
from mexc_async.spot.account import AccountQuery
from mexc_async.spot.broker import BrokerWithdraw
from mexc_async.spot.market import DepthQuery, ExchangeInfoQuery, Ping
from mexc_async.spot.models import OrderAck
from mexc_async.spot.trading import CancelOrder, NewOrder, TestOrder
from mexc_async.spot.wallet import (
    CancelWithdraw,
    InternalTransferRequest,
    UniversalTransfer,
    Withdraw,
    WithdrawApply,
)
from tests.support.fake_transport import (
    ACK,
    KEY,
    ORDER,
    PLACE,
    RULES,
    SECRET,
    TIME,
    Answer,
    Sent,
    fake_client,
    refusal,
    reply,
    rules_of,
)

PING = "/api/v3/ping"
DEPTH = "/api/v3/depth"
ACCOUNT = "/api/v3/account"
BOOK = reply({"lastUpdateId": 1, "bids": [["1", "2"]], "asks": []})
CANCELLED = reply({"symbol": "BTCUSDT", "orderId": "1", "executedQty": "0", "status": "CANCELED"})
FUNDS = reply(
    {
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "accountType": "SPOT",
        "balances": [],
        "permissions": [],
    }
)


def order(**fields: Any) -> NewOrder:
    usual: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": Decimal("0.01"),
        "price": Decimal(60000),
    }
    return NewOrder(**usual | fields)


SOON = OrderSettings(settle_s=0.05)
"""Settings with a short look-up of orders without an answer."""
TEST_ORDER = TestOrder(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal(1))


class WithoutJitter(Random):
    """Makes every pause half of its greatest."""

    def random(self) -> float:
        return 0.0


class ShiftedTime:
    """Real time that can be set forward; sleeps take no time and are recorded."""

    def __init__(self) -> None:
        self.shift_s = 0.0
        self.pauses: list[float] = []
        self.clock = Clock(
            monotonic=lambda: time.monotonic() + self.shift_s,
            wall_ns=lambda: time.time_ns() + int(self.shift_s * 1e9),
            random=WithoutJitter(),
        )

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.shift_s += seconds
        await asyncio.sleep(0)


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> ShiftedTime:
    """Give the pipeline its own time, without jitter: every pause is half of its greatest."""
    fake = ShiftedTime()
    monkeypatch.setattr("mexc_async.rest.pipeline.asyncio", fake)
    return fake


# --- the way down: limiter, stamp, signature ---


async def test_a_call_is_stamped_after_it_waited_for_the_limits() -> None:
    async with fake_client(Limits.custom("unlimited", margin_s=0.0, orders=(1, 0.15))) as d:
        await asyncio.gather(d.view.send(order()), d.view.send(order()))
        first, second = d.transport.of(ORDER)
        assert second.at - first.at >= 0.15
        assert int(second.params["timestamp"]) - int(first.params["timestamp"]) >= 145


async def test_a_signed_call_carries_stamp_window_and_a_signature_over_its_very_text() -> None:
    async with fake_client() as d:
        await d.view.using(recv_window_ms=2000).send(order())
        (sent,) = d.transport.of(ORDER)
        query, _, signature = sent.target.partition("?")[2].rpartition("&signature=")
        assert signature == hmac.new(SECRET.encode(), query.encode(), sha256).hexdigest()
        assert sent.params["recvWindow"] == "2000"
        assert abs(int(sent.params["timestamp"]) - time.time() * 1000) < 2000
        assert sent.headers == {"X-MEXC-APIKEY": KEY, "Content-Type": "application/json"}


async def test_the_stamp_follows_the_exchanges_clock() -> None:
    async with fake_client() as d:
        d.transport.skew_ms = -3_600_000
        await d.view.send(order())
        assert abs(int(d.transport.of(ORDER)[0].params["timestamp"]) - time.time() * 1000 + 3_600_000) < 2000


async def test_the_clock_is_measured_once_for_calls_at_the_same_time_and_not_for_public_ones() -> None:
    async with fake_client() as d:
        d.transport.on(ACCOUNT, FUNDS)
        await d.view.send(Ping())
        assert not d.transport.of(TIME)
        await asyncio.gather(*(d.view.send(AccountQuery()) for _ in range(5)))
        assert len(d.transport.of(TIME)) == 3
        assert len(d.transport.of(ACCOUNT)) == 5


async def test_a_lost_measurement_of_the_time_is_repeated_before_the_order_goes_out() -> None:
    async with fake_client() as d:
        d.transport.on(TIME, ConnectionLost("gone"), reply({"serverTime": 1_700_000_000_000}))
        await d.view.send(order())
        assert len(d.transport.of(ORDER)) == 1


async def test_an_order_is_not_sent_while_the_exchanges_time_cannot_be_had() -> None:
    async with fake_client(retry=RetryPolicy(budget_s=0)) as d:
        d.transport.on(TIME, ConnectionLost("gone"), reply({"serverTime": 1_700_000_000_000}))
        with pytest.raises(ConnectionLost) as caught:
            await d.view.send(order())
        assert caught.value.outcome_known  # of the order, which never left
        assert caught.value.path == TIME
        assert not d.transport.of(ORDER)
        await d.view.send(order())


async def test_a_429_on_the_way_to_the_time_closes_the_bucket_too() -> None:
    async with fake_client(Limits.custom("unlimited", ip=100)) as d:
        d.transport.on(TIME, refusal(429, 429, retry_after="30"))
        with pytest.raises(TooManyRequests):
            await d.view.send(order())
        assert next(use for use in d.limiter.report().limits if use.limit == "ip").closed_s > 29


@pytest.mark.parametrize("text", [b"<html>", b"{}", b'{"serverTime":"soon"}'])
async def test_a_time_that_is_none_is_a_protocol_error(text: bytes) -> None:
    async with fake_client() as d:
        d.transport.on(TIME, reply(text))
        with pytest.raises(ProtocolError) as caught:
            await d.view.send(order())
        assert (caught.value.status, caught.value.path) == (200, TIME)


# --- retries that are proven safe ---


async def test_a_refused_time_stamp_is_measured_restamped_and_sent_once_more() -> None:
    async with fake_client() as d:

        async def late(_: Sent) -> Reply:
            d.transport.skew_ms = 9000
            return refusal(700003)

        d.transport.on(ORDER, late, ACK)
        ack = await d.view.send(order())
        assert ack.order_id == "C02__1"
        first, second = d.transport.of(ORDER)
        assert len(d.transport.of(TIME)) == 6
        assert int(second.params["timestamp"]) - int(first.params["timestamp"]) >= 8900
        assert first.params["newClientOrderId"] == second.params["newClientOrderId"]
        assert first.params["signature"] != second.params["signature"]
        assert d.transport.sent.index(second) > d.transport.sent.index(d.transport.of(TIME)[-1])


@pytest.mark.parametrize("request_", [order(), AccountQuery()])
async def test_a_time_stamp_refused_twice_is_the_callers_error(request_: Any) -> None:
    async with fake_client() as d:
        d.transport.on(request_.route.path, refusal(700003))
        with pytest.raises(TimestampRejected) as caught:
            await d.view.send(request_)
        assert len(d.transport.of(request_.route.path)) == 2
        assert caught.value.outcome_known
        assert caught.value.code == 700003


async def test_no_repeat_at_all_with_a_budget_of_zero() -> None:
    async with fake_client(retry=RetryPolicy(budget_s=0)) as d:
        d.transport.on(ORDER, refusal(700003))
        d.transport.on(PING, ConnectionLost("gone"))
        with pytest.raises(TimestampRejected):
            await d.view.send(order())
        with pytest.raises(ConnectionLost):
            await d.view.send(Ping())
        assert (len(d.transport.of(ORDER)), len(d.transport.of(PING))) == (1, 1)


@pytest.mark.parametrize("request_", [order(), AccountQuery()])
async def test_a_429_holds_the_repeat_back_for_retry_after(request_: Any) -> None:
    async with fake_client("default") as d:
        path = request_.route.path
        d.transport.on(path, refusal(429, 429, retry_after="0.15"), FUNDS if path == ACCOUNT else ACK)
        await d.view.send(request_)
        first, second = d.transport.of(path)
        assert second.at - first.at >= 0.15
        assert first.params["timestamp"] != second.params["timestamp"]


async def test_a_429_that_asks_for_longer_than_the_budget_is_raised_and_its_bucket_closed() -> None:
    async with fake_client("default") as d:
        d.transport.on(ORDER, refusal(429, 429, retry_after="60"))
        d.transport.on(DEPTH, BOOK)
        with pytest.raises(TooManyRequests) as caught:
            await d.view.send(order())
        assert (caught.value.status, caught.value.retry_after_s) == (429, 60)
        assert caught.value.outcome_known
        assert len(d.transport.of(ORDER)) == 1
        with pytest.raises(RateLimited):
            await d.view.using(max_wait_s=0).send(order())
        await d.view.using(max_wait_s=0).send(DepthQuery(symbol="BTCUSDT"))  # another limit, which is open
        assert len(d.transport.of(ORDER)) == 1


async def test_a_429_is_tried_three_times_at_most() -> None:
    async with fake_client("default") as d:
        d.transport.on(ORDER, refusal(429, 429, retry_after="0.01"))
        with pytest.raises(TooManyRequests):
            await d.view.send(order())
        assert len(d.transport.of(ORDER)) == 3


async def test_a_418_stops_everything_and_is_not_repeated() -> None:
    async with fake_client("default") as d:
        d.transport.on(ORDER, refusal(418, 418, retry_after="300"))
        with pytest.raises(IpBanned) as caught:
            await d.view.send(order())
        assert caught.value.retry_after_s == 300
        assert len(d.transport.of(ORDER)) == 1
        with pytest.raises(RateLimited):
            await d.view.using(max_wait_s=0).send(Ping())
        assert not d.transport.of(PING)


# --- reads are retried, changes never ---

FLEETING: list[Answer] = [
    ConnectFailed("refused"),
    ConnectionLost("gone"),
    RequestTimeout("late"),
    reply(b"oops", 502),
    refusal(503, 503),
    refusal(500, 200),
]


@pytest.mark.parametrize("fault", FLEETING, ids=repr)
@pytest.mark.parametrize("request_", [Ping(), AccountQuery(), TEST_ORDER])
async def test_reads_are_repeated_after_faults_that_pass(fault: Answer, request_: Any, shifted: ShiftedTime) -> None:
    async with fake_client(retry=RetryPolicy(), clock=shifted.clock) as d:
        path = request_.route.path
        d.api.is_reached = True
        d.transport.on(path, fault, fault, fault, FUNDS if path == ACCOUNT else reply())
        await d.view.send(request_)
        assert len(d.transport.of(path)) == 4
        assert shifted.pauses == [0.05, 0.1, 0.2]


async def test_repeating_ends_with_the_budget(shifted: ShiftedTime) -> None:
    async with fake_client(retry=RetryPolicy(budget_s=5, first_s=0.1, longest_s=2), clock=shifted.clock) as d:
        d.transport.on(PING, refusal(503, 503))
        with pytest.raises(ExchangeUnavailable) as caught:
            await d.view.send(Ping())
        assert caught.value.outcome_known  # a read changes nothing
        assert shifted.pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1]
        assert sum(shifted.pauses) <= 5
        assert len(d.transport.of(PING)) == len(shifted.pauses) + 1


@pytest.mark.parametrize(
    "answer", [refusal(-1121), reply(b"<html>", 403), reply(b"{"), reply(b"", 302), refusal(700002, 401)], ids=repr
)
async def test_reads_are_not_repeated_after_an_answer_that_will_stay(answer: Reply, shifted: ShiftedTime) -> None:
    async with fake_client(clock=shifted.clock) as d:
        d.transport.on(PING, answer)
        with pytest.raises(MexcError) as caught:
            await d.view.send(Ping())
        assert len(d.transport.of(PING)) == 1
        assert (caught.value.method, caught.value.path, caught.value.status) == ("GET", PING, answer.status)


UNCLEAR: list[tuple[Answer, int | None, int | None]] = [
    (ConnectionLost("gone"), None, None),
    (RequestTimeout("late"), None, None),
    (reply(b"oops", 502), 502, None),
    (refusal(503, 503), 503, 503),
    (refusal(500, 200), 200, 500),
    (reply(b"<html>", 200), 200, None),
    (reply(b'{"symbol":', 200), 200, None),
    (reply(b"[]", 200), 200, None),
    (reply(b"", 307), 307, None),
    (reply(b"<html>Access Denied", 403), 403, None),
]


@pytest.mark.parametrize(("answer", "status", "code"), UNCLEAR, ids=repr)
async def test_an_order_without_a_clear_answer_is_never_sent_again(
    answer: Answer, status: int | None, code: int | None
) -> None:
    async with fake_client(orders=SOON) as d:
        d.transport.on(PLACE, answer)
        with pytest.raises(OutcomeUnknown) as caught:
            await d.view.send(order(new_client_order_id="mine-1"))
        error = caught.value
        assert len(d.transport.of(PLACE)) == 1
        assert (error.client_order_id, error.status, error.code) == ("mine-1", status, code)
        assert (error.method, error.path) == ("POST", ORDER)
        assert not error.outcome_known
        assert not error.retryable
        assert isinstance(error.__cause__, MexcError)
        assert "mine-1" in str(error)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_undeclared_writes_are_never_sent_again_either(method: str) -> None:
    async with fake_client() as d:
        d.transport.on("/x", ConnectionLost("gone"))
        for signed in (True, False):
            with pytest.raises(OutcomeUnknown):
                await d.view.request(method, "/x", signed=signed)
        assert len(d.transport.of("/x")) == 2


async def test_an_order_that_never_left_says_so() -> None:
    async with fake_client() as d:
        d.transport.on(ORDER, ConnectFailed("refused"))
        with pytest.raises(ConnectFailed) as caught:
            await d.view.send(order(new_client_order_id="mine-1"))
        assert caught.value.outcome_known
        assert caught.value.client_order_id == "mine-1"
        assert len(d.transport.of(ORDER)) == 1


async def test_what_never_left_takes_nothing_from_the_limits() -> None:
    async with fake_client("default") as d:
        d.transport.on(ORDER, ConnectFailed("refused"))
        with pytest.raises(ConnectFailed):
            await d.view.send(order())
        used = {use.limit: use.used for use in d.limiter.report().limits}
        assert (used["orders"], used["uid"]) == (0, 0)


async def test_a_plain_refusal_of_an_order_is_known_and_carries_its_id() -> None:
    async with fake_client() as d:
        d.transport.on(ORDER, refusal(30004))
        with pytest.raises(InsufficientBalance) as caught:
            await d.view.send(order())
        assert caught.value.outcome_known
        assert caught.value.client_order_id == d.transport.of(ORDER)[0].params["newClientOrderId"]


# --- client order ids ---


async def test_every_order_gets_an_id_of_its_own_and_a_users_is_kept() -> None:
    async with fake_client(prefix="grid-1") as d:
        for _ in range(50):
            await d.view.send(order())
        await d.view.send(order(new_client_order_id="mine"))
        ids = [sent.params["newClientOrderId"] for sent in d.transport.of(ORDER)]
        assert ids.pop() == "mine"
        assert len(set(ids)) == 50
        assert all(one.startswith("grid-1") and len(one) <= 32 for one in ids)


async def test_the_orders_of_a_batch_get_ids_too_and_an_unknown_outcome_names_them_all() -> None:
    async with fake_client(orders=SOON) as d:
        d.transport.on("/api/v3/batchOrders", RequestTimeout("late"))
        with pytest.raises(OutcomeUnknown) as caught:
            await d.view.spot.batch_orders(orders=[order(), order(new_client_order_id="mine")])
        (sent,) = d.transport.of("/api/v3/batchOrders")
        assert '"newClientOrderId":"mine"' in sent.params["batchOrders"]
        made, mine = (caught.value.client_order_id or "").split(",")
        assert mine == "mine"
        assert f'"newClientOrderId":"{made}"' in sent.params["batchOrders"]


# --- public reads that share ---


class Gate:
    """Gate that holds answers back until it is opened."""

    def __init__(self, answer: Answer = BOOK) -> None:
        self.opened = asyncio.Event()
        self.waiting = 0
        self.cancelled = 0
        self._answer = answer

    async def __call__(self, _: Sent) -> Reply:
        self.waiting += 1
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self._answer, Exception):
            raise self._answer
        assert isinstance(self._answer, Reply)
        return self._answer


async def settle() -> None:
    """Let all ready callbacks run."""
    for _ in range(20):
        await asyncio.sleep(0)


BTC = DepthQuery(symbol="BTCUSDT")


async def test_equal_public_reads_under_way_share_one_request() -> None:
    async with fake_client() as d:
        gate = Gate()
        d.transport.on(DEPTH, gate)
        waiters = [asyncio.create_task(d.view.send(BTC)) for _ in range(10)]
        others = [asyncio.create_task(d.view.send(DepthQuery(symbol=s))) for s in ("ETHUSDT", "SOLUSDT")]
        await settle()
        gate.opened.set()
        books = await asyncio.gather(*waiters, *others)
        assert len(d.transport.of(DEPTH)) == 3
        assert all(book is books[0] for book in books[:10])
        await d.view.send(BTC)
        assert len(d.transport.of(DEPTH)) == 4  # shared while in flight, not cached


async def test_other_options_or_shapes_do_not_share() -> None:
    async with fake_client() as d:
        gate = Gate()
        d.transport.on(DEPTH, gate)
        calls = [d.view.send(BTC), d.view.using(timeout_s=3).send(BTC), d.raw.send(BTC)]
        tasks = [asyncio.create_task(one) for one in calls]
        await settle()
        gate.opened.set()
        await asyncio.gather(*tasks)
        assert sorted(sent.timeout_s or 0 for sent in d.transport.of(DEPTH)) == [0, 0, 3]


async def test_a_waiter_that_gives_up_does_not_take_the_request_from_the_others() -> None:
    async with fake_client() as d:
        gate = Gate()
        d.transport.on(DEPTH, gate)
        waiters = [asyncio.create_task(d.view.send(BTC)) for _ in range(3)]
        await settle()
        waiters[0].cancel()
        await settle()
        assert waiters[0].cancelled()
        gate.opened.set()
        assert (await waiters[1]).last_update_id == 1
        assert await waiters[2] is await waiters[1]
        assert gate.cancelled == 0


async def test_the_last_waiter_that_gives_up_ends_the_request() -> None:
    async with fake_client() as d:
        gate = Gate()
        d.transport.on(DEPTH, gate)
        waiters = [asyncio.create_task(d.view.send(BTC)) for _ in range(3)]
        await settle()
        for waiter in waiters:
            waiter.cancel()
        later = asyncio.create_task(d.view.send(BTC))  # must not join the request that ends
        await settle()
        assert gate.cancelled == 1
        gate.opened.set()
        assert (await later).last_update_id == 1
        assert gate.waiting == 2


async def test_an_error_reaches_every_waiter() -> None:
    async with fake_client(retry=RetryPolicy(budget_s=0)) as d:
        gate = Gate(ConnectionLost("gone"))
        d.transport.on(DEPTH, gate)
        waiters = [asyncio.create_task(d.view.send(BTC)) for _ in range(3)]
        await settle()
        gate.opened.set()
        for waiter in waiters:
            with pytest.raises(ConnectionLost):
                await waiter
        assert gate.waiting == 1


@pytest.mark.parametrize("request_", [AccountQuery(), order(), CancelOrder(symbol="BTCUSDT", order_id="1")])
async def test_signed_calls_are_never_shared(request_: Any) -> None:
    async with fake_client() as d:
        d.transport.on(ACCOUNT, FUNDS)
        await asyncio.gather(*(d.view.send(request_) for _ in range(5)))
        assert len(d.transport.of(f"{request_.route.method} {request_.route.path}")) == 5


async def test_public_writes_are_not_shared() -> None:
    async with fake_client() as d:
        await asyncio.gather(*(d.view.request("POST", "/x") for _ in range(3)))
        assert len(d.transport.of("/x")) == 3


async def test_exchange_info_is_kept_for_five_minutes(shifted: ShiftedTime) -> None:
    async with fake_client(clock=shifted.clock) as d:
        query = ExchangeInfoQuery()
        first = await d.view.send(query)
        shifted.shift_s += 299
        assert await d.view.send(query) is first
        await d.view.send(ExchangeInfoQuery(symbol="BTCUSDT"))
        assert len(d.transport.of(RULES)) == 2
        shifted.shift_s += 2
        assert await d.view.send(query) is not first
        assert len(d.transport.of(RULES)) == 3


async def test_a_kept_answer_can_be_asked_for_anew_and_is_kept_then() -> None:
    async with fake_client() as d:
        query = ExchangeInfoQuery()
        first = await d.view.send(query)
        second = await d.view.using(cached=False).send(query)
        assert second is not first
        assert await d.view.send(query) is second
        assert len(d.transport.of(RULES)) == 2


async def test_kept_answers_do_not_pile_up(shifted: ShiftedTime) -> None:
    async with fake_client(clock=shifted.clock) as d:
        for number in range(300):
            await d.view.send(ExchangeInfoQuery(symbol=f"A{number}"))
        assert len(d.api._answers) == 256
        shifted.shift_s += 301
        await d.view.send(ExchangeInfoQuery(symbol="B"))
        assert len(d.api._answers) == 1


# --- options and undeclared endpoints ---


async def test_raw_answers_come_as_they_are() -> None:
    async with fake_client() as d:
        d.transport.on(DEPTH, reply(b'{"new":1.10,"bids":[["1","2"]]}'))
        answer = await d.raw.spot.depth(symbol="BTCUSDT")
        assert answer == {"new": Decimal("1.10"), "bids": [["1", "2"]]}
        answer = await d.view.using(raw=True, timeout_s=3).send(BTC)
        assert isinstance(answer, dict)
        assert d.transport.of(DEPTH)[-1].timeout_s == 3


async def test_views_add_up_and_leave_the_first_alone() -> None:
    async with fake_client(Limits.custom("unlimited", orders=(1, 60.0))) as d:
        view = d.view.using(timeout_s=3).using(recv_window_ms=100).using(max_wait_s=0)
        await view.send(order())
        assert d.transport.of(ORDER)[0].timeout_s == 3
        assert d.transport.of(ORDER)[0].params["recvWindow"] == "100"
        with pytest.raises(RateLimited) as caught:
            await view.send(order())
        assert caught.value.outcome_known
        assert caught.value.client_order_id
        assert len(d.transport.of(ORDER)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"max_wait_s": -1},
        {"max_wait_s": float("nan")},
        {"max_wait_s": "1"},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"timeout_s": "2"},
        {"recv_window_ms": 0},
        {"recv_window_ms": 60_001},
        {"recv_window_ms": 1.5},
        {"recv_window_ms": True},
    ],
)
async def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    async with fake_client() as d:
        with pytest.raises(ConfigError, match=next(iter(options))):
            d.view.using(**options)
        with pytest.raises(ConfigError):
            d.view.using(raw=True, **options)


async def test_an_undeclared_endpoint_passes_the_same_way() -> None:
    async with fake_client("default") as d:
        d.transport.on("/api/v3/new", reply(b'{"a":1.5}'))
        answer = await d.view.request("GET", "/api/v3/new", {"b": True, "a": Decimal("1E-7"), "c": None}, weight=7)
        assert answer == {"a": Decimal("1.5")}
        assert d.transport.sent[0].target == "/api/v3/new?a=0.0000001&b=true"
        (use,) = d.limiter.report().endpoints
        assert use.weights == {"client": 1, "ip": 7}
        await d.view.request("DELETE", "/api/v3/new", signed=True, weight=0)
        assert "signature" in d.transport.sent[-1].params


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("PATCH", "/x"), "PATCH"),
        (("get", "/x"), "get"),
        (("GET", "x"), "'x'"),
        (("GET", ""), "''"),
        (("GET", "/x?a=1"), "a=1"),
        (("GET", "/x#y"), "#y"),
        (("GET", "/x y"), "/x y"),
        (("GET", "/ü"), "/ü"),
        (("GET", "/x\r\nHost:evil"), "evil"),
        (("GET", "/x\n"), "plain path"),
        (("GET", "/x/"), "plain path"),
        (("GET", "/x", {"price": 0.1}), "float"),
        (("GET", "/x", {"ids": [1]}), "list"),
        (("GET", "/x", {"price": Decimal("NaN")}), "NaN"),
    ],
)
async def test_what_cannot_be_sent_is_refused(arguments: tuple[Any, ...], words: str) -> None:
    async with fake_client() as d:
        with pytest.raises(InvalidRequest, match=words.replace("?", ".")):
            await d.view.request(*arguments)
        assert not d.transport.sent


@pytest.mark.parametrize("weight", [-1, 1.5, True, "1"])
async def test_a_weight_that_is_none_is_refused(weight: Any) -> None:
    async with fake_client() as d:
        with pytest.raises(InvalidRequest, match="weight"):
            await d.view.request("GET", "/x", weight=weight)


async def test_a_weight_beyond_the_limit_is_refused() -> None:
    async with fake_client("default") as d:
        with pytest.raises(ConfigError, match="weighs 301"):
            await d.view.request("GET", "/x", weight=301)
        assert not d.transport.sent


# --- refused before sending ---


async def test_a_read_only_client_sends_nothing_that_changes_something() -> None:
    async with fake_client(read_only=True) as d:
        d.transport.on(ACCOUNT, FUNDS)
        for request in (order(), CancelOrder(symbol="BTCUSDT", order_id="1")):
            with pytest.raises(ReadOnlyError) as caught:
                await d.view.send(request)
            assert (caught.value.method, caught.value.path) == (request.route.method, ORDER)
        for method in ("POST", "PUT", "DELETE"):
            with pytest.raises(ReadOnlyError):
                await d.view.request(method, "/x")
        assert not d.transport.sent
        await d.view.send(AccountQuery())
        await d.view.request("GET", "/x")
        await d.view.send(TEST_ORDER)


WITHDRAW = "/api/v3/capital/withdraw"
NOTHING_MOVED = reply({"rows": [], "data": []})
"""Empty page of transfers, of either kind."""


def withdrawal(**fields: Any) -> Withdraw:
    usual: dict[str, Any] = {"coin": "USDT", "net_work": "TRX", "address": "T1", "amount": Decimal("10.50")}
    return Withdraw(**usual | fields)


SENDS_AWAY: list[Request[Any]] = [
    withdrawal(),
    WithdrawApply(coin="USDT", address="T1", amount=Decimal(1)),
    InternalTransferRequest(to_account_type="UID", to_account="1", asset="USDT", amount=Decimal(1)),
    BrokerWithdraw(coin="USDT", network="TRC20", address="T1", amount=Decimal(1)),
]


@pytest.mark.parametrize("request_", SENDS_AWAY, ids=lambda request: type(request).__name__)
async def test_money_is_not_sent_away_unless_the_client_was_opened_for_it(request_: Request[Any]) -> None:
    route = request_.route
    async with fake_client() as d:
        for call in (d.view.send(request_), d.raw.send(request_), d.view.request(route.method, route.path.upper())):
            with pytest.raises(WithdrawalsOff, match="allow_withdraw=True") as caught:
                await call
            assert str(caught.value).startswith(f"{route.method} {route.path}")
        assert not d.transport.sent
        d.transport.on(WITHDRAW, reply({"id": "1"}))
        await d.view.send(CancelWithdraw(id="1"))  # stopping one is always allowed
    async with fake_client(read_only=True, allow_withdraw=True) as d:
        with pytest.raises(ReadOnlyError):
            await d.view.send(request_)
        assert not d.transport.sent
    async with fake_client(allow_withdraw=True) as d:
        d.transport.on(f"{route.method} {route.path}", reply({"id": "1", "tranId": "1"}))
        d.transport.on(f"GET {route.path}", NOTHING_MOVED)
        await d.view.send(request_)
        assert len([sent for sent in d.transport.of(route.path) if sent.method == route.method]) == 1


async def test_every_withdrawal_carries_an_id_of_the_client_s_own() -> None:
    async with fake_client(prefix="desk-1", allow_withdraw=True) as d:
        d.transport.on(WITHDRAW, reply({"id": "1"}))
        d.transport.on(WITHDRAW + "/apply", reply([{"id": "1"}]))
        for _ in range(3):
            await d.view.send(withdrawal())
        await d.view.send(withdrawal(withdraw_order_id="mine"))
        await d.view.send(WithdrawApply(coin="USDT", address="T1", amount=Decimal(1)))
        ids = [sent.params["withdrawOrderId"] for sent in d.transport.sent if sent.path != TIME]
        assert ids.pop(3) == "mine"
        assert len(set(ids)) == 4
        assert all(one.startswith("desk-1") for one in ids)


MOVES = [
    *SENDS_AWAY,
    UniversalTransfer(from_account_type="SPOT", to_account_type="FUTURES", asset="A", amount=Decimal(1)),
]


@pytest.mark.parametrize("fault", ["lost", "late", "504"])
@pytest.mark.parametrize("request_", MOVES, ids=lambda request: type(request).__name__)
async def test_money_without_a_clear_answer_is_never_sent_again(request_: Request[Any], fault: str) -> None:
    faults: dict[str, Answer] = {
        "lost": ConnectionLost("gone"),
        "late": RequestTimeout("late"),
        "504": reply("<html>", 504),
    }
    route = request_.route
    async with fake_client(allow_withdraw=True, orders=SOON) as d:
        d.transport.on(f"{route.method} {route.path}", faults[fault])
        d.transport.on(f"GET {route.path}", NOTHING_MOVED)
        d.transport.on(f"GET {WITHDRAW}/history", reply([]))
        with pytest.raises(OutcomeUnknown) as caught:
            await d.view.send(request_)
        (sent,) = [sent for sent in d.transport.of(route.path) if sent.method == route.method]
        assert caught.value.client_order_id == sent.params.get("withdrawOrderId")
        assert ("withdrawOrderId" in sent.params) == isinstance(request_, Withdraw | WithdrawApply)


async def test_a_json_body_is_signed_behind_the_query_and_holds_every_parameter() -> None:
    made = reply({"code": "0", "message": "", "data": [{"subAccount": "mexc1", "note": "1"}]})
    async with fake_client() as d:
        d.transport.on("/api/v3/broker/sub-account/virtualSubAccount", made)
        await d.view.using(recv_window_ms=5000).spot.broker_create_sub_account(sub_account="mexc1", note="1")
        (sent,) = d.transport.of("/api/v3/broker/sub-account/virtualSubAccount")
        assert sent.body == b'{"subAccount":"mexc1","note":"1"}'
        assert sent.params.keys() == {"recvWindow", "timestamp", "signature"}
        query, _, signature = sent.target.partition("?")[2].partition("&signature=")
        assert signature == hmac.new(SECRET.encode(), query.encode() + sent.body, sha256).hexdigest()
        await d.view.send(order())
        assert d.transport.of(ORDER)[0].body == b""


async def test_without_credentials_only_public_calls_work() -> None:
    async with fake_client(credentials=False) as d:
        for call in (d.view.send(order()), d.view.send(AccountQuery()), d.view.request("GET", "/x", signed=True)):
            with pytest.raises(MissingCredentials):
                await call
        assert not d.transport.sent
        await d.view.send(Ping())
        assert d.transport.sent[0].headers == {}


async def test_a_closed_client_sends_nothing() -> None:
    async with fake_client() as d:
        d.api.close()
        for call in (d.view.send(order()), d.view.send(Ping()), d.view.request("GET", "/x")):
            with pytest.raises(ClientClosed):
                await call
        assert not d.transport.sent


async def test_a_repeat_does_not_outlive_the_client(shifted: ShiftedTime) -> None:
    async with fake_client(clock=shifted.clock) as d:

        async def close_and_fail(_: Sent) -> Reply:
            d.api.close()
            d.limiter.close()
            return refusal(503, 503)

        d.transport.on(ACCOUNT, close_and_fail)
        with pytest.raises(MexcError):
            await d.view.send(AccountQuery())


# --- guide paths ---


async def test_guide_paths_are_used_for_orders_and_nothing_else() -> None:
    async with fake_client(guide_paths=True) as d:
        place, cancel = "/api/v3/order/place", "/api/v3/order/cancel"
        d.transport.on(place, ACK)
        d.transport.on(cancel, CANCELLED)
        d.transport.on(ORDER, ACK)
        await d.view.send(order())
        await d.view.send(CancelOrder(symbol="BTCUSDT", order_id="1"))
        with pytest.raises(ProtocolError):  # the answer is an acknowledgement, no order
            await d.view.spot.query_order(symbol="BTCUSDT", order_id="1")
        signed = [(sent.method, sent.path) for sent in d.transport.sent if sent.path != TIME]
        assert signed == [("POST", place), ("POST", cancel), ("GET", ORDER)]
        for sent in d.transport.of(place) + d.transport.of(cancel):
            query, _, signature = sent.target.partition("?")[2].rpartition("&signature=")
            assert signature == hmac.new(SECRET.encode(), query.encode(), sha256).hexdigest()


async def test_a_404_on_a_guide_path_proves_that_nothing_was_placed() -> None:
    async with fake_client(guide_paths=True) as d:
        d.transport.on("/api/v3/order/place", reply(b"<html>not found", 404))
        with pytest.raises(ApiError, match="default") as caught:
            await d.view.send(order())
        assert caught.value.outcome_known
        assert not isinstance(caught.value, OutcomeUnknown)
        assert caught.value.status == 404


# --- symbol rules ---


async def test_an_order_is_held_against_the_rules_before_the_limiter() -> None:
    async with fake_client(Limits.custom("unlimited", orders=(1, 60.0)), check_rules=True) as d:
        await d.view.send(order())
        for wrong in (
            order(price=Decimal("60000.123")),
            order(quantity=Decimal("0.0000001")),
            order(quantity=Decimal("0.000001"), price=Decimal("0.01")),
            order(symbol="NOPEUSDT"),
        ):
            async with asyncio.timeout(5):  # the limiter would hold it for a minute
                with pytest.raises(InvalidRequest):
                    await d.view.send(wrong)
        assert len(d.transport.of(ORDER)) == 1
        assert len(d.transport.of(RULES)) == 1


async def test_every_order_of_a_batch_is_held_against_the_rules() -> None:
    async with fake_client(check_rules=True) as d:
        with pytest.raises(InvalidRequest, match=r"60000\.123"):
            await d.view.spot.batch_orders(orders=[order(), order(price=Decimal("60000.123"))])
        assert [sent.path for sent in d.transport.sent] == [RULES]


async def test_rules_can_be_left_to_the_exchange() -> None:
    async with fake_client(check_rules=False) as d:
        await d.view.send(order(price=Decimal("60000.123")))
        assert not d.transport.of(RULES)


async def test_an_unknown_symbol_makes_the_rules_load_again_once_a_minute(shifted: ShiftedTime) -> None:
    async with fake_client(check_rules=True, clock=shifted.clock) as d:
        d.transport.on(RULES, rules_of("BTCUSDT"), rules_of("BTCUSDT"), rules_of("BTCUSDT", "NEWUSDT"))
        for _ in range(3):
            with pytest.raises(InvalidRequest, match="NEWUSDT"):
                await d.view.send(order(symbol="NEWUSDT"))
        assert len(d.transport.of(RULES)) == 1
        shifted.shift_s += 61
        for _ in range(3):
            with pytest.raises(InvalidRequest, match="NEWUSDT"):
                await d.view.send(order(symbol="NEWUSDT"))
        assert len(d.transport.of(RULES)) == 2
        shifted.shift_s += 61
        await d.view.send(order(symbol="NEWUSDT"))
        assert len(d.transport.of(RULES)) == 3


async def test_the_rules_take_a_kept_answer_the_first_time() -> None:
    async with fake_client(check_rules=True) as d:
        await d.view.send(ExchangeInfoQuery())
        await d.view.send(order())
        assert len(d.transport.of(RULES)) == 1


# --- odd answers, events and the log ---


async def test_odd_items_are_left_out_reported_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with fake_client() as d:
        d.transport.on(
            "/api/v3/ticker/price",
            reply([{"symbol": "A", "price": "1"}, {"symbol": "B"}, {"symbol": "C", "price": "2"}]),
        )
        tickers = await d.view.spot.ticker_price()
        assert [ticker.symbol for ticker in tickers] == ["A", "C"]
        (event,) = [event for event in d.events if isinstance(event, OddItems)]
        assert (event.method, event.path, len(event.reasons)) == ("GET", "/api/v3/ticker/price", 1)
        assert "item 1" in event.reasons[0]
        assert [(record.name, record.levelname) for record in caplog.records] == [("mexc_async", "WARNING")]


async def test_every_attempt_is_an_event() -> None:
    async with fake_client(Limits.custom("unlimited", margin_s=0.0, orders=(1, 0.05))) as d:
        d.transport.on(ACCOUNT, refusal(503, 503), FUNDS)
        await d.view.send(AccountQuery())
        await d.view.send(order())
        await d.view.send(order(new_client_order_id="mine"))
        assert isinstance(d.events[0], ClockSynced)
        assert d.events[0].error_ms >= 0
        failed, done, *orders = [event for event in d.events if isinstance(event, RequestDone)]
        assert (failed.attempt, failed.status) == (1, 503)
        assert isinstance(failed.error, ExchangeUnavailable)
        assert (done.method, done.path, done.attempt, done.status, done.error) == ("GET", ACCOUNT, 2, 200, None)
        assert orders[1].client_order_id == "mine"
        assert orders[1].wait_s > 0.03
        assert 0 <= orders[1].latency_s < 1


async def test_a_call_without_an_answer_is_an_event_too() -> None:
    async with fake_client(orders=SOON) as d:
        d.transport.on(PLACE, ConnectionLost("gone"))
        with pytest.raises(OutcomeUnknown):
            await d.view.send(order())
        event = next(event for event in d.events if isinstance(event, RequestDone))
        assert event.status is None
        assert isinstance(event.error, ConnectionLost)


async def test_a_listener_that_fails_breaks_no_call(caplog: pytest.LogCaptureFixture) -> None:
    async with fake_client() as d:

        def broken(event: object) -> None:
            raise ZeroDivisionError

        remove = d.api.hooks.add(broken)
        assert isinstance(await d.view.send(order()), OrderAck)
        assert {record.name for record in caplog.records} == {"mexc_async"}
        assert "a listener failed on RequestDone" in caplog.text
        remove()


@pytest.mark.parametrize(
    "answer",
    [
        ConnectionLost("gone"),
        reply(f"key {KEY} signature={'a1' * 32}".encode(), 500),
        reply({"code": 700002, "msg": f"signature={'a1' * 32}&X-MEXC-APIKEY: {KEY}"}, 400),
        reply(f'{{"apiKey":"{KEY}","x":'.encode()),
    ],
    ids=["lost", "echo 500", "echo 400", "echo 200"],
)
async def test_no_secret_in_errors_events_or_log(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mexc_async")
    async with fake_client(retry=RetryPolicy(budget_s=0.05, first_s=0.01), orders=SOON) as d:
        d.transport.on(ORDER, answer)
        d.transport.on(ACCOUNT, answer)
        for request in (order(), AccountQuery()):
            with pytest.raises(MexcError) as caught:
                await d.view.send(request)
            text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
            text += caplog.text + repr(d.events)
            assert SECRET not in text
            assert KEY not in text
            assert "a1a1a1" not in text
            for sent in d.transport.of(request.route.path):
                assert sent.params["signature"] not in text


# --- warming up ---


async def test_connections_are_opened_by_as_many_pings_at_the_same_time() -> None:
    async with fake_client("default") as d:
        gate = Gate(reply())
        d.transport.on(PING, gate)
        opening = asyncio.create_task(d.api.open_connections(6))
        await settle()
        assert gate.waiting == 6
        gate.opened.set()
        await opening
        used = {use.limit: use.used for use in d.limiter.report().limits}
        assert used["ip"] == 6


async def test_opening_that_fails_is_told() -> None:
    async with fake_client(retry=RetryPolicy(budget_s=0)) as d:
        d.transport.on(PING, ConnectFailed("refused"))
        with pytest.raises(ConnectFailed):
            await d.api.open_connections(3)


async def test_a_call_that_waits_while_the_key_is_replaced_goes_out_with_the_new_one_alone() -> None:
    other = Credentials("mx0vglOTHERkey6789", "another-secret-0123456789")
    async with fake_client(Limits.custom("unlimited", margin_s=0.0, orders=(1, 0.1))) as d:
        await d.view.send(order())
        waiting = asyncio.create_task(d.view.send(order()))
        await asyncio.sleep(0)
        d.api.sign_with(other)
        await waiting
        first, second = d.transport.of(ORDER)
        assert (first.headers["X-MEXC-APIKEY"], second.headers["X-MEXC-APIKEY"]) == (KEY, other.api_key)
        query, _, signature = second.target.partition("?")[2].rpartition("&signature=")
        assert signature == other.signer.sign(query.encode())
