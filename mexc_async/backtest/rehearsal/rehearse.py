"""A rehearsal: a strategy in many worlds of faults, on all CPUs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Unpack

from mexc_async.backtest.rehearsal.coverage import Aim, Coverage
from mexc_async.backtest.rehearsal.mix import KINDS, aimed, mixed
from mexc_async.backtest.rehearsal.outcome import SeedRun
from mexc_async.backtest.rehearsal.plan import SECONDS, USUAL, Invariant, Plan, Task
from mexc_async.backtest.rehearsal.report import Rehearsal, failure_of
from mexc_async.backtest.rehearsal.shrink import Shrunk, shrunk
from mexc_async.backtest.rehearsal.workers import Runner, runner_of
from mexc_async.backtest.session import own_settings
from mexc_async.backtest.strategy import Main, Strategy
from mexc_async.client.settings import Settings
from mexc_async.errors import ConfigError
from mexc_async.runtime.clock import SYSTEM
from mexc_async.schema.settings import check_setting
from mexc_async.schema.validation import between, number
from mexc_async.sim.faults.faults import BadFault, Fault, parse_fault
from mexc_async.sim.faults.request_faults import check_target
from mexc_async.sim.rest.config import SimConfig
from mexc_async.sim.rest.routes import ENDPOINTS

ROUND = 100
"""Seeds of one round, after which the next is planned."""
ENOUGH = 20
"""Failed seeds after which no further round starts."""
AIMING = 3
"""One seed in so many aims at what was not seen yet."""
MOST_SHRUNK = 5
"""Most failures whose faults are shrunk, each of another rule."""
_REPORT_S = 0.1
_seconds = number("must be a number of seconds from 0.001 to 1,000,000", lambda value: 0.001 <= value <= 1e6)


class RehearsalProgress(NamedTuple):
    """Progress of a rehearsal."""

    done: int
    """Seeds that have run."""
    total: int
    failed: int


def rehearse(
    main: Main,
    *,
    seeds: int | Iterable[int] = 1000,
    seconds: float = SECONDS,
    parameters: Mapping[str, object] | None = None,
    faults: Iterable[Fault | str] | None = None,
    exchange: SimConfig | None = None,
    invariants: Iterable[Invariant] = (),
    leaves_orders: bool = False,
    may_raise: Iterable[type[Exception]] = (),
    cpus: int | None = None,
    on_progress: Callable[[RehearsalProgress], None] | None = None,
    on_interrupt: Callable[[Rehearsal], None] | None = None,
    **settings: Unpack[Settings],
) -> Rehearsal:
    """Run a strategy in many worlds of faults, in virtual time, and check in each that no rule is broken.

        print(backtest.rehearse(main, seeds=1000))

    A seed draws a mix of faults of requests, answers, streams and the exchange; a tenth of the seeds has none. The
    strategy runs under them until it returns, or is cancelled after `seconds`, as by Ctrl-C. Then the faults end, and
    the client has to learn the truth. The same seed is the same run. No further seeds start once 20 have failed.

    The rules, at the end of every seed: no order is open, doubled or unknown; the client's orders, fills and balances
    are those of the exchange's books; the guard's limits and the rate limits held all the time; no task and no stream
    is left; the strategy ended in time, and raised nothing.

    Args:
        main: the strategy, `async def main(mexc, **parameters)`.
        seeds: number of seeds, from 0 on, or the seeds.
        seconds: virtual time after which the strategy is cancelled.
        parameters: values of the strategy's parameters, by name; text is converted to their annotated types.
        faults: faults in force in every seed, in place of those that the seed draws; also as text, such as
            `mute,on=new_order,after=3,times=1`.
        exchange: settings of the simulated exchange. With several accounts `main` gets an `Accounts`. The default has
            travel times of a few milliseconds and a background market at a third of its usual pace.
        invariants: rules of your own: functions of a client and the exchange's audit of its account that return the
            text of a breach or None, or use `assert`.
        leaves_orders: True if the strategy may leave orders open that the client knows.
        may_raise: errors that the strategy may end with.
        cpus: processes to use; by default one for each CPU. With 1 all runs in this process.
        on_progress: function to call with the progress, a few times a second.
        on_interrupt: function to call with the result so far after Ctrl-C, before KeyboardInterrupt is raised.
        settings: those of `Mexc`, apart from `rest`, `ws`, `proxy`, `clock` and `call_log`.

    Raises ConfigError, and KeyboardInterrupt after Ctrl-C.
    """
    check_setting("seconds", seconds, _seconds)
    numbers = _numbers(seeds)
    if "call_log" in settings:
        raise ConfigError("call_log is set by the rehearsal: each seed has one of its own")
    plan = Plan(
        strategy=Strategy(main, parameters),
        seconds=float(seconds),
        exchange=exchange or USUAL,
        settings=own_settings(settings),
        invariants=tuple(invariants),
        leaves_orders=leaves_orders,
        may_raise=tuple(may_raise),
        is_quiet=len(numbers) > 1,
    )
    given = None if faults is None else _given(faults)
    return _Rehearsing(plan, given, _report(on_progress)).run(numbers, _cpus(cpus, len(numbers)), on_interrupt)


def _given(faults: Iterable[Fault | str]) -> tuple[Fault, ...]:
    """Return the faults. Raises ConfigError."""
    try:
        found = tuple(parse_fault(fault) if isinstance(fault, str) else fault for fault in faults)
        for fault in found:
            check_target(fault, ENDPOINTS)
    except BadFault as error:
        raise ConfigError(str(error)) from None
    return found


def _numbers(seeds: int | Iterable[int]) -> Sequence[int]:
    """Return the seeds. Raises ConfigError."""
    if isinstance(seeds, int):
        check_setting("seeds", seeds, between(1, 1_000_000_000))
        return range(seeds)
    found = list(seeds)
    if not found or not all(type(seed) is int for seed in found):
        raise ConfigError(f"seeds must be a number of seeds or whole numbers, not {seeds!r}")
    return found


def _cpus(cpus: int | None, tasks: int) -> int:
    """Return the number of processes. Raises ConfigError."""
    if cpus is not None:
        check_setting("cpus", cpus, between(1, 1024))
    elif hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    return min(cpus or os.cpu_count() or 1, tasks)


def _report(on_progress: Callable[[RehearsalProgress], None] | None) -> Callable[[RehearsalProgress], None]:
    """Return a function that calls `on_progress` a few times a second."""
    last_s = -_REPORT_S

    def report(progress: RehearsalProgress) -> None:
        nonlocal last_s
        now_s = SYSTEM.monotonic()
        if on_progress is not None and (now_s - last_s >= _REPORT_S or progress.done == progress.total):
            last_s = now_s
            on_progress(progress)

    return report


class _Rehearsing:
    """One rehearsal under way."""

    def __init__(
        self, plan: Plan, faults: tuple[Fault, ...] | None, report: Callable[[RehearsalProgress], None]
    ) -> None:
        self._plan = plan
        self._faults = faults
        self._report = report
        self._coverage = Coverage(KINDS if faults is None else ())
        self._tasks: dict[int, Task] = {}
        self._runs: dict[int, SeedRun] = {}
        self._shrunk: dict[int, Shrunk] = {}

    def run(self, seeds: Sequence[int], cpus: int, on_interrupt: Callable[[Rehearsal], None] | None) -> Rehearsal:
        """Run the seeds, round by round, and shrink the faults of failures."""
        try:
            with runner_of(self._plan, cpus) as runner:
                for first in range(0, len(seeds), ROUND):
                    self._run_round(runner, seeds[first : first + ROUND], len(seeds))
                    if self._failed() >= ENOUGH:
                        break
                for seed in self._worth_shrinking():
                    self._shrunk[seed] = shrunk(self._runs[seed], lambda tasks: runner.run(tasks, lambda _: None))
        except (KeyboardInterrupt, SystemExit) as ended:
            if on_interrupt is not None:
                on_interrupt(self._result())
            raise KeyboardInterrupt from ended
        return self._result()

    def _run_round(self, runner: Runner, seeds: Sequence[int], total: int) -> None:
        """Run some seeds, of which a part aims at what was not seen in the rounds before."""
        aims = self._coverage.aims(len(seeds) // AIMING) if self._faults is None and self._runs else ()
        tasks = [
            self._task(seed, aims[index // AIMING] if index % AIMING == 0 and index // AIMING < len(aims) else None)
            for index, seed in enumerate(seeds)
        ]
        for run in runner.run(tasks, lambda run: self._done(run, total)):
            for struck in run.struck:
                self._coverage.add(struck.entry.kind, struck.states)

    def _task(self, seed: int, aim: Aim | None) -> Task:
        if self._faults is not None:
            task = Task(seed, self._faults, has_story=not self._plan.is_quiet)
        elif aim is not None:
            faults, strike = aimed(seed, aim)
            task = Task(seed, faults, aim, strike)
        else:
            task = Task(seed, mixed(seed))
        self._tasks[seed] = task
        return task

    def _done(self, run: SeedRun, total: int) -> None:
        self._runs[run.seed] = run
        self._report(RehearsalProgress(len(self._runs), total, self._failed()))

    def _failed(self) -> int:
        return sum(1 for run in self._runs.values() if run.breaches)

    def _worth_shrinking(self) -> list[int]:
        """Return the seeds to shrink: of each kind of breach the one with the fewest faults."""
        best: dict[str, SeedRun] = {}
        for seed in self._tasks:
            run = self._runs.get(seed)
            if run is not None and run.breaches:
                known = best.setdefault(run.breaches[0].kind, run)
                if len(run.struck) < len(known.struck):
                    best[run.breaches[0].kind] = run
        return [run.seed for run in best.values()][:MOST_SHRUNK]

    def _result(self) -> Rehearsal:
        plan, runs = self._plan, [self._runs[seed] for seed in self._tasks if seed in self._runs]
        return Rehearsal(
            strategy=plan.strategy.name,
            parameters=plan.strategy.texts(),
            seconds=plan.seconds,
            seeds=len(runs),
            failures=tuple(failure_of(plan, run, self._shrunk.get(run.seed)) for run in runs if run.breaches),
            ended=dict(sorted(Counter(run.ended for run in runs).items())),
            orders=sum(run.orders for run in runs),
            fills=sum(run.fills for run in runs),
            coverage=self._coverage.rows(),
        )
