"""Events of API keys."""

from __future__ import annotations

from mexc_async.errors import MexcError
from mexc_async.runtime.events import Event


class KeyAged(Event, frozen=True, gc=False):
    """The API key is old. Emitted when the client opens and once a day."""

    masked_key: str
    age_days: int
    has_reached_end: bool
    """True from the age at which MEXC expires a key that has no IP list."""


class KeyReplaced(Event, frozen=True, gc=False):
    """Requests are signed with another key from now on."""

    old_masked_key: str
    new_masked_key: str


class KeyNotReplaced(Event, frozen=True):
    """The store holds another key that could not be taken; the client goes on with the one that it has."""

    error: MexcError
