"""`mexc-async calls` end to end: tables, JSON, sums, and a log that was tampered with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mexc_async.call_log.chain import START, ChainLink
from mexc_async.call_log.entries import AnyEntry, Closed, Done, Opened, OrderChanged, Sending, packed
from mexc_async.call_log.records import framed
from mexc_async.orders.snapshot import OrderFacts, RecordedError
from tests.support.call_logs import old_lines
from tests.support.command import COMMAND, invoke

AT = 1_736_118_264_000
"""2025-01-05 23:04:24 UTC."""
HOUR = 3_600_000
PLACE = "POST /api/v3/order"
ENTRIES: list[AnyEntry] = [
    Opened(AT, AT, 1, 17),
    Sending(AT + 10, AT, "m@1", 1, PLACE, {"symbol": "BTCUSDT", "newClientOrderId": "m-1", "type": "LIMIT"}, 99, "m-1"),
    Done(AT + 20, AT, "m@1", PLACE, "ok", 3000, 500, 1, 200, "m-1", "C1"),
    OrderChanged(AT + 20, AT, "m@1", OrderFacts("m-1", "BTCUSDT", "BUY", "LIMIT", order_id="C1", is_placed=True)),
    Sending(AT + 30, AT, "m@1", 2, PLACE, {"symbol": "ETHUSDT", "newClientOrderId": "m-2", "type": "LIMIT"}, 99, "m-2"),
    Done(
        AT + HOUR, AT, "m@1", PLACE, "refused", 4000, 0, 2, 400, "m-2",
        error=RecordedError("InsufficientBalance", "too little", 30004),
    ),
    Closed(AT + HOUR + 1, AT),
]  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log that spans a rotated file and the current one."""
    first, last = framed(START, map(packed, ENTRIES[:4]))
    second, end = framed(last, map(packed, ENTRIES[4:]))
    (tmp_path / "calls-000000000001-20250105T230424Z.log").write_bytes(first)
    path = tmp_path / "calls.log"
    path.write_bytes(second)
    write_head(path, end)
    return path


def write_head(path: Path, last: ChainLink) -> None:
    path.with_name("calls.log.head").write_text(f'{{"seq":{last.seq:>18},"hash":"{last.hash}"}}\n')


def ok(*arguments: str) -> str:
    result = invoke("calls", *arguments)
    assert (result.status, result.err) == (0, ""), result
    return result.out


def picked(*arguments: str) -> list[int]:
    """Return the sequence numbers of the lines printed as JSON."""
    return [json.loads(line)["seq"] for line in ok(*arguments, "--json").splitlines()]


def test_command_is_there() -> None:
    assert invoke("calls", "no/such/file").error() == "error: no/such/file: No such file or directory"


def test_table_shows_every_entry(log: Path) -> None:
    table = ok(str(log))
    assert "2025-01-05 23:04:24.020" in table
    assert "2025-01-06 00:04:24.000" in table
    assert "refused InsufficientBalance 30004" in table
    rows = [row for row in table.splitlines() if "2025-01-" in row]
    assert len(rows) == len(ENTRIES)


def test_json_has_every_entry_with_its_place_in_the_chain(log: Path) -> None:
    told = [json.loads(line) for line in ok(str(log), "--json").splitlines()]
    assert [one["seq"] for one in told] == [1, 2, 3, 4, 5, 6, 7]
    assert [one["prev"] for one in told] == ["0" * 32, *(one["hash"] for one in told[:-1])]
    assert told[1]["params"] == {"symbol": "BTCUSDT", "newClientOrderId": "m-1", "type": "LIMIT"}
    assert told[3]["facts"]["order_id"] == "C1"


def test_old_log_of_json_lines_is_printed_as_it_is(tmp_path: Path) -> None:
    data, _ = old_lines(START, ENTRIES)
    (tmp_path / "old.jsonl").write_bytes(data)
    assert ok(str(tmp_path / "old.jsonl"), "--json").encode() == data
    assert ok(str(tmp_path / "old.jsonl"), "--verify").endswith("7 entries, whole\n")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--endpoint", "new_order"], [2, 3, 5, 6]),
        (["--endpoint", "POST /api/v3/order"], [2, 3, 5, 6]),
        (["--endpoint", "/api/v3/order"], [2, 3, 5, 6]),
        (["--endpoint", "GET /api/v3/never"], []),
        (["--error", "any"], [6]),
        (["--error", "InsufficientBalance"], [6]),
        (["--error", "30004"], [6]),
        (["--error", "unknown"], []),
        (["--symbol", "ETHUSDT"], [5, 6]),
        (["--order-id", "C1"], [2, 3, 4]),
        (["--order-id", "m-1"], [2, 3, 4]),
        (["--kind", "opened", "--kind", "closed"], [1, 7]),
        (["--client", "m@1"], [2, 3, 4, 5, 6]),
        (["--since", "2025-01-06"], [6, 7]),
        (["--since", "2025-01-06T01:00+01:00"], [6, 7]),
        (["--until", "2025-01-05T23:04:24.015"], [1, 2]),
        (["--since", "1s"], []),
        (["--last", "2"], [6, 7]),
    ],
)
def test_filters(log: Path, options: list[str], found: list[int]) -> None:
    assert picked(str(log), *options) == found


def test_folder_stands_for_the_log_in_it(log: Path) -> None:
    assert picked(str(log.parent)) == [1, 2, 3, 4, 5, 6, 7]


def test_finished_file_can_be_looked_at_alone(log: Path) -> None:
    (finished,) = log.parent.glob("calls-*")
    assert picked(str(finished)) == [1, 2, 3, 4]
    assert "4 entries, whole" in ok(str(finished), "--verify")


def test_summary(log: Path) -> None:
    found = json.loads(ok(str(log), "--summary", "--json"))
    (placed,) = found["endpoints"]
    assert (placed["endpoint"], placed["calls"], placed["ok"], placed["refused"]) == (PLACE, 2, 1, 1)
    assert [(one["error"], one["code"], one["count"]) for one in found["errors"]] == [("InsufficientBalance", 30004, 1)]
    assert [(hour["calls"], hour["errors"]) for hour in found["hours"]] == [(1, 0), (1, 1)]
    table = ok(str(log), "--summary")
    for words in ("by endpoint", "by error", "by hour", "InsufficientBalance", "2025-01-06 00:00", "POST /order"):
        assert words in table


def test_whole_log_verifies(log: Path) -> None:
    assert ok(str(log), "--verify") == f"{log}: 7 entries in 2 files, whole\n"
    found = json.loads(ok(str(log), "--verify", "--json"))
    assert (found["is_whole"], found["is_closed"], found["problems"], found["last"]) == (True, True, [], 7)


def without_last(data: bytes) -> bytes:
    return data[: -int.from_bytes(data[-4:], "little")]


def without_first(data: bytes) -> bytes:
    return data[int.from_bytes(data[4:8], "little") :]


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("calls.log", lambda data: data.replace(b"m-2", b"m-9"), "calls.log:1: entry number 5 was changed"),
        ("calls.log", without_first, "calls.log:1: 1 entry is missing before entry number 6"),
        ("calls.log", without_last, "1 entry is missing at the end, after entry number 6"),
        ("calls.log", lambda data: data[:-9], "calls.log:3: the entry is cut short"),
        ("calls.log", lambda data: data + data, "calls.log:4: entry number 5 is out of order"),
        ("calls-000000000001-20250105T230424Z.log", without_last,
         "calls.log:1: 1 entry is missing before entry number 5"),
        ("calls.log.head", lambda data: data.replace(b" 7", b"12"), "5 entries are missing at the end"),
    ],
    ids=["changed", "first removed", "last removed", "cut short", "repeated", "finished file cut", "much removed"],
)  # fmt: skip
def test_broken_log_is_told_by_its_place_and_status_1(log: Path, name: str, change: object, words: str) -> None:
    file = log.with_name(name)
    file.write_bytes(change(file.read_bytes()))  # type: ignore[operator]  # one of the above
    result = invoke("calls", str(log), "--verify")
    assert result.status == 1
    assert words in result.out
    assert "broken in" in result.out
    found = invoke("calls", str(log), "--verify", "--json")
    assert found.status == 1
    assert json.loads(found.out)["is_whole"] is False


def test_verifying_and_summing_up_go_together(log: Path) -> None:
    log.write_bytes(log.read_bytes().replace(b"m-2", b"m-9"))
    result = invoke("calls", str(log), "--verify", "--summary")
    assert result.status == 1
    assert "was changed" in result.out
    assert "by endpoint" in result.out


def test_parts_that_cannot_be_read_are_counted(log: Path) -> None:
    log.write_bytes(log.read_bytes() + b"nonsense\n")
    result = invoke("calls", str(log), "--json")
    assert result.status == 0
    assert len(result.out.splitlines()) == 7
    assert result.err == "1 entries could not be read; --verify gives details\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--endpoint", "nope"], "--endpoint 'nope' is neither an endpoint's name nor a method and a path"),
        (["--error", "NoSuchError"], "--error 'NoSuchError' is no error's class or code"),
        (["--error", "Exception"], "--error 'Exception'"),
        (["--since", "yesterday"], "--since 'yesterday' is not a time"),
        (["--until", "2026-13-01"], "--until '2026-13-01' is not a time"),
        (["--since", "2h", "--until", "3h"], "--since '2h' is not before --until '3h'"),
        (["--symbol", "btcusdt"], "--symbol 'btcusdt' has 'b'"),
        (["--kind", "what"], "--kind 'what' is not one of opened, closed, lost"),
        (["--last", "0"], "--last 0 must be at least 1"),
        (["--verify", "--symbol", "BTCUSDT"], "--verify checks every entry"),
    ],
)
def test_wrong_option_is_one_line_and_status_2(log: Path, options: list[str], words: str) -> None:
    assert words in invoke("calls", str(log), *options).error()


def test_path_that_is_no_log_is_one_line_and_status_2(tmp_path: Path) -> None:
    assert "no/such/file: No such file" in invoke("calls", "no/such/file").error()
    assert "holds no call log" in invoke("calls", str(tmp_path)).error()
    (tmp_path / "diary.txt").write_text("dear diary\n")
    assert "diary.txt is not a call log" in invoke("calls", str(tmp_path / "diary.txt")).error()
    for name in ("a.log", "b.log"):
        (tmp_path / name).touch()
        (tmp_path / f"{name}.head").touch()
    assert "several call logs, name one: a.log, b.log" in invoke("calls", str(tmp_path)).error()


def test_reader_that_has_seen_enough_is_no_error(log: Path) -> None:
    data, _ = framed(START, [packed(Closed(AT, AT))] * 20_000)
    log.write_bytes(data)
    with subprocess.Popen(
        [*COMMAND, "calls", str(log), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0
