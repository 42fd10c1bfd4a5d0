"""Exposure: exact sums of open orders, positions at average cost, and the day's result."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from mexc_async.errors import OrderNotPlaced
from mexc_async.orders.record import OrderFill, OrderRecord
from mexc_async.orders.table import OrderTable
from mexc_async.risk.exposure import Assets, Exposure, SymbolExposure

D = Decimal
BTC = Assets("BTC", "USDT", D("0.0005"))
NOTHING = D(0)


def figures(*values: object) -> list[object]:
    """Several at once, to compare with whole numbers."""
    return list(values)


class Book:
    """One symbol of an exposure, and orders in it."""

    def __init__(self) -> None:
        self.all = Exposure()
        self.one = self.all.of("BTCUSDT", BTC)
        self.made = 0

    def order(self, side: str, quantity: str, price: str | None, quote: str | None = None) -> OrderRecord:
        self.made += 1
        asked = None if quote else D(quantity)
        limit = D(price) if price else None
        worth = D(quote) if quote else None
        kind = "LIMIT" if limit else "MARKET"
        record = OrderRecord(f"m{self.made}", "BTCUSDT", side, kind, asked, limit, worth)
        notional = worth if worth is not None else D(quantity) * (limit or NOTHING)
        self.all.open(record, self.one, self.all.projected(self.one, side == "BUY", limit, notional, D(quantity)))
        return record

    def fill(
        self, record: OrderRecord, quantity: str, price: str, fee: str = "0", asset: str = "USDT", time: int = 1
    ) -> None:
        number = len(record.fills_by_id)
        record.fill(
            "x" + record.client_order_id,
            OrderFill(
                f"{record.client_order_id}-{number}",
                D(price),
                D(quantity),
                D(price) * D(quantity),
                D(fee),
                asset,
                time,
                True,
            ),
        )
        self.apply(record)

    def apply(self, record: OrderRecord, now_s: float = 0.0) -> None:
        seen = self.all.revision_of(record)
        assert seen is not None
        if seen != record.revision:
            self.all.apply(record, now_s)

    def cancel(self, record: OrderRecord) -> None:
        record.report("x" + record.client_order_id, NOTHING, NOTHING, is_cancelled=True, is_filled=False)
        self.apply(record)

    @property
    def worst_case(self) -> Decimal:
        return self.all.sums["USDT"].notional

    @property
    def result(self) -> Decimal:
        return self.all.sums["USDT"].result


def test_an_order_counts_from_the_moment_it_is_sent_until_its_end() -> None:
    book = Book()
    buy = book.order("BUY", "2", "100")
    assert figures(book.one.open_buys, book.one.open_orders, book.all.open_orders) == [200, 1, 1]
    buy.mark_unknown(10**12)
    book.apply(buy)
    assert book.worst_case == 200  # an order with unknown outcome may be open
    book.fill(buy, "0.5", "100")
    assert figures(book.one.open_buys, book.one.position, book.one.cost) == [150, D("0.5"), 50]
    book.cancel(buy)
    assert figures(book.one.open_buys, book.one.open_orders, book.worst_case) == [0, 0, 50]


def test_what_was_refused_or_never_placed_counts_no_more() -> None:
    book = Book()
    for end in (OrderRecord.refuse, OrderRecord.give_up):
        order = book.order("SELL", "2", "100")
        end(order, OrderNotPlaced("no"))
        book.apply(order)
        assert figures(book.one.open_sells, book.one.sell_quantity, book.all.open_orders) == [0, 0, 0]


def test_what_was_taken_for_refused_and_stands_counts_again() -> None:
    book = Book()
    order = book.order("BUY", "2", "100")
    order.give_up(OrderNotPlaced("no"))
    book.apply(order)
    order.place("C02__1")
    book.apply(order)
    assert figures(book.one.open_buys, book.all.open_orders) == [200, 1]


def test_the_more_dangerous_of_both_directions_counts() -> None:
    book = Book()
    book.order("BUY", "1", "100")
    book.order("SELL", "2", "120")
    assert book.worst_case == 240


def test_an_order_that_closes_a_position_adds_no_exposure() -> None:
    book = Book()
    book.fill(book.order("BUY", "2", "100"), "2", "100")
    assert book.worst_case == 200
    book.order("SELL", "2", "150")
    assert book.worst_case == 200
    book.order("SELL", "2", "150")  # beyond the position by two
    assert book.worst_case == 300


def test_the_same_holds_for_what_was_sold() -> None:
    book = Book()
    book.fill(book.order("SELL", "2", "100"), "2", "100")
    assert figures(book.one.position, book.one.cost, book.worst_case) == [-2, -200, 200]
    book.order("BUY", "3", "90")
    assert book.worst_case == 200
    book.order("BUY", "3", "90")
    assert book.worst_case == 4 * 90


def test_a_position_that_turns_over_costs_what_the_rest_traded_at() -> None:
    book = Book()
    book.fill(book.order("BUY", "1", "100"), "1", "100")
    book.fill(book.order("SELL", "3", "110"), "3", "110")
    assert figures(book.one.position, book.one.cost) == [-2, -220]
    book.fill(book.order("BUY", "2", "90"), "2", "90")
    assert figures(book.one.position, book.one.cost, book.worst_case) == [0, 0, 0]
    assert book.result == 10 + 40


def test_part_of_a_position_leaves_at_average_cost() -> None:
    book = Book()
    for price in ("100", "200"):
        book.fill(book.order("BUY", "1", price), "1", price)
    book.fill(book.order("SELL", "0.5", "160"), "0.5", "160")
    assert book.one.cost == 225


def test_a_market_order_sized_in_quote_counts_what_it_may_still_spend() -> None:
    book = Book()
    order = book.order("BUY", "0.3", None, quote="30")
    assert book.one.open_buys == 30
    book.fill(order, "0.1", "100")
    assert figures(book.one.open_buys, book.one.position) == [20, D("0.1")]
    book.cancel(order)
    assert book.one.open_buys == 0


# --- the day's result ---


def test_a_fee_in_quote_is_a_loss_at_once() -> None:
    book = Book()
    book.fill(book.order("BUY", "1", "100"), "1", "100", fee="0.5")
    assert book.result == D("-0.5")


def test_a_fee_in_base_makes_the_position_smaller() -> None:
    book = Book()
    book.fill(book.order("BUY", "1", "100"), "1", "100", fee="0.01", asset="BTC")
    assert figures(book.one.position, book.result) == [D("0.99"), -1]


def test_a_fee_in_a_third_asset_counts_as_the_symbols_full_fee() -> None:
    book = Book()
    book.fill(book.order("BUY", "1", "100"), "1", "100", fee="3", asset="MX")
    assert book.result == D("-0.05")


def test_what_is_held_is_valued_by_the_newest_price() -> None:
    book = Book()
    book.fill(book.order("BUY", "2", "100"), "2", "100")
    assert book.result == 0
    book.all.value(book.one, D(90), 1.0)
    assert figures(book.result, book.one.marked_s) == [-20, 1.0]
    book.fill(book.order("SELL", "1", "95"), "1", "95")
    assert book.result == -10  # 1 sold at 95 and 1 in the position, at the price of the fill until a newer one is known


def test_a_new_day_forgets_what_was_realised_and_not_what_is_held() -> None:
    book = Book()
    book.fill(book.order("BUY", "2", "100"), "2", "100", fee="1")
    book.fill(book.order("SELL", "1", "70"), "1", "70", fee="1")
    assert book.result == -2 - 60
    book.all.start_day()
    assert book.result == -30  # 1 bought at 100 and worth 70: a loss still
    book.all.value(book.one, D(110), 1.0)
    assert book.result == 10


def test_a_fill_without_its_value_counts_at_the_orders_price_until_that_is_known() -> None:
    book = Book()
    order = book.order("BUY", "2", "100")
    order.report("x", D(2), NOTHING, is_cancelled=False, is_filled=True)
    book.apply(order)
    assert figures(book.one.position, book.one.cost) == [2, 200]
    book.fill(order, "2", "99")
    assert figures(book.one.position, book.one.cost, book.one.cash) == [2, 198, -198]


def test_news_that_moves_no_money_is_not_taken_in_twice() -> None:
    book = Book()
    order = book.order("BUY", "2", "100")
    order.place("x")
    book.apply(order)
    for _ in range(3):
        order.report("x", D(1), D(100), is_cancelled=False, is_filled=False)
        book.apply(order)
    assert figures(book.one.position, book.one.cash) == [1, -100]


def test_an_order_taken_in_later_counts_for_its_rest_and_its_later_fills() -> None:
    book = Book()
    order = OrderRecord("old", "BTCUSDT", "BUY", "LIMIT", D(4), D(100))
    order.report("x", D(1), D(100), is_cancelled=False, is_filled=False)
    book.all.take_in(order, book.one, since_ms=5000)
    assert figures(book.one.open_buys, book.one.position) == [300, 0]
    book.fill(order, "1", "100", fee="7", time=4000)  # an old fill becomes known
    assert figures(book.one.open_buys, book.one.position, book.result) == [300, 0, 0]
    book.fill(order, "1", "100", fee="2", time=5000)
    assert figures(book.one.open_buys, book.one.position, book.result) == [200, 1, -2]


def test_amounts_of_different_quote_assets_are_never_added() -> None:
    book = Book()
    other = book.all.of("ETHBTC", Assets("ETH", "BTC", NOTHING))
    book.order("BUY", "1", "100")
    projected = book.all.projected(other, True, D("0.05"), D("0.05"), D(1))
    book.all.open(OrderRecord("e", "ETHBTC", "BUY", "LIMIT", D(1), D("0.05")), other, projected)
    assert book.all.report().notional == {"USDT": D(100), "BTC": D("0.05")}


def test_finished_orders_are_forgotten_but_for_the_last() -> None:
    book = Book()
    book.all = Exposure(max_finished=10)
    book.one = book.all.of("BTCUSDT", BTC)
    orders = [book.order("BUY", "1", "100") for _ in range(50)]
    for order in orders:
        book.cancel(order)
    assert sum(book.all.revision_of(order) is not None for order in orders) == 10
    assert len(book.all._ended) == len(book.all._finished) == 10


def test_the_callers_precision_changes_nothing() -> None:
    book = Book()
    with decimal.localcontext() as context:
        context.prec = 3
        order = book.order("BUY", "1.23456789", "10000")
        book.fill(order, "0.23456789", "10000")
        assert book.one.position == D("0.23456789")
        book.cancel(order)
    assert figures(book.one.open_buys, book.one.buy_quantity) == [0, 0]


# --- properties ---

amounts = st.builds(lambda digits, exponent: D(digits).scaleb(exponent), st.integers(1, 10**12), st.integers(-15, 3))


class Step(NamedTuple):
    order: int
    part: int
    kind: str


steps = st.lists(
    st.builds(Step, st.integers(0, 5), st.integers(1, 4), st.sampled_from(["fill", "tell", "both", "cancel", "again"])),
    max_size=12,
)


def run(
    quantities: list[Decimal], prices: list[Decimal], todo: list[Step]
) -> tuple[Exposure, SymbolExposure, list[OrderRecord]]:
    """Draw orders that fill by quarters, reported by fills, by sums, or by both, some twice."""
    everything = Exposure()
    one = everything.of("BTCUSDT", BTC)
    exact = decimal.Context(prec=100)
    orders, filled = [], [0] * len(prices)
    for index, (quantity, price) in enumerate(zip(quantities, prices, strict=True)):
        record = OrderRecord(f"m{index}", "BTCUSDT", "BUY" if index % 2 else "SELL", "LIMIT", quantity, price)
        projected = everything.projected(one, bool(index % 2), price, exact.multiply(quantity, price), quantity)
        everything.open(record, one, projected)
        orders.append(record)
    for step in todo:
        record, price = orders[step.order], prices[step.order]
        if record.state.is_final and step.kind != "again":
            continue
        if step.kind == "cancel":
            record.report("x", NOTHING, NOTHING, is_cancelled=True, is_filled=False)
        elif step.kind != "again":
            before, after = filled[step.order], min(4, filled[step.order] + step.part)
            filled[step.order] = after
            quarter = exact.divide(quantities[step.order], D(4))
            if step.kind in ("fill", "both"):
                for number in range(before, after):
                    value = exact.multiply(quarter, price)
                    record.fill(
                        "x", OrderFill(f"{step.order}/{number}", price, quarter, value, NOTHING, "USDT", 1, True)
                    )
            if step.kind in ("tell", "both"):
                total = exact.multiply(quarter, D(after))
                is_filled = after == 4
                record.report("x", total, exact.multiply(total, price), is_cancelled=False, is_filled=is_filled)
        everything.apply(record, 0.0)
    return everything, one, orders


@given(st.lists(amounts, min_size=6, max_size=6), st.lists(amounts, min_size=6, max_size=6), steps)
def test_with_every_order_final_nothing_is_open_to_the_last_digit(
    quantities: list[Decimal], prices: list[Decimal], todo: list[Step]
) -> None:
    everything, one, orders = run(quantities, prices, todo)
    for record in orders:
        record.report("x", NOTHING, NOTHING, is_cancelled=True, is_filled=False)
        everything.apply(record, 0.0)
    assert (one.open_orders, everything.open_orders) == (0, 0)
    assert one.open_buys == one.open_sells == one.buy_quantity == one.sell_quantity == 0
    assert everything.sums["USDT"].notional == one.cost.copy_abs()


@given(st.lists(amounts, min_size=6, max_size=6), st.lists(amounts, min_size=6, max_size=6), steps)
def test_open_sums_and_positions_are_those_of_the_records(
    quantities: list[Decimal], prices: list[Decimal], todo: list[Step]
) -> None:
    everything, one, orders = run(quantities, prices, todo)
    for side, notional, quantity in (
        ("BUY", one.open_buys, one.buy_quantity),
        ("SELL", one.open_sells, one.sell_quantity),
    ):
        rests = [
            (Fraction(r.quantity or 0) - Fraction(r.filled_quantity), Fraction(r.price or 0))
            for r in orders
            if r.side == side and not r.state.is_final
        ]
        assert Fraction(quantity) == sum(rest for rest, _ in rests)
        assert Fraction(notional) == sum(rest * price for rest, price in rests)
    signs = [(1 if r.side == "BUY" else -1, r) for r in orders]
    assert Fraction(one.position) == sum(sign * Fraction(r.filled_quantity) for sign, r in signs)
    assert Fraction(one.cash) == -sum(sign * Fraction(r.filled_quantity) * Fraction(r.price or 0) for sign, r in signs)
    assert everything.open_orders == sum(not r.state.is_final for r in orders)
    assert one.position * one.cost >= 0  # a long position has a cost, a short one proceeds


def test_fills_that_were_another_orders_move_with_all_that_they_come_to() -> None:
    book, right = Book(), Book()
    first, second = book.order("BUY", "3", "100"), book.order("BUY", "3", "100")
    table = OrderTable()
    for record, order_id in ((first, "xm2"), (second, "xm1")):  # their acks arrived crossed
        record.place(order_id)
        table.add(record)
        book.apply(record)
    fills = {name: trade(name, quantity) for name, quantity in (("xm1", "2"), ("xm2", "3"))}
    for order_id, fill in fills.items():  # pushed without a client order id
        owner = table.find(order_id, None)
        assert owner is not None
        owner.fill(order_id, fill)
        book.apply(owner)
    for record, order_id in ((first, "xm1"), (second, "xm2")):
        loser = table.claim(record, order_id)
        book.apply(record)
        if loser is not None:
            book.apply(loser)
    assert (first.fills, second.fills) == ((fills["xm1"],), (fills["xm2"],))
    for order_id in fills:
        record = right.order("BUY", "3", "100")
        record.fill(order_id, fills[order_id])
        right.apply(record)
    assert book.all.report() == right.all.report()


def trade(order_id: str, quantity: str) -> OrderFill:
    return OrderFill(f"{order_id}-1", D(90), D(quantity), D(90) * D(quantity), D(quantity) / 7, "USDT", 1, True)
