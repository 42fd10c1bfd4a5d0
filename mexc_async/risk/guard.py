"""Pre-trade guard: checks orders against `mexc.orders.limits(...)` before they are sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from math import inf

from msgspec.structs import replace

from mexc_async.books.live_book import Books, LiveBook
from mexc_async.errors import ClientClosed, ConfigError, GuardRefused, InvalidRequest, MexcError
from mexc_async.orders.record import OrderRecord
from mexc_async.rest.pipeline import Api
from mexc_async.risk.exposure import ExposureReport, ProjectedExposure
from mexc_async.risk.exposure_counter import ExposureCounter, assets_of
from mexc_async.risk.pre_trade import VALUES
from mexc_async.risk.risk_limits import GuardLimits
from mexc_async.runtime.log import logger
from mexc_async.spot.rules import SymbolRules
from mexc_async.spot.trading import NewOrder

REOPEN_S = 5.0
"""Pause before a book that was refused is opened again."""
VALUE_EVERY_S = 0.25
"""Greatest age of the value of positions in symbols other than the order's."""


class OrderGuard:
    """Guard that refuses orders beyond a limit, by the client's exposure and by the books."""

    def __init__(self, api: Api, counter: ExposureCounter, books: Books) -> None:
        self.is_on = False
        """True once any limit was set."""
        self._api = api
        self._monotonic = api.clock.local.monotonic
        self._counter = counter
        self._books = books
        self._guard = counter.checks
        self._projected: ProjectedExposure | None = None
        """Exposure of the order admitted last; it is counted before anything else happens."""
        self._own: dict[str, LiveBook[Decimal]] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._reopen_at: dict[str, float] = {}
        self._has_books = False
        """True if every symbol's book must be open, for the price collar or to value positions."""
        self._values = False
        """True if market orders must be valued, by the book."""
        self._value_at = -inf
        self._refused: Counter[str] = Counter()
        """Number of refused orders by rule."""

    # Settings

    def limit(self, changes: Mapping[str, object]) -> GuardLimits:
        """Change limits, and return those in force then. Raises ConfigError and changes nothing."""
        self._books.router.check()  # orders are tracked by the push streams
        limits = self._guard.limits.changed(changes)
        if "symbols" in changes and limits.symbols is not None and self._api.rules.age_s is not None:
            for symbol in sorted(limits.symbols):
                if symbol not in self._api.rules.symbols:
                    raise ConfigError(
                        f"symbols: {symbol!r} is not one of the exchange's {len(self._api.rules.symbols)}"
                    )
        self._guard.set(limits)
        self.is_on = True
        self._counter.start()
        self._has_books = limits.collar is not None or limits.max_daily_loss is not None
        self._values = any(getattr(limits, name) is not None for name in VALUES)
        if not (self._has_books or self._values):
            own, self._own = self._own, {}
            for book in own.values():
                self._api.tasks.spawn(book.aclose())
        return limits

    def report(self) -> ExposureReport:
        """Return the exposure, and the refusals so far."""
        return replace(self._counter.report(), refused=dict(self._refused))

    # Before an order is sent

    def ready(self, order: NewOrder) -> asyncio.Future[None] | None:
        """Open the book that an order's check needs, if nobody has it open; return a future for its first snapshot."""
        limits, symbol = self._guard.limits, order.symbol
        is_judged = self._values and order.type == "MARKET"
        if not (is_judged or self._has_books) or self._books.in_step(symbol) is not None:
            return None
        try:
            self._guard.check_symbol(order)
        except GuardRefused as error:
            self._refused[error.rule] += 1
            raise
        opening = self._open_book(symbol)
        if opening is not None and (is_judged or (limits.collar is not None and limits.without_book == "refuse")):
            return opening
        return None

    def admit(self, order: NewOrder, rules: SymbolRules, instead_of: OrderRecord | None = None) -> NewOrder:
        """Check an order and return it as it is to be sent. Raises GuardRefused."""
        guard, now_s = self._guard, self._monotonic()
        if guard.limits.round is not None and not rules.is_on_steps(order):
            order = self._on_steps(order, rules)
        self._counter.catch_up()
        if now_s >= self._value_at and guard.limits.max_daily_loss is not None:
            self._value_at = now_s + VALUE_EVERY_S
            self._counter.turn_day(now_s)
            guard.value(self._mid, now_s)
        one = guard.exposure.symbols.get(order.symbol) or guard.exposure.of(order.symbol, assets_of(rules))
        try:
            self._projected = guard.check(order, one, self._books.in_step(order.symbol), now_s, instead_of)
        except GuardRefused as error:
            self._refused[error.rule] += 1
            raise
        return order

    def _on_steps(self, order: NewOrder, rules: SymbolRules) -> NewOrder:
        try:
            if self._guard.limits.round == "down":
                return rules.rounded(order)
            rules.check_steps(order)
        except InvalidRequest as error:
            self._refused["round"] += 1
            raise GuardRefused.of("round", error.message) from None
        return order

    def as_sent(self, order: NewOrder, rules: SymbolRules) -> NewOrder:
        """Round an order where limits only round it. Raises InvalidRequest if rounding leaves nothing."""
        return rules.rounded(order) if self._guard.limits.round == "down" else order

    def opened(self, record: OrderRecord) -> None:
        """Count the order that was admitted last and is about to be sent."""
        assert self._projected is not None
        self._counter.opened(record, self._projected)

    # Books

    def _mid(self, symbol: str) -> Decimal | None:
        book = self._books.in_step(symbol)
        if book is None:
            self._open_book(symbol)
            return None
        return book.mid

    def _open_book(self, symbol: str) -> asyncio.Task[None] | None:
        """Start opening the book of a symbol; return None if one is open, or was refused a moment ago."""
        opening = self._opening.get(symbol)
        if opening is None and not self._books.has(symbol) and self._monotonic() >= self._reopen_at.get(symbol, -inf):
            opening = self._opening[symbol] = self._api.tasks.spawn(self._open(symbol))
            opening.add_done_callback(lambda _: self._opening.pop(symbol, None))
        return opening

    async def _open(self, symbol: str) -> None:
        if (old := self._own.pop(symbol, None)) is not None:
            await old.aclose()
        book = self._books(symbol)
        try:
            await book.__aenter__()
            self._own[symbol] = book
            with suppress(ClientClosed):
                await book.synced()
        except MexcError as error:
            self._reopen_at[symbol] = self._monotonic() + REOPEN_S
            self._guard.lacking[symbol] = f"cannot be opened ({error.message})"
            logger.warning("the guard has no book of %s: %s", symbol, error)
        else:
            self._guard.lacking.pop(symbol, None)
