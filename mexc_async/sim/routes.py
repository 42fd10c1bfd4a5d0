"""Every endpoint that is served, by method and path."""

from __future__ import annotations

from mexc_async.sim import (
    account_endpoints,
    affiliate_endpoints,
    announcement_endpoints,
    broker_endpoints,
    futures_endpoints,
    market_endpoints,
    rebate_endpoints,
    subaccount_endpoints,
    trade_endpoints,
    transfer_endpoints,
    user_stream_endpoints,
    wallet_endpoints,
)
from mexc_async.sim.endpoints import Endpoint
from mexc_async.sim.refusals import Refusal

ENDPOINTS: tuple[Endpoint, ...] = (
    *market_endpoints.ENDPOINTS,
    *trade_endpoints.ENDPOINTS,
    *trade_endpoints.GUIDE_ENDPOINTS,
    *account_endpoints.ENDPOINTS,
    *user_stream_endpoints.ENDPOINTS,
    *subaccount_endpoints.ENDPOINTS,
    *wallet_endpoints.ENDPOINTS,
    *transfer_endpoints.ENDPOINTS,
    *rebate_endpoints.ENDPOINTS,
    *affiliate_endpoints.ENDPOINTS,
    *broker_endpoints.ENDPOINTS,
    *announcement_endpoints.ENDPOINTS,
    *futures_endpoints.ENDPOINTS,
)

_ROUTES = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}
_PATHS = {endpoint.path for endpoint in ENDPOINTS}


def find_endpoint(method: str, path: str) -> Endpoint:
    """Return the endpoint of a request. Raises Refusal 404 or 405."""
    found = _ROUTES.get((method, path))
    if found is not None:
        return found
    if path in _PATHS and method != "HEAD":
        raise Refusal(405, f"Request method '{method}' not supported", 405)
    raise Refusal(404, "Not Found", 404)
