"""The `mexc-async` command, one line per subcommand."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import cast

import typer

from mexc_async import __version__
from mexc_async.cli.account import balances, cancel, orders, transfer
from mexc_async.cli.calls.command import calls
from mexc_async.cli.demo.command import demo
from mexc_async.cli.doctor.command import doctor
from mexc_async.cli.endpoints.call import call
from mexc_async.cli.endpoints.command import endpoints
from mexc_async.cli.guard.command import guard
from mexc_async.cli.keys.change import allow_ip, rotate
from mexc_async.cli.keys.command import add, list_keys, remove, use
from mexc_async.cli.klines import klines
from mexc_async.cli.market import book, ticker, trades
from mexc_async.cli.order import buy, sell
from mexc_async.cli.rehearse import rehearse
from mexc_async.cli.run import run
from mexc_async.cli.sim import sim

app = typer.Typer(
    name="mexc-async",
    help="Trade on MEXC from asyncio, or on a simulated MEXC on this machine.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command()(balances)
app.command()(book)
app.command("buy")(buy)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="[--NAME VALUE ...] [OPTIONS]",
)(call)
app.command()(calls)
app.command()(cancel)
app.command()(demo)
app.command()(doctor)
app.command()(endpoints)
app.command()(guard)
app.command()(klines)
app.command()(orders)
app.command()(rehearse)
app.command()(run)
app.command("sell")(sell)
app.command()(sim)
app.command()(ticker)
app.command()(trades)
app.command()(transfer)

_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""Typer's error for a command line that it cannot parse; Typer gives it no public name."""
keys = typer.Typer(help="Store API keys encrypted, by name, and rotate them.", no_args_is_help=True)
keys.command()(add)
keys.command()(allow_ip)
keys.command("list")(list_keys)
keys.command()(remove)
keys.command()(rotate)
keys.command()(use)
app.add_typer(keys, name="keys")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mexc-async {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Read the options before a subcommand."""


def _usage_message(error: typer.BadParameter) -> str:
    """Return Typer's message for a command line that it cannot parse, with the option and value at fault."""
    message = error.format_message()
    for name in error.param.opts if isinstance(error, typer.BadParameter) and error.param is not None else ():
        for word, following in pairwise([*sys.argv[1:], ""]):
            given = following if word == name else word.removeprefix(f"{name}=")
            if given != word and repr(given) not in message:
                return f"{name} {given!r}: {error.message}"
    return message


def main() -> None:
    """Run the command line. A usage error prints one line and exits with status 2."""
    try:
        status: object = app(prog_name="mexc-async", standalone_mode=False)
    except _UsageError as error:
        if message := _usage_message(error):
            print(f"error: {message}", file=sys.stderr)
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    except BrokenPipeError:  # the reader closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
