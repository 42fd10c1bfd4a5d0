"""Progress of a run as one line of a terminal, which is written over and removed at the end."""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from mexc_async.backtest.recorded_run import Progress
    from mexc_async.backtest.rehearsal.rehearse import RehearsalProgress

_CLEAR = "\r\x1b[K"
"""Returns to the start of the line and clears it."""


class ProgressLine:
    """A line of progress; nothing is written unless the file is a terminal."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.is_shown = file.isatty()
        """True if the file is a terminal."""

    def __enter__(self) -> Self:
        return self

    def show(self, progress: Progress) -> None:
        """Write the virtual time, the part of the market that has been played, and the speed."""
        moment = datetime.fromtimestamp(progress.time / 1000, UTC)
        self._write(f"{moment:%Y-%m-%d %H:%M:%S} UTC  {progress.share:4.0%}  {progress.speed:,.0f} times real time")

    def show_seeds(self, progress: RehearsalProgress) -> None:
        """Write how many seeds of a rehearsal have run, and how many have failed."""
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        self._write(f"{progress.done:,} of {progress.total:,} seeds{failed}")

    def _write(self, text: str) -> None:
        self._file.write(f"{_CLEAR}{text}")
        self._file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_shown:
            self._file.write(_CLEAR)
            self._file.flush()
