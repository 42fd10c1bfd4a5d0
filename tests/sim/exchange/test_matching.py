"""Price-time matching: tables of books and orders."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mexc_async.sim.exchange.decimals import text
from mexc_async.sim.exchange.matching import Book, Match, Prevention, RestingOrder, Side

D = Decimal


def book_of(*orders: tuple[str, Side, str, str]) -> Book:
    """Build a book of (owner, side, price, quantity), in the order of arrival."""
    book = Book(D("0.01"))
    for index, (owner, side, price, quantity) in enumerate(orders):
        book.rest(RestingOrder(owner, f"order-{index}", side, D(price), D(quantity)))
    return book


def summary(plan: Match) -> list[tuple[str, str, str]]:
    return [(fill.maker.order_id, str(fill.price), str(fill.quantity)) for fill in plan.fills]


ASKS: tuple[tuple[str, Side, str, str], ...] = (
    ("a", "SELL", "10.2", "5.00"),
    ("b", "SELL", "10.1", "1.00"),
    ("c", "SELL", "10.1", "2.00"),
    ("d", "SELL", "10.3", "4.00"),
)


@pytest.mark.parametrize(
    ("limit", "quantity", "expected", "left"),
    [
        ("10.0", "1", [], "1"),
        ("10.1", "1", [("order-1", "10.1", "1")], "0"),
        ("10.1", "2.5", [("order-1", "10.1", "1.00"), ("order-2", "10.1", "1.50")], "0"),
        ("10.1", "9", [("order-1", "10.1", "1.00"), ("order-2", "10.1", "2.00")], "6.00"),
        (
            "10.2",
            "4",
            [("order-1", "10.1", "1.00"), ("order-2", "10.1", "2.00"), ("order-0", "10.2", "1.00")],
            "0",
        ),
        (
            None,
            "12",
            [
                ("order-1", "10.1", "1.00"),
                ("order-2", "10.1", "2.00"),
                ("order-0", "10.2", "5.00"),
                ("order-3", "10.3", "4.00"),
            ],
            "0",
        ),
    ],
)
def test_best_price_goes_first_and_the_older_order_within_it(
    limit: str | None, quantity: str, expected: list[tuple[str, str, str]], left: str
) -> None:
    plan = book_of(*ASKS).plan("BUY", None if limit is None else D(limit), D(quantity))
    assert [(order, price, D(amount)) for order, price, amount in summary(plan)] == [
        (order, price, D(amount)) for order, price, amount in expected
    ]
    assert plan.left == D(left)


def test_planning_changes_nothing_and_applying_does() -> None:
    book = book_of(*ASKS)
    book.asks.take_changes()
    plan = book.plan("BUY", D("10.2"), D(4))
    assert book.asks.take_changes() == ()
    book.apply(plan)
    assert book.asks.best() == D("10.2")
    assert book.asks.take_changes() == ((D("10.1"), D(0)), (D("10.2"), D("4.00")))


def test_bids_are_best_when_highest() -> None:
    book = book_of(("a", "BUY", "9.8", "1"), ("b", "BUY", "9.9", "1"), ("c", "BUY", "9.7", "1"))
    assert list(book.bids.prices()) == [D("9.9"), D("9.8"), D("9.7")]
    assert book.bids.worst() == D("9.7")
    assert summary(book.plan("SELL", D("9.8"), D(5))) == [("order-1", "9.9", "1"), ("order-0", "9.8", "1")]


def test_an_order_by_value_buys_whole_steps_only() -> None:
    plan = book_of(*ASKS).plan("BUY", None, value=D("15"))
    assert [fill.quantity for fill in plan.fills] == [D("1.00"), D("0.48")]
    assert plan.value == D("14.948")
    assert plan.left == D("0.052")


def test_an_order_by_value_can_exhaust_the_book() -> None:
    plan = book_of(("a", "SELL", "10", "1")).plan("BUY", None, value=D(100))
    assert (plan.quantity, plan.left) == (D(1), D(90))


def test_a_plan_needs_a_size() -> None:
    with pytest.raises(ValueError, match="quantity or a value"):
        book_of().plan("BUY", None)


@pytest.mark.parametrize(
    ("mode", "fills", "prevented", "stopped"),
    [
        ("cancel_maker", ["order-0", "order-2"], ["order-1"], False),
        ("cancel_taker", ["order-0"], [], True),
        ("cancel_both", ["order-0"], ["order-1"], True),
    ],
)
def test_self_trade_prevention(mode: str, fills: list[str], prevented: list[str], stopped: bool) -> None:
    book = book_of(("x", "SELL", "10", "1"), ("me", "SELL", "10", "1"), ("y", "SELL", "10", "1"))
    plan = book.plan("BUY", D(10), D(2), prevention=Prevention(mode, {"me"}.__contains__))
    assert [fill.maker.order_id for fill in plan.fills] == fills
    assert [entry.order_id for entry in plan.prevented] == prevented
    assert plan.taker_prevented is stopped
    book.apply(plan)


def test_crossing_is_judged_by_the_best_price() -> None:
    book = book_of(("a", "BUY", "9", "1"), ("b", "SELL", "11", "1"))
    assert book.crosses("BUY", D(11))
    assert not book.crosses("BUY", D("10.99"))
    assert book.crosses("SELL", D(9))
    assert not book.crosses("SELL", D("9.01"))
    assert not Book(D(1)).crosses("BUY", D(1))


def test_removing_twice_is_harmless() -> None:
    book = Book(D(1))
    entry = RestingOrder("a", "1", "BUY", D(5), D(2))
    book.rest(entry)
    book.remove(entry)
    book.remove(entry)
    assert book.bids.best() is None


def test_a_level_that_goes_and_comes_back_is_one_change() -> None:
    book = Book(D("0.01"))
    for price in ("10.1", "10.2"):
        book.rest(RestingOrder("house", "", "SELL", D(price), D("2.00")))
    book.asks.take_changes()
    first = next(iter(book.asks.levels[D("10.1")].entries))
    for _ in range(2):
        book.remove(first)
        first = RestingOrder("house", "", "SELL", D("10.1"), D("3.00"))
        book.rest(first)
    assert book.asks.take_changes() == ((D("10.1"), D("3.00")),)
    book.remove(first)
    ((at, quantity),) = book.asks.take_changes()
    assert (str(at), str(quantity), book.asks.best()) == ("10.1", "0", D("10.2"))


@pytest.mark.parametrize("number", ["0", "0.00000000", "1E+3", "0.0000117284", "0.00000001", "12.50", "-0.0000001"])
def test_amounts_are_written_without_an_exponent(number: str) -> None:
    assert text(D(number)) == format(D(number), "f")
