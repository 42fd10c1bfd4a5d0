"""`mexc-async doctor`: one screen of checks, with advice for each problem."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from mexc_async.cli.exit_status import fail
from mexc_async.cli.keys.command import PasswordFd, Where, found_credentials
from mexc_async.runtime.runner import run

if TYPE_CHECKING:
    from mexc_async.cli.doctor.checks import Finding
    from mexc_async.client.mexc import Mexc
    from mexc_async.rest.credentials import Credentials

PATIENCE_S = 2.0
"""Seconds of retries while the exchange is unreachable, short because the user waits."""
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim", "note": "cyan"}


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    key: Annotated[
        str | None, typer.Option(help="Name of a stored key; default: the environment's key, or the one in use.")
    ] = None,
    rest: Annotated[str | None, typer.Option(help="URL of another exchange, such as a simulator.")] = None,
    sim: Annotated[bool, typer.Option("--sim", help="Check a simulated exchange, started for this command.")] = False,
    store: Where = None,
    password_fd: PasswordFd = None,
) -> None:
    """Check the connection to the exchange, the clock and the key, without changing anything.

    Exit status 0 when no check failed (warnings are allowed), 1 when one failed, 2 for wrong use.
    """
    from mexc_async.errors import ConfigError, MexcError

    try:
        if sim and (rest is not None or key is not None):
            raise ConfigError("--sim brings an exchange and a key of its own; it excludes --rest and --key")
        mexc, credentials = _client(key, rest, sim, store, password_fd)
        is_ok = run(_look(mexc, credentials, json))
    except ConfigError as error:
        fail(error.message)
    except MexcError as error:
        fail(error, 1)
    raise typer.Exit(0 if is_ok else 1)


def _client(
    key: str | None, rest: str | None, sim: bool, store: str | None, password_fd: int | None
) -> tuple[Mexc, Credentials | None]:
    """Return a read-only client and its key, if one is found. Raises ConfigError."""
    from mexc_async.cli.connection_options import network
    from mexc_async.client.mexc import REST, Mexc

    if sim:
        mexc = Mexc.sim(read_only=True)
        return mexc, mexc.credentials
    credentials = found_credentials(key, store, password_fd)
    return Mexc(credentials, rest=rest or REST, read_only=True, network=network(PATIENCE_S)), credentials


async def _look(mexc: Mexc, credentials: Credentials | None, json: bool) -> bool:
    """Print the findings, before the loop's end waits for a name server; return True if no check failed."""
    from mexc_async.cli.doctor.checks import findings

    async with mexc:
        found = [finding async for finding in findings(mexc, credentials)]
        label = {
            "exchange": "SIM" if mexc.is_sim else "LIVE",
            "url": mexc.rest,
            "key": credentials.masked_key if credentials else None,
        }
    is_ok = all(finding.status != "failed" for finding in found)
    if json:
        answer = {**label, "ok": is_ok, "checks": found}
        print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        _print(found, label, is_ok)
    return is_ok


def _print(found: list[Finding], label: dict[str, Any], is_ok: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in found:
        text = finding.text + (f"\n> {finding.advice}" if finding.advice and finding.status != "ok" else "")
        table.add_row(Text(finding.status, _STYLES[finding.status]), Text(finding.check), Text(text))
    failed = sum(finding.status == "failed" for finding in found)
    warnings = sum(finding.status == "warning" for finding in found)
    noted = f"{failed} failed, {warnings} {'warning' if warnings == 1 else 'warnings'}"
    verdict = noted if not is_ok or warnings else "all right"
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(Text(f"{label['exchange']} {label['url']}", "bold"), table, Text(verdict, "bold"), sep="\n")
