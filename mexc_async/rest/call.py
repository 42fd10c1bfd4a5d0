"""A call and its options, as the request pipeline handles them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Struct

from mexc_async.errors import MexcError, OutcomeUnknown
from mexc_async.native.loader import compiled
from mexc_async.schema.endpoint import Request, Route, result_type
from mexc_async.schema.query import encode
from mexc_async.schema.settings import CheckedSettings, Seconds, SecondsOrZero
from mexc_async.schema.validation import Rule, between
from mexc_async.transport.transport import Carrier, Transport

RECV_WINDOW_MS = 5_000
"""MEXC's default."""
MAX_RECV_WINDOW_MS = 60_000


class Options(CheckedSettings, frozen=True):
    """Options of the calls through a view of the client (`mexc.using(...)`)."""

    max_wait_s: SecondsOrZero | None = None
    """Longest wait for the rate limits, in seconds; None waits as long as it takes, 0 not at all."""
    timeout_s: Seconds | None = None
    """Seconds for one attempt; None uses `Timeouts.total_s`."""
    recv_window_ms: Annotated[int, Rule(between(1, MAX_RECV_WINDOW_MS))] | None = None
    """Greatest age of a signed call on arrival at the exchange; None leaves MEXC's default of 5000."""
    raw: bool = False
    cached: bool = True
    """False asks the exchange again in spite of a cached answer."""
    repeat: bool = True
    """False allows one attempt only, for callers that retry themselves; a refused time stamp is still corrected."""


class PureCall(Struct):
    """A request in flight: its route, parameters and type of answer. `compiled.Call` is the same in C."""

    route: Route
    given: Request[Any] | list[tuple[str, str]]
    """The request, or bare parameters."""
    kind: object
    """Type of the answer; None returns it undecoded."""
    client_order_id: str | None = None
    via: Transport | None = None
    """The transport, if it is not the route's."""
    check: Callable[[], None] | None = None
    """Called when an attempt has passed the limits and is about to be sent; an error that it raises stops the call."""
    stamped_ms: int = 0
    """Time stamp of the latest attempt of a signed call; 0 before the first."""
    number: int = 0
    """Number in the call log; 0 without an entry."""
    done: object = None
    """The recorder's entry on the end of the latest attempt."""
    asked_s: float = 0.0
    """Monotonic time at which the latest attempt asked for the limits."""
    sent_s: float = 0.0
    """Monotonic time at which the latest attempt was sent; 0 if it was not."""
    ended_s: float = 0.0
    """Monotonic time of its answer."""
    carrier: Carrier | None = None
    """The connection that carries it, if that reports the request's end."""


if TYPE_CHECKING:
    Call = PureCall
else:
    Call = compiled.Call if compiled else PureCall


def params_of(call: Call) -> list[tuple[str, str]]:
    """Return the given parameters as (wire name, text)."""
    return call.given if isinstance(call.given, list) else call.given.params()


def body_of(call: Call) -> bytes:
    """Return the parameters as JSON, for a route with a JSON body."""
    return msgspec.json.encode(dict(params_of(call))) if call.route.json_body else b""


def query_of(call: Call, recv_window_ms: int | None = None, timestamp_ms: int | None = None) -> str:
    """Return the exact query text on the wire."""
    given = [] if call.route.json_body else call.given
    if isinstance(given, list):
        return encode([*given, ("recvWindow", recv_window_ms), ("timestamp", timestamp_ms)])
    return given.query(recv_window_ms, timestamp_ms)


def call_of(
    request: Request[Any],
    options: Options,
    client_order_id: str | None = None,
    check: Callable[[], None] | None = None,
) -> Call:
    """Make the call of a request; its errors and events name `client_order_id`."""
    kind = None if options.raw else result_type(type(request))
    return Call(request.route, request, kind, client_order_id, None, check)


def accepted_until_ms(call: Call, options: Options) -> int:
    """Return the last moment, by the exchange's clock, at which a sent call can still be accepted."""
    return call.stamped_ms + window_ms(options)


def window_ms(options: Options) -> int:
    """Return the greatest age of a signed call on arrival at the exchange."""
    return options.recv_window_ms or RECV_WINDOW_MS


def final_error(call: Call, error: MexcError, options: Options) -> MexcError:
    """Return the error for the caller: OutcomeUnknown if the call may have changed something."""
    error.client_order_id = call.client_order_id
    if call.route.safe:
        error.outcome_known = True  # the call changes nothing
    if error.outcome_known:
        return error
    until_ms = accepted_until_ms(call, options) if call.stamped_ms else None
    return OutcomeUnknown.after(error, f"{error.message}; it may have been accepted", call.client_order_id, until_ms)
