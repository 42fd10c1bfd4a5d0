"""The switch that stops trading."""

from __future__ import annotations

from mexc_async.errors import GuardRefused
from mexc_async.runtime.log import logger


class TradingHalt:
    """Whether orders of one client may be placed; cancels always may."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why nothing may be placed; None while trading goes on."""

    def halt(self, reason: str) -> None:
        """Place nothing from now on, until `resume`."""
        self.reason = reason or "no reason was given"
        logger.warning("trading is halted: %s", self.reason)

    def resume(self) -> None:
        """Trade again."""
        self.reason = None

    def check(self) -> None:
        """Raise GuardRefused while trading is halted; asked again when an order has passed the limits."""
        if self.reason is not None:
            raise GuardRefused.of("halt", f"trading is halted: {self.reason}")
