"""Files of a call log: the one that is written, those before it, and a small one with the writer and the last line.

    calls.jsonl                                  being written
    calls-000000000001-20261125T091500Z.jsonl    full or old enough: number of its first line, and when it was closed
    calls.jsonl.head                             number and hash of the last line; locked while somebody writes

Names sort as the lines do. Every file is open to its owner alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from mexc_async.call_log.entries import START, ChainCheck, ChainLink, decode_entry, link_of
from mexc_async.errors import CallLogFailed
from mexc_async.runtime.clock import Clock

_ARCHIVED = re.compile(r"(.+)-([0-9]{12})-[0-9]{8}T[0-9]{6}Z")
_BLOCK = 1 << 16
_FLAGS = os.O_CREAT | os.O_CLOEXEC
_MODE = 0o600
_STARTS_LINE = b'{"kind":"'


class _Writer(Struct, frozen=True):
    pid: int


_head, _writer = msgspec.json.Decoder(ChainLink), msgspec.json.Decoder(_Writer)


def head_of(path: Path) -> Path:
    """Return the path of the head file, which is locked and holds the last line's link and the writer's id."""
    return path.with_name(f"{path.name}.head")


def _head_line(last: ChainLink) -> bytes:
    return b'{"seq":%18d,"hash":"%b"}\n' % (last.seq, last.hash.encode())


_HEAD_BYTES = len(_head_line(START))


def archived(path: Path) -> list[Path]:
    """Return the finished files of a log, the oldest first."""
    found = []
    for one in path.parent.glob(f"{_escaped(path.stem)}-*{_escaped(path.suffix)}"):
        name = _ARCHIVED.fullmatch(one.stem)
        if name is not None and name[1] == path.stem and one.suffix == path.suffix:
            found.append((int(name[2]), one))
    return [one for _, one in sorted(found)]


def is_archived(path: Path) -> bool:
    """Return True if this is the name of a finished file."""
    return _ARCHIVED.fullmatch(path.stem) is not None


def _escaped(text: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", text)


def read_head(path: Path) -> ChainLink | None:
    """Return number and hash of the last line that was written; None if unknown."""
    with suppress(OSError, msgspec.MsgspecError):
        return _head.decode(head_of(path).read_bytes()[:_HEAD_BYTES])
    return None


def read_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every line of a log with its place (file and line), finished files first; of a finished file, its own.

    May run while the log is written. Raises OSError.
    """
    if is_archived(path):
        with path.open("rb") as alone:
            yield from _numbered(path, alone)
        return
    if not path.exists() and (finished := archived(path)):  # killed between one file and the next
        for one in finished:
            yield from read_lines(one)
        return
    with path.open("rb") as current:  # first, so that nothing is missed if it is finished in this moment
        for one in archived(path):
            with suppress(FileNotFoundError), one.open("rb") as before:  # retention may be faster
                if not os.path.sameopenfile(before.fileno(), current.fileno()):
                    yield from _numbered(one, before)
        yield from _numbered(path, current)


class Verification(Struct, frozen=True):
    """Result of the check of a log."""

    is_whole: bool
    lines: int
    files: int
    first: int | None
    """Number of the first line; those before it were removed with their files."""
    last: int
    is_closed: bool
    """True if the last line says that the log was closed."""
    is_being_written: bool
    problems: list[str]
    """File, line, and the problem there."""
    notes: list[str]


def verified(path: Path) -> Verification:
    """Check every line of a log, or of one of its finished files. May run while it is written. Raises OSError."""
    check, head, files = ChainCheck(), read_head(path), set()
    is_written = _is_written(path)
    for where, line in read_lines(path):
        if is_written and not line.endswith(b"\n"):
            break  # it is just being written
        files.add(where.rpartition(":")[0])
        check.take(line, where)
    notes = []
    if is_archived(path):
        notes.append("this is one finished file of a log; the log's own path verifies all of them")
    else:
        check.end(head, path.name)
        if not check.is_closed and not is_written:
            notes.append("its writer did not close it: the process was killed, or the machine stopped")
    if check.first is not None and check.first.seq > 1:
        notes.append(f"it begins with line number {check.first.seq}: the files before it were removed")
    return Verification(
        is_whole=not check.problems,
        lines=check.lines,
        files=len(files),
        first=None if check.first is None else check.first.seq,
        last=check.last.seq,
        is_closed=check.is_closed,
        is_being_written=is_written,
        problems=[str(problem) for problem in check.problems],
        notes=notes,
    )


def _is_written(path: Path) -> bool:
    """Return True if somebody has the log open for writing."""
    try:
        from fcntl import LOCK_NB, LOCK_SH, flock

        with head_of(path).open("rb") as head:
            flock(head, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False


def logs_in(folder: Path) -> list[Path]:
    """Return the logs in a folder, recognised by their head files."""
    heads = sorted(folder.glob("*.head"))
    return [path for head in heads if (path := head.with_suffix("")).is_file()]


def _numbered(path: Path, lines: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(lines, 1):
        yield f"{path.name}:{number}", line


class LogWriter:
    """Writer that appends to a log, which has no other. Raises OSError, or CallLogFailed with the reason in words."""

    def __init__(self, path: Path, keep: int, sync: bool, clock: Clock) -> None:
        self.path = path
        self._keep = keep
        self._sync = sync
        self._clock = clock
        self.cut = 0
        """Bytes of an incomplete last line that were removed."""
        self._fd = -1
        if path.exists():
            if not stat.S_ISREG(path.lstat().st_mode):
                raise CallLogFailed(f"{path} is not a regular file")
            with path.open("rb") as found:  # before any file is put next to it
                if not _end_of(found.fileno()).is_log and read_head(path) is None:
                    raise CallLogFailed(f"{path} is not a call log, and is left as it is")
        self._head_fd = self._lock()
        try:
            self._open()
            self.last = self._recovered()
        except BaseException:
            self._release()
            raise

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
                os.pwrite(fd, _head_line(START), 0)
            os.pwrite(fd, b'{"pid":%10d}\n' % os.getpid(), _HEAD_BYTES)
        except OSError as error:
            writer = _writer_in(fd)
            os.close(fd)
            if isinstance(error, BlockingIOError):
                raise CallLogFailed(f"{self.path} is written by {writer}; a log has one writer") from None
            raise
        return fd

    def _open(self, flags: int = 0) -> None:
        self._fd = os.open(self.path, _FLAGS | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | flags, _MODE)
        os.fchmod(self._fd, _MODE)
        if self._sync:
            self._sync_folder()
        found = os.fstat(self._fd)
        self._inode = (found.st_dev, found.st_ino)
        self.size = found.st_size
        """Bytes in the present file."""
        self._first = 0
        self._began_ms = self._clock.wall_ms()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _recovered(self) -> ChainLink:
        """Return the link for the next line; remove an incomplete line, as a power failure leaves one."""
        end = _end_of(self._fd)
        self.cut = end.rest
        if end.rest:
            self.size -= end.rest
            os.ftruncate(self._fd, self.size)
        last = end.last
        if not self.size and (before := archived(self.path)):
            with before[-1].open("rb") as finished:
                last = _end_of(finished.fileno()).last
        known = [link for link in (read_head(self.path), last) if link is not None]
        newest = max(known, key=lambda link: link.seq, default=START)
        if self.size:
            line = os.pread(self._fd, 1 << 20, 0).split(b"\n", 1)[0]
            entry, first = decode_entry(line), link_of(line)
            self._first = newest.seq if first is None else first.seq
            self._began_ms = self._began_ms if entry is None else entry.wall
        return newest

    def append(self, data: bytes, last: ChainLink) -> None:
        """Write complete lines, all or none of them."""
        written = os.write(self._fd, data)
        if written < len(data):
            with suppress(OSError):
                os.ftruncate(self._fd, self.size)
            raise OSError(f"{written} of {len(data)} bytes could be written: is the disk full?")
        if self._sync:
            os.fdatasync(self._fd)
        self._first = self._first or self.last.seq + 1
        self.size += written
        self.last = last

    def mark(self) -> None:
        """Write the last line's link to the head file, so that a missing end is found."""
        with suppress(OSError):  # it serves no other purpose
            os.pwrite(self._head_fd, _head_line(self.last), 0)

    @property
    def age_s(self) -> float:
        """Return the seconds since the first line of the present file was written."""
        return (self._clock.wall_ms() - self._began_ms) / 1e3 if self._first else 0.0

    @property
    def is_lost(self) -> bool:
        """Return True if the file was removed or replaced."""
        try:
            found = self.path.stat()
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._inode

    def rotate(self) -> None:
        """Finish the file, begin the next, and remove those beyond `keep`."""
        closed = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        finished = self.path.with_name(f"{self.path.stem}-{self._first:012d}-{closed}{self.path.suffix}")
        self.mark()
        old = self._fd
        os.rename(self.path, finished)
        try:
            self._open(os.O_EXCL)
        except OSError:
            self._fd = old
            os.rename(finished, self.path)
            raise
        os.close(old)
        for one in archived(self.path)[: -self._keep]:
            one.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the log for others; idempotent."""
        if self._fd >= 0:
            self.mark()
        self._release()

    def abandon(self) -> None:
        """Release the log as the end of the process does: the head file stays as it is. Idempotent."""
        self._release()

    def _release(self) -> None:
        for fd in (self._fd, self._head_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._head_fd = -1


def _writer_in(fd: int) -> str:
    """Name the last writer, in words."""
    try:
        pid = _writer.decode(os.pread(fd, 100, _HEAD_BYTES)).pid
    except (OSError, msgspec.MsgspecError):
        return "another process"
    return f"process {pid}" if pid != os.getpid() else "this process: share one CallLog between clients"


class _End(NamedTuple):
    last: ChainLink | None
    """Link of the last complete line, if it is one of a call log."""
    rest: int
    """Bytes of an incomplete line after it."""
    is_log: bool
    """True if this looks like the end of a call log."""


def _end_of(fd: int) -> _End:
    """Read the end of a file."""
    at, tail = os.fstat(fd).st_size, b""
    while at and tail.count(b"\n") < 2:
        size = min(_BLOCK, at)
        at -= size
        tail = os.pread(fd, size, at) + tail
    lines, newline, rest = tail.rpartition(b"\n")
    last = link_of(lines.rpartition(b"\n")[2] + newline) if newline else None
    begins = not newline and rest.startswith(_STARTS_LINE[: len(rest)])
    return _End(last, len(rest), last is not None or begins)
