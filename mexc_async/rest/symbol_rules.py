"""Trading rules of the symbols: loaded once, refreshed when they grow old."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

from mexc_async.errors import ConfigError, InvalidRequest, MexcError
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.log import logger
from mexc_async.runtime.tasks import Tasks
from mexc_async.schema.validation import shown
from mexc_async.spot.models import ExchangeInfo
from mexc_async.spot.rules import SymbolRules

MAX_AGE_S = 3600.0
"""Age in seconds from which the rules are refreshed; the old ones are used meanwhile."""
RELOAD_S = 60.0
"""Least seconds between two loads because of an unknown symbol."""


class SymbolRulesCache:
    """Cache of all symbols' rules: `mexc.rules("BTCUSDT")` after `await mexc.load_rules()` or the first order."""

    def __init__(self, fetch: Callable[[], Awaitable[ExchangeInfo]], tasks: Tasks, clock: Clock) -> None:
        self._fetch = fetch
        self._monotonic = clock.monotonic
        self._tasks = tasks
        self._rules: dict[str, SymbolRules] = {}
        self._loaded_at: float | None = None
        self._tried_at = -inf
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def age_s(self) -> float | None:
        """Seconds since the rules were loaded; None before the first load."""
        return None if self._loaded_at is None else self._monotonic() - self._loaded_at

    @property
    def symbols(self) -> list[str]:
        """All symbols with rules."""
        return list(self._rules)

    def __call__(self, symbol: str) -> SymbolRules:
        """Return a symbol's rules. Raises ConfigError before they are loaded, InvalidRequest for an unknown symbol."""
        if self._loaded_at is None:
            raise ConfigError("the symbols' rules are not loaded yet: await mexc.load_rules() first")
        try:
            return self._rules[symbol]
        except (KeyError, TypeError):  # a list, say, has no hash
            raise InvalidRequest(f"symbol {shown(symbol)} is not one of the exchange's {len(self._rules)}") from None

    async def load(self) -> None:
        """Load the rules of every symbol; concurrent callers share one request."""
        await self._tasks.shared("rules", self._load)

    async def _load(self) -> None:
        self._tried_at = self._monotonic()
        info = await self._fetch()
        self._rules = {symbol.symbol: SymbolRules(symbol) for symbol in info.symbols}
        self._loaded_at = self._monotonic()

    def fresh(self, symbol: str) -> SymbolRules | None:
        """Return a symbol's rules if they are loaded and not old; else None."""
        loaded_at = self._loaded_at
        return self._rules.get(symbol) if loaded_at is not None and self._monotonic() - loaded_at < MAX_AGE_S else None

    async def find(self, symbol: str) -> SymbolRules:
        """Return a symbol's rules, loading them if needed. Raises InvalidRequest for an unknown symbol."""
        age = self.age_s
        since_try_s = self._monotonic() - self._tried_at
        if age is None or (symbol not in self._rules and since_try_s > RELOAD_S):
            await self.load()
        elif age > MAX_AGE_S and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = self._tasks.spawn(self._refresh())
        return self(symbol)

    async def _refresh(self) -> None:
        try:
            await self.load()
        except MexcError as error:
            logger.warning("the symbols' rules could not be refreshed: %s", error)
