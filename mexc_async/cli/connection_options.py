"""Options for the exchange and the key of a command: MEXC, another (`--rest`), or a simulated one (`--sim`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mexc_async.client.mexc import Mexc, Settings
    from mexc_async.client.settings import NetworkSettings

Rest = Annotated[str | None, typer.Option(help="URL of another exchange, such as a simulator.")]
Ws = Annotated[
    str | None,
    typer.Option(help="URL of its push streams; needed if --rest is neither MEXC's host nor this machine."),
]
Sim = Annotated[bool, typer.Option("--sim", help="Use a simulated exchange, started for this command.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs; amounts as text.")]
Symbol = Annotated[str, typer.Argument(help="A symbol, such as BTCUSDT.")]
Yes = Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")]


CONNECT_S = 4.0
"""Seconds for a connection: a command without a network ends within 5 s, its own start included."""


def network(budget_s: float = 10.0) -> NetworkSettings:
    """Return a command's time-outs and retries; `budget_s` are the seconds of retries after faults."""
    from mexc_async.client.settings import NetworkSettings
    from mexc_async.rest.retry import RetryPolicy
    from mexc_async.transport.config import Timeouts

    return NetworkSettings(timeouts=Timeouts(connect_s=CONNECT_S), retry=RetryPolicy(budget_s=budget_s))


def connect(
    rest: str | None,
    sim: bool,
    *,
    ws: str | None = None,
    signed: bool = False,
    changes: bool = False,
    allow_withdraw: bool = False,
) -> Mexc:
    """Return a client that is not open yet; a signed call uses the environment's key, or the stored one in use.

    Raises ConfigError.
    """
    from mexc_async.cli.keys.command import needed_credentials
    from mexc_async.client.mexc import Mexc
    from mexc_async.errors import ConfigError

    settings: Settings = {"read_only": not changes, "allow_withdraw": allow_withdraw, "network": network()}
    for name, url in (("--rest", rest), ("--ws", ws)):
        if sim and url is not None:
            raise ConfigError(f"--sim and {name} exclude each other")
    if sim:
        return Mexc.sim(**settings)
    if rest is not None:
        settings["rest"] = rest
    if ws is not None:
        settings["ws"] = ws
    return Mexc(needed_credentials() if signed else None, **settings)
