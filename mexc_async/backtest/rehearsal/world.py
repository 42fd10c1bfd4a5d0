"""World of one seed: an exchange with faults and a client that trades on it, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace

from mexc_async.backtest.memory import MemoryJoin
from mexc_async.backtest.rehearsal.coverage import State, state_of
from mexc_async.backtest.rehearsal.invariants import doubled, left_open
from mexc_async.backtest.rehearsal.life import END_S, SETTLE_S, Life, Surroundings, described
from mexc_async.backtest.rehearsal.outcome import Breach, SeedRun, Struck
from mexc_async.backtest.rehearsal.plan import Plan, Task
from mexc_async.backtest.rehearsal.story import Moment, bookings, knowledge, story_of, strikes
from mexc_async.backtest.rehearsal.trader import Trader
from mexc_async.backtest.rehearsal.traffic import Traffic
from mexc_async.backtest.rehearsal.watch import Watch
from mexc_async.client.mexc import Mexc
from mexc_async.errors import VirtualTimeError
from mexc_async.orders.record import OrderRecord
from mexc_async.risk.risk_limits import GuardLimits
from mexc_async.runtime.program_lines import line_of_task
from mexc_async.runtime.runner import INTERRUPTED, TERMINATED
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.faults.faults import Strike
from mexc_async.sim.market.recording import Recording, read_recording
from mexc_async.sim.rest.http import Request
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
_LIMITING = ("throttle", "ban", "clock", "kill")
"""Kinds of faults after which requests break a rate limit without the client's fault.

A process that starts after a kill does not know what the one before it has spent."""


def run_seed(plan: Plan, task: Task, recording: Recording | None) -> SeedRun:
    """Run the strategy once, in the world of a seed with these faults, and return the outcome."""
    loop = VirtualLoop(START_MS if recording is None else recording.start_ms, task.seed)
    with TemporaryDirectory(prefix="mexc-rehearsal-") as folder, _quiet(plan.is_quiet):
        world = World(plan, task, recording, loop, Path(folder))
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


def recording_of(plan: Plan) -> Recording | None:
    """Read the recorded market of a plan; None without one. Raises ValueError for a file that cannot be used."""
    exchange = plan.exchange
    return None if exchange.tape is None else read_recording(exchange.tape, exchange.market_data)


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

    def __init__(self, plan: Plan, task: Task, recording: Recording | None, loop: VirtualLoop, folder: Path) -> None:
        self._plan = plan
        self._task = task
        self._recording = recording
        self._start_ms = loop.clock.wall_ms()
        self._loop = loop
        self._call_log = folder / "calls.log"
        self._watch = Watch(loop.clock.wall_ms, self._limits_of)
        self._traffic = Traffic(self._try_aim, self._on_failure)
        self._simulator: Simulator
        self._trader: Trader
        self._before: dict[str, AccountAudit] = {}
        """Audits of the accounts at the start, by name."""
        self._audits: list[AccountAudit] = []
        self._names: dict[str, str] = {}
        """Names of accounts by uid."""
        self._of_process: dict[str, Callable[[int], None]] = {}
        """What faults of the process do, by kind; the exchange only reports them."""
        self._aim = task.aim
        self._skips = task.aim.skip if task.aim else 0
        self._struck: list[Struck] = []
        self._moments: list[Moment] = []
        self.breaches: list[Breach] = []
        loop.set_exception_handler(self._on_lost_error)

    def outcome(self) -> SeedRun:
        """Return the outcome of the run that has ended."""
        life = self._life
        found = (*self.breaches, *self._watch.breaches, *(life.breaches if life else ()))
        breaches = tuple(dict.fromkeys(found))
        return SeedRun(
            seed=self._task.seed,
            breaches=breaches,
            struck=tuple(self._struck),
            ended=life.ended if life else "never",
            orders=sum(len(audit.orders) for audit in self._audits),
            fills=sum(len(audit.fills) for audit in self._audits),
            virtual_ms=self._now_ms(),
            story=self._story(breaches) if self._task.has_story else (),
        )

    @property
    def _life(self) -> Life | None:
        return self._trader.life

    def _now_ms(self) -> int:
        return self._loop.clock.wall_ms() - self._start_ms

    def _story(self, breaches: Iterable[Breach]) -> tuple[str, ...]:
        concerned = {name for breach in breaches for name in breach.orders}
        concerned = concerned or {name for struck in self._struck for name in struck.orders}
        moments = [
            *self._moments,
            *strikes(self._struck),
            *bookings(self._watch.events, self._start_ms),
            *knowledge(self._call_log, self._start_ms),
        ]
        return story_of(moments, concerned)

    # The run

    async def run(self) -> None:
        """Run the strategy under the faults, and check every rule."""
        seed, config = self._task.seed, self._plan.exchange
        config = replace(config, seed=config.seed + seed % _MARKETS, fault_seed=seed, step_ms=0)
        if self._recording is not None:
            config = replace(config, loop_tape=False, generated=False)
        join = MemoryJoin()
        self._simulator = simulator = Simulator(
            config,
            self._loop.clock,
            self._traffic.listen(join.listen),
            watcher=self._watch,
            recording=self._recording,
            on_strike=self._on_strike,
        )
        around = Surroundings(simulator, join, self._before, self._call_log)
        self._trader = trader = Trader(self._plan, around, self._loop, seed, self._on_process)
        self._of_process = {"kill": trader.kill, "freeze": trader.freeze}
        async with simulator:
            self._before.update({account.name: simulator.statement(account.name) for account in config.accounts})
            self._names = {audit.account: name for name, audit in self._before.items()}
            if self._task.faults:
                simulator.inject(*self._task.faults)
            await self._to_its_end(simulator)
            await self._check(simulator)
        self._trader.bury()

    async def _to_its_end(self, simulator: Simulator) -> None:
        """Let the client live, cancel its strategy when the time is over, and wait for its end."""
        trader = self._trader
        work = asyncio.create_task(trader.run(), name="client")
        await asyncio.wait({work}, timeout=self._plan.seconds)
        if not work.done():
            trader.stop()
            await asyncio.wait({work}, timeout=GRACE_S)
            simulator.clear_faults()
        if not trader.has_ended:
            await asyncio.wait({work}, timeout=END_S)
        if not trader.has_ended and not work.done():
            line = line_of_task(life.work) if (life := self._life) and life.work else None
            self.breaches.append(Breach("time", f"{line or 'the strategy'} goes on {END_S:g} s after its cancellation"))
            trader.abandon()
        await asyncio.wait({work}, timeout=SETTLE_S + _CLOSE_S)
        if not work.done():
            self.breaches.append(Breach("time", f"the client does not close in {_CLOSE_S:g} s"))
            trader.abandon()
        work.cancel()
        await asyncio.wait({work})
        if not work.cancelled():
            work.result()

    async def _check(self, simulator: Simulator) -> None:
        """Check the rules that the exchange alone can show."""
        self.breaches += self._trader.breaches
        self._audits = [simulator.statement(name) for name in self._before]
        for audit in self._audits:
            self.breaches += doubled(audit)
            if not self._plan.leaves_orders:
                self.breaches += left_open(audit)
        if not any(one.entry.kind in _LIMITING for one in self._struck):
            for limit, times in sorted(simulator.rejected.items()):
                self.breaches.append(Breach("limits", f"the exchange rejected {times} requests by its limit {limit}"))
        await asyncio.sleep(1.0)
        if streams := len(simulator.sockets):
            self.breaches.append(Breach("left", f"{streams} streams are open after the client has closed"))

    # What happens on the way

    def _on_strike(self, strike: Strike) -> None:
        """Record a fault with the states of the orders that it concerns, and carry out one of the process."""
        tables = [mexc.orders.table for mexc in self._clients().values()]
        named = (record for table in tables for name in strike.orders if (record := table.find(None, name)) is not None)
        found = self._states(record for record in named if not record.is_final)
        found = found or self._states(record for table in tables for record in table.live()) or ["none"]
        self._struck.append(Struck(strike.fault, self._now_ms(), strike.orders, tuple(found)))
        if act := self._of_process.get(strike.fault.kind):
            act(strike.fault.delay_ms)

    def _try_aim(self) -> None:
        """Put the fault that the seed aims with in force once an order is in the state that it aims at."""
        aim = self._aim
        if aim is None or not self._task.aimed:
            return
        live = (record for mexc in self._clients().values() for record in mexc.orders.table.live())
        states = self._states(live) or ["none"]
        if aim.state not in states or not self._has_begun:
            return
        if self._skips:
            self._skips -= 1
            return
        self._aim = None
        self._simulator.inject(*self._task.aimed)

    def _states(self, records: Iterable[OrderRecord]) -> list[State]:
        sent, cancelling = self._traffic.sent, self._traffic.cancelling
        return sorted({state_of(record, sent, cancelling) for record in records})

    @property
    def _has_begun(self) -> bool:
        return self._life is not None and self._life.work is not None and not self._life.has_ended

    def _clients(self) -> Mapping[str, Mexc]:
        return self._life.clients if self._life is not None else {}

    def _limits_of(self, uid: str) -> GuardLimits | None:
        """Return the guard's limits of an account's client; None without a guard."""
        mexc = self._clients().get(self._names.get(uid, ""))
        if mexc is None or not mexc.orders.execution.guard.is_on:
            return None
        return mexc.orders.limits()

    def _on_process(self, text: str) -> None:
        self._moments.append(Moment(self._now_ms(), "process", f"the client's process {text}"))

    def _on_failure(self, request: Request) -> None:
        what = f"{request.method} {request.target.partition('?')[0]}"
        self.breaches.append(Breach("raised", f"the simulated exchange failed at {what}: its log says why"))

    def _on_lost_error(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Record an error that nobody took, such as that of a task whose result nobody asked for."""
        error = context.get("exception")
        text = described(error) if isinstance(error, BaseException) else str(context.get("message"))
        self.breaches.append(Breach("raised", f"nobody took {text}"))
