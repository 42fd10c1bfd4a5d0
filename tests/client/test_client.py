"""The client against a simulated exchange in the same process: endpoints, orders, errors, opening and closing."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace

from mexc_async import endpoints
from mexc_async.cli.endpoints.samples import RESTING, SYMBOL, EndpointSamples, exchange
from mexc_async.client.mexc import Mexc, Settings
from mexc_async.errors import (
    ADVICE_PERMISSION,
    ADVICE_SIGNATURE,
    ApiError,
    ClientClosed,
    ConfigError,
    InsufficientBalance,
    InvalidKey,
    InvalidParameter,
    InvalidRequest,
    InvalidSymbol,
    IpNotAllowed,
    MexcError,
    MissingCredentials,
    OrderNotFound,
    OrderRejected,
    OutcomeUnknown,
    PermissionDenied,
    SignatureRejected,
    TimestampRejected,
    TradingSuspended,
    TransportError,
    WouldTakeLiquidity,
)
from mexc_async.limits.profiles import Limits
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.events import ClockSynced, RequestDone
from mexc_async.rest.retry import RetryPolicy
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.events import Event
from mexc_async.schema.endpoint import Endpoint
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET, AccountSpec
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.routes import ENDPOINTS
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.spot.enums import OrderStatus
from mexc_async.spot.models import Empty
from mexc_async.spot.trading import NewOrder, OrderParameters
from mexc_async.spot.trading import TestOrder as TrialOrder
from mexc_async.transport.lane import Lane
from tests.support import raw_server
from tests.support.raw_server import Arrival, RawServer, Way
from tests.support.settings import flat

XRP = SYMBOL
READER = AccountSpec(
    name="reader",
    api_key="mx0simREADERkey01",
    api_secret="reader-secret",
    permissions=("SPOT_ACCOUNT_READ", "SPOT_DEAL_READ"),
)
ELSEWHERE = AccountSpec(
    name="elsewhere", api_key="mx0simELSEWHERE01", api_secret="elsewhere-secret", ips=("203.0.113.7",)
)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """Start an exchange with static books and without limits."""
    async with Simulator(exchange(READER, ELSEWHERE), Clock()) as simulator:
        yield simulator


def client(rest: str, key: str = DEMO_KEY, secret: str = DEMO_SECRET, **settings: Any) -> Mexc:
    return Mexc(Credentials(key, secret), **flat(rest=rest, **{"limits": "unlimited"} | settings))


@pytest.fixture
async def mexc(sim: Simulator) -> AsyncIterator[Mexc]:
    async with client(sim.rest, allow_withdraw=True) as mexc:
        yield mexc


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "MEXC_API_KEY", "MEXC_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# --- every endpoint ---


def arms(kind: Any) -> tuple[type, ...]:
    """Return the classes that a value of this type can have."""
    if get_origin(kind) in (Union, UnionType):
        return tuple(arm for part in get_args(kind) for arm in arms(part))
    return (get_origin(kind) or kind,)


_SERVED = {(served.method, served.path) for served in ENDPOINTS}
ANSWERED = [endpoint for endpoint in endpoints() if (endpoint.method, endpoint.path) in _SERVED]
EMPTY = {
    "deposit_history": "nobody pays in",
    "broker_sub_deposit_history": "nobody pays in",
    "broker_all_deposit_history": "nobody pays in",
}
"""Answers that may be an empty list, with the reason."""


@pytest.mark.parametrize("endpoint", ANSWERED, ids=lambda endpoint: endpoint.name)
async def test_every_endpoint_is_answered_and_decoded(endpoint: Endpoint, mexc: Mexc) -> None:
    events: list[Event] = []
    await mexc.warm_up(1)  # so that only the call itself is recorded
    parameters = await EndpointSamples(mexc, DEMO_KEY).parameters(endpoint.name)
    mexc.hooks.add(events.append)
    answer = await getattr(mexc.spot, endpoint.name)(**parameters)
    assert isinstance(answer, arms(endpoint.result))
    if isinstance(answer, list) and endpoint.name not in EMPTY:
        assert answer  # an empty list would prove nothing
    calls = [(event.method, event.path, event.status) for event in events if isinstance(event, RequestDone)]
    assert calls.count((endpoint.method, endpoint.path, 200)) == 1  # no repeat
    history = [("GET", endpoint.path, 200)]  # counted before a transfer, so that it can be recognised among equal ones
    assert len(events) == len(calls)  # no odd items
    assert len(calls) == 1 or (endpoint.route.money is not None and calls[:-1] == history)


class OrderInBody(OrderParameters[Empty], frozen=True, kw_only=True):
    """A trial order whose parameters travel as brokers' do."""

    route = replace(TrialOrder.route, json_body=True)


async def test_parameters_in_a_json_body_are_received_and_their_signature_holds(mexc: Mexc) -> None:
    await mexc.send(OrderInBody(**RESTING))
    with pytest.raises(OrderRejected):
        await mexc.send(OrderInBody(**RESTING | {"quantity": Decimal("0.1")}))


async def test_raw_answers_hold_every_field_as_it_came(mexc: Mexc) -> None:
    raw = await mexc.using(raw=True).spot.account()
    assert isinstance(raw, dict)
    typed = await mexc.spot.account()
    assert isinstance(raw["balances"], list)
    assert len(raw["balances"]) == len(typed.balances)
    assert {"canTrade", "balances", "accountType"} <= set(raw)


# --- orders ---


async def placed(mexc: Mexc, **order: Any) -> tuple[OrderStatus, Decimal]:
    """Place an order and describe its outcome."""
    ack = await mexc.spot.new_order(symbol=XRP, **order)
    now = await mexc.spot.query_order(symbol=XRP, order_id=ack.order_id)
    return now.status, now.executed_quantity


D = Decimal


@pytest.mark.parametrize(
    ("order", "status", "executed"),
    [
        ({"side": "BUY", "type": "LIMIT", "quantity": D(10), "price": D("0.5900")}, "NEW", D(0)),
        ({"side": "BUY", "type": "LIMIT", "quantity": D(10), "price": D("0.6300")}, "FILLED", D(10)),
        ({"side": "SELL", "type": "LIMIT", "quantity": D(10), "price": D("0.6100")}, "FILLED", D(10)),
        ({"side": "BUY", "type": "MARKET", "quantity": D(10)}, "FILLED", D(10)),
        ({"side": "SELL", "type": "MARKET", "quantity": D(10)}, "FILLED", D(10)),
        ({"side": "BUY", "type": "LIMIT_MAKER", "quantity": D(10), "price": D("0.5900")}, "NEW", D(0)),
        ({"side": "BUY", "type": "IMMEDIATE_OR_CANCEL", "quantity": D(10), "price": D("0.6300")}, "FILLED", D(10)),
        ({"side": "BUY", "type": "IMMEDIATE_OR_CANCEL", "quantity": D(10), "price": D("0.5900")}, "CANCELED", D(0)),
        ({"side": "BUY", "type": "FILL_OR_KILL", "quantity": D(10), "price": D("0.6300")}, "FILLED", D(10)),
        ({"side": "BUY", "type": "FILL_OR_KILL", "quantity": D(10), "price": D("0.5900")}, "CANCELED", D(0)),
    ],
)
async def test_orders_of_every_type_end_as_they_should(
    mexc: Mexc, order: dict[str, Any], status: str, executed: Decimal
) -> None:
    assert await placed(mexc, **order) == (OrderStatus(status), executed)


async def test_an_order_that_finds_too_little_fills_what_there_is_or_nothing(mexc: Mexc) -> None:
    best = (await mexc.spot.depth(symbol=XRP, limit=5)).asks[0]
    too_much = best.quantity + 100
    order = {"side": "BUY", "quantity": too_much, "price": best.price}
    assert await placed(mexc, type="FILL_OR_KILL", **order) == (OrderStatus.CANCELED, D(0))
    assert await placed(mexc, type="IMMEDIATE_OR_CANCEL", **order) == (OrderStatus.PARTIALLY_CANCELED, best.quantity)


async def test_a_market_order_by_value_spends_about_that(mexc: Mexc) -> None:
    ack = await mexc.spot.new_order(symbol=XRP, side="BUY", type="MARKET", quote_order_qty=D(20))
    order = await mexc.spot.query_order(symbol=XRP, order_id=ack.order_id)
    assert order.status is OrderStatus.FILLED
    assert D("19.9") < order.executed_quote_quantity <= 20


async def test_an_order_can_be_found_and_cancelled_by_either_id(mexc: Mexc) -> None:
    made = await mexc.spot.new_order(**RESTING)
    own = await mexc.spot.new_order(**RESTING, new_client_order_id="grid.1")
    first, second = sorted(await mexc.spot.open_orders(symbol=XRP), key=lambda order: order.client_order_id or "")
    assert {first.order_id, second.order_id} == {made.order_id, own.order_id}
    assert first.client_order_id == "grid.1"
    assert (second.client_order_id or "").startswith("m")
    cancelled = await mexc.spot.cancel_order(symbol=XRP, orig_client_order_id="grid.1")
    assert (cancelled.order_id, cancelled.status) == (own.order_id, OrderStatus.CANCELED)
    assert await mexc.spot.cancel_order(symbol=XRP, order_id=made.order_id)
    assert await mexc.spot.open_orders(symbol=XRP) == []
    again = await mexc.spot.cancel_order(symbol=XRP, order_id=made.order_id)
    assert (again.order_id, again.status) == (made.order_id, OrderStatus.CANCELED)


async def test_a_batch_tells_order_by_order(sim: Simulator) -> None:
    async with client(sim.rest, check_rules=False) as mexc:
        orders = [NewOrder(**RESTING), NewOrder(**RESTING | {"quantity": D(200_000)}), NewOrder(**RESTING)]
        results = await mexc.spot.batch_orders(orders=orders)
        assert [result.is_accepted for result in results] == [True, False, True]
        assert results[1].code == 30004


async def test_cancelling_everything(mexc: Mexc) -> None:
    for _ in range(3):
        await mexc.spot.new_order(**RESTING)
    assert len(await mexc.spot.cancel_open_orders(symbol=XRP)) == 3
    await mexc.spot.new_order(**RESTING)
    assert (await mexc.spot.cancel_all_orders()).code == 200
    assert await mexc.spot.open_orders() == []


async def test_balances_change_by_what_the_fills_say(mexc: Mexc) -> None:
    before = await mexc.spot.account()
    for order in (
        {"side": "BUY", "type": "MARKET", "quantity": D(50)},
        {"side": "SELL", "type": "LIMIT", "quantity": D(20), "price": D("0.6100")},
        {"side": "BUY", "type": "MARKET", "quote_order_qty": D(30)},
    ):
        await mexc.spot.new_order(symbol=XRP, **order)  # type: ignore[arg-type]  # a table
    resting = await mexc.spot.new_order(**RESTING)
    after = await mexc.spot.account()
    fills = await mexc.spot.my_trades(symbol=XRP, limit=1000)
    base = sum(fill.quantity if fill.is_buyer else -fill.quantity for fill in fills)
    quote = sum(-fill.quote_quantity if fill.is_buyer else fill.quote_quantity for fill in fills)
    assert fills
    assert all(fill.commission_asset == "USDT" for fill in fills)
    fees = sum(fill.commission for fill in fills)
    assert fees > 0

    def total(account: Any, asset: str) -> Decimal:
        balance = account.balance(asset)
        result: Decimal = balance.free + balance.locked
        return result

    assert total(after, "XRP") - total(before, "XRP") == base
    assert total(after, "USDT") - total(before, "USDT") == quote - fees
    assert after.balance("USDT").locked >= RESTING["quantity"] * RESTING["price"]
    await mexc.spot.cancel_order(symbol=XRP, order_id=resting.order_id)
    assert (await mexc.spot.account()).balance("USDT").locked == 0
    assert (await mexc.spot.account()).balance("NOTHING").free == 0


async def test_guide_paths_do_the_same(sim: Simulator) -> None:
    async with client(sim.rest, paths="guide") as mexc:
        ack = await mexc.spot.new_order(**RESTING)
        cancelled = await mexc.spot.cancel_order(symbol=XRP, order_id=ack.order_id)
        assert cancelled.status is OrderStatus.CANCELED


# --- errors ---


@pytest.mark.parametrize(
    ("order", "error", "code"),
    [
        (RESTING | {"quantity": D(200_000), "price": D("0.6200")}, InsufficientBalance, 30004),
        (RESTING | {"side": "SELL", "quantity": D(60_000), "price": D("0.6200")}, InsufficientBalance, 30005),
        (RESTING | {"price": D("0.9000")}, OrderRejected, 30087),
        (RESTING | {"type": "LIMIT_MAKER", "price": D("0.6300")}, WouldTakeLiquidity, 30041),
        (RESTING | {"symbol": "HEGICUSDT", "quantity": D(1000), "price": D("0.021")}, InvalidSymbol, 10007),
        (RESTING | {"symbol": "LOKAUSDT", "price": D("0.19")}, TradingSuspended, 30000),
        (RESTING | {"symbol": "LVNUSDT", "quantity": D(1000), "price": D("0.004")}, TradingSuspended, 30016),
        ({"symbol": "NOTUSDT", "side": "BUY", "type": "MARKET", "quantity": D(1000)}, TradingSuspended, 30018),
    ],
)
async def test_refusals_become_the_class_of_their_code(
    mexc: Mexc, order: dict[str, Any], error: type[ApiError], code: int
) -> None:
    with pytest.raises(error) as caught:
        await mexc.spot.new_order(**order)
    assert type(caught.value) is error
    assert caught.value.code == code
    assert (caught.value.method, caught.value.path, caught.value.status) == ("POST", "/api/v3/order", 400)
    assert caught.value.outcome_known
    assert caught.value.client_order_id
    assert await mexc.spot.open_orders() == []


async def test_refused_queries(mexc: Mexc) -> None:
    with pytest.raises(OrderNotFound):
        await mexc.spot.query_order(symbol=XRP, order_id="C02__0")
    with pytest.raises(OrderNotFound):
        await mexc.spot.cancel_order(symbol=XRP, orig_client_order_id="never")
    with pytest.raises(InvalidSymbol):
        await mexc.spot.depth(symbol="NOPEUSDT")
    now_ms = mexc.clock.now_ms()
    with pytest.raises(InvalidParameter) as caught:
        await mexc.spot.agg_trades(symbol=XRP, start_time=now_ms - 7_200_000, end_time=now_ms)
    assert caught.value.code == -1127


async def test_what_the_rules_forbid_is_not_sent(mexc: Mexc) -> None:
    events: list[Event] = []
    await mexc.load_rules()
    mexc.hooks.add(events.append)
    for wrong in ({"price": D("0.59001")}, {"quantity": D("0.001")}, {"quantity": D("1.01")}, {"symbol": "NOPEUSDT"}):
        with pytest.raises(InvalidRequest):
            await mexc.spot.new_order(**RESTING | wrong)
    assert not [event for event in events if isinstance(event, RequestDone)]
    rules = mexc.rules(XRP)
    assert rules.price(D("0.59009")) == D("0.5900")
    assert rules.quantity(D("10.999")) == D("10.99")


async def test_without_rules_the_exchange_refuses(sim: Simulator) -> None:
    async with client(sim.rest, check_rules=False) as mexc:
        with pytest.raises(ConfigError, match="load_rules"):
            mexc.rules(XRP)
        with pytest.raises(InvalidParameter):
            await mexc.spot.new_order(**RESTING | {"price": D("0.590001")})


@pytest.mark.parametrize(
    ("key", "secret", "error", "advice"),
    [
        (DEMO_KEY, "not-the-secret", SignatureRejected, ADVICE_SIGNATURE),
        (READER.api_key, READER.api_secret, PermissionDenied, ADVICE_PERMISSION),
        ("mx0unknownKEY0001", DEMO_SECRET, InvalidKey, None),
        (ELSEWHERE.api_key, ELSEWHERE.api_secret, IpNotAllowed, None),
    ],
)
async def test_keys_that_may_not_trade(
    sim: Simulator, key: str, secret: str, error: type[ApiError], advice: str | None
) -> None:
    async with client(sim.rest, key, secret) as mexc:
        with pytest.raises(error) as caught:
            await mexc.spot.new_order(**RESTING)
        assert type(caught.value) is error
        assert caught.value.advice
        assert advice in (None, caught.value.advice)
        for text in (str(caught.value), repr(caught.value), repr(mexc)):
            assert key not in text
            assert secret not in text


def shift_the_clock(sim: Simulator, shift_ms: int) -> None:
    """Let the exchange's clock run ahead of this machine's."""
    sim.clock.wall_ns = lambda: time.time_ns() + shift_ms * 1_000_000


@pytest.mark.parametrize("shift_ms", [-3_600_000, 3_600_000])
async def test_a_wrong_clock_of_this_machine_does_not_matter(sim: Simulator, shift_ms: int) -> None:
    shift_the_clock(sim, shift_ms)
    async with client(sim.rest) as mexc:
        await mexc.spot.account()
        assert abs(mexc.clock.offset_ms - shift_ms) < 1000


async def test_a_clock_that_jumps_is_measured_again_and_the_order_goes_through(sim: Simulator) -> None:
    events: list[Event] = []
    async with client(sim.rest) as mexc:
        await mexc.warm_up(1)
        mexc.hooks.add(events.append)
        shift_the_clock(sim, 30_000)
        await mexc.spot.new_order(**RESTING)
        tried = [event for event in events if isinstance(event, RequestDone) and event.method == "POST"]
        assert [(event.attempt, type(event.error)) for event in tried] == [(1, TimestampRejected), (2, type(None))]
        assert any(isinstance(event, ClockSynced) and event.offset_ms > 29_000 for event in events)
        assert len(await mexc.spot.open_orders()) == 1
    async with client(sim.rest, retry=RetryPolicy(budget_s=0)) as mexc:
        await mexc.warm_up(1)
        shift_the_clock(sim, 90_000)
        with pytest.raises(TimestampRejected) as caught:
            await mexc.spot.new_order(**RESTING)
        assert caught.value.outcome_known


async def test_on_the_default_limits_nothing_is_refused_for_its_rate() -> None:
    events: list[Event] = []
    async with Simulator(SimConfig(flow=0, limits="default")) as sim, client(sim.rest, limits="default") as mexc:
        mexc.hooks.add(events.append)
        began = time.monotonic()
        await asyncio.gather(*(mexc.spot.new_order(**RESTING) for _ in range(25)), mexc.spot.depth(symbol=XRP))
        assert time.monotonic() - began >= 2  # 12 orders a second
        assert mexc.limits.report().binding == "orders"
    assert {event.status for event in events if isinstance(event, RequestDone)} == {200}


async def test_a_client_without_care_is_held_back_and_gets_through() -> None:
    events: list[Event] = []
    careless = Limits.custom("default", account=None)
    async with Simulator(SimConfig(flow=0, limits="default")) as sim, client(sim.rest, limits=careless) as mexc:
        mexc.hooks.add(events.append)
        await asyncio.gather(*(mexc.spot.account() for _ in range(3)))  # two a second are allowed
    statuses = [event.status for event in events if isinstance(event, RequestDone)]
    assert sorted(status or 0 for status in statuses) == [200, 200, 200, 429]


# --- set-up ---


def test_settings_are_the_keyword_arguments_of_the_client() -> None:
    parameters = inspect.signature(Mexc.__init__).parameters.values()
    keywords = {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY} - {"prepared"}
    assert set(Settings.__annotations__) == keywords
    assert not Settings.__required_keys__
    hints = get_type_hints(Mexc.__init__)
    assert get_type_hints(Settings) == {name: hints[name] for name in keywords}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"limits": "fast"}, "'fast'"),
        ({"paths": "other"}, "'other'"),
        ({"connections": 0}, "connections 0"),
        ({"connections": 1.5}, "connections 1.5"),
        ({"recv_window_ms": 60_001}, "60001"),
        ({"order_id_prefix": "too-long-for-one"}, "too-long-for-one"),
        ({"rest": "http://api.mexc.com"}, "not encrypted"),
        ({"max_response_bytes": 0}, "max_response_bytes 0"),
        ({"allow_withdraw": "yes"}, "allow_withdraw 'yes' is a str, not True or False"),
        ({"read_only": "no"}, "read_only 'no' is a str, not True or False"),
        ({"trust_env": "no"}, "trust_env 'no' is a str, not True or False"),
        ({"credentials": "mx0vglAKEY"}, "credentials must be Credentials(key, secret), not a str"),
        ({"check_rules": 1}, "check_rules 1 is an int, not True or False"),
        ({"proxy": "socks5://127.0.0.1:1"}, "socks5"),
    ],
)
def test_wrong_settings_are_refused(settings: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        Mexc(**flat(**settings))


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingCredentials, match="MEXC_API_KEY and MEXC_API_SECRET"):
        Mexc.from_env()
    monkeypatch.setenv("MEXC_API_KEY", DEMO_KEY)
    with pytest.raises(MissingCredentials, match=r"^MEXC_API_SECRET not set"):
        Mexc.from_env()
    monkeypatch.setenv("MEXC_API_SECRET", DEMO_SECRET)
    assert "read-only" in repr(Mexc.from_env(read_only=True))
    assert "may-withdraw" in repr(Mexc.from_env(allow_withdraw=True))
    for name, value in (("MEXC_API_KEY", f" {DEMO_KEY}"), ("MEXC_API_SECRET", f"{DEMO_SECRET}\n")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(ConfigError, match="white space") as caught:
                Mexc.from_env()
            assert value.strip() not in str(caught.value)


async def test_the_client_opened_from_the_environment_trades(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEXC_API_KEY", DEMO_KEY)
    monkeypatch.setenv("MEXC_API_SECRET", DEMO_SECRET)
    async with Mexc.from_env(rest=sim.rest) as mexc:
        assert (await mexc.spot.new_order(**RESTING)).order_id


def test_the_repr_says_live_or_sim_and_no_secret() -> None:
    assert repr(Mexc()) == "<Mexc LIVE api.mexc.com default public>"
    live = Mexc(Credentials(DEMO_KEY, DEMO_SECRET), limits="conservative", read_only=True)
    assert repr(live) == "<Mexc LIVE api.mexc.com conservative mx0si...01 read-only>"
    assert not live.is_sim
    local = client("http://127.0.0.1:8080")
    assert repr(local) == "<Mexc SIM 127.0.0.1:8080 unlimited mx0si...01>"
    assert local.is_sim
    for mexc in (live, local):
        text = f"{mexc} {mexc!r} {vars(mexc)!r} {mexc._api.credentials!r}"
        assert DEMO_KEY not in text
        assert DEMO_SECRET not in text


async def test_read_only_clients_read(sim: Simulator) -> None:
    async with client(sim.rest, read_only=True) as mexc:
        assert (await mexc.spot.account()).can_trade
        with pytest.raises(MexcError, match="read-only"):
            await mexc.spot.new_order(**RESTING)
        assert await mexc.spot.open_orders() == []


# --- an own exchange ---


async def test_a_simulated_exchange_of_ones_own() -> None:
    mexc = Mexc.sim(seed=3, sim_limits="none", limits="unlimited")
    assert mexc.is_sim
    assert mexc._simulator is not None
    async with mexc:
        process = mexc._simulator._process
        assert process is not None
        assert "SIM 127.0.0.1:" in repr(mexc)
        assert (await mexc.spot.new_order(**RESTING)).order_id
        assert (await mexc.spot.depth(symbol=XRP)).bids
    assert process.returncode is not None
    with pytest.raises(ClientClosed):
        await mexc.__aenter__()


async def test_a_simulated_exchange_that_does_not_start_says_why() -> None:
    with pytest.raises(ConfigError, match="sim_limits 'some' is not one of"):
        async with Mexc.sim(sim_limits="some"):
            raise AssertionError
    with pytest.raises(ConfigError, match="exchange of its own"):
        Mexc.sim(rest="https://api.mexc.com")
    with pytest.raises(ConfigError, match="no/such/tape"):
        async with Mexc.sim(tape="no/such/tape"):
            raise AssertionError


# --- opening and closing ---


async def test_two_clients_in_one_loop_know_nothing_of_each_other(sim: Simulator) -> None:
    async with client(sim.rest) as one, client(sim.rest, READER.api_key, READER.api_secret) as other:
        ack, account = await asyncio.gather(one.spot.new_order(**RESTING), other.spot.account())
        assert ack.order_id
        assert account.balances
        assert await other.spot.open_orders() == []
        await one.aclose()
        assert (await other.spot.account()).balances
        assert "POST /api/v3/order" not in {use.endpoint for use in other.limits.report().endpoints}


async def test_a_client_lives_inside_a_web_application(sim: Simulator) -> None:
    key = web.AppKey("mexc", Mexc)

    async def clients(app: web.Application) -> AsyncIterator[None]:
        async with client(sim.rest) as mexc:
            app[key] = mexc
            yield

    async def price(request: web.Request) -> web.Response:
        ticker = await request.app[key].spot.ticker_price(symbol=XRP)
        return web.json_response({"price": str(ticker.price)})

    app = web.Application()
    app.cleanup_ctx.append(clients)
    app.router.add_get("/price", price)
    async with TestClient(TestServer(app)) as web_client:
        answers = await asyncio.gather(*(web_client.get("/price") for _ in range(5)))
        assert [(await answer.json())["price"] for answer in answers] == ["0.6214"] * 5
    with pytest.raises(ClientClosed):
        await app[key].spot.ping()


async def test_closing_twice_and_from_another_task(sim: Simulator) -> None:
    mexc = client(sim.rest)
    async with mexc:
        await mexc.spot.account()
        await asyncio.create_task(mexc.aclose())
        await asyncio.gather(mexc.aclose(), mexc.aclose())
    await mexc.aclose()
    for call in (mexc.spot.ping(), mexc.spot.account(), mexc.load_rules(), mexc.warm_up()):
        with pytest.raises(ClientClosed):
            await call
    with pytest.raises(ClientClosed):
        await mexc.__aenter__()


async def test_a_client_that_was_never_used_closes_too() -> None:
    await client("http://127.0.0.1:1").aclose()
    async with Mexc():
        pass


async def test_a_client_works_without_being_entered(sim: Simulator) -> None:
    mexc = client(sim.rest)
    assert (await mexc.spot.account()).can_trade
    await mexc.aclose()


async def exchange_that_falls_silent(arrival: Arrival, way: Way) -> bool:
    """Serve the time only."""
    if arrival.path == "/api/v3/time":
        return await raw_server.answer(b'{"serverTime":1700000000000}')(arrival, way)
    return await raw_server.silence(arrival, way)


async def test_calls_under_way_end_when_the_client_closes() -> None:
    async with RawServer(exchange_that_falls_silent) as server, AsyncExitStack() as stack:
        mexc = await stack.enter_async_context(
            client(server.url, check_rules=False, limits=Limits.custom("unlimited", orders=(1, 60.0)))
        )
        order = asyncio.create_task(mexc.spot.new_order(**RESTING, new_client_order_id="mine"))
        account = asyncio.create_task(mexc.spot.account())
        depth = asyncio.create_task(mexc.spot.depth(symbol=XRP))
        await server.until(lambda: sum(arrival.path != "/api/v3/time" for arrival in server.arrivals) == 3)
        in_line = asyncio.create_task(mexc.spot.cancel_order(symbol=XRP, order_id="1"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert mexc.limits.report().waiting == 1
        async with asyncio.timeout(5):
            await mexc.aclose()
            with pytest.raises(OutcomeUnknown) as caught:
                await order
            assert caught.value.client_order_id == "mine"
            with pytest.raises((ClientClosed, TransportError)):
                await account
            with pytest.raises((ClientClosed, TransportError)):
                await depth
            with pytest.raises(ClientClosed):
                await in_line
        assert not any(task.cancelled() for task in (order, account, depth, in_line))


async def test_a_client_that_closes_while_it_opens_leaves_nothing() -> None:
    async with RawServer(raw_server.silence) as server:
        mexc = client(server.url)
        opening = asyncio.create_task(mexc.warm_up(3))
        await server.until(lambda: len(server.arrivals) >= 3)
        async with asyncio.timeout(5):
            await mexc.aclose()
            with pytest.raises(MexcError):
                await opening
            await server.until(lambda: server.open == 0)


@asynccontextmanager
async def counting() -> AsyncIterator[RawServer]:
    """Server that counts connections and answers the requests of a warm-up, each ping after the others came."""
    info = b'{"timezone":"CST","serverTime":1,"symbols":[]}'
    bodies = {"/api/v3/time": b'{"serverTime":1700000000000}', "/api/v3/exchangeInfo": info}

    async def behave(arrival: Arrival, way: Way) -> bool:
        return await raw_server.answer(bodies.get(arrival.path, b"{}"))(arrival, way)

    async with RawServer(behave) as server:
        yield server


@pytest.mark.parametrize(("settings", "asked", "expected"), [({}, None, 8), ({"connections": 3}, None, 3), ({}, 5, 5)])
async def test_warming_up_opens_the_asked_number_of_connections(
    settings: dict[str, Any], asked: int | None, expected: int
) -> None:
    async with counting() as server:
        async with Mexc(**flat(rest=server.url, limits="unlimited", **settings)) as mexc:
            await mexc.warm_up(asked)
            assert server.connections == expected
            assert isinstance(mexc._transport, Lane)
            assert mexc._transport.open_connections == expected
            assert mexc._api.rules.age_s is not None
            await asyncio.gather(*(mexc.request("GET", "/x", {"n": number}) for number in range(expected)))
            assert server.connections == expected
        await server.until(lambda: server.open == 0)


async def test_warming_up_with_a_key_measures_the_clock() -> None:
    async with counting() as server, client(server.url) as mexc:
        await mexc.warm_up(4)
        assert mexc.clock.is_synced
        assert 8 <= server.connections <= 9  # as many for orders; the clock's first measurement runs at the same time


async def test_warming_up_where_nobody_is_fails() -> None:
    async with Mexc(**flat(rest="http://127.0.0.1:1", retry=RetryPolicy(budget_s=0))) as mexc:
        with pytest.raises(TransportError):
            await mexc.warm_up()


PROGRAM = """
import asyncio, sys
from mexc_async import Credentials, Mexc

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # how busy the machine is, is no fault of the program
    rest, key, secret = sys.argv[1:]
    async with Mexc(Credentials(key, secret), rest=rest) as mexc:
        await mexc.warm_up(2)
        await asyncio.gather(mexc.spot.ping(), mexc.spot.depth(symbol="BTCUSDT"), mexc.spot.account())
    unused = Mexc()
    async with Mexc.sim() as simulated:
        await simulated.spot.ping()

asyncio.run(main())
"""


def test_a_program_ends_without_a_word(mexc_sim: BackgroundSimulator) -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-X",
            "dev",
            "-c",
            PROGRAM,
            mexc_sim.rest,
            mexc_sim.api_key,
            mexc_sim.api_secret,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


async def test_a_private_stream_that_can_never_open_says_why(sim: Simulator) -> None:
    """A retry would not help a wrong key: the caller that opens the stream gets the error at once."""
    stranger = Credentials("mx0nobodyknows", "s" * 32)
    async with Mexc(stranger, rest=sim.rest, ws=sim.spot_ws) as mexc, asyncio.timeout(10):
        with pytest.raises(InvalidKey):
            async with mexc.streams.orders():
                pass


async def test_a_read_only_client_opens_and_closes_its_private_stream(sim: Simulator) -> None:
    login = Credentials(DEMO_KEY, DEMO_SECRET)
    async with Mexc(login, rest=sim.rest, ws=sim.spot_ws, read_only=True) as mexc, mexc.streams.orders():
        assert len((await mexc.spot.list_listen_keys()).listen_key) == 1
    async with Mexc(login, rest=sim.rest) as after:
        assert (await after.spot.list_listen_keys()).listen_key == []


async def test_a_callback_that_would_have_to_be_awaited_is_refused(sim: Simulator) -> None:
    async def callback(push: object) -> None: ...

    async with Mexc(rest=sim.rest, ws=sim.spot_ws) as mexc:
        with pytest.raises(InvalidRequest, match="coroutine function"):
            mexc.streams.trades(XRP, callback=callback)  # type: ignore[arg-type]  # what is refused
