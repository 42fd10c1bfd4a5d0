"""`mexc-async endpoints`: list the declared endpoints, or check them against a reference and the simulator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

ASPECTS = ("declared", "decoded", "answered by the simulator")


def endpoints(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    check: Annotated[
        Path | None,
        typer.Option(help="Compare the declarations with this reference, and call each endpoint on a simulator."),
    ] = None,
) -> None:
    """List every declared endpoint, or check them against a reference of the exchange's interface.

    Exit status 0 when everything agrees, 1 otherwise, 2 for a missing or invalid file.
    """
    if check is not None:
        raise typer.Exit(_check(check, json))
    rows = [_row(endpoint) for endpoint in _declared()]
    if json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    else:
        _print_table(rows)


def _declared() -> list[Any]:
    from mexc_async.client.catalogue import endpoints

    return list(endpoints())


def _row(endpoint: Any) -> dict[str, Any]:
    from mexc_async.schema.validation import choices

    route = endpoint.route
    return {
        "name": endpoint.name,
        "method": route.method,
        "path": route.path,
        "auth": route.auth.value,
        "permission": route.permission,
        "costs": {cost.limit: cost.weight for cost in route.costs},
        "safe": route.safe,
        "money": route.money.value if route.money else None,
        "parameters": [
            {
                "name": field.name,
                "wire": field.encode_name,
                "required": field.required,
                "choices": choices(field.type),
            }
            for field in msgspec.structs.fields(endpoint.request)
        ],
        "doc": endpoint.doc,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("call", "endpoint", "permission", "weights", box=None, pad_edge=False)
    for row in rows:
        weights = ", ".join(f"{limit} {weight}" for limit, weight in row["costs"].items())
        permission = row["permission"] or ("-" if row["auth"] == "none" else "signed")
        table.add_row(row["name"], f"{row['method']} {row['path']}", permission, weights)
    Console(width=None if sys.stdout.isatty() else 200).print(table, f"{len(rows)} endpoints")


def _check(path: Path, json: bool) -> int:
    from mexc_async.cli.endpoints.reference import read_reference
    from mexc_async.errors import ConfigError

    try:
        entries = read_reference(path)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    problems = _problems(entries)
    total = len(entries)
    counts = {aspect: total - len({name for name, at, _ in problems if at == aspect}) for aspect in ASPECTS}
    surplus = [text for _, at, text in problems if at not in ASPECTS]
    if json:
        found = [{"endpoint": name, "aspect": aspect, "problem": text} for name, aspect, text in problems]
        answer = {"endpoints": total, **counts, "problems": found}
        print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        for name, aspect, text in problems:
            print(f"{name}: not {aspect}: {text}" if aspect in ASPECTS else f"{name}: {text}")
        print(_summary(total, counts))
    return 0 if not surplus and set(counts.values()) == {total} else 1


def _summary(total: int, counts: dict[str, int]) -> str:
    if len(set(counts.values())) == 1:
        return f"{counts[ASPECTS[0]]} of {total} {', '.join(ASPECTS)}"
    return ", ".join(f"{count} of {total} {aspect}" for aspect, count in counts.items())


def _problems(entries: list[Any]) -> list[tuple[str, str, str]]:
    """Return (endpoint, aspect, problem) for each disagreement with the reference."""
    from mexc_async.cli.endpoints.reference import wrong_in_declaration, wrong_in_decoding
    from mexc_async.cli.endpoints.samples import answers
    from mexc_async.runtime.runner import run

    declared = {endpoint.name: endpoint for endpoint in _declared()}
    wanted = {entry.id for entry in entries}
    problems = [(name, "surplus", "declared, but not in the reference") for name in declared if name not in wanted]
    known = [declared[entry.id] for entry in entries if entry.id in declared]
    answered = run(answers(known))
    for entry in entries:
        endpoint = declared.get(entry.id)
        if endpoint is None:
            problems += [(entry.id, aspect, "there is no declaration") for aspect in ASPECTS]
            continue
        problems += [(entry.id, ASPECTS[0], text) for text in wrong_in_declaration(endpoint, entry)]
        problems += [(entry.id, ASPECTS[1], text) for text in wrong_in_decoding(endpoint, entry)]
        if wrong := answered[entry.id]:
            problems.append((entry.id, ASPECTS[2], wrong))
    return problems
