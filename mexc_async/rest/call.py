"""A call and its options: what goes through the request pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from mexc_async.errors import ConfigError, MexcError, OutcomeUnknown
from mexc_async.native.loader import compiled
from mexc_async.schema.endpoint import Request, Route, result_type
from mexc_async.schema.query import encode
from mexc_async.transport.pool import Carrier, Transport

RECV_WINDOW_MS = 5_000
"""MEXC's default."""
MAX_RECV_WINDOW_MS = 60_000


class Options(Struct, frozen=True):
    """What a view of the client (`mexc.using(...)`) changes about its calls."""

    max_wait_s: float | None = None
    """How long a call may stand in line for the limits; None is as long as it takes, 0 not at all."""
    timeout_s: float | None = None
    """Seconds for one attempt; None is the pool's."""
    recv_window_ms: int | None = None
    """How old a signed call may be when the exchange gets it; None leaves MEXC's default of 5000."""
    raw: bool = False
    cached: bool = True
    """False asks the exchange again although an answer is kept."""
    repeat: bool = True
    """False for one attempt only, by a caller who repeats on its own; a refused time stamp is still mended."""

    def __post_init__(self) -> None:
        wait, timeout, window = self.max_wait_s, self.timeout_s, self.recv_window_ms
        if wait is not None and not (isinstance(wait, int | float) and 0 <= wait < 1e9):
            raise ConfigError(f"max_wait_s {wait!r} must be a number of seconds that is not negative")
        if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout < 1e9):
            raise ConfigError(f"timeout_s {timeout!r} must be a number of seconds above 0")
        if window is not None and (type(window) is not int or not 1 <= window <= MAX_RECV_WINDOW_MS):
            raise ConfigError(f"recv_window_ms {window!r} must be from 1 to {MAX_RECV_WINDOW_MS}")


class PureCall(Struct):
    """A request on its way: where it goes and what its answer is. `compiled.Call` is the same in C."""

    route: Route
    given: Request[Any] | list[tuple[str, str]]
    """What is asked: a request, or parameters as they are."""
    kind: object
    """Type of the answer; None leaves it as it came."""
    client_order_id: str | None = None
    via: Transport | None = None
    """The way onto the wire, where it is not that of the route."""
    stamped_ms: int = 0
    """Time stamp of its latest attempt, if it is signed; 0 while it was never about to be sent."""
    gate: Callable[[], None] | None = None
    """Called when an attempt has passed the limits and is about to be sent; what it raises stops it."""
    number: int = 0
    """In the call log; 0 while it is not there."""
    done: object = None
    """The recorder's entry on the end of its latest attempt."""
    asked_s: float = 0.0
    """When its latest attempt asked the limits, by the monotonic clock."""
    sent_s: float = 0.0
    """When its latest attempt was sent, by the monotonic clock; 0 if it was not."""
    ended_s: float = 0.0
    """When that was answered."""
    carrier: Carrier | None = None
    """The connection that carries it, where that can tell its end."""


if TYPE_CHECKING:
    Call = PureCall
else:
    Call = compiled.Call if compiled else PureCall


def params_of(call: Call) -> list[tuple[str, str]]:
    """The parameters that were given, as (wire name, text)."""
    return call.given if isinstance(call.given, list) else call.given.params()


def body_of(call: Call) -> bytes:
    """The parameters as JSON, where they go in a body."""
    return msgspec.json.encode(dict(params_of(call))) if call.route.json_body else b""


def query_of(call: Call, recv_window_ms: int | None = None, timestamp_ms: int | None = None) -> str:
    """The exact text on the wire behind the path."""
    given = [] if call.route.json_body else call.given
    if isinstance(given, list):
        return encode([*given, ("recvWindow", recv_window_ms), ("timestamp", timestamp_ms)])
    return given.query(recv_window_ms, timestamp_ms)


def call_of(request: Request[Any], options: Options, client_order_id: str | None = None) -> Call:
    """A request as it goes out; `client_order_id` is what its errors and events name."""
    return Call(request.route, request, None if options.raw else result_type(type(request)), client_order_id)


def accepted_until_ms(call: Call, options: Options) -> int:
    """The last moment, by the exchange's clock, at which what was sent of a call can still be accepted."""
    return call.stamped_ms + window_ms(options)


def window_ms(options: Options) -> int:
    """How old a signed call may be when the exchange gets it."""
    return options.recv_window_ms or RECV_WINDOW_MS


def final_error(call: Call, error: MexcError, options: Options) -> MexcError:
    """The error as the caller gets it: where something may have changed, that is what it says first."""
    error.client_order_id = call.client_order_id
    if call.route.safe:
        error.outcome_known = True  # nothing can have changed
    if error.outcome_known:
        return error
    unknown = OutcomeUnknown(
        f"{error.message}; it may have been accepted",
        code=error.code,
        status=error.status,
        method=error.method,
        path=error.path,
        client_order_id=call.client_order_id,
    )
    if call.stamped_ms:
        unknown.accepted_until_ms = accepted_until_ms(call, options)
    return unknown
