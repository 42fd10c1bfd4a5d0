"""Every endpoint that is served, by method and path."""

from __future__ import annotations

from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest.endpoint import ServedEndpoint
from mexc_async.sim.rest.endpoints import (
    account,
    affiliate,
    announcement,
    broker,
    futures,
    market,
    rebate,
    subaccount,
    trade,
    transfer,
    user_stream,
    wallet,
)

ENDPOINTS: tuple[ServedEndpoint, ...] = (
    *market.ENDPOINTS,
    *trade.ENDPOINTS,
    *trade.GUIDE_ENDPOINTS,
    *account.ENDPOINTS,
    *user_stream.ENDPOINTS,
    *subaccount.ENDPOINTS,
    *wallet.ENDPOINTS,
    *transfer.ENDPOINTS,
    *rebate.ENDPOINTS,
    *affiliate.ENDPOINTS,
    *broker.ENDPOINTS,
    *announcement.ENDPOINTS,
    *futures.ENDPOINTS,
)

_ROUTES = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}
_PATHS = {endpoint.path for endpoint in ENDPOINTS}


def find_endpoint(method: str, path: str) -> ServedEndpoint:
    """Return the endpoint of a request. Raises Refusal 404 or 405."""
    found = _ROUTES.get((method, path))
    if found is not None:
        return found
    if path in _PATHS and method != "HEAD":
        raise Refusal(405, f"Request method '{method}' not supported", 405)
    raise Refusal(404, "Not Found", 404)
