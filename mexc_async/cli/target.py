"""Which exchange a command speaks to, and with which key: MEXC, another (`--rest`), or a simulated one (`--sim`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from mexc_async.client import Mexc, Settings

Rest = Annotated[str | None, typer.Option(help="URL of another exchange, such as a simulator.")]
Sim = Annotated[bool, typer.Option("--sim", help="Use a simulated exchange, started for this call.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs; amounts as text.")]
Symbol = Annotated[str, typer.Argument(help="Such as BTCUSDT.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def connect(
    rest: str | None, sim: bool, *, signed: bool = False, changes: bool = False, allow_withdraw: bool = False
) -> Mexc:
    """A client that is not open yet; a signed call takes the environment's key, or the stored one that is in use.

    Raises ConfigError.
    """
    from mexc_async.cli.keys import needed_credentials
    from mexc_async.client import Mexc
    from mexc_async.errors import ConfigError

    settings: Settings = {"read_only": not changes, "allow_withdraw": allow_withdraw}
    if sim and rest is not None:
        raise ConfigError("--sim and --rest exclude each other")
    if sim:
        return Mexc.sim(**settings)
    if rest is not None:
        settings["rest"], settings["ws"] = rest, _stream_beside(rest)
    return Mexc(needed_credentials() if signed else None, **settings)


def _stream_beside(rest: str) -> str:
    """Where the streams are: an exchange on this machine serves its own, every other is taken to be MEXC's."""
    from mexc_async.client import WS
    from mexc_async.net.reach import check_url, is_loopback

    check_url("rest", rest, "https")
    url = urlsplit(rest)
    return f"{'ws' if url.scheme == 'http' else 'wss'}://{url.netloc}/ws" if is_loopback(rest) else WS
