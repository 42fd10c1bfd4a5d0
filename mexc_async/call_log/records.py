"""Format 2 of the call log's files: binary records, one after the other. `docs/call-log.md` describes it for others.

    offset    bytes  content; numbers are unsigned, the lowest byte first
    0         4      MAGIC
    4         4      size of the whole record in bytes
    8         8      number of the entry
    16        16     hash of the entry before it
    32        n      the entry: a MessagePack map with the names of the JSON lines
    32 + n    16     hash: the first 16 bytes of the SHA-256 of all bytes of the record before it
    48 + n    4      the size again, to find the last record from the end of the file

Nothing here opens a file.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from mexc_async.call_log.chain import CUT_SHORT, ChainLink, Stored

MAGIC = b"\xc1MX2"
"""Start of a record. The first byte occurs neither in text nor as a type in MessagePack."""
_HEAD = struct.Struct("<4sIQ16s")
_SIZE = struct.Struct("<I")
HEAD_BYTES, HASH_BYTES, TAIL_BYTES = 32, 16, 20
MOST_BYTES = 1 << 24
"""Greatest size of a record."""
_BLOCK = 1 << 16


def framed(last: ChainLink, contents: Iterable[bytes]) -> tuple[bytes, ChainLink]:
    """Return the records of entries that follow `last`, and the link for the next one."""
    seq, digest = last.seq, bytes.fromhex(last.hash)
    parts: list[bytes] = []
    for content in contents:
        seq += 1
        size = HEAD_BYTES + len(content) + TAIL_BYTES
        head = _HEAD.pack(MAGIC, size, seq, digest)
        digest = hashlib.sha256(head + content).digest()[:HASH_BYTES]
        parts += head, content, digest, _SIZE.pack(size)
    return b"".join(parts), ChainLink(seq, digest.hex())


def stored_record(record: bytes) -> Stored:
    """Return a complete record as an entry."""
    _, size, seq, prev = _HEAD.unpack_from(record)
    digest = record[-TAIL_BYTES:-4]
    is_intact = hashlib.sha256(record[:-TAIL_BYTES]).digest()[:HASH_BYTES] == digest
    link = ChainLink(seq, digest.hex())
    return Stored(record, link, prev.hex(), record[HEAD_BYTES:-TAIL_BYTES], is_intact, size=size)


def contents_of(records: bytes) -> list[bytes]:
    """Return the entries of complete records."""
    found, at = [], 0
    while at < len(records):
        size = _HEAD.unpack_from(records, at)[1]
        found.append(records[at + HEAD_BYTES : at + size - TAIL_BYTES])
        at += size
    return found


def read_records(file: BinaryIO) -> Iterator[Stored]:
    """Yield the entries of a file, and the parts between them that are none."""
    at = 0
    while True:
        record = _record_at(file, at)
        if record is not None:
            yield stored_record(record)
            at += len(record)
            continue
        following = _next_record(file, at + 1)
        gap = _bytes_at(file, at, _BLOCK)
        if not gap:
            return
        if following is not None:
            yield Stored(gap[:80], fault=f"{_bytes(following - at)} no entry of a call log", size=following - at)
            at = following
            continue
        size = file.seek(0, 2) - at
        fault = CUT_SHORT if begins_record(gap) else f"{_bytes(size)} no entry of a call log"
        yield Stored(gap[:80], fault=fault, size=size)
        return


class End(NamedTuple):
    """End of a file."""

    last: ChainLink | None
    """Link of the last complete record."""
    torn: int
    """Bytes of an incomplete record after it."""


def read_end(file: BinaryIO) -> End:
    """Find the last record of a file, from its end; after a crash of the machine, from its beginning."""
    size = file.seek(0, 2)
    if size >= HEAD_BYTES + TAIL_BYTES:
        length = _SIZE.unpack(_bytes_at(file, size - 4, 4))[0]
        record = _record_at(file, size - length) if length <= size else None
        if record is not None and len(record) == length:
            return End(stored_record(record).link, 0)
    last, torn = None, 0
    for stored in read_records(file):
        last, torn = stored.link or last, stored.size if stored.fault == CUT_SHORT else 0
    return End(last, torn)


def begins_record(rest: bytes) -> bool:
    """Return True if the rest of a file is the beginning of a record, or zeros, as a crash of the machine leaves it."""
    return rest.startswith(MAGIC[: len(rest)]) or not rest.strip(b"\0")


def _record_at(file: BinaryIO, at: int) -> bytes | None:
    """Return the record at an offset if there is a complete one."""
    head = _bytes_at(file, at, HEAD_BYTES)
    if len(head) < HEAD_BYTES or not head.startswith(MAGIC):
        return None
    size = _HEAD.unpack(head)[1]
    if not HEAD_BYTES + TAIL_BYTES < size <= MOST_BYTES:
        return None
    rest = file.read(size - HEAD_BYTES)
    is_complete = len(rest) == size - HEAD_BYTES and rest[-4:] == head[4:8]
    return head + rest if is_complete else None


def _next_record(file: BinaryIO, at: int) -> int | None:
    """Return the offset of the next complete record from an offset on."""
    while len(block := _bytes_at(file, at, _BLOCK)) >= len(MAGIC):
        found = block.find(MAGIC)
        if found < 0:
            at += len(block) - len(MAGIC) + 1
        elif _record_at(file, at + found) is not None:
            return at + found
        else:
            at += found + 1
    return None


def _bytes_at(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _bytes(count: int) -> str:
    return "1 byte is" if count == 1 else f"{count} bytes are"
