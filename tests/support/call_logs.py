"""Entries of a call log's files, as JSON has them; and a log of JSON lines, as earlier releases wrote it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mexc_async.call_log.chain import ChainLink
from mexc_async.call_log.entries import AnyEntry, json_line
from mexc_async.call_log.files import read_log


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in json_lines(path)]


def json_lines(path: Path) -> list[bytes]:
    """Return the lines that `mexc-async calls --json` prints of a log without faults."""
    found = []
    for _, stored in read_log(path):
        entry = stored.entry()
        assert entry is not None
        found.append(stored.json(entry))
    return found


def of_kind(path: Path, *kinds: str) -> list[dict[str, Any]]:
    return [line for line in lines(path) if line["kind"] in kinds]


def old_lines(last: ChainLink, entries: Iterable[AnyEntry]) -> tuple[bytes, ChainLink]:
    """Return entries as earlier releases wrote them after `last`, and the link for the next one."""
    lines = []
    for entry in entries:
        text, _, _ = json_line(entry, last.seq + 1, last.hash, "").rpartition(b',"hash"')
        last = ChainLink(last.seq + 1, hashlib.sha256(text + b"}").hexdigest()[:32])
        lines.append(json_line(entry, last.seq, entry.prev, last.hash))
    return b"".join(lines), last
