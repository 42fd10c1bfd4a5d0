"""`python -m benchmarks.table order.json [PAGE]`: the figures of a run as Markdown, printed or put into a page.

In a page they stand between `<!-- measured: NAME -->` and `<!-- end of measured -->`, NAME being the benchmark's.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness import ratio_name

FLOOR = "raw"
COLUMNS = (
    ("sequential", "p50_us", "one at a time: p50 µs"),
    ("concurrent-50", "cpu_us_per_op", "50 in flight: CPU µs"),
    ("concurrent-50", "instructions_per_op", "50 in flight: instructions"),
)


def markdown(document: dict[str, Any]) -> str:
    """One row a subject: each figure, and in brackets what it is of the floor's."""
    found = {(case["case"], case["metric"], case["subject"]): case["median"] for case in document["cases"]}
    columns = [column for column in COLUMNS if (*column[:2], FLOOR) in found]
    lines = [["subject", *(heading for *_, heading in columns)], ["---", *["---:"] * len(columns)]]
    for subject in dict.fromkeys(case["subject"] for case in document["cases"]):
        lines += [[subject, *(_cell(found, case, metric, subject) for case, metric, _ in columns)]]
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    note = f"{machine['date']}, {machine['cpu']} x {machine['cpus']}, {machine['python']}; {versions}."
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\n{note}\n"


def _cell(found: dict[tuple[str, str, str], float], case: str, metric: str, subject: str) -> str:
    value = found.get((case, metric, subject))
    if value is None:
        return ""
    ratio = found.get((case, ratio_name(metric, FLOOR), subject), value / found[case, metric, FLOOR])
    return f"{value:,.0f} ({ratio:.1f})" if value >= 100 else f"{value:.1f} ({ratio:.1f})"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table")
    parser.add_argument("figures", type=Path, help="what `python -m benchmarks order --json FILE` wrote")
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
