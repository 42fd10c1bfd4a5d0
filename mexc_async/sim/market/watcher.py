"""An observer of the simulated exchange that moves with its market."""

from __future__ import annotations

from typing import Protocol

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.market.mover import Mover


class Watcher(Mover, Protocol):
    """An observer that begins with the exchange, and moves after the market, before any request of that time."""

    def begin(self, exchange: Exchange, now_ms: int) -> None:
        """Begin to observe an exchange with all its accounts, before its first step."""
        ...
