"""`mexc-async sim`: serve a simulated exchange until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import orjson
import typer

from mexc_async.runtime.runner import run

if TYPE_CHECKING:
    from mexc_async.sim.exchange.accounts import AccountSpec
    from mexc_async.sim.rest.limits import Profile, Windows
    from mexc_async.sim.rest.server import SimConfig

HOST = "127.0.0.1"


Host = Annotated[str, typer.Option(help="Address to listen on; loopback by default.")]
Port = Annotated[int, typer.Option(help="Port; 0 picks a free one.")]
Seed = Annotated[int, typer.Option(help="Seed of the background market; the same seed repeats it.")]
ApiKey = Annotated[
    str | None,
    typer.Option(envvar="MEXC_SIM_API_KEY", help="Access key of the main account; needs --api-secret."),
]
ApiSecret = Annotated[
    str | None,
    typer.Option(
        envvar="MEXC_SIM_API_SECRET",
        help="Secret of the main account; default: a public demo pair (docs/simulator.md).",
    ),
]
LimitProfile = Annotated[str, typer.Option(help="Rate limits: default, guide or none.")]
WindowKind = Annotated[str, typer.Option(help="Windows of the rate limits: sliding or fixed.")]
TapeFile = Annotated[Path | None, typer.Option(help="Recorded market to replay as well: JSON lines, .gz or plain.")]
AccountsFile = Annotated[Path | None, typer.Option(help="JSON file with further accounts.")]
Balances = Annotated[list[str] | None, typer.Option(help="Balance of the main account, as ASSET=AMOUNT; repeatable.")]
Unused = Annotated[float, typer.Option(help="Seconds without a subscription until a socket is closed.")]
Idle = Annotated[float, typer.Option(help="Seconds without a message from the client until a socket is closed.")]
Lifetime = Annotated[float, typer.Option(help="Seconds until any socket is closed.")]
ListenKey = Annotated[float, typer.Option(help="Seconds that a listen key is valid.")]
DepositTime = Annotated[float, typer.Option(help="Seconds until a deposit is confirmed.")]
WithdrawStep = Annotated[float, typer.Option(help="Seconds that a withdrawal stays in each of its six statuses.")]
FaultList = Annotated[
    list[str] | None,
    typer.Option(help="A fault, KIND[,NAME=VALUE...], such as mute,on=new_order,chance=0.01; repeatable."),
]
Latencies = Annotated[
    list[str] | None,
    typer.Option(help="Travel time in ms, NAME=MS or NAME=FILE of samples, of order, answer or feed; repeatable."),
]
Control = Annotated[bool, typer.Option("--faults", help="Serve /sim/... (docs/simulator.md) to callers on loopback.")]
WithParent = Annotated[bool, typer.Option(help="Also stop when standard input closes.")]


def sim(
    host: Host = HOST,
    port: Port = 0,
    seed: Seed = 7,
    api_key: ApiKey = None,
    api_secret: ApiSecret = None,
    limits: LimitProfile = "default",
    windows: WindowKind = "sliding",
    tape: TapeFile = None,
    accounts: AccountsFile = None,
    balance: Balances = None,
    unused_s: Unused = 30.0,
    idle_s: Idle = 60.0,
    lifetime_s: Lifetime = 86_400.0,
    listen_key_s: ListenKey = 3600.0,
    deposit_s: DepositTime = 2.0,
    withdraw_step_s: WithdrawStep = 0.5,
    latency: Latencies = None,
    fault: FaultList = None,
    faults: Control = False,
    with_parent: WithParent = False,
) -> None:
    """Serve a simulated MEXC exchange; prints one JSON line with its URLs when it is ready."""
    from mexc_async.sim.faults.faults import parse_fault
    from mexc_async.sim.market.latency import parse_latency
    from mexc_async.sim.rest.server import SimConfig
    from mexc_async.sim.stream.socket_lifetime import SocketRules
    from mexc_async.sim.wallet.wallet import WalletRules

    try:
        config = SimConfig(
            host=host,
            port=port,
            seed=seed,
            limits=cast("Profile", limits),
            windows=cast("Windows", windows),
            accounts=accounts_of(api_key, api_secret, balance or [], accounts),
            tape=tape,
            sockets=SocketRules(unused_s=unused_s, idle_s=idle_s, lifetime_s=lifetime_s, listen_key_s=listen_key_s),
            wallet=WalletRules(deposit_s=deposit_s, withdraw_step_s=withdraw_step_s),
            latency=parse_latency(latency or ()),
            faults=tuple(parse_fault(text) for text in fault or ()),
            control=faults,
        )
        run(_serve(config, with_parent))
    except ValueError as error:
        _fail(error)


def _fail(error: ValueError) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    raise typer.Exit(2)


def accounts_of(
    api_key: str | None, api_secret: str | None, balance: list[str], further: Path | None
) -> tuple[AccountSpec, ...]:
    """Return the main account and further ones from a file. Raises ValueError."""
    from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET, parse_balance, read_accounts
    from mexc_async.sim.rest.server import main_account

    if bool(api_key) != bool(api_secret):
        raise ValueError(f"--{'api-key' if api_key else 'api-secret'} is given alone; key and secret go together")
    balances = dict(parse_balance(text) for text in balance)
    main = main_account(api_key or DEMO_KEY, api_secret or DEMO_SECRET, balances or None)
    return (main, *(() if further is None else read_accounts(further)))


async def _serve(config: SimConfig, with_parent: bool) -> None:
    from mexc_async.sim.rest.server import Simulator

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(config) as simulator, asyncio.TaskGroup() as group:
        symbols = list(simulator.exchange.markets)
        ready = {
            "rest": simulator.rest,
            "spot_ws": simulator.spot_ws,
            "api_key": config.accounts[0].api_key,
            "symbols": symbols,
        }
        print(orjson.dumps(ready).decode(), flush=True)
        watch = group.create_task(_until_stdin_closes(stop)) if with_parent else None
        await stop.wait()
        if watch is not None:
            watch.cancel()


async def _until_stdin_closes(stop: asyncio.Event) -> None:
    """Set `stop` when standard input closes: a pipe closes with its other end's process, however that ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(1024):
            pass
        stop.set()
    finally:
        transport.close()
