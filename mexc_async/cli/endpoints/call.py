"""`mexc-async call`: every declared endpoint, its flags read from its declaration."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mexc_async.cli.confirm import confirm, to_its_end
from mexc_async.cli.connection_options import AsJson, Rest, Sim, Yes, connect
from mexc_async.cli.exit_status import carry_out, fail
from mexc_async.cli.output import show

if TYPE_CHECKING:
    from mexc_async.client.mexc import Mexc
    from mexc_async.schema.endpoint import Endpoint


def _names() -> list[str]:
    """Return the endpoints' names, for the shell to complete."""
    from mexc_async.client.catalogue import endpoints

    return [one.name for one in endpoints()]


def call(
    context: typer.Context,
    endpoint: Annotated[
        str | None, typer.Argument(help="Name, as in `--list`; then --NAME VALUE ...", autocompletion=_names)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List every endpoint.")] = False,
    json: AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the answer as JSON with the exchange's own names.")] = False,
    sim: Sim = False,
    rest: Rest = None,
    yes: Yes = False,
    allow_withdraw: Annotated[bool, typer.Option("--allow-withdraw", help="Allow calls that send money away.")] = False,
    wants_help: Annotated[bool, typer.Option("--help", "-h", help="Show this help, or an endpoint's flags.")] = False,
) -> None:
    """Call any endpoint: `mexc-async call depth --symbol BTCUSDT --limit 5`.

    A call that changes something asks first. Exit status 0 when the exchange did it, 1 when it refused, 2 for wrong
    input.
    """
    from mexc_async.client.catalogue import endpoints
    from mexc_async.errors import ConfigError, InvalidRequest

    known = {one.name: one for one in endpoints()}
    if endpoint is None and listed:
        _print_list(known.values(), json)
    elif endpoint is None:
        print(context.get_help())
    elif endpoint.replace("-", "_") not in known:
        near = get_close_matches(endpoint.replace("-", "_"), known, n=3)
        fail(
            f"{endpoint!r} is not an endpoint; " + (f"similar: {', '.join(near)}" if near else "--list shows them all")
        )
    elif wants_help:
        print_flags(known[endpoint.replace("-", "_")])
    else:
        found = known[endpoint.replace("-", "_")]
        try:
            _call(found, context.args, json, raw, sim, rest, yes, allow_withdraw)
        except (ConfigError, InvalidRequest) as error:
            fail(error)


def _call(
    endpoint: Endpoint, words: list[str], json: bool, raw: bool, sim: bool, rest: str | None, yes: bool, allow: bool
) -> None:
    from mexc_async.cli.endpoints.flags import build, parse
    from mexc_async.schema.endpoint import Auth, Money

    route = endpoint.route
    request = build(endpoint.request, parse(words))
    if route.money is Money.WITHDRAWAL and not allow:
        fail(f"{endpoint.name} sends money away, which is off: add --allow-withdraw if that is meant")
    signed = route.auth is Auth.SIGNED
    mexc = connect(rest, sim, signed=signed, changes=not route.safe, allow_withdraw=allow)
    if not route.safe:
        parameters = ", ".join(f"{name}={value}" for name, value in request.params())
        confirm(mexc, f"{endpoint.name} ({route.method} {route.path}) {parameters}".rstrip(), yes)

    async def ask(mexc: Mexc) -> None:
        answer: object = await (mexc.using(raw=True) if raw else mexc).send(request)
        show(answer, json or raw)

    async def act(mexc: Mexc) -> None:
        await to_its_end(mexc, ask(mexc))

    carry_out(mexc, ask if route.safe else act)


def _print_list(known: Any, json: bool) -> None:
    rows = [
        {"name": one.name, "endpoint": f"{one.method} {one.path}", "does": _first_sentence(one.doc)} for one in known
    ]
    show(rows, json)


def _first_sentence(doc: str) -> str:
    return " ".join(doc.split("\n\n")[0].split())


def print_flags(endpoint: Endpoint) -> None:
    """Show an endpoint's description, costs and flags."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mexc_async.cli.endpoints.flags import flags_of

    route = endpoint.route
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    console.print(f"mexc-async call {endpoint.name} [--NAME VALUE ...] [--json | --raw] [--sim | --rest URL]")
    console.print(f"\n{endpoint.doc}\n")
    weights = ", ".join(f"{cost.limit} {cost.weight}" for cost in route.costs)
    console.print(f"{route.method} {route.path}; weights: {weights}; permission: {route.permission or 'none'}")
    if not route.safe:
        console.print("It changes something: asks first, unless --yes.")
    if flags := flags_of(endpoint.request):
        table = Table(box=None, pad_edge=False, show_header=False)
        for flag in flags:
            need = "required" if flag.required else ""
            table.add_row(Text(flag.flag), Text(flag.takes), need, Text(flag.doc))
        console.print()
        console.print(table)
