"""The `mexc-async` command: one line here per subcommand."""

from __future__ import annotations

import typer

from mexc_async import __version__
from mexc_async.cli.demo import demo
from mexc_async.cli.endpoints import endpoints
from mexc_async.cli.klines import klines
from mexc_async.cli.sim import sim

app = typer.Typer(
    name="mexc-async",
    help="Trade on MEXC from asyncio, or on a simulated MEXC on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(endpoints)
app.command()(klines)
app.command()(sim)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mexc-async {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """What stands before a subcommand."""


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
