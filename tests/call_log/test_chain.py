"""The chain of a call log: it shows every change, removal, insertion, move and cut, and has no false alarms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from io import BytesIO

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.call_log.chain import START, ChainCheck, ChainLink
from mexc_async.call_log.entries import AnyEntry, Closed, Lost, Opened, packed
from mexc_async.call_log.json_lines import read_json_lines
from mexc_async.call_log.records import MAGIC, framed, read_end, read_records
from tests.support.call_logs import old_lines

AT, WALL = 1_795_647_864_621, 1_795_647_864_622


def record_of(last: ChainLink, entry: AnyEntry) -> tuple[bytes, ChainLink]:
    return framed(last, [packed(entry)])


def line_of(last: ChainLink, entry: AnyEntry) -> tuple[bytes, ChainLink]:
    return old_lines(last, [entry])


FORMATS = {"records": record_of, "lines": line_of}
both_formats = pytest.mark.parametrize("form", FORMATS)


def entries_of(count: int, is_closed: bool) -> list[AnyEntry]:
    entries: list[AnyEntry] = [Lost(AT + number, WALL, number) for number in range(1, count)]
    return [*entries, Closed(AT, WALL) if is_closed else Lost(AT, WALL, count)]


def log_of(form: str, count: int, is_closed: bool = True) -> tuple[list[bytes], list[ChainLink]]:
    """Build so many entries, and their links."""
    parts, links, last = [], [], START
    for entry in entries_of(count, is_closed):
        part, last = FORMATS[form](last, entry)
        parts.append(part)
        links.append(last)
    return parts, links


def problems(form: str, data: bytes, head: ChainLink | None = None) -> list[str]:
    check = ChainCheck()
    file = BytesIO(data)
    for number, stored in enumerate(read_records(file) if form == "records" else read_json_lines(file), 1):
        check.take(stored, f"calls.log:{number}")
    check.end(head, "calls.log")
    return [str(problem) for problem in check.problems]


def test_record_is_as_documented() -> None:
    data, last = record_of(ChainLink(6, "ab" * 16), Lost(AT, WALL, 3))
    assert data[:4] == MAGIC
    assert int.from_bytes(data[4:8], "little") == int.from_bytes(data[-4:], "little") == len(data)
    assert int.from_bytes(data[8:16], "little") == last.seq == 7
    assert data[16:32].hex() == "ab" * 16
    assert data[-20:-4] == hashlib.sha256(data[:-20]).digest()[:16]
    assert data[-20:-4].hex() == last.hash
    content = {"kind": "lost", "at": AT, "wall": WALL, "count": 3}
    assert msgspec.msgpack.decode(data[32:-20]) == content
    (stored,) = read_records(BytesIO(data))
    entry = stored.entry()
    assert entry is not None
    assert json.loads(stored.json(entry)) == content | {"seq": 7, "prev": "ab" * 16, "hash": last.hash}


def test_line_is_json_and_its_hash_can_be_computed_by_anyone() -> None:
    line, last = line_of(START, Closed(AT, WALL))
    without = line[: line.rindex(b',"hash":')] + b"}"
    assert json.loads(line)["hash"] == last.hash == hashlib.sha256(without).hexdigest()[:32]


def test_chain_goes_on_from_one_batch_of_entries_to_the_next() -> None:
    first, last = framed(START, [packed(Opened(AT, WALL, 2, 17))])
    second, _ = framed(last, [packed(Closed(AT, WALL))])
    assert problems("records", first + second) == []


@both_formats
@pytest.mark.parametrize("closed", [True, False])
def test_whole_log_has_no_problem(form: str, closed: bool) -> None:
    parts, links = log_of(form, 6, closed)
    assert problems(form, b"".join(parts), links[-1]) == []
    assert problems(form, b"".join(parts[2:]), links[-1]) == []  # earlier files were removed
    assert problems(form, b"".join(parts), links[3]) == []
    # Without a head file, only a closed log is known to be complete.
    assert bool(problems(form, b"".join(parts))) is not closed


Change = Callable[[str, list[bytes], list[ChainLink]], list[bytes]]
CHANGES: dict[str, tuple[Change, int, str]] = {
    "changed": (lambda _, ls, __: [*ls[:2], changed(ls[2]), *ls[3:]], 3, "number 3 was changed"),
    "removed": (lambda _, ls, __: [*ls[:2], *ls[3:]], 3, "1 entry is missing before entry number 4"),
    "two removed": (lambda _, ls, __: [*ls[:1], *ls[3:]], 2, "2 entries are missing before entry number 4"),
    "swapped": (lambda _, ls, __: [*ls[:2], ls[3], ls[2], *ls[4:]], 3, "1 entry is missing before entry number 4"),
    "repeated": (lambda _, ls, __: [*ls[:3], ls[1], *ls[3:]], 4, "number 2 is out of order"),
    "put in": (lambda _, ls, __: [*ls[:3], b"nonsense\n", *ls[3:]], 4, "no entry of a call log"),
    "cut short": (lambda _, ls, __: [*ls[:5], ls[5][:40]], 6, "cut short"),
    "forged": (lambda form, ls, links: [*ls[:2], forged(form, links[1], 7), *ls[3:]], 4, "4 does not follow the entry"),
}


@both_formats
@pytest.mark.parametrize("change", CHANGES)
def test_break_is_named_by_its_place(form: str, change: str) -> None:
    parts, links = log_of(form, 6)
    make, where, text = CHANGES[change]
    found = problems(form, b"".join(make(form, parts, links)), links[-1])
    assert found[0].startswith(f"calls.log:{where}: ")
    assert text in found[0]


def changed(part: bytes) -> bytes:
    at = part.index(b"count") + len(b"count") + (2 if part.startswith(b"{") else 0)
    return part[:at] + bytes([part[at] + 1]) + part[at + 1 :]


def forged(form: str, before: ChainLink, count: int) -> bytes:
    """Build an entry in place of the next, with a valid hash."""
    return FORMATS[form](before, Lost(AT, WALL, count))[0]


@both_formats
@pytest.mark.parametrize("left", range(6))
@pytest.mark.parametrize("closed", [True, False])
def test_missing_end_shows(form: str, left: int, closed: bool) -> None:
    parts, links = log_of(form, 6, closed)
    data = b"".join(parts[:left])
    assert any("missing at the end" in problem for problem in problems(form, data, links[-1]))
    if left:
        assert any("may be missing" in problem for problem in problems(form, data))


@both_formats
def test_last_entry_that_was_replaced_by_one_that_fits_shows(form: str) -> None:
    parts, links = log_of(form, 6)
    data = b"".join([*parts[:5], forged(form, links[4], 9)])
    assert "not the one that was written" in problems(form, data, links[-1])[0]


@both_formats
@given(data=st.data())
def test_any_change_of_any_byte_shows(form: str, data: st.DataObject) -> None:
    parts, links = log_of(form, 4)
    text = bytearray(b"".join(parts))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[at]))
    assert problems(form, bytes(text), links[-1])


@both_formats
@given(order=st.permutations(range(5)).filter(lambda order: order != list(range(5))))
def test_any_other_order_shows(form: str, order: list[int]) -> None:
    parts, links = log_of(form, 5)
    assert problems(form, b"".join(parts[at] for at in order), links[-1])


@both_formats
@given(removed=st.sets(st.integers(0, 5), min_size=1, max_size=6))
def test_any_removal_but_of_the_beginning_shows(form: str, removed: set[int]) -> None:
    parts, links = log_of(form, 6)
    left = b"".join(part for at, part in enumerate(parts) if at not in removed)
    is_beginning = removed == set(range(len(removed))) and bool(left)
    assert bool(problems(form, left, links[-1])) is not is_beginning


@given(st.lists(st.binary(max_size=200), max_size=6), st.data())
def test_every_record_between_other_bytes_is_found(junk: list[bytes], data: st.DataObject) -> None:
    parts, _ = log_of("records", len(junk) + 1)
    mixed = b"".join(part + other for part, other in zip(parts, [*junk, b""], strict=True))
    found = [stored for stored in read_records(BytesIO(mixed)) if stored.link is not None]
    assert [stored.raw for stored in found] == parts
    assert sum(stored.size for stored in read_records(BytesIO(mixed))) == len(mixed)
    cut = data.draw(st.integers(0, len(mixed)))
    assert sum(stored.size for stored in read_records(BytesIO(mixed[:cut]))) == cut


@pytest.mark.parametrize("rest", [MAGIC[:2], MAGIC + b"\xff" * 9, b"\0" * 5000, b"half"])
def test_end_of_a_file_is_found_before_what_a_crash_left(rest: bytes) -> None:
    parts, links = log_of("records", 5)
    assert read_end(BytesIO(b"".join(parts))) == (links[-1], 0)
    torn = 0 if rest == b"half" else len(rest)
    assert read_end(BytesIO(b"".join(parts) + rest)) == (links[-1], torn)
    assert read_end(BytesIO(b"")) == (None, 0)
