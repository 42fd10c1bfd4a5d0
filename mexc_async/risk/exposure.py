"""Exposure of a client's orders: open orders, net positions, and the result of the day.

Order records come in; of each, only the difference from the last time is applied, so that repeated reports in any order
do no harm. Sums of open orders are exact: with every order final they are zero, not nearly zero. Amounts of different
quote assets are never added. Nothing here reads a clock; "now" comes in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Context, Decimal
from itertools import islice
from math import inf

from msgspec import Struct

from mexc_async.orders.record import NO_FILLS, ZERO, OrderFill, OrderRecord
from mexc_async.runtime.recent import Parts

MAX_FINISHED = 10_000
"""Finished orders whose late fills still count; as many as the order table holds."""
_EXACT = Context(prec=400)  # products of 40 digits each, added over every scale that an amount may have
_RATIO = Context(prec=40)
# Operators, `-x` and `abs(x)` among them, would round to whatever precision the caller works with.
_add, _subtract, _multiply, _divide = _EXACT.add, _EXACT.subtract, _EXACT.multiply, _RATIO.divide


class Assets(Struct, frozen=True, gc=False):
    """Assets that a symbol trades."""

    base: str
    quote: str
    fee_rate: Decimal
    """The symbol's full fee, as a ratio: the rate at which a fee paid in a third asset counts."""


class SymbolExposureReport(Struct, frozen=True):
    """Exposure of one symbol in an `ExposureReport`."""

    symbol: str
    quote: str
    """Quote asset, in which the amounts are."""
    open_orders: int
    """Orders that are not final, including those on their way and those with unknown outcome."""
    open_buys: Decimal
    """Rest of open buys, in quote at their prices."""
    open_sells: Decimal
    """Rest of open sells, in quote at their prices."""
    position: Decimal
    """Bought minus sold, in base; negative after selling earlier holdings."""
    cost: Decimal
    """Cost of the position by average price, in quote; negative for a sold one."""
    notional: Decimal
    """Exposure: the most that can be at risk, in quote."""
    result: Decimal
    """Result of the UTC day, realised and unrealised, after fees, in quote; negative for a loss."""


class ExposureReport(Struct, frozen=True):
    """Exposure of a client's orders, since the guard began to count."""

    open_orders: int
    """Orders that are not final, including those on their way and those with unknown outcome."""
    notional: dict[str, Decimal]
    """Exposure: the most that can be at risk, by quote asset."""
    result: dict[str, Decimal]
    """Result of the UTC day, realised and unrealised, after fees, by quote asset; negative for a loss."""
    symbols: dict[str, SymbolExposureReport]
    refused: dict[str, int] = {}
    """Orders that the guard refused, by rule, such as `max_order_notional`."""


class QuoteSum:
    """Sums over the symbols of one quote asset."""

    __slots__ = ("notional", "result")

    def __init__(self) -> None:
        self.notional = ZERO
        """Sum of the symbols' `notional`."""
        self.result = ZERO
        """Sum of the symbols' `result`."""


class SymbolExposure:
    """Exposure in one symbol."""

    __slots__ = (
        "assets", "buy_quantity", "cash", "cost", "day_base", "held", "mark", "marked_s", "notional", "open_buys",
        "open_orders", "open_sells", "position", "result", "sell_quantity", "sum", "symbol",
    )  # fmt: skip

    def __init__(self, symbol: str, assets: Assets, sum: QuoteSum) -> None:
        self.symbol = symbol
        self.assets = assets
        self.sum = sum
        self.open_orders = 0
        """Orders that are not final, including those on their way and those with unknown outcome."""
        self.open_buys = ZERO
        """Rest of open buys, in quote at their prices."""
        self.buy_quantity = ZERO
        """Rest of open buys, in base."""
        self.open_sells = ZERO
        self.sell_quantity = ZERO
        self.position = ZERO
        """Bought minus sold, in base; negative after selling earlier holdings."""
        self.cost = ZERO
        """Cost of the position by average price, in quote; negative for a sold one."""
        self.cash = ZERO
        """Quote received minus quote paid, after fees."""
        self.day_base = ZERO
        """`cash` and `cost` when the day began."""
        self.mark: Decimal | None = None
        """Price at which the position is valued."""
        self.marked_s = -inf
        """Time of that price, monotonic."""
        self.held = ZERO
        """Value of the position at that price."""
        self.notional = ZERO
        """Present value of `worst_case`."""
        self.result = ZERO
        """Result of the day, realised and unrealised, in quote."""

    def worst_case(self, buys: Decimal, bought: Decimal, sells: Decimal, sold: Decimal) -> Decimal:
        """Return the exposure, in quote, with these open orders: notional and quantity of buys, and of sells.

        The greater of two: the position at cost if every open buy fills and no sell, or if every sell fills and no buy.
        Orders that only close a position add nothing.
        """
        position = self.position
        if not position:
            return buys if buys > sells else sells
        if position > 0:
            long, short = _add(self.cost, buys), _beyond(sells, sold, position)
        else:
            long, short = _beyond(buys, bought, position.copy_abs()), _subtract(sells, self.cost)
        return max(long, short, ZERO)

    def with_one_more(self, is_buy: bool, notional: Decimal, quantity: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Return its side's open notional and quantity with one more order (negative: one less), and `worst_case`."""
        if is_buy:
            open_notional, open_quantity = _add(self.open_buys, notional), _add(self.buy_quantity, quantity)
            worst_case = self.worst_case(open_notional, open_quantity, self.open_sells, self.sell_quantity)
        else:
            open_notional, open_quantity = _add(self.open_sells, notional), _add(self.sell_quantity, quantity)
            worst_case = self.worst_case(self.open_buys, self.buy_quantity, open_notional, open_quantity)
        return open_notional, open_quantity, worst_case

    def closes(self, is_buy: bool, quantity: Decimal) -> bool:
        """Return True if an order, with those open on its side, only reduces the position."""
        if is_buy:
            return _add(_add(self.buy_quantity, quantity), self.position) <= 0
        return _add(self.sell_quantity, quantity) <= self.position

    def fill(self, is_buy: bool, quantity: Decimal, value: Decimal) -> None:
        """Update the position and its cost. A quantity of zero corrects the value of earlier fills."""
        self.cash = _subtract(self.cash, value) if is_buy else _add(self.cash, value)
        position = self.position
        if not position or (position > 0) is is_buy:
            if position or quantity:
                self.cost = _add(self.cost, value) if is_buy else _subtract(self.cost, value)
        elif quantity < (size := position.copy_abs()):
            self.cost = _RATIO.subtract(self.cost, _divide(_multiply(self.cost, quantity), size))
        else:
            over = _divide(_multiply(value, _subtract(quantity, size)), quantity)
            self.cost = over if is_buy else over.copy_negate()
        self.position = _add(position, quantity) if is_buy else _subtract(position, quantity)

    def charge(self, fee: Decimal, asset: str, value: Decimal) -> None:
        """Subtract the fee of a fill of this value."""
        if asset == self.assets.quote:
            self.cash = _subtract(self.cash, fee)
        elif asset == self.assets.base:
            self.position = _subtract(self.position, fee)
        else:  # such as MX, at a discount: its price is not known here, the full fee is the most that it can be worth
            self.cash = _subtract(self.cash, _multiply(value, self.assets.fee_rate))


def _beyond(notional: Decimal, quantity: Decimal, closing: Decimal) -> Decimal:
    """Return the notional of orders beyond the first `closing` of their quantity, at their average price."""
    if quantity <= closing:
        return ZERO
    return _divide(_multiply(notional, _subtract(quantity, closing)), quantity)


class ProjectedExposure(Struct, gc=False):
    """Exposure of one more order, by itself and with the existing orders."""

    price: Decimal | None
    """Price at which its open rest is valued, if known."""
    notional: Decimal
    """Its own value, in quote."""
    quantity: Decimal
    """In base; 0 while unknown."""
    open_notional: Decimal
    """Notional of all open orders on its side of the symbol."""
    open_quantity: Decimal
    symbol_notional: Decimal
    """Exposure in the symbol."""
    total_notional: Decimal
    """Exposure in all symbols of the quote asset."""


class _Entry(Struct, gc=False):  # there may be thousands: they are no work for the garbage collector
    """Counted part of one order."""

    of: SymbolExposure
    is_buy: bool
    price: Decimal | None
    """Price at which its open rest is valued."""
    notional: Decimal = ZERO
    quantity: Decimal = ZERO
    """Its quantity, with `notional` its value."""
    is_open: bool = True
    revision: int = 0
    filled: Decimal = ZERO
    value: Decimal = ZERO
    """Value of the filled quantity."""
    fills: int = 0
    """Number of fills whose fees were charged."""
    charged: Mapping[str, OrderFill] = NO_FILLS
    """All known fills; the first `fills` of them were charged."""
    since_ms: int = 0
    """Earlier fills are not charged."""

    def value_of(self, record: OrderRecord, filled: Decimal) -> Decimal:
        """Return the value of a filled quantity, in quote; at the order's price while only the quantity is known."""
        return record.filled_quote_quantity or _multiply(filled, self.price or ZERO)

    def rest_of(self, record: OrderRecord) -> tuple[Decimal, Decimal]:
        """Return notional and quantity of the part that can still fill."""
        if record.quantity is not None:
            quantity = max(_subtract(record.quantity, self.filled), ZERO)
            return (_multiply(quantity, self.price) if self.price is not None else ZERO), quantity
        notional = max(_subtract(record.quote_quantity or ZERO, self.value), ZERO)
        return notional, (_divide(notional, self.price) if self.price else ZERO)


class Exposure:
    """Exposure of all orders of a client."""

    def __init__(self, max_finished: int = MAX_FINISHED) -> None:
        self.symbols: dict[str, SymbolExposure] = {}
        self.open_orders = 0
        """Orders that are not final."""
        self.sums: dict[str, QuoteSum] = {}
        """Sums by quote asset."""
        self._open: dict[OrderRecord, _Entry] = {}
        self._ended: Parts[OrderRecord, _Entry] = Parts()
        self._finished: deque[OrderRecord] = deque()
        """Orders in the order of their ends, and some that turned out to be open."""
        self._max_finished = max_finished

    def of(self, symbol: str, assets: Assets) -> SymbolExposure:
        """Return a symbol's exposure; all zero at first."""
        one = self.symbols.get(symbol)
        if one is None:
            total = self.sums.setdefault(assets.quote, QuoteSum())
            one = self.symbols[symbol] = SymbolExposure(symbol, assets, total)
        return one

    def projected(
        self, one: SymbolExposure, is_buy: bool, price: Decimal | None, notional: Decimal, quantity: Decimal
    ) -> ProjectedExposure:
        """Return the exposure with one more order."""
        open_notional, open_quantity, worst_case = one.with_one_more(is_buy, notional, quantity)
        total = one.sum.notional
        if worst_case != one.notional:
            total = _add(_subtract(total, one.notional), worst_case)
        return ProjectedExposure(price, notional, quantity, open_notional, open_quantity, worst_case, total)

    def open(self, record: OrderRecord, one: SymbolExposure, projected: ProjectedExposure) -> None:
        """Count an order that is about to be sent; `projected` was computed in this very moment."""
        is_buy = record.side == "BUY"
        self._open[record] = _Entry(one, is_buy, projected.price, projected.notional, projected.quantity)
        one.open_orders += 1
        self.open_orders += 1
        if is_buy:
            one.open_buys, one.buy_quantity = projected.open_notional, projected.open_quantity
        else:
            one.open_sells, one.sell_quantity = projected.open_notional, projected.open_quantity
        one.notional = projected.symbol_notional
        one.sum.notional = projected.total_notional

    def take_in(self, record: OrderRecord, one: SymbolExposure, since_ms: int) -> None:
        """Count an order that is open already; its fills before `since_ms` do not count."""
        entry = self._open[record] = _Entry(one, record.side == "BUY", record.price)
        entry.since_ms = since_ms
        entry.revision = record.revision
        entry.charged = record.fills_by_id
        entry.fills = len(entry.charged)
        entry.filled = record.filled_quantity
        entry.value = entry.value_of(record, entry.filled)
        one.open_orders += 1
        self.open_orders += 1
        self._set_rest(entry, *entry.rest_of(record))
        self._sum_up_notional(one)

    def revision_of(self, record: OrderRecord) -> int | None:
        """Return the revision of an order that was counted last; None if never, or if it ended long ago."""
        entry = self._entry(record)
        return None if entry is None else entry.revision

    def _entry(self, record: OrderRecord) -> _Entry | None:
        entry = self._open.get(record)
        return self._ended.of(record).get(record) if entry is None else entry

    def apply(self, record: OrderRecord, now_s: float) -> None:
        """Count the news of an order that is counted already."""
        entry = self._entry(record)
        assert entry is not None
        entry.revision = record.revision
        one = entry.of
        is_open = not record.is_final
        filled = record.filled_quantity
        value = entry.value_of(record, filled)
        is_moved = filled != entry.filled or value != entry.value
        if is_moved:
            quantity, worth = _subtract(filled, entry.filled), _subtract(value, entry.value)
            one.fill(entry.is_buy, quantity, worth)
            if quantity:
                one.mark, one.marked_s = _divide(worth, quantity), now_s
            entry.filled, entry.value = filled, value
        fills = record.fills_by_id
        if len(fills) > entry.fills or fills is not entry.charged:
            self._charge(record, entry)
            is_moved = True
        if is_open is not entry.is_open:
            self._count(record, entry, is_open)
        if is_open:
            self._set_rest(entry, *entry.rest_of(record))
        elif entry.notional or entry.quantity:
            self._set_rest(entry, ZERO, ZERO)
        self._sum_up_notional(one)
        if is_moved:
            self._sum_up_result(one)

    def _charge(self, record: OrderRecord, entry: _Entry) -> None:
        fills = record.fills_by_id
        if fills is not entry.charged:  # its first, or those that it had were another order's
            for fill in islice(entry.charged.values(), entry.fills):
                if fill.fee and fill.time >= entry.since_ms:
                    entry.of.charge(fill.fee.copy_negate(), fill.fee_asset, fill.quote_quantity.copy_negate())
            entry.charged, entry.fills = fills, 0
        for fill in islice(fills.values(), entry.fills, None):
            if fill.fee and fill.time >= entry.since_ms:
                entry.of.charge(fill.fee, fill.fee_asset, fill.quote_quantity)
        entry.fills = len(fills)

    def _count(self, record: OrderRecord, entry: _Entry, is_open: bool) -> None:
        """Count an order among the open ones again, or no longer."""
        entry.is_open = is_open
        step = 1 if is_open else -1
        entry.of.open_orders += step
        self.open_orders += step
        if is_open:  # an order taken for refused may turn out to be open
            self._open[record] = self._ended.of(record).pop(record)
            return
        self._ended.of(record)[record] = self._open.pop(record)
        self._finished.append(record)
        if len(self._finished) > self._max_finished:
            oldest = self._finished.popleft()
            self._ended.of(oldest).pop(oldest, None)

    def _set_rest(self, entry: _Entry, notional: Decimal, quantity: Decimal) -> None:
        one = entry.of
        more, longer = _subtract(notional, entry.notional), _subtract(quantity, entry.quantity)
        if entry.is_buy:
            one.open_buys, one.buy_quantity = _add(one.open_buys, more), _add(one.buy_quantity, longer)
        else:
            one.open_sells, one.sell_quantity = _add(one.open_sells, more), _add(one.sell_quantity, longer)
        entry.notional, entry.quantity = notional, quantity

    def _sum_up_notional(self, one: SymbolExposure) -> None:
        """Update the sum over all symbols with one of them."""
        notional = one.worst_case(one.open_buys, one.buy_quantity, one.open_sells, one.sell_quantity)
        if notional != one.notional:
            one.sum.notional = _add(one.sum.notional, _subtract(notional, one.notional))
            one.notional = notional

    def _sum_up_result(self, one: SymbolExposure) -> None:
        one.held = _multiply(one.position, one.mark) if one.mark is not None else one.cost
        result = _subtract(_add(one.cash, one.held), one.day_base)
        if result != one.result:
            one.sum.result = _add(one.sum.result, _subtract(result, one.result))
            one.result = result

    def rest(self, record: OrderRecord | None) -> tuple[Decimal, Decimal]:
        """Return notional and quantity that an order counts as open."""
        entry = None if record is None else self._entry(record)
        return (ZERO, ZERO) if entry is None else (entry.notional, entry.quantity)

    def value(self, one: SymbolExposure, mark: Decimal, now_s: float) -> None:
        """Value a position at a current price."""
        one.marked_s = now_s
        if mark != one.mark:
            one.mark = mark
            self._sum_up_result(one)

    def held(self) -> list[SymbolExposure]:
        """Return the symbols with a position."""
        return [one for one in self.symbols.values() if one.position]

    def report(self) -> ExposureReport:
        """Return the present exposure."""
        symbols = {
            name: SymbolExposureReport(
                symbol=name,
                quote=one.assets.quote,
                open_orders=one.open_orders,
                open_buys=one.open_buys,
                open_sells=one.open_sells,
                position=one.position,
                cost=one.cost,
                notional=one.notional,
                result=one.result,
            )
            for name, one in self.symbols.items()
        }
        notional = {quote: total.notional for quote, total in self.sums.items()}
        result = {quote: total.result for quote, total in self.sums.items()}
        return ExposureReport(self.open_orders, notional, result, symbols)

    def start_day(self) -> None:
        """Begin a day: positions stay at cost, so that an unrealised loss counts in the new day too."""
        for one in self.symbols.values():
            one.day_base = _add(one.cash, one.cost)
            self._sum_up_result(one)
