"""Counter of a client's exposure, updated as orders are sent and as news of them comes."""

from __future__ import annotations

from decimal import Decimal

from mexc_async.errors import ConfigError, InvalidRequest
from mexc_async.orders.record import ZERO, OrderRecord
from mexc_async.orders.table import OrderTable
from mexc_async.rest.pipeline import Api
from mexc_async.risk.exposure import Assets, ExposureReport, ProjectedExposure
from mexc_async.risk.pre_trade import PreTradeGuard
from mexc_async.spot.rules import SymbolRules

DAY_MS = 86_400_000
UNKNOWN_FEE_RATE = Decimal("0.002")
"""Fee of a symbol whose fee is unknown: rather too high than zero."""


class ExposureCounter:
    """Exposure of one client's orders, counted from `start` on, with the orders that are open then.

    Earlier fills of those orders do not count.
    """

    def __init__(self, api: Api, table: OrderTable) -> None:
        self.checks = PreTradeGuard()
        """Pre-trade risk limits, and the exposure that they check."""
        self._api = api
        self._monotonic = api.clock.local.monotonic
        self._table = table
        self._is_started = False
        self._without_rules: list[OrderRecord] = []
        """Open orders of symbols whose rules are not loaded yet."""
        self._day = 0
        self._day_ends_at = 0.0

    def start(self) -> None:
        """Count from now on; idempotent."""
        if not self._is_started:
            self._is_started = True
            self.turn_day(self._monotonic())
            for record in self._table.live():
                self._take_in(record)

    def report(self) -> ExposureReport:
        """Return the exposure."""
        self.catch_up()
        return self.checks.exposure.report()

    def opened(self, record: OrderRecord, projected: ProjectedExposure) -> None:
        """Count an order that is about to be sent."""
        exposure = self.checks.exposure
        exposure.open(record, exposure.symbols[record.symbol], projected)
        if self.checks.limits.max_orders_per_s is not None:
            self.checks.sent(self._monotonic())

    def changed(self, record: OrderRecord) -> None:
        """Count the news of an order."""
        if not self._is_started:
            return
        exposure = self.checks.exposure
        seen = exposure.revision_of(record)
        if seen == record.revision:
            return
        if seen is not None:
            now_s = self._monotonic()
            if now_s >= self._day_ends_at:
                self.turn_day(now_s)
            exposure.apply(record, now_s)
        elif not record.is_final and record not in self._without_rules:
            self._take_in(record)

    def _take_in(self, record: OrderRecord) -> None:
        """Count an order that was open before, without its fills so far."""
        try:
            assets = assets_of(self._api.rules(record.symbol))
        except ConfigError:  # rules are loaded with the first order at the latest
            self._without_rules.append(record)
            return
        except InvalidRequest:  # not listed any more
            assets = Assets("", "", ZERO)
        exposure = self.checks.exposure
        since_ms = self._api.clock.now_ms() // 1000 * 1000  # REST cuts the times of fills to seconds
        exposure.take_in(record, exposure.of(record.symbol, assets), since_ms)

    def catch_up(self) -> None:
        """Count the orders that waited for their symbols' rules."""
        if self._without_rules and self._api.rules.age_s is not None:
            waiting, self._without_rules = self._without_rules, []
            for record in waiting:
                if not record.is_final:
                    self._take_in(record)

    def turn_day(self, now_s: float) -> None:
        """Begin a new day if it is time, by the exchange's clock in UTC."""
        day, passed_ms = divmod(self._api.clock.now_ms(), DAY_MS)
        self._day_ends_at = now_s + (DAY_MS - passed_ms) / 1000
        if day != self._day:
            self._day = day
            self.checks.exposure.start_day()


def assets_of(rules: SymbolRules) -> Assets:
    """Return a symbol's assets and the higher of its fees."""
    info = rules.info
    rates = (UNKNOWN_FEE_RATE if rate is None else rate for rate in (info.maker_commission, info.taker_commission))
    return Assets(info.base, info.quote, max(rates))
