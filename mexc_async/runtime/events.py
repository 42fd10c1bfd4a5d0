"""Events: typed news for metrics and logs. Each room declares its own kinds."""

from __future__ import annotations

from msgspec import Struct


class Event(Struct, frozen=True):
    """Something that happened in a client."""
