"""Orders that a request names."""

from __future__ import annotations

from typing import TypeAlias

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest.endpoint import ServedEndpoint
from mexc_async.sim.rest.endpoints import trade
from mexc_async.sim.rest.http import Request
from mexc_async.sim.rest.parameters import Parameters, Received, receive

Names: TypeAlias = frozenset[tuple[str, str]]
"""Names of orders: pairs of API key and client order id."""
NAMELESS: Names = frozenset()


def api_key(request: Request) -> str:
    """Return the API key of a request; empty without one."""
    return request.headers.get("X-MEXC-APIKEY", "")


def names_of(request: Request, endpoint: ServedEndpoint, received: Received) -> Names:
    """Return the names of the orders that a request places or cancels; `*` for any. Raises Refusal."""
    ids = trade.client_ids(endpoint.name, received.parameters)
    return frozenset((api_key(request), each) for each in ids)


def is_repeatable(endpoint: ServedEndpoint, received: Received) -> bool:
    """Return True if the exchange refuses or ignores a request that is carried out twice.

    Of new orders it refuses the second only while the first rests under the same client order id.
    """
    parameters = received.parameters
    is_resting = parameters.optional("type") == "LIMIT_MAKER" and parameters.optional("newClientOrderId") is not None
    return endpoint.name != "new_order" or is_resting


def client_ids_of(exchange: Exchange, request: Request, endpoint: ServedEndpoint) -> tuple[str, ...]:
    """Return the client order ids that a request names, also by order id, as far as its query and its body are there.

    A request that names no single order, such as a cancel of all, gives none.
    """
    body = request.body if isinstance(request.body, bytes) else b""
    try:
        received = receive(request.target.partition("?")[2], body, request.headers.get("Content-Type", ""))
        parameters = received.parameters
        if endpoint.name == "batch_orders":
            found = [item.optional("newClientOrderId") for item in trade.read_batch(parameters.text("batchOrders"))]
        else:
            found = [parameters.optional("newClientOrderId") or parameters.optional("origClientOrderId")]
            if found == [None]:
                found = [_client_id(exchange, request, parameters)]
    except Refusal:
        return ()
    return tuple(each for each in found if each is not None)


def _client_id(exchange: Exchange, request: Request, parameters: Parameters) -> str | None:
    """Return the client order id of the sender's order that a request names by its order id; None without one."""
    order_id, key = parameters.optional("orderId"), exchange.keys.find(api_key(request))
    order = exchange.accounts[key.account].find_order(order_id, None) if key is not None else None
    return None if order is None else order.client_id
