"""`mexc-async klines`: download the klines of any period into a file, and resume after an interruption."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

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
    symbol: Annotated[str, typer.Argument(help="A symbol, such as BTCUSDT.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv, or .jsonl for JSON lines.")],
    since: Annotated[str, typer.Option(help="First bar: a date or time (UTC), or milliseconds.")],
    until: Annotated[str, typer.Option(help="End of the last bar: in the same form, or `now`.")] = "now",
    interval: Annotated[str, typer.Option(help="1m, 5m, 15m, 30m, 60m, 4h, 1d, 1W or 1M.")] = "1m",
    limits: Annotated[str, typer.Option(help="Rate limit profile, see docs/limits.md.")] = "default",
    rest: Rest = None,
    sim: Sim = False,
) -> None:
    """Download klines into a file; after an interruption the same command resumes.

    Exit status 0 when the file is complete, 1 when the exchange failed, 2 for wrong input, 130 after Ctrl-C.
    """
    from mexc_async.cli.bar_file import BarFile, Download
    from mexc_async.errors import ConfigError, InvalidRequest
    from mexc_async.spot.market import KlinesQuery

    try:
        start_ms, end_ms = time_ms("--since", since), None if until == "now" else time_ms("--until", until)
        if start_ms >= (SYSTEM.wall_ms() if end_ms is None else end_ms):
            raise InvalidRequest(f"--since {since!r} is not before --until {until!r}")
        wanted = cast("Interval", interval)
        KlinesQuery(symbol=symbol, interval=wanted, start_time=start_ms, end_time=end_ms)  # validates them
        mexc = _client(rest, sim, limits)
        download = Download(symbol, interval, start_ms)
        with BarFile(out, download) as file:
            _fill(mexc, file, download, end_ms)
    except (ConfigError, InvalidRequest) as error:
        fail(error)
    except OSError as error:
        fail(f"--out {out}: {error.strerror or error}")
    except SystemExit as ended:  # `run` raises it after Ctrl-C or SIGTERM
        fail("interrupted; the same command resumes", int(ended.code or 0))


def _fill(mexc: Mexc, file: BarFile, download: Download, end_ms: int | None) -> None:
    """Download into the file. A failure of the exchange ends the command, and removes a file without bars."""
    from mexc_async.errors import ConfigError, InvalidRequest, MexcError

    try:
        run(_download(mexc, file, download, end_ms))
    except (ConfigError, InvalidRequest):
        raise
    except MexcError as error:
        if file.next_ms == download.since_ms:
            file.discard()
            fail(error, REFUSED)
        fail(f"{error}; the file holds the bars so far: the same command resumes", REFUSED)
    file.finish()


def _client(rest: str | None, sim: bool, limits: str) -> Mexc:
    from mexc_async.client.mexc import REST, Mexc
    from mexc_async.client.settings import NetworkSettings
    from mexc_async.errors import ConfigError
    from mexc_async.rest.retry import RetryPolicy

    if sim and rest is not None:
        raise ConfigError("--sim and --rest exclude each other")
    retry = RetryPolicy(budget_s=BUDGET_S)
    if sim:
        return Mexc.sim(limits=limits, network=NetworkSettings(retry=retry), read_only=True)
    return Mexc(rest=rest or REST, limits=limits, network=NetworkSettings(retry=retry), read_only=True)


async def _download(mexc: Mexc, file: BarFile, download: Download, end_ms: int | None) -> None:
    from mexc_async.data import paging

    began, start_ms = SYSTEM.monotonic(), file.next_ms
    async with mexc:
        bars = paging.klines(
            mexc.spot,
            symbol=download.symbol,
            interval=cast("Interval", download.interval),
            start_time=start_ms,
            end_time=end_ms,
        )
        last_ms = end_ms or SYSTEM.wall_ms()
        shown = _Shown(f"{download.symbol} {download.interval}", start_ms, last_ms, _Waited(mexc))
        with shown.progress:
            fresh: list[Kline] = []
            try:
                async for bar in bars:
                    fresh.append(bar)
                    if len(fresh) == AT_ONCE:
                        file.write(fresh)
                        fresh.clear()
                        shown.update(bar.close_time, file.count)
            finally:
                file.write(fresh)
            shown.update(last_ms, file.count)
        waited = str(_Waited(mexc))
    after = f", after those before {_text(start_ms)}" if start_ms != download.since_ms else ""
    print(
        f"{file.path}: {file.count} bars of {download.symbol} {download.interval} up to {_text(file.next_ms)}{after}; "
        f"{SYSTEM.monotonic() - began:.1f} s, {waited} of waiting for limits"
    )


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

    def update(self, time_ms: int, count: int) -> None:
        rate = count / max(SYSTEM.monotonic() - self._began, 0.001)
        self.progress.update(self._task, completed=time_ms - self._start_ms, rate=rate)
