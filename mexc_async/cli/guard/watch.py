"""Liveness checks of another process: by its process id, or by its heartbeat file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from mexc_async.errors import ConfigError

_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Positions in /proc/PID/stat after the name in parentheses (man 5 proc: fields 3 and 22)."""


class ProcessWatch:
    """Liveness check by process id; the start time detects a reused id."""

    def __init__(self, pid: int, started: Callable[[int], str | None] | None = None) -> None:
        """Read the process's start time. Raises ConfigError if there is no such process."""
        self.subject = f"process {pid}"
        self._pid = pid
        self._started = started or started_at
        if pid < 1 or pid == os.getpid():
            raise ConfigError(f"--pid {pid} is not the id of another process")
        first = self._started(pid)
        if first is None:
            raise ConfigError(f"--pid {pid}: there is no such process")
        self._first = first

    def gone(self, now_s: float) -> str | None:
        """See `client/sweep.py` `Watch`."""
        started = self._started(self._pid)
        if started is None:
            return f"{self.subject} has ended"
        if started != self._first:
            return f"{self.subject} has ended, and another process has its id now"
        return None


def started_at(pid: int) -> str | None:
    """Return a process's start time, in the system's own form; None if it is gone or a zombie.

    Raises ConfigError on a system without /proc and ps.
    """
    if (_PROC / "self" / "stat").exists():
        try:
            stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[_STATE] in ("Z", "X", "x") else fields[_STARTED]
    ps = shutil.which("ps")
    if ps is None:
        raise ConfigError("--pid: this system has neither /proc nor ps; use --heartbeat")
    done = subprocess.run([ps, "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = done.stdout.strip().partition(" ")
    return None if done.returncode or not started or state.startswith("Z") else started.strip()


class HeartbeatWatch:
    """Liveness check by a file that the client touches. Times how long it stays unchanged, whatever its clock."""

    def __init__(self, path: Path, max_age_s: float, now_s: float) -> None:
        """Read the file's state. Raises ConfigError if the file is missing or unreadable."""
        self.subject = f"heartbeat {path}"
        self._path = path
        self._max_age_s = max_age_s
        self._changed_s = self._asked_s = now_s
        try:
            if not path.is_file():
                path.stat()
                raise ConfigError(f"--heartbeat {path} is not a file")
            with path.open("rb"):
                self._touched: int | None = path.stat().st_mtime_ns
        except OSError as error:
            raise ConfigError(f"--heartbeat {path}: {error.strerror or error}") from None

    def gone(self, now_s: float) -> str | None:
        """See `client/sweep.py` `Watch`."""
        was_held_up = now_s - self._asked_s > self._max_age_s / 2
        self._asked_s = now_s
        touched = self._read()
        if touched != self._touched and touched is not None:
            self._changed_s = now_s
        elif was_held_up:  # this process was suspended, perhaps the client too: allow it a beat
            self._changed_s = max(self._changed_s, now_s - self._max_age_s / 2)
        self._touched = touched
        silent_s = now_s - self._changed_s
        return f"{self.subject} has stopped for {silent_s:.1f} s" if silent_s > self._max_age_s else None

    def _read(self) -> int | None:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:  # removed: no beat
            return None
