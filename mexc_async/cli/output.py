"""Output of commands: tables for people, JSON with the SDK's names for programs. Amounts are exact in both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from mexc_async.schema.json_values import Plain, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

MILLISECONDS_FROM = 1_000_000_000_000
"""September 2001; smaller numbers are not times in milliseconds."""


FEW = 3
"""Up to this many rows are shown as a line per field, if they are too wide for a table."""


def show(answer: object, as_json: bool, columns: Sequence[str] | None = None, without: str = "nothing") -> None:
    """Print an answer; `columns` selects and orders the table's columns, `without` stands for an empty list."""
    value = plain(answer)
    if as_json:
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
        return
    if value == []:
        print(without)
        return
    from rich.console import Console

    _print(Console(width=None if sys.stdout.isatty() else 200, highlight=False), value, columns)


def _print(console: Console, value: Plain, columns: Sequence[str] | None) -> None:
    if isinstance(value, dict):
        there = {name: item for name, item in value.items() if item not in (None, [], {})}
        inner = {name: item for name, item in there.items() if isinstance(item, dict) or _is_rows(item)}
        if facts := [(name, item) for name, item in there.items() if name not in inner]:
            console.print(_facts(facts))
        for name, rows in inner.items():
            console.print(f"\n{name}" if facts else name, style="bold", markup=False)
            _print(console, rows, columns)
        if not there:
            console.print("done")
    elif _is_rows(value):
        assert isinstance(value, list)
        table = _rows(value, columns)
        if len(value) <= FEW and _width(console, table) > console.width:
            for number, row in enumerate(value):
                console.print("\n" if number else "", end="")
                _print(console, row, columns)
        else:
            console.print(table)
    elif isinstance(value, list):
        for item in value:
            console.print(text(item), markup=False)
    else:
        console.print(text(value), markup=False)


def _is_rows(value: Plain) -> bool:
    """Return True for a list of objects or of lists."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict | list)


def _width(console: Console, table: Table) -> int:
    """Return the width that a table needs without breaking a word."""
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(width=10_000), table).minimum


def _facts(facts: Iterable[tuple[str, Plain]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, item in facts:
        table.add_row(name, Text(text(item, name)))
    return table


def _rows(rows: Sequence[Plain], columns: Sequence[str] | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    dicts: list[dict[str, Plain]] = [
        row if isinstance(row, dict) else dict(zip(("price", "quantity"), _items(row), strict=False)) for row in rows
    ]
    names = list(dict.fromkeys(name for row in dicts for name, item in row.items() if item not in (None, [])))
    if columns is not None and set(columns) & set(names):
        names = [name for name in columns if name in names]
    table = Table(box=None, pad_edge=False)
    for name in names:
        is_number = all(_is_number(row.get(name)) for row in dicts)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in dicts:
        table.add_row(*(Text(text(row.get(name), name)) for name in names))
    return table


def _items(row: Plain) -> list[Plain]:
    return row if isinstance(row, list) else [row]


def _is_number(item: Plain) -> bool:
    if isinstance(item, str):
        return item.removeprefix("-").replace(".", "", 1).isdigit()
    return item is None or (isinstance(item, int) and not isinstance(item, bool))


def text(item: Plain, name: str = "") -> str:
    """Format one value for people: times in UTC, empty for None."""
    if item is None:
        return ""
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int) and name.endswith(("time", "timestamp")) and item >= MILLISECONDS_FROM:
        moment = datetime.fromtimestamp(item / 1000, UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{item % 1000:03d}"
    if isinstance(item, list):
        return f"{len(item)} items" if _is_rows(item) else ", ".join(text(one) for one in item)
    if isinstance(item, dict):
        return ", ".join(f"{key} {text(one, key)}" for key, one in item.items() if one is not None)
    return str(item)
