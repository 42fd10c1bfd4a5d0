"""`mexc-async demo`: trade on a simulated exchange and print a summary."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT"
INTERRUPTED = 130


def demo(
    seconds: Annotated[float, typer.Option(help="Seconds of the first part, market data and grid: 1 to 3600.")] = 15.0,
    symbols: Annotated[
        str | None, typer.Option(help=f"Symbols, separated by commas. [default: {SYMBOLS}, or the tape's first three]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market and of the strategy.")] = 7,
    tape: Annotated[Path | None, typer.Option(help="Replay a recorded market: JSON lines, .gz or plain.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the summary to this file as JSON.")] = None,
) -> None:
    """Trade on a simulated exchange: market data, a small grid, and a burst at the full rate.

    Exit status 0 when every call succeeded, 1 otherwise, 2 for wrong input, 130 after Ctrl-C.
    """
    from mexc_async.errors import ConfigError, InvalidRequest

    try:
        names = _checked(seconds, symbols, tape, json)
        from mexc_async.cli.demo.run import run_demo  # slow to import, so only for valid input

        summary = run_demo(seconds, names, seed, tape)
        if json is not None:
            json.write_bytes(summary.as_json())
    except (ConfigError, InvalidRequest, OSError) as error:
        _fail(str(error))
    if summary.interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if summary.ok else 1)


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(2)


def _checked(seconds: float, symbols: str | None, tape: Path | None, json: Path | None) -> list[str]:
    """Return the symbols to trade. Raises ConfigError or InvalidRequest for invalid input."""
    from mexc_async.errors import ConfigError
    from mexc_async.schema.validation import symbol as check_symbol

    if not 1 <= seconds <= 3600:
        raise ConfigError(f"--seconds {seconds:g} must be from 1 to 3600")
    if json is not None and (json.is_dir() or not os.access(json if json.exists() else json.parent, os.W_OK)):
        raise ConfigError(f"--json {json}: cannot be written")
    names = list(dict.fromkeys((symbols or ("" if tape else SYMBOLS)).split(",")))
    if tape is not None:
        from mexc_async.sim.market.tape import BadTape, read_tape

        try:
            recorded = [rules.symbol for rules in read_tape(tape).rules]
        except BadTape as error:
            raise ConfigError(str(error)) from None
        if symbols is None:
            names = recorded[:3]
    for name in names:
        check_symbol("--symbols", name)
    return names
