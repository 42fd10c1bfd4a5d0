"""`mexc-async run`: run a strategy on a simulated exchange in real time, on recorded data, or live."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from mexc_async.cli.confirm import confirm
from mexc_async.cli.connection_options import Rest, Ws, Yes
from mexc_async.cli.exit_status import fail
from mexc_async.cli.progress_line import ProgressLine
from mexc_async.cli.sim import AccountsFile, Balances, Latencies, Seed, accounts_of
from mexc_async.cli.strategy_errors import ended_by_errors
from mexc_async.runtime import runner

if TYPE_CHECKING:
    from msgspec import Struct

    from mexc_async.backtest.result import Result
    from mexc_async.backtest.strategy import Strategy
    from mexc_async.sim.exchange.accounts import AccountSpec
    from mexc_async.sim.rest.config import SimConfig

S = TypeVar("S", bound="Struct")
Place = Annotated[
    str, typer.Argument(metavar="FILE.py:FUNCTION", help="An async function main(mexc, ...), as in grid.py:main.")
]
OnSim = Annotated[bool, typer.Option("--sim", help="Run on a simulated exchange in real time; the default.")]
OnRecording = Annotated[
    Path | None,
    typer.Option("--backtest", metavar="FILE", help="Run on a recorded market, a tape or bars, in virtual time."),
]
Live = Annotated[bool, typer.Option("--live", help="Run on MEXC with your key and real money; asks first.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", help="A parameter of the function, as NAME=VALUE; repeatable.")
]
Facts = Annotated[
    list[str] | None,
    typer.Option("--data", help="A fact about the recording, such as symbol=BTCUSDT or volume_in=quote; repeatable."),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="A setting of the market models, such as queue=behind; repeatable."),
]
Json = Annotated[Path | None, typer.Option(help="Write the result to this file as JSON.")]


def run(
    strategy: Place,
    sim: OnSim = False,
    backtest: OnRecording = None,
    live: Live = False,
    param: Parameters = None,
    data: Facts = None,
    model: Models = None,
    latency: Latencies = None,
    seed: Seed = 7,
    balance: Balances = None,
    accounts: AccountsFile = None,
    json: Json = None,
    yes: Yes = False,
    rest: Rest = None,
    ws: Ws = None,
) -> None:
    """Run a strategy: the same function on a simulated exchange, on recorded data and live.

    It ends when the function returns, when the recorded market ends, or by Ctrl-C, which cancels it. Exit status 1 if
    it raised an error, 2 for wrong input, 130 after Ctrl-C.
    """
    with ended_by_errors(strategy):
        _check(
            {"--sim": sim, "--backtest": backtest is not None, "--live": live},
            json,
            rest or ws,
            [*(data or ()), *(model or ())],
        )
        chosen = _chosen(strategy, param or [])
        if live:
            _live(chosen, rest, ws, yes)
            return
        exchange = _exchange(seed, accounts_of(None, None, balance or [], accounts), latency, data, model)
        if backtest is None:
            _show(_on_sim(chosen, exchange, json), json)
        else:
            _show(_on_recording(chosen, exchange, backtest, json), json)


def _check(modes: Mapping[str, bool], json: Path | None, url: str | None, recorded: Sequence[str]) -> None:
    """Raise ConfigError for options that exclude each other."""
    from mexc_async.errors import ConfigError

    given = [mode for mode, is_given in modes.items() if is_given]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} exclude each other")
    if url is not None and not modes["--live"]:
        raise ConfigError("--rest and --ws need --live")
    if recorded and not modes["--backtest"]:
        raise ConfigError("--data and --model need --backtest: they describe a recorded market")
    if json is not None and modes["--live"]:
        raise ConfigError("--json needs --sim or --backtest: the result is what a simulated exchange has booked")
    check_json(json)


def check_json(json: Path | None) -> None:
    """Raise ConfigError for a file of the result that cannot be written."""
    from mexc_async.errors import ConfigError

    if json is not None and (json.is_dir() or not os.access(json if json.exists() else json.parent, os.W_OK)):
        raise ConfigError(f"--json {json}: cannot be written")


def _chosen(place: str, texts: Sequence[str]) -> Strategy:
    """Load the strategy and convert its parameters. Raises ConfigError."""
    from mexc_async.backtest.strategy import Strategy, load

    given = pairs("--param", texts)
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


def _exchange(
    seed: int,
    accounts: tuple[AccountSpec, ...],
    latency: list[str] | None,
    data: list[str] | None,
    model: list[str] | None,
) -> SimConfig:
    """Return the settings of the simulated exchange. Raises ValueError."""
    from mexc_async.sim.market.latency import parse_latency
    from mexc_async.sim.market.listing import MarketData
    from mexc_async.sim.market.models import MarketModels
    from mexc_async.sim.rest.config import SimConfig

    return SimConfig(
        seed=seed,
        accounts=accounts,
        latency=parse_latency(latency or ()),
        market_data=_struct(MarketData, "--data", data or ()),
        models=_struct(MarketModels, "--model", model or ()),
    )


def _struct(kind: type[S], option: str, texts: Sequence[str]) -> S:
    """Build settings from texts NAME=VALUE. Raises ConfigError, and ValueError for a value that breaks a rule."""
    import msgspec

    from mexc_async.errors import ConfigError

    given = pairs(option, texts)
    for name in given:
        if name not in kind.__struct_fields__:
            raise ConfigError(f"{option} {name} is none of {', '.join(kind.__struct_fields__)}")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{option}: {error}") from None


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Return the values of texts NAME=VALUE. Raises ConfigError."""
    from mexc_async.errors import ConfigError

    given: dict[str, str] = {}
    for text in texts:
        name, is_pair, value = text.partition("=")
        if not is_pair or not name.isidentifier():
            raise ConfigError(f"{option} {text!r} is not NAME=VALUE")
        if name in given:
            raise ConfigError(f"{option} {name} is given twice")
        given[name] = value
    return given


def _on_sim(strategy: Strategy, exchange: SimConfig, json: Path | None) -> Result:
    from mexc_async.backtest.simulated_run import simulate

    print(f"{strategy} runs on a simulated exchange; Ctrl-C ends it", file=sys.stderr)
    session = simulate(
        strategy.main,
        parameters=strategy.parameters,
        exchange=exchange,
        on_interrupt=lambda result: _show(result, json),
    )
    return runner.run(session)


def _on_recording(strategy: Strategy, exchange: SimConfig, tape: Path, json: Path | None) -> Result:
    from mexc_async.backtest.recorded_run import run as run_recorded

    with ProgressLine(sys.stderr) as line:
        return run_recorded(
            strategy.main,
            tape=tape,
            seed=exchange.seed,
            parameters=strategy.parameters,
            exchange=exchange,
            on_progress=line.show if line.is_shown else None,
            on_interrupt=lambda result: _show(result, json),
        )


def _show(result: Result, json: Path | None) -> None:
    """Print the result, and write it to the file if there is one."""
    print(result)
    if json is not None:
        write_json(result.to_json(), json)


def write_json(content: bytes, json: Path) -> None:
    """Write the result to its file."""
    try:
        json.write_bytes(content)
    except OSError as error:
        fail(f"--json {json}: {error.strerror or error}")
