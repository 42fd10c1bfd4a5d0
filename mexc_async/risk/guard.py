"""The pre-trade guard at work: what holds orders against `mexc.orders.limits(...)` before they are sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from math import inf
from typing import Unpack

from mexc_async.books.live_book import Books, LiveBook
from mexc_async.errors import ClientClosed, ConfigError, GuardRefused, InvalidRequest, MexcError
from mexc_async.orders.execution import OrderDesk
from mexc_async.orders.record import ZERO, OrderRecord
from mexc_async.rest.pipeline import GUIDE_PATHS
from mexc_async.risk.exposure import Assets, ExposureReport, Stake
from mexc_async.risk.pre_trade import VALUES, PreTradeGuard
from mexc_async.risk.risk_limits import GuardLimits, GuardSettings
from mexc_async.runtime.events import logger
from mexc_async.spot.rules import SymbolRules
from mexc_async.spot.trading import BatchOrders, NewOrder

REOPEN_S = 5.0
"""Between attempts to open a book that was refused."""
VALUE_EVERY_S = 0.25
"""How old the value of positions in other symbols than the order's may be."""
DAY_MS = 86_400_000
_ORDER = (NewOrder.route.method, NewOrder.route.path)
PLACING = frozenset({_ORDER, GUIDE_PATHS[_ORDER], (BatchOrders.route.method, BatchOrders.route.path)})
"""Where orders are placed."""


class OrderGuard:
    """Counts what a client's orders put at stake, and refuses those that break a limit.

    It counts from the first limit on: what is open then is taken in, what was filled before is not.
    """

    def __init__(self, desk: OrderDesk, books: Books) -> None:
        self.desk = desk
        self._api = desk.api
        self._books = books
        self._guard = PreTradeGuard()
        self._untold: list[OrderRecord] = []
        """Open orders of symbols whose rules are not loaded yet."""
        self._stake: Stake | None = None
        """What the order comes to that was admitted last; it is opened before anything else happens."""
        self._own: dict[str, LiveBook[Decimal]] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._reopen_at: dict[str, float] = {}
        self._has_books = False
        """Whether every symbol's book is to be open, for the collar or to value positions."""
        self._values = False
        """Whether market orders are to be valued, by the book."""
        self._value_at = -inf
        self._day = 0
        self._turns_at = -inf

    # What the user says

    def limit(self, changes: Mapping[str, object]) -> GuardLimits:
        """Change limits, and return those that are in force then. Raises ConfigError and changes nothing."""
        self._books.hub.check()  # by which orders are followed
        limits = self._guard.limits.changed(changes)
        if "symbols" in changes and limits.symbols is not None and self._api.rules.age_s is not None:
            for symbol in sorted(limits.symbols):
                if symbol not in self._api.rules.symbols:
                    raise ConfigError(
                        f"symbols: {symbol!r} is not one of the exchange's {len(self._api.rules.symbols)}"
                    )
        self._guard.set(limits)
        self._start()
        self._has_books = limits.collar is not None or limits.max_daily_loss is not None
        self._values = any(getattr(limits, name) is not None for name in VALUES)
        if not (self._has_books or self._values):
            own, self._own = self._own, {}
            for book in own.values():
                self._api.tasks.spawn(book.aclose())
        return limits

    def report(self) -> ExposureReport:
        """What is at stake."""
        self._take_untold()
        return self._guard.exposure.report()

    # What the order desk asks

    def ready(self, order: NewOrder) -> asyncio.Future[None] | None:
        """Have the book that an order is held against opened, where nobody has it open, and be waited for at first."""
        limits, symbol = self._guard.limits, order.symbol
        is_judged = self._values and order.type == "MARKET"
        if not (is_judged or self._has_books) or self._books.in_step(symbol) is not None:
            return None
        self._guard.check_symbol(order)
        opening = self._open_book(symbol)
        if opening is not None and (is_judged or (limits.collar is not None and limits.without_book == "refuse")):
            return opening
        return None

    def admit(self, order: NewOrder, rules: SymbolRules, instead_of: OrderRecord | None = None) -> NewOrder:
        """The order as it is to be sent. Raises GuardRefused."""
        guard, now_s = self._guard, time.monotonic()
        if guard.limits.round is not None and not rules.is_on_steps(order):
            order = self._on_steps(order, rules)
        if self._untold:
            self._take_untold()
        if now_s >= self._value_at and guard.limits.max_daily_loss is not None:
            self._value_at = now_s + VALUE_EVERY_S
            self._turn_day(now_s)
            guard.value(self._mid, now_s)
        one = guard.exposure.symbols.get(order.symbol) or guard.exposure.of(order.symbol, _assets(rules))
        self._stake = guard.check(order, one, self._books.in_step(order.symbol), now_s, instead_of)
        return order

    def _on_steps(self, order: NewOrder, rules: SymbolRules) -> NewOrder:
        try:
            if self._guard.limits.round == "down":
                return rules.rounded(order)
            rules.check_steps(order)
        except InvalidRequest as error:
            raise GuardRefused.of("round", error.message) from None
        return order

    def as_sent(self, order: NewOrder, rules: SymbolRules) -> NewOrder:
        """The order as it is sent where limits only round it. Raises InvalidRequest if rounding leaves nothing."""
        return rules.rounded(order) if self._guard.limits.round == "down" else order

    # What becomes known of orders

    def _start(self) -> None:
        """Have every order pass here from now on."""
        if self.desk.guard is None:
            self.desk.guard = self
            self._api.kept_paths = PLACING
            self._turn_day(time.monotonic())
            for record in self.desk.ledger.table.live():
                self._take_in(record)

    def opened(self, record: OrderRecord) -> None:
        """An order that was admitted is about to be sent."""
        guard = self._guard
        assert self._stake is not None
        guard.exposure.open(record, guard.exposure.symbols[record.symbol], self._stake)
        if guard.limits.max_orders_per_s is not None:
            guard.sent(time.monotonic())

    def changed(self, record: OrderRecord) -> None:
        """Something new became known of an order."""
        exposure = self._guard.exposure
        seen = exposure.revision_of(record)
        if seen == record.revision:
            return
        if seen is not None:
            now_s = time.monotonic()
            if now_s >= self._turns_at:
                self._turn_day(now_s)
            exposure.note(record, now_s)
        elif not record.is_final and record not in self._untold:
            self._take_in(record)

    def _take_in(self, record: OrderRecord) -> None:
        """Count an order that was open before; what it has filled already does not count."""
        try:
            assets = _assets(self._api.rules(record.symbol))
        except ConfigError:  # rules are loaded with the first order at the latest
            self._untold.append(record)
            return
        except InvalidRequest:  # not listed any more
            assets = Assets("", "", ZERO)
        exposure = self._guard.exposure
        since_ms = self._api.clock.now_ms() // 1000 * 1000  # REST cuts the times of fills to seconds
        exposure.take_in(record, exposure.of(record.symbol, assets), since_ms)

    def _take_untold(self) -> None:
        if self._untold and self._api.rules.age_s is not None:
            untold, self._untold = self._untold, []
            for record in untold:
                if not record.is_final:
                    self._take_in(record)

    def _turn_day(self, now_s: float) -> None:
        """Begin a new day if it is time, by the exchange's clock in UTC."""
        day, passed_ms = divmod(self._api.clock.now_ms(), DAY_MS)
        self._turns_at = now_s + (DAY_MS - passed_ms) / 1000
        if day != self._day:
            self._day = day
            self._guard.exposure.start_day()

    # Books

    def _mid(self, symbol: str) -> Decimal | None:
        book = self._books.in_step(symbol)
        if book is None:
            self._open_book(symbol)
            return None
        return book.mid

    def _open_book(self, symbol: str) -> asyncio.Task[None] | None:
        """What opens the book of a symbol; None if one is open already, or was refused a moment ago."""
        opening = self._opening.get(symbol)
        if opening is None and not self._books.has(symbol) and time.monotonic() >= self._reopen_at.get(symbol, -inf):
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
            self._reopen_at[symbol] = time.monotonic() + REOPEN_S
            self._guard.lacking[symbol] = f"cannot be opened ({error.message})"
            logger.warning("the guard has no book of %s: %s", symbol, error)
        else:
            self._guard.lacking.pop(symbol, None)


class Guarded:
    """The guard as `mexc.orders` offers it."""

    def __init__(self, guard: OrderGuard) -> None:
        self._guard = guard

    def limits(self, **changes: Unpack[GuardSettings]) -> GuardLimits:
        """Set limits that every order of this client is held against before it is sent; none is set at first.

        What is given is changed, the others stay; None takes a limit away. An order that breaks one raises
        GuardRefused, cancels always pass. What is at stake is counted from the first call on.

            mexc.orders.limits(max_order_notional=Decimal(500), collar=Decimal("0.02"), round="down")

        Returns the limits then in force; `GuardLimits` says what each means. Raises ConfigError.
        """
        return self._guard.limit(changes)

    def halt(self, reason: str = "") -> None:
        """Place nothing from now on, until `resume`: every order raises GuardRefused, also those still in line.

        Open orders stay, and can be cancelled (`cancel_all`).
        """
        desk = self._guard.desk
        desk.halted = str(reason) or "no reason was given"
        desk.api.kept_paths = PLACING
        logger.warning("trading is halted: %s", desk.halted)

    def resume(self) -> None:
        """Trade again after `halt`."""
        desk = self._guard.desk
        desk.halted = None
        if desk.guard is None:
            desk.api.kept_paths = frozenset()

    @property
    def halted(self) -> str | None:
        """Why nothing may be placed; None while trading goes on."""
        return self._guard.desk.halted

    def exposure(self) -> ExposureReport:
        """What this client's orders put at stake, counted from the first `limits` on."""
        return self._guard.report()


def _assets(rules: SymbolRules) -> Assets:
    info = rules.info
    return Assets(info.base, info.quote, max(info.maker_commission, info.taker_commission))
