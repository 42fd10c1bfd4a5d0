"""The chain of a call log: it shows every change, removal, insertion, move and cut, and has no false alarms."""

from __future__ import annotations

import hashlib
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.call_log.entries import (
    START,
    AnyEntry,
    ChainCheck,
    ChainLink,
    Closed,
    Done,
    Lost,
    Opened,
    Pushed,
    Sending,
    chained,
    decode_entry,
    link_of,
    public,
)
from mexc_async.orders.snapshot import RecordedError
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.push_models import OrderPush

AT, WALL = 1_795_647_864_621, 1_795_647_864_622


def log_of(count: int, closed: bool = True) -> tuple[list[bytes], ChainLink]:
    """Build so many lines, and the link for the next one."""
    entries: list[AnyEntry] = [Lost(AT + number, WALL, number) for number in range(1, count)]
    entries.append(Closed(AT, WALL) if closed else Lost(AT, WALL, count))
    data, last = chained(START, entries)
    return data.splitlines(keepends=True), last


def problems(lines: list[bytes], head: ChainLink | None = None) -> list[str]:
    check = ChainCheck()
    for number, line in enumerate(lines, 1):
        check.take(line, f"calls.jsonl:{number}")
    check.end(head, "calls.jsonl")
    return [str(problem) for problem in check.problems]


def test_line_is_json_and_its_hash_can_be_computed_by_anyone() -> None:
    (line,), last = log_of(1)
    told = json.loads(line)
    without = line[: line.rindex(b',"hash":')] + b"}"
    assert told["hash"] == last.hash == hashlib.sha256(without).hexdigest()[:32]
    assert told | {"hash": ""} == {"seq": 1, "prev": "0" * 32, "kind": "closed", "at": AT, "wall": WALL, "hash": ""}


def test_each_line_carries_the_hash_of_the_one_before() -> None:
    lines, last = log_of(5)
    told = [json.loads(line) for line in lines]
    assert [line["prev"] for line in told] == [START.hash, *(line["hash"] for line in told[:-1])]
    assert [line["seq"] for line in told] == [1, 2, 3, 4, 5]
    assert link_of(lines[-1]) == last


def test_chain_goes_on_from_one_batch_of_lines_to_the_next() -> None:
    first, last = chained(START, [Opened(AT, WALL, 1, 17)])
    second, _ = chained(last, [Closed(AT, WALL)])
    assert problems([first, second]) == []


@pytest.mark.parametrize("closed", [True, False])
def test_whole_log_has_no_problem(closed: bool) -> None:
    lines, last = log_of(6, closed)
    assert problems(lines, last) == []
    assert problems(lines[2:], last) == []  # earlier files were removed
    assert problems(lines, ChainLink(4, link_of(lines[3]).hash)) == []  # type: ignore[union-attr]  # it is a line
    assert bool(problems(lines)) is not closed  # without a head file, only a closed log is known to be complete


@pytest.mark.parametrize(
    ("change", "where", "text"),
    [
        (lambda ls: [*ls[:2], ls[2].replace(b'"count":3', b'"count":4'), *ls[3:]], 3, "number 3 was changed"),
        (lambda ls: [*ls[:2], *ls[3:]], 3, "1 line is missing before line number 4"),
        (lambda ls: [*ls[:1], *ls[3:]], 2, "2 lines are missing before line number 4"),
        (lambda ls: [*ls[:2], ls[3], ls[2], *ls[4:]], 3, "1 line is missing before line number 4"),
        (lambda ls: [*ls[:3], ls[1], *ls[3:]], 4, "number 2 is out of order"),
        (lambda ls: [*ls[:3], b"nonsense\n", *ls[3:]], 4, "no line of a call log"),
        (lambda ls: [*ls[:5], ls[5][:40]], 6, "cut short"),
        (lambda ls: [*ls[:2], forged(ls[1], 7), *ls[3:]], 4, "number 4 does not follow the line before it"),
    ],
    ids=["changed", "removed", "two removed", "swapped", "repeated", "put in", "cut short", "forged"],
)
def test_break_is_named_by_its_place(change: object, where: int, text: str) -> None:
    lines, last = log_of(6)
    found = problems(change(lines), last)  # type: ignore[operator]  # one of the above
    assert found[0].startswith(f"calls.jsonl:{where}: ")
    assert text in found[0]


def forged(before: bytes, count: int) -> bytes:
    """Build a line in place of the next, with a valid hash."""
    hangs_on = link_of(before)
    assert hangs_on is not None
    return chained(hangs_on, [Lost(AT, WALL, count)])[0]


@pytest.mark.parametrize("left", range(6))
@pytest.mark.parametrize("closed", [True, False])
def test_missing_end_shows(left: int, closed: bool) -> None:
    lines, last = log_of(6, closed)
    assert any("missing at the end" in problem for problem in problems(lines[:left], last))
    if left:
        assert any("may be missing" in problem for problem in problems(lines[:left]))


def test_last_line_that_was_replaced_by_one_that_fits_shows() -> None:
    lines, last = log_of(6)
    assert "not the one that was written" in problems([*lines[:5], forged(lines[4], 9)], last)[0]


@given(st.data())
def test_any_change_of_any_byte_shows(data: st.DataObject) -> None:
    lines, last = log_of(4)
    text = bytearray(b"".join(lines))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[at]))
    assert problems(bytes(text).splitlines(keepends=True), last)


@given(st.permutations(range(5)).filter(lambda order: order != list(range(5))))
def test_any_other_order_shows(order: list[int]) -> None:
    lines, last = log_of(5)
    assert problems([lines[at] for at in order], last)


@given(st.sets(st.integers(0, 5), min_size=1, max_size=6))
def test_any_removal_but_of_the_beginning_shows(removed: set[int]) -> None:
    lines, last = log_of(6)
    left = [line for at, line in enumerate(lines) if at not in removed]
    is_beginning = removed == set(range(len(removed))) and bool(left)
    assert bool(problems(left, last)) is not is_beginning


# Content of lines


def test_every_kind_of_entry_can_be_read_again() -> None:
    entries: list[AnyEntry] = [
        Opened(AT, WALL, 1, 17, 5),
        Sending(AT, WALL, "m@0", 1, "POST /api/v3/order", {"symbol": "BTCUSDT"}, AT + 5000, "m-1"),
        Done(AT, WALL, "m@0", "GET /api/v3/order", "refused", 5, 6, error=RecordedError("OrderNotFound", "no", -2013)),
        Closed(AT, WALL),
    ]
    data, _ = chained(START, entries)
    assert [decode_entry(line) for line in data.splitlines()] == entries
    assert {type(entry) for entry in entries} <= set(get_args(AnyEntry))


def test_push_says_all_that_came_and_no_more() -> None:
    body = OrderPush(
        order_id="C1", status=OrderStatus.NEW, type=OrderType.LIMIT, side=Side.BUY, create_time=5,
        client_order_id="m-1", price_text="0.5",
    )  # fmt: skip
    data, _ = chained(
        START, [Pushed(AT, WALL, "m@0", "spot@private.orders.v3.api.pb", body, "XRPUSDT", "m-1", "C1", 7)]
    )
    entry = decode_entry(data)
    assert isinstance(entry, Pushed)
    assert entry.body == {
        "order_id": "C1", "status": "NEW", "type": "LIMIT", "side": "BUY", "create_time": 5,
        "client_order_id": "m-1", "price_text": "0.5",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"nonsense", b'{"kind":"later","at":1,"wall":1}', b'{"kind":"lost"}', b"\xff"]
)
def test_what_is_not_understood_is_none(line: bytes) -> None:
    assert decode_entry(line) is None


@pytest.mark.parametrize(
    "name", ["listenKey", "apiKey", "accessKey", "secretKey", "password", "signature", "API_KEY", "passphrase", "token"]
)
def test_parameters_that_are_secret_by_name_lose_their_value(name: str) -> None:
    assert public([("symbol", "BTCUSDT"), (name, "hidden")]) == {"symbol": "BTCUSDT", name: "***"}


def test_parameters_of_an_order_stay() -> None:
    params = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("newClientOrderId", "m-1"),
        ("stpMode", ""),
        ("recvWindow", "5000"),
    ]
    assert public(params) == dict(params)


def test_secrets_are_masked_wherever_they_stand() -> None:
    error = RecordedError("ApiError", "key K3Y-abc is bad")
    entries = [
        Done(AT, WALL, "m@0", "GET /api/v3/order", "refused", 5, 6, error=error),
        Sending(AT, WALL, "m@0", 1, "POST /api/v3/order", {"symbol": "K3Y-abc"}, 7, "K3Y-abc"),
    ]
    data, last = chained(START, entries, (b"K3Y-abc",))
    assert b"K3Y-abc" not in data
    assert b"key *** is bad" in data
    assert problems(data.splitlines(keepends=True), last) == []
