"""The book reads like a plain dict of prices, whatever spelling, order or number of levels comes in."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from heapq import nlargest, nsmallest
from math import inf
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.books.book import BookView, OrderBook, Vwap
from mexc_async.books.side import MAX_KNOWN, MAX_TEXT, BookLevel, PureBookSide
from mexc_async.errors import InvalidRequest, ProtocolError
from mexc_async.spot.enums import Side
from mexc_async.spot.models import Level

D = Decimal
TAPE = Path(__file__).resolve().parents[3] / "shared" / "data" / "book-tape.jsonl.gz"
Pairs = list[tuple[str, str]]


def levels(*pairs: tuple[str, str]) -> list[BookLevel[Decimal]]:
    return [BookLevel(D(price), D(quantity)) for price, quantity in pairs]


def loaded() -> OrderBook:
    book = OrderBook()
    book.load([("99.5", "1"), ("99.4", "2")], [("100.1", "3"), ("100.25", "4")], 7)
    return book


def test_new_book_is_empty() -> None:
    book = OrderBook()
    assert (book.best_bid, book.best_ask, book.mid, book.spread, book.version) == (None, None, None, None, 0)
    assert (book.bids(), book.asks(5), book.is_crossed) == ([], [], False)
    assert book.vwap("BUY", D(1)) == Vwap(None, D(0), D(1), None)
    assert book.depth_within("SELL", D(1)) == 0


def test_snapshot_reads_back_best_first() -> None:
    book = loaded()
    assert book.bids() == levels(("99.5", "1"), ("99.4", "2"))
    assert book.asks() == levels(("100.1", "3"), ("100.25", "4"))
    assert (book.best_bid, book.best_ask) == (book.bids()[0], book.asks()[0])
    assert (book.mid, book.spread, book.version) == (D("99.8"), D("0.6"), 7)
    assert book.bids(1) == levels(("99.5", "1"))
    assert book.asks(0) == []
    assert repr(book).endswith("at 7>")


def test_snapshot_replaces_everything() -> None:
    book = loaded()
    book.load([], [("5", "1"), ("4", "1")], 9)
    assert (book.bids(), book.asks(), book.version) == ([], levels(("4", "1"), ("5", "1")), 9)
    book.clear()
    assert (book.bids(), book.asks(), book.version) == ([], [], 0)


def test_levels_may_be_pairs_lists_or_objects() -> None:
    ways = [[("2", "1.50"), ("1.5", "3")], [["2", "1.50"], ["1.5", "3"]], [Level("2", "1.50"), Level("1.5", "3")]]
    for way in ways:
        book = OrderBook()
        book.load(way, [], 1)  # type: ignore[arg-type]  # a list of several kinds, though each way is of one
        book.apply(way, [], 2)  # type: ignore[arg-type]  # likewise
        assert book.bids() == levels(("2", "1.50"), ("1.5", "3"))


@pytest.mark.parametrize("zero", ["0", "0.0", "0.00000000", "0E-8", "0e3", "00.0", "-0", ".0", "0.", ""])
def test_zero_in_any_spelling_removes(zero: str) -> None:
    book = loaded()
    book.apply([("99.5", zero)], [("100.25", zero)], 8)
    assert (book.bids(), book.asks()) == (levels(("99.4", "2")), levels(("100.1", "3")))
    book.apply([("99.4", zero)], [("100.1", zero), ("100.2", zero)], 9)
    assert (book.bids(), book.asks(), book.best_bid) == ([], [], None)


def test_removing_an_unknown_level_is_harmless() -> None:
    book = loaded()
    book.apply([("50", "0.000"), ("99.45", "0")], [("200.123", "0")], 8)
    assert book.bids() == loaded().bids()
    assert book.asks() == loaded().asks()


def test_snapshot_level_of_zero_is_none() -> None:
    book = OrderBook()
    book.load([("2.0", "0.00"), ("1.0", "1.00")], [], 1)
    assert book.bids() == levels(("1.0", "1.00"))


@pytest.mark.parametrize("spelling", ["1.1", "1.10", "1.100000", "01.1", "11E-1", "0.11e1", "+1.1"])
def test_same_price_in_another_spelling_is_the_same_level(spelling: str) -> None:
    book = OrderBook()
    book.load([("1.10", "5.0"), ("1.00", "1.0")], [], 1)
    book.apply([(spelling, "6")], [], 2)
    assert book.bids() == levels(("1.10", "6"), ("1.00", "1.0"))
    book.apply([(spelling, "0")], [], 3)
    assert book.bids() == levels(("1.00", "1.0"))


def test_finer_price_than_any_before_is_kept_exactly() -> None:
    book = OrderBook()
    book.load([("1.1", "1")], [("3", "2")], 1)
    book.apply([("1.10000000001", "2"), ("1.1", "3")], [("2.5", "1")], 2)
    assert book.bids() == levels(("1.10000000001", "2"), ("1.1", "3"))
    assert (book.mid, book.spread) == (D("1.800000000005"), D("1.39999999999"))
    assert not book.is_crossed


def test_price_seen_before_is_the_same_after_a_finer_one() -> None:
    book = OrderBook()
    book.apply([("1.1", "1")], [], 1)
    book.apply([("1.05", "2")], [], 2)
    book.apply([("1.1", "3")], [], 3)
    assert book.bids() == levels(("1.1", "3"), ("1.05", "2"))


def test_last_of_several_changes_to_one_price_counts() -> None:
    book = loaded()
    book.apply([("99.6", "1"), ("99.6", "0"), ("99.6", "2.5")], [("100.1", "1"), ("100.1", "0")], 8)
    assert book.best_bid == BookLevel(D("99.6"), D("2.5"))
    assert book.best_ask == BookLevel(D("100.25"), D("4"))


@pytest.mark.parametrize("bad", ["", "x", "1.2.3", "NaN", "Infinity", "1_0", "1,5", "-1", "1" * (MAX_TEXT + 1), "1E99"])
def test_what_is_no_number_is_refused(bad: str) -> None:
    for pair in ((bad, "1"), ("1", bad), (bad, "1.0"), ("1.0", bad)):
        if pair[1]:
            with pytest.raises(ProtocolError):
                OrderBook().apply([pair], [], 1)
        with pytest.raises(ProtocolError):
            OrderBook().load([pair], [], 1)
        with pytest.raises(ProtocolError):
            OrderBook().load([], [("5.1", "1.0"), pair], 1)


@pytest.mark.parametrize("zero", ["0", "0.00", "0E-3"])
def test_price_of_zero_is_refused(zero: str) -> None:
    with pytest.raises(ProtocolError, match="not above zero"):
        OrderBook().apply([(zero, "1")], [], 1)
    with pytest.raises(ProtocolError, match="not above zero"):
        OrderBook().load([(zero, "1")], [], 1)


def test_quantity_that_slipped_through_is_refused_when_read() -> None:
    book = OrderBook()
    book.apply([("1", "1.2.3"), ("2", "7")], [], 1)  # two points among two quantities
    assert book.bids(1) == levels(("2", "7"))
    with pytest.raises(ProtocolError, match=r"1\.2\.3"):
        book.bids()


@pytest.mark.parametrize(
    ("bid", "ask", "is_crossed"),
    [
        ("1.0", "1.1", False),
        ("1.1", "1.1", True),
        ("1.10", "1.1", True),
        ("1.2", "1.15", True),
        ("1.149", "1.15", False),
    ],
)
def test_crossed_book_is_seen(bid: str, ask: str, is_crossed: bool) -> None:
    book = OrderBook()
    book.load([(bid, "1")], [(ask, "1")], 1)
    assert book.is_crossed is is_crossed


@pytest.mark.parametrize(
    ("side", "quantity", "expected"),
    [
        ("BUY", "3", Vwap(D("100.1"), D(3), D(0), D("100.1"))),
        ("BUY", "5", Vwap(D("100.16"), D(5), D(0), D("100.25"))),
        ("BUY", "8.5", Vwap(D("701.3") / 7, D(7), D("1.5"), D("100.25"))),
        ("SELL", "2", Vwap(D("99.45"), D(2), D(0), D("99.4"))),
    ],
)
def test_vwap_says_what_a_taker_pays_and_what_is_missing(side: str, quantity: str, expected: Vwap[Decimal]) -> None:
    assert loaded().vwap(side, D(quantity)) == expected
    assert loaded().vwap(Side(side), D(quantity)) == expected


@pytest.mark.parametrize("quantity", [D(0), D(-1), D("NaN"), D("Infinity")])
def test_vwap_refuses_what_is_no_quantity(quantity: Decimal) -> None:
    with pytest.raises(ValueError, match="not above zero"):
        loaded().vwap("BUY", quantity)
    with pytest.raises(ValueError, match="not above zero"):
        loaded().floats.vwap("BUY", float(quantity))


def test_a_book_takes_numbers_of_its_own_type_and_exact_ones() -> None:
    book = loaded()
    assert book.vwap("BUY", 1) == book.vwap("BUY", D(1)) == book.vwap("BUY", "1.0")
    assert book.floats.vwap("BUY", D(1)) == book.floats.vwap("BUY", 1.0)
    assert book.floats.depth_within("BUY", D("100.5")) == book.floats.depth_within("BUY", 100.5)
    for wrong in (0.5, "1e3", None, True):
        with pytest.raises(InvalidRequest, match=r"amounts are Decimal|not an exact amount"):
            book.vwap("BUY", wrong)  # type: ignore[arg-type]  # what is refused
        with pytest.raises(InvalidRequest, match=r"amounts are Decimal|not an exact amount"):
            book.depth_within("SELL", wrong)  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize("n", [-1, 1.5, "3", True])
def test_so_many_levels_are_refused(n: int) -> None:
    with pytest.raises(InvalidRequest, match="whole number"):
        loaded().bids(n)
    with pytest.raises(InvalidRequest, match="whole number"):
        loaded().floats.asks(n)


def test_unknown_side_is_refused() -> None:
    with pytest.raises(ValueError, match="neither BUY nor SELL"):
        loaded().vwap("bids", D(1))
    with pytest.raises(ValueError, match="neither BUY nor SELL"):
        loaded().depth_within("buy", D(1))


def test_depth_within_a_price_counts_that_price_and_better() -> None:
    book = loaded()
    within = [book.depth_within("BUY", D(price)) for price in ("100", "100.1", "100.2", "100.25", "1000")]
    assert within == [0, 3, 3, 7, 7]
    assert [book.depth_within("SELL", D(price)) for price in ("99.6", "99.5", "99.4", "0")] == [0, 1, 3, 3]


def test_reads_are_exact_whatever_precision_the_caller_works_with() -> None:
    price, quantity = "12345678.12345678", "98765432109876.12345678"
    book = OrderBook()
    book.load([(price, quantity), ("1.00000000", "0.00000001")], [("12345679.00000001", quantity)], 1)
    with localcontext(Context(prec=3)):
        assert book.best_bid == BookLevel(D(price), D(quantity))
        assert book.mid == D("12345678.561728395")
        assert book.depth_within("SELL", D(1)) == D("98765432109876.12345679")
        assert book.vwap("SELL", D(1)).price == D("1.23E+7")


def test_float_view_shows_the_same_book_as_it_changes() -> None:
    book = loaded()
    view = book.floats
    assert view.bids() == [(99.5, 1.0), (99.4, 2.0)]
    assert (view.mid, view.best_ask) == (99.8, (100.1, 3.0))
    assert view.vwap("BUY", 8.5) == Vwap(view.vwap("BUY", 7.0).price, 7.0, 1.5, 100.25)
    assert view.vwap("BUY", 8.5).price == pytest.approx(701.3 / 7)
    assert view.depth_within("BUY", 100.1) == 3.0
    book.apply([("99.7", "0.1")], [], 8)
    assert view.best_bid == (99.7, 0.1)
    assert {type(number) for level in view.bids() for number in level} == {float}
    assert not hasattr(view, "apply")
    assert inf > view.depth_within("BUY", inf) == 7.0


def test_many_removed_and_many_new_prices_leave_no_trace() -> None:
    book = OrderBook()
    book.load([("1.00", "1.0")], [], 1)
    for price in range(2, 4 * MAX_KNOWN):
        book.apply([(f"{price}.00", "1.0"), (f"{price + 1}.50", "2.0")], [], price)
        book.apply([(f"{price}.00", "0.0"), (f"{price + 1}.50", "2.0")], [], price)
        book.apply([(f"{price + 1}.50", "0.0"), (f"{price + 9000}.00", "3.0")], [], price)
        book.apply([(f"{price + 9000}.00", "0")], [], price)
    assert book.bids() == levels(("1.00", "1.0"))
    if isinstance(side := book._bids, PureBookSide):
        assert len(side.order) == len(side.quantities) < 200
        assert len(side._known) <= MAX_KNOWN


class Naive:
    """Same book by dicts of Decimals, all of it computed at each read."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def apply(self, bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> None:
        for side, changes in ((self.bids, bids), (self.asks, asks)):
            for price, quantity in changes:
                side.pop(D(price), None)
                if D(quantity):
                    side[D(price)] = D(quantity)

    def levels(self, side: str) -> list[tuple[Decimal, Decimal]]:
        return sorted(self.asks.items()) if side == "BUY" else sorted(self.bids.items(), reverse=True)

    def vwap(self, side: str, quantity: Decimal) -> tuple[Decimal | None, Decimal, Decimal, Decimal | None]:
        paid, left, worst = Fraction(0), quantity, None
        for price, there in self.levels(side):
            if left:
                worst = price
                paid += Fraction(price) * Fraction(min(there, left))
                left -= min(there, left)
        if worst is None:
            return None, D(0), quantity, None
        average = paid / Fraction(quantity - left)
        return D(average.numerator) / D(average.denominator), quantity - left, left, worst


hundredths = st.integers(1, 60)
prices = st.builds(
    lambda units, decimals, spelling: format(D(units) / 10**decimals, spelling),
    hundredths,
    st.sampled_from([2, 2, 2, 0, 1, 3, 4]),
    st.sampled_from([".4f", "f", "f", ".6f", "E"]),
)
quantities = st.one_of(
    st.sampled_from(["0", "0.0", "0.00000000", "0E-7"]),
    st.builds(
        lambda units, spelling: format(D(units) / 1000, spelling),
        st.integers(1, 9999),
        st.sampled_from([".3f", "f", ".8f", "E"]),
    ),
)
changes = st.lists(st.tuples(prices, quantities), max_size=12)
messages = st.lists(st.tuples(st.sampled_from(["apply", "apply", "apply", "load"]), changes, changes), max_size=25)


@settings(max_examples=150, deadline=None)
@given(messages, st.integers(1, 40), st.integers(1, 20000), hundredths)
def test_book_equals_a_naive_one_in_every_read(
    script: list[tuple[str, Pairs, Pairs]], n: int, thousandths: int, limit: int
) -> None:
    book, naive = OrderBook(), Naive()
    for version, (what, bids, asks) in enumerate(script, 1):
        if what == "load":
            naive = Naive()
            book.load(bids, asks, version)
        else:
            book.apply(bids, asks, version)
        naive.apply(bids, asks)
        buy, sell = naive.levels("BUY"), naive.levels("SELL")
        assert book.version == version
        assert (book.bids(), book.asks()) == (sell, buy)
        assert (book.bids(n), book.asks(n)) == (sell[:n], buy[:n])
        assert book.best_bid == (sell[0] if sell else None)
        assert book.best_ask == (buy[0] if buy else None)
        assert book.is_crossed == bool(sell and buy and sell[0][0] >= buy[0][0])
        assert book.mid == ((sell[0][0] + buy[0][0]) / 2 if sell and buy else None)
        assert book.spread == (buy[0][0] - sell[0][0] if sell and buy else None)
        assert book.floats.asks() == [(float(price), float(quantity)) for price, quantity in buy]
        size, price = D(thousandths) / 1000, D(limit) / 100
        for side in ("BUY", "SELL"):
            assert book.vwap(side, size) == naive.vwap(side, size)
        assert book.depth_within("BUY", price) == sum(there for at, there in buy if at <= price)
        assert book.depth_within("SELL", price) == sum(there for at, there in sell if at >= price)


def check_top(view: BookView[Decimal], naive: Naive) -> None:
    assert view.bids(5) == [(price, naive.bids[price]) for price in nlargest(5, naive.bids)]
    assert view.asks(5) == [(price, naive.asks[price]) for price in nsmallest(5, naive.asks)]


@pytest.mark.skipif(not TAPE.exists(), reason=f"the recorded tape is not there: {TAPE}")
def test_recorded_market_gives_the_naive_book_at_every_message() -> None:
    books: dict[str, OrderBook] = defaultdict(OrderBook)
    naives: dict[str, Naive] = defaultdict(Naive)
    applied = 0
    for line in gzip.decompress(TAPE.read_bytes()).splitlines():
        message = msgspec.json.decode(line)
        if message["kind"] == "trade":
            continue
        book, naive = books[message["symbol"]], naives[message["symbol"]]
        applied += 1
        if message["kind"] == "snapshot":
            naive = naives[message["symbol"]] = Naive()
            book.load(message["bids"], message["asks"], applied)
        else:
            book.apply(message["bids"], message["asks"], applied)
        naive.apply(message["bids"], message["asks"])
        check_top(book, naive)
        if applied % 50 == 0:
            assert (book.bids(), book.asks()) == (naive.levels("SELL"), naive.levels("BUY"))
    assert applied == 9729
    for symbol, book in books.items():
        assert (book.bids(), book.asks()) == (naives[symbol].levels("SELL"), naives[symbol].levels("BUY"))
