"""One order against the limits: the rule that refuses it, its numbers, and that no sequence gets past a limit."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.books.book import OrderBook
from mexc_async.errors import GuardRefused
from mexc_async.orders.record import OrderFill, OrderRecord
from mexc_async.risk.exposure import Assets, ProjectedExposure
from mexc_async.risk.pre_trade import STALE_S, PreTradeGuard
from mexc_async.spot.enums import Side, SideName
from mexc_async.spot.trading import NewOrder

D = Decimal
ASSETS = {
    "BTCUSDT": Assets("BTC", "USDT", D("0.001")),
    "ETHUSDT": Assets("ETH", "USDT", D("0.001")),
    "ETHBTC": Assets("ETH", "BTC", D("0.001")),
}


def terms(
    side: SideName,
    quantity: Decimal | None,
    price: Decimal | None,
    quote_order_qty: Decimal | None = None,
    symbol: str = "BTCUSDT",
) -> NewOrder:
    return NewOrder(
        symbol=symbol,
        side=side,
        type="MARKET" if price is None else "LIMIT",
        quantity=quantity,
        price=price,
        quote_order_qty=quote_order_qty,
    )


def buy(quantity: str, price: str | None = None, symbol: str = "BTCUSDT") -> NewOrder:
    return terms("BUY", D(quantity), D(price) if price else None, symbol=symbol)


def sell(quantity: str, price: str | None = None, symbol: str = "BTCUSDT") -> NewOrder:
    return terms("SELL", D(quantity), D(price) if price else None, symbol=symbol)


def for_quote(side: SideName, amount: str) -> NewOrder:
    return terms(side, None, None, D(amount))


def book(bids: str = "99:1 98:5", asks: str = "101:1 102:5") -> OrderBook:
    """Build a book with a middle of 100."""
    made = OrderBook()
    made.load([level.split(":") for level in bids.split()], [level.split(":") for level in asks.split()], 1)
    return made


class GuardedOrders:
    """Guard, and the orders that passed it."""

    def __init__(self, **limits: Any) -> None:
        self.guard = PreTradeGuard()
        self.limit(**limits)
        self.book: OrderBook | None = None
        self.now_s = 0.0
        self.sent: list[OrderRecord] = []

    def limit(self, **limits: Any) -> None:
        self.guard.set(self.guard.limits.changed(limits))

    def check(self, order: NewOrder, instead_of: OrderRecord | None = None) -> ProjectedExposure:
        one = self.guard.exposure.of(order.symbol, ASSETS[order.symbol])
        return self.guard.check(order, one, self.book, self.now_s, instead_of)

    def place(self, order: NewOrder) -> OrderRecord:
        projected = self.check(order)
        record = OrderRecord(
            f"m{len(self.sent)}",
            order.symbol,
            order.side,
            order.type,
            order.quantity,
            order.price,
            order.quote_order_qty,
        )
        self.guard.exposure.open(record, self.guard.exposure.symbols[order.symbol], projected)
        self.guard.sent(self.now_s)
        self.sent.append(record)
        return record

    def fill(self, record: OrderRecord, quantity: Decimal, price: Decimal | None = None, fee: str = "0") -> None:
        at = price or record.price or D(100)
        number = len(record.fills_by_id)
        record.fill(
            "x", OrderFill(f"{record.client_order_id}/{number}", at, quantity, at * quantity, D(fee), "USDT", 1, True)
        )
        self.apply(record)

    def cancel(self, record: OrderRecord) -> None:
        record.report("x", D(0), D(0), is_cancelled=True, is_filled=False)
        self.apply(record)

    def apply(self, record: OrderRecord) -> None:
        self.guard.exposure.apply(record, self.now_s)

    def filled(self, order: NewOrder, fee: str = "0") -> OrderRecord:
        record = self.place(order)
        self.fill(record, order.quantity or D(0), fee=fee)
        return record


def refused(orders: GuardedOrders, order: NewOrder, instead_of: OrderRecord | None = None) -> str:
    """Return the refusal's text, which begins with the rule."""
    with pytest.raises(GuardRefused) as caught:
        orders.check(order, instead_of)
    assert str(caught.value).startswith(f"{caught.value.rule}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def valued(projected: ProjectedExposure) -> tuple[object, object, object]:
    return projected.price, projected.notional, projected.quantity


def test_without_limits_everything_passes() -> None:
    orders = GuardedOrders()
    assert valued(orders.check(buy("1e9", "1e9"))) == (D("1e9"), D("1e18"), D("1e9"))
    assert valued(orders.check(buy("5"))) == (None, D(0), D(5))
    assert valued(orders.check(for_quote("BUY", "5"))) == (None, D(5), D(0))


def test_only_what_may_be_traded_is() -> None:
    orders = GuardedOrders(symbols=["ETHUSDT", "ETHBTC"])
    assert refused(orders, buy("1", "1")) == "symbols: BTCUSDT is not one of ETHBTC, ETHUSDT"
    orders.check(buy("1", "1", "ETHBTC"))


# --- the collar ---


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (buy("1", "102"), None),
        (buy("1", "98"), None),
        (sell("1", "98"), None),
        (sell("1", "102"), None),
        (buy("1", "102.01"), "price 102.01 is 2.01 % above 100, the middle of BTCUSDT's book, the limit is 2 %"),
        (sell("1", "102.01"), "2.01 % above"),
        (buy("1", "97.99"), "2.01 % below"),
        (sell("1", "50"), "price 50 is 50.00 % below 100"),
    ],
)
def test_a_price_is_held_to_the_middle_of_the_book(order: NewOrder, words: str | None) -> None:
    orders = GuardedOrders(collar=D("0.02"))
    orders.book = book()
    if words is None:
        orders.check(order)
    else:
        assert words in refused(orders, order)
        assert refused(orders, order).startswith("collar: ")


def test_the_collar_may_hold_only_what_would_cost() -> None:
    orders = GuardedOrders(collar=D("0.02"), collar_side="worse")
    orders.book = book()
    for order in (buy("1", "50"), sell("1", "200"), buy("1", "102"), sell("1", "98")):
        orders.check(order)
    assert "above" in refused(orders, buy("1", "103"))
    assert "below" in refused(orders, sell("1", "97"))


def test_the_collar_follows_the_book() -> None:
    orders = GuardedOrders(collar=D("0.02"))
    orders.book = book()
    orders.check(buy("1", "102"))
    orders.book.apply([], [["101", "0"], ["102", "0"], ["99.5", "1"]], 2)
    assert "99.25" in refused(orders, buy("1", "102"))


@pytest.mark.parametrize("order", [buy("1", "100"), sell("1", "100"), buy("1"), sell("1"), for_quote("BUY", "10")])
def test_without_a_book_that_is_in_step_nothing_passes_unless_the_user_says_so(order: NewOrder) -> None:
    orders = GuardedOrders(collar=D("0.02"))
    assert "the live book of BTCUSDT is out of sync" in refused(orders, order)
    orders.guard.lacking["BTCUSDT"] = "cannot be opened (blocked)"
    assert "the live book of BTCUSDT cannot be opened (blocked)" in refused(orders, order)
    orders.limit(without_book="admit")
    orders.check(order)


@pytest.mark.parametrize("empty", [book(bids=""), book(asks=""), book("", "")])
@pytest.mark.parametrize("order", [buy("1", "100"), sell("1", "100"), buy("1"), sell("1")])
def test_a_book_that_lacks_a_side_has_no_middle(empty: OrderBook, order: NewOrder) -> None:
    orders = GuardedOrders(collar=D("0.02"))
    orders.book = empty
    assert "lacks a side" in refused(orders, order)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (buy("1"), None),
        (buy("6"), None),  # down to 102
        (sell("6"), None),
        (for_quote("BUY", "500"), None),
        (for_quote("SELL", "500"), None),
        (buy("7"), "a market order over 7 is more than the 6 that BTCUSDT's book holds"),
        (sell("6.5"), "6.5 is more than the 6"),
        (for_quote("BUY", "1000"), "is more than the 6"),
        (for_quote("SELL", "1000"), "is more than the 6"),
    ],
)
def test_a_market_order_is_held_to_the_last_level_that_it_would_reach(order: NewOrder, words: str | None) -> None:
    orders = GuardedOrders(collar=D("0.02"))
    orders.book = book()
    if words is None:
        orders.check(order)
    else:
        assert words in refused(orders, order)


@pytest.mark.parametrize("order", [buy("1.5"), sell("1.5"), for_quote("BUY", "140"), for_quote("SELL", "140")])
def test_a_market_order_that_would_go_too_deep_is_refused(order: NewOrder) -> None:
    orders = GuardedOrders(collar=D("0.015"))
    orders.book = book()
    text = refused(orders, order)
    assert "the market order reaches" in text
    assert "2.00 %" in text


# --- counts ---


def test_orders_that_are_open_on_their_way_or_in_doubt_count() -> None:
    orders = GuardedOrders(max_open_orders=3)
    first, second, _ = (orders.place(buy("1", "1")) for _ in range(3))
    first.place("C02__1")
    second.mark_unknown(10**12)
    for record in (first, second):
        orders.apply(record)
    assert refused(orders, buy("1", "1")) == "max_open_orders: 3 orders are open or on their way, the limit is 3"
    orders.check(buy("1", "1"), instead_of=first)
    orders.cancel(first)
    orders.check(buy("1", "1"))


def test_no_second_holds_more_orders_than_the_limit() -> None:
    orders = GuardedOrders(max_orders_per_s=2)
    for now_s in (10.0, 10.6):
        orders.now_s = now_s
        orders.place(buy("1", "1"))
    orders.now_s = 10.99
    assert refused(orders, buy("1", "1")) == "max_orders_per_s: 2 orders were sent in the last second, the limit is 2"
    orders.now_s = 11.0
    orders.place(buy("1", "1"))
    orders.now_s = 11.5
    refused(orders, buy("1", "1"))


def test_a_changed_rate_knows_the_last_second() -> None:
    orders = GuardedOrders(max_orders_per_s=5)
    for _ in range(3):
        orders.place(buy("1", "1"))
    orders.limit(max_orders_per_s=2)
    refused(orders, buy("1", "1"))
    orders.limit(max_orders_per_s=None)
    orders.check(buy("1", "1"))


def test_a_check_that_places_nothing_counts_nothing() -> None:
    orders = GuardedOrders(max_orders_per_s=1, max_open_orders=1, max_symbol_notional=D(100))
    for _ in range(5):
        orders.check(buy("1", "100"))
    orders.place(buy("1", "100"))


# --- values ---


def test_one_order_may_not_be_worth_too_much() -> None:
    orders = GuardedOrders(max_order_notional=D(1000))
    orders.check(buy("10", "100"))
    assert (
        refused(orders, buy("10", "100.01")) == "max_order_notional: the order is worth 1000.1 USDT, the limit is 1000"
    )


def test_a_sell_below_the_best_bid_is_worth_what_the_bid_pays() -> None:
    orders = GuardedOrders(max_order_notional=D(1000))
    orders.check(sell("20", "5"))
    orders.book = book()
    assert "worth 1980 USDT" in refused(orders, sell("20", "5"))
    assert orders.check(sell("1", "5")).price == 99
    assert orders.check(sell("1", "99.5")).price == D("99.5")
    assert orders.check(buy("1", "5")).price == 5


def test_a_market_order_is_worth_what_it_reaches_and_cannot_be_valued_without_a_book() -> None:
    orders = GuardedOrders(max_order_notional=D(500))
    for order in (buy("1"), sell("1"), for_quote("BUY", "10")):
        assert "max_order_notional: a market order is checked against the book" in refused(orders, order)
    orders.book = book()
    assert valued(orders.check(buy("2"))) == (D(102), D(204), D(2))
    assert valued(orders.check(sell("2"))) == (D(99), D(198), D(2))
    assert "worth 510 USDT" in refused(orders, buy("5"))
    assert "worth 501 USDT" in refused(orders, for_quote("SELL", "501"))


def test_without_a_book_a_value_is_never_guessed_even_if_the_collar_may_be_passed() -> None:
    orders = GuardedOrders(collar=D("0.01"), without_book="admit", max_symbol_notional=D(500))
    orders.check(buy("1", "100"))
    assert refused(orders, buy("1")).startswith("max_symbol_notional: ")


def test_what_a_symbol_exposes_is_limited() -> None:
    orders = GuardedOrders(max_symbol_notional=D(1000))
    resting = orders.place(buy("5", "100"))
    orders.filled(buy("4", "100"))
    assert refused(orders, buy("2", "100")) == (
        "max_symbol_notional: the exposure in BTCUSDT would be 1100 USDT, the limit is 1000"
    )
    orders.check(buy("1", "100"))
    orders.check(buy("10", "100", "ETHUSDT"))
    orders.check(buy("6", "100"), instead_of=resting)
    refused(orders, buy("6.1", "100"), instead_of=resting)
    orders.cancel(resting)
    orders.check(buy("6", "100"))


def test_what_closes_a_position_is_never_refused_for_its_size() -> None:
    orders = GuardedOrders(max_symbol_notional=D(1000), max_total_notional=D(1000))
    orders.filled(buy("10", "100"))
    orders.check(sell("10", "500"))
    refused(orders, buy("0.001", "1"))
    orders.limit(max_symbol_notional=D(10), max_total_notional=D(10))  # far below the existing exposure
    orders.check(sell("10", "500"))
    refused(orders, sell("13", "500"))  # 3 of them go beyond the position, by more than it cost


def test_all_symbols_of_one_quote_asset_share_a_limit() -> None:
    orders = GuardedOrders(max_total_notional={"USDT": D(1000), "BTC": D(1)})
    orders.filled(sell("4", "100", "ETHUSDT"))
    orders.place(buy("5", "100"))
    assert (
        refused(orders, buy("2", "100"))
        == "max_total_notional: the total exposure would be 1100 USDT, the limit is 1000"
    )
    orders.check(buy("1", "100"))
    orders.check(buy("10", "0.1", "ETHBTC"))
    refused(orders, buy("11", "0.1", "ETHBTC"))


@pytest.mark.parametrize("rule", ["max_order_notional", "max_symbol_notional", "max_total_notional", "max_daily_loss"])
def test_a_quote_asset_without_an_amount_is_refused(rule: str) -> None:
    orders = GuardedOrders(**{rule: D(1000)})
    assert refused(orders, buy("1", "0.1", "ETHBTC")) == (
        f"{rule}: ETHBTC is quoted in BTC, for which the limit names no amount"
    )


# --- the day's loss ---


def test_from_the_days_loss_on_only_closing_orders_pass() -> None:
    orders = GuardedOrders(max_daily_loss=D(50))
    orders.filled(buy("10", "100"), fee="1")
    orders.filled(sell("4", "90"), fee="1")
    # 40 and two fees realised, and a position of 6 that cost 100 and is worth 90
    assert refused(orders, buy("1", "90")) == (
        "max_daily_loss: 102 USDT lost since 0:00 UTC, the limit is 50; only orders that close a position pass"
    )
    refused(orders, buy("1", "90", "ETHUSDT"))
    refused(orders, sell("6.1", "90"))
    part = orders.place(sell("5", "90"))
    refused(orders, sell("1.1", "90"))  # together with the other one it would do more than close
    orders.check(sell("1", "90"))
    orders.check(sell("6", "90"), instead_of=part)
    orders.guard.exposure.start_day()
    refused(orders, buy("1", "90"))  # the position is 60 below its cost, on the new day too
    orders.guard.value({"BTCUSDT": D(95)}.get, 1.0)
    orders.check(buy("1", "90"))


def test_a_loss_that_reaches_the_limit_to_the_last_digit_stops() -> None:
    orders = GuardedOrders(max_daily_loss=D(10))
    orders.filled(buy("1", "100"))
    orders.guard.value({"BTCUSDT": D("90.01")}.get, 1.0)
    orders.check(buy("1", "90"))
    orders.guard.value({"BTCUSDT": D(90)}.get, 2.0)
    refused(orders, buy("1", "90"))


def test_a_position_that_cannot_be_valued_stops_what_would_not_close_it() -> None:
    orders = GuardedOrders(max_daily_loss=D(1000))
    orders.filled(buy("1", "100"))
    orders.guard.value(lambda _: None, STALE_S)
    orders.check(buy("1", "100"))  # the fill itself set the price not long ago
    orders.guard.value(lambda _: None, STALE_S + 1)
    assert "the position in BTCUSDT cannot be valued" in refused(orders, buy("1", "100", "ETHUSDT"))
    orders.check(sell("1", "50"))
    orders.guard.value({"BTCUSDT": D(100)}.get, STALE_S + 2)
    orders.check(buy("1", "100"))


def test_a_market_order_of_unknown_size_does_not_pass_for_a_closing_one() -> None:
    orders = GuardedOrders(max_daily_loss=D(5))
    orders.filled(buy("1", "100"))
    orders.guard.value({"BTCUSDT": D(90)}.get, 1.0)
    refused(orders, for_quote("SELL", "1000000"))
    orders.check(sell("1"))
    orders.book = book()
    orders.check(for_quote("SELL", "50"))
    refused(orders, for_quote("SELL", "150"))


# --- no sequence gets past a limit ---


class Move(NamedTuple):
    what: str
    symbol: str
    side: SideName
    quantity: int
    price: int
    pick: int


MOST_OPEN, MOST_A_SECOND, MOST_ORDER, MOST_SYMBOL, MOST_TOTAL = 6, 4, 60, 100, 150
moves = st.lists(
    st.builds(
        Move,
        st.sampled_from(["place", "place", "place", "fill", "fill", "cancel", "doubt", "refuse", "wait", "replace"]),
        st.sampled_from(["BTCUSDT", "ETHUSDT"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 8),
        st.integers(1, 12),
        st.integers(0, 50),
    ),
    max_size=60,
)


class Oracle:
    """Same limits, computed again each time from the orders alone, with fractions."""

    def __init__(self, orders: GuardedOrders) -> None:
        self.orders = orders
        self.sent_at: list[float] = []
        self.trades: dict[str, list[tuple[int, Fraction, Fraction]]] = {"BTCUSDT": [], "ETHUSDT": []}

    def live(self, symbol: str | None = None, but: OrderRecord | None = None) -> list[OrderRecord]:
        records = [record for record in self.orders.sent if not record.state.is_final and record is not but]
        return [record for record in records if symbol is None or record.symbol == symbol]

    def position(self, symbol: str) -> tuple[Fraction, Fraction]:
        """Compute quantity and cost at average price, from the trades one by one."""
        held = cost = Fraction(0)
        for sign, quantity, price in self.trades[symbol]:
            if held * sign >= 0:
                held, cost = held + sign * quantity, cost + sign * quantity * price
                continue
            closed = min(quantity, abs(held))
            cost -= cost * closed / abs(held)
            held += sign * closed
            held, cost = held + sign * (quantity - closed), cost + sign * (quantity - closed) * price
        return held, cost

    def worst_case(self, symbol: str, extra: NewOrder | None = None, but: OrderRecord | None = None) -> Fraction:
        held, cost = self.position(symbol)
        sides = {}
        for side in ("BUY", "SELL"):
            rests = [
                (Fraction(r.quantity or 0) - Fraction(r.filled_quantity), Fraction(r.price or 0))
                for r in self.live(symbol, but)
                if r.side == side
            ]
            if extra is not None and extra.side == side:
                rests.append((Fraction(extra.quantity or 0), Fraction(extra.price or 0)))
            sides[side] = sum((q for q, _ in rests), Fraction(0)), sum((q * p for q, p in rests), Fraction(0))

        def side_worst_case(sign: int, side: str) -> Fraction:
            quantity, notional = sides[side]
            if held * sign >= 0:
                return sign * cost + notional
            return notional * (quantity - abs(held)) / quantity if quantity > abs(held) else Fraction(0)

        return max(side_worst_case(1, "BUY"), side_worst_case(-1, "SELL"))

    def breaks(self, order: NewOrder, but: OrderRecord | None = None) -> set[str]:
        """Return the limits that the order breaks."""
        found = set()
        now_s = self.orders.now_s
        if len(self.live(but=but)) >= MOST_OPEN:
            found.add("max_open_orders")
        if sum(now_s - at < 1 for at in self.sent_at) >= MOST_A_SECOND:
            found.add("max_orders_per_s")
        if (order.quantity or 0) * (order.price or 0) > MOST_ORDER:
            found.add("max_order_notional")
        before, after = self.worst_case(order.symbol, but=but), self.worst_case(order.symbol, order, but)
        if after > before:
            (other,) = set(self.trades) - {order.symbol}
            if after > MOST_SYMBOL:
                found.add("max_symbol_notional")
            if after + self.worst_case(other) > MOST_TOTAL:
                found.add("max_total_notional")
        return found


@given(moves)
def test_an_order_passes_if_and_only_if_it_breaks_no_limit(todo: list[Move]) -> None:
    orders = GuardedOrders(
        max_open_orders=MOST_OPEN,
        max_orders_per_s=MOST_A_SECOND,
        max_order_notional=D(MOST_ORDER),
        max_symbol_notional=D(MOST_SYMBOL),
        max_total_notional=D(MOST_TOTAL),
    )
    oracle = Oracle(orders)
    for move in todo:
        live = oracle.live()
        record = live[move.pick % len(live)] if live else None
        order = terms(move.side, D(move.quantity), D(move.price), symbol=move.symbol)
        if move.what == "wait":
            orders.now_s += move.quantity / 8
        elif move.what == "place":
            breaks = oracle.breaks(order)
            if breaks:
                with pytest.raises(GuardRefused) as caught:
                    orders.place(order)
                assert caught.value.rule in breaks
            else:
                orders.place(order)
                oracle.sent_at.append(orders.now_s)
        elif record is None:
            continue
        elif move.what == "replace":
            order = terms(Side(record.side), D(move.quantity), D(move.price), symbol=record.symbol)
            breaks = oracle.breaks(order, but=record)
            if breaks:
                with pytest.raises(GuardRefused) as caught:
                    orders.check(order, instead_of=record)
                assert caught.value.rule in breaks
            else:
                orders.check(order, instead_of=record)
        elif move.what == "fill":
            quantity = min(D(move.quantity) / 2, (record.quantity or D(0)) - record.filled_quantity)
            orders.fill(record, quantity)
            sign = 1 if record.side == "BUY" else -1
            oracle.trades[record.symbol].append((sign, Fraction(quantity), Fraction(record.price or 0)))
        elif move.what == "cancel":
            orders.cancel(record)
        elif move.what == "doubt":
            record.mark_unknown(10**12)
            orders.apply(record)
        elif move.what == "refuse" and not record.is_placed:
            record.refuse(GuardRefused("by the exchange"))
            orders.apply(record)
    for record in oracle.live():
        orders.cancel(record)
    exposure = orders.guard.exposure
    assert exposure.open_orders == 0
    for one in exposure.symbols.values():
        assert one.open_buys == one.open_sells == one.buy_quantity == one.sell_quantity == one.open_orders == 0


@given(moves)
def test_by_buying_at_ones_price_or_better_nothing_ever_exceeds_the_limit(todo: list[Move]) -> None:
    orders = GuardedOrders(max_symbol_notional=D(MOST_SYMBOL))
    oracle = Oracle(orders)
    for move in todo:
        live = oracle.live()
        record = live[move.pick % len(live)] if live else None
        if move.what == "place":
            with suppress(GuardRefused):
                orders.place(terms("BUY", D(move.quantity), D(move.price)))
        elif record is not None and move.what == "fill":
            price = min(D(move.price), record.price or D(0))
            orders.fill(record, min(D(move.quantity), (record.quantity or D(0)) - record.filled_quantity), price)
        elif record is not None and move.what == "cancel":
            orders.cancel(record)
        assert orders.guard.exposure.report().notional.get("USDT", D(0)) <= MOST_SYMBOL
