"""`python -m benchmarks.table NAME.json [PAGE]`: the figures of a run as Markdown, printed or written into a page.

In a page the table goes between `<!-- measured: NAME -->` and `<!-- end of measured -->`, with the benchmark's name.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from benchmarks.harness import OWN, ratio_name


class Layout(NamedTuple):
    """Columns of a benchmark's table, as (case, metric, heading), and the floor for the ratios in brackets."""

    floor: str
    columns: Sequence[tuple[str, str, str]]


_TICKS = "tick to trade"
LAYOUTS = {
    "order": Layout(
        "raw",
        (
            ("sequential", "p50_us", "one at a time: p50 µs"),
            ("concurrent-50", "cpu_us_per_op", "50 in flight: CPU µs"),
            ("concurrent-50", "instructions_per_op", "50 in flight: instructions"),
        ),
    ),
    "tick_to_trade": Layout(
        "raw",
        (
            ("book ticker", "p10_us", "p10 µs"),
            ("book ticker", "p50_us", "p50 µs"),
            ("book ticker", "p99_us", "p99 µs"),
            ("book ticker", "p999_us", "p99.9 µs"),
            ("book ticker", "cpu_us_per_op", "CPU µs"),
            ("book ticker", "instructions_per_op", "instructions"),
            ("book ticker", "answered_share", "share of ticks answered"),
        ),
    ),
    "rest": Layout(
        OWN,
        (
            ("exchange_info, 2,000 symbols", "cpu_us_per_op", "exchange_info, 2,000 symbols: CPU µs"),
            ("depth, 1,000 levels", "cpu_us_per_op", "depth, 1,000 levels: CPU µs"),
            ("500 klines", "cpu_us_per_op", "500 klines: CPU µs"),
        ),
    ),
    "loop": Layout(
        OWN,
        (
            (_TICKS, "p10_us", f"{_TICKS}: p10 µs"),
            (_TICKS, "p50_us", f"{_TICKS}: p50 µs"),
            (_TICKS, "p99_us", f"{_TICKS}: p99 µs"),
            (_TICKS, "cpu_us_per_op", f"{_TICKS}: CPU µs"),
            ("pauses for garbage collection", "longest_ms", "longest pause ms"),
            ("pauses for garbage collection", "share", "share of time collecting"),
        ),
    ),
}


def markdown(document: dict[str, Any]) -> str:
    """Write one row per subject: each figure, with its ratio to the floor in brackets."""
    found = {(case["case"], case["metric"], case["subject"]): case["median"] for case in document["cases"]}
    name, layout = document["benchmark"], _layout(document)
    columns = [column for column in layout.columns if any(key[:2] == column[:2] for key in found)]
    lines = [["subject", *(heading for *_, heading in columns)], ["---", *["---:"] * len(columns)]]
    for subject in dict.fromkeys(case["subject"] for case in document["cases"]):
        lines += [[subject, *(_cell(found, case, metric, subject, layout.floor) for case, metric, _ in columns)]]
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    runs = max(case["runs"] for case in document["cases"])
    load = machine.get("foreign_cpus")
    note = (
        f"`python -m benchmarks {name}`, medians of {runs} rounds, {machine['date']}, {machine['cpu']} x "
        f"{machine['cpus']}, {machine['python']}{'' if load is None else f', others used {load:g} CPUs'}; {versions}."
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\n{note}\n"


def _layout(document: dict[str, Any]) -> Layout:
    """Return the benchmark's layout, or one with every figure."""
    if layout := LAYOUTS.get(document["benchmark"]):
        return layout
    cases = [case for case in document["cases"] if "_ratio_to_" not in case["metric"]]
    names = dict.fromkeys((case["case"], case["metric"]) for case in cases)
    return Layout(OWN, [(case, metric, f"{case}: {metric}") for case, metric in names])


def _cell(found: dict[tuple[str, str, str], float], case: str, metric: str, subject: str, floor: str) -> str:
    value = found.get((case, metric, subject))
    if value is None:
        return ""
    figure = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1.05 else f"{value:.2g}"
    base = found.get((case, metric, floor))
    if not base or metric.endswith("share"):
        return figure
    ratio = found.get((case, ratio_name(metric, floor), subject), value / base)
    return f"{figure} ({ratio:.2f})" if ratio < 1 else f"{figure} ({ratio:,.{0 if ratio >= 100 else 1}f})"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table")
    parser.add_argument("figures", type=Path, help="what `python -m benchmarks NAME --json FILE` wrote")
    parser.add_argument("page", type=Path, nargs="?")
    options = parser.parse_args(arguments)
    try:
        document = orjson.loads(options.figures.read_bytes())
        table = markdown(document)
        if options.page is None:
            print(table, end="")
            return 0
        name, text = document["benchmark"], options.page.read_text(encoding="utf-8")
        block = re.compile(rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- end of measured -->)", re.DOTALL)
        if not block.search(text):
            print(f"{options.page} has no place for {name}", file=sys.stderr)
            return 2
        options.page.write_text(block.sub(lambda found: found[1] + table + found[2], text), encoding="utf-8")
    except (OSError, ValueError, KeyError) as error:
        print(f"python -m benchmarks.table: {options.figures}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
