"""A file of klines that a download appends to, and that the next run continues.

While a download runs, a marker beside the file (`FILE.part`) names its symbol, interval and start. A run that finds
the marker resumes after the last complete line. The end of the download removes the marker. A finished file is
continued once the exchange's bar at its end equals its last line, which proves symbol and interval.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec.structs import replace

from mexc_async.errors import ConfigError
from mexc_async.schema.json_values import field_names
from mexc_async.spot.models import Kline

COLUMNS = field_names(Kline)
_TAIL = 4096
"""Bytes to read at the end of a file: more than one line has."""


class Download(msgspec.Struct, frozen=True):
    """Symbol, interval and start of the klines in a file; without a start it continues a file."""

    symbol: str
    interval: str
    since_ms: int | None = None

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval}" + ("" if self.since_ms is None else f" from {self.since_ms}")


class BarFile:
    """A context manager for a kline file to append to, from `next_ms` on; CSV or JSON lines, by the file's name."""

    def __init__(self, path: Path, download: Download) -> None:
        """Create, resume or continue the file. Raises OSError, and ConfigError for a file of something else."""
        try:
            self._line = _LINES[path.suffix]
        except KeyError:
            raise ConfigError(f"--out {path}: the name must end in {' or '.join(_LINES)}") from None
        self._head = (",".join(COLUMNS) + "\n").encode() if path.suffix == ".csv" else b""
        self._marker = path.with_name(path.name + ".part")
        self.path = path
        self.download = download
        self.next_ms = download.since_ms or 0
        """Open time of the first bar to ask for, milliseconds UTC."""
        self.first_ms: int | None = None
        """Open time of the first bar in a finished file that is continued."""
        self.end_ms: int | None = None
        """Close time of the last bar; None as long as the file has none."""
        self.count = 0
        """Bars written in this run."""
        self.unproven: bytes | None = None
        """Last line of a finished file, until the exchange's bar was equal to it."""
        is_finished = path.exists() and path.stat().st_size > 0 and not self._marker.exists()
        if not is_finished:
            self._claim()
        self._file = path.open("a+b")
        try:
            self._lock()
            if is_finished:
                self._continue()
            else:
                self._resume()
        except BaseException:
            self._file.close()
            raise

    def _claim(self) -> None:
        """Write the marker, or compare it with the download."""
        wanted = self.download
        if self._marker.exists():
            try:
                begun = msgspec.json.decode(self._marker.read_bytes(), type=Download)
            except msgspec.MsgspecError:
                raise ConfigError(
                    f"{self._marker} is not the marker of a download; remove it and {self.path}"
                ) from None
            if begun != (wanted if wanted.since_ms is not None else replace(wanted, since_ms=begun.since_ms)):
                raise ConfigError(f"--out {self.path}: it is a download of {begun}; name another file, or remove both")
            self.next_ms = begun.since_ms or 0
            return
        if wanted.since_ms is None:
            raise ConfigError(f"--since is needed: {self.path} has no bar to continue from")
        self._mark(wanted)

    def _mark(self, download: Download) -> None:
        draft = self._marker.with_name(self._marker.name + ".new")
        draft.write_bytes(msgspec.json.encode(download))
        draft.replace(self._marker)

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on every system
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"--out {self.path}: another run is writing it") from None

    def _resume(self) -> None:
        """Cut off an incomplete last line, and read the time of the last bar."""
        begin, tail = self._tail()
        whole = tail[: tail.rfind(b"\n") + 1]
        lines = whole.splitlines(keepends=True)
        if begin and not lines:
            raise ConfigError(f"--out {self.path}: it does not end with a bar")
        if lines and lines[-1] != self._head:
            self.next_ms = self.end_ms = self._time(lines[-1], "close_time")
        self._file.truncate(begin + len(whole))
        if not lines:
            self._file.write(self._head)

    def _continue(self) -> None:
        """Read the first and last bar of a finished file, without changing it."""
        self._file.seek(0)
        if self._head and self._file.readline() != self._head:
            raise ConfigError(f"--out {self.path}: it exists and is not a file of klines; name another file")
        first = self._file.readline()
        _, tail = self._tail()
        if not first or not tail.endswith(b"\n"):
            raise ConfigError(f"--out {self.path}: it exists and does not end with a bar; name another file")
        self.unproven = last = tail.splitlines(keepends=True)[-1]
        self.first_ms = self._time(first, "open_time")
        self.next_ms, self.end_ms = self._time(last, "open_time"), self._time(last, "close_time")

    def _tail(self) -> tuple[int, bytes]:
        """Return the end of the file, and the position at which it begins."""
        begin = max(0, self._file.seek(0, os.SEEK_END) - _TAIL)
        self._file.seek(begin)
        return begin, self._file.read()

    def _time(self, line: bytes, name: str) -> int:
        try:
            if self._head:
                return int(line.split(b",")[COLUMNS.index(name)])
            return int(msgspec.json.decode(line)[name])
        except (ValueError, LookupError, TypeError, msgspec.MsgspecError):
            raise ConfigError(f"--out {self.path}: its last line is not a bar") from None

    def write(self, bars: Sequence[Kline]) -> None:
        """Append bars and flush them to the operating system. Raises ConfigError for a file of something else."""
        if bars and self.unproven is not None:
            self._prove(bars[0])
            bars = bars[1:]
        self._file.write("".join([self._line(bar) for bar in bars]).encode())
        self._file.flush()
        self.count += len(bars)
        if bars:
            self.next_ms = self.end_ms = bars[-1].close_time

    def _prove(self, bar: Kline) -> None:
        """Compare the exchange's bar with the last line of a finished file, and mark the file as being continued."""
        if self._line(bar).encode() != self.unproven:
            raise ConfigError(
                f"--out {self.path}: its last line is not the exchange's bar of {self.download.symbol} "
                f"{self.download.interval} at that time, so it is another download, or that bar was revised: name "
                "another file, or remove the last line"
            )
        since_ms = self.first_ms if self.download.since_ms is None else self.download.since_ms
        self._mark(replace(self.download, since_ms=since_ms))
        self.unproven, self.next_ms = None, bar.close_time

    def discarded(self) -> bool:
        """Remove the file and its marker if it has no bar; return True if it had none."""
        if self.end_ms is None:
            self.path.unlink(missing_ok=True)
            self.finish()
        return self.end_ms is None

    def finish(self) -> None:
        """Remove the marker of a complete download."""
        self._marker.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _values(bar: Kline) -> list[int | str]:
    """Return a bar's fields, with amounts as exact decimal text."""
    values = [getattr(bar, name) for name in COLUMNS]
    return [format(value, "f") if isinstance(value, Decimal) else value for value in values]


def _as_csv(bar: Kline) -> str:
    return ",".join(map(str, _values(bar))) + "\n"


def _as_json(bar: Kline) -> str:
    return msgspec.json.encode(dict(zip(COLUMNS, _values(bar), strict=True))).decode() + "\n"


_LINES: dict[str, Callable[[Kline], str]] = {".csv": _as_csv, ".jsonl": _as_json}
