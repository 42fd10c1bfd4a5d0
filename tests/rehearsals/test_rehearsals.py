"""Rehearsals of this package: orders, money and books in worlds of faults, in virtual time.

`make rehearse` runs them with 10,000 seeds, or as many as REHEARSE_SEEDS says.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from mexc_async.backtest import Rehearsal, rehearse
from mexc_async.sim.faults.faults import Fault
from tests.rehearsals import books, money, orders, trader
from tests.support.rehearsed_seeds import MANY, SEEDS, cpus, share

PATIENT_S = 600.0
"""Virtual time of a seed whose strategy ends by itself."""
_orders = partial(rehearse, orders.main, seconds=PATIENT_S, exchange=orders.EXCHANGE)
TRUE = (orders.told_the_truth, orders.exposure_is_true)
STRICT = (*TRUE, orders.all_settled)


def check(result: Rehearsal, faults: Iterable[Fault] = ()) -> None:
    """Assert that every rule held in every seed and, in enough seeds, that each of the faults struck."""
    assert result.held, f"\n{result}"
    if result.seeds >= 10:
        rare = {"restart", "drop", "delay", "cut", "kill", "freeze"}
        assert {fault.kind for fault in faults} - rare <= {
            kind for kind, row in result.coverage.items() if any(row.values())
        }


def chaos(faults: tuple[Fault, ...], seeds: int, count: int = 50, **settings: Any) -> Rehearsal:
    """Rehearse orders of every kind with these faults at once."""
    given = {"invariants": STRICT, **orders.SETTINGS, **settings}
    return _orders(seeds=seeds, parameters={"orders": count}, faults=faults, cpus=cpus(), **given)


def test_trader_holds_under_any_mix_of_faults() -> None:
    result = rehearse(trader.main, seeds=share(45), parameters={"orders": 10}, cpus=cpus())
    check(result)
    assert result.orders > 5 * result.seeds


def test_orders_are_known_under_any_mix_of_faults() -> None:
    result = _orders(seeds=share(7), parameters={"orders": 50}, invariants=TRUE, cpus=cpus(), **orders.SETTINGS)
    check(result)
    assert result.orders > 20 * result.seeds


def test_orders_are_known_under_every_fault_of_the_exchange_at_once() -> None:
    check(chaos(orders.FAULTS, seeds=share(12)), orders.FAULTS)


def test_nothing_is_believed_that_a_hostile_network_made_up() -> None:
    check(chaos(orders.NETWORK, seeds=share(10)), orders.NETWORK)


def test_nothing_is_believed_that_a_hostile_network_made_up_of_orders_by_the_pool() -> None:
    network = replace(orders.SETTINGS["network"], transport="pool")
    check(chaos(orders.NETWORK, seeds=share(4), network=network), orders.NETWORK)


def test_answer_that_comes_twice_answers_one_order() -> None:
    check(chaos(orders.REPEATED, seeds=share(2), count=200))


def test_orders_of_killed_processes_are_restored_under_every_fault_at_once() -> None:
    faults = (*orders.FAULTS, *orders.KILLED)
    result = chaos(faults, seeds=share(6), invariants=[orders.told_the_truth])
    check(result, faults)
    assert sum(result.coverage["kill"].values()) >= result.seeds


@pytest.mark.skipif(SEEDS < MANY, reason="a long one: `make rehearse` runs it")
def test_two_thousand_orders_are_known_under_every_fault_at_once() -> None:
    result = chaos(orders.FAULTS, seeds=share(1), count=2000)
    check(result)
    assert result.orders > 1000 * result.seeds


def test_ledger_equals_the_intent_under_every_fault_at_once() -> None:
    result = rehearse(
        money.main,
        seeds=share(8),
        seconds=PATIENT_S,
        exchange=money.EXCHANGE,
        faults=money.FAULTS,
        invariants=[money.ledger_equals_intent],
        cpus=cpus(),
        **money.SETTINGS,
    )
    check(result, (fault for fault in money.FAULTS if fault.kind != "restart"))
    assert result.ended == {"returned": result.seeds}


def test_books_and_private_streams_follow_the_exchange_under_every_fault_at_once() -> None:
    result = rehearse(
        books.main,
        seeds=share(5),
        seconds=PATIENT_S,
        exchange=books.EXCHANGE,
        faults=books.FAULTS,
        invariants=[books.follows_the_exchange],
        cpus=cpus(),
        **books.SETTINGS,
    )
    check(result)
    assert result.fills > 10 * result.seeds
