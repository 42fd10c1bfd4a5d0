"""Rehearsals: seeds, rules, reports."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mexc_async import backtest
from mexc_async.backtest.rehearsal import rehearse as rehearsing
from mexc_async.backtest.rehearsal.world import World
from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError, MexcError, OrderNotPlaced
from mexc_async.orders.record import OrderRecord
from mexc_async.risk.risk_limits import GuardLimits
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.config import SimConfig, main_account
from mexc_async.sim.wallet.account_audit import AccountAudit
from tests.support.rehearsed import (
    at_most_five,
    ends_the_process,
    impatient,
    leaves_one_open,
    rest_one,
    restarts_cleanly,
    trades,
)

HERE = "tests/backtest/rehearsal/test_rehearse.py"
calm: Callable[..., backtest.Rehearsal] = partial(backtest.rehearse, seeds=1, seconds=5, faults=(), cpus=1)
"""A single seed without faults, in this process."""


def failure(result: backtest.Rehearsal) -> tuple[str, str]:
    """Return rule and text of the only failure."""
    (only,) = result.failures
    assert not result.held
    return only.rule, only.text


def test_sound_strategy_holds_in_every_seed() -> None:
    result = backtest.rehearse(restarts_cleanly, seeds=range(12), cpus=1)
    assert result.held, result
    assert (result.seeds, result.strategy) == (12, "rehearsed.py:restarts_cleanly")
    assert result.orders > 100
    assert result.fills > 10
    assert sum(1 for row in result.coverage.values() if any(row.values())) > 5
    assert str(result).endswith("every rule held in every seed")


def test_result_is_the_same_on_any_number_of_cpus() -> None:
    many = [
        backtest.rehearse(trades, seeds=range(8), parameters={"orders": "6"}, invariants=[at_most_five], cpus=cpus)
        for cpus in (1, 2)
    ]
    assert len(many[0].failures) > 3
    assert many[0].to_json() == many[1].to_json()


def test_order_left_open_is_found() -> None:
    rule, text = failure(calm(leaves_one_open))
    assert rule == "open"
    assert text.endswith("-1 is NEW")
    assert calm(leaves_one_open, leaves_orders=True).held


def test_error_of_the_strategy_is_found_with_its_line() -> None:
    async def main(mexc: Mexc) -> None:
        raise LookupError("no such luck\nand more")

    assert failure(calm(main)) == ("raised", f"{HERE}:{main.__code__.co_firstlineno + 1}: LookupError: no such luck")
    assert calm(main, may_raise=[LookupError]).ended == {"raised": 1}


def test_error_of_a_call_has_the_line_of_the_strategy() -> None:
    async def main(mexc: Mexc) -> None:
        await rest_one(mexc)

    _, text = failure(calm(main, faults=["ban,on=new_order,delay_ms=100"]))
    assert text.startswith("tests/support/rehearsed.py:")
    assert "IpBanned" in text


def test_error_of_a_task_that_nobody_awaits_is_found() -> None:
    async def fail() -> None:
        raise LookupError("alone")

    async def main(mexc: Mexc) -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        del task

    rule, text = failure(calm(main))
    assert rule == "raised"
    assert text.endswith("LookupError: alone")


def test_strategy_that_goes_on_after_its_cancellation_is_found() -> None:
    async def main(mexc: Mexc) -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if asyncio.get_running_loop().time() > 1e9:
                    raise

    rule, text = failure(calm(main))
    assert rule == "time"
    assert HERE in text
    assert "goes on 60 s after its cancellation" in text


def test_blocking_call_is_found_with_its_line() -> None:
    async def main(mexc: Mexc) -> None:
        import time

        time.sleep(1)  # noqa: ASYNC251 - the mistake

    rule, text = failure(calm(main))
    assert rule == "time"
    assert "time.sleep" in text
    assert f"{HERE}:{main.__code__.co_firstlineno + 3}" in text


def test_cancelled_strategy_may_end_in_its_own_way() -> None:
    async def main(mexc: Mexc) -> None:
        async with mexc.orders.session():
            await rest_one(mexc)
            await asyncio.sleep(3600)

    assert calm(main).ended == {"cancelled": 1}
    assert calm(main).held


def believes(**changes: Any) -> Callable[[Mexc], Any]:
    """Return a strategy that cancels an order and then changes the client's record of it."""

    async def main(mexc: Mexc) -> None:
        order = await rest_one(mexc)
        await order.cancel()
        for name, value in changes.items():
            setattr(order.record, name, value)

    return main


@pytest.mark.parametrize(
    ("changes", "rule", "text"),
    [
        ({"_executed": Decimal(1)}, "belief", "the client believes FILLED for CANCELED, 1 for 0"),
        ({"order_id": "C1"}, "belief", "the client believes C1 for "),
        ({"is_placed": False, "error": OrderNotPlaced("no")}, "known", "for REFUSED (OrderNotPlaced: no"),
    ],
)
def test_wrong_belief_is_found(changes: dict[str, object], rule: str, text: str) -> None:
    found = failure(calm(believes(**changes)))
    assert found[0] == rule
    assert text in found[1]


def test_order_that_the_client_does_not_know_is_found() -> None:
    async def main(mexc: Mexc) -> None:
        order = await rest_one(mexc)
        await order.cancel()
        mexc.orders.table.discard(order.client_order_id)

    rule, text = failure(calm(main))
    assert rule == "known"
    assert text.startswith("the client does not know m")


def test_order_that_only_the_client_knows_is_found() -> None:
    async def main(mexc: Mexc) -> None:
        record = OrderRecord("mine", "BTCUSDT", "BUY", "LIMIT", Decimal(1), Decimal(1))
        record.report("C02", Decimal(0), Decimal(0), is_cancelled=True, is_filled=False)
        mexc.orders.table.add(record)

    text = "the client takes mine for CANCELED, and the exchange has no such order"
    assert failure(calm(main)) == ("known", text)


def test_rules_of_the_user_are_checked() -> None:
    async def fills(mexc: Mexc, truth: AccountAudit) -> None:
        await mexc.spot.ping()
        assert not truth.orders, "there are orders"

    def broken(mexc: Mexc, truth: AccountAudit) -> None:
        raise LookupError(truth.name)

    async def main(mexc: Mexc) -> None:
        await (await rest_one(mexc)).cancel()

    assert failure(calm(main, invariants=[at_most_five, fills])) == ("fills", "there are orders")
    assert failure(calm(main, invariants=[broken]))[1].endswith("LookupError: main")


def test_limits_of_the_guard_are_checked_by_the_books_of_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = GuardLimits(
        max_open_orders=1, max_order_notional={"USDT": Decimal(10)}, symbols=frozenset({"ETHUSDT", "XRPUSDT"})
    )
    monkeypatch.setattr(World, "_limits_of", lambda *_: limits)

    async def main(mexc: Mexc) -> None:
        async with mexc.orders.session():
            await rest_one(mexc)
            await rest_one(mexc, "ETHUSDT")

    (found,) = calm(main).failures
    texts = (found.text, *found.others)
    assert found.rule == "guard"
    assert any("is an order of BTCUSDT, which is not allowed" in text for text in texts)
    assert any("2 orders are open, max_open_orders is 1" in text for text in texts)
    assert any("max_order_notional is 10" in text for text in texts)


def test_limits_of_the_guard_hold_where_it_guards() -> None:
    async def main(mexc: Mexc) -> None:
        mexc.orders.limits(max_open_orders=1, max_order_notional=21)
        async with mexc.orders.session():
            await rest_one(mexc)
            await rest_one(mexc)

    rule, text = failure(calm(main))
    assert rule == "raised"
    assert "GuardRefused" in text


def test_rejections_by_a_rate_limit_are_found() -> None:
    async def main(mexc: Mexc) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(mexc.spot.all_orders(symbol="BTCUSDT"))

    rule, text = failure(calm(main, limits="unlimited", may_raise=[Exception]))
    assert rule == "limits"
    assert "by its limit" in text
    assert calm(main).held


def test_faults_that_are_given_replace_those_of_the_seed() -> None:
    async def main(mexc: Mexc) -> None:
        await rest_one(mexc)

    result = calm(main, seeds=2, seconds=30, faults=[Fault(kind="error", on="new_order", at="read")])
    assert [failed.rule for failed in result.failures] == ["raised", "raised"]
    assert "OrderNotPlaced" in result.failures[0].text
    assert result.coverage["error"]["sent"] == 2
    assert result.failures[0].shortest == ("error,on=new_order,times=1,at=read",)


def test_failure_is_shrunk_to_the_fault_that_matters_and_repeats_itself() -> None:
    late, twice = "late_answer,on=new_order,chance=0.3,delay_ms=3000", "answer_twice,on=*,chance=0.5"
    result = calm(impatient, seeds=4, seconds=20, faults=[late, twice], may_raise=[MexcError])
    first = next(failed for failed in result.failures if failed.rule == "open" and failed.shortest)
    assert first.struck > 1
    assert first.is_repeatable
    assert first.shortest is not None
    assert len(first.shortest) == 1
    assert first.command == (
        f"mexc-async rehearse tests/support/rehearsed.py:impatient --seed {first.seed} --may-raise MexcError "
        f"--fault {first.shortest[0]}"
    )
    assert [line for line in first.story if first.shortest[0] in line]
    assert [line for line in first.story if "client    sends POST /api/v3/order" in line]
    assert [line for line in first.story if "exchange" in line and "is NEW" in line]
    again = backtest.rehearse(impatient, seeds=[first.seed], cpus=1, faults=first.shortest, may_raise=[MexcError])
    assert (again.failures[0].rule, again.failures[0].text) == (first.rule, again.failures[0].text)
    assert again.failures[0].story == first.story
    lines = str(result).splitlines()
    assert any(f"seed {first.seed} breaks the rule open with 1 fault of the" in line for line in lines)


def test_several_accounts_are_checked_each() -> None:
    async def main(accounts: Any) -> None:
        await rest_one(accounts["second"])

    second = main_account("key-2", "secret-2")
    exchange = SimConfig(accounts=(main_account(), type(second)(name="second", api_key="key-2", api_secret="secret-2")))
    assert failure(calm(main, exchange=exchange))[0] == "open"


def test_process_that_ends_over_a_seed_is_found() -> None:
    result = backtest.rehearse(ends_the_process, seeds=2, cpus=2)
    assert [failed.text for failed in result.failures] == ["the process ended with status 3"] * 2


def test_no_further_round_starts_once_many_seeds_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsing, "ROUND", 3)
    monkeypatch.setattr(rehearsing, "ENOUGH", 5)
    result = calm(leaves_one_open, seeds=20, seconds=0.5)
    assert result.seeds == len(result.failures) == 6


def test_progress_is_reported() -> None:
    seen: list[backtest.RehearsalProgress] = []
    calm(leaves_one_open, seeds=2, on_progress=seen.append)
    assert seen[-1] == (2, 2, 2)


async def nothing(mexc: Mexc) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"seeds": 0}, "seeds 0 must be from 1 to"),
        ({"seeds": []}, "seeds must be a number of seeds or whole numbers, not []"),
        ({"seconds": 0}, "seconds 0 must be a number of seconds from 0.001"),
        ({"cpus": 0}, "cpus 0 must be from 1 to"),
        ({"rest": "http://127.0.0.1"}, "rest is set by the run"),
        ({"call_log": "calls.jsonl"}, "call_log is set by the rehearsal"),
        ({"faults": ["quiet"]}, "fault 'quiet': 'quiet' is none of"),
        ({"parameters": {"no": 1}}, "parameter no is none of"),
        ({"seeds": 2, "cpus": 2, "invariants": [lambda *_: None]}, "is no function of a module's top level"),
    ],
)
def test_wrong_input_is_refused_in_one_line(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        backtest.rehearse(nothing, **settings)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_output_of_the_strategy_is_dropped_with_many_seeds(capfd: pytest.CaptureFixture[str]) -> None:
    async def main(mexc: Mexc) -> None:
        print("hello")

    calm(main, seeds=2)
    assert capfd.readouterr().out == ""
    calm(main)
    assert capfd.readouterr().out == "hello\n"


def test_nothing_is_left_behind_in_this_process() -> None:
    before = (os.environ.copy(), sys.stdout)
    calm(nothing, seeds=2)
    assert (os.environ.copy(), sys.stdout) == before


KILLS = ("kill,on=new_order,chance=0.2,at=unread,delay_ms=1000", "kill,on=cancel_order,chance=0.2,delay_ms=3000")


def test_killed_client_restores_its_orders_or_is_guarded() -> None:
    result = backtest.rehearse(restarts_cleanly, seeds=10, faults=[*KILLS, "mute,on=new_order,chance=0.1"], cpus=1)
    assert result.held, result
    assert sum(result.coverage["kill"].values()) > 10
    assert result.ended["killed"] > 1
    assert result.ended["cancelled"] > 1


def test_orders_that_a_strategy_forgets_after_a_kill_are_found() -> None:
    result = backtest.rehearse(trades, seeds=10, faults=KILLS, cpus=1)
    assert {failed.rule for failed in result.failures} == {"open"}
    shrunk = next(failed for failed in result.failures if failed.shortest)
    assert shrunk.shortest is not None
    (fault,) = shrunk.shortest
    assert fault.startswith("kill,on=")
    lines = [line[24:] for line in shrunk.story if "process" in line]
    assert lines == [
        "the client's process starts",
        "the client's process is killed",
        "the client's process starts again, and restores its orders",
    ]


def test_frozen_client_goes_on_where_it_stood() -> None:
    seen: list[float] = []

    async def main(mexc: Mexc) -> None:
        began = asyncio.get_running_loop().time()
        await (await rest_one(mexc)).cancel()
        seen.append(asyncio.get_running_loop().time() - began)

    assert calm(main, seconds=20, faults=["freeze,on=new_order,delay_ms=7000,times=1"]).held
    assert seen[0] > 7


def test_kill_does_not_run_the_end_of_the_strategy() -> None:
    seen: list[str] = []

    async def main(mexc: Mexc) -> None:
        seen.append("begins")
        await mexc.orders.cancel_all()
        try:
            await rest_one(mexc)
            await asyncio.sleep(600)
        finally:
            seen.append("ends")

    result = calm(main, seeds=[2], seconds=20, leaves_orders=True, faults=["kill,on=new_order,delay_ms=1000,times=1"])
    assert result.held, result
    assert seen[:2] == ["begins", "begins"]
    assert result.ended == {"cancelled": 1}


def test_recorded_market_is_played_in_every_seed(tape: Path) -> None:
    async def main(mexc: Mexc) -> None:
        async with mexc.orders.session():
            order = await mexc.orders.limit_buy("BTCUSDT", quantity=Decimal("0.2"), price=Decimal(98))
            await order.filled()

    result = calm(main, seeds=2, seconds=40, exchange=SimConfig(tape=tape))
    assert result.held, result
    assert (result.fills, result.ended) == (2, {"returned": 2})
