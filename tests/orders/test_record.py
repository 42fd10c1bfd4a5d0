"""One order's record: the same facts in any order and any number make the same state."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.errors import InsufficientBalance, OrderNotPlaced
from mexc_async.orders.record import OrderFill, OrderRecord, OrderState, may_conclude
from mexc_async.orders.snapshot import OrderFacts

QUANTITY = 10
PRICE = Decimal(100)


def record(quantity: Decimal | None = Decimal(QUANTITY), quote: Decimal | None = None) -> OrderRecord:
    return OrderRecord("mine-1", "BTCUSDT", "BUY", "LIMIT", quantity, PRICE, quote)


def fill(number: int, quantity: int, price: Decimal = PRICE, fee: str = "0.1") -> OrderFill:
    value = price * quantity
    return OrderFill(f"t{number}", price, Decimal(quantity), value, Decimal(fee), "USDT", 1000 + number, True)


class Tell:
    """The exchange reported the order's progress."""

    def __init__(self, executed: int, cancelled: bool = False) -> None:
        self.executed = executed
        self.cancelled = cancelled

    def __call__(self, to: OrderRecord) -> bool:
        done = Decimal(self.executed)
        is_filled = self.executed == QUANTITY
        return to.report("C1", done, done * PRICE, is_cancelled=self.cancelled, is_filled=is_filled)

    def __repr__(self) -> str:
        return f"Tell({self.executed}{', cancelled' if self.cancelled else ''})"


class Ack:
    """The exchange took the order."""

    def __call__(self, to: OrderRecord) -> bool:
        return to.place("C1")

    def __repr__(self) -> str:
        return "Ack"


class Doubt:
    """No answer came."""

    def __call__(self, to: OrderRecord) -> bool:
        return to.mark_unknown(5000)

    def __repr__(self) -> str:
        return "Doubt"


class Filled:
    """A trade was reported."""

    def __init__(self, number: int, quantity: int) -> None:
        self.number = number
        self.quantity = quantity

    def __call__(self, to: OrderRecord) -> bool:
        return to.fill("C1", fill(self.number, self.quantity))

    def __repr__(self) -> str:
        return f"Filled({self.number}, {self.quantity})"


Fact: TypeAlias = Tell | Ack | Doubt | Filled


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """Draw an order's true life, as an exchange would report it: some of it, in any order, some of it twice."""
    parts = draw(st.lists(st.integers(1, 4), max_size=5))
    facts: list[Fact] = [Ack(), Doubt(), Tell(0)]
    done = 0
    for number, part in enumerate(parts):
        part = min(part, QUANTITY - done)
        if not part:
            break
        done += part
        facts += [Filled(number, part), Tell(done)]
    if done < QUANTITY and draw(st.booleans()):
        facts.append(Tell(done, cancelled=True))
    told = draw(st.lists(st.sampled_from(facts), max_size=2 * len(facts)))
    return draw(st.permutations([*facts, *told]))


def shown(of: OrderRecord) -> tuple[object, ...]:
    return (
        of.state, of.order_id, of.filled_quantity, of.filled_quote_quantity, of.average_price, of.fills, of.fees,
        of.lacks, of.remaining_quantity,
    )  # fmt: skip


@given(histories(), st.randoms(use_true_random=False))
def test_every_permutation_ends_in_the_same_state(facts: list[Fact], random: object) -> None:
    one, other = record(), record()
    for fact in facts:
        fact(one)
    shuffled = sorted(facts, key=lambda _: random.random())  # type: ignore[attr-defined]  # hypothesis's Random
    for fact in shuffled:
        fact(other)
    assert shown(one) == shown(other)


@given(histories(), st.booleans())
def test_facts_and_fills_are_all_that_a_record_knows(facts: list[Fact], is_refused: bool) -> None:
    it = record()
    for fact in facts:
        fact(it)
    if is_refused:
        it.refuse(InsufficientBalance("too little", code=30004))
    kept = msgspec.json.decode(msgspec.json.encode(it.facts), type=OrderFacts)
    again = OrderRecord.of(kept)
    for fill in it.fills:
        again.fill(it.order_id, fill)
    assert shown(again) == shown(it)
    assert again.facts == it.facts


@pytest.mark.parametrize("stp_mode", [None, "", "cancel_both"])
def test_facts_hold_how_self_trades_are_prevented(stp_mode: str | None) -> None:
    it = OrderRecord("m-1", "BTCUSDT", "BUY", "LIMIT", Decimal(1), PRICE, stp_mode=stp_mode)
    kept = msgspec.json.decode(msgspec.json.encode(it.facts), type=OrderFacts)
    assert OrderRecord.of(kept).stp_mode == stp_mode


@given(histories())
def test_what_was_filled_never_falls_and_an_end_never_reopens(facts: list[Fact]) -> None:
    it = record()
    filled, was_final = Decimal(0), False
    for fact in facts:
        before = shown(it)
        is_news = fact(it)
        assert it.filled_quantity >= filled
        assert it.state.is_final or not was_final
        assert it.is_final is it.state.is_final
        assert is_news or shown(it) == before  # nothing changes in silence
        filled, was_final = it.filled_quantity, it.state.is_final
        assert filled <= QUANTITY


@given(histories())
def test_repeating_everything_tells_nothing_new(facts: list[Fact]) -> None:
    it = record()
    for fact in facts:
        fact(it)
    assert not any(fact(it) for fact in facts)


@pytest.mark.parametrize(
    ("facts", "state", "filled"),
    [
        ([], OrderState.SENDING, 0),
        ([Doubt()], OrderState.UNKNOWN, 0),
        ([Doubt(), Ack()], OrderState.NEW, 0),
        ([Ack(), Doubt()], OrderState.NEW, 0),
        ([Tell(3)], OrderState.PARTIALLY_FILLED, 3),
        ([Filled(1, 3)], OrderState.PARTIALLY_FILLED, 3),
        ([Filled(1, 3), Filled(1, 3)], OrderState.PARTIALLY_FILLED, 3),
        ([Filled(1, 3), Filled(2, 7)], OrderState.FILLED, 10),
        ([Tell(10), Tell(3)], OrderState.FILLED, 10),
        ([Tell(0, cancelled=True), Tell(0)], OrderState.CANCELED, 0),
        ([Tell(0, cancelled=True), Filled(1, 3)], OrderState.PARTIALLY_CANCELED, 3),
        ([Tell(3, cancelled=True), Filled(1, 3)], OrderState.PARTIALLY_CANCELED, 3),
    ],
    ids=repr,
)
def test_where_an_order_stands(facts: list[Fact], state: OrderState, filled: int) -> None:
    it = record()
    for fact in facts:
        fact(it)
    assert it.state is state
    assert it.filled_quantity == filled


def test_a_refused_order_is_final_and_says_why() -> None:
    it = record()
    it.mark_unknown(5000)
    error = InsufficientBalance("no funds")
    assert it.refuse(error)
    assert (it.state, it.error, it.is_in_doubt) == (OrderState.REFUSED, error, False)
    assert not it.mark_unknown(9000)
    assert it.state.is_final


def test_an_order_in_doubt_can_be_accepted_until_the_last_of_its_requests_can() -> None:
    it = record()
    assert it.mark_unknown(5000)
    assert not it.mark_unknown(4000)
    assert it.accepted_until_ms == 5000
    assert it.mark_unknown(6000)
    assert it.accepted_until_ms == 6000


def test_proof_that_it_was_placed_counts_more_than_the_conclusion_that_it_was_not() -> None:
    first, second = record(), record()
    gone = OrderNotPlaced("not there")
    first.give_up(gone)
    assert first.state is OrderState.NOT_PLACED
    first.fill("C1", fill(1, 4))
    second.fill("C1", fill(1, 4))
    second.give_up(gone)
    assert first.state is second.state is OrderState.PARTIALLY_FILLED


def test_a_market_order_sized_in_quote_ends_when_the_exchange_says_so() -> None:
    it = record(quantity=None, quote=Decimal(500))
    it.fill("C1", fill(1, 5))
    states = [it.state]
    assert it.remaining_quantity is None
    it.report("C1", Decimal(5), Decimal(500), is_cancelled=False, is_filled=True)
    assert [*states, it.state] == [OrderState.PARTIALLY_FILLED, OrderState.FILLED]


def test_fills_make_fees_and_the_average_price() -> None:
    it = record()
    it.fill("C1", fill(2, 1, Decimal(120), fee="0.2"))
    it.fill("C1", fill(1, 3, Decimal(100)))
    assert it.average_price == Decimal(105)
    assert it.fees == {"USDT": Decimal("0.3")}
    assert [one.trade_id for one in it.fills] == ["t1", "t2"]
    it.report("C1", Decimal(6), Decimal(700), is_cancelled=False, is_filled=False)
    assert (it.lacks, it.filled_quantity, it.filled_quote_quantity) == (Decimal(2), Decimal(6), Decimal(700))


@pytest.mark.parametrize(
    ("asked_ms", "margin_ms", "proves"), [(5999, 1000, False), (6000, 1000, False), (6001, 1000, True), (5001, 0, True)]
)
def test_absence_proves_something_only_after_the_window_and_the_lag(
    asked_ms: int, margin_ms: int, proves: bool
) -> None:
    assert may_conclude(asked_ms, 5000, margin_ms) is proves
