"""A service with several accounts, under both frameworks: each request gets its account's client, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import aiohttp
import pytest
from aiohttp import web
from fastapi import Depends, FastAPI, Header, Response

from mexc_async.accounts.accounts import Accounts
from mexc_async.client.mexc import Mexc
from mexc_async.contrib import aiohttp_web, fastapi
from mexc_async.contrib.keyed_orders import KeyedOrders, OrderAnswer
from mexc_async.contrib.service import MexcService
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET, AccountSpec
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from mexc_async.sim.wallet.account_audit import OrderLine
from mexc_async.spot.trading import NewOrder
from tests.support.serving import served
from tests.support.settings import flat
from tests.support.streams import until

D = Decimal
GRID = AccountSpec(name="grid", api_key="mx0simGRID0000001", api_secret="grid-secret", balances={"USDT": D(500)})
LOGINS = {"main": Credentials(DEMO_KEY, DEMO_SECRET), "grid": Credentials(GRID.api_key, GRID.api_secret)}
RESTING = NewOrder(symbol="XRPUSDT", side="BUY", type="LIMIT", quantity=D(20), price=D("0.5"))
SOON_S = 0.1


def orders_of(simulator: Simulator, name: str) -> tuple[OrderLine, ...]:
    return simulator.statement(name).orders


@pytest.fixture
def exchange() -> Iterator[BackgroundSimulator]:
    with BackgroundSimulator(SimConfig(flow=0, limits="none", accounts=(main_account(), GRID))) as simulator:
        yield simulator


def desk(exchange: BackgroundSimulator) -> Callable[[], Accounts[Mexc]]:
    settings = flat(rest=exchange.rest, ws=exchange.spot_ws, limits="unlimited")
    return lambda: Mexc.accounts(LOGINS, **settings)


def by_header(x_account: Annotated[str, Header()]) -> str:
    """Stand in for an authentication."""
    return x_account


def fastapi_application(make: Callable[[], Any]) -> tuple[Any, MexcService]:
    app = FastAPI()
    service = fastapi.use_mexc(app, make, earlier_s=SOON_S)

    @app.get("/balances")
    async def balances(mexc: Annotated[Mexc, Depends(fastapi.mexc_for(by_header))]) -> Response:
        return fastapi.answer(await mexc.balances.current())

    @app.post("/orders/{key}")
    async def place(key: str, orders: Annotated[KeyedOrders, Depends(fastapi.orders_for(by_header))]) -> Response:
        return fastapi.answer(OrderAnswer.of(await orders.place(key, RESTING)))

    @app.get("/nobodys")
    async def nobodys(mexc: fastapi.Client) -> Response:
        return fastapi.answer(await mexc.balances.current())

    return app, service


def aiohttp_application(make: Callable[[], Any]) -> tuple[Any, MexcService]:
    app = web.Application()
    service = aiohttp_web.use_mexc(app, make, account=lambda request: request.headers["X-Account"], earlier_s=SOON_S)

    async def balances(request: web.Request) -> web.Response:
        return aiohttp_web.answer(await aiohttp_web.mexc_of(request).balances.current())

    async def place(request: web.Request) -> web.Response:
        orders = aiohttp_web.orders_of(request)
        return aiohttp_web.answer(OrderAnswer.of(await orders.place(request.match_info["key"], RESTING)))

    async def nobodys(request: web.Request) -> web.Response:
        return aiohttp_web.answer(await aiohttp_web.service_of(request).mexc.balances.current())

    app.add_routes([web.get("/balances", balances), web.post("/orders/{key}", place), web.get("/nobodys", nobodys)])
    return app, service


@asynccontextmanager
async def serving(kind: str, make: Callable[[], Any]) -> AsyncIterator[tuple[str, MexcService]]:
    app, service = (fastapi_application if kind == "fastapi" else aiohttp_application)(make)
    async with served(kind, app) as url:
        yield url, service


async def ask(user: aiohttp.ClientSession, method: str, url: str, account: str) -> tuple[int, Any]:
    async with user.request(method, url, headers={"X-Account": account}) as answer:
        return answer.status, await answer.json()


async def test_each_request_gets_the_client_of_its_account(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    async with serving(kind, desk(exchange)) as (url, service):
        names = ["main", "grid"] * 25
        answers = await asyncio.gather(*(ask(user, "GET", f"{url}/balances", name) for name in names))
        assert {status for status, _ in answers} == {200}
        held = {(name, body["USDT"]["free"]) for name, (_, body) in zip(names, answers, strict=True)}
        assert held == {("main", "100000"), ("grid", "500")}
        placed = [await ask(user, "POST", f"{url}/orders/same-key", name) for name in LOGINS]
        assert [status for status, _ in placed] == [200, 200]
        assert placed[0][1]["order_id"] != placed[1][1]["order_id"]  # a key is the account's own
        assert service.readiness().orders_under_way == 0
    for name in LOGINS:
        assert len(exchange.call(partial(orders_of, name=name))) == 1


@pytest.mark.parametrize("account", ["nobody", "", "Main"])
async def test_an_unknown_account_gets_404_and_nobodys_client(
    kind: str, account: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    async with serving(kind, desk(exchange)) as (url, _):
        status, body = await ask(user, "GET", f"{url}/balances", account)
        assert (status, body["error"]) == (404, "UnknownAccount")
        assert body["message"] == f"account {account!r} is unknown"
        assert "grid" not in str(body)


async def test_a_request_whose_account_nobody_chose_is_the_services_fault(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    async with serving(kind, desk(exchange)) as (url, _):
        status, body = await ask(user, "GET", f"{url}/nobodys", "main")
        assert (status, body["error"]) == (500, "ServiceMisconfigured")


async def test_readiness_names_the_account_that_is_not_ready(
    kind: str, exchange: BackgroundSimulator, user: aiohttp.ClientSession
) -> None:
    settings = flat(rest=exchange.rest, ws=exchange.spot_ws, limits="unlimited")
    wrong = {**LOGINS, "wrong": Credentials("mx0unknown000001", "x" * 20)}
    async with serving(kind, lambda: Mexc.accounts(wrong, **settings)) as (url, service):
        await until(lambda: len(service.readiness().problems) == 1, 30)
        status, body = await ask(user, "GET", f"{url}/ready", "")
        assert status == 503
        assert body["problems"] == ["wrong: the private stream is down; orders are looked up instead"]
        assert (await ask(user, "GET", f"{url}/health", ""))[0] == 200
