"""Format 1 of the call log's files, JSON lines: it is read, and not written any more.

A line is one JSON object. It begins with its `kind` and that kind's content, and ends with `seq`, `prev` and `hash`:
the first 32 hex digits of the SHA-256 of the object without `hash`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from mexc_async.call_log.chain import CUT_SHORT, ChainLink, Stored

_LINE = re.compile(
    rb'(\{"kind":"[a-z]+",.*,"seq":([0-9]{1,18}),"prev":"([0-9a-f]{32})"),"hash":"([0-9a-f]{32})"\}\n?', re.DOTALL
)


def is_json_lines(start: bytes) -> bool:
    """Return True if a file that begins like this has JSON lines."""
    return b'"kind":"' in start or b'{"kind":"'.startswith(start or b"-")


def stored_line(line: bytes) -> Stored:
    """Return a line as an entry, or why it is none."""
    found = _LINE.fullmatch(line)
    if found is None:
        fault = "this is no entry of a call log" if line.endswith(b"\n") else CUT_SHORT
        return Stored(line, fault=fault, size=len(line))
    digest = found[4].decode()
    is_intact = hashlib.sha256(found[1] + b"}").hexdigest()[:32] == digest
    return Stored(line, ChainLink(int(found[2]), digest), found[3].decode(), is_intact=is_intact, size=len(line))


def read_json_lines(lines: Iterable[bytes]) -> Iterator[Stored]:
    """Yield the entries of a file."""
    return map(stored_line, lines)
