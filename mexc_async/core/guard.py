"""Holds one order against a pre-trade guard's limits.

Nothing here reads a clock, a book of its own or the symbol's rules: all of that comes in with the order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Context, Decimal
from typing import NoReturn, Protocol, TypeAlias

from mexc_async.core.book import OrderBook
from mexc_async.core.exposure import Exposure, SymbolExposure
from mexc_async.core.guard_limits import GuardLimits
from mexc_async.core.orders import ZERO, OrderRecord
from mexc_async.errors import GuardRefused

STALE_S = 10.0
"""How old the price may be that a position is valued at."""
_EXACT = Context(prec=400)
_RATIO = Context(prec=40)
_SHORT = Context(prec=12)
_ONE, _HUNDRED = Decimal(1), Decimal(100)


Valued: TypeAlias = tuple[Decimal | None, Decimal, Decimal]
"""The price that an order's open rest is valued at, if one is known; its value in quote; its quantity in base."""


class Terms(Protocol):
    """What describes an order."""

    @property
    def symbol(self) -> str:
        """Such as BTCUSDT."""

    @property
    def side(self) -> str:
        """BUY or SELL."""

    @property
    def type(self) -> str:
        """MEXC's order type."""

    @property
    def quantity(self) -> Decimal | None:
        """In base; None for a market order sized in quote."""

    @property
    def quote_order_qty(self) -> Decimal | None:
        """In quote."""

    @property
    def price(self) -> Decimal | None:
        """None for a market order."""


class _Band:
    """What the collar allows by one state of a book."""

    __slots__ = ("book", "high", "low", "mid", "version")

    def __init__(self, book: OrderBook, collar: Decimal | None) -> None:
        self.book = book
        self.version = book.version
        self.mid = self.low = self.high = mid = book.mid
        """None while the book lacks a side."""
        if mid is not None and collar is not None:
            self.low = _EXACT.multiply(mid, _EXACT.subtract(_ONE, collar))
            self.high = _EXACT.multiply(mid, _EXACT.add(_ONE, collar))


class PreTradeGuard:
    """Holds orders against the limits and against what is at stake already."""

    def __init__(self) -> None:
        self.limits = GuardLimits()
        self.exposure = Exposure()
        self.halted: str | None = None
        """Why nothing may be placed; None while trading goes on."""
        self._sent: deque[float] = deque(maxlen=0)
        """When the last orders were let go, as many as may be in a second."""
        self._stale: dict[str, str] = {}
        """By quote asset, a symbol whose position cannot be valued."""
        self.lacking: dict[str, str] = {}
        """By symbol, why no book of it is in step, where that is known."""
        self._values_by: str | None = None
        self._bands: dict[str, _Band] = {}

    def set(self, limits: GuardLimits) -> None:
        """Put limits in force."""
        self.limits = limits
        self._sent = deque(self._sent, limits.max_orders_per_s or 0)
        self._values_by = limits.values_by
        self._bands.clear()

    def check_halt(self) -> None:
        """Raise GuardRefused while trading is halted."""
        if self.halted is not None:
            raise GuardRefused.of("halt", f"trading is halted: {self.halted}")

    def check_symbol(self, order: Terms) -> None:
        """Raise GuardRefused for what may not be traded."""
        symbols = self.limits.symbols
        if symbols is not None and order.symbol not in symbols:
            raise GuardRefused.of("symbols", f"{order.symbol} is not one of {', '.join(sorted(symbols))}")

    def sent(self, now_s: float) -> None:
        """An order that passed was let go."""
        self._sent.append(now_s)

    def value(self, price_of: Callable[[str], Decimal | None], now_s: float) -> None:
        """Value every position anew, by the middle of its book where that is in step."""
        self._stale.clear()
        for one in self.exposure.held():
            price = price_of(one.symbol)
            if price is not None:
                self.exposure.value(one, price, now_s)
            elif now_s - one.marked_s > STALE_S:
                self._stale[one.assets.quote] = one.symbol

    def check(
        self,
        order: Terms,
        one: SymbolExposure,
        book: OrderBook | None,
        now_s: float,
        instead_of: OrderRecord | None = None,
    ) -> Valued:
        """Refuse an order that breaks a limit; otherwise return what it is valued at.

        Args:
            order: the order, its price and quantity rounded already.
            one: its symbol's share of `exposure`.
            book: the live book; None while it is not in step.
            now_s: monotonic.
            instead_of: an order on the same side that goes before this one is placed.

        Raises GuardRefused naming the rule and the numbers.
        """
        self.check_halt()
        limits = self.limits
        self.check_symbol(order)
        self._check_counts(now_s, instead_of)
        is_buy = order.side == "BUY"
        price, quantity = order.price, order.quantity
        band = None if book is None else self._band(order.symbol, book)
        if price is None:
            price = self._market_price(order, is_buy, band)
        else:
            if limits.collar is not None:
                self._hold(order, is_buy, price, band)
            if not is_buy and band is not None and band.mid is not None and price < band.mid:
                best = band.book.best_bid
                price = price if best is None else max(price, best.price)  # that is what it sells at
        if quantity is not None:
            notional = ZERO if price is None else _EXACT.multiply(quantity, price)
        else:
            notional = order.quote_order_qty or ZERO
            quantity = _RATIO.divide(notional, price) if price else ZERO
        if self._values_by is not None:
            self._check_notional(one, is_buy, notional, quantity, instead_of)
        if limits.max_daily_loss is not None:
            self._check_loss(one, is_buy, quantity, instead_of)
        return price, notional, quantity

    def _check_counts(self, now_s: float, instead_of: OrderRecord | None) -> None:
        limits = self.limits
        most = limits.max_open_orders
        if most is not None and (count := self.exposure.open_orders - (instead_of is not None)) >= most:
            raise GuardRefused.of("max_open_orders", f"{count} orders are open or on their way, the limit is {most}")
        most = limits.max_orders_per_s
        if most is not None and len(self._sent) == most and now_s - self._sent[0] < 1.0:
            raise GuardRefused.of("max_orders_per_s", f"{most} orders went in the last second, the limit is {most}")

    def _band(self, symbol: str, book: OrderBook) -> _Band:
        band = self._bands.get(symbol)
        if band is None or band.version != book.version or band.book is not book:
            band = self._bands[symbol] = _Band(book, self.limits.collar)  # several times the cost of finding it again
        return band

    def _market_price(self, order: Terms, is_buy: bool, band: _Band | None) -> Decimal | None:
        """What a market order is valued at, its reach held by the collar: the last ask it takes, or the best bid."""
        limits = self.limits
        is_collared = limits.collar is not None and (band is not None or limits.without_book == "refuse")
        if not is_collared and self._values_by is None:
            return None if band is None else band.mid
        best = None if band is None else band.book.best_ask if is_buy else band.book.best_bid
        if band is None or best is None:
            rule = "collar" if is_collared else self._values_by or ""
            raise GuardRefused.of(rule, f"a market order is judged by the book, and {self._lack(order, band)}")
        wanted = order.quantity
        if wanted is None:  # the most base that the amount can come to inside the collar
            wanted = _RATIO.divide(order.quote_order_qty or ZERO, best.price if is_buy else band.low or best.price)
        taken = band.book.vwap(order.side, wanted)
        worst = best.price if taken.worst is None else taken.worst
        if is_collared:
            if taken.missing:
                more = f"{_text(wanted)} is more than the {_text(taken.quantity)} that {order.symbol}'s book holds"
                raise GuardRefused.of("collar", f"a market order over {more}")
            self._hold(order, is_buy, worst, band)
        return worst if is_buy else best.price

    def _lack(self, order: Terms, band: _Band | None) -> str:
        what = "lacks a side" if band is not None else self.lacking.get(order.symbol, "is not in step")
        return f"the live book of {order.symbol} {what}"

    def _hold(self, order: Terms, is_buy: bool, price: Decimal, band: _Band | None) -> None:
        """Hold a price against the collar."""
        limits = self.limits
        if band is None or band.mid is None or band.high is None or band.low is None:
            if limits.without_book == "refuse":
                raise GuardRefused.of("collar", f"prices are held to the book, and {self._lack(order, band)}")
            return
        if price > band.high:
            if not is_buy and limits.collar_side == "worse":
                return
            where = "above"
        elif price < band.low:
            if is_buy and limits.collar_side == "worse":
                return
            where = "below"
        else:
            return
        off = _SHORT.multiply(_SHORT.divide(_SHORT.subtract(price, band.mid).copy_abs(), band.mid), _HUNDRED)
        what = f"price {price:f}" if order.price is not None else f"the market order reaches {price:f}, which"
        most = _SHORT.multiply(limits.collar or ZERO, _HUNDRED)
        raise GuardRefused.of(
            "collar",
            f"{what} is {off:.2f} % {where} {_text(band.mid)}, the middle of {order.symbol}'s book, "
            f"the limit is {_text(most)} %",
        )

    def _check_notional(
        self, one: SymbolExposure, is_buy: bool, notional: Decimal, quantity: Decimal, instead_of: OrderRecord | None
    ) -> None:
        limits, quote = self.limits, one.assets.quote
        if limits.max_order_notional is not None:
            most = limits.max_order_notional.get(quote) or _lacking("max_order_notional", one)
            if notional > most:
                text = f"the order is worth {_text(notional)} {quote}, the limit is {_text(most)}"
                raise GuardRefused.of("max_order_notional", text)
        by_symbol, in_all = limits.max_symbol_notional, limits.max_total_notional
        if by_symbol is None and in_all is None:
            return
        if instead_of is None:
            before, after = one.notional, one.notional_with(is_buy, notional, quantity)
        else:
            gone, less = self.exposure.rest(instead_of)
            before = one.notional_with(is_buy, gone.copy_negate(), less.copy_negate())
            after = one.notional_with(is_buy, _EXACT.subtract(notional, gone), _EXACT.subtract(quantity, less))
        if after <= before:  # it closes, or stands opposite to more: never refused, so that there is a way back
            return
        if by_symbol is not None:
            most = by_symbol.get(quote) or _lacking("max_symbol_notional", one)
            if after > most:
                text = f"{_text(after)} {quote} would be at stake in {one.symbol}, the limit is {_text(most)}"
                raise GuardRefused.of("max_symbol_notional", text)
        if in_all is not None:
            most = in_all.get(quote) or _lacking("max_total_notional", one)
            others = _EXACT.subtract(self.exposure.notional[quote], one.notional)
            total = _EXACT.add(others, after)
            if total > most:
                text = f"{_text(total)} {quote} would be at stake in all, the limit is {_text(most)}"
                raise GuardRefused.of("max_total_notional", text)

    def _check_loss(self, one: SymbolExposure, is_buy: bool, quantity: Decimal, instead_of: OrderRecord | None) -> None:
        limits, quote = self.limits, one.assets.quote
        assert limits.max_daily_loss is not None
        most = limits.max_daily_loss.get(quote) or _lacking("max_daily_loss", one)
        result = self.exposure.result[quote]
        stale = self._stale.get(quote)
        if stale is None and (result >= 0 or result.copy_abs() < most):
            return
        if quantity and one.closes(is_buy, _EXACT.subtract(quantity, self.exposure.rest(instead_of)[1])):
            return
        if stale is not None:
            text = f"the position in {stale} cannot be valued: its book has not been in step for {STALE_S:g} s"
        else:
            text = f"{_text(result.copy_abs())} {quote} were lost since 0:00 UTC, the limit is {_text(most)}"
        raise GuardRefused.of("max_daily_loss", f"{text}; only orders that close a position may go")


def _lacking(rule: str, one: SymbolExposure) -> NoReturn:
    """Refuse what no amount is set for."""
    raise GuardRefused.of(rule, f"{one.symbol} is quoted in {one.assets.quote}, for which the limit names no amount")


def _text(value: Decimal) -> str:
    """A figure in a message: exact where it is short."""
    return f"{_SHORT.normalize(value):f}"
