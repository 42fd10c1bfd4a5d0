"""Coverage: states of orders at strikes, and aims at what was not seen."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mexc_async.backtest.rehearsal.coverage import STATES, TRIES, Coverage, State, state_of
from mexc_async.backtest.rehearsal.mix import HARMS, KINDS, aimed, mixed
from mexc_async.orders.record import OrderRecord
from mexc_async.sim.faults.request_faults import check_target
from mexc_async.sim.rest.routes import ENDPOINTS

ZERO = Decimal(0)


def record(*, placed: bool = False, filled: int = 0, doubted: bool = False) -> OrderRecord:
    found = OrderRecord("a", "BTCUSDT", "BUY", "LIMIT", Decimal(2), Decimal(1))
    if placed:
        found.report("C1", Decimal(filled), Decimal(filled), is_cancelled=False, is_filled=False)
    if doubted:
        found.mark_unknown(1)
    return found


@pytest.mark.parametrize(
    ("order", "sent", "cancelling", "state"),
    [
        (record(), "", "", "waiting"),
        (record(), "a", "", "sent"),
        (record(placed=True), "a", "", "acked"),
        (record(placed=True, filled=1), "a", "", "partly filled"),
        (record(placed=True), "a", "a", "cancelling"),
        (record(doubted=True), "a", "", "settling"),
        (record(doubted=True), "a", "a", "cancelling"),
    ],
)
def test_state_is_the_one_that_the_client_knows(order: OrderRecord, sent: str, cancelling: str, state: State) -> None:
    assert state_of(order, {sent}, {cancelling}) == state


def test_aims_are_what_was_not_seen_and_the_least_tried() -> None:
    coverage = Coverage(("mute", "skip"))
    coverage.add("mute", ["sent", "acked", "sent"])
    first = coverage.aims(5)
    assert len({(aim.kind, aim.state) for aim in first}) == 5
    assert ("mute", "sent") not in {(aim.kind, aim.state) for aim in first}
    second = coverage.aims(100)
    assert len(second) == 2 * len(STATES) - 2
    assert {(aim.kind, aim.state) for aim in second[:7]}.isdisjoint({(aim.kind, aim.state) for aim in first})
    for _ in range(TRIES):
        coverage.aims(100)
    assert coverage.aims(100) == []
    assert coverage.rows()["mute"]["sent"] == 1
    assert coverage.rows()["skip"] == dict.fromkeys(STATES, 0)


def test_mix_repeats_itself_and_has_calm_seeds_and_every_kind() -> None:
    mixes = [mixed(seed) for seed in range(300)]
    assert mixes == [mixed(seed) for seed in range(300)]
    assert 10 < sum(1 for faults in mixes if not faults) < 60
    assert {fault.kind for faults in mixes for fault in faults} == set(KINDS)
    for fault in (fault for faults in mixes for fault in faults):
        check_target(fault, ENDPOINTS)
        assert 0 < fault.chance <= max(harm.most for harm in HARMS)


def test_seed_that_aims_has_a_fault_of_the_kind_for_the_moment() -> None:
    for aim in Coverage(KINDS).aims(1000):
        faults, strike = aimed(5, aim)
        assert [(fault.kind, fault.times, fault.chance) for fault in strike] == [(aim.kind, 1, 1.0)]
        assert (faults[0].kind, faults[0].chance) == (aim.kind, 0.0)
        for fault in (*faults, *strike):
            check_target(fault, ENDPOINTS)
