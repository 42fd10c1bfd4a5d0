"""Hash chain of the call log, and its check.

Each entry states its number, which counts from 1 through all files and restarts, the hash of the entry before it, and
its own hash: the first 16 bytes of a SHA-256. So the check finds an entry that was changed, removed, inserted or moved.
It also finds a missing end: a closed log ends with an entry that says so, and a small file next to it holds the number
and the hash of the last entry written. A log that continues after a missing end counts on from there, so that the gap
stays visible.

The chain proves that nothing was lost or altered by accident, and that nobody altered an entry without recomputing
every later hash. It is no signature. It contains no secret, so whoever may write the files can write another history
with an intact chain, or remove the oldest files as rotation does. To exclude that, store the last hash where the writer
cannot reach it, such as in a message to somebody else: a history with another last hash is another history.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from mexc_async.call_log.entries import AnyEntry, Closed, Opened, json_line, of_json, unpacked


class ChainLink(Struct, frozen=True, gc=False):
    """Link for the next entry: number and hash of the last."""

    seq: int
    hash: str
    """32 hex digits."""


START = ChainLink(0, "0" * 32)
"""Link before the first entry."""
CUT_SHORT = "the entry is cut short"


class Stored(NamedTuple):
    """Entry as it is in a file, or a part of the file that is none."""

    raw: bytes
    """Its bytes in the file, or the first of them where it is no entry."""
    link: ChainLink | None = None
    """Number and hash as stated; None if this is no entry."""
    prev: str = ""
    """Hash of the entry before it, as stated."""
    content: bytes = b""
    """Its MessagePack map; empty for a JSON line, which is its own content."""
    is_intact: bool = False
    """True if the hash fits."""
    fault: str = ""
    """Reason why this is no entry."""
    size: int = 0
    """Bytes in the file."""

    def entry(self) -> AnyEntry | None:
        """Decode it; return None if it is no entry, or of a kind that this release does not know."""
        return unpacked(self.content) if self.content else of_json(self.raw)

    def json(self, entry: AnyEntry) -> bytes:
        """Return its decoded entry as a JSON line."""
        if self.link is None or not self.content:
            return self.raw
        return json_line(entry, self.link.seq, self.prev, self.link.hash)


class Problem(NamedTuple):
    """Place where the chain is broken."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class ChainCheck:
    """Check of a log's entries, in their order, for breaks in the chain."""

    def __init__(self) -> None:
        self.entries = 0
        self.first: ChainLink | None = None
        """Link of the first entry; if its number is not 1, the entries before it were removed with their files."""
        self.last = START
        self.is_closed = False
        """True if the last entry says that the log was closed."""
        self.problems: list[Problem] = []
        self._torn: tuple[str, int] | None = None
        """Place and size of an incomplete entry, until the next entry explains it."""

    def take(self, stored: Stored, where: str) -> None:
        """Check the next entry; `where` is its place in the problems."""
        self.is_closed = False
        self._explain(stored)
        if stored.link is None:
            if stored.fault == CUT_SHORT:
                self._torn = where, stored.size
            else:
                self._found(where, stored.fault)
            return
        self.entries += 1
        seq, digest = stored.link.seq, stored.link.hash
        if self.first is None:
            self.first = stored.link
            if seq != 1:  # earlier files were removed, or are not checked
                self.last = ChainLink(seq - 1, stored.prev)
        if not stored.is_intact:
            self._found(where, f"entry number {seq} was changed: its hash does not fit its content")
        elif seq > self.last.seq + 1:
            self._found(where, f"{_entries(seq - self.last.seq - 1)} missing before entry number {seq}")
        elif seq <= self.last.seq:
            self._found(where, f"entry number {seq} is out of order: it follows number {self.last.seq}")
            return
        elif stored.prev != self.last.hash:
            self._found(where, f"entry number {seq} does not follow the entry before it, which was replaced")
        self.last = ChainLink(seq, digest)
        if b"closed" in (stored.content or stored.raw):
            self.is_closed = isinstance(stored.entry(), Closed)

    def end(self, head: ChainLink | None, where: str) -> None:
        """Check the end. `head` is the last entry written, where that is known."""
        self._explain(None)
        if head is not None and head.seq > self.last.seq:
            missing = _entries(head.seq - self.last.seq)
            self._found(where, f"{missing} missing at the end, after entry number {self.last.seq}")
        elif head is not None and head.seq == self.last.seq and head.hash != self.last.hash:
            self._found(where, f"the last entry is not the one that was written as number {head.seq}")
        elif head is None and not self.is_closed:
            text = "the log does not end as a closed one does, and its head file does not have the last entry"
            self._found(where, f"{text}: entries may be missing at the end")

    def _explain(self, following: Stored | None) -> None:
        """Report an incomplete entry unless the next one says that a crash of the machine left it."""
        if self._torn is None:
            return
        (where, size), self._torn = self._torn, None
        entry = None if following is None else following.entry()
        if not (isinstance(entry, Opened) and entry.cut == size):
            self._found(where, CUT_SHORT)

    def _found(self, where: str, text: str) -> None:
        self.problems.append(Problem(where, text))


def _entries(count: int) -> str:
    return "1 entry is" if count == 1 else f"{count} entries are"
