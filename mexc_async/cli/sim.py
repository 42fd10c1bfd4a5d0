"""`mexc-async sim`: serve a simulated exchange until told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import orjson
import typer

from mexc_async.cli.loop import run

if TYPE_CHECKING:
    from mexc_async.sim.limits import Profile, Windows
    from mexc_async.sim.server import SimConfig

HOST = "127.0.0.1"


def sim(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback unless told otherwise.")] = HOST,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The background market repeats itself for the same seed.")] = 7,
    api_key: Annotated[str | None, typer.Option(help="Key of the main account.")] = None,
    api_secret: Annotated[str | None, typer.Option(help="Secret of the main account.")] = None,
    limits: Annotated[str, typer.Option(help="Rate limits: default, guide or none.")] = "default",
    windows: Annotated[str, typer.Option(help="How limits are counted: sliding or fixed.")] = "sliding",
    tape: Annotated[
        Path | None, typer.Option(help="Recorded market to play as well: JSON lines, .gz or plain.")
    ] = None,
    accounts: Annotated[Path | None, typer.Option(help="JSON file with further accounts.")] = None,
    balance: Annotated[
        list[str] | None, typer.Option(help="ASSET=AMOUNT for the main account; repeat for more.")
    ] = None,
    with_parent: Annotated[bool, typer.Option(help="Stop as well when standard input closes.")] = False,
) -> None:
    """Serve a simulated MEXC exchange; prints one JSON line with its URLs when it is ready."""
    try:
        config = _config(host, port, seed, api_key, api_secret, limits, windows, tape, accounts, balance or [])
    except ValueError as error:
        _fail(error)
    try:
        run(_serve(config, with_parent))
    except ValueError as error:
        _fail(error)


def _fail(error: ValueError) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    raise typer.Exit(2)


def _config(
    host: str,
    port: int,
    seed: int,
    api_key: str | None,
    api_secret: str | None,
    limits: str,
    windows: str,
    tape: Path | None,
    accounts: Path | None,
    balance: list[str],
) -> SimConfig:
    from mexc_async.sim.accounts import DEMO_KEY, DEMO_SECRET, parse_balance, read_accounts
    from mexc_async.sim.server import SimConfig, main_account

    balances = dict(parse_balance(text) for text in balance)
    main = main_account(api_key or DEMO_KEY, api_secret or DEMO_SECRET, balances or None)
    further = () if accounts is None else read_accounts(accounts)
    return SimConfig(
        host=host,
        port=port,
        seed=seed,
        limits=cast("Profile", limits),
        windows=cast("Windows", windows),
        accounts=(main, *further),
        tape=tape,
    )


async def _serve(config: SimConfig, with_parent: bool) -> None:
    from mexc_async.sim.server import Simulator

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(config) as simulator, asyncio.TaskGroup() as group:
        symbols = list(simulator.exchange.markets)
        ready = {"rest": simulator.rest, "api_key": config.accounts[0].api_key, "symbols": symbols}
        print(orjson.dumps(ready).decode(), flush=True)
        watch = group.create_task(_until_stdin_closes(stop)) if with_parent else None
        await stop.wait()
        if watch is not None:
            watch.cancel()


async def _until_stdin_closes(stop: asyncio.Event) -> None:
    """A pipe closes with the process that holds its other end, however that ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(1024):
            pass
        stop.set()
    finally:
        transport.close()
