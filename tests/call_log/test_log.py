"""The call log at work: the content of the file at each moment, successive files, and a disk that fails."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mexc_async.call_log import log as call_log
from mexc_async.call_log.chain import START
from mexc_async.call_log.client_log import ClientLog
from mexc_async.call_log.entries import Lost, Sending, packed
from mexc_async.call_log.events import CallLogState
from mexc_async.call_log.files import archived, head_of, is_archived, read_log, verified
from mexc_async.call_log.log import CallLog, abandon
from mexc_async.call_log.records import framed
from mexc_async.errors import (
    CallLogFailed,
    ConfigError,
    ConnectionLost,
    MexcError,
    OrderNotFound,
)
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.rest.server_clock import ServerClock
from mexc_async.runtime.clock import SYSTEM
from mexc_async.runtime.hooks import Hooks
from mexc_async.schema.answers import Reply
from mexc_async.spot.trading import NewOrder
from tests.support.call_logs import json_lines, lines, of_kind
from tests.support.fake_transport import (
    ACK,
    CANCEL,
    KEY,
    ORDER,
    PLACE,
    SECRET,
    FakeClient,
    Sent,
    fake_client,
    refusal,
    reply,
)
from tests.support.manual_time import ManualTime

D = Decimal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.log"


async def buy(at: FakeClient, **more: Any) -> Any:
    return await at.view.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=D(1), price=D(2), **more)


def everything(path: Path) -> str:
    """Return the log as JSON and as it is."""
    return b"".join([*json_lines(path), path.read_bytes()]).decode("latin-1")


def cut_off(path: Path, count: int) -> None:
    """Remove the last entries."""
    path.write_bytes(b"".join([stored.raw for _, stored in read_log(path)][:-count]))


class Member:
    """A client of a log, without the rest."""

    def __init__(self) -> None:
        self.told: list[tuple[str | None, int]] = []

    def now_ms(self) -> int:
        return 1_795_647_864_621

    def on_log(self, reason: str | None, lost: int) -> None:
        self.told.append((reason, lost))


def sending(number: int, **params: str) -> Sending:
    return Sending(1, 2, "m@0", number, "POST /api/v3/order", params, 3)


def member_of(log: CallLog) -> Member:
    member = Member()
    log.join(member)
    return member


# What is written, and when


async def test_order_stands_in_the_file_before_it_is_sent(path: Path) -> None:
    seen: list[dict[str, Any]] = []

    async def look(sent: Sent) -> Reply:
        seen.extend(of_kind(path, "sending"))
        assert not of_kind(path, "done")
        return ACK

    async with fake_client(call_log=CallLog(path)) as at:
        at.transport.on(PLACE, look)
        await buy(at, new_client_order_id="mine-1")
        (line,) = seen
        assert line["order"] == "mine-1"
        assert line["endpoint"] == "POST /api/v3/order"
        assert line["params"] == {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "2",
            "newClientOrderId": "mine-1",
        }  # fmt: skip
        assert line["at"] == int(at.transport.of(ORDER)[0].params["timestamp"])
        assert line["until"] == line["at"] + 5000
        assert abs(line["wall"] - time.time() * 1000) < 60_000


async def test_outcome_is_a_second_entry(path: Path) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        await buy(at, new_client_order_id="mine-1")
    first, second = of_kind(path, "sending", "done")
    assert second["call"] == first["call"]
    assert (second["outcome"], second["status"], second["order"]) == ("ok", 200, "mine-1")
    assert second["order_id"] == "C02__1"
    assert second["latency_us"] > 0
    assert second["waited_us"] >= 0
    assert "params" not in second
    assert second["placed"] == {"mine-1": "C02__1"}
    assert not of_kind(path, "order")


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (refusal(30004), "refused", "InsufficientBalance"),
        (reply(b"<html>", 403), "unknown", "ProtocolError"),
        (reply({}, 504), "unknown", "ExchangeUnavailable"),
        (ConnectionLost("gone"), "unknown", "ConnectionLost"),
        (refusal(-1, 429), "refused", "TooManyRequests"),
    ],
)
async def test_failure_of_an_order_says_what_it_means(
    path: Path, answer: Reply | Exception, outcome: str, error: str
) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        at.transport.on(PLACE, answer)
        with pytest.raises(MexcError):
            await at.api.deliver(_order(), Options())
    line = of_kind(path, "done")[0]
    assert (line["outcome"], line["error"]["kind"]) == (outcome, error)


def _order() -> NewOrder:
    return NewOrder(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=D(1), price=D(2), new_client_order_id="mine-1")


async def test_read_has_one_entry_with_its_parameters(path: Path) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        with pytest.raises(OrderNotFound):
            await at.view.spot.query_order(symbol="BTCUSDT", order_id="C9")
    (line,) = of_kind(path, "sending", "done")
    assert (line["kind"], line["outcome"]) == ("done", "refused")
    assert line["params"] == {"symbol": "BTCUSDT", "orderId": "C9"}
    assert line["error"]["code"] == -2013


async def test_public_calls_are_not_logged(path: Path) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        await at.view.spot.server_time()
        at.log.log.open()  # type: ignore[union-attr]  # it has one
    assert [line["kind"] for line in lines(path)] == ["opened", "closed"]


async def test_each_attempt_of_a_call_is_logged(path: Path) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        at.transport.on(PLACE, refusal(700003), ACK)
        await buy(at)
    found = of_kind(path, "sending", "done")
    assert [(line["kind"], line.get("attempt", 1)) for line in found] == [
        ("sending", 1), ("done", 1), ("sending", 2), ("done", 2),
    ]  # fmt: skip
    assert len({line["call"] for line in found}) == 1


async def test_cancelled_caller_leaves_an_unknown_outcome(path: Path) -> None:
    reached = asyncio.Event()

    async def hang(sent: Sent) -> Reply:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with fake_client(call_log=CallLog(path)) as at:
        at.transport.on(PLACE, hang)
        task = asyncio.create_task(buy(at))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert of_kind(path, "done")[0]["outcome"] == "unknown"


async def test_entries_follow_within_moments_without_another_call(path: Path) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        await buy(at)
        async with asyncio.timeout(5):
            while not of_kind(path, "done"):  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.002)
        assert verified(path).is_whole


# Secrets


SECRET_NAMES = ("listenKey", "apiKey", "secretKey", "password", "x-token")
PLAIN_NAMES = ("symbol", "note", "memo", "origClientOrderId")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(SECRET_NAMES), st.sampled_from([SECRET, KEY, "hush-hush"])),
    st.dictionaries(st.sampled_from(PLAIN_NAMES), st.sampled_from([KEY, f"a{KEY}b", "plain", 'é"\\'])),
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.sampled_from([f"bad key {KEY}", f"signature: {'ab' * 32}", "no", '"quoted" \\ text']),
    st.sampled_from([200, 400, 401, 403, 429, 500]),
)
async def test_no_secret_reaches_the_log(
    path: Path, hidden: dict[str, str], plain: dict[str, str], method: str, message: str, status: int
) -> None:
    async with fake_client(call_log=CallLog(path), retry=RetryPolicy(budget_s=0)) as at:
        at.transport.on("/api/v3/x", reply({"code": 1, "msg": message}, status))
        with suppress(MexcError):
            await at.view.request(method, "/api/v3/x", {**hidden, **plain}, signed=True)
        signature = at.transport.of("/api/v3/x")[0].params["signature"]
    text = everything(path)
    for secret in (KEY, SECRET, signature, "ab" * 32, "hush-hush"):
        assert secret not in text
    assert verified(path).is_whole


async def test_listen_key_is_masked(path: Path) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        at.transport.on("/api/v3/userDataStream", reply({"listenKey": "hush-hush"}))
        await at.view.spot.create_listen_key()
        await at.view.spot.keepalive_listen_key(listen_key="hush-hush")
    assert len(of_kind(path, "done")) == 2
    assert "hush-hush" not in "".join(map(str, lines(path)))


# Files


def test_files_belong_to_their_owner_alone(path: Path) -> None:
    path.touch(0o644)
    log = CallLog(path)
    member_of(log)
    log.open()
    for file in (path, head_of(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_files_follow_each_other_by_size_and_the_chain_goes_on(path: Path) -> None:
    log = CallLog(path, max_bytes=2000, keep=100)
    member = member_of(log)
    for number in range(1, 100):
        log.write_ahead(sending(number), may_refuse=True)
    log.leave(member)
    finished = archived(path)
    assert len(finished) > 5
    assert sorted(file.name for file in finished) == [file.name for file in finished]
    assert all(is_archived(file) and stat.S_IMODE(file.stat().st_mode) == 0o600 for file in finished)
    assert all(2000 <= file.stat().st_size < 2300 for file in finished)
    found = verified(path)
    assert (found.is_whole, found.entries, found.files) == (True, 101, len(finished) + 1)
    assert [line["call"] for line in of_kind(path, "sending")] == list(range(1, 100))


async def test_files_follow_each_other_by_age(path: Path) -> None:
    time = ManualTime()
    log = CallLog(path, max_age_s=3600, clock=time.clock)
    member = member_of(log)
    log.write_ahead(sending(1), may_refuse=True)
    time.now += 3_700
    log.write_ahead(sending(2), may_refuse=True)
    log.leave(member)
    assert len(archived(path)) == 1
    assert verified(path).is_whole


async def test_old_files_are_removed_and_the_rest_still_verifies(path: Path) -> None:
    log = CallLog(path, max_bytes=1024, keep=2)
    member = member_of(log)
    for number in range(50):
        log.write_ahead(sending(number), may_refuse=True)
    log.leave(member)
    assert len(archived(path)) == 2
    found = verified(path)
    assert found.is_whole
    assert found.first is not None
    assert found.first > 1
    assert "the files before it were removed" in found.notes[-1]


async def test_chain_goes_on_after_a_restart(path: Path) -> None:
    for number in (1, 2, 3):
        log = CallLog(path)
        member = member_of(log)
        log.write_ahead(sending(number), may_refuse=True)
        log.leave(member)
    found = verified(path)
    assert (found.is_whole, found.is_closed, found.entries) == (True, True, 9)


async def test_chain_goes_on_when_the_end_was_a_rotation(path: Path) -> None:
    log = CallLog(path, max_bytes=1024)
    member = member_of(log)
    for number in range(20):
        log.write_ahead(sending(number), may_refuse=True)
    log.leave(member)
    os.rename(path, path.with_name("calls-000000000999-20261125T000000Z.log"))  # killed between rename and creation
    assert verified(path).is_whole
    assert [line["call"] for line in of_kind(path, "sending")] == list(range(20))
    log = CallLog(path)
    member = member_of(log)
    log.open()
    log.leave(member)
    assert verified(path).is_whole


def contents(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), head_of(path).read_bytes()


async def test_abandoned_log_is_released_as_it_is(path: Path) -> None:
    """As a killed process leaves it: what was buffered is lost, nothing says that it was closed."""
    log = CallLog(path)
    member = member_of(log)
    log.write_ahead(sending(1), may_refuse=True)
    before = contents(path)
    log.add(sending(2))
    assert verified(path).is_being_written
    abandon(log)
    abandon(log)
    log.leave(member)
    assert contents(path) == before
    found = verified(path)
    assert (found.is_whole, found.is_closed, found.is_being_written) == (True, False, False)
    successor = CallLog(path)
    other = member_of(successor)
    successor.write_ahead(sending(3), may_refuse=True)
    successor.leave(other)
    assert verified(path).is_whole
    assert [line["call"] for line in of_kind(path, "sending")] == [1, 3]


def test_log_has_one_writer(path: Path) -> None:
    first, second = CallLog(path), CallLog(path)
    member, other = member_of(first), member_of(second)
    first.open()
    second.open()
    assert other.told == [
        (f"{path} is written by this process: share one CallLog between clients; a log has one writer", 0)
    ]
    first.leave(member)
    second.open()
    assert second.failure is None
    second.leave(other)


def test_log_of_another_process_is_left_alone(path: Path) -> None:
    code = (
        "import sys; from mexc_async.call_log.writer import LogWriter; from pathlib import Path\n"
        "from mexc_async.call_log.appender import Appender; from mexc_async.runtime.clock import SYSTEM\n"
        "w = LogWriter(Path(sys.argv[1]), 1, False, SYSTEM, Appender()); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        log = CallLog(path)
        member = member_of(log)
        log.open()
        assert f"is written by process {process.pid}" in str(member.told[0][0])
        process.stdin.close()
    log.open()
    assert log.failure is None
    log.leave(member)


async def test_clients_of_one_process_share_a_log(path: Path) -> None:
    log = CallLog(path)
    async with fake_client(call_log=log, prefix="a") as one, fake_client(call_log=log, prefix="b") as other:
        await asyncio.gather(buy(one), buy(other), buy(one))
    assert verified(path).is_closed
    clients = [line["client"] for line in of_kind(path, "sending")]
    assert sorted(name[:2] for name in clients) == ["a@", "a@", "b@"]
    assert len(of_kind(path, "opened")) == len(of_kind(path, "closed")) == 1


@pytest.mark.parametrize("rest", [framed(START, [b"half"])[0][:-1], b"\xc1", b"\0" * 5000])
async def test_entry_that_a_power_failure_cut_short_is_taken_away(path: Path, rest: bytes) -> None:
    log = CallLog(path)
    member = member_of(log)
    log.write_ahead(sending(1), may_refuse=True)
    log.leave(member)
    with path.open("ab") as file:
        file.write(rest)
    assert not verified(path).is_whole
    log = CallLog(path)
    member = member_of(log)
    log.open()
    log.leave(member)
    assert verified(path).is_whole
    assert of_kind(path, "opened")[1]["cut"] == len(rest)


async def test_lost_end_stays_visible_after_the_log_goes_on(path: Path) -> None:
    log = CallLog(path)
    member = member_of(log)
    for number in range(5):
        log.write_ahead(sending(number), may_refuse=True)
    log.leave(member)
    cut_off(path, 3)
    assert verified(path).problems == ["calls.log: 3 entries are missing at the end, after entry number 4"]
    log = CallLog(path)
    member = member_of(log)
    log.open()
    log.leave(member)
    assert verified(path).problems == ["calls.log:5: 3 entries are missing before entry number 8"]


async def test_last_entry_that_was_forged_stays_visible_after_the_log_goes_on(path: Path) -> None:
    log = CallLog(path)
    member = member_of(log)
    log.write_ahead(sending(1), may_refuse=True)
    log.leave(member)
    forge_last(path)
    assert "not the one that was written" in verified(path).problems[0]
    log = CallLog(path)
    member = member_of(log)
    log.open()
    log.leave(member)
    (problem,) = verified(path).problems
    assert "entry number 4 does not follow the entry before it" in problem


def forge_last(path: Path) -> None:
    """Put another entry in place of the last, with a valid hash."""
    kept = [stored for _, stored in read_log(path)][:-1]
    assert kept[-1].link is not None
    forged, _ = framed(kept[-1].link, [packed(Lost(1, 2, 3))])
    path.write_bytes(b"".join([*(stored.raw for stored in kept), forged]))


async def test_file_whose_first_entry_was_spoiled_is_rotated_all_the_same(path: Path) -> None:
    log = CallLog(path, max_bytes=1024)
    member = member_of(log)
    for number in range(3):
        log.write_ahead(sending(number), may_refuse=True)
    log.leave(member)
    count = len(archived(path))
    spoil_first(path)
    log = CallLog(path, max_bytes=1024)
    member = member_of(log)
    for number in range(9):
        log.write_ahead(sending(number), may_refuse=True)
    log.leave(member)
    assert len(archived(path)) > count
    assert len({file.name[:18] for file in archived(path)}) == len(archived(path))
    assert "bytes are no entry of a call log" in verified(path).problems[0]


def spoil_first(path: Path) -> None:
    path.write_bytes(b"X" + path.read_bytes()[1:])


@pytest.mark.parametrize("content", [b"diary\n", b"diary", b'{"a": 1}\n', b"\x00" * 5])
def test_file_that_is_no_call_log_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    log = CallLog(path)
    member = member_of(log)
    log.open()
    log.leave(member)
    assert "is not a call log" in str(member.told[0][0])
    assert path.read_bytes() == content


async def test_file_that_is_taken_away_is_begun_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log, "LOOK_MS", 0)
    log = CallLog(path)
    member = member_of(log)
    log.write_ahead(sending(1), may_refuse=True)
    os.unlink(path)
    log.write_ahead(sending(2), may_refuse=True)
    log.leave(member)
    assert [line["call"] for line in of_kind(path, "sending")] == [2]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the descriptors that were forced to the disk."""
    found: list[int] = []
    monkeypatch.setattr(os, "fdatasync", found.append)
    return found


async def test_always_waits_for_the_disk_before_an_order_is_sent(path: Path, synced: list[int]) -> None:
    seen: list[int] = []

    async def look(sent: Sent) -> Reply:
        seen.append(len(synced))
        return ACK

    async with fake_client(call_log=CallLog(path, sync="always")) as at:
        at.transport.on(PLACE, look)
        await buy(at)
        await buy(at)
    assert 0 < seen[0] < seen[1]


async def test_interval_asks_for_the_disk_soon(path: Path, synced: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log, "SYNC_S", 0.001)
    async with fake_client(call_log=CallLog(path, sync="interval")) as at:
        await buy(at)
        async with asyncio.timeout(5):
            while not synced:  # noqa: ASYNC110 - a disk has no event
                await asyncio.sleep(0.002)
    assert verified(path).is_whole


async def test_os_leaves_the_disk_to_the_system(path: Path, synced: list[int]) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        await buy(at)
    assert not synced


async def test_disk_that_refuses_to_sync_refuses_orders(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_client(call_log=CallLog(path, sync="always")) as at:
        await buy(at, new_client_order_id="mine-1")
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", _broken)
            with pytest.raises(CallLogFailed, match="Input/output error"):
                await buy(at, new_client_order_id="mine-2")
        assert len(at.transport.of(PLACE)) == 1
        await buy(at, new_client_order_id="mine-3")
    assert [line["order"] for line in of_kind(path, "sending")] == ["mine-1", "mine-3"]
    assert verified(path).is_whole


def _broken(fd: int) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"on_failure": "ignore"}, "on_failure 'ignore'"),
        ({"max_bytes": 10}, "max_bytes 10"),
        ({"max_bytes": 1e6}, "max_bytes 1000000.0"),
        ({"keep": 0}, "keep 0"),
        ({"max_age_s": 0}, "max_age_s 0"),
        ({"max_age_s": float("nan")}, "max_age_s nan"),
        ({"sync": "never"}, "sync 'never'"),
    ],
)
def test_wrong_setting_is_named(path: Path, settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        CallLog(path, **settings)


# A disk that fails


class Disk:
    """Disk that takes no more than `takes` bytes into the log's file while `is_full`: the system refuses the rest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.takes = 0

    @property
    def is_full(self) -> bool:
        return resource.getrlimit(resource.RLIMIT_FSIZE) != self._limits

    @is_full.setter
    def is_full(self, value: bool) -> None:
        size = self._path.stat().st_size if self._path.exists() else 0
        now = (size + self.takes, self._limits[1]) if value else self._limits
        resource.setrlimit(resource.RLIMIT_FSIZE, now)


@pytest.fixture
def disk(path: Path) -> Iterator[Disk]:
    disk = Disk(path)
    yield disk
    disk.is_full = False


@pytest.mark.parametrize("takes", [0, 40])
async def test_order_is_refused_before_it_is_sent_when_the_disk_is_full(path: Path, disk: Disk, takes: int) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        await buy(at, new_client_order_id="mine-1")
        at.log.log.flushed()  # type: ignore[union-attr]  # it has one
        disk.takes, disk.is_full = takes, True
        with pytest.raises(CallLogFailed, match=r"cannot be written.*nothing was sent") as caught:
            await buy(at, new_client_order_id="mine-2")
        assert caught.value.outcome_known
        assert len(at.transport.of(PLACE)) == 1
        record = at.execution.tracker.table.find(None, "mine-2")
        assert record is not None
        assert record.state == "NOT_PLACED"
        disk.is_full = False
        await buy(at, new_client_order_id="mine-2")  # it was never sent, so its id is free
        told = [event for event in at.events if isinstance(event, CallLogState)]
        assert [event.is_written for event in told] == [False, True]
        assert told[0].reason
    assert verified(path).is_whole
    assert [line["order"] for line in of_kind(path, "sending")] == ["mine-1", "mine-2"]


async def test_cancels_and_reads_go_on_when_the_disk_is_full(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled = {"symbol": "BTCUSDT", "orderId": "C02__1", "executedQty": "0", "status": "CANCELED"}
    async with fake_client(call_log=CallLog(path)) as at:
        await buy(at, new_client_order_id="mine-1")
        at.transport.on(CANCEL, reply(cancelled))
        disk.is_full = True
        with caplog.at_level(logging.WARNING, "mexc_async"):
            await at.view.spot.cancel_order(symbol="BTCUSDT", orig_client_order_id="mine-1")
            with pytest.raises(OrderNotFound):
                await at.view.spot.query_order(symbol="BTCUSDT", order_id="C9")
        assert "cannot be written" in caplog.text
        disk.is_full = False
        await buy(at, new_client_order_id="mine-2")
    assert verified(path).is_whole
    ends = [(line["endpoint"].split(" ")[0], line["outcome"]) for line in of_kind(path, "done")]
    assert ends == [("POST", "ok"), ("DELETE", "ok"), ("GET", "refused"), ("POST", "ok")]


async def test_user_may_choose_to_go_on_without_a_log(path: Path, disk: Disk) -> None:
    async with fake_client(call_log=CallLog(path, on_failure="warn")) as at:
        disk.is_full = True
        await buy(at, new_client_order_id="mine-1")
        disk.is_full = False
        await buy(at, new_client_order_id="mine-2")
        assert [event.is_written for event in at.events if isinstance(event, CallLogState)] == [False, True]
    assert [line["order"] for line in of_kind(path, "sending")] == ["mine-1", "mine-2"]
    assert verified(path).is_whole


async def test_what_is_too_much_to_keep_is_counted(path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log, "MOST_WAITING", 3)
    log = CallLog(path, on_failure="warn")
    member = member_of(log)
    disk.is_full = True
    for number in range(1, 8):
        log.write_ahead(sending(number), may_refuse=True)
    disk.is_full = False
    log.write_ahead(sending(8), may_refuse=True)
    log.leave(member)
    assert member.told[-1] == (None, 4)
    told = [stored.entry() for _, stored in read_log(path)]
    assert [entry.count for entry in told if isinstance(entry, Lost)] == [4]
    assert [entry.call for entry in told if isinstance(entry, Sending)] == [5, 6, 7, 8]
    assert verified(path).is_whole


async def test_failed_log_is_tried_again_without_a_call(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "RETRY_S", 0.001)
    log = CallLog(path)
    member = member_of(log)
    disk.is_full = True
    log.add(sending(1))
    async with asyncio.timeout(5):
        while not member.told:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.001)
        disk.is_full = False
        while member.told[-1][0] is not None:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.001)
    log.leave(member)
    assert len(of_kind(path, "sending")) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder / "no" / "such" / "folder" / "calls.log",
        lambda folder: folder,
        lambda folder: Path("/dev/full"),
        lambda folder: _linked(folder),
    ],
    ids=["no folder", "a folder", "a device", "a link"],
)
async def test_log_that_cannot_be_opened_refuses_orders(tmp_path: Path, spoil: Callable[[Path], Path]) -> None:
    async with fake_client(call_log=CallLog(spoil(tmp_path))) as at:
        with pytest.raises(CallLogFailed, match="cannot be written"):
            await buy(at)
        assert not at.transport.of(PLACE)
        await at.view.spot.server_time()


def _linked(folder: Path) -> Path:
    link = folder / "link.log"
    link.symlink_to(folder / "elsewhere.log")
    return link


async def test_batch_is_refused_whole(path: Path, disk: Disk) -> None:
    async with fake_client(call_log=CallLog(path)) as at:
        at.log.log.open()  # type: ignore[union-attr]  # it has one
        disk.is_full = True
        with pytest.raises(CallLogFailed):
            await at.view.spot.batch_orders(orders=[_order()])
        assert not at.transport.sent or not at.transport.of("/api/v3/batchOrders")
        record = at.execution.tracker.table.find(None, "mine-1")
        assert record is not None
        assert record.state == "NOT_PLACED"


def test_entry_names_the_client_the_same_after_a_restart(path: Path) -> None:
    names = set()
    for key, prefix in ((KEY, "a"), (KEY, "a"), (KEY, "b"), ("mx0another", "a")):
        client_log = ClientLog(CallLog(path), Credentials(key, SECRET), prefix, ServerClock(SYSTEM), Hooks())
        names.add(client_log.client)
        client_log.close()
    assert len(names) == 3
    assert not any(KEY in name for name in names)
