"""A call log's entries and sums as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mexc_async.call_log.entries import Anomaly, AnyEntry, Done, Lost, Opened, OrderChanged, Pushed, Sending
from mexc_async.call_log.report import CallSummary, error_of, kind_of
from mexc_async.orders.record import OrderRecord

WIDE = 160
"""Width in columns without a terminal, so that lines stay whole in a file or a pipe."""


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def _table(title: str, *columns: str) -> Table:
    """Create a table; a `#` before a column's name aligns the column to the right."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name.lstrip("#"), justify="right" if name.startswith("#") else "left", overflow="fold")
    return table


def _time(ms: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:{form}}.{ms % 1000:03d}" if form.endswith("S") else f"{moment:{form}}"


def _channel(channel: str) -> str:
    """Shorten `spot@private.orders.v3.api.pb` to `orders`."""
    return channel.removeprefix("spot@private.").removesuffix(".v3.api.pb")


def _short(endpoint: str) -> str:
    return endpoint.replace("/api/v3", "")


def print_entries(entries: Sequence[AnyEntry], count: int) -> None:
    """Print entries as a table; `count` is the number of all that match, of which these are the last."""
    console = _console()
    if not entries:
        console.print("no entry matches")
        return
    days = {_time(entry.at, "%Y-%m-%d") for entry in entries}
    day, form = (f"{days.pop()}, ", "%H:%M:%S") if len(days) == 1 else ("", "%Y-%m-%d %H:%M:%S")
    title = f"{day}UTC by the exchange's clock"
    table = _table(title, "time", "kind", "what", "order", "outcome", "#ms", "#waited")
    for entry in entries:
        what, order = _subject(entry)
        latency = f"{entry.latency_us / 1000:.1f}" if isinstance(entry, Done) else ""
        waited = f"{entry.waited_us / 1000:.1f}" if isinstance(entry, Done) else ""
        cells = (_time(entry.at, form), kind_of(entry), Text(what), Text(order), Text(_outcome(entry)))
        table.add_row(*cells, latency, waited)
    console.print(table)
    if count > len(entries):
        console.print(f"the last {len(entries)} of {count} entries; --last shows more, --json all of them")


def _subject(entry: AnyEntry) -> tuple[str, str]:
    """Return an entry's subject in words, and its order id."""
    if isinstance(entry, Sending | Done):
        return _short(entry.endpoint), entry.order or entry.params.get("orderId", "")
    if isinstance(entry, Pushed):
        return f"{_channel(entry.channel)} {entry.symbol or ''}".rstrip(), entry.order or entry.order_id or ""
    if isinstance(entry, OrderChanged):
        of = entry.facts
        asked = f"{of.quantity:f}" if of.quantity is not None else f"{of.quote_quantity or 0:f} in quote"
        at = f" at {of.price:f}" if of.price is not None else ""
        return f"{of.side} {asked} {of.symbol}{at}", of.client_order_id
    if isinstance(entry, Anomaly):
        return entry.text, entry.order or entry.order_id or ""
    if isinstance(entry, Opened):
        return f"process {entry.pid}" + (
            f", left out {entry.cut} bytes of an incomplete entry" if entry.cut else ""
        ), ""
    return (f"{entry.count} entries", "") if isinstance(entry, Lost) else ("", "")


def _outcome(entry: AnyEntry) -> str:
    error = error_of(entry)
    code = f" {error.code}" if error is not None and error.code is not None else ""
    named = f"{error.kind}{code}" if error is not None else ""
    if isinstance(entry, Done):
        return f"{entry.outcome} {named}".rstrip()
    if isinstance(entry, OrderChanged):
        filled = f", filled {entry.fill.quantity:f} at {entry.fill.price:f}" if entry.fill is not None else ""
        return f"{OrderRecord.of(entry.facts).state} {named}".rstrip() + filled
    return ""


def print_summary(found: CallSummary) -> None:
    """Print the sums, one table each."""
    console = _console()
    if found.first_ms is None or found.last_ms is None:
        console.print("no entry matches")
        return
    span = f"{_time(found.first_ms)} to {_time(found.last_ms)} UTC"
    console.print(f"{found.entries} entries, {span}, of {', '.join(found.clients) or 'no client'}")
    for count, text in ((found.unanswered, "calls without an outcome"), (found.lost, "entries were lost")):
        if count:
            console.print(f"{count} {text}")
    table = _table(
        "by endpoint, latency in ms", "endpoint", "#calls", "#ok", "#refused", "#failed", "#unknown", "#p50", "#p99",
        "#max", "#waited s",
    )  # fmt: skip
    for one in found.endpoints:
        counts = (one.calls, one.ok, one.refused, one.failed, one.unknown)
        latencies = (f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}", f"{one.max_ms:.1f}", f"{one.waited_s:.2f}")
        table.add_row(_short(one.endpoint), *map(str, counts), *latencies)
    console.print(table)
    if found.errors:
        table = _table("by error", "error", "#code", "#count", "endpoints", "last message")
        for error in found.errors:
            endpoints = ", ".join(f"{_short(name)} {count}" for name, count in error.endpoints.items())
            code = "" if error.code is None else str(error.code)
            table.add_row(error.error, code, str(error.count), endpoints, Text(error.message))
        console.print(table)
    table = _table("by hour, UTC", "hour", "#calls", "#errors", "#pushes")
    for hour in found.hours:
        table.add_row(_time(hour.hour_ms, "%Y-%m-%d %H:00"), str(hour.calls), str(hour.errors), str(hour.pushes))
    console.print(table)
    for excess in found.excesses:
        when = _time(excess.hour_ms, "%Y-%m-%d %H:00")
        console.print(
            f"unusual: {excess.calls} calls of {_short(excess.endpoint)} at {when}, {excess.median:g} are usual"
        )
    for rule, count in found.unusual.items():
        console.print(f"unusual: {rule} was reported {count} times")
