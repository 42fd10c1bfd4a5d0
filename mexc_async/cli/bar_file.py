"""A file of bars that grows bar by bar, and goes on where a killed run left off.

While a download is under way, a note beside the file (`FILE.part`) says what is being downloaded. A run that finds the
note goes on after the file's last whole line; the note goes away with the last bar.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from mexc_async.core.plain import field_names
from mexc_async.errors import ConfigError
from mexc_async.spot.models import Kline

COLUMNS = field_names(Kline)
_TAIL = 4096
"""More bytes than a line of a bar has."""


class Download(msgspec.Struct, frozen=True):
    """What a file holds the bars of."""

    symbol: str
    interval: str
    since_ms: int

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval} from {self.since_ms}"


class BarFile:
    """`with BarFile(path, download) as file:` takes bars up after `file.next_ms`; CSV or JSON lines, by its name."""

    def __init__(self, path: Path, download: Download) -> None:
        """Open it, anew or where it was left. Raises ConfigError when it is something else, OSError."""
        try:
            self._line = _LINES[path.suffix]
        except KeyError:
            raise ConfigError(f"--out {path}: the name must end in {' or '.join(_LINES)}") from None
        self._head = (",".join(COLUMNS) + "\n").encode() if path.suffix == ".csv" else b""
        self._note = path.with_name(path.name + ".part")
        self.path = path
        self.next_ms = download.since_ms
        """Where bars are missing from."""
        self.count = 0
        """Bars that were written in this run."""
        if path.exists() and not self._note.exists():
            raise ConfigError(f"--out {path}: it exists; name another file, or remove it")
        self._take_note(download)
        self._file = path.open("a+b")
        try:
            self._lock()
            self._take_up()
        except BaseException:
            self._file.close()
            raise

    def _take_note(self, download: Download) -> None:
        if self._note.exists():
            try:
                begun = msgspec.json.decode(self._note.read_bytes(), type=Download)
            except msgspec.MsgspecError:
                raise ConfigError(f"{self._note} is no note of a download; remove it and {self.path}") from None
            if begun != download:
                raise ConfigError(f"--out {self.path}: it is a download of {begun}; name another file, or remove both")
            return
        draft = self._note.with_name(self._note.name + ".new")
        draft.write_bytes(msgspec.json.encode(download))
        draft.replace(self._note)

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on every system
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"--out {self.path}: another run is writing it") from None

    def _take_up(self) -> None:
        """Cut off what is no whole line, and learn the last bar."""
        size = self._file.seek(0, os.SEEK_END)
        begin = max(0, size - _TAIL)
        self._file.seek(begin)
        tail = self._file.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        lines = whole.splitlines(keepends=True)
        if begin and not lines:
            raise ConfigError(f"--out {self.path}: its end is no line of a bar")
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
            raise ConfigError(f"--out {self.path}: its last line is no bar") from None

    def write(self, bars: Sequence[Kline]) -> None:
        """Append bars, and hand them to the operating system at once."""
        self._file.write("".join([self._line(bar) for bar in bars]).encode())
        self._file.flush()
        self.count += len(bars)
        self.next_ms = bars[-1].close_time if bars else self.next_ms

    def discard(self) -> None:
        """Leave no trace of a download that never got a bar."""
        self.path.unlink(missing_ok=True)
        self.finish()

    def finish(self) -> None:
        """The download is complete: take the note away."""
        self._note.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _values(bar: Kline) -> list[int | str]:
    """Amounts as plain text, so that nothing is rounded."""
    values = [getattr(bar, name) for name in COLUMNS]
    return [format(value, "f") if isinstance(value, Decimal) else value for value in values]


def _as_csv(bar: Kline) -> str:
    return ",".join(map(str, _values(bar))) + "\n"


def _as_json(bar: Kline) -> str:
    return msgspec.json.encode(dict(zip(COLUMNS, _values(bar), strict=True))).decode() + "\n"


_LINES: dict[str, Callable[[Kline], str]] = {".csv": _as_csv, ".jsonl": _as_json}
