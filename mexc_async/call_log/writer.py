"""Writer of a call log's files: one process at a time, one file after the other."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Struct

from mexc_async.call_log.appender import Appender
from mexc_async.call_log.chain import START, ChainLink
from mexc_async.call_log.files import (
    HEAD_LINE_BYTES,
    archived,
    has_json_lines,
    head_line,
    head_of,
    read_entries,
    read_head,
)
from mexc_async.call_log.json_lines import stored_line
from mexc_async.call_log.records import MAGIC, read_end
from mexc_async.errors import CallLogFailed
from mexc_async.runtime.clock import Clock

_BLOCK = 1 << 16
_FLAGS = os.O_CREAT | os.O_CLOEXEC
_MODE = 0o600
_STARTS_LINE = b'{"kind":"'
_FIRST_FEW = 10


class _Pid(Struct, frozen=True):
    pid: int


_pid = msgspec.json.Decoder(_Pid)


class LogWriter:
    """The open files of a log, which has no other writer. Raises OSError, or CallLogFailed with the reason in words.

    `appender` writes to the present file. `is_durable` forces a finished file, and the name of a new one, to the disk.
    """

    def __init__(self, path: Path, keep: int, is_durable: bool, clock: Clock, appender: Appender) -> None:
        self.path = path
        self._keep = keep
        self._is_durable = is_durable
        self._clock = clock
        self._appender = appender
        self.cut = 0
        """Bytes of an incomplete last entry that are no part of the log."""
        self._fd = -1
        if path.exists():
            if not stat.S_ISREG(path.lstat().st_mode):
                raise CallLogFailed(f"{path} is not a regular file")
            if not _is_log(path) and read_head(path) is None:  # before any file is put next to it
                raise CallLogFailed(f"{path} is not a call log, and is left as it is")
        self._head_fd = self._lock()
        try:
            last = self._finish_json_lines()
            self._open()
            last = self._recovered(last)
        except BaseException:
            self._release()
            raise
        appender.begin(self._fd, os.fstat(self._fd).st_size, last.seq, last.hash)

    def _lock(self) -> int:
        try:
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:
            raise CallLogFailed("a call log needs the file locks of POSIX, which this system lacks") from None
        fd = os.open(head_of(self.path), _FLAGS | os.O_RDWR | os.O_NOFOLLOW, _MODE)
        try:
            flock(fd, LOCK_EX | LOCK_NB)
            os.fchmod(fd, _MODE)
            if not os.fstat(fd).st_size:
                os.pwrite(fd, head_line(START), 0)
            os.pwrite(fd, b'{"pid":%10d}\n' % os.getpid(), HEAD_LINE_BYTES)
        except OSError as error:
            writer = _writer_in(fd)
            os.close(fd)
            if isinstance(error, BlockingIOError):
                raise CallLogFailed(f"{self.path} is written by {writer}; a log has one writer") from None
            raise
        return fd

    def _finish_json_lines(self) -> ChainLink | None:
        """Rename a file of JSON lines, whose bytes stay as they are, and return its last link."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            if not has_json_lines(file):
                return None
            first = next((one.link.seq for one in read_entries(file) if one.link is not None), 0)
            last, self.cut = _end_of_lines(file)
            os.rename(self.path, self._finished(first))
            return last
        return None

    def _open(self, flags: int = 0) -> None:
        self._fd = os.open(self.path, _FLAGS | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | flags, _MODE)
        os.fchmod(self._fd, _MODE)
        if self._is_durable:
            self._sync_folder()
        found = os.fstat(self._fd)
        self._inode = (found.st_dev, found.st_ino)
        self._first = 0
        self._began_ms = self._clock.wall_ms()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _recovered(self, last: ChainLink | None) -> ChainLink:
        """Return the link for the next entry; remove an incomplete one, as a crash of the machine leaves it."""
        size = os.fstat(self._fd).st_size
        with _opened(self._fd) as file:
            end = read_end(file)
            if end.torn:
                self.cut = end.torn
                size -= end.torn
                os.ftruncate(self._fd, size)
            if last is None and end.last is None and (before := archived(self.path)):
                last = _last_of(before[-1])
            own = ChainLink(*self._appender.last)  # the file and its head may have been removed meanwhile
            known = [link for link in (read_head(self.path), end.last, last, own) if link is not None]
            newest = max(known, key=lambda link: link.seq)
            self._first = newest.seq + 1
            if size:
                few = [one for one in islice(read_entries(file), _FIRST_FEW) if one.link is not None]
                entry = few[0].entry() if few else None
                self._first = few[0].link.seq if few and few[0].link is not None else newest.seq
                self._began_ms = self._began_ms if entry is None else entry.wall
        return newest

    def mark(self) -> None:
        """Write the last entry's link to the head file, so that a missing end is found."""
        with suppress(OSError):  # it serves no other purpose
            os.pwrite(self._head_fd, head_line(ChainLink(*self._appender.last)), 0)

    @property
    def age_s(self) -> float:
        """Return the seconds since the first entry of the present file was written."""
        return (self._clock.wall_ms() - self._began_ms) / 1e3 if self._appender.size else 0.0

    @property
    def is_lost(self) -> bool:
        """Return True if the file was removed, replaced, or cut."""
        try:
            found = self.path.stat()
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._inode or found.st_size != self._appender.size

    def rotate(self) -> None:
        """Finish the file, begin the next, and remove those beyond `keep`."""
        finished = self._finished(self._first)
        self.mark()
        old = self._fd
        os.rename(self.path, finished)
        try:
            self._open(os.O_EXCL)
        except OSError:
            self._fd = old
            os.rename(finished, self.path)
            raise
        self._first = self._appender.last[0] + 1
        self._appender.turn(self._fd)
        if self._is_durable:
            os.fdatasync(old)
        os.close(old)
        for one in archived(self.path)[: -self._keep]:
            one.unlink(missing_ok=True)

    def _finished(self, first: int) -> Path:
        """Return a free name for the present file, which begins with that number, when it is finished."""
        now_s = self._clock.wall_ms() // 1000
        for later_s in count():
            closed = datetime.fromtimestamp(now_s + later_s, UTC).strftime("%Y%m%dT%H%M%SZ")
            name = self.path.with_name(f"{self.path.stem}-{first:012d}-{closed}{self.path.suffix}")
            if not name.exists():
                return name
        raise AssertionError

    def duplicate(self) -> int:
        """Return another descriptor of the present file, for a thread that waits for the disk and then closes it."""
        return os.dup(self._fd)

    def close(self) -> None:
        """Release the log for others; idempotent. Entries that are added and not written stay in the appender."""
        if self._fd >= 0:
            self.mark()
            if self._is_durable:
                with suppress(OSError):
                    os.fdatasync(self._fd)
        self._release()

    def abandon(self) -> None:
        """Release the log as the end of the process does: the head file stays as it is. Idempotent."""
        self._release()

    def _release(self) -> None:
        self._appender.end()
        for fd in (self._fd, self._head_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._head_fd = -1


def _writer_in(fd: int) -> str:
    """Name the last writer, in words."""
    try:
        pid = _pid.decode(os.pread(fd, 100, HEAD_LINE_BYTES)).pid
    except (OSError, msgspec.MsgspecError):
        return "another process"
    return f"process {pid}" if pid != os.getpid() else "this process: share one CallLog between clients"


@contextmanager
def _opened(fd: int) -> Iterator[BinaryIO]:
    with os.fdopen(os.dup(fd), "rb") as file:
        yield file


def _is_log(path: Path) -> bool:
    """Return True if a file is empty, or looks like one of a call log."""
    with path.open("rb") as file:
        if has_json_lines(file):
            last, rest = _end_of_lines(file)
            return last is not None or rest > 0
        start = file.read(_BLOCK)
        return MAGIC in start or MAGIC.startswith(start) or read_end(file).last is not None


def _last_of(path: Path) -> ChainLink | None:
    """Return the link of a finished file's last entry."""
    with path.open("rb") as file:
        return _end_of_lines(file).last if has_json_lines(file) else read_end(file).last


class _EndOfLines(NamedTuple):
    last: ChainLink | None
    """Link of the last complete line, if it is one of a call log."""
    rest: int
    """Bytes of an incomplete line after it."""


def _end_of_lines(file: BinaryIO) -> _EndOfLines:
    """Read the end of a file of JSON lines."""
    at, tail = file.seek(0, 2), b""
    while at and tail.count(b"\n") < 2:
        size = min(_BLOCK, at)
        at -= size
        file.seek(at)
        tail = file.read(size) + tail
    lines, newline, rest = tail.rpartition(b"\n")
    last = stored_line(lines.rpartition(b"\n")[2] + newline).link if newline else None
    return _EndOfLines(last, len(rest))
