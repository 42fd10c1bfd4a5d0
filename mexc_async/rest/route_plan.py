"""Plan of a route (transport, headers, gate), and the signed text of a call."""

from __future__ import annotations

from msgspec import Struct

from mexc_async.limits.gate import Gate
from mexc_async.rest.call import Call, Options, body_of, query_of, window_ms
from mexc_async.rest.credentials import Credentials
from mexc_async.schema.endpoint import Route
from mexc_async.spot.trading import NewOrder
from mexc_async.transport.request_fields import Fields
from mexc_async.transport.transport import Transport


class RoutePlan(Struct, frozen=True):
    """Transport, headers and gate for the calls of one route, looked up once."""

    route: Route
    is_private: bool
    method: str
    path: str
    headers: Fields
    is_signed: bool
    transport: Transport
    gate: Gate


class SignedAhead(Struct, frozen=True):
    """An order that was signed before it is sent."""

    order: NewOrder
    recv_window_ms: int | None
    credentials: Credentials
    stamped_ms: int
    target: str

    def __repr__(self) -> str:
        return f"<signed at {self.stamped_ms}: {self.order.new_client_order_id}>"  # and no signature

    def fits(self, call: Call, options: Options, credentials: Credentials, now_ms: int) -> bool:
        """Return True if it is this call, with the same key and options, and fresh enough."""
        return (
            self.order is call.given
            and self.credentials is credentials
            and self.recv_window_ms == options.recv_window_ms
            and 0 <= now_ms - self.stamped_ms < 0.8 * window_ms(options)  # the rest is for the way to the exchange
        )


def signed(call: Call, options: Options, credentials: Credentials, plan: RoutePlan, stamped_ms: int) -> str:
    """Return path and query with the signature over the query and, right behind it, the body."""
    query = query_of(call, options.recv_window_ms, stamped_ms)
    if not plan.route.json_body:
        return credentials.signer.signed(plan.path, query)
    return f"{plan.path}?{query}&signature={credentials.signer.sign(query.encode() + body_of(call))}"
