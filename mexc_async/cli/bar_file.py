"""A file of klines that a download appends to and that the next run resumes after an interruption.

While a download runs, a marker beside the file (`FILE.part`) names its symbol, interval and start. A run that finds
the marker resumes after the last complete line. The end of the download removes the marker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from mexc_async.errors import ConfigError
from mexc_async.schema.json_values import field_names
from mexc_async.spot.models import Kline

COLUMNS = field_names(Kline)
_TAIL = 4096
"""Bytes to read at the end of a file: more than one line has."""


class Download(msgspec.Struct, frozen=True):
    """Symbol, interval and start of the klines in a file."""

    symbol: str
    interval: str
    since_ms: int

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval} from {self.since_ms}"


class BarFile:
    """A context manager for a kline file to append to, from `next_ms` on; CSV or JSON lines, by the file's name."""

    def __init__(self, path: Path, download: Download) -> None:
        """Create the file or resume it. Raises OSError, and ConfigError for a file of something else."""
        try:
            self._line = _LINES[path.suffix]
        except KeyError:
            raise ConfigError(f"--out {path}: the name must end in {' or '.join(_LINES)}") from None
        self._head = (",".join(COLUMNS) + "\n").encode() if path.suffix == ".csv" else b""
        self._marker = path.with_name(path.name + ".part")
        self.path = path
        self.next_ms = download.since_ms
        """Start of the first missing bar, milliseconds UTC."""
        self.count = 0
        """Bars written in this run."""
        if path.exists() and not self._marker.exists():
            raise ConfigError(f"--out {path}: it exists; name another file, or remove it")
        self._claim(download)
        self._file = path.open("a+b")
        try:
            self._lock()
            self._resume()
        except BaseException:
            self._file.close()
            raise

    def _claim(self, download: Download) -> None:
        if self._marker.exists():
            try:
                begun = msgspec.json.decode(self._marker.read_bytes(), type=Download)
            except msgspec.MsgspecError:
                raise ConfigError(
                    f"{self._marker} is not the marker of a download; remove it and {self.path}"
                ) from None
            if begun != download:
                raise ConfigError(f"--out {self.path}: it is a download of {begun}; name another file, or remove both")
            return
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
        size = self._file.seek(0, os.SEEK_END)
        begin = max(0, size - _TAIL)
        self._file.seek(begin)
        tail = self._file.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        lines = whole.splitlines(keepends=True)
        if begin and not lines:
            raise ConfigError(f"--out {self.path}: it does not end with a bar")
        if lines and lines[-1] != self._head:
            self.next_ms = self._close_time(lines[-1])
        self._file.truncate(begin + len(whole))
        if not lines:
            self._file.write(self._head)

    def _close_time(self, line: bytes) -> int:
        try:
            if self._head:
                return int(line.split(b",")[COLUMNS.index("close_time")])
            return int(msgspec.json.decode(line)["close_time"])
        except (ValueError, LookupError, TypeError, msgspec.MsgspecError):
            raise ConfigError(f"--out {self.path}: its last line is not a bar") from None

    def write(self, bars: Sequence[Kline]) -> None:
        """Append bars and flush them to the operating system."""
        self._file.write("".join([self._line(bar) for bar in bars]).encode())
        self._file.flush()
        self.count += len(bars)
        self.next_ms = bars[-1].close_time if bars else self.next_ms

    def discard(self) -> None:
        """Remove the files of a download that received no bar."""
        self.path.unlink(missing_ok=True)
        self.finish()

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
