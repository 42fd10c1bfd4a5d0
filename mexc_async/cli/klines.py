"""`mexc-async klines`: download the klines of any period into files, resume after an interruption, and continue."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self, cast

import typer

from mexc_async.cli.connection_options import Rest, Sim
from mexc_async.cli.exit_status import REFUSED, fail
from mexc_async.cli.time_argument import time_ms
from mexc_async.runtime.clock import SYSTEM
from mexc_async.runtime.runner import run

if TYPE_CHECKING:
    from mexc_async.cli.bar_file import BarFile, Download
    from mexc_async.client.mexc import Mexc
    from mexc_async.spot.enums import Interval
    from mexc_async.spot.models import Kline

AT_ONCE = 500
"""Bars per write. A kill loses no more than these, and the next run fetches them again."""
BUDGET_S = 60.0
"""Seconds of retries for a page after faults."""


def klines(
    symbols: Annotated[list[str], typer.Argument(help="Symbols, such as BTCUSDT.", metavar="SYMBOL...")],
    out: Annotated[
        Path, typer.Option(help="File to write: .csv, or .jsonl for JSON lines; {symbol} in it is replaced.")
    ],
    since: Annotated[
        str | None,
        typer.Option(help="First bar: a date or time (UTC), or milliseconds; not needed to continue a file."),
    ] = None,
    until: Annotated[str, typer.Option(help="End of the last bar: in the same form, or `now`.")] = "now",
    interval: Annotated[str, typer.Option(help="1m, 5m, 15m, 30m, 60m, 4h, 1d, 1W or 1M.")] = "1m",
    limits: Annotated[str, typer.Option(help="Rate limit profile, see docs/limits.md.")] = "default",
    rest: Rest = None,
    sim: Sim = False,
) -> None:
    """Download klines, a file for each symbol; the same command resumes, and later appends the bars since then.

    Exit status 0 when the files are complete, 1 when the exchange failed, 2 for wrong input, 130 after Ctrl-C.
    """
    from mexc_async.errors import ConfigError, InvalidRequest

    try:
        start_ms, end_ms = None if since is None else time_ms("--since", since), None
        if until != "now":
            end_ms = time_ms("--until", until)
        if start_ms is not None and start_ms >= (SYSTEM.wall_ms() if end_ms is None else end_ms):
            raise InvalidRequest(f"--since {since!r} is not before --until {until!r}")
        downloads = _downloads(symbols, interval, start_ms, end_ms, out)
        _fill(_client(rest, sim, limits), downloads, end_ms)
    except (ConfigError, InvalidRequest) as error:
        fail(error)
    except SystemExit as ended:  # `run` raises it after Ctrl-C or SIGTERM
        fail("interrupted; the same command resumes", int(ended.code or 0))


def _downloads(
    symbols: list[str], interval: str, start_ms: int | None, end_ms: int | None, out: Path
) -> dict[Path, Download]:
    """Return the downloads by their files. Raises ConfigError or InvalidRequest for wrong input."""
    from mexc_async.cli.bar_file import Download
    from mexc_async.errors import ConfigError
    from mexc_async.spot.market import KlinesQuery

    symbols = list(dict.fromkeys(symbols))
    if len(symbols) > 1 and "{symbol}" not in out.name:
        raise ConfigError(f"--out {out}: several symbols need a file each, as in bars-{{symbol}}.csv")
    for symbol in symbols:
        KlinesQuery(symbol=symbol, interval=cast("Interval", interval), start_time=start_ms, end_time=end_ms)
    return {
        out.with_name(out.name.replace("{symbol}", symbol)): Download(symbol, interval, start_ms) for symbol in symbols
    }


def _opened(path: Path, download: Download) -> BarFile:
    from mexc_async.cli.bar_file import BarFile
    from mexc_async.errors import ConfigError

    try:
        return BarFile(path, download)
    except OSError as error:
        raise ConfigError(f"--out {path}: {error.strerror or error}") from None


def _fill(mexc: Mexc, downloads: dict[Path, Download], end_ms: int | None) -> None:
    """Download into the files. A failure of the exchange ends the command; any failure removes files without bars."""
    from mexc_async.errors import ConfigError, InvalidRequest, MexcError

    files: list[BarFile] = []

    async def download() -> None:
        try:
            async with mexc:
                for file in files:
                    await _check_begin(mexc, file)
                    await _download(mexc, file, end_ms)
                    file.finish()
        except (ConfigError, InvalidRequest):
            raise
        except MexcError as error:  # printed here: the loop's end may wait for a name server
            kept = [file for file in files if not file.discarded()]
            so_far = "the file holds the bars so far" if len(kept) == 1 else "the files hold the bars so far"
            fail(f"{error}; {so_far}: the same command resumes" if kept else error, REFUSED)

    with ExitStack() as stack:
        try:
            for path, one in downloads.items():
                files.append(stack.enter_context(_opened(path, one)))
            run(download())
        except OSError as error:
            raise ConfigError(f"--out: {error.strerror or error}") from None
        except (ConfigError, InvalidRequest):
            for file in files:
                file.discarded()
            raise


def _client(rest: str | None, sim: bool, limits: str) -> Mexc:
    from mexc_async.cli.connection_options import network
    from mexc_async.client.mexc import REST, Mexc
    from mexc_async.errors import ConfigError

    if sim and rest is not None:
        raise ConfigError("--sim and --rest exclude each other")
    if sim:
        return Mexc.sim(limits=limits, network=network(BUDGET_S), read_only=True)
    return Mexc(rest=rest or REST, limits=limits, network=network(BUDGET_S), read_only=True)


async def _check_begin(mexc: Mexc, file: BarFile) -> None:
    """Raise ConfigError if a finished file begins later than the bars that are asked for."""
    from mexc_async.errors import ConfigError

    since_ms, first_ms = file.download.since_ms, file.first_ms
    if since_ms is None or first_ms is None or since_ms >= first_ms:
        return
    async with aclosing(_bars(mexc, file.download, since_ms, first_ms)) as earlier:
        async for _ in earlier:
            raise ConfigError(
                f"--out {file.path}: it begins at {_text(first_ms)}, and the exchange has bars from --since on; "
                "name another file"
            )


def _bars(mexc: Mexc, download: Download, start_ms: int, end_ms: int | None) -> AsyncGenerator[Kline]:
    from mexc_async.data import paging

    interval = cast("Interval", download.interval)
    bars = paging.klines(mexc.spot, symbol=download.symbol, interval=interval, start_time=start_ms, end_time=end_ms)
    return cast("AsyncGenerator[Kline]", bars)


async def _download(mexc: Mexc, file: BarFile, end_ms: int | None) -> None:
    from mexc_async.errors import ConfigError

    download, began, start_ms, had_ms = file.download, SYSTEM.monotonic(), file.next_ms, file.end_ms
    what, first_ms = f"{download.symbol} {download.interval}", None
    last_ms, waited = end_ms or SYSTEM.wall_ms(), _Waited(mexc)
    if start_ms < last_ms:
        with _Shown(what, start_ms, last_ms, waited) as shown:
            fresh: list[Kline] = []
            try:
                async for bar in _bars(mexc, download, start_ms, end_ms):
                    first_ms = first_ms or bar.open_time
                    fresh.append(bar)
                    if len(fresh) == AT_ONCE:
                        file.write(fresh)
                        fresh.clear()
                        shown.update(bar.close_time, file.count)
            finally:
                file.write(fresh)
            shown.update(last_ms, file.count)
    if had_ms is None and (late := _lateness(what, download.interval, start_ms, first_ms)):
        print(f"warning: {late}", file=sys.stderr)
    if file.unproven is not None and last_ms >= (had_ms or 0):
        raise ConfigError(f"--out {file.path}: the exchange has no bar of {what} where the file ends")
    after = "" if had_ms is None else f", after those before {_text(had_ms)}"
    up_to = _text(file.next_ms if file.end_ms is None else file.end_ms)
    print(
        f"{file.path}: {file.count} bars of {what} up to {up_to}{after}; "
        f"{SYSTEM.monotonic() - began:.1f} s, {waited} of waiting for limits"
    )


def _lateness(what: str, interval: str, since_ms: int, first_ms: int | None) -> str:
    """Return how much later than asked for the first bar opened; an empty text if it did not."""
    from mexc_async.data.paging import DAY, STEP_MS

    length_ms = 31 * DAY if interval == "1M" else STEP_MS[interval]
    asked = f"{what}: no bar opened from --since {_text(since_ms)} on"
    if first_ms is None:
        return f"{asked} and has closed; the file is empty"
    if first_ms - since_ms < length_ms:
        return ""
    return f"{asked} until {_text(first_ms)}, where the exchange's history begins or resumes"


def _text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


class _Waited:
    """A client's total wait for rate limits, as text, current at each look."""

    def __init__(self, mexc: Mexc) -> None:
        self._mexc = mexc

    def __str__(self) -> str:
        return f"{sum(use.waited_s for use in self._mexc.limits.report().endpoints):.1f} s"


class _Shown:
    """Progress line on the terminal: share, rate, time left, and the wait for rate limits."""

    def __init__(self, title: str, start_ms: int, end_ms: int, waited: _Waited) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]:,.0f} bars/s"),
            TimeRemainingColumn(),
            TextColumn("limits {task.fields[waited]}"),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._start_ms = start_ms
        self._began = SYSTEM.monotonic()
        self._task = self.progress.add_task(title, total=max(end_ms - start_ms, 1), rate=0.0, waited=waited)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def update(self, time_ms: int, count: int) -> None:
        rate = count / max(SYSTEM.monotonic() - self._began, 0.001)
        self.progress.update(self._task, completed=time_ms - self._start_ms, rate=rate)
