"""Events of API keys."""

from __future__ import annotations

from mexc_async.errors import MexcError
from mexc_async.runtime.events import Event


class KeyAged(Event, frozen=True, gc=False):
    """The API key grows old; told when the client opens and once a day."""

    masked_key: str
    age_days: int
    has_reached_end: bool
    """Whether it is so old that MEXC ends it if it has no IP list."""


class KeyReplaced(Event, frozen=True, gc=False):
    """Requests are signed with another key from now on."""

    old_masked_key: str
    new_masked_key: str


class KeyNotReplaced(Event, frozen=True):
    """The store holds another key that could not be taken; the client goes on with the one that it has."""

    error: MexcError
