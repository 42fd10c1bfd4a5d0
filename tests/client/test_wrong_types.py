"""Everything that a call raises is a MexcError of one line, whatever types it is given.

A parameter name that a call does not have, or a missing one, is Python's own TypeError.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mexc_async.accounts.accounts import Accounts
from mexc_async.client.catalogue import endpoints
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings
from mexc_async.data import paging
from mexc_async.errors import InvalidRequest, MexcError
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderRecord
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.schema.endpoint import Endpoint, Request
from mexc_async.schema.validation import choices
from mexc_async.spot.trading import NewOrder
from mexc_async.transport.config import Timeouts

NOBODY = "http://127.0.0.1:1"
"""Address that refuses every connection: only a call refused before sending ends otherwise than in ConnectFailed."""


class Strange:
    """Foreign object whose `repr` has several lines, and which is neither true nor false."""

    def __repr__(self) -> str:
        return "several\nlines"

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


class Unprintable:
    """Foreign object without a `repr`."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


NEVER: list[Any] = [Strange(), Unprintable(), object, b"x", bytearray(b"x"), 1j, [[]], [Strange()], {"a": 1}, {1}, len]
"""Values that no parameter takes."""
WRONG: list[Any] = [
    *NEVER, float("nan"), float("inf"), 0.1, -1, 10**5000, -(10**5000), True, "", "a\r\n", "a\0b", "\ud800", "x" * 5000,
    "\U0001f4b8", [], {}, (), None, Decimal("NaN"), Decimal("sNaN"), Decimal("1e999999"),
]  # fmt: skip
GOOD: dict[str, Any] = {
    "symbol": "BTCUSDT", "quantity": Decimal(1), "price": Decimal(1), "type": "LIMIT", "order_id": "1", "amount": 1,
    "ip": "203.0.113.7", "ip_white_list": "203.0.113.7", "permissions": "SPOT_ACCOUNT_READ", "sub_account": "grid0001",
    "from_account_type": "SPOT", "to_account_type": "FUTURES", "to_account": "a@b.c", "asset": "USDT",
    "orders": [NewOrder(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=1, price=1)],
}  # fmt: skip


def good(endpoint: Endpoint) -> dict[str, Any]:
    """Return parameters that pass, as far as their names and types tell."""
    found = {}
    for field in msgspec.structs.fields(endpoint.request):
        if field.required or field.name in ("quantity", "price", "order_id"):
            allowed = choices(field.type)
            found[field.name] = GOOD.get(
                field.name, allowed[0] if allowed else {int: 1, bool: True}.get(field.type, "x")
            )
    return found | ({"to_account_type": "EMAIL"} if endpoint.name == "internal_transfer" else {})


@pytest.fixture
async def mexc() -> AsyncIterator[Mexc]:
    network = NetworkSettings(retry=RetryPolicy(budget_s=0), timeouts=Timeouts(5, 5, 5))
    credentials = Credentials("a-key-of-a-test", "a-secret-of-a-test")
    async with Mexc(credentials, rest=NOBODY, network=network, allow_withdraw=True) as client:
        yield client


async def raised_by(call: Callable[[], Any], *, awaits: bool = True) -> MexcError | None:
    """Return what a call raises; fail if it is no MexcError of one line. With `awaits=False` nothing is sent."""
    error = None
    try:
        result = call()
        if inspect.iscoroutine(result) and not awaits:
            result.close()
        elif inspect.isawaitable(result):
            async with asyncio.timeout(30):
                await result
    except MexcError as raised:
        error = raised
    if error is not None:
        assert str(error).isprintable(), "one line"
        assert len(str(error)) < 1000
        assert error.advice
    return error


@pytest.mark.parametrize("endpoint", list(endpoints()), ids=lambda endpoint: endpoint.name)
async def test_wrong_type_of_a_parameter_is_an_invalid_request(mexc: Mexc, endpoint: Endpoint) -> None:
    method, passing = getattr(mexc.spot, endpoint.name), good(endpoint)
    assert await raised_by(lambda: method(**passing), awaits=False) is None, "the other parameters pass"
    for field in msgspec.structs.fields(endpoint.request):
        for wrong in WRONG:
            error = await raised_by(lambda: method(**passing | {field.name: wrong}), awaits=False)  # noqa: B023
            assert error is None or isinstance(error, InvalidRequest)
            if any(wrong is one for one in NEVER):
                assert error is not None, (field.name, wrong)


async def test_wrong_name_of_a_parameter_is_pythons_error(mexc: Mexc) -> None:
    spot: Any = mexc.spot
    for params in ({"symbl": "BTCUSDT"}, {}):
        with pytest.raises(TypeError):
            spot.depth(**params)


@pytest.mark.parametrize("place", ["method", "path", "params", "name", "value", "signed", "weight"])
async def test_wrong_type_in_a_request_is_an_invalid_request(mexc: Mexc, place: str) -> None:
    request: Any = mexc.request
    for wrong in WRONG:
        given: dict[str, Any] = {"method": "GET", "path": "/api/v3/x", "params": {"a": "b"}}
        if place == "name":
            if not isinstance(wrong, str | bytes | int):
                continue  # of the others some have no hash
            given["params"] = {wrong: "b"}
        elif place == "value":
            given["params"] = {"a": wrong}
        else:
            given[place] = wrong
        error = await raised_by(lambda: request(**given))  # noqa: B023
        assert error is not None
        if any(wrong is one for one in NEVER) and not (place == "params" and isinstance(wrong, dict)):
            assert isinstance(error, InvalidRequest), (wrong, error)


class WithoutRoute(Request[object], frozen=True):
    """Request that names no endpoint."""


@pytest.mark.parametrize("way", ["send", "start"])
async def test_what_is_no_request_is_not_sent(mexc: Mexc, way: str) -> None:
    for wrong in [*WRONG, WithoutRoute(), NewOrder]:
        for view in (mexc, mexc.using(raw=True)):
            error = await raised_by(lambda: getattr(view, way)(wrong))  # noqa: B023
            assert isinstance(error, InvalidRequest), wrong


def record() -> OrderRecord:
    return OrderRecord("mine", "BTCUSDT", "BUY", "LIMIT", Decimal(1), Decimal(1))


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "place": lambda mexc, wrong: mexc.orders.place(wrong),
    "place_many": lambda mexc, wrong: mexc.orders.place_many(wrong),
    "place_many_one": lambda mexc, wrong: mexc.orders.place_many([wrong]),
    "limit_buy": lambda mexc, wrong: mexc.orders.limit_buy(wrong, quantity=1, price=1),
    "limit_buy_quantity": lambda mexc, wrong: mexc.orders.limit_buy("BTCUSDT", quantity=wrong, price=1),
    "limit_buy_id": lambda mexc, wrong: mexc.orders.limit_buy("BTCUSDT", quantity=1, price=1, client_order_id=wrong),
    "market_sell": lambda mexc, wrong: mexc.orders.market_sell("BTCUSDT", quote=wrong),
    "get": lambda mexc, wrong: mexc.orders.get(wrong),
    "live": lambda mexc, wrong: mexc.orders.live(wrong),
    "cancel_all": lambda mexc, wrong: mexc.orders.cancel_all(wrong),
    "find": lambda mexc, wrong: mexc.orders.find("BTCUSDT", wrong),
    "find_symbol": lambda mexc, wrong: mexc.orders.find(wrong, "mine"),
    "adopt": lambda mexc, wrong: mexc.orders.adopt(wrong),
    "restore": lambda mexc, wrong: mexc.orders.restore(wrong),
    "session": lambda mexc, wrong: mexc.orders.session(timeout_s=wrong),
    "session_cancel": lambda mexc, wrong: mexc.orders.session(cancel_on_exit=wrong),
    "heartbeat": lambda mexc, wrong: mexc.orders.heartbeat(wrong),
    "heartbeat_every": lambda mexc, wrong: mexc.orders.heartbeat("beat", wrong),
    "as_sent": lambda mexc, wrong: mexc.orders.as_sent(wrong),
    "limits_round": lambda mexc, wrong: mexc.orders.limits(round=wrong),
    "limits_collar": lambda mexc, wrong: mexc.orders.limits(collar=wrong),
    "limits_notional": lambda mexc, wrong: mexc.orders.limits(max_order_notional=wrong),
    "limits_of_assets": lambda mexc, wrong: mexc.orders.limits(max_order_notional={"USDT": wrong}),
    "limits_count": lambda mexc, wrong: mexc.orders.limits(max_open_orders=wrong),
    "limits_symbols": lambda mexc, wrong: mexc.orders.limits(symbols=wrong),
    "limits_symbol": lambda mexc, wrong: mexc.orders.limits(symbols=[wrong]),
    "replace": lambda mexc, wrong: TrackedOrder(mexc.orders, record()).replace(price=wrong),
    "replace_fail": lambda mexc, wrong: TrackedOrder(mexc.orders, record()).replace(price=1, on_fail=wrong),
    "filled": lambda mexc, wrong: TrackedOrder(mexc.orders, record()).filled(0.01 if wrong is None else wrong),
    "presign": lambda mexc, wrong: mexc.spot.presign(wrong),
    "prepare": lambda mexc, wrong: mexc.spot.prepare(symbol=wrong, side="BUY", type="LIMIT"),
    "prepare_side": lambda mexc, wrong: mexc.spot.prepare(symbol="BTCUSDT", side=wrong, type="LIMIT"),
    "trades": lambda mexc, wrong: mexc.streams.trades(wrong),
    "trades_symbol": lambda mexc, wrong: mexc.streams.trades([wrong]),
    "trades_interval": lambda mexc, wrong: mexc.streams.trades("BTCUSDT", interval=wrong),
    "trades_queue": lambda mexc, wrong: mexc.streams.trades("BTCUSDT", queue=wrong),
    "trades_overflow": lambda mexc, wrong: mexc.streams.trades("BTCUSDT", overflow=wrong),
    "trades_callback": lambda mexc, wrong: mexc.streams.trades("BTCUSDT", callback=wrong),
    "partial_depth": lambda mexc, wrong: mexc.streams.partial_depth("BTCUSDT", levels=wrong),
    "klines": lambda mexc, wrong: mexc.streams.klines("BTCUSDT", interval=wrong),
    "mini_ticker": lambda mexc, wrong: mexc.streams.mini_ticker("BTCUSDT", timezone=wrong),
    "books": lambda mexc, wrong: mexc.books(wrong),
    "books_symbol": lambda mexc, wrong: mexc.books([wrong]),
    "books_levels": lambda mexc, wrong: mexc.books("BTCUSDT", levels=wrong),
    "books_interval": lambda mexc, wrong: mexc.books("BTCUSDT", interval=wrong),
    "books_numbers": lambda mexc, wrong: mexc.books("BTCUSDT", numbers=wrong),
    "books_priority": lambda mexc, wrong: mexc.books("BTCUSDT", priority=wrong),
    "rules": lambda mexc, wrong: mexc.rules(wrong),
    "warm_up": lambda mexc, wrong: mexc.warm_up(wrong),
    "replace_credentials": lambda mexc, wrong: mexc.replace_credentials(wrong),
    "hooks": lambda mexc, wrong: mexc.hooks.add(wrong),
    "using_wait": lambda mexc, wrong: mexc.using(max_wait_s=wrong),
    "using_timeout": lambda mexc, wrong: mexc.using(timeout_s=wrong),
    "using_raw": lambda mexc, wrong: mexc.using(raw=wrong),
    "using_cached": lambda mexc, wrong: mexc.using(cached=wrong),
    "accounts": lambda mexc, wrong: Accounts({"a": mexc}, mexc.limits).balances(wrong),
    "accounts_name": lambda mexc, wrong: Accounts({"a": mexc}, mexc.limits).balances([wrong]),
    "transfer_many": lambda mexc, wrong: Accounts({"a": mexc}, mexc.limits).transfer_many(wrong, via="a"),
    "klines_history": lambda mexc, wrong: anext(
        paging.klines(mexc.spot, symbol=wrong, interval="1m", start_time=0, end_time=1)
    ),
    "klines_at_once": lambda mexc, wrong: anext(
        paging.klines(mexc.spot, symbol="A", interval="1m", start_time=0, end_time=1, at_once=wrong)
    ),
    "trades_start": lambda mexc, wrong: anext(paging.my_trades(mexc.spot, symbol="A", start_time=wrong)),
    "orders_end": lambda mexc, wrong: anext(paging.all_orders(mexc.spot, symbol="A", start_time=0, end_time=wrong)),
    "deposits_seen": lambda mexc, wrong: anext(paging.withdrawals(mexc.spot, start_time=0, seen=wrong)),
    "trades_skip": lambda mexc, wrong: anext(paging.agg_trades(mexc.spot, symbol="A", start_time=0, skip=wrong)),
}
"""Every other call that takes something, with one argument to be wrong."""
CALLABLES = {"hooks", "trades_callback"}


@pytest.mark.parametrize("name", CALLS)
async def test_wrong_type_of_an_argument_is_a_mexc_error(mexc: Mexc, name: str) -> None:
    for wrong in WRONG:
        error = await raised_by(lambda: CALLS[name](mexc, wrong))  # noqa: B023
        if any(wrong is one for one in NEVER) and not (name in CALLABLES and callable(wrong)):
            assert error is not None, wrong


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.lists(st.integers())
)


@given(values=st.dictionaries(st.sampled_from(NewOrder.__struct_fields__), ANYTHING, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_is_built_or_refused(values: dict[str, Any]) -> None:
    terms: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": 1, "price": 1}
    await raised_by(lambda: NewOrder(**terms | values).query(None, 1))
