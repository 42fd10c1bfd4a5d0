"""Generator of the documentation's tables, from the declarations of the package.

    python docs/tables.py            writes every table
    python docs/tables.py --check    exit status 1 if a table is out of date

A table is the text between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from mexc_async import (
    AlarmSettings,
    Clock,
    GuardLimits,
    Limit,
    Limits,
    Mexc,
    NetworkSettings,
    OrderSettings,
    RetryPolicy,
    StreamSettings,
    Timeouts,
    Timing,
    errors,
)
from mexc_async.books.live_book import Books
from mexc_async.client.catalogue import endpoints
from mexc_async.error_codes import SPOT_CODES
from mexc_async.limits.profiles import PROFILES, TABLE
from mexc_async.schema.endpoint import Auth, Endpoint

DOCS = Path(__file__).resolve().parent
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
RATE_PROFILES = ("default", "conservative", "guide")
SCOPES = {"client": "this client", "ip": "one IP address", "account": "one account"}
GROUPS = {
    "market": "Market data",
    "trading": "Orders and self-trade prevention",
    "account": "Account",
    "subaccounts": "Sub-accounts",
    "wallet": "Wallet",
    "user_stream": "Listen keys",
    "rebates": "Rebates and affiliates",
    "broker": "Brokers",
    "announcements": "Announcements",
}
PERMISSIONS = {
    "SPOT_ACCOUNT_READ": "see balances, fills, fees and the account's settings",
    "SPOT_ACCOUNT_WRITE": "change the account's settings",
    "SPOT_DEAL_READ": "see orders",
    "SPOT_DEAL_WRITE": "place and cancel orders",
    "SPOT_TRANSFER_READ": "see transfers between accounts",
    "SPOT_TRANSFER_WRITE": "transfer between accounts",
    "SPOT_DEPOSIT_READ": "see deposits of a broker's sub-accounts",
    "SPOT_DEPOSIT_WRITE": "make deposit addresses for a broker's sub-accounts",
    "SPOT_WITHDRAW_READ": "see deposits and withdrawals",
    "SPOT_WITHDRAW_WRITE": "withdraw, make deposit addresses",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def permissions() -> str:
    """Return each permission with the calls that need it."""
    calls: dict[str, list[str]] = {}
    for endpoint in endpoints():
        if endpoint.route.permission is not None:
            calls.setdefault(endpoint.route.permission, []).append(endpoint.name)
    rows = [
        (f"`{name}`", PERMISSIONS[name], ", ".join(f"`{call}`" for call in sorted(calls[name])))
        for name in sorted(calls)
    ]
    return table(("permission", "allows to", "calls of `mexc.spot` that need it"), rows)


def calls() -> str:
    """Return every endpoint, group by group."""
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints():
        groups.setdefault(endpoint.request.__module__.rpartition(".")[2], []).append(endpoint)
    head = ("call", "parameters", "endpoint", "permission", "does")
    parts = [f"### {GROUPS[group]}\n\n{table(head, map(_row, found))}" for group, found in groups.items()]
    return "\n" + "\n".join(parts) + "\n"


def _row(endpoint: Endpoint) -> tuple[str, ...]:
    fields = msgspec.structs.fields(endpoint.request)
    parameters = ", ".join(f"`{field.name}`" if field.required else f"`{field.name}`?" for field in fields)
    permission = f"`{endpoint.route.permission}`" if endpoint.route.permission else _UNNAMED[endpoint.auth]
    does = " ".join(endpoint.doc.split("\n\n")[0].split()).replace("|", "\\|")
    return f"`{endpoint.name}`", parameters, f"{endpoint.method} {endpoint.path}", permission, does


_UNNAMED = {Auth.NONE: "no key needed", Auth.SIGNED: "signed"}


def limits() -> str:
    """Return each limit of the profile `default`."""
    rows = [
        (f"`{limit.name}`", str(limit.budget), f"{limit.window_s:g} s", SCOPES[limit.scope], limit.source)
        for limit in TABLE
    ]
    return table(("limit", "budget", "window", "shared by", "source"), rows)


def rates() -> str:
    """Return the calls a second of each endpoint and profile, with the limit that binds."""
    rows = []
    for endpoint in sorted(endpoints(), key=lambda one: (one.auth is Auth.SIGNED, one.path, one.method)):
        cells = [f"`{endpoint.name}`", f"{endpoint.method} {endpoint.path}"]
        cells.append(", ".join(f"{cost.limit} {cost.weight}" for cost in endpoint.costs))
        for profile in RATE_PROFILES:
            rate, limit = PROFILES[profile].effective_rate(endpoint.costs)
            cells.append(f"{rate:.4g} ({limit})")
        rows.append(cells)
    return table(("call", "endpoint", "weights", *RATE_PROFILES), rows)


def codes() -> str:
    """Return each code of the spot API with its class."""
    rows = [(str(code), f"`{row.error.__name__}`", row.meaning) for code, row in SPOT_CODES.items()]
    return table(("code", "error", "meaning"), rows)


def advice() -> str:
    """Return the advice of each class of errors."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MexcError)]
    return table(("error", "advice"), [(f"`{kind.__name__}`", kind("").advice.replace("|", "\\|")) for kind in kinds])


def tree() -> str:
    """Return the tree of errors in `errors.py`."""
    doc = inspect.cleandoc(errors.__doc__ or "")
    drawn = [line[4:] for line in doc.splitlines() if line.startswith("    ")]
    return "```text\n" + "\n".join(drawn) + "\n```\n"


def settings() -> str:
    """Return the arguments of a client's functions and the fields of its settings, group by group."""
    parts = [f"### `{title}`\n\n{_arguments(function)}" for title, function in FUNCTIONS.items()]
    parts += [f"### `{kind.__name__}`\n\n{inspect.cleandoc(kind.__doc__ or '')}\n\n{_fields(kind)}" for kind in STRUCTS]
    return "\n" + "\n".join(parts) + "\n"


def _arguments(function: Callable[..., object]) -> str:
    """Return a table of the keyword arguments that a docstring describes under `Args:`."""
    described = re.findall(r"^ {4}(\w+): ((?:.|\n {8})+)", inspect.getdoc(function) or "", re.MULTILINE)
    parameters = inspect.signature(function).parameters
    rows = [
        (f"`{name}`", _default(parameters[name].default), _line(text))
        for name, text in described
        if name in parameters and name not in ("settings", "prepared")
    ]
    return table(("argument", "default", "meaning"), rows)


def _fields(kind: type[msgspec.Struct]) -> str:
    docs = _field_docs(kind)
    rows = [
        (f"`{field.name}`", "required" if field.required else _default(field.default), _line(docs.get(field.name, "")))
        for field in msgspec.structs.fields(kind)
    ]
    return table(("setting", "default", "meaning"), rows)


def _field_docs(kind: type) -> dict[str, str]:
    """Return the docstring under each field of a class, by the field's name."""
    (node,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(node, ast.ClassDef)
    docs = {}
    for line, below in pairwise(node.body):
        match line, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as doc)):
                docs[name] = doc
    return docs


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, msgspec.Struct | Clock):
        return f"`{type(value).__name__}()`"
    return f"`{json.dumps(value)}`" if isinstance(value, str) else f"`{value}`"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


FUNCTIONS: dict[str, Callable[..., object]] = {
    "Mexc(...)": Mexc.__init__,
    "Mexc.sim(...)": Mexc.sim,
    "Mexc.from_keys(...)": Mexc.from_keys,
    "mexc.using(...)": Mexc.using,
    "mexc.books(...)": Books.__call__,
}
"""Functions that take settings; their parameters `settings` and `prepared` are none of their own."""
STRUCTS = (
    NetworkSettings,
    Timeouts,
    RetryPolicy,
    OrderSettings,
    StreamSettings,
    Timing,
    AlarmSettings,
    GuardLimits,
    Limits,
    Limit,
)
TABLES: dict[str, Callable[[], str]] = {
    "calls": calls,
    "permissions": permissions,
    "limits": limits,
    "rates": rates,
    "codes": codes,
    "tree": tree,
    "settings": settings,
    "advice": advice,
}


def renewed(text: str) -> str:
    """Return a page with its tables up to date. Raises KeyError for an unknown table."""
    return BLOCK.sub(lambda block: block[1] + TABLES[block[2]]() + block[3], text)


def main() -> None:
    """Write the tables, or check them."""
    parser = argparse.ArgumentParser(description="Write the tables of the documentation from the declarations.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a table is out of date")
    check: bool = parser.parse_args().check
    stale = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = renewed(text)
        if new != text:
            stale.append(page.name)
            if not check:
                page.write_text(new, encoding="utf-8")
    if check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; run python docs/tables.py")


if __name__ == "__main__":
    main()
