"""aiohttp.web: one client per process, found in every request; errors as HTTP answers; health and readiness.

app = web.Application()
use_mexc(app, Mexc.from_env)

async def balances(request: web.Request) -> web.Response:
    return answer(await mexc_of(request).balances.current())
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from mexc_async.client.mexc import Mexc
from mexc_async.contrib.http_answers import JSON, HttpAnswer, answer_of, failure_of, health_of, readiness_of
from mexc_async.contrib.keyed_orders import EARLIER_S, KeyedOrders
from mexc_async.contrib.service import CLOSING_S, Maker, MexcService, ServedAccount
from mexc_async.errors import MexcError

SERVICE = web.AppKey("mexc_service", MexcService)
_ACCOUNT: web.AppKey[Callable[[web.Request], str] | None] = web.AppKey("mexc_account")


def use_mexc(
    app: web.Application,
    make: Maker,
    *,
    account: Callable[[web.Request], str] | None = None,
    health: str | None = "/health",
    ready: str | None = "/ready",
    closing_s: float = CLOSING_S,
    earlier_s: float = EARLIER_S,
) -> MexcService:
    """Add a client to an application: open from its start-up, before later additions, until its clean-up.

    Args:
        app: the application.
        make: makes the client, in each process that serves, such as `Mexc.from_env`; or those of several accounts, by
            `Mexc.accounts(...)`.
        account: names the account of a request, of several; have it derive the name from the caller's authentication.
            An unknown name is answered with 404.
        health: path that answers 200 as long as the client is open; None for no such path.
        ready: path that answers 200 when requests can be served, otherwise 503 with the reasons; None for no such path.
        closing_s: longest wait of a shutdown for orders whose answer is missing.
        earlier_s: time after the start for which an earlier run may still have used an unknown idempotency key.
    """
    service = app[SERVICE] = MexcService(make, closing_s=closing_s, earlier_s=earlier_s)
    app[_ACCOUNT] = account

    async def life(_: web.Application) -> AsyncIterator[None]:
        async with service.opened():
            yield

    app.cleanup_ctx.append(life)
    app.middlewares.append(_errors)
    if health is not None:
        app.router.add_get(health, _health)
    if ready is not None:
        app.router.add_get(ready, _ready)
    return service


def service_of(request: web.Request) -> MexcService:
    """Return the service of the application that a request came to, or of the one around it."""
    service: MexcService = request.config_dict[SERVICE]
    return service


def mexc_of(request: web.Request) -> Mexc:
    """Return the client of the request's account. Raises ClientClosed, UnknownAccount."""
    return _account_of(request).mexc


def orders_of(request: web.Request) -> KeyedOrders:
    """Return the orders under idempotency keys of the request's account. Raises ClientClosed, UnknownAccount."""
    return _account_of(request).orders


def _account_of(request: web.Request) -> ServedAccount:
    account = request.config_dict[_ACCOUNT]
    return service_of(request).account(None if account is None else account(request))


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a value of the SDK as JSON, amounts as text."""
    return _response(answer_of(value, status, headers))


def _response(answer: HttpAnswer) -> web.Response:
    return web.Response(body=answer.body, status=answer.status, headers=answer.headers, content_type=JSON)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except MexcError as error:
        return _response(failure_of(error, request.method, request.path))


async def _health(request: web.Request) -> web.Response:
    return _response(health_of(service_of(request)))


async def _ready(request: web.Request) -> web.Response:
    return _response(readiness_of(service_of(request)))
