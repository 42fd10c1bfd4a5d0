"""The strategies of tests/rehearsals over sockets, in real time: under every fault at once, every rule must hold.

`make chaos` runs them for longer and with more seeds: CHAOS_SEEDS=1,2,3 CHAOS_FACTOR=20.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import isawaitable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from mexc_async.backtest.rehearsal.invariants import breaches_of
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Settings
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.sim.wallet.account_audit import AccountAudit
from tests.rehearsals import books, money, orders
from tests.support.restored import known_by, past
from tests.support.streams import nothing_left, until

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "7").split(",")]
FACTOR = int(os.environ.get("CHAOS_FACTOR", "1"))
"""Length of a run: 20 is 2,000 orders."""
SETTLE_S = 120.0
DEADLINE_S = 300.0 + 30 * FACTOR
"""Time after which a run hangs."""


class Chaos(NamedTuple):
    """A strategy, its exchange, its faults and its rules."""

    main: Callable[..., Awaitable[object]]
    parameters: Mapping[str, Any]
    exchange: SimConfig
    settings: Settings
    faults: Sequence[Fault]
    rules: Sequence[Callable[[Mexc, AccountAudit], Any]]


ORDERS = Chaos(
    orders.main,
    {"orders": 100 * FACTOR},
    replace(orders.EXCHANGE, flow=5),
    orders.SETTINGS,
    orders.FAULTS,
    (orders.told_the_truth, orders.exposure_is_true, orders.all_settled),
)
BY_POOL = Settings(**{**orders.SETTINGS, "network": replace(orders.SETTINGS["network"], transport="pool")})
WORLDS = {
    "orders": ORDERS,
    "network": ORDERS._replace(faults=orders.NETWORK),
    "network-pool": ORDERS._replace(faults=orders.NETWORK, settings=BY_POOL),
    "money": Chaos(
        money.main,
        {"moves": 40 * FACTOR},
        money.EXCHANGE,
        money.SETTINGS,
        money.FAULTS,
        (money.ledger_equals_intent,),
    ),
    "books": Chaos(
        books.main,
        {"seconds": 3.0 * FACTOR},
        replace(books.EXCHANGE, flow=10),
        books.SETTINGS,
        books.FAULTS,
        (books.follows_the_exchange,),
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", WORLDS)
async def test_every_rule_holds_over_sockets(name: str, seed: int, tmp_path: Path) -> None:
    main, parameters, exchange, settings, faults, rules = WORLDS[name]
    log = tmp_path / "calls.jsonl"
    sockets = open_sockets()
    settle = replace(settings.get("orders", OrderSettings()), keep_s=1e6)
    async with asyncio.timeout(DEADLINE_S), nothing_left(), Simulator(replace(exchange, seed=seed)) as sim:
        own: Settings = {**settings, "orders": settle, "rest": sim.rest, "ws": sim.spot_ws, "call_log": log}
        before = sim.statement()
        async with Mexc(Credentials(DEMO_KEY, DEMO_SECRET), **own) as mexc:
            sim.inject(*faults)
            await main(mexc, **parameters)
            struck = {count.fault.kind for count in sim.fault_counts() if count.struck}
            sim.clear_faults()
            sim.inject(Fault(kind="drop", now=True))  # half-open sockets, and pushes held back for ever
            await until(lambda: not breaches_of(mexc, sim.statement(), before, leaves_orders=False), SETTLE_S)
            for rule in rules:
                found = rule(mexc, sim.statement())
                assert not (await found if isawaitable(found) else found)
            # The call log alone has the same.
            assert known_by(await past(mexc, log)) == known_by(mexc.orders.execution.tracker.table)
        await until(lambda: not len(sim.sockets))
        assert len(struck) > 3
    await until(lambda: open_sockets() <= sockets)


def open_sockets() -> int:
    """Count the sockets of this process; 0 where that cannot be seen."""
    files = Path("/proc/self/fd")
    if not files.is_dir():
        return 0
    return sum(1 for file in files.iterdir() if file.is_symlink() and "socket:" in _target(file))


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""  # closed meanwhile
