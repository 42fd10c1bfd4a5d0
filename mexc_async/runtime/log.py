"""The package's logger; it is silent until the application configures logging."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf

logger = logging.getLogger("mexc_async")
logger.addHandler(logging.NullHandler())

EVERY_S = 60.0
"""Shortest time between two warnings of one outage log."""


class OutageLog:
    """Warnings of one client that the exchange cannot be reached: one a minute, from whatever part of the client."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._warned_at = -inf
        self._left_out = 0

    def warn(self, message: str) -> None:
        """Log a warning, unless one was logged less than a minute ago: then the next one counts it."""
        now = self._monotonic()
        if now - self._warned_at < EVERY_S:
            self._left_out += 1
            return
        more = f" ({self._left_out} more since the last warning)" if self._left_out else ""
        self._warned_at, self._left_out = now, 0
        logger.warning("%s%s", message, more)
