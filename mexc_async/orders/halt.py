"""The switch that stops trading."""

from __future__ import annotations

from mexc_async.errors import GuardRefused
from mexc_async.runtime.log import logger


class TradingHalt:
    """Switch of one client that blocks new orders; cancels always pass."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Reason for the halt; None while trading goes on."""

    def halt(self, reason: str) -> None:
        """Block new orders until `resume`."""
        self.reason = reason or "no reason was given"
        logger.warning("trading is halted: %s", self.reason)

    def resume(self) -> None:
        """Allow new orders again."""
        self.reason = None

    def check(self) -> None:
        """Raise GuardRefused while trading is halted; called again after an order has passed the limits."""
        if self.reason is not None:
            raise GuardRefused.of("halt", f"trading is halted: {self.reason}")
