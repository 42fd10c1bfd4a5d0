"""Back-tests: a strategy on a recorded market in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

import pytest

from mexc_async import backtest
from mexc_async.accounts.accounts import Accounts
from mexc_async.backtest.recorded_run import JoinName
from mexc_async.backtest.result import Result
from mexc_async.backtest.strategy import Main
from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError, GuardRefused, VirtualTimeError
from mexc_async.runtime.clock import SYSTEM
from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.market.tape import BadTape
from mexc_async.sim.rest.config import SimConfig, main_account
from tests.support.tape_file import SECONDS, START_MS

D = Decimal
BTC = "BTCUSDT"
LOADED = SimConfig(accounts=(main_account(balances={"USDT": D(1000), "BTC": D(1)}),))


async def dip(mexc: Mexc, *, price: Decimal = Decimal(98), quantity: Decimal = Decimal("0.2")) -> None:
    """Buy at a price and sell one dollar higher, with one sell order that never fills."""
    async with mexc.orders.session() as session:
        order = await session.limit_buy(BTC, quantity=quantity, price=price)
        await order.filled(600)
        for sell in (price + 1, price + 3):
            await session.limit_sell(BTC, quantity=quantity, price=sell)
        await asyncio.sleep(600)


def at(second: float) -> int:
    return START_MS + round(second * 1000)


def test_orders_are_filled_when_the_recorded_market_reaches_their_price(tape: Path) -> None:
    result = backtest.run(dip, tape=tape, exchange=LOADED)
    bought, sold = result.fills
    assert (bought.side, bought.price, bought.quantity, bought.time) == ("BUY", D(98), D("0.2"), at(20.01))
    assert (sold.side, sold.price, sold.quantity, sold.time) == ("SELL", D(99), D("0.2"), at(50))
    assert (result.profit, result.quote, result.capital) == (D("0.2"), "USDT", D("1100.01"))
    assert [order.status for order in result.orders] == ["FILLED", "FILLED", "CANCELED"]
    assert result.balance("USDT") == D("1000.2")
    assert result.balance("BTC") == 1
    assert result.fees == {}


def test_market_end_cancels_the_strategy_as_ctrl_c_does(tape: Path) -> None:
    result = backtest.run(dip, tape=tape, exchange=LOADED)
    assert (result.ended_by, result.start_time, result.end_time) == ("market ended", at(0), at(SECONDS + 1.021))
    assert result.orders[2].updated_time == result.end_time


def test_strategy_that_returns_ends_the_run(tape: Path) -> None:
    async def main(mexc: Mexc) -> None:
        await asyncio.sleep(12.5)

    result = backtest.run(main, tape=tape)
    assert (result.ended_by, result.end_time) == ("returned", at(12.5))
    assert (result.orders, result.profit, result.drawdown.amount) == ((), D(0), D(0))


def test_strategy_lives_in_the_time_of_the_market(tape: Path) -> None:
    seen: list[object] = []

    async def main(mexc: Mexc) -> None:
        async with mexc.streams.trades(BTC) as trades:
            push = await anext(trades)
            seen.append((push.body.trades[0].price, round(time.time(), 3), datetime.now(UTC).second))
        seen.append((await mexc.spot.server_time()).server_time)

    began = SYSTEM.monotonic()
    backtest.run(main, tape=tape)
    assert seen == [(D("99.90"), 1_700_000_001.1, 21), at(1.1)]  # pushed every 100 ms
    assert SYSTEM.monotonic() - began < SECONDS
    assert time.time() > 1_750_000_000  # the time of the program is real again


def test_profit_and_drawdown_follow_the_market(tape: Path) -> None:
    async def main(mexc: Mexc) -> None:
        await mexc.orders.market_buy(BTC, quantity=D(1))
        await asyncio.sleep(600)

    result = backtest.run(main, tape=tape, exchange=LOADED, sample_s=10)
    fee = D("100.02") * D("0.0005")
    assert result.fees == {"USDT": fee}
    assert result.profit == -fee
    assert [(time_ms - START_MS, profit) for time_ms, profit in result.equity] == [
        (0, 0),
        (10_000, D("-0.90") - fee),
        (20_000, D("-1.90") - fee),
        (30_000, D("-2.90") - fee),
        (40_000, D("-2.10") - fee),
        (50_000, D("-1.10") - fee),
        (60_000, D("-0.10") - fee),
        (61_021, -fee),
    ]
    assert result.drawdown.low_time == at(30)
    assert result.drawdown.amount == D("2.90") + fee


@pytest.mark.parametrize("join", ["direct", "memory"])
def test_the_exchange_is_exact_whatever_precision_the_strategy_works_with(tape: Path, join: JoinName) -> None:
    async def main(mexc: Mexc, *, digits: int) -> None:
        getcontext().prec = digits
        await mexc.orders.market_buy(BTC, quantity=D("0.123"))
        await mexc.orders.limit_buy(BTC, quantity=D("0.777"), price=D("98.37"))
        await asyncio.sleep(30)

    exact, coarse = (backtest.run(main, tape=tape, parameters={"digits": digits}, join=join) for digits in (28, 4))
    assert coarse.orders == exact.orders
    assert coarse.fills == exact.fills
    assert coarse.balances == exact.balances
    assert getcontext().prec == 28


def test_several_accounts_trade_with_each_other(tape: Path) -> None:
    specs = tuple(
        AccountSpec(name=name, api_key=name, api_secret=name, balances={"USDT": D(500), "BTC": D(1)})
        for name in ("maker", "taker")
    )

    async def main(accounts: Accounts[Mexc]) -> None:
        await accounts["maker"].orders.limit_sell(BTC, quantity=D("0.3"), price=D("100.01"))
        await accounts["taker"].orders.limit_buy(BTC, quantity=D("0.3"), price=D("100.01"))

    result = backtest.run(main, tape=tape, exchange=SimConfig(accounts=specs))
    assert {(fill.account, fill.side, fill.is_maker) for fill in result.fills} == {
        ("maker", "SELL", True),
        ("taker", "BUY", False),
    }
    assert result.balance("BTC", "taker") == D("1.3")
    assert result.profit == -sum(fill.fee for fill in result.fills)


def test_limits_that_bound_are_reported(tape: Path) -> None:
    async def main(mexc: Mexc) -> None:
        mexc.orders.limits(max_order_notional=D(50))
        with suppress(GuardRefused):
            await mexc.orders.limit_buy(BTC, quantity=D(1), price=D(90))
        orders = [mexc.orders.limit_buy(BTC, quantity=D("0.1"), price=D(90)) for _ in range(15)]
        await asyncio.gather(*orders)

    limits = {(one.limit, one.kind): one for one in backtest.run(main, tape=tape).limits}
    assert limits["max_order_notional", "refused by the guard"].times == 1
    assert limits["orders", "waited"].times > 0
    assert limits["orders", "waited"].waited_ms > 0


def test_refusals_of_the_exchange_are_reported(tape: Path) -> None:
    async def main(mexc: Mexc) -> None:
        await asyncio.gather(*(mexc.spot.account() for _ in range(5)), return_exceptions=True)

    result = backtest.run(main, tape=tape, limits="unlimited")
    assert [(one.limit, one.kind) for one in result.limits if one.limit == "account"][-1:] == [
        ("account", "refused by the exchange")
    ]


def test_faults_of_the_exchange_strike_in_a_back_test_too(tape: Path) -> None:
    exchange = SimConfig(accounts=LOADED.accounts, faults=(Fault(kind="mute", on="new_order", times=1),))
    result = backtest.run(dip, tape=tape, exchange=exchange)
    assert [order.status for order in result.orders] == ["FILLED", "FILLED", "CANCELED"]  # looked up, none twice


def test_progress_goes_from_start_to_end(tape: Path) -> None:
    seen: list[backtest.Progress] = []

    async def main(mexc: Mexc) -> None:
        while True:
            started = SYSTEM.monotonic()
            while SYSTEM.monotonic() < started + 0.05:
                pass
            await asyncio.sleep(6)

    backtest.run(main, tape=tape, on_progress=seen.append)
    assert seen
    assert [one.time for one in seen] == sorted({one.time for one in seen})
    assert all(0 < one.share <= 1 and one.speed > 0 for one in seen)
    assert at(0) < seen[0].time <= at(SECONDS)


def test_ctrl_c_ends_the_run_with_the_result_so_far(tape: Path) -> None:
    results: list[Result] = []

    async def main(mexc: Mexc) -> None:
        async with mexc.orders.session() as session:
            await session.limit_buy(BTC, quantity=D("0.1"), price=D(90))
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(600)

    with pytest.raises(SystemExit) as ended:
        backtest.run(main, tape=tape, on_interrupt=results.append)
    assert ended.value.code == 130
    (result,) = results
    assert result.ended_by == "interrupted"
    assert [order.status for order in result.orders] == ["CANCELED"]


def test_error_of_the_strategy_is_raised_as_it_is(tape: Path) -> None:
    async def main(mexc: Mexc) -> None:
        await asyncio.sleep(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        backtest.run(main, tape=tape)


async def blocks(mexc: Mexc) -> None:
    time.sleep(1)  # noqa: ASYNC251 - the point


async def never_ends(mexc: Mexc) -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1)


async def leaves_a_task(mexc: Mexc) -> None:
    task = asyncio.create_task(never_ends(mexc))
    await asyncio.sleep(1)
    assert not task.done()


@pytest.mark.parametrize(
    ("main", "line", "words"),
    [
        (blocks, blocks.__code__.co_firstlineno + 1, "calls time.sleep"),
        (never_ends, never_ends.__code__.co_firstlineno + 3, "goes on 60 s after its cancellation"),
        (leaves_a_task, never_ends.__code__.co_firstlineno + 3, "goes on 60 s after its cancellation"),
    ],
)
def test_what_does_not_belong_names_its_line(tape: Path, main: Main, line: int, words: str) -> None:
    results: list[Result] = []
    with pytest.raises(VirtualTimeError) as caught:
        backtest.run(main, tape=tape, on_interrupt=results.append)
    assert f"test_recorded_run.py:{line} {words}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert results == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"join": "wire"}, "join 'wire' is not one of"),
        ({"seed": -1}, "seed -1 must not be negative"),
        ({"sample_s": 0}, "sample_s 0 must be a number of seconds from 0.001"),
        ({"parameters": {"size": 1}}, "parameter size is none of"),
        ({"rest": "http://127.0.0.1"}, "rest is set by the run"),
        ({"tape": 5}, "tape 5 is not a path"),
        ({"gc": "thaw"}, "gc 'thaw' is not one of"),
    ],
)
def test_wrong_setting_is_one_line(tape: Path, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        backtest.run(dip, **{"tape": tape, **wrong})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tape_that_cannot_be_used_is_one_line(tape: Path, tmp_path: Path) -> None:
    lines = tape.read_text().splitlines()
    broken = tmp_path / "broken.jsonl"
    broken.write_text("\n".join([lines[0], lines[4], lines[1]]))
    with pytest.raises(BadTape, match=r"broken\.jsonl, line 3") as caught:
        backtest.run(dip, tape=broken)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadTape, match=r"nowhere\.jsonl"):
        backtest.run(dip, tape=tmp_path / "nowhere.jsonl")


async def random_orders(mexc: Mexc, *, rounds: int = 8) -> None:
    """Trade at random in several tasks, with books, streams and everything else that could differ between runs."""
    import random
    import secrets

    async def trade(side: str) -> None:
        rules = mexc.rules(BTC)
        for _ in range(rounds):
            bid = (await mexc.spot.depth(symbol=BTC)).bids[0].price
            price = rules.price(bid + D(random.randint(-5, 5)) / 100)
            place = session.limit_buy if side == "BUY" else session.limit_sell
            await place(BTC, quantity=D("0.1"), price=price, client_order_id=f"{side}-{secrets.token_hex(6)}")
            await asyncio.sleep(random.random())

    await mexc.load_rules()
    async with mexc.orders.session() as session, mexc.books(BTC) as book:
        await book.synced()
        waiting = {asyncio.create_task(trade(side)) for side in ("BUY", "SELL")}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:  # the order of a set of tasks is the same in every run
                await task


def digest(result: Result) -> str:
    return hashlib.sha256(result.to_json()).hexdigest()


PROGRAM = """
import sys
from mexc_async import backtest, core_kind
from mexc_async.backtest.strategy import load

_, strategy, tape, join = sys.argv
result = backtest.run(load(f"{strategy}:random_orders"), tape=tape, seed=3, join=join)
sys.stderr.write(core_kind)
sys.stdout.buffer.write(result.to_json())
"""


def test_the_same_bytes_whatever_the_hash_seed_the_core_and_the_join(tape: Path) -> None:
    """Check a strategy with a set of tasks, random numbers and ids of its own."""
    runs = [("0", "", "direct"), ("1", "1", "direct"), ("2", "", "memory")]
    command = [sys.executable, "-c", PROGRAM, __file__, str(tape)]
    found, kinds = set(), []
    for hash_seed, pure, join in runs:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "MEXC_ASYNC_PURE": pure}
        done = subprocess.run([*command, join], env=environment, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode()
        found.add(done.stdout)
        kinds.append(done.stderr.decode())
    (text,) = found
    assert kinds == ["compiled", "pure", "compiled"]
    assert len(json.loads(text)["fills"]) > 5


@pytest.mark.parametrize("seed", range(3))
def test_joins_give_the_same_result(tape: Path, seed: int) -> None:
    direct, memory = (backtest.run(random_orders, tape=tape, seed=seed, join=join) for join in ("direct", "memory"))
    assert direct == memory


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tape: Path) -> None:
    first, second, other = (backtest.run(random_orders, tape=tape, seed=seed) for seed in (1, 1, 2))
    assert len(first.orders) == 16
    assert first.to_json() == second.to_json()
    assert digest(other) != digest(first)
    assert json.loads(first.to_json())["seed"] == 1
