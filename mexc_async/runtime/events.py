"""Base of the events for metrics and logs. Each package declares its own kinds."""

from __future__ import annotations

from msgspec import Struct


class Event(Struct, frozen=True):
    """Something that happened in a client."""
