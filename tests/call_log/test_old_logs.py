"""Logs of JSON lines, as earlier releases wrote them: they are read, stay as they are, and the chain goes on."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from mexc_async.call_log.chain import START, ChainLink
from mexc_async.call_log.client_log import client_name, past_orders
from mexc_async.call_log.entries import AnyEntry, Closed, Done, Opened, Sending
from mexc_async.call_log.files import archived, head_line, head_of, read_log, verified
from mexc_async.call_log.log import CallLog
from mexc_async.rest.credentials import Credentials
from tests.support.call_logs import lines, of_kind, old_lines
from tests.support.fake_transport import KEY, SECRET, fake_client

AT = 1_736_118_264_000
PLACE = "POST /api/v3/order"
CLIENT = client_name(Credentials(KEY, SECRET), "m")
ORDER = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "2", "newClientOrderId": "m-old",
}  # fmt: skip
ENTRIES: list[AnyEntry] = [
    Opened(AT, AT, 1, 17),
    Sending(AT + 10, AT, CLIENT, 1, PLACE, ORDER, AT + 5010, "m-old"),
    Done(AT + 20, AT, CLIENT, PLACE, "ok", 3000, 500, 1, 200, "m-old", "C1", placed={"m-old": "C1"}),
    Closed(AT + 30, AT),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write an old log, and return its path."""
    path = tmp_path / "calls.jsonl"
    data, last = old_lines(START, ENTRIES)
    path.write_bytes(data)
    write_head(path, last)
    return path


def write_head(path: Path, last: ChainLink) -> None:
    head_of(path).write_bytes(head_line(last))


async def place(path: Path) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        await at.view.spot.new_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=Decimal(1), price=Decimal(2),
            new_client_order_id="m-new",
        )  # fmt: skip


def test_old_log_verifies(path: Path) -> None:
    found = verified(path)
    assert (found.is_whole, found.is_closed, found.entries) == (True, True, 4)


def test_new_file_begins_and_the_old_one_stays_as_it_is(path: Path) -> None:
    before = path.read_bytes()
    asyncio.run(place(path))
    (old,) = archived(path)
    assert old.name.startswith("calls-000000000001-")
    assert old.read_bytes() == before
    assert not path.read_bytes().startswith(b"{")
    found = verified(path)
    assert (found.is_whole, found.entries, found.files, found.last) == (True, 8, 2, 8)
    assert [line["kind"] for line in lines(path)] == ["opened", "sending", "done", "closed"] * 2
    assert [line["format"] for line in of_kind(path, "opened")] == [1, 2]
    assert [line["prev"] for line in lines(path)][1:] == [line["hash"] for line in lines(path)][:-1]


def test_orders_of_both_formats_are_restored(path: Path) -> None:
    asyncio.run(place(path))
    table = asyncio.run(past_orders(path, CLIENT, 1e9))
    assert {record.client_order_id: (record.state, record.order_id) for record in table} == {
        "m-old": ("NEW", "C1"),
        "m-new": ("NEW", "C02__1"),
    }


def test_incomplete_line_stays_and_is_explained(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"kind":"sending","at":17')
    before = path.read_bytes()
    assert "cut short" in verified(path).problems[0]
    asyncio.run(place(path))
    assert archived(path)[0].read_bytes() == before
    entries = [stored.entry() for _, stored in read_log(path)]
    assert [entry.cut for entry in entries if isinstance(entry, Opened)] == [0, 25]
    assert verified(path).is_whole


def test_line_that_was_changed_stays_visible(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"price":"2"', b'"price":"3"'))
    asyncio.run(place(path))
    assert [problem.split(": ", 1)[1] for problem in verified(path).problems] == [
        "entry number 2 was changed: its hash does not fit its content"
    ]


def test_lost_end_of_an_old_log_stays_visible(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    asyncio.run(place(path))
    (problem,) = verified(path).problems
    assert "1 entry is missing before entry number 5" in problem


def test_finished_old_files_do_not_replace_each_other(path: Path) -> None:
    data = path.read_bytes()
    for _ in range(3):  # all in one second
        path.write_bytes(data)
        head_of(path).unlink(missing_ok=True)
        asyncio.run(place(path))
    assert [old.read_bytes() for old in archived(path)] == [data] * 3
