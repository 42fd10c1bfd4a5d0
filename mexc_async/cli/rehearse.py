"""`mexc-async rehearse`: run a strategy in many worlds of faults, and check that no rule is broken."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mexc_async.cli.exit_status import INTERRUPTED, REFUSED
from mexc_async.cli.progress_line import ProgressLine
from mexc_async.cli.run import Json, Parameters, Place, check_json, pairs, write_json
from mexc_async.cli.strategy_errors import ended_by_errors

if TYPE_CHECKING:
    from mexc_async.backtest.rehearsal.report import Rehearsal

Seeds = Annotated[int | None, typer.Option(help="Number of seeds, from 0 on; 1000 if none is given.")]
Chosen = Annotated[list[int] | None, typer.Option("--seed", help="A seed to run, in place of many; repeatable.")]
Seconds = Annotated[float, typer.Option(help="Virtual seconds after which the strategy is cancelled.")]
Faults = Annotated[
    list[str] | None,
    typer.Option("--fault", help="A fault in place of those of the seeds, as KIND,NAME=VALUE...; repeatable."),
]
Calm = Annotated[bool, typer.Option("--calm", help="No faults.")]
Invariants = Annotated[
    list[str] | None,
    typer.Option("--invariant", metavar="FILE.py:FUNCTION", help="A rule of your own; repeatable."),
]
LeavesOrders = Annotated[
    bool, typer.Option("--leaves-orders", help="The strategy may leave orders open that the client knows.")
]
MayRaise = Annotated[
    list[str] | None,
    typer.Option("--may-raise", metavar="ERROR", help="An error that the strategy may end with; repeatable."),
]
Cpus = Annotated[int | None, typer.Option(help="Processes to use; one for each CPU if not given.")]


def rehearse(
    strategy: Place,
    seeds: Seeds = None,
    seed: Chosen = None,
    seconds: Seconds = 20.0,
    fault: Faults = None,
    calm: Calm = False,
    param: Parameters = None,
    invariant: Invariants = None,
    leaves_orders: LeavesOrders = False,
    may_raise: MayRaise = None,
    cpus: Cpus = None,
    json: Json = None,
) -> None:
    """Rehearse a strategy: run it in many worlds of faults, on a simulated exchange in virtual time.

    Each seed is a world of its own. At its end no order may be open, doubled or unknown, and the client has to know the
    truth. Of what fails, the shortest list of faults is shown that still fails, with the command that repeats it. Exit
    status 0 if every seed held, 1 if one failed, 2 for wrong input, 130 after Ctrl-C.
    """
    from mexc_async.backtest.rehearsal.rehearse import rehearse as rehearse_all
    from mexc_async.backtest.strategy import load, load_rule
    from mexc_async.errors import ConfigError

    with ended_by_errors(strategy):
        check_json(json)
        if seeds is not None and seed:
            raise ConfigError("--seeds and --seed exclude each other")
        if calm and fault:
            raise ConfigError("--calm and --fault exclude each other")
        with ProgressLine(sys.stderr) as line:
            try:
                result = rehearse_all(
                    load(strategy),
                    seeds=seed or (1000 if seeds is None else seeds),
                    seconds=seconds,
                    parameters=pairs("--param", param or []),
                    faults=fault or (() if calm else None),
                    invariants=[load_rule(place) for place in invariant or ()],
                    leaves_orders=leaves_orders,
                    may_raise=_errors(may_raise or ()),
                    cpus=cpus,
                    on_progress=line.show_seeds if line.is_shown else None,
                    on_interrupt=lambda result: _show(result, json),
                )
            except KeyboardInterrupt:
                raise SystemExit(INTERRUPTED) from None
    _show(result, json)
    if not result.held:
        raise typer.Exit(REFUSED)


def _errors(names: Sequence[str]) -> list[type[Exception]]:
    """Return the classes of errors with these names: the SDK's or Python's own. Raises ConfigError."""
    from mexc_async import errors

    found = []
    for name in names:
        kind = getattr(errors, name, None) or getattr(builtins, name, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise errors.ConfigError(f"--may-raise {name} is no error of mexc_async or of Python")
        found.append(kind)
    return found


def _show(result: Rehearsal, json: Path | None) -> None:
    """Print the result, and write it to the file if there is one."""
    print(result)
    if json is not None:
        write_json(result.to_json(), json)
