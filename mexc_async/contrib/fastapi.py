"""FastAPI: one client per process, injected into handlers; errors as HTTP answers; health and readiness.

    app = FastAPI()
    use_mexc(app, Mexc.from_env)

    @app.get("/balances", response_model=model_of(dict[str, Balance]))
    async def balances(mexc: Client) -> Response:
        return answer(await mexc.balances.current())

This module is where `fastapi` is needed: `pip install mexc-async[fastapi]`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, FastAPI, Request, Response
from fastapi.requests import HTTPConnection

from mexc_async.client.mexc import Mexc
from mexc_async.contrib.http_answers import (
    JSON,
    STATUSES,
    ErrorBody,
    HttpAnswer,
    answer_of,
    failure_of,
    health_of,
    readiness_of,
)
from mexc_async.contrib.keyed_orders import EARLIER_S, KeyedOrders
from mexc_async.contrib.response_models import model_of
from mexc_async.contrib.service import CLOSING_S, Maker, MexcService
from mexc_async.errors import MexcError


def use_mexc(
    app: FastAPI,
    make: Maker,
    *,
    health: str | None = "/health",
    ready: str | None = "/ready",
    closing_s: float = CLOSING_S,
    earlier_s: float = EARLIER_S,
) -> MexcService:
    """Add a client to an application: open from before its own start-up until after its own shutdown.

    Args:
        app: the application.
        make: makes the client, in each process that serves, such as `Mexc.from_env`; or those of several accounts, by
            `Mexc.accounts(...)`, of which `mexc_for` and `orders_for` choose one for each request.
        health: path that answers 200 as long as the client is open; None for no such path.
        ready: path that answers 200 when requests can be served, otherwise 503 with the reasons; None for no such path.
        closing_s: longest wait of a shutdown for orders whose answer is missing.
        earlier_s: time after the start for which an earlier run may still have used an unknown idempotency key.
    """
    service = MexcService(make, closing_s=closing_s, earlier_s=earlier_s)
    app.state.mexc = service
    router: Any = app.router
    inner = router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
        async with service.opened(), inner(app) as state:
            yield state

    router.lifespan_context = lifespan
    app.add_exception_handler(MexcError, _on_error)
    if health is not None:
        app.add_api_route(health, _health, include_in_schema=False)
    if ready is not None:
        app.add_api_route(ready, _ready, include_in_schema=False)
    return service


def service_of(connection: HTTPConnection) -> MexcService:
    """Return the service of the application that a request came to."""
    service: MexcService = connection.app.state.mexc
    return service


def mexc_of(connection: HTTPConnection) -> Mexc:
    """Return the one client of the application that a request came to. Raises ClientClosed, ConfigError."""
    return service_of(connection).mexc


def orders_of(connection: HTTPConnection) -> KeyedOrders:
    """Return its orders under idempotency keys. Raises ClientClosed, ConfigError."""
    return service_of(connection).orders


FAILURES: dict[int | str, dict[str, Any]] = {
    status: {
        "model": model_of(ErrorBody),
        "description": ", ".join(cls.__name__ for cls, its in STATUSES.items() if its == status),
    }
    for status in sorted(set(STATUSES.values()) - {422})
}
"""Failed calls for OpenAPI: `FastAPI(responses=FAILURES)`. FastAPI itself describes 422."""
Client: TypeAlias = Annotated[Mexc, Depends(mexc_of)]
"""Type of a handler's parameter for the client."""
Orders: TypeAlias = Annotated[KeyedOrders, Depends(orders_of)]
"""Type of a handler's parameter for orders under idempotency keys."""


def mexc_for(account: Callable[..., object]) -> Callable[..., Mexc]:
    """Return a dependency: the client of the account that `account`, a dependency of yours, names for the request.

        Client = Annotated[Mexc, Depends(mexc_for(account))]

    Have `account` derive the name from the caller's authentication. An unknown name is answered with 404.
    """

    def mexc(connection: HTTPConnection, name: str = Depends(account)) -> Mexc:
        return service_of(connection).account(name).mexc

    return mexc


def orders_for(account: Callable[..., object]) -> Callable[..., KeyedOrders]:
    """Return a dependency: orders under idempotency keys of the account that `account` names; see `mexc_for`."""

    def orders(connection: HTTPConnection, name: str = Depends(account)) -> KeyedOrders:
        return service_of(connection).account(name).orders

    return orders


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value of the SDK as JSON, amounts as text: FastAPI itself would make floats of them."""
    return _response(answer_of(value, status, headers))


def _response(answer: HttpAnswer) -> Response:
    return Response(answer.body, answer.status, answer.headers, JSON)


def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, MexcError)
    return _response(failure_of(error, request.method, request.url.path))


async def _health(connection: HTTPConnection) -> Response:
    return _response(health_of(service_of(connection)))


async def _ready(connection: HTTPConnection) -> Response:
    return _response(readiness_of(service_of(connection)))
