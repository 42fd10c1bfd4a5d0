"""Rules, fees and clock of a recorded market: inferred from it, or as the exchange gave them at the time."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from mexc_async.sim.exchange.symbols import SymbolFilters
from mexc_async.spot.models import SymbolInfo

VolumeUnit: TypeAlias = Literal["base", "quote"]

_UNBOUNDED = Decimal(10) ** 12
_WIDEST_BAND = Decimal(1)
_MOST_FEE = Decimal("0.1")
_LONGEST_OFFSET_MS = 3_600_000


class BadMarketData(ValueError):
    """Error for unusable facts about a recorded market. The message is one line with the value and the rule."""


class MarketData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts about a recorded market that the recording does not hold. They replace those that it does."""

    symbol: str = ""
    """Bars: their symbol, such as BTCUSDT or BTC-USDT. Without it, a symbol of the simulator in the file's name."""
    volume_in: VolumeUnit = "base"
    """Bars: unit of the column `volume`."""
    exchange_info: tuple[SymbolInfo, ...] = ()
    """Trading rules: the rows of `exchange_info` at the time of the recording. Symbols without a row get the
    simulator's rules, or else the decimals that occur in the recording."""
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    """Fee ratios of the recorded symbols, from 0 to 0.1; None for those of the rules."""
    clock_offset_ms: int | None = None
    """Exchange's time minus yours, in ms: the simulator's clock runs ahead by it. None for 0."""

    def __post_init__(self) -> None:
        if self.volume_in not in ("base", "quote"):
            raise BadMarketData(f"volume_in {self.volume_in!r} is neither base nor quote")
        for name, fee in (("maker_fee", self.maker_fee), ("taker_fee", self.taker_fee)):
            if fee is not None and not (fee.is_finite() and 0 <= fee <= _MOST_FEE):
                raise BadMarketData(f"{name} {fee} is not a ratio from 0 to {_MOST_FEE}")
        if abs(self.clock_offset_ms or 0) > _LONGEST_OFFSET_MS:
            raise BadMarketData(f"clock_offset_ms {self.clock_offset_ms} is more than an hour")

    def over(self, recorded: MarketData) -> MarketData:
        """Return these facts, completed by those that the recording holds."""
        return replace(
            self,
            exchange_info=self.exchange_info or recorded.exchange_info,
            maker_fee=recorded.maker_fee if self.maker_fee is None else self.maker_fee,
            taker_fee=recorded.taker_fee if self.taker_fee is None else self.taker_fee,
            clock_offset_ms=recorded.clock_offset_ms if self.clock_offset_ms is None else self.clock_offset_ms,
        )

    def rules(self, inferred: SymbolFilters) -> SymbolFilters:
        """Return a symbol's rules: its row of `exchange_info`, else those inferred from the recording."""
        row = next((row for row in self.exchange_info if row.symbol == inferred.symbol), None)
        rules = inferred if row is None else _rules_of(row, inferred)
        return replace(
            rules,
            maker_fee=rules.maker_fee if self.maker_fee is None else self.maker_fee,
            taker_fee=rules.taker_fee if self.taker_fee is None else self.taker_fee,
        )


INFERRED = MarketData()
"""No facts but those of the recording."""


def decimals_of(numbers: Iterable[Decimal]) -> int:
    """Return the most decimals that occur; 0 without numbers."""
    return max((_decimals(number) for number in numbers), default=0)


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _rules_of(row: SymbolInfo, inferred: SymbolFilters) -> SymbolFilters:
    """Return the rules of a row of `exchange_info`; a limit that it does not name does not bind."""
    bands = [band for each in row.filters for band in (each.bid_multiplier_up, each.ask_multiplier_down) if band]
    least, most = row.min_notional or Decimal(0), row.max_notional or _UNBOUNDED
    return SymbolFilters(
        symbol=row.symbol,
        base=row.base,
        quote=row.quote,
        full_name=row.full_name or row.base,
        price_decimals=row.quote_precision,
        base_decimals=row.base_precision,
        min_quantity=row.quantity_step or Decimal(0),
        min_value=least,
        max_value=most,
        min_value_market=row.min_notional_market or least,
        max_value_market=row.max_notional_market or most,
        band=max(bands, default=_WIDEST_BAND),
        maker_fee=inferred.maker_fee if row.maker_commission is None else row.maker_commission,
        taker_fee=inferred.taker_fee if row.taker_commission is None else row.taker_commission,
        start_price=inferred.start_price.quantize(Decimal(1).scaleb(-row.quote_precision)),
        order_types=tuple(each.value for each in row.order_types) or inferred.order_types,
        status=inferred.status if row.status is None else row.status.value,
        open_to_api=row.is_spot_trading_allowed is not False,
        trade_sides=row.trade_side_type or 1,
    )


def starting_balances(listed: Iterable[SymbolFilters]) -> dict[str, Decimal]:
    """Return balances to trade these symbols with.

    Every base has the same value, and every quote 100,000 times the least value of an order.
    """
    amounts: dict[str, Decimal] = {}
    symbols = tuple(listed)
    for rules in symbols:
        worth = rules.min_value * 20_000 / rules.start_price
        amounts.setdefault(rules.base, worth.quantize(Decimal("0.01"), rounding=ROUND_DOWN))
    for rules in symbols:
        amounts.setdefault(rules.quote, rules.min_value * 100_000)
    return amounts
