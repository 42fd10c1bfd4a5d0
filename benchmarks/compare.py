"""`python -m benchmarks.compare BEFORE AFTER NAME...`: two checkouts of the SDK, measured in alternating processes.

Each checkout needs its own environment (`make bench` makes it) and runs its own benchmarks. What both measure is
compared by the median of the ratios of neighbouring runs: 1.02 means that AFTER takes 2 % more.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.table import Table


class Metric(NamedTuple):
    """A figure's place in a benchmark."""

    case: str
    subject: str
    metric: str


def figures(checkout: Path, name: str, options: list[str], scratch: Path) -> dict[Metric, float]:
    """Run one benchmark of a checkout and return its medians. Raises CalledProcessError."""
    out = scratch / "figures.json"
    command = [str(checkout / ".venv" / "bin" / "python"), "-m", "benchmarks", name, "--json", str(out), *options]
    subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    cases = orjson.loads(out.read_bytes())["cases"]
    return {Metric(row["case"], row["subject"], row["metric"]): row["median"] for row in cases}


def compare(before: Path, after: Path, name: str, turns: int, options: list[str]) -> dict[Metric, list[float]]:
    """Run one benchmark of both checkouts in turns, each first every other time; return the ratios by metric."""
    ratios: dict[Metric, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        for turn in range(turns):
            order = (before, after) if turn % 2 == 0 else (after, before)
            found = {checkout: figures(checkout, name, options, Path(folder)) for checkout in order}
            for metric, value in found[before].items():
                other = found[after].get(metric)
                if value and other is not None and "_ratio_to_" not in metric.metric:
                    ratios[metric].append(other / value)
    return ratios


def main() -> int:
    """Compare, print a table and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--turns", type=int, default=3, help="runs of each checkout (3)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each run (5)")
    parser.add_argument(
        "--instructions", action="store_true", help="count user instructions too (slow, needs valgrind)"
    )
    parser.add_argument("--subject", default="mexc_async", help="what the subjects' names begin with (mexc_async)")
    parser.add_argument("--json", type=Path, help="write the ratios here")
    options = parser.parse_args()
    passed = ["--rounds", str(options.rounds), *(["--instructions"] if options.instructions else [])]
    before, after = options.before.resolve(), options.after.resolve()
    table = Table("benchmark", "case", "subject", "metric", "after / before", "min", "max")
    rows = []
    for name in options.names:
        try:
            ratios = compare(before, after, name, options.turns, passed)
        except subprocess.CalledProcessError as error:
            print(f"python -m benchmarks.compare: {name} failed: {error.stderr.strip()[-300:]}", file=sys.stderr)
            return 1
        for metric, found in ratios.items():
            if metric.subject.startswith(options.subject):
                low, middle, high = min(found), median(found), max(found)
                table.add_row(name, *metric, f"{middle:.3f}", f"{low:.3f}", f"{high:.3f}")
                row = {
                    "benchmark": name,
                    **metric._asdict(),
                    "median": middle,
                    "min": low,
                    "max": high,
                    "turns": len(found),
                }
                rows.append(row)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    if options.json:
        options.json.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
