"""`mexc-async calls`: show a call log, sum it up, or verify that it is complete."""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mexc_async.cli.time_argument import time_ms
from mexc_async.runtime.clock import SYSTEM

if TYPE_CHECKING:
    from mexc_async.call_log.chain import Stored
    from mexc_async.call_log.entries import AnyEntry
    from mexc_async.call_log.report import Filter

SHOWN = 100
"""Most entries of the table, without --last or --json."""
_SPAN = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_SPAN_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_NAMED = re.compile(r"(GET|POST|PUT|DELETE) /\S+")

LogPath = Annotated[Path, typer.Argument(metavar="PATH", help="A call log, one of its rotated files, or their folder.")]
Endpoint = Annotated[str | None, typer.Option(help="An endpoint: new_order, or 'POST /api/v3/order'.")]
Error = Annotated[str | None, typer.Option(help="An error class or code; refused, failed or unknown; or any.")]
Moment = "2026-11-25, 2026-11-25T09:30 (UTC unless it has an offset), or 90s, 15m, 2h, 7d ago"
Since = Annotated[str | None, typer.Option(help=f"Start, inclusive: {Moment}.")]
Until = Annotated[str | None, typer.Option(help="End, exclusive, in the same form.")]
Symbol = Annotated[str | None, typer.Option(help="A symbol, such as BTCUSDT.")]
OrderId = Annotated[str | None, typer.Option(help="An order, by its order id or client order id.")]
Client = Annotated[str | None, typer.Option(help="A client's name in the log, such as grid1@3f9ab21c.")]
Kind = Annotated[list[str] | None, typer.Option(help="A kind of entry: sending, done, push, order, ...; repeatable.")]
Last = Annotated[int | None, typer.Option(help=f"Show only the last N entries. [default: {SHOWN} in a table]")]
Summary = Annotated[bool, typer.Option("--summary", help="Sum up by endpoint, error and hour.")]
Verify = Annotated[bool, typer.Option("--verify", help="Check that no entry was changed, removed, moved or cut off.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: entries as JSON lines, sums and findings as JSON.")]


def calls(
    path: LogPath,
    endpoint: Endpoint = None,
    error: Error = None,
    since: Since = None,
    until: Until = None,
    symbol: Symbol = None,
    order_id: OrderId = None,
    client: Client = None,
    kind: Kind = None,
    last: Last = None,
    summary: Summary = False,
    verify: Verify = False,
    json: AsJson = False,
) -> None:
    """Show, sum up or verify a call log.

    Exit status 0, 1 when --verify finds the log broken, 2 for wrong input.
    """
    from mexc_async.call_log.report import Filter, same_order
    from mexc_async.schema.validation import symbol as check_symbol

    try:
        log = _log_at(path)
        since_ms, until_ms = _period(since, until)
        if symbol is not None:
            check_symbol("--symbol", symbol)
        wanted = Filter(
            endpoints=_endpoints(endpoint),
            kinds=_kinds(kind or []),
            client=client,
            symbol=symbol,
            order_ids=None if order_id is None else same_order((entry for _, entry in _entries(log)), order_id),
            error=_error(error),
            since_ms=since_ms,
            until_ms=until_ms,
        )
        if last is not None and last < 1:
            raise ValueError(f"--last {last} must be at least 1")
        if verify and wanted != Filter():
            raise ValueError("--verify checks every entry: give no filter with it")
        is_whole = _verify(log, json) if verify else True
        if summary:
            _sum_up(log, wanted, json)
        elif not verify:
            _show(log, wanted, last, json)
    except (ValueError, OSError) as failure:
        if isinstance(failure, BrokenPipeError):  # the reader closed the pipe
            sys.stdout = None  # leaves no output to flush at exit
            raise typer.Exit(0) from None
        _fail(failure)
    raise typer.Exit(0 if is_whole else 1)


def _fail(error: Exception) -> NoReturn:
    text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    print(f"error: {text}", file=sys.stderr)
    raise typer.Exit(2)


# Arguments


def _log_at(path: Path) -> Path:
    """Return the log that the path names. Raises ValueError or OSError."""
    from mexc_async.call_log.files import logs_in, read_log

    if path.is_dir():
        found = logs_in(path)
        if len(found) != 1:
            names = ", ".join(one.name for one in found)
            raise ValueError(f"{path} holds {f'several call logs, name one: {names}' if found else 'no call log'}")
        path = found[0]
    parts = 0
    for parts, (_, stored) in enumerate(read_log(path), 1):
        if stored.link is not None:
            return path
        if parts == SHOWN:
            break
    if parts:
        raise ValueError(f"{path} is not a call log")
    return path


def _endpoints(text: str | None) -> frozenset[str] | None:
    from mexc_async.client.catalogue import endpoints

    if text is None:
        return None
    declared = list(endpoints())
    found = {f"{one.method} {one.path}" for one in declared if text in (one.name, one.path)}
    if not found and not _NAMED.fullmatch(text):
        raise ValueError(f"--endpoint {text!r} is neither an endpoint's name nor a method and a path")
    return frozenset(found or {text})


def _kinds(texts: list[str]) -> frozenset[str] | None:
    from mexc_async.call_log.report import KINDS

    for text in texts:
        if text not in KINDS:
            raise ValueError(f"--kind {text!r} is not one of {', '.join(KINDS)}")
    return frozenset(texts) or None


def _error(text: str | None) -> str | None:
    from mexc_async import errors
    from mexc_async.call_log.report import ANY

    if text is None or text in (ANY, "refused", "failed", "unknown") or text.lstrip("-").isdigit():
        return text
    kind = getattr(errors, text, None)
    if isinstance(kind, type) and issubclass(kind, errors.MexcError):
        return text
    raise ValueError(f"--error {text!r} is no error's class or code, nor one of any, refused, failed, unknown")


def _time_ms(option: str, text: str | None) -> int | None:
    """Parse a time, or a span before now, into milliseconds UTC. Raises InvalidRequest."""
    if text is None:
        return None
    if (span := _SPAN.fullmatch(text)) is not None:
        return SYSTEM.wall_ms() - int(span[1]) * _SPAN_S[span[2]] * 1000
    return time_ms(option, text, f": {Moment}")


def _period(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    since_ms, until_ms = _time_ms("--since", since), _time_ms("--until", until)
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise ValueError(f"--since {since!r} is not before --until {until!r}")
    return since_ms, until_ms


# Output


def _entries(log: Path) -> Iterator[tuple[Stored, AnyEntry]]:
    """Yield every readable entry; report the count of the others on standard error."""
    from mexc_async.call_log.files import read_log

    unread = 0
    for _, stored in read_log(log):
        entry = stored.entry()
        if entry is None:
            unread += 1
        else:
            yield stored, entry
    if unread:
        print(f"{unread} entries could not be read; --verify gives details", file=sys.stderr)


def _show(log: Path, wanted: Filter, last: int | None, json: bool) -> None:
    from mexc_async.call_log.report import select

    count = 0
    kept: deque[tuple[Stored, AnyEntry]] = deque(maxlen=last or (None if json else SHOWN))
    for stored, entry in select(_entries(log), wanted):
        count += 1
        if json and last is None:
            sys.stdout.buffer.write(stored.json(entry))
        else:
            kept.append((stored, entry))
    if json:
        sys.stdout.buffer.writelines(stored.json(entry) for stored, entry in kept)
        sys.stdout.buffer.flush()
        return
    from mexc_async.cli.calls.tables import print_entries

    print_entries([entry for _, entry in kept], count)


def _sum_up(log: Path, wanted: Filter, json: bool) -> None:
    from mexc_async.call_log.report import Summing, select

    sums = Summing()
    for _, entry in select(_entries(log), wanted):
        sums.take(entry)
    if json:
        _print_json(sums.result())
        return
    from mexc_async.cli.calls.tables import print_summary

    print_summary(sums.result())


def _verify(log: Path, json: bool) -> bool:
    from mexc_async.call_log.files import verified

    found = verified(log)
    if json:
        _print_json(found)
        return found.is_whole
    for problem in found.problems:
        print(problem)
    of = f"{found.entries} entries" + (f" in {found.files} files" if found.files != 1 else "")
    print(f"{log}: {of}, {'whole' if found.is_whole else f'broken in {len(found.problems)} places'}")
    for note in found.notes:
        print(f"note: {note}")
    return found.is_whole


def _print_json(value: object) -> None:
    import msgspec

    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.buffer.flush()
