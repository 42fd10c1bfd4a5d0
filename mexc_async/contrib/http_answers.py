"""Answers of a web service in any framework: values, health and readiness, and failed calls by one table."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

import orjson
from msgspec import Struct

from mexc_async.contrib.service import MexcService, UnknownAccount
from mexc_async.errors import (
    AccountRestricted,
    ApiError,
    BookNotSynced,
    CallLogFailed,
    ClientClosed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ExchangeUnavailable,
    GuardRefused,
    InsufficientBalance,
    InvalidKey,
    InvalidParameter,
    InvalidRequest,
    ListenKeyInvalid,
    MexcError,
    OrderNotFilled,
    OrderNotFound,
    OrderNotPlaced,
    OrderRejected,
    OrdersLeftOpen,
    OutcomeUnknown,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ReadOnlyError,
    RequestTimeout,
    SignatureRejected,
    StreamOverflow,
    SubscriptionRefused,
    TimestampRejected,
    TooManyOrders,
    TradingSuspended,
    TransferNotMade,
    TransferRejected,
    TransportError,
    VirtualTimeError,
    WaitTimeout,
    WithdrawalsOff,
)
from mexc_async.orders.execution import PLACING_PATHS
from mexc_async.schema.json_values import plain

logger = logging.getLogger("mexc_async.contrib")

JSON = "application/json"
ACCEPTED = 202
UNAVAILABLE = 503
OWN_FAULT = 500
"""Status for a wrong set-up of the service; the details go to its log, not to its callers."""

STATUSES: dict[type[MexcError], int] = {
    InvalidRequest: 422,
    GuardRefused: 422,
    InvalidParameter: 422,
    OrderRejected: 422,
    TransferRejected: 422,
    OrderNotFound: 404,
    UnknownAccount: 404,
    InsufficientBalance: 409,
    TradingSuspended: 409,
    TooManyOrders: 409,
    OrderNotFilled: 409,
    PermissionDenied: 403,
    AccountRestricted: 403,
    ReadOnlyError: 403,
    WithdrawalsOff: 403,
    RateLimited: 429,
    ConfigError: OWN_FAULT,
    CallLogFailed: OWN_FAULT,
    VirtualTimeError: OWN_FAULT,
    InvalidKey: OWN_FAULT,
    SignatureRejected: OWN_FAULT,
    TimestampRejected: OWN_FAULT,
    ListenKeyInvalid: 502,
    ProtocolError: 502,
    SubscriptionRefused: 502,
    OrdersLeftOpen: 502,
    ApiError: 502,
    ClientClosed: 503,
    ConnectFailed: 503,
    BookNotSynced: 503,
    StreamOverflow: 503,
    OrderNotPlaced: 503,
    TransferNotMade: 503,
    ExchangeUnavailable: 503,
    TransportError: 504,
    ConnectionLost: 504,
    RequestTimeout: 504,
    OutcomeUnknown: 504,
    WaitTimeout: 504,
}
"""HTTP status of each class of errors; one that is not listed has that of the nearest class above it."""

_ASK_AGAIN = (429, 503)
_ORDER_PATHS = {None, *(path for _, path in PLACING_PATHS)}
"""Paths of errors whose look-up goes on; None for an order that was already under way."""


class HttpAnswer(NamedTuple):
    """Answer before its conversion to a framework's response."""

    body: bytes
    """JSON, amounts as text."""
    status: int = 200
    headers: Mapping[str, str] | None = None


def answer_of(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """Convert a value of the SDK."""
    return HttpAnswer(orjson.dumps(plain(value)), status, headers)


def health_of(service: MexcService) -> HttpAnswer:
    """Answer a health check: 200, or 503 if the process is to be restarted."""
    return answer_of({"alive": service.is_alive}, 200 if service.is_alive else UNAVAILABLE)


def readiness_of(service: MexcService) -> HttpAnswer:
    """Answer a readiness check: 200, or 503 with the reasons. Raises ClientClosed."""
    readiness = service.readiness()
    return answer_of(readiness, 200 if readiness.ready else UNAVAILABLE)


def failure_of(error: MexcError, method: str, path: str) -> HttpAnswer:
    """Answer a failed call; a fault of the service itself goes to the log and not to its caller."""
    status = status_of(error)
    if status == OWN_FAULT:
        logger.error("%s %s: %s", method, path, error)
    return answer_of(body_of(error), status, headers_of(error))


class ErrorBody(Struct, frozen=True):
    """Error as the caller reads it."""

    error: str
    """Name of the class: InsufficientBalance, OutcomeUnknown, ..."""
    message: str
    code: int | None
    """The exchange's code."""
    client_order_id: str | None
    retryable: bool
    """True if the same request can succeed later."""
    outcome_known: bool
    """False when the order may or may not exist: look it up, or repeat with the same idempotency key."""


def status_of(error: MexcError) -> int:
    """Return the HTTP status. An unsettled order is 202: a repeat with the same key returns its outcome later."""
    is_of_order = error.client_order_id is not None and error.path in _ORDER_PATHS
    if is_of_order and isinstance(error, OutcomeUnknown) and error.accepted_until_ms is not None:
        return ACCEPTED
    return next((STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES), OWN_FAULT)


def headers_of(error: MexcError) -> dict[str, str]:
    """Return `Retry-After` in whole seconds, where a repeat is worthwhile."""
    if status_of(error) not in _ASK_AGAIN:
        return {}
    return {"Retry-After": str(max(ceil(error.retry_after_s or 0.0), 1))}


def body_of(error: MexcError) -> ErrorBody:
    """Build the body: never a secret, and nothing about the set-up of the service."""
    is_own_fault = status_of(error) == OWN_FAULT
    return ErrorBody(
        error="ServiceMisconfigured" if is_own_fault else type(error).__name__,
        message="the service is set up wrongly; see its log" if is_own_fault else error.message,
        code=None if is_own_fault else error.code,
        client_order_id=error.client_order_id,
        retryable=error.retryable and not is_own_fault,
        outcome_known=error.outcome_known,
    )
