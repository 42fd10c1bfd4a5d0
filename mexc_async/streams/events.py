"""Events of push streams."""

from __future__ import annotations

from mexc_async.errors import MexcError
from mexc_async.runtime.events import Event


class StreamState(Event, frozen=True):
    """Change in the state of push channels.

    `state` is `connected`, `resubscribed` (after a loss), `gap` (pushes may have been missed), `filled` (REST supplied
    what the private stream missed), `moved` (to a new socket, nothing missed), `refused`, `failed` (no connection yet;
    retried), or `closed` (no consumer left).
    """

    state: str
    channels: tuple[str, ...]
    reason: str = ""


class BadFrame(Event, frozen=True):
    """Push that could not be decoded, or on which a consumer's callback raised; other consumers got it."""

    reason: str


class UnknownFields(Event, frozen=True, gc=False):
    """Push with fields or a body that this release does not know; the rest was delivered."""

    channel: str
    count: int


class ListenKeyFailed(Event, frozen=True):
    """Failed renewal of the private stream's listen key; the client retries, or replaces the key."""

    error: MexcError
