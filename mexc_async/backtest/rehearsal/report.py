"""Report of a rehearsal: seeds, failures, and what struck when."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator

import orjson
from msgspec import Struct

from mexc_async.backtest.rehearsal.coverage import STATES
from mexc_async.backtest.rehearsal.outcome import SeedRun, fault_text
from mexc_async.backtest.rehearsal.plan import SECONDS, Plan
from mexc_async.backtest.rehearsal.shrink import Shrunk
from mexc_async.backtest.strategy import as_text, place_of
from mexc_async.schema.json_values import ToDict, plain

_MOST_FAILURES = 10
"""Most failures that the table shows."""


class SeedFailure(ToDict, Struct, frozen=True, kw_only=True):
    """A seed that broke a rule."""

    seed: int
    rule: str
    """The first rule that was broken."""
    text: str
    """One line that says how."""
    others: tuple[str, ...] = ()
    """Further breaches, one line each."""
    struck: int = 0
    """Faults that struck."""
    shortest: tuple[str, ...] | None = None
    """Shortest list of faults found that breaks the rule, as `faults` and `--fault` take them; None if not searched."""
    is_repeatable: bool = False
    """True if they broke the rule again."""
    command: str = ""
    """Command that repeats it."""
    story: tuple[str, ...] = ()
    """Time line of that run: faults, what the exchange did, and what the client knew."""


class Rehearsal(ToDict, Struct, frozen=True, kw_only=True):
    """Result of a rehearsal. `print` it for a short table; `to_json` is the same for the same inputs, byte for byte."""

    strategy: str
    """File and function, such as `grid.py:main`."""
    parameters: dict[str, str]
    seconds: float
    seeds: int
    """Seeds that ran."""
    failures: tuple[SeedFailure, ...]
    ended: dict[str, int]
    """Seeds by the strategy's end: returned, cancelled, raised, never."""
    orders: int
    """Orders that the exchange accepted, in all seeds."""
    fills: int
    coverage: dict[str, dict[str, int]]
    """Strikes by kind of fault and by the state of the orders that it concerned: see `State`."""

    @property
    def held(self) -> bool:
        """True if every seed held every rule."""
        return not self.failures

    def to_json(self) -> bytes:
        """Return the result as JSON: sorted names, no digit of real time in it."""
        return orjson.dumps(plain(self), option=orjson.OPT_SORT_KEYS)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def failure_of(plan: Plan, run: SeedRun, shrunk: Shrunk | None) -> SeedFailure:
    """Return the failure of a seed that broke a rule."""
    first, *others = run.breaches
    shortest = None if shrunk is None else tuple(map(fault_text, shrunk.entries))
    return SeedFailure(
        seed=run.seed,
        rule=first.rule,
        text=first.text,
        others=tuple(map(str, others)),
        struck=len(run.struck),
        shortest=shortest,
        is_repeatable=shrunk is not None and any(breach.kind == first.kind for breach in shrunk.run.breaches),
        command=command_of(plan, run.seed, shortest) if shortest is not None else "",
        story=() if shrunk is None else shrunk.run.story,
    )


def command_of(plan: Plan, seed: int, faults: Iterable[str]) -> str:
    """Return the command that repeats a seed with these faults."""
    strategy = plan.strategy
    words = ["mexc-async", "rehearse", place_of(strategy.main), "--seed", str(seed)]
    if plan.seconds != SECONDS:
        words += ["--seconds", f"{plan.seconds:g}"]
    for name, value in strategy.parameters.items():
        words += ["--param", f"{name}={as_text(value)}"]
    for check in plan.invariants:
        words += ["--invariant", place_of(check)]
    if plan.leaves_orders:
        words.append("--leaves-orders")
    for kind in plan.may_raise:
        words += ["--may-raise", kind.__name__]
    given = [*faults]
    for fault in given:
        words += ["--fault", fault]
    if not given:
        words.append("--calm")
    return shlex.join(words)


def _lines(result: Rehearsal) -> Iterator[str]:
    given = ", ".join(f"{name}={value}" for name, value in result.parameters.items())
    yield f"{result.strategy}({given}), {_count(result.seeds, 'seed')} of {result.seconds:g} virtual seconds"
    ends = ", ".join(f"{count:,} {end}" for end, count in result.ended.items())
    yield f"{_count(result.orders, 'order')}, {_count(result.fills, 'fill')}; the strategy's end: {ends}"
    yield from _coverage(result.coverage)
    if result.held:
        yield "every rule held in every seed"
        return
    rules = Counter(failure.rule for failure in result.failures)
    broken = ", ".join(f"{rule} {count:,}" for rule, count in rules.most_common())
    yield f"{_count(len(result.failures), 'seed')} failed: {broken}"
    for failure in result.failures[:_MOST_FAILURES]:
        yield f"  seed {failure.seed}: {failure.rule}: {failure.text}"
    if len(result.failures) > _MOST_FAILURES:
        yield f"  and {len(result.failures) - _MOST_FAILURES} more"
    for failure in result.failures:
        if failure.shortest is not None:
            yield ""
            yield from _shortest(failure, failure.shortest)


def _coverage(rows: dict[str, dict[str, int]]) -> Iterator[str]:
    """Yield the table of strikes by kind and state."""
    if any(any(row.values()) for row in rows.values()):
        yield f"{'faults at orders that were':<26}" + "".join(f"{state:>14}" for state in STATES)
        for kind, row in sorted(rows.items()):
            yield f"  {kind:<24}" + "".join(f"{row[state] or '-':>14}" for state in STATES)


def _shortest(failure: SeedFailure, shortest: tuple[str, ...]) -> Iterator[str]:
    """Yield the shrunk faults of a failure, the command that repeats them and the time line."""
    count = _count(len(shortest), "fault")
    if not failure.is_repeatable:
        yield f"seed {failure.seed} broke the rule {failure.rule} once, and not again with its {count}"
    elif shortest:
        yield f"seed {failure.seed} breaks the rule {failure.rule} with {count} of the {failure.struck:,} that struck:"
    else:
        yield f"seed {failure.seed} breaks the rule {failure.rule} without any fault:"
    yield f"  {failure.command}"
    yield from (f"  {line}" for line in failure.story)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
