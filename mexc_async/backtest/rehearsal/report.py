"""Report of a rehearsal: seeds, failures, and what struck when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import orjson
from msgspec import Struct

from mexc_async.backtest.rehearsal.outcome import SeedRun
from mexc_async.schema.json_values import ToDict, plain
from mexc_async.sim.faults.faults import Fault

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
    faults: tuple[str, ...] = ()
    """Faults in force, as `--fault` takes them."""


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
    faults: dict[str, int]
    """Seeds by kind of fault that was in force; `none` for calm ones."""

    @property
    def held(self) -> bool:
        """True if every seed held every rule."""
        return not self.failures

    def to_json(self) -> bytes:
        """Return the result as JSON: sorted names, no digit of real time in it."""
        return orjson.dumps(plain(self), option=orjson.OPT_SORT_KEYS)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def failure_of(run: SeedRun, faults: Iterable[Fault]) -> SeedFailure:
    """Return the failure of a seed that broke a rule."""
    first, *others = run.breaches
    return SeedFailure(
        seed=run.seed,
        rule=first.rule,
        text=first.text,
        others=tuple(map(str, others)),
        faults=tuple(map(fault_text, faults)),
    )


def fault_text(fault: Fault) -> str:
    """Return a fault as `parse_fault` reads it, without the settings that have their usual values."""
    usual = Fault(kind=fault.kind)
    given = [
        f"{name}={getattr(fault, name)}"
        for name in Fault.__struct_fields__[1:]
        if getattr(fault, name) != getattr(usual, name)
    ]
    return ",".join([fault.kind, *given])


def _lines(result: Rehearsal) -> Iterator[str]:
    given = ", ".join(f"{name}={value}" for name, value in result.parameters.items())
    yield f"{result.strategy}({given}), {_count(result.seeds, 'seed')} of {result.seconds:g} virtual seconds"
    ends = ", ".join(f"{count:,} {end}" for end, count in result.ended.items())
    yield f"{_count(result.orders, 'order')}, {_count(result.fills, 'fill')}; the strategy's end: {ends}"
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


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
