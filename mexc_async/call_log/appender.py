"""Appender of the call log: chains entries and writes them to the end of a file."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from mexc_async.call_log.chain import START, ChainLink
from mexc_async.call_log.records import contents_of, framed
from mexc_async.native.loader import compiled


class PureAppender:
    """Chained entries on their way into a file. `compiled.Appender` is the same in C.

    A plain `write()` and not a mapping of the file: whatever others do to the file, this process survives it.
    """

    def __init__(self) -> None:
        self.fd = -1
        """Descriptor of the file, opened to append; -1 while there is none."""
        self.size = 0
        """Bytes written to the file, or in it when it was opened."""
        self.held: object = None
        """The entry that came last, while it is not added because it may be extended."""
        self.secrets: tuple[bytes, ...] = ()
        """Texts that no entry may hold; `add` takes entries without them."""
        self.look_at_ms = 0
        """Time by the machine's clock at which somebody has to look after the file."""
        self.most_bytes = 0
        """Size at which somebody has to."""
        self.last = START.seq, START.hash
        """Number and hash of the last entry that was written."""
        self._added = START
        self._waiting: list[bytes] = []

    def begin(self, fd: int, size: int, seq: int, digest: str) -> None:
        """Write to this file from now on; the next entry follows the one with this number and hash."""
        self.fd, self.size = fd, size
        self.last, self._added = (seq, digest), ChainLink(seq, digest)

    def turn(self, fd: int) -> None:
        """Write to this new file from now on; the chain continues."""
        self.fd, self.size = fd, 0

    def end(self) -> None:
        """Forget the file, which is closed by its owner."""
        self.fd = -1

    def add(self, content: bytes) -> None:
        """Add an entry, a MessagePack map, to those that the next `flush` writes."""
        record, self._added = framed(self._added, (content,))
        self._waiting.append(record)

    def flush(self, is_synced: bool) -> None:
        """Write the added entries, all or none; if `is_synced`, wait for the disk. Raises OSError."""
        if not self._waiting:
            return
        data = b"".join(self._waiting)
        written = os.write(self.fd, data)
        try:
            if written < len(data):
                raise OSError(f"{written} of {len(data)} bytes could be written: is the disk full?")
            if is_synced:
                os.fdatasync(self.fd)
        except OSError:
            undo(self.fd, written)
            raise
        self.size += written
        self.last = self._added.seq, self._added.hash
        self._waiting.clear()

    def take(self) -> list[bytes]:
        """Return the entries that are not written, and drop them."""
        records, self._waiting = self._waiting, []
        return contents_of(b"".join(records))


def undo(fd: int, written: int) -> None:
    """Remove the bytes that were written last."""
    with suppress(OSError):
        os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR) - written)


if TYPE_CHECKING:
    Appender = PureAppender
else:
    Appender = compiled.Appender if compiled else PureAppender
