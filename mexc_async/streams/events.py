"""Events of push streams."""

from __future__ import annotations

from mexc_async.errors import MexcError
from mexc_async.runtime.events import Event


class StreamState(Event, frozen=True):
    """Something happened to push channels.

    `state` is `connected`, `resubscribed` (after a loss), `gap` (pushes may have been missed), `filled` (REST told what
    the private stream missed), `moved` (to a new socket, with nothing missed), `refused`, `failed` (no connection
    yet; it is tried again), or `closed` (nobody consumes them any more).
    """

    state: str
    channels: tuple[str, ...]
    reason: str = ""


class BadFrame(Event, frozen=True):
    """A push could not be understood, or a consumer's callback failed on it; the others got it."""

    reason: str


class UnknownFields(Event, frozen=True, gc=False):
    """A push had fields or a body that this release does not know; the rest was delivered."""

    channel: str
    count: int


class ListenKeyFailed(Event, frozen=True):
    """The private stream's key was not renewed; it is tried again, or replaced, by itself."""

    error: MexcError
