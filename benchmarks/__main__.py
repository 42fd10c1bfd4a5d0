"""`python -m benchmarks NAME [--json FILE] [--rounds N] [--quick] [--instructions]`, and `latency` for any host."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from benchmarks.harness import (
    ForeignLoad,
    Report,
    Settings,
    SubjectFailed,
    machine,
    refuse_unwritable,
    show,
    write_json,
)

MODULES = {
    "import": "import_",
    "sign": "sign",
    "limiter": "limiter",
    "order": "order",
    "orders": "orders",
    "tails": "tails",
    "book": "book",
    "decode": "decode",
    "stream": "stream",
    "soak": "soak",
    "tick_to_trade": "tick_to_trade",
    "loop": "loop",
    "rest": "rest",
    "virtual": "virtual_time",
}
LATENCY = "latency"
"""Benchmark of an exchange instead of this SDK, with a command line of its own."""
INSTALL = "pip install --editable '.[dev]'"
MAX_ROUNDS = 1000
MAX_MINUTES = 1440
SOAK_MINUTES = 20.0
"""Minutes with `all`, enough to show that it runs; memory figures need longer."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _rounds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r} must be from 1 to {MAX_ROUNDS}")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0 and at most {MAX_MINUTES}")
    return minutes


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m benchmarks",
        description="Compare the SDK with the obvious alternatives, in shuffled, interleaved rounds.",
        epilog="Ratios are medians of same-round ratios. Goals are reported; a missed one is not a failure. Other "
        "clients of MEXC are measured where they are installed; `make bench-peers` installs them.",
    )
    parser.add_argument(
        "name",
        choices=[*MODULES, "all"],
        metavar="NAME",
        help=f"{', '.join(MODULES)}, all, or latency (see latency --help)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the figures here; with all, out.json stands for out-import.json, out-sign.json, ...: one each",
    )
    parser.add_argument("--rounds", type=_rounds, metavar="N", help="rounds to run (7; with --quick 2)")
    parser.add_argument("--minutes", type=_minutes, metavar="M", help=f"soak: how long ({SOAK_MINUTES:g}; with all 1)")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs: figures mean nothing")
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="count user instructions too where a benchmark can (slow, needs valgrind)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that the command line names and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == [LATENCY]:
        return import_module("benchmarks.latency").main(arguments[1:])  # type: ignore[no-any-return]  # a late import
    options = _parser().parse_args(arguments)
    names = list(MODULES) if options.name == "all" else [options.name]
    files: dict[str, Path] = {}
    if options.json:
        out: Path = options.json
        files = {name: out if len(names) == 1 else out.with_name(f"{out.stem}-{name}{out.suffix}") for name in names}
    settings = Settings(
        rounds=options.rounds or (2 if options.quick else 7),
        minutes=options.minutes or (SOAK_MINUTES if options.name == "soak" else 1.0),
        quick=options.quick,
        instructions=options.instructions,
    )
    console, errors = Console(width=None if sys.stdout.isatty() else 180), Console(stderr=True)
    try:
        for path in files.values():
            refuse_unwritable(path)
        modules = {name: import_module(f"benchmarks.{MODULES[name]}") for name in names}
        for name, module in modules.items():
            load, where = ForeignLoad(), machine()
            with errors.status(f"{name}: {settings.rounds} rounds"):
                report: Report = module.run(settings)
            where["foreign_cpus"] = load.cpus()
            show(console, name, report, where)
            if name in files:
                write_json(files[name], name, where, report.rows)
    except OSError as error:
        print(f"python -m benchmarks: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"python -m benchmarks: {error.name} is missing; the extra dev has it: {INSTALL}", file=sys.stderr)
        return 2
    except SubjectFailed as error:
        print(f"python -m benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("python -m benchmarks: stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
