"""Symbols of the simulator, with their trading rules as in exchangeInfo."""

from __future__ import annotations

from decimal import Decimal

import msgspec

ALL_TYPES = ("LIMIT", "MARKET", "LIMIT_MAKER")
NO_MARKET = ("LIMIT", "LIMIT_MAKER")

ONLINE, PAUSED, OFFLINE = "1", "2", "3"


class SymbolFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Trading rules of one symbol, and the first price of its simulated market."""

    symbol: str
    base: str
    quote: str
    full_name: str
    price_decimals: int
    base_decimals: int
    """MEXC's baseAssetPrecision."""
    min_quantity: Decimal
    """MEXC's baseSizePrecision: minimum and step of a quantity; 0 to take the step from `base_decimals`."""
    min_value: Decimal
    max_value: Decimal
    min_value_market: Decimal
    max_value_market: Decimal
    band: Decimal
    """Largest distance of a buy above the last price, or of a sell below it, as a ratio."""
    maker_fee: Decimal
    taker_fee: Decimal
    start_price: Decimal
    order_types: tuple[str, ...] = ALL_TYPES
    status: str = ONLINE
    open_to_api: bool = True
    """MEXC's isSpotTradingAllowed."""
    trade_sides: int = 1
    """MEXC's tradeSideType: 1 both, 2 buy only, 3 sell only, 4 closed."""

    @property
    def quantity_decimals(self) -> int:
        """Number of decimals that a quantity may have."""
        if not self.min_quantity:
            return self.base_decimals
        return _decimals(self.min_quantity)

    @property
    def tick(self) -> Decimal:
        """Tick size: the smallest price difference."""
        return Decimal(1).scaleb(-self.price_decimals)

    @property
    def step(self) -> Decimal:
        """Step size: the smallest quantity difference."""
        return Decimal(1).scaleb(-self.quantity_decimals)


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def rules_of(
    base: str,
    quote: str,
    full_name: str,
    start_price: str,
    price_decimals: int,
    min_quantity: str,
    *,
    base_decimals: int | None = None,
    min_value: str = "1",
    max_value: str = "2000000",
    band: str = "0.1",
    maker_fee: str = "0",
    taker_fee: str = "0.0005",
    order_types: tuple[str, ...] = ALL_TYPES,
    status: str = ONLINE,
    open_to_api: bool = True,
) -> SymbolFilters:
    """Build the rules of the symbol `base` + `quote`, with MEXC's usual values as defaults."""
    return SymbolFilters(
        symbol=base + quote,
        base=base,
        quote=quote,
        full_name=full_name,
        price_decimals=price_decimals,
        base_decimals=_decimals(Decimal(min_quantity)) if base_decimals is None else base_decimals,
        min_quantity=Decimal(min_quantity),
        min_value=Decimal(min_value),
        max_value=Decimal(max_value),
        min_value_market=Decimal(min_value),
        max_value_market=Decimal(max_value),
        band=Decimal(band),
        maker_fee=Decimal(maker_fee),
        taker_fee=Decimal(taker_fee),
        start_price=Decimal(start_price),
        order_types=order_types,
        status=status,
        open_to_api=open_to_api,
    )


SEEDED: tuple[SymbolFilters, ...] = (
    rules_of("BTC", "USDT", "Bitcoin", "67250.10", 2, "0.000001", max_value="4000000", band="0.005"),
    rules_of("ETH", "USDT", "Ethereum", "3120.45", 2, "0.00001", max_value="4000000", band="0.05"),
    rules_of("SOL", "USDT", "Solana", "171.62", 2, "0.001"),
    rules_of("XRP", "USDT", "XRP", "0.6214", 4, "0.01"),
    rules_of("DOGE", "USDT", "Dogecoin", "0.16245", 5, "0.1"),
    rules_of("MX", "USDT", "MX Token", "3.1416", 4, "0.01", taker_fee="0"),
    rules_of("ADA", "USDT", "Cardano", "0.4577", 4, "0.01"),
    rules_of("LTC", "USDT", "Litecoin", "84.31", 2, "0.0001"),
    rules_of("PEPE", "USDT", "Pepe", "0.0000117284", 10, "0", base_decimals=2, band="0.2"),
    rules_of("SHIB", "USDT", "Shiba Inu", "0.00002431", 8, "1", band="0.2"),
    rules_of("BTC", "USDC", "Bitcoin", "67248.80", 2, "0.000001", base_decimals=8, band="0.005"),
    rules_of("ETH", "BTC", "Ethereum", "0.046401", 6, "0.0001", min_value="0.00001", max_value="50", band="0.05"),
    rules_of("NOT", "USDT", "Notcoin", "0.007712", 6, "1", order_types=NO_MARKET, band="0.2"),
    rules_of("HEGIC", "USDT", "Hegic", "0.02131", 5, "0.1", open_to_api=False, band="0.2"),
    rules_of("LOKA", "USDT", "League of Kingdoms", "0.1934", 4, "0.01", status=PAUSED, open_to_api=False),
    rules_of("LVN", "USDT", "LeveN", "0.00412", 5, "1", status=OFFLINE, open_to_api=False),
)
"""Thirteen open markets, of which NOTUSDT takes no MARKET orders; HEGICUSDT, closed to the API; two that do not
trade."""
