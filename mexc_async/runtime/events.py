"""Typed events for metrics and logs. A listener is called synchronously and cannot break a call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from mexc_async.errors import MexcError
from mexc_async.orders.record import OrderState

logger = logging.getLogger("mexc_async")
logger.addHandler(logging.NullHandler())


class RequestDone(Struct, frozen=True, gc=False):
    """One attempt of a call ended. Holds no parameter, so no secret."""

    method: str
    path: str
    attempt: int
    """Counts from 1."""
    wait_s: float
    """Time in the limiter."""
    latency_s: float
    """From signing to the decoded answer."""
    status: int | None
    """HTTP status; None without an answer."""
    error: MexcError | None
    client_order_id: str | None = None


class OddItems(Struct, frozen=True):
    """An answer had items that could not be understood; the rest was delivered."""

    method: str
    path: str
    reasons: list[str]


class ClockSynced(Struct, frozen=True, gc=False):
    """The exchange's clock was measured."""

    offset_ms: float
    """What to add to this machine's wall clock."""
    error_ms: float


class ClockFailed(Struct, frozen=True):
    """Measuring the exchange's clock failed; it is tried again by itself."""

    error: MexcError


class StreamState(Struct, frozen=True):
    """Something happened to push channels.

    `state` is `connected`, `resubscribed` (after a loss), `gap` (pushes may have been missed), `filled` (REST told what
    the private stream missed), `moved` (to a new socket, with nothing missed), `refused`, `failed` (no connection
    yet; it is tried again), or `closed` (nobody consumes them any more).
    """

    state: str
    channels: tuple[str, ...]
    reason: str = ""


class ListenKeyFailed(Struct, frozen=True):
    """The private stream's key was not renewed; it is tried again, or replaced, by itself."""

    error: MexcError


class BadFrame(Struct, frozen=True):
    """A push could not be understood, or a consumer's callback failed on it; the others got it."""

    reason: str


class UnknownFields(Struct, frozen=True, gc=False):
    """A push had fields or a body that this release does not know; the rest was delivered."""

    channel: str
    count: int


class OrderSettled(Struct, frozen=True, gc=False):
    """It was found out what became of an order whose answer was missing."""

    client_order_id: str
    order_id: str | None
    """None if it was never placed."""
    state: OrderState


class BulkProgress(Struct, frozen=True, gc=False):
    """One more item of an operation on many accounts or transfers is done."""

    operation: str
    done: int
    total: int
    failed: int
    """Of those that are done."""


class KeyAged(Struct, frozen=True, gc=False):
    """The API key grows old; told when the client opens and once a day."""

    masked_key: str
    age_days: int
    has_reached_end: bool
    """Whether it is so old that MEXC ends it if it has no IP list."""


class KeyReplaced(Struct, frozen=True, gc=False):
    """Requests are signed with another key from now on."""

    old_masked_key: str
    new_masked_key: str


class KeyNotReplaced(Struct, frozen=True):
    """The store holds another key that could not be taken; the client goes on with the one that it has."""

    error: MexcError


class CallLogState(Struct, frozen=True, gc=False):
    """The call log can not be written any more, or again."""

    is_written: bool
    reason: str = ""
    lost: int = 0
    """Lines that were not written meanwhile, and never will be."""


class UnusualActivity(Struct, frozen=True, gc=False):
    """Something that is not this client's own, or not like it.

    `rule` is `foreign_order` (an order of the account that this client did not place), `call_rate` (far more calls of
    an endpoint than usual) or `foreign_429` (refused for the rate although the own budget is unspent: somebody else
    uses the key or the address).
    """

    rule: str
    text: str
    order_id: str | None = None
    """The exchange's id of the foreign order."""
    client_order_id: str | None = None
    symbol: str | None = None
    is_halted: bool = False
    """Whether orders are refused from now on because of it."""


Event: TypeAlias = (
    RequestDone
    | OddItems
    | ClockSynced
    | ClockFailed
    | StreamState
    | ListenKeyFailed
    | BadFrame
    | UnknownFields
    | OrderSettled
    | BulkProgress
    | KeyAged
    | KeyReplaced
    | KeyNotReplaced
    | CallLogState
    | UnusualActivity
)


class Hooks:
    """`remove = mexc.hooks.add(listener)`; the listener gets every event of this client."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Event], None]] = []

    def __bool__(self) -> bool:
        return bool(self.listeners)

    def add(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; returns what takes it out again."""
        self.listeners.append(listener)

        def remove() -> None:
            if listener in self.listeners:
                self.listeners.remove(listener)

        return remove

    def emit(self, event: Event) -> None:
        """Hand an event to every listener; one that raises is logged, the others are still called."""
        for listener in tuple(self.listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %s", type(event).__name__)
