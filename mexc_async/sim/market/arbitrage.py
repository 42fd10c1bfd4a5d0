"""Triangular arbitrage on demand: prices of three markets that make a round of three orders profitable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import NamedTuple

import msgspec

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.matching import Side, opposite

_MOST_EDGE = Decimal("0.1")
_SPARE = Decimal("1.05")
"""Factor by which the offered quantities exceed what the round needs."""


class GapRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Request for prices in three markets that make one round of three orders profitable."""

    symbols: tuple[str, str, str] = ("BTCUSDT", "ETHBTC", "ETHUSDT")
    """Symbols in the order of trading. Only the prices of the second market move."""
    edge: Decimal = Decimal("0.005")
    """Profit of a round after taker fees, as a ratio from -0.1 to 0.1; 0 closes the gap."""
    value: Decimal = Decimal(1000)
    """Amount of the first asset that can trade at these prices; above 0."""

    def __post_init__(self) -> None:
        if not (self.edge.is_finite() and abs(self.edge) <= _MOST_EDGE):
            raise ValueError(f"edge {self.edge} is not between -{_MOST_EDGE} and {_MOST_EDGE}")
        if not (self.value.is_finite() and self.value > 0):
            raise ValueError(f"value {self.value} is not above 0")


class GapLeg(msgspec.Struct, frozen=True):
    """One order of the round: a buy at the best ask or a sell at the best bid."""

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    """Least quantity that rests at that price."""


class Gap(msgspec.Struct, frozen=True):
    """An open price gap."""

    start_asset: str
    edge: Decimal
    """Profit of a round after taker fees at the current prices, as a ratio."""
    legs: tuple[GapLeg, ...]


class _Leg(NamedTuple):
    market: Market
    side: Side
    fee: Decimal

    def rate(self, price: Decimal) -> Decimal:
        """Return the amount received for one unit of the asset that is given."""
        return price * (1 - self.fee) if self.side == "SELL" else 1 / (price * (1 + self.fee))

    def price_for(self, rate: Decimal) -> Decimal:
        """Return the price on the tick that gives at least this rate."""
        if self.side == "SELL":
            return (rate / (1 - self.fee)).quantize(self.market.tick, rounding=ROUND_UP)
        return (1 / (rate * (1 + self.fee))).quantize(self.market.tick, rounding=ROUND_DOWN)


def open_gap(
    exchange: Exchange,
    request: GapRequest,
    move: Callable[[Market, Decimal], None],
    now_ms: int,
) -> Gap:
    """Move the second market's prices and provide enough quantity in all three markets.

    `move` sets the price around which a background market quotes. Raises ValueError for symbols that are not listed or
    form no round, for an empty book, and for an edge that no price on the tick can give.
    """
    start_asset, legs = _round(exchange.markets, request.symbols)
    prices = [_best(leg) for leg in legs]
    others = legs[0].rate(prices[0]) * legs[2].rate(prices[2])
    prices[1] = legs[1].price_for((1 + request.edge) / others)
    if prices[1] <= 0:
        raise ValueError(f"{request.symbols[1]} has no price on its tick that gives this edge")
    _clear_before(exchange, legs[1], prices[1], now_ms)
    move(legs[1].market, prices[1])
    amount = request.value
    made = []
    for leg, price in zip(legs, prices, strict=True):
        made.append(_offer(exchange, leg, price, amount, now_ms))
        amount *= leg.rate(price)
    return Gap(start_asset, amount / request.value - 1, tuple(made))


def _round(markets: Mapping[str, Market], symbols: Sequence[str]) -> tuple[str, list[_Leg]]:
    """Return the asset that the round starts and ends with, and its legs. Raises ValueError."""
    for symbol in symbols:
        if symbol not in markets:
            raise ValueError(f"symbol {symbol!r} is not listed")
    first = markets[symbols[0]].rules
    for start in (first.quote, first.base):
        held: str | None = start
        legs = []
        for symbol in symbols:
            market = markets[symbol]
            rules = market.rules
            side: Side = "BUY" if held == rules.quote else "SELL"
            held = {rules.quote: rules.base, rules.base: rules.quote}.get(held or "")
            legs.append(_Leg(market, side, rules.taker_fee))
        if held == start:
            return start, legs
    raise ValueError(f"{', '.join(symbols)} do not form a round")


def _best(leg: _Leg) -> Decimal:
    top = leg.market.top(opposite(leg.side))
    if top is None:
        raise ValueError(f"{leg.market.rules.symbol} has no orders to trade with")
    return top[0]


def _clear_before(exchange: Exchange, leg: _Leg, price: Decimal, now_ms: int) -> None:
    """Withdraw the background market's levels that are better than `price`."""
    side = opposite(leg.side)
    for other in list(leg.market.house(side)):
        if (other < price) if side == "SELL" else (other > price):
            exchange.quote(leg.market, side, other, Decimal(0), now_ms)


def _offer(exchange: Exchange, leg: _Leg, price: Decimal, amount: Decimal, now_ms: int) -> GapLeg:
    """Make the background market rest enough at `price` to trade `amount` of the asset that is given."""
    market, side = leg.market, opposite(leg.side)
    needed = amount if leg.side == "SELL" else amount * leg.rate(price)
    needed = (needed * _SPARE).quantize(market.step, rounding=ROUND_UP)
    own = market.house(side).get(price)
    if own is None or own.quantity < needed:
        exchange.quote(market, side, price, needed, now_ms)
    top = market.top(side)
    return GapLeg(market.rules.symbol, leg.side, price, top[1] if top else needed)
