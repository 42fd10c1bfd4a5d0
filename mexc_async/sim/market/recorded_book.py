"""One symbol's book that follows a recording, while users' orders rest in it and take from it.

The recording says how much rests at each price. It does not say who was first, so users' orders divide a level into
parts: what rests ahead of them, between them and behind them. Recorded trades take the front of the queue, growth joins
its end, and `MarketModels.queue` decides which part a cancel shrinks.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import NamedTuple, TypeAlias

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.market_state import Market, Taken
from mexc_async.sim.exchange.matching import Fill, Half, Match, PriceLevel, RestingOrder, Side, opposite
from mexc_async.sim.exchange.settlement import HOUSE
from mexc_async.sim.market.models import MarketModels

ZERO = Decimal(0)

Coming: TypeAlias = Callable[[str, Side, Decimal], Decimal]
"""Function of symbol, side and price that returns how much the next trades will take from a level."""


class RecordedBook:
    """Book of one symbol. Its changes are published by whoever makes them."""

    def __init__(self, exchange: Exchange, market: Market, models: MarketModels, *, seed: int) -> None:
        self._exchange = exchange
        self._market = market
        self._back_ms = None if isinstance(models.impact, str) else models.impact * 1000
        self._power = {"power": models.queue_power, "proportional": 1.0, "behind": None}[models.queue]
        self._random = Random(f"{seed}:{market.rules.symbol}:queue")
        self._halves: dict[Side, Half] = {"BUY": market.book.bids, "SELL": market.book.asks}
        self._awaiting: dict[tuple[Side, Decimal], tuple[Decimal, Decimal]] = {}
        """Levels that shrank before the trades that shrank them are played: recorded quantity, and that of the trades.
        The difference rests on until then, because a trade takes the front of the queue."""

    def set_level(
        self, side: Side, price: Decimal, quantity: Decimal, now_ms: int, coming: Coming | None = None
    ) -> None:
        """Set the recorded quantity of a level."""
        market = self._market
        if market.taken:
            quantity = self._left(market.taken, side, price, quantity, now_ms)
        half = self._halves[side]
        level = half.levels.get(price)
        if level is None:
            if quantity:
                self._open(half, side, price, quantity, now_ms)
            return
        if len(level.entries) == 1:
            (own,) = level.entries
            if not own.order_id:  # no user's order rests here
                if own.quantity != quantity:
                    half.resize(level, own, quantity)
                    if not quantity:
                        del half.house[price]
                return
        parts, held = _parts(level), ZERO
        drop = parts.quantity - quantity
        if drop > 0 and coming and len(parts.entries) < len(level.entries):
            held = min(drop, coming(market.rules.symbol, side, price))
        if held or self._awaiting:
            self._await((side, price), quantity, held)
        self._resize(half, parts, side, price, quantity + held)

    def clear(self, side: Side, kept: set[Decimal], now_ms: int) -> None:
        """Remove every level on one side but those at the prices in `kept`."""
        recorded = {*self._market.house(side), *(price for at, price in self._market.taken or () if at == side)}
        for price in sorted(recorded - kept):
            self.set_level(side, price, ZERO, now_ms)

    def forget(self) -> None:
        """Restore what users took, with the next message of each level: the recording starts again."""
        self._awaiting.clear()
        if self._market.taken:
            self._market.taken.clear()

    def trade(self, side: Side, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Carry out a recorded trade; `side` is its taker's. It fills users' orders that it reaches in the queue.

        It takes nothing from levels in which no user's order rests: the recording's next message about them does.
        """
        maker_side = opposite(side)
        half = self._halves[maker_side]
        plan = _reached(half, maker_side, price, quantity) if half.users else Match([], [], False, quantity)
        if plan.fills:
            self._exchange.execute(self._market, None, None, plan, now_ms, side)
        if plan.left:
            self._exchange.print_trade(self._market, price, plan.left, side, now_ms)
        if self._awaiting:
            self._settle(half, maker_side, price, quantity)

    def _await(self, at: tuple[Side, Decimal], quantity: Decimal, held: Decimal) -> None:
        if held:
            self._awaiting[at] = quantity, held
        else:
            self._awaiting.pop(at, None)

    def _settle(self, half: Half, side: Side, price: Decimal, traded: Decimal) -> None:
        """Shrink a level that awaited this trade to its recorded quantity."""
        awaiting = self._awaiting.pop((side, price), None)
        level = half.levels.get(price)
        if awaiting is None or level is None:
            return
        quantity, held = awaiting[0], max(ZERO, awaiting[1] - traded)
        self._await((side, price), quantity, held)
        parts = _parts(level)
        if parts.quantity > quantity + held:
            self._resize(half, parts, side, price, quantity + held)

    def _left(
        self, taken: dict[tuple[Side, Decimal], Taken], side: Side, price: Decimal, quantity: Decimal, now_ms: int
    ) -> Decimal:
        """Return what is left of a recorded quantity after what users took, and forget what has come back."""
        found = taken.get((side, price))
        if found is None:
            return quantity
        if not quantity or (self._back_ms is not None and now_ms >= found.time_ms + self._back_ms):
            del taken[side, price]
            return quantity
        if found.quantity > quantity:
            taken[side, price] = found._replace(quantity=quantity)
            return ZERO
        return quantity - found.quantity

    def _open(self, half: Half, side: Side, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Add a level. Users' orders that it crosses are filled; recorded levels that it crosses are withdrawn."""
        market, book = self._market, self._market.book
        if book.crosses(side, price):
            self._withdraw_crossed(opposite(side), price)
            plan = book.plan(side, price, quantity)
            if plan.fills:
                self._exchange.execute(market, None, None, plan, now_ms, side)
                market.take_away(side, price, quantity - plan.left, now_ms)
                quantity = plan.left
        if quantity:
            self._join(half, side, price, quantity)

    def _withdraw_crossed(self, side: Side, limit: Decimal) -> None:
        half, house = self._halves[side], self._market.house(side)
        for price in list(half.prices()):
            if not half.reaches(price, limit):
                return
            for entry in [entry for entry in half.levels[price].entries if not entry.order_id]:
                half.reduce(entry, entry.quantity)
            house.pop(price, None)
            self._awaiting.pop((side, price), None)

    def _join(self, half: Half, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Queue recorded quantity behind everything at its price."""
        entry = self._market.house(side)[price] = RestingOrder(HOUSE, "", side, price, quantity)
        half.add(entry)

    def _resize(self, half: Half, parts: _Parts, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Set the recorded quantity of a level among users' orders: it grows at its end, and shrinks by cancels."""
        growth = quantity - parts.quantity
        if not growth:
            return
        if growth > 0:
            if parts.last.order_id:
                self._join(half, side, price, growth)
            else:
                half.reduce(parts.last, -growth)
            return
        self._cancel(half, parts.entries, -growth)
        house = self._market.house(side)
        remaining = [part for part in parts.entries if part.quantity]
        if remaining:
            house[price] = remaining[-1]
        else:
            house.pop(price, None)

    def _cancel(self, half: Half, parts: list[RestingOrder], quantity: Decimal) -> None:
        """Cancel a quantity from the parts of a queue, which are given from its front to its end."""
        while quantity:
            part = self._chosen(parts)
            parts = [each for each in parts if each is not part]
            gone = min(part.quantity, quantity)
            quantity -= gone
            half.reduce(part, gone)

    def _chosen(self, parts: list[RestingOrder]) -> RestingOrder:
        """Draw the part of a queue that a cancel shrinks."""
        if self._power is None or len(parts) == 1:
            return parts[-1]
        most = max(part.quantity for part in parts)
        weights = [float(part.quantity / most) ** self._power for part in parts]
        return self._random.choices(parts, weights)[0]


class _Parts(NamedTuple):
    """Recorded quantity of one level: the parts ahead of, between and behind the users' orders."""

    entries: list[RestingOrder]
    """The parts, front first."""
    quantity: Decimal
    last: RestingOrder
    """The end of the queue: a part, or a user's order."""


def _parts(level: PriceLevel) -> _Parts:
    entries, quantity = [], ZERO
    for entry in level.entries:
        if not entry.order_id:
            entries.append(entry)
            quantity += entry.quantity
    return _Parts(entries, quantity, next(reversed(level.entries)))


def _reached(half: Half, side: Side, limit: Decimal, quantity: Decimal) -> Match:
    """Plan a trade against users' orders within `limit`, and against what rests before them at their prices."""
    reached: dict[Decimal, RestingOrder] = {}
    for user in half.users:
        if half.reaches(user.price, limit):
            reached[user.price] = user  # the last user's order at its price
    fills: list[Fill] = []
    for price in sorted(reached, reverse=side == "BUY"):
        for entry in half.levels[price].entries:
            traded = min(quantity, entry.quantity)
            if not traded:
                break
            fills.append(Fill(entry, price, traded))
            quantity -= traded
            if entry is reached[price]:
                break
    return Match(fills, [], False, quantity)
