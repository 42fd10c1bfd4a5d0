"""`mexc-async run`: run a strategy on a simulated exchange in real time, on recorded data, or live."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mexc_async.cli.confirm import confirm
from mexc_async.cli.connection_options import Rest, Ws, Yes
from mexc_async.cli.exit_status import fail
from mexc_async.cli.sim import AccountsFile, Balances, Seed, accounts_of
from mexc_async.cli.strategy_errors import ended_by_errors
from mexc_async.runtime import runner

if TYPE_CHECKING:
    from mexc_async.backtest.result import Result
    from mexc_async.backtest.strategy import Strategy

Place = Annotated[
    str, typer.Argument(metavar="FILE.py:FUNCTION", help="An async function main(mexc, ...), as in grid.py:main.")
]
OnSim = Annotated[bool, typer.Option("--sim", help="Run on a simulated exchange in real time; the default.")]
Live = Annotated[bool, typer.Option("--live", help="Run on MEXC with your key and real money; asks first.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", help="A parameter of the function, as NAME=VALUE; repeatable.")
]
Json = Annotated[Path | None, typer.Option(help="Write the result to this file as JSON.")]


def run(
    strategy: Place,
    sim: OnSim = False,
    live: Live = False,
    param: Parameters = None,
    seed: Seed = 7,
    balance: Balances = None,
    accounts: AccountsFile = None,
    json: Json = None,
    yes: Yes = False,
    rest: Rest = None,
    ws: Ws = None,
) -> None:
    """Run a strategy: the same function on a simulated exchange, on recorded data and live.

    It ends when the function returns, or by Ctrl-C, which cancels it. Exit status 1 if it raised an error, 2 for wrong
    input, 130 after Ctrl-C.
    """
    with ended_by_errors(strategy):
        _check(sim, live, json, rest or ws)
        chosen = _chosen(strategy, param or [])
        if live:
            _live(chosen, rest, ws, yes)
        else:
            _show(_on_sim(chosen, seed, balance or [], accounts, json), json)


def _check(sim: bool, live: bool, json: Path | None, url: str | None) -> None:
    """Raise ConfigError for options that exclude each other."""
    from mexc_async.errors import ConfigError

    if sim and live:
        raise ConfigError("--sim and --live exclude each other")
    if url is not None and not live:
        raise ConfigError("--rest and --ws need --live")
    if json is not None and live:
        raise ConfigError("--json needs --sim or --backtest: the result is what a simulated exchange has booked")
    if json is not None and (json.is_dir() or not os.access(json if json.exists() else json.parent, os.W_OK)):
        raise ConfigError(f"--json {json}: cannot be written")


def _chosen(place: str, texts: Sequence[str]) -> Strategy:
    """Load the strategy and convert its parameters. Raises ConfigError."""
    from mexc_async.backtest.strategy import Strategy, load
    from mexc_async.errors import ConfigError

    given: dict[str, object] = {}
    for text in texts:
        name, is_pair, value = text.partition("=")
        if not is_pair or not name.isidentifier():
            raise ConfigError(f"--param {text!r} is not NAME=VALUE, as in levels=5")
        if name in given:
            raise ConfigError(f"--param {name} is given twice")
        given[name] = value
    return Strategy(load(place), given)


def _live(strategy: Strategy, rest: str | None, ws: str | None, yes: bool) -> None:
    """Run on the exchange itself, after a confirmation."""
    from mexc_async.cli.keys.command import needed_credentials
    from mexc_async.client.mexc import REST, Mexc

    mexc = Mexc(needed_credentials(), rest=rest or REST, ws=ws)
    confirm(mexc, f"run {strategy}, which trades on its own", yes)

    async def session() -> None:
        async with mexc:
            await strategy.start(mexc)

    runner.run(session())


def _on_sim(strategy: Strategy, seed: int, balance: list[str], accounts: Path | None, json: Path | None) -> Result:
    from mexc_async.backtest.paper_run import paper
    from mexc_async.sim.rest.server import SimConfig

    config = SimConfig(seed=seed, accounts=accounts_of(None, None, balance, accounts))
    print(f"{strategy} runs on a simulated exchange; Ctrl-C ends it", file=sys.stderr)
    return runner.run(
        paper(strategy.main, parameters=strategy.parameters, config=config, on_interrupt=lambda done: _show(done, json))
    )


def _show(result: Result, json: Path | None) -> None:
    """Print the result, and write it to the file if there is one."""
    print(result)
    if json is not None:
        try:
            json.write_bytes(result.to_json())
        except OSError as error:
            fail(f"--json {json}: {error.strerror or error}")
