"""Background market: moving order books and trades on every symbol, generated from a seed.

The same seed gives the same events at the same distances from the start, however often `advance` is called. Only
`advance` moves the market, and it never reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property, lru_cache
from heapq import heapify, heapreplace
from math import exp, inf
from random import Random
from typing import Any

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.matching import Side, opposite
from mexc_async.sim.exchange.symbols import OFFLINE, ONLINE, SymbolFilters

LEVELS = 200
"""Number of levels per side at the start, and the target afterwards."""
GAP_MS = 120
"""Mean time between two events of one symbol."""
_SPREAD = 0.00004
_LEVEL_GAP = 0.00004
_VARIETY = 0.8
"""Spread of the levels' quantities, as the deviation of their logarithms."""
_DRIFT = 0.00006
_MOST_EVENTS = 5000
"""Most events that one `advance` makes. After a longer pause the rest is skipped."""


class _Flow:
    """State of one symbol's generator."""

    __slots__ = ("decimals", "fair", "market", "next_ms", "random", "size", "tick")

    def __init__(self, market: Market, random: Random, start_ms: int) -> None:
        rules = market.rules
        self.market = market
        self.random = random
        self.tick = float(rules.tick)
        self.decimals = rules.quantity_decimals
        self.fair = float(rules.start_price)
        self.size = _size(rules)
        self.next_ms = float(start_ms)


class Liquidity:
    """Generator of orders and trades for every open symbol of an exchange."""

    def __init__(self, exchange: Exchange, symbols: list[str], *, seed: int, now_ms: int, flow: float = 1.0) -> None:
        """Fill the books of `symbols`. `flow` scales the number of events; with 0 the books stay as they are."""
        self._exchange = exchange
        self._gap_ms = GAP_MS / flow if flow > 0 else 0.0
        self._flows: list[tuple[float, int, _Flow]] = []
        """(time of the next event, place in the list of symbols, state): a heap."""
        self.due_ms = inf
        """Time of the next event; infinity without one."""
        for symbol in symbols:
            market = exchange.market(symbol)
            if market.rules.status == OFFLINE:
                continue
            first = _first_levels(market.rules, seed)
            exchange.open_book(market, first.levels, now_ms)
            if self._gap_ms and market.rules.status == ONLINE:
                state = _Flow(market, first.random(), now_ms)
                self._schedule(state)
                self._flows.append((state.next_ms, len(self._flows), state))
        self._sort()

    def advance(self, now_ms: int) -> None:
        """Make every event that is due by `now_ms`, in order of time."""
        for _ in range(_MOST_EVENTS):
            if self.due_ms > now_ms:
                return
            _, place, state = self._flows[0]
            self._step(state, int(state.next_ms))
            self._schedule(state)
            heapreplace(self._flows, (state.next_ms, place, state))
            self.due_ms = self._flows[0][0] // 1
        for _, _, state in self._flows:
            if state.next_ms <= now_ms:
                state.next_ms = float(now_ms)
                self._schedule(state)
        self._sort()

    def pause(self, ms: int) -> None:
        """Delay all coming events by `ms`."""
        for _, _, state in self._flows:
            state.next_ms += ms
        self._sort()

    def move(self, market: Market, price: Decimal) -> None:
        """Set a market's fair price. Its levels follow as they are quoted again."""
        for _, _, state in self._flows:
            if state.market is market:
                state.fair = float(price)

    def _schedule(self, state: _Flow) -> None:
        state.next_ms += state.random.expovariate(1.0) * self._gap_ms

    def _sort(self) -> None:
        self._flows = [(state.next_ms, place, state) for _, place, state in self._flows]
        heapify(self._flows)
        self.due_ms = self._flows[0][0] // 1 if self._flows else inf

    def _step(self, state: _Flow, now_ms: int) -> None:
        chance = state.random.random()
        side: Side = "BUY" if state.random.random() < 0.5 else "SELL"
        if chance < 0.55:
            self._requote(state, side, now_ms)
        elif chance < 0.85:
            self._trade(state, side, now_ms)
        else:
            self._drift(state, now_ms)

    def _requote(self, state: _Flow, side: Side, now_ms: int) -> None:
        """Change, add or remove a level, mostly near the top, and hold the number of levels near its target."""
        market, random = state.market, state.random
        rank = int(random.expovariate(1 / 12))
        distance = _half_spread(state) + rank * _gap(state)
        price = _price(state, side, distance)
        house = market.house(side)
        if price is None:
            return
        removed = price in house and random.random() < 0.35
        self._exchange.quote(market, side, price, Decimal(0) if removed else _quantity(state, rank), now_ms)
        if len(house) > LEVELS * 1.2:
            worst = min(house) if side == "BUY" else max(house)
            self._exchange.quote(market, side, worst, Decimal(0), now_ms)
        elif len(house) < LEVELS * 0.8:
            far = _price(state, side, _half_spread(state) + LEVELS * random.random() * _gap(state))
            if far is not None and far not in house:
                self._exchange.quote(market, side, far, _quantity(state, LEVELS), now_ms)

    def _trade(self, state: _Flow, side: Side, now_ms: int) -> None:
        """Take liquidity, a few levels at most."""
        top = state.market.top(opposite(side))
        if top is None:
            return
        reach = top[0] * Decimal("0.0003")
        limit = top[0] + reach if side == "BUY" else top[0] - reach
        quantity = _to_quantity(state, state.size * state.random.lognormvariate(0.0, 1.2))
        self._exchange.take(state.market, side, limit, quantity, now_ms)

    def _drift(self, state: _Flow, now_ms: int) -> None:
        """Move the fair price and the best quotes. Users' orders that the price passes are filled."""
        state.fair = max(state.fair * exp(state.random.gauss(0.0, _DRIFT)), state.tick * 20)
        for side in _SIDES:
            price = _price(state, side, _half_spread(state))
            if price is not None:
                self._exchange.quote(state.market, side, price, _quantity(state, 0), now_ms)


class _FirstLevels:
    """Levels of one symbol at the start, drawn at their first use."""

    def __init__(self, rules: SymbolFilters, seed: int) -> None:
        self._rules = rules
        self._seed = seed

    def levels(self, side: Side) -> Mapping[Decimal, Decimal]:
        """Return the quantities by price, the best price first."""
        return self._levels[side]

    def random(self) -> Random:
        """Return the symbol's generator, as it is after the levels."""
        random = Random(0)
        random.setstate(self._drawn[1])
        return random

    @cached_property
    def _levels(self) -> dict[Side, dict[Decimal, Decimal]]:
        price, quantity = -self._rules.price_decimals, -self._rules.quantity_decimals
        return {
            side: {Decimal(ticks).scaleb(price): Decimal(steps).scaleb(quantity) for ticks, steps in levels.items()}
            for side, levels in self._drawn[0].items()
        }

    @cached_property
    def _drawn(self) -> tuple[dict[Side, dict[int, int]], tuple[Any, ...]]:
        """Quantities by price, in steps and ticks, and the state of the generator after them."""
        rules, random = self._rules, _generator(self._rules, self._seed)
        tick, fair, steps = float(rules.tick), float(rules.start_price), 10**rules.quantity_decimals
        size = _size(rules)
        drawn: dict[Side, dict[int, int]] = {"BUY": {}, "SELL": {}}
        for side, levels in drawn.items():
            sign, shift = (-1, 0) if side == "BUY" else (1, 1)
            distance = max(tick * 0.5, fair * _SPREAD * (0.5 + random.random()))
            for rank in range(LEVELS):
                ticks = int((fair + sign * distance) / tick) + shift
                if ticks > 0:
                    levels[ticks] = max(1, round(size * (2 + rank / 10) * random.lognormvariate(0.0, _VARIETY) * steps))
                distance += max(tick, fair * _LEVEL_GAP * random.expovariate(1.0))
        return drawn, random.getstate()


_first_levels = lru_cache(maxsize=64)(_FirstLevels)
"""Programs that start many simulators give most of them one seed."""


def _generator(rules: SymbolFilters, seed: int) -> Random:
    return Random(f"{seed}:{rules.symbol}:flow")


def _size(rules: SymbolFilters) -> float:
    """Return the typical base quantity of a trade."""
    return float(rules.min_value) * 300 / float(rules.start_price)


def _half_spread(state: _Flow) -> float:
    return max(state.tick * 0.5, state.fair * _SPREAD * (0.5 + state.random.random()))


def _gap(state: _Flow) -> float:
    return max(state.tick, state.fair * _LEVEL_GAP * state.random.expovariate(1.0))


def _price(state: _Flow, side: Side, distance: float) -> Decimal | None:
    """Return a price on the tick at `distance` from the fair one, away from the other side; None below zero."""
    price = state.fair - distance if side == "BUY" else state.fair + distance
    ticks = int(price / state.tick) + (0 if side == "BUY" else 1)
    return Decimal(ticks).scaleb(-state.market.rules.price_decimals) if ticks > 0 else None


def _quantity(state: _Flow, rank: int) -> Decimal:
    """Draw the quantity of a level. It grows with the distance from the best price."""
    return _to_quantity(state, state.size * (2 + rank / 10) * state.random.lognormvariate(0.0, _VARIETY))


def _to_quantity(state: _Flow, quantity: float) -> Decimal:
    return Decimal(max(1, round(quantity * 10**state.decimals))).scaleb(-state.decimals)


_SIDES: tuple[Side, Side] = ("BUY", "SELL")
