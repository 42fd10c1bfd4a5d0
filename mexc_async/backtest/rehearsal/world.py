"""World of one seed: an exchange with faults and a client that trades on it, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace

from mexc_async.backtest.memory import MemoryJoin
from mexc_async.backtest.rehearsal.invariants import doubled, left_open
from mexc_async.backtest.rehearsal.life import END_S, SETTLE_S, Life, described
from mexc_async.backtest.rehearsal.outcome import Breach, SeedRun
from mexc_async.backtest.rehearsal.plan import Plan
from mexc_async.backtest.rehearsal.watch import Watch
from mexc_async.errors import VirtualTimeError
from mexc_async.risk.risk_limits import GuardLimits
from mexc_async.runtime.program_lines import line_of_task
from mexc_async.runtime.runner import INTERRUPTED, TERMINATED
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import Simulator
from mexc_async.sim.wallet.account_audit import AccountAudit

START_MS = 1_700_000_000_000
"""Virtual time at the start, milliseconds UTC."""
GRACE_S = 5.0
"""Virtual time for which faults stay in force once the strategy is cancelled, seconds."""
_MARKETS = 4
"""Seeds of generated markets in one rehearsal: a market's first levels take a while to draw, and are remembered."""
_CLOSE_S = 30.0
"""Longest virtual time that a client may take to close, seconds."""


def run_seed(plan: Plan, seed: int, faults: Sequence[Fault]) -> SeedRun:
    """Run the strategy once, in the world of a seed with these faults, and return the outcome."""
    loop = VirtualLoop(START_MS, seed)
    with TemporaryDirectory(prefix="mexc-rehearsal-") as folder, _quiet(plan.is_quiet):
        world = World(plan, seed, faults, loop, Path(folder))
        try:
            run_virtual(world.run(), loop)
        except VirtualTimeError as error:
            world.breaches.append(Breach("time", str(error)))
        except asyncio.CancelledError:
            world.breaches.append(Breach("time", "the run was cancelled"))
        except SystemExit as ended:
            if ended.code in (INTERRUPTED, TERMINATED):
                raise
            world.breaches.append(Breach("raised", f"SystemExit: {ended.code}"))
        return world.outcome()


@contextmanager
def _quiet(is_quiet: bool) -> Iterator[None]:
    """Drop what is printed and logged."""
    if not is_quiet:
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        logging.disable(before)


class World:
    """Exchange, client and faults of one seed."""

    def __init__(self, plan: Plan, seed: int, faults: Sequence[Fault], loop: VirtualLoop, folder: Path) -> None:
        self._plan = plan
        self._seed = seed
        self._faults = faults
        self._loop = loop
        self._folder = folder
        self._life: Life | None = None
        self._watch = Watch(self._limits_of)
        self._audits: list[AccountAudit] = []
        self._names: dict[str, str] = {}
        """Names of accounts by uid."""
        self.breaches: list[Breach] = []
        loop.set_exception_handler(self._on_lost_error)

    def outcome(self) -> SeedRun:
        """Return the outcome of the run that has ended."""
        seen = dict.fromkeys((*self.breaches, *(self._life.breaches if self._life else ()), *self._watch.breaches))
        return SeedRun(
            seed=self._seed,
            breaches=tuple(seen),
            ended="never" if self._life is None else self._life.ended,
            orders=sum(len(audit.orders) for audit in self._audits),
            fills=sum(len(audit.fills) for audit in self._audits),
            virtual_ms=self._loop.clock.wall_ms() - START_MS,
        )

    async def run(self) -> None:
        """Run the strategy under the faults, and check every rule."""
        config = replace(self._plan.exchange, seed=self._plan.exchange.seed + self._seed % _MARKETS, step_ms=0)
        join = MemoryJoin()
        simulator = Simulator(config, self._loop.clock, join.listen, watcher=self._watch)
        async with simulator:
            before = {account.name: simulator.statement(account.name) for account in config.accounts}
            self._names = {audit.account: name for name, audit in before.items()}
            if self._faults:
                simulator.inject(*self._faults)
            log = self._folder / "calls.jsonl"
            self._life = life = Life(self._plan, simulator, join.network, before, log, simulator.clear_faults)
            await self._to_its_end(life, simulator)
            await self._check(simulator, before)

    async def _to_its_end(self, life: Life, simulator: Simulator) -> None:
        """Let the client live, cancel its strategy when the time is over, and wait for its end."""
        others = set(self._loop.tasks())
        work = asyncio.create_task(life.run(), name="client")
        others.add(work)  # type: ignore[arg-type]  # the loop makes only such tasks
        await asyncio.wait({work}, timeout=self._plan.seconds)
        if life.ended == "never" and not work.done():
            life.stop()
            await asyncio.wait({work}, timeout=GRACE_S)
            simulator.clear_faults()
            if life.ended == "never":
                await asyncio.wait({work}, timeout=END_S - GRACE_S)
        if life.ended == "never" and not work.done():
            line = line_of_task(life.work) if life.work is not None else None
            text = f"{line or 'the strategy'} goes on {END_S:g} s after its cancellation"
            self.breaches.append(Breach("time", text))
            work.cancel()
        await asyncio.wait({work}, timeout=SETTLE_S + _CLOSE_S)
        if not work.done():
            line = line_of_task(work)
            self.breaches.append(Breach("time", f"{line or 'the client'} does not close in {_CLOSE_S:g} s"))
        elif not work.cancelled() and (error := work.exception()) is not None:
            self.breaches.append(Breach("raised", described(error)))

    async def _check(self, simulator: Simulator, before: Mapping[str, AccountAudit]) -> None:
        """Check the rules that the exchange alone can show."""
        self._audits = [simulator.statement(name) for name in before]
        for audit in self._audits:
            self.breaches += doubled(audit)
            if not self._plan.leaves_orders:
                self.breaches += left_open(audit)
        if not self._strikes_limits():
            for limit, times in sorted(simulator.rejected.items()):
                self.breaches.append(Breach("limits", f"the exchange rejected {times} requests by its limit {limit}"))
        await asyncio.sleep(1.0)
        if streams := len(simulator.sockets):
            self.breaches.append(Breach("left", f"{streams} streams are open after the client has closed"))

    def _strikes_limits(self) -> bool:
        """Return True if a fault made the exchange refuse requests by its limits."""
        return False

    def _limits_of(self, uid: str) -> GuardLimits | None:
        """Return the guard's limits of an account's client; None without a guard."""
        clients = self._life.clients if self._life is not None else {}
        mexc = clients.get(self._names.get(uid, ""))
        if mexc is None or not mexc.orders.execution.guard.is_on:
            return None
        return mexc.orders.limits()

    def _on_lost_error(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Record an error that nobody took, such as that of a task whose result nobody asked for."""
        error = context.get("exception")
        with suppress(RuntimeError):
            text = described(error) if isinstance(error, BaseException) else str(context.get("message"))
            self.breaches.append(Breach("raised", f"nobody took {text}"))
