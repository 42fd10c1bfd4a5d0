"""The compiled fast path of orders has the results of the pipeline in Python, also on errors."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest

from mexc_async.client.channel import Handler
from mexc_async.client.mexc import Mexc
from mexc_async.errors import MexcError, RateLimited
from mexc_async.limits.profiles import Limits
from mexc_async.native.loader import compiled
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.call import Call, Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.events import RequestDone
from mexc_async.rest.retry import RetryPolicy
from mexc_async.schema.endpoint import Request
from mexc_async.spot.market import Ping
from mexc_async.spot.trading import CancelOrder, NewOrder
from tests.support import raw_server as server
from tests.support.fake_transport import KEY, SECRET
from tests.support.manual_time import ManualTime
from tests.support.raw_server import Arrival, Behaviour, RawServer, Way
from tests.support.settings import flat

pytestmark = pytest.mark.skipif(not compiled, reason="without the compiled core there is one way only")

ACK = (
    b'{"symbol":"BTCUSDT","orderId":"C02__1","orderListId":-1,"price":"9.5","origQty":"1","type":"LIMIT","side":"BUY",'
    b'"transactTime":1700000000000}'
)
CANCELLED = b'{"symbol":"BTCUSDT","orderId":"C02__7","status":"CANCELED","executedQty":"0"}'
USUAL = {
    "/api/v3/time": b'{"serverTime":1700000000000}',
    "/api/v3/exchangeInfo": b'{"timezone":"CST","serverTime":1,"symbols":[]}',
}
BUY: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}
TERMS: dict[str, Any] = {"price": Decimal("9.5"), "quantity": Decimal(1)}


def refused(code: int, status: int = 400, *headers: str) -> Behaviour:
    return server.answer(b'{"code":%d,"msg":"because"}' % code, status, *headers)


def cut(data: bytes) -> Behaviour:
    """Send a whole answer in two pieces."""

    async def behave(_: Arrival, way: Way) -> bool:
        whole = server.head(200, f"Content-Length: {len(data)}") + data
        await way.write(whole[:60])
        await asyncio.sleep(0.01)
        await way.write(whole[60:])
        return True

    return behave


class Told:
    """Record of one client's actions and events."""

    def __init__(self) -> None:
        self.outcomes: list[object] = []
        self.requests: list[object] = []
        self.events: list[object] = []
        self.used: object = None
        self.slow = 0
        """Orders and cancels outside the compiled fast path."""


async def place(mexc: Mexc, **changes: Any) -> Any:
    return await mexc.spot.new_order(**BUY | TERMS | changes)


async def thrice(mexc: Mexc) -> Any:
    return [await place(mexc) for _ in range(3)]


async def prepared(mexc: Mexc) -> Any:
    buy = mexc.spot.prepare(**BUY)
    return [await buy.send(**TERMS), await buy.send(price=Decimal("1E-7"), quantity=Decimal("2.50"))]


async def presigned(mexc: Mexc) -> Any:
    rungs = await mexc.spot.presign([NewOrder(**BUY, **TERMS), NewOrder(**BUY, **TERMS)])
    return [await place(mexc), await rungs[1].send(), await rungs[0].send()]


async def unusual(mexc: Mexc) -> Any:
    own = await place(mexc, new_client_order_id="my own id")
    market = await mexc.spot.new_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity=Decimal(2), price=None)
    return [own, market, await place(mexc, stp_mode="cancel_both")]


async def raw(mexc: Mexc) -> Any:
    return await mexc.using(raw=True).spot.new_order(**BUY, **TERMS)


async def with_options(mexc: Mexc) -> Any:
    view = mexc.using(recv_window_ms=1234, timeout_s=3)
    return [await view.spot.new_order(**BUY, **TERMS), await place(mexc), await view.spot.new_order(**BUY, **TERMS)]


async def cancel(mexc: Mexc) -> Any:
    return await mexc.spot.cancel_order(symbol="BTCUSDT", order_id="C02__7")


async def cancel_all(mexc: Mexc) -> Any:
    return await mexc.spot.cancel_open_orders(symbol="BTCUSDT")


async def halted(mexc: Mexc) -> Any:
    mexc.orders.halt("for now")
    return await place(mexc)


async def given_up(mexc: Mexc) -> Any:
    async with asyncio.timeout(0.05):
        return await place(mexc)


async def at_the_limit(mexc: Mexc) -> Any:
    none = mexc.using(max_wait_s=0)
    return await asyncio.gather(*(none.spot.new_order(**BUY, **TERMS) for _ in range(15)), return_exceptions=True)


async def mistaken(mexc: Mexc) -> Any:
    mexc.orders.execution.tracker.check_answers()
    return await place(mexc, price=Decimal(7))


async def many(mexc: Mexc) -> Any:
    return await asyncio.gather(*(place(mexc) for _ in range(5)))


SCENARIOS: dict[str, tuple[Callable[[Mexc], Awaitable[Any]], list[Behaviour], dict[str, Any]]] = {
    "three": (thrice, [], {}),
    "prepared": (prepared, [], {}),
    "presigned": (presigned, [], {}),
    "unusual orders": (unusual, [], {}),
    "raw": (raw, [], {}),
    "options": (with_options, [], {}),
    "cancel": (
        cancel,
        [server.answer(b'{"symbol":"BTCUSDT","orderId":"C02__7","status":"CANCELED","executedQty":"0"}')],
        {},
    ),
    "cancel of what is not there": (cancel, [refused(-2011)], {}),
    "cancel all": (cancel_all, [server.answer(b"[]")], {}),
    "refused": (place, [refused(30004)], {}),
    "refused with status 200": (place, [refused(30005, 200)], {}),
    "stamp refused, then taken": (place, [refused(700003)], {}),
    "too many requests": (place, [refused(510, 429, "Retry-After: 0.02")], {}),
    "banned": (place, [refused(510, 418, "Retry-After: 0.02")], {}),
    "failing": (place, [server.answer(b"busy", 503)], {}),
    "reset": (place, [server.reset], {}),
    "no JSON": (place, [server.answer(b"<html>")], {}),
    "another shape": (place, [server.answer(b'[{"symbol":"BTCUSDT","orderId":7}]')], {}),
    "in pieces": (thrice, [cut(ACK)], {}),
    "closed after the answer": (thrice, [server.answer(ACK, 200, "Connection: close", keep=False)], {}),
    "halted": (halted, [], {}),
    "answered as another order": (mistaken, [], {}),
    "given up": (given_up, [server.silence], {}),
    "time-out": (lambda mexc: mexc.using(timeout_s=0.05).spot.new_order(**BUY, **TERMS), [server.silence], {}),
    "at the limit": (at_the_limit, [], {"limits": "default"}),
    "more than there are connections": (many, [], {}),
    "logged": (thrice, [refused(30004)], {"call_log": "calls.jsonl"}),
}


async def begun(mexc: Mexc, order: NewOrder, options: Options) -> Any:
    """Place an order by `begin`, which needs no task."""
    return await mexc._calls.start_order(order, options)


@asynccontextmanager
async def client(scenario: str, folder: Path, told: Told, way: str) -> AsyncIterator[Mexc]:
    _, script, settings = SCENARIOS[scenario]
    left = list(script)

    async def behave(arrival: Arrival, way: Way) -> bool:
        if arrival.path in USUAL or "order" not in arrival.path.lower():
            return await server.answer(USUAL.get(arrival.path, b"{}"))(arrival, way)
        if arrival.method == "GET":
            return await refused(-2013)(arrival, way)
        query = urlsplit(arrival.target).query
        signed, _, signature = query.rpartition("&signature=")
        assert hmac.new(SECRET.encode(), signed.encode(), sha256).hexdigest() == signature
        page = dict(parse_qsl(signed))
        changing = (
            {"timestamp", "newClientOrderId"} if page.get("newClientOrderId", "").startswith("m") else {"timestamp"}
        )
        names = [name for name, _ in parse_qsl(signed)]
        headers = {name: value for name, value in arrival.headers.items() if name != "host"}
        told.requests.append((arrival.method, names, {k: v for k, v in page.items() if k not in changing}, headers))
        return await (left.pop(0) if left else server.answer(ACK))(arrival, way)

    if "call_log" in settings:
        settings = settings | {"call_log": folder / f"{way}.jsonl"}
    usual: dict[str, Any] = {
        "limits": "unlimited",
        "check_rules": False,
        "retry": RetryPolicy(budget_s=1, first_s=0.001, longest_s=0.004),
        "orders": OrderSettings(settle_s=0.05),
    }
    async with (
        RawServer(behave) as raw_,
        Mexc(Credentials(KEY, SECRET), **flat(rest=raw_.url, **usual | settings)) as mexc,
    ):
        await mexc.warm_up(1)
        mexc.hooks.add(lambda event: told.events.append(event) if isinstance(event, RequestDone) else None)
        api = mexc._api
        if way == "started":
            handlers = cast("dict[type[Request[Any]], Handler]", mexc._calls.handlers)
            handlers[NewOrder] = partial(begun, mexc)  # every order goes through `begun`
        if way != "slow":
            assert api._express is not None
            carry_out = api.carry_out

            def slow(call: Call, options: Options) -> Any:
                told.slow += call.route.method != "GET"
                return carry_out(call, options)

            api.carry_out = slow  # type: ignore[method-assign]  # counts
        else:
            api._express = None
        yield mexc


async def tried(scenario: str, folder: Path, way: str) -> Told:
    told = Told()
    async with client(scenario, folder, told, way) as mexc:
        try:
            told.outcomes.append(await SCENARIOS[scenario][0](mexc))
        except (MexcError, TimeoutError) as error:
            told.outcomes.append(error)
        used = mexc.limits.report().endpoints  # the count of look-ups depends on time and is not compared
        told.used = [(use.endpoint, use.requests) for use in used if use.endpoint.split()[0] in ("POST", "DELETE")]
    return told


def shown(value: object) -> object:
    """Return an outcome without the parts that differ from run to run."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, MexcError):
        known = (type(value).__name__, value.code, value.status, value.method, value.path, value.outcome_known)
        return known, value.message.partition(" is used up for")[0], value.client_order_id is not None
    return value if not isinstance(value, BaseException) else type(value).__name__


def heard(told: Told) -> list[object]:
    return [
        (e.method, e.path, e.attempt, e.status, type(e.error).__name__, e.client_order_id is not None)
        for e in told.events
        if isinstance(e, RequestDone) and e.method != "GET"
    ]


@pytest.mark.parametrize(
    ("way", "scenario"),
    # A started order goes on after its caller gave up.
    [(way, name) for way in ("quick", "started") for name in SCENARIOS if (way, name) != ("started", "given up")],
)
async def test_every_way_does_the_same(scenario: str, way: str, tmp_path: Path) -> None:
    quick, slow = await tried(scenario, tmp_path, way), await tried(scenario, tmp_path, "slow")
    assert shown(quick.outcomes) == shown(slow.outcomes)
    assert quick.requests == slow.requests
    assert heard(quick) == heard(slow)
    assert quick.used == slow.used


async def test_an_ordinary_order_goes_the_quick_way(tmp_path: Path) -> None:
    for way in ("quick", "started"):
        for scenario in ("three", "prepared", "raw", "options", "cancel", "logged"):
            assert (await tried(scenario, tmp_path, way)).slow == 0, (way, scenario)


async def test_no_order_is_written_to_a_connection_that_closes() -> None:
    async def behave(arrival: Arrival, way: Way) -> bool:
        return await server.answer(USUAL.get(arrival.path, ACK))(arrival, way)

    settings: dict[str, Any] = {"limits": "unlimited", "check_rules": False}
    async with RawServer(behave) as raw_, Mexc(Credentials(KEY, SECRET), **flat(rest=raw_.url, **settings)) as mexc:
        await mexc.warm_up(2)
        await place(mexc)
        lane = cast(Any, mexc._lane)
        lane.ready[-1].transport.close()  # the one that the next order would take; its end is not reported yet
        assert (await place(mexc)).order_id is not None


async def test_the_default_clock_is_read_in_c() -> None:
    async with Mexc(Credentials(KEY, SECRET), rest="http://127.0.0.1:9") as mexc:
        gates: list[Any] = [mexc.limits.gate(route) for route in (NewOrder.route, CancelOrder.route, Ping.route)]
        assert all(gate.is_monotonic for gate in gates)


async def test_a_set_clock_reaches_the_compiled_limits_and_the_quick_way() -> None:
    at, stamps = ManualTime(), []

    async def behave(arrival: Arrival, way: Way) -> bool:
        if arrival.method == "POST":
            stamps.append(int(dict(parse_qsl(urlsplit(arrival.target).query))["timestamp"]))
            return await server.answer(ACK)(arrival, way)
        return await server.answer(USUAL.get(arrival.path, b"{}"))(arrival, way)

    limits = Limits.custom("unlimited", margin_s=0.0, orders=(2, 60.0))
    async with (
        RawServer(behave) as raw_,
        Mexc(
            Credentials(KEY, SECRET),
            rest=raw_.url,
            limits=limits,
            orders=OrderSettings(check_rules=False),
            clock=at.clock,
        ) as mexc,
    ):
        await mexc.warm_up(1)
        gate, lane = cast(Any, mexc.limits.gate(NewOrder.route)), cast(Any, mexc._lane)
        assert not gate.is_monotonic

        await place(mexc)  # the first of its form may need the lane

        def refuse(*_: object) -> Any:
            raise AssertionError("an ordinary order goes out without the lane's help")

        lane.send = refuse  # what the slower way calls
        await place(mexc)
        at.now += 59.0
        with pytest.raises(RateLimited, match=r"limit orders .* used up for 1\.000 s"):
            await mexc.using(max_wait_s=0).spot.new_order(**BUY, **TERMS)
        at.now += 1.0
        await place(mexc)
        assert [stamp - 1_700_000_000_000 for stamp in stamps] == [0, 0, 60_000]
