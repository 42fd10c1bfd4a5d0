"""Pre-trade check of one order against the risk limits.

Nothing here reads a clock, a book of its own or the symbol's rules: all of that comes in with the order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Context, Decimal
from typing import NoReturn

from mexc_async.books.book import OrderBook
from mexc_async.errors import GuardRefused
from mexc_async.orders.record import ZERO, OrderRecord
from mexc_async.risk.exposure import Exposure, ProjectedExposure, SymbolExposure
from mexc_async.risk.risk_limits import GuardLimits
from mexc_async.spot.trading import NewOrder

STALE_S = 10.0
"""Greatest age of the price at which a position is valued."""
VALUES = ("max_order_notional", "max_symbol_notional", "max_total_notional")
"""Limits that need an order's value."""
INFINITE = Decimal("Infinity")
_EXACT = Context(prec=400)
_RATIO = Context(prec=40)
_SHORT = Context(prec=12)
_ONE, _HUNDRED = Decimal(1), Decimal(100)


class _Bounds:
    """Limits as amounts for one symbol, and the prices that the collar allows by the present book."""

    __slots__ = (
        "book", "floor", "high", "lacks", "low", "mid",
        "order_notional", "symbol_notional", "total_notional", "version",
    )  # fmt: skip

    def __init__(self, limits: GuardLimits, quote: str) -> None:
        self.lacks: str | None = None
        """Name of a limit without an amount for the quote asset."""
        self.order_notional, self.symbol_notional, self.total_notional, loss = (
            self._amount(name, getattr(limits, name), quote) for name in (*VALUES, "max_daily_loss")
        )
        self.floor = loss.copy_negate()
        """Result of the day below which only closing orders pass."""
        self.book: OrderBook | None = None
        self.version = 0
        self.mid: Decimal | None = None
        """Middle of the book; None while it lacks a side."""
        self.low, self.high = INFINITE, INFINITE.copy_negate()

    def _amount(self, name: str, amounts: dict[str, Decimal] | None, quote: str) -> Decimal:
        if amounts is None:
            return INFINITE
        if quote not in amounts:
            self.lacks = self.lacks or name
        return amounts.get(quote, ZERO)

    def follow(self, book: OrderBook, collar: Decimal | None) -> None:
        """Recompute the allowed prices after a change of the book."""
        self.book, self.version = book, book.version
        self.mid = mid = book.mid
        self.low, self.high = INFINITE, INFINITE.copy_negate()
        if mid is not None and collar is not None:
            self.low = _EXACT.multiply(mid, _EXACT.subtract(_ONE, collar))
            self.high = _EXACT.multiply(mid, _EXACT.add(_ONE, collar))


class PreTradeGuard:
    """Check of orders against the limits and the present exposure."""

    def __init__(self) -> None:
        self.limits = GuardLimits()
        self.exposure = Exposure()
        self.lacking: dict[str, str] = {}
        """Reason why a symbol's book is out of sync, where known."""
        self._sent: deque[float] = deque(maxlen=0)
        """Times of the last orders sent, as many as are allowed in a second."""
        self._stale: dict[str, str] = {}
        """By quote asset, a symbol whose position cannot be valued."""
        self._values_by: str | None = None
        self._counts = False
        """True if a limit counts orders, open ones or those of a second."""
        self._bounds: dict[str, _Bounds] = {}

    def set(self, limits: GuardLimits) -> None:
        """Put limits in force."""
        self.limits = limits
        self._sent = deque(self._sent, limits.max_orders_per_s or 0)
        self._values_by = next((name for name in VALUES if getattr(limits, name) is not None), None)
        self._counts = limits.max_open_orders is not None or limits.max_orders_per_s is not None
        self._bounds.clear()

    def check_symbol(self, order: NewOrder) -> None:
        """Raise GuardRefused for a symbol that may not be traded."""
        symbols = self.limits.symbols
        if symbols is not None and order.symbol not in symbols:
            raise GuardRefused.of("symbols", f"{order.symbol} is not one of {', '.join(sorted(symbols))}")

    def sent(self, now_s: float) -> None:
        """Count an order that passed and is sent."""
        self._sent.append(now_s)

    def value(self, price_of: Callable[[str], Decimal | None], now_s: float) -> None:
        """Revalue every position, at the middle of its book if that is in sync."""
        self._stale.clear()
        for one in self.exposure.held():
            price = price_of(one.symbol)
            if price is not None:
                self.exposure.value(one, price, now_s)
            elif now_s - one.marked_s > STALE_S:
                self._stale[one.assets.quote] = one.symbol

    def check(
        self,
        order: NewOrder,
        one: SymbolExposure,
        book: OrderBook | None,
        now_s: float,
        instead_of: OrderRecord | None = None,
    ) -> ProjectedExposure:
        """Refuse an order that breaks a limit; otherwise return its exposure, to be counted at once.

        Args:
            order: the order, its price and quantity rounded already.
            one: its symbol's share of `exposure`.
            book: the live book; None while it is out of sync.
            now_s: monotonic.
            instead_of: an order on the same side that goes before this one is placed.

        Raises GuardRefused naming the rule and the numbers.
        """
        limits, symbol = self.limits, order.symbol
        if limits.symbols is not None and symbol not in limits.symbols:
            self.check_symbol(order)
        if self._counts:
            self._check_counts(now_s, instead_of)
        bounds = self._bounds.get(symbol)
        if bounds is None:
            bounds = self._bounds[symbol] = _Bounds(limits, one.assets.quote)
        if book is not None and (bounds.version != book.version or bounds.book is not book):
            bounds.follow(book, limits.collar)
        is_buy = order.side == "BUY"
        price, quantity = order.price, order.quantity
        if price is None:
            price = self._market_price(order, is_buy, book, bounds)
        else:
            if limits.collar is not None and (book is None or not bounds.low <= price <= bounds.high):
                self._hold(order, is_buy, price, book, bounds)
            if not is_buy and book is not None and bounds.mid is not None and price < bounds.mid:
                best = book.best_bid
                price = price if best is None else max(price, best.price)  # a sell trades at that price or better
        if quantity is not None:
            notional = ZERO if price is None else _EXACT.multiply(quantity, price)
        else:
            notional = order.quote_order_qty or ZERO
            quantity = _RATIO.divide(notional, price) if price else ZERO
        projected = self.exposure.projected(one, is_buy, price, notional, quantity)
        if bounds.lacks is not None:
            _refuse_unnamed(bounds.lacks, one)
        if (
            notional > bounds.order_notional
            or projected.symbol_notional > bounds.symbol_notional
            or projected.total_notional > bounds.total_notional
        ):
            self._check_values(one, is_buy, projected, bounds, instead_of)
        if one.sum.result <= bounds.floor or self._stale:
            self._check_loss(one, is_buy, quantity, bounds, instead_of)
        return projected

    def _check_counts(self, now_s: float, instead_of: OrderRecord | None) -> None:
        limits = self.limits
        most = limits.max_open_orders
        if most is not None and (count := self.exposure.open_orders - (instead_of is not None)) >= most:
            raise GuardRefused.of("max_open_orders", f"{count} orders are open or on their way, the limit is {most}")
        most = limits.max_orders_per_s
        if most is not None and len(self._sent) == most and now_s - self._sent[0] < 1.0:
            raise GuardRefused.of(
                "max_orders_per_s", f"{most} orders were sent in the last second, the limit is {most}"
            )

    def _market_price(self, order: NewOrder, is_buy: bool, book: OrderBook | None, bounds: _Bounds) -> Decimal | None:
        """Return the price that values a market order within the collar: its last ask, or the best bid."""
        limits = self.limits
        is_collared = limits.collar is not None and (book is not None or limits.without_book == "refuse")
        if not is_collared and self._values_by is None:
            return None if book is None else bounds.mid
        best = None if book is None else book.best_ask if is_buy else book.best_bid
        if book is None or best is None:
            rule = "collar" if is_collared else self._values_by or ""
            raise GuardRefused.of(rule, f"a market order is checked against the book, and {self._lack(order, book)}")
        wanted = order.quantity
        if wanted is None:  # the most base that the amount can buy inside the collar
            is_bounded = not is_buy and bounds.low.is_finite()
            wanted = _RATIO.divide(order.quote_order_qty or ZERO, bounds.low if is_bounded else best.price)
        taken = book.vwap(order.side, wanted)
        worst = best.price if taken.worst is None else taken.worst
        if is_collared:
            if taken.missing:
                more = f"{_text(wanted)} is more than the {_text(taken.quantity)} that {order.symbol}'s book holds"
                raise GuardRefused.of("collar", f"a market order over {more}")
            self._hold(order, is_buy, worst, book, bounds)
        return worst if is_buy else best.price

    def _lack(self, order: NewOrder, book: OrderBook | None) -> str:
        what = "lacks a side" if book is not None else self.lacking.get(order.symbol, "is out of sync")
        return f"the live book of {order.symbol} {what}"

    def _hold(self, order: NewOrder, is_buy: bool, price: Decimal, book: OrderBook | None, bounds: _Bounds) -> None:
        """Check a price against the collar."""
        limits, mid = self.limits, bounds.mid
        if book is None or mid is None:
            if limits.without_book == "refuse":
                raise GuardRefused.of("collar", f"prices are checked against the book, and {self._lack(order, book)}")
            return
        is_above, is_both = price > bounds.high, limits.collar_side == "both"
        if is_above and (is_buy or is_both):
            where = "above"
        elif price < bounds.low and (not is_buy or is_both):
            where = "below"
        else:
            return
        off = _SHORT.multiply(_SHORT.divide(_SHORT.subtract(price, mid).copy_abs(), mid), _HUNDRED)
        what = f"price {price:f}" if order.price is not None else f"the market order reaches {price:f}, which"
        most = _SHORT.multiply(limits.collar or ZERO, _HUNDRED)
        raise GuardRefused.of(
            "collar",
            f"{what} is {off:.2f} % {where} {_text(mid)}, the middle of {order.symbol}'s book, "
            f"the limit is {_text(most)} %",
        )

    def _check_values(
        self,
        one: SymbolExposure,
        is_buy: bool,
        projected: ProjectedExposure,
        bounds: _Bounds,
        instead_of: OrderRecord | None,
    ) -> None:
        """Refuse an order above a value limit, unless it does not raise the exposure."""
        quote = one.assets.quote
        if projected.notional > bounds.order_notional:
            worth, most = _text(projected.notional), _text(bounds.order_notional)
            text = f"the order is worth {worth} {quote}, the limit is {most}"
            raise GuardRefused.of("max_order_notional", text)
        before, after, total = one.notional, projected.symbol_notional, projected.total_notional
        if instead_of is not None:
            gone, less = self.exposure.rest(instead_of)
            _, _, before = one.with_one_more(is_buy, gone.copy_negate(), less.copy_negate())
            more, longer = _EXACT.subtract(projected.notional, gone), _EXACT.subtract(projected.quantity, less)
            _, _, after = one.with_one_more(is_buy, more, longer)
            total = _EXACT.add(_EXACT.subtract(one.sum.notional, one.notional), after)
        if after <= before:  # it closes, or stands opposite to more: never refused, so that there is a way back
            return
        if after > bounds.symbol_notional:
            most = _text(bounds.symbol_notional)
            text = f"the exposure in {one.symbol} would be {_text(after)} {quote}, the limit is {most}"
            raise GuardRefused.of("max_symbol_notional", text)
        if total > bounds.total_notional:
            text = f"the total exposure would be {_text(total)} {quote}, the limit is {_text(bounds.total_notional)}"
            raise GuardRefused.of("max_total_notional", text)

    def _check_loss(
        self, one: SymbolExposure, is_buy: bool, quantity: Decimal, bounds: _Bounds, instead_of: OrderRecord | None
    ) -> None:
        """Refuse an order that does not close a position, after too great a daily loss or without a valuation."""
        quote, result = one.assets.quote, one.sum.result
        stale = self._stale.get(quote) if self.limits.max_daily_loss is not None else None
        if stale is None and result > bounds.floor:
            return
        if quantity and one.closes(is_buy, _EXACT.subtract(quantity, self.exposure.rest(instead_of)[1])):
            return
        if stale is not None:
            text = f"the position in {stale} cannot be valued: its book has been out of sync for {STALE_S:g} s"
        else:
            most = _text(bounds.floor.copy_abs())
            text = f"{_text(result.copy_abs())} {quote} lost since 0:00 UTC, the limit is {most}"
        raise GuardRefused.of("max_daily_loss", f"{text}; only orders that close a position pass")


def _refuse_unnamed(rule: str, one: SymbolExposure) -> NoReturn:
    """Refuse an order whose quote asset has no amount in the limit."""
    raise GuardRefused.of(rule, f"{one.symbol} is quoted in {one.assets.quote}, for which the limit names no amount")


def _text(value: Decimal) -> str:
    """Format a figure for a message: exact where it is short."""
    return f"{_SHORT.normalize(value):f}"
