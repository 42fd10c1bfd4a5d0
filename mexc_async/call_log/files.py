"""Files of a call log: the one that is written, those before it, and a small one with the writer and the last entry.

    calls.log                                  being written
    calls-000000000001-20261125T091500Z.log    full or old enough: number of its first entry, and when it was closed
    calls.log.head                             number and hash of the last entry; locked while somebody writes

Names sort as the entries do. Every file is open to its owner alone. A file holds records (`records.py`) or, if an
earlier release wrote it, JSON lines (`json_lines.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from mexc_async.call_log.chain import CUT_SHORT, START, ChainCheck, ChainLink, Stored
from mexc_async.call_log.json_lines import is_json_lines, read_json_lines
from mexc_async.call_log.records import read_records

_ARCHIVED = re.compile(r"(.+)-([0-9]{12})-[0-9]{8}T[0-9]{6}Z")
_START_BYTES = 4096
_head = msgspec.json.Decoder(ChainLink)


def head_of(path: Path) -> Path:
    """Return the path of the head file, which is locked and holds the last entry's link and the writer's id."""
    return path.with_name(f"{path.name}.head")


def head_line(last: ChainLink) -> bytes:
    """Return the line of a head file that says which entry is the last."""
    return b'{"seq":%18d,"hash":"%b"}\n' % (last.seq, last.hash.encode())


HEAD_LINE_BYTES = len(head_line(START))


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
    """Return number and hash of the last entry that was written; None if unknown."""
    with suppress(OSError, msgspec.MsgspecError):
        return _head.decode(head_of(path).read_bytes()[:HEAD_LINE_BYTES])
    return None


def read_log(path: Path) -> Iterator[tuple[str, Stored]]:
    """Yield every entry of a log with its place (file and number in it), finished files first; of such a file, its own.

    May run while the log is written. Raises OSError.
    """
    if is_archived(path):
        with path.open("rb") as alone:
            yield from _numbered(path, alone)
        return
    if not path.exists() and (finished := archived(path)):  # killed between one file and the next
        for one in finished:
            yield from read_log(one)
        return
    with path.open("rb") as current:  # first, so that nothing is missed if it is finished in this moment
        for one in archived(path):
            with suppress(FileNotFoundError), one.open("rb") as before:  # retention may be faster
                if not os.path.sameopenfile(before.fileno(), current.fileno()):
                    yield from _numbered(one, before)
        yield from _numbered(path, current)


def _numbered(path: Path, file: BinaryIO) -> Iterator[tuple[str, Stored]]:
    for number, stored in enumerate(read_entries(file), 1):
        yield f"{path.name}:{number}", stored


def read_entries(file: BinaryIO) -> Iterator[Stored]:
    """Yield the entries of one file, in whichever format it is."""
    return read_json_lines(file) if has_json_lines(file) else read_records(file)


def has_json_lines(file: BinaryIO) -> bool:
    """Return True if a file holds JSON lines; leave it at its beginning."""
    file.seek(0)
    start = file.read(_START_BYTES)
    file.seek(0)
    return is_json_lines(start)


class Verification(Struct, frozen=True):
    """Result of the check of a log."""

    is_whole: bool
    entries: int
    files: int
    first: int | None
    """Number of the first entry; those before it were removed with their files."""
    last: int
    is_closed: bool
    """True if the last entry says that the log was closed."""
    is_being_written: bool
    problems: list[str]
    """File, line, and the problem there."""
    notes: list[str]


def verified(path: Path) -> Verification:
    """Check every entry of a log, or of one of its finished files. May run while it is written. Raises OSError."""
    check, head, files = ChainCheck(), read_head(path), set()
    is_written = _is_written(path)
    for where, stored in read_log(path):
        name = where.rpartition(":")[0]
        if is_written and stored.fault == CUT_SHORT and name == path.name:
            break  # it is just being written
        files.add(name)
        check.take(stored, where)
    notes = []
    if is_archived(path):
        notes.append("this is one finished file of a log; the log's own path verifies all of them")
    else:
        check.end(head, path.name)
        if not check.is_closed and not is_written:
            notes.append("its writer did not close it: the process was killed, or the machine stopped")
    if check.first is not None and check.first.seq > 1:
        notes.append(f"it begins with entry number {check.first.seq}: the files before it were removed")
    return Verification(
        is_whole=not check.problems,
        entries=check.entries,
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
