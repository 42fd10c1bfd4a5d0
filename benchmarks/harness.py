"""Rounds, ratios, the printed table and the JSON file, independent of the benchmark."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import random
import resource
import statistics
import sys
import time
import timeit
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import orjson
from msgspec import Struct

if TYPE_CHECKING:  # clients under test import this module too, and need no tables
    from rich.console import Console
    from rich.table import Table

T = TypeVar("T")
Sample: TypeAlias = dict[str, float]
"""Figures of one run of one subject, by metric."""

OWN = "mexc_async"
"""The name of our own subject in every case."""
OWN_PURE = f"{OWN} pure"
"""Name of our own subject on the pure core, while the compiled core is in use."""
_PACKAGES = (
    "mexc-async", "aiohttp", "aiolimiter", "aiomexc", "ccxt", "httptools", "msgspec", "orjson", "picows", "protobuf",
    "pymexc", "python-binance", "sortedcontainers", "typed-mexc", "uvloop", "yarl",
)  # fmt: skip


class SubjectFailed(Exception):
    """A subject could not be measured; the text gives the reason, on one line."""


class Settings(Struct, frozen=True):
    """Amount of measuring."""

    rounds: int = 7
    minutes: float = 1.0
    """Minutes of the soak."""
    quick: bool = False
    """True to show only that everything runs; the figures mean nothing."""
    instructions: bool = False
    """True to count user instructions too, if a benchmark supports it and valgrind is installed."""


class Row(Struct, frozen=True):
    """One figure of one subject over all rounds."""

    case: str
    subject: str
    metric: str
    median: float
    min: float
    max: float
    runs: int


class Goal(Struct, frozen=True):
    """A target for our own subject; reported, never a failure, since machines differ."""

    case: str
    metric: str
    baseline: str | None
    """Subject to compare the figure with; None to compare it with `at_most` itself."""
    at_most: float
    subject: str = OWN


class Report(Struct, frozen=True):
    """Results of a benchmark."""

    rows: list[Row]
    goals: list[Goal] = []
    notes: list[str] = []
    """Omissions and their reasons, and hints for reading the figures."""


def interleave(subjects: Mapping[str, Callable[[], T]], rounds: int, seed: int = 1) -> dict[str, list[T]]:
    """Run every subject once per round, in a new random order each; index i of every list is round i."""
    results: dict[str, list[T]] = {name: [] for name in subjects}
    order, rng = list(subjects), random.Random(seed)
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            results[name].append(subjects[name]())
    return results


def summarise(
    case: str, results: Mapping[str, Sequence[Sample]], baselines: Sequence[str] = (), compared: Sequence[str] = ()
) -> list[Row]:
    """Compute each metric's median and spread, then same-round ratios of the compared metrics to each baseline.

    A ratio is a metric of its own: `cpu_us_per_op_ratio_to_raw`.
    """
    rows = []
    for subject, samples in results.items():
        figures = {metric: [sample[metric] for sample in samples] for metric in samples[0]}
        for baseline in baselines:
            if subject != baseline and baseline in results:
                for metric in compared:
                    figures[ratio_name(metric, baseline)] = ratios(samples, results[baseline], metric)
        rows += [_row(case, subject, metric, values) for metric, values in figures.items() if values]
    return rows


def ratio_name(metric: str, baseline: str) -> str:
    return f"{metric}_ratio_to_{baseline.replace(' ', '_')}"


def ratios(samples: Sequence[Sample], baseline: Sequence[Sample], metric: str) -> list[float]:
    """Compute same-round ratios, without rounds in which a figure is missing or the baseline's is 0."""
    return [a[metric] / b[metric] for a, b in zip(samples, baseline, strict=True) if metric in a and b.get(metric)]


def _row(case: str, subject: str, metric: str, values: Sequence[float]) -> Row:
    return Row(case, subject, metric, statistics.median(values), min(values), max(values), len(values))


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    rank = -int(-len(ordered) * share // 1)  # rounded up
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def most_in_window(times: Iterable[float], window_s: float) -> int:
    """Return the largest number of moments in any half-open window of this length."""
    ordered = sorted(times)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


class CpuLoop:
    """Timing loop of a function; each run gives CPU nanoseconds per call, with garbage collection off.

    CPU time, because other processes of the machine add to wall time.
    """

    def __init__(self, function: Callable[[], object], seconds: float) -> None:
        self._timer = timeit.Timer(function, timer=time.process_time)
        self.loops = 1
        while (taken := self._timer.timeit(self.loops)) < seconds / 4 and self.loops < 1 << 24:
            self.loops *= 4
        self.loops = max(1, int(self.loops * seconds / max(taken, 1e-9))) if taken < seconds else self.loops

    def __call__(self) -> Sample:
        return {"cpu_ns_per_op": self._timer.timeit(self.loops) / self.loops * 1e9}


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop factory, or asyncio's if uvloop is not installed."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.new_event_loop
    return new_event_loop


def pinning(settings: Settings) -> tuple[int | None, int | None]:
    """Return a core for the client and one for its server; None without two cores or a way to pin.

    None for a quick run, too: a server with a core of its own never sleeps.
    """
    if settings.quick or not hasattr(os, "sched_getaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[-1]) if len(cores) > 1 else (None, None)


def pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


def resident_mb(process: int | str = "self") -> float:
    """Return the memory of a process in megabytes; on systems other than Linux, this process's peak."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return pages * resource.getpagesize() / 1e6


class ForeignLoad:
    """CPUs used by other processes meanwhile, without this process and its ended children; Linux only."""

    def __init__(self) -> None:
        self._at, self._others = time.monotonic(), _others_cpu_s()

    def cpus(self) -> float | None:
        before, after = self._others, _others_cpu_s()
        if before is None or after is None:
            return None
        return round(max(after - before, 0.0) / max(time.monotonic() - self._at, 1e-3), 2)


def _others_cpu_s() -> float | None:
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return busy - sum(usage.ru_utime + usage.ru_stime for usage in own)


def machine() -> dict[str, Any]:
    """Describe the machine and the versions behind the figures."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or "unknown")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def refuse_unwritable(path: Path) -> None:
    """Raise OSError now, instead of after minutes of measuring, if the file cannot be written."""
    is_new = not path.exists()
    path.open("ab").close()
    if is_new:
        path.unlink()


def write_json(path: Path, benchmark: str, machine: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Write the file that `--json` asks for. Raises OSError."""
    document = {"benchmark": benchmark, "machine": machine, "cases": rows}
    path.write_bytes(orjson.dumps(document, default=_as_dict, option=orjson.OPT_INDENT_2) + b"\n")


def _as_dict(row: object) -> dict[str, Any]:
    if isinstance(row, Row):
        return {name: getattr(row, name) for name in row.__struct_fields__}
    raise TypeError(type(row).__name__)


def show(console: Console, benchmark: str, report: Report, machine: Mapping[str, Any]) -> None:
    """Print one table per case, the goals and the notes."""
    for case in dict.fromkeys(row.case for row in report.rows):
        console.print(_table(benchmark, case, [row for row in report.rows if row.case == case]))
    for goal in report.goals:
        console.print(_verdict(goal, report.rows), highlight=False, markup=False)
    foreign = machine.get("foreign_cpus")
    load = "" if foreign is None else f"; other processes used {foreign:g} CPUs meanwhile"
    for note in [*report.notes, f"{machine['cpu']} x {machine['cpus']}, {machine['python']}, {machine['date']}{load}"]:
        console.print(f"- {note}", highlight=False, markup=False)


def _table(benchmark: str, case: str, rows: Sequence[Row]) -> Table:
    from rich.table import Table

    found = {(row.subject, row.metric): row for row in rows}
    metrics = [row.metric for row in rows if "_ratio_to_" not in row.metric]
    baselines = list(dict.fromkeys(row.metric.split("_ratio_to_")[1] for row in rows if "_ratio_to_" in row.metric))
    table = Table(title=f"{benchmark}: {case}", title_justify="left", title_style="bold")
    for heading in ("metric", "subject"):
        table.add_column(heading, no_wrap=True)
    for heading in ("median", "min - max", *(f"x {baseline.replace('_', ' ')} [min-max]" for baseline in baselines)):
        table.add_column(heading, justify="right", min_width=18 if heading.startswith("x ") else None)
    for metric in dict.fromkeys(metrics):
        table.add_section()
        for subject in dict.fromkeys(row.subject for row in rows):
            if row := found.get((subject, metric)):
                compared = [found.get((subject, ratio_name(metric, baseline))) for baseline in baselines]
                table.add_row(
                    metric,
                    subject,
                    _figure(row.median),
                    f"{_figure(row.min)} - {_figure(row.max)}",
                    *(f"{c.median:.2f} [{c.min:.2f}-{c.max:.2f}]" if c else "" for c in compared),
                )
    return table


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def _verdict(goal: Goal, rows: Sequence[Row]) -> str:
    """Compare a goal with the median of same-round ratios if there are any, else with the ratio of the medians."""
    of_baseline = "" if goal.baseline is None else f" x {goal.baseline}"
    claim = f"goal: {goal.case}, {goal.metric}{_of(goal)} at most {goal.at_most:.3g}{of_baseline}"
    found = {(row.subject, row.metric): row.median for row in rows if row.case == goal.case}
    figure = found.get((goal.subject, goal.metric))
    if goal.baseline is not None:
        own, other = figure, found.get((goal.baseline, goal.metric))
        figure = found.get((goal.subject, ratio_name(goal.metric, goal.baseline)))
        if figure is None and own is not None and other:
            figure = own / other
    if figure is None:
        return f"{claim}: not measured"
    return f"{claim}: {figure:.3g}, {'met' if figure <= goal.at_most else 'MISSED'}"


def _of(goal: Goal) -> str:
    return "" if goal.subject == OWN else f" of {goal.subject}"


def serve_mock(protocol: Callable[[], asyncio.BaseProtocol]) -> None:
    """Run a mock server as a process: print its port, serve on `--core N`, end when standard input closes."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        gone = asyncio.Event()
        loop.add_reader(sys.stdin.fileno(), gone.set)  # no one writes to it: it turns readable when it is closed
        await gone.wait()
        server.close()

    parser = argparse.ArgumentParser()
    parser.add_argument("--core", type=int)
    pin(parser.parse_args().core)
    gc.disable()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve())
