"""Queue position of users' orders in a recorded book, and what they take from it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.sim.exchange.accounts import Account, AccountSpec
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.matching import Side, opposite
from mexc_async.sim.exchange.orders import Order, OrderRequest
from mexc_async.sim.exchange.symbols import rules_of
from mexc_async.sim.market.models import BadModels, MarketModels, Queue
from mexc_async.sim.market.recorded_book import RecordedBook

D = Decimal
NOW = 1_700_000_000_000
RULES = rules_of("AB", "USDT", "AB", "100", 0, "1", max_value="1000000000", band="1")
RICH = {"AB": D(10**9), "USDT": D(10**9)}

quantities = st.integers(1, 20).map(D)


class On(NamedTuple):
    """An exchange with one recorded symbol, and an account on it."""

    exchange: Exchange
    market: Market
    book: RecordedBook
    account: Account

    def order(self, side: Side, price: int, quantity: int) -> Order:
        request = OrderRequest(symbol="ABUSDT", side=side, type="LIMIT", quantity=D(quantity), price=D(price))
        return self.exchange.place(self.account, request, NOW)

    def set(self, side: Side, price: int, quantity: int, now_ms: int = NOW) -> None:
        self.book.set_level(side, D(price), D(quantity), now_ms)

    def trade(self, taker: Side, price: int, quantity: int) -> None:
        self.book.trade(taker, D(price), D(quantity), NOW)

    def queue(self, price: int) -> list[int]:
        """Return what rests at a bid, front first: users' orders are negative."""
        level = self.market.book.bids.levels.get(D(price))
        entries = level.entries if level else ()
        return [int(-entry.quantity if entry.order_id else entry.quantity) for entry in entries]

    def ahead(self, order: Order) -> Decimal:
        level = self.market.book.half(order.side).levels[order.price]
        entries = list(level.entries)
        return sum((entry.quantity for entry in entries[: entries.index(order.entry)] if not entry.order_id), D(0))  # type: ignore[arg-type]  # it rests


def on(**models: Any) -> On:
    exchange = Exchange([RULES], seed=1, now_ms=NOW, recorded=["ABUSDT"])
    account = exchange.open_account(AccountSpec(name="a", api_key="k", api_secret="s", balances=RICH), NOW)
    market = exchange.market("ABUSDT")
    return On(exchange, market, RecordedBook(exchange, market, MarketModels(**models), seed=1), account)


def test_an_order_joins_behind_what_stands_and_growth_joins_behind_it() -> None:
    at = on()
    at.set("BUY", 99, 5)
    at.order("BUY", 99, 2)
    at.set("BUY", 99, 8)
    at.set("BUY", 99, 9)
    assert at.queue(99) == [5, -2, 4]
    at.trade("SELL", 99, 6)
    assert at.queue(99) == [-1, 4]


def test_an_order_alone_at_its_price_is_the_first() -> None:
    at = on()
    order = at.order("BUY", 99, 2)
    at.set("BUY", 99, 7)
    assert at.queue(99) == [-2, 7]
    at.trade("SELL", 99, 3)
    assert (order.status, at.queue(99)) == ("FILLED", [7])  # the recording says what is left of the rest


@pytest.mark.parametrize(("queue", "left"), [("behind", [5, -1, 2]), ("power", [5, -1, 2])])
def test_a_cancel_shrinks_a_part_of_the_queue(queue: Queue, left: list[int]) -> None:
    at = on(queue=queue, queue_power=20)  # the larger part, all but surely
    at.set("BUY", 99, 5)
    at.order("BUY", 99, 1)
    at.set("BUY", 99, 15)
    at.set("BUY", 99, 7)
    assert at.queue(99) == left


def test_a_cancel_of_more_than_stands_behind_comes_from_ahead() -> None:
    at = on(queue="behind")
    at.set("BUY", 99, 5)
    at.order("BUY", 99, 1)
    at.set("BUY", 99, 8)
    at.set("BUY", 99, 4)
    assert at.queue(99) == [4, -1]
    at.set("BUY", 99, 0)
    assert at.queue(99) == [-1]


def test_proportional_cancels_come_from_ahead_as_often_as_its_share() -> None:
    at = on(queue="proportional")
    at.set("BUY", 99, 30)
    at.order("BUY", 99, 1)
    at.set("BUY", 99, 40)
    before, from_ahead = at.queue(99), 0
    for _ in range(400):
        at.set("BUY", 99, 39)
        after = at.queue(99)
        from_ahead += before[0] - after[0]
        at.market.book.bids.reduce(next(iter(at.market.book.bids.levels[D(99)].entries)), D(after[0] - 30))
        at.set("BUY", 99, 40)
        before = at.queue(99)
    assert 250 < from_ahead < 350  # three of four


def test_a_trade_reported_after_its_level_counts_once() -> None:
    at = on(queue="behind")
    at.set("BUY", 99, 5)
    order = at.order("BUY", 99, 2)
    at.book.set_level("BUY", D(99), D(4), NOW, lambda symbol, side, price: D(1))
    assert at.queue(99) == [5, -2]  # the trade takes the front
    at.trade("SELL", 99, 1)
    assert at.queue(99) == [4, -2]
    at.book.set_level("BUY", D(99), D(0), NOW, lambda symbol, side, price: D(4))
    at.trade("SELL", 99, 4)
    assert at.queue(99) == [-2]
    assert order.executed == 0


def test_a_trade_through_a_price_fills_the_orders_there() -> None:
    at = on()
    at.set("BUY", 98, 5)
    near, far = at.order("BUY", 99, 2), at.order("BUY", 98, 2)
    at.trade("SELL", 98, 8)
    assert [near.executed, far.executed] == [D(2), D(1)]
    assert at.market.last_price == 98


def test_a_recorded_order_fills_those_it_crosses_and_withdraws_recorded_ones() -> None:
    at = on()
    at.set("BUY", 99, 5)
    at.set("BUY", 98, 5)
    order = at.order("BUY", 98, 2)
    at.set("BUY", 98, 9)
    at.set("SELL", 98, 3)
    assert (at.queue(99), at.queue(98), order.status) == ([], [], "FILLED")
    assert at.market.levels("SELL", 5) == [(D(98), D(1))]


@pytest.mark.parametrize(
    ("impact", "later"),
    [("until_gone", [6, 8, 0, 5, 0, 7]), ("none", [10, 12, 3, 8, 0, 7]), (60.0, [6, 8, 0, 5, 0, 7])],
)
def test_what_an_order_took_stays_gone(impact: Any, later: list[int]) -> None:
    at = on(impact=impact)
    if impact == "none":
        at.market.taken = None
    at.set("SELL", 101, 10)
    assert at.order("BUY", 101, 4).status == "FILLED"
    seen = []
    for quantity in (10, 12, 3, 8, 0, 7):
        at.set("SELL", 101, quantity)
        seen.append(sum(quantity for _, quantity in at.market.levels("SELL", 5)))
    assert seen == later


def test_it_comes_back_with_the_first_message_after_some_seconds() -> None:
    at = on(impact=2.0)
    at.set("SELL", 101, 10)
    at.order("BUY", 101, 10)
    at.set("SELL", 101, 11, NOW + 1999)
    assert at.market.levels("SELL", 5) == [(D(101), D(1))]
    at.set("SELL", 101, 11, NOW + 2000)
    assert at.market.levels("SELL", 5) == [(D(101), D(11))]


def test_a_snapshot_without_the_level_gives_it_back() -> None:
    at = on()
    at.set("SELL", 101, 10)
    at.order("BUY", 101, 10)
    at.book.clear("SELL", set(), NOW)
    at.set("SELL", 101, 4)
    assert at.market.levels("SELL", 5) == [(D(101), D(4))]


levels = st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 4), st.integers(0, 20))
trades = st.tuples(st.sampled_from(["trade buy", "trade sell"]), st.integers(1, 4), st.integers(1, 20))
orders = st.tuples(
    st.sampled_from(["order buy", "order sell", "cross buy", "cross sell"]), st.integers(1, 4), st.integers(1, 9)
)


@given(
    st.lists(st.one_of(levels, levels, trades, orders), max_size=40),
    st.sampled_from(["power", "proportional", "behind"]),
)
@settings(deadline=None, max_examples=150)
def test_fills_never_exceed_what_traded_and_levels_follow_the_recording(
    steps: list[tuple[str, int, int]], queue: Queue
) -> None:
    """Bids stand at 96 to 99 and asks at 101 to 104, so that recorded levels do not cross each other."""
    at = on(queue=queue)
    recorded: dict[tuple[str, int], int] = {}
    made: list[Order] = []
    for kind, distance, quantity in steps:
        before = sum((order.executed for order in made), D(0))
        if kind in ("BUY", "SELL"):
            side: Side = "BUY" if kind == "BUY" else "SELL"
            price = 100 - distance if side == "BUY" else 100 + distance
            recorded[side, price] = quantity
            at.set(side, price, quantity)
            assert sum((order.executed for order in made), D(0)) - before <= quantity
        elif kind.startswith("trade"):
            taker: Side = "BUY" if kind == "trade buy" else "SELL"
            at.trade(taker, 100 + distance if taker == "BUY" else 100 - distance, quantity)
            assert sum((order.executed for order in made), D(0)) - before <= quantity
        else:
            side = "BUY" if kind.endswith("buy") else "SELL"
            away = distance if kind.startswith("order") else -distance
            made.append(at.order(side, 100 - away if side == "BUY" else 100 + away, quantity))
    for (name, price), quantity in recorded.items():
        side = "BUY" if name == "BUY" else "SELL"
        at.set(side, price, quantity)
        level = at.market.book.half(side).levels.get(D(price))
        standing = sum((entry.quantity for entry in level.entries if not entry.order_id), D(0)) if level else D(0)
        taken = (at.market.taken or {}).get((side, D(price)))
        assert standing == quantity - (taken.quantity if taken else 0)
    for half in (at.market.book.bids, at.market.book.asks):
        for level in half.levels.values():
            assert level.quantity == sum((entry.quantity for entry in level.entries), D(0))
        assert set(half.users) == {
            order.entry for order in made if order.entry and at.market.book.half(order.side) is half
        }


def play(steps: list[tuple[bool, int]], queue: Queue, first: int) -> list[tuple[Decimal, Decimal]]:
    """Play trades and levels at one price; return what stands ahead of an order there, and its fills, at each step."""
    at = on(queue=queue)
    at.set("BUY", 99, first)
    order = at.order("BUY", 99, 50)
    seen, traded, gone = [], D(0), D(0)
    ahead = D(first)
    for is_trade, quantity in steps:
        standing = sum(each for each in at.queue(99) if each > 0)
        before = order.executed
        if is_trade:
            at.trade("SELL", 99, quantity)
            traded += quantity
        else:
            at.set("BUY", 99, quantity)
            gone += max(0, standing - quantity)
        left = at.ahead(order) if order.entry else D(0)
        assert left <= ahead
        assert ahead - left <= (quantity if is_trade else max(0, standing - quantity))
        assert order.executed - before == (max(0, min(D(quantity) - ahead, D(50) - before)) if is_trade else 0)
        assert order.executed <= traded
        assert order.executed == 0 or traded + gone >= first
        ahead = left
        seen.append((left, order.executed))
    return seen


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20)), max_size=30), st.integers(0, 20))
@settings(deadline=None, max_examples=150)
def test_an_order_never_fills_before_what_stood_ahead_has_gone(steps: list[tuple[bool, int]], first: int) -> None:
    worst = play(steps, "behind", first)
    for queue in ("power", "proportional"):
        for (ahead, filled), (most_ahead, least_filled) in zip(play(steps, queue, first), worst, strict=True):
            if filled or least_filled:
                break  # from here on the queues differ in what rests behind
            assert ahead <= most_ahead


def test_the_same_seed_draws_the_same_queue() -> None:
    steps = [(False, 20), (False, 11), (True, 1), (False, 17), (False, 3), (False, 9), (False, 5)] * 3
    assert play(steps, "power", 10) == play(steps, "power", 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MarketModels(queue="front"), "queue 'front' is none of power, proportional, behind"),  # type: ignore[arg-type]
        (lambda: MarketModels(queue_power=-1), "queue_power -1 is not between 0 and 20"),
        (lambda: MarketModels(impact="all"), "impact 'all' is neither until_gone nor none"),  # type: ignore[arg-type]
        (lambda: MarketModels(impact=-1.0), "impact -1.0 is not a number of seconds from 0"),
        (lambda: MarketModels(spread_ticks=0), "spread_ticks 0 is not between 1 and 10000"),
        (lambda: MarketModels(volume_share=D(2)), "volume_share 2 is not above 0 and at most 1"),
    ],
)
def test_a_setting_out_of_its_range_is_named(make: Callable[[], MarketModels], message: str) -> None:
    with pytest.raises(BadModels) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_a_taker_meets_recorded_levels_on_the_other_side_only() -> None:
    at = on()
    at.set("SELL", 101, 3)
    order = at.order("SELL", 101, 2)
    at.trade(opposite("SELL"), 101, 4)
    assert order.executed == 1
