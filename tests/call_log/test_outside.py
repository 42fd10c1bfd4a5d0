"""Outside events on a call log's file: none ends the process, each shows, and the chain goes on."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from mexc_async.call_log import log as call_log
from mexc_async.call_log.entries import AnyEntry, Opened, Sending
from mexc_async.call_log.files import archived, head_of, read_log, verified
from mexc_async.call_log.log import CallLog
from mexc_async.errors import CallLogFailed
from tests.support.call_logs import of_kind
from tests.support.fake_transport import FakeClient, fake_client

D = Decimal


async def buy(at: FakeClient, name: str) -> None:
    await at.view.spot.new_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=D(1), price=D(2), new_client_order_id=name
    )


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grow(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 10_000)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"hello\n")


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"")


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def remove_all(path: Path) -> None:
    path.unlink()
    head_of(path).unlink()


@pytest.mark.parametrize("event", [truncate, halve, grow, append, remove, replace, move, remove_all])
@pytest.mark.parametrize("is_seen", [True, False], ids=["seen before the next order", "seen later"])
async def test_orders_go_on_and_the_log_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: Callable[[Path], None], is_seen: bool
) -> None:
    path = tmp_path / "calls.log"
    async with fake_client(call_log=CallLog(path)) as at:
        log = at.log.log  # type: ignore[union-attr]  # it has one
        await buy(at, "before-1")
        await buy(at, "before-2")
        log.flushed()
        event(path)
        if is_seen:
            monkeypatch.setattr(call_log, "LOOK_MS", 0)
            log.appender.look_at_ms = 0
        await buy(at, "after-1")
        monkeypatch.setattr(call_log, "LOOK_MS", 0)
        log.appender.look_at_ms = 0
        await buy(at, "after-2")
        assert log.failure is None
    orders = [entry.order for entry in readable(path) if isinstance(entry, Sending)]
    assert orders[-1] == "after-2"
    if is_seen or event in (truncate, halve, grow, append):
        assert orders[-2] == "after-1"
    found = verified(path)
    assert found.is_closed
    was_cut = any(entry.cut for entry in readable(path) if isinstance(entry, Opened))
    assert found.problems or found.notes or was_cut
    assert found.last == 11  # the chain counted on


def readable(path: Path) -> list[AnyEntry]:
    return [entry for _, stored in read_log(path) if (entry := stored.entry()) is not None]


async def test_folder_in_the_files_place_refuses_orders_until_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    async with fake_client(call_log=CallLog(path)) as at:
        log = at.log.log  # type: ignore[union-attr]  # it has one
        await buy(at, "before")
        path.unlink()
        path.mkdir()
        log.appender.look_at_ms = 0
        with pytest.raises(CallLogFailed, match="is not a regular file"):
            await buy(at, "refused")
        path.rmdir()
        await buy(at, "after")
    assert [line["order"] for line in of_kind(path, "sending")] == ["after"]


async def test_full_disk_leaves_whole_entries_and_room_lets_the_log_go_on(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with fake_client(call_log=CallLog(path)) as at:
        at.log.log.open()  # type: ignore[union-attr]  # it has one
        sent = refused = 0
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
            while not refused:
                try:
                    await buy(at, f"full-{sent}")
                    sent += 1
                except CallLogFailed:
                    refused += 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.stat().st_size <= 5000
        assert len(at.transport.of("POST /api/v3/order")) == sent
        await buy(at, "room-again")
    names = [line["order"] for line in of_kind(path, "sending")]
    assert names == [*(f"full-{number}" for number in range(sent)), "room-again"]
    assert verified(path).is_whole


PROGRAM = """
import asyncio, sys
from decimal import Decimal
from pathlib import Path
from mexc_async.call_log.log import CallLog
from tests.support.fake_transport import ACK, PLACE, fake_client

async def main():
    async with fake_client(call_log=CallLog(sys.argv[1], max_bytes=20_000, keep=1000)) as at:
        async def answer(sent):
            print(sent.params["newClientOrderId"], flush=True)  # it is on its way
            return ACK
        number = 0
        while True:
            number += 1
            at.transport.on(PLACE, answer)
            await at.view.spot.new_order(
                symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=Decimal(1), price=Decimal(2),
                new_client_order_id=f"killed-{number}",
            )

asyncio.run(main())
"""


@pytest.mark.parametrize("core", ["compiled", "pure"])
def test_every_order_that_was_sent_survives_sigkill(tmp_path: Path, core: str) -> None:
    path, root = tmp_path / "calls.log", Path(__file__).parents[2]
    environment = {**os.environ, "MEXC_ASYNC_PURE": "1" if core == "pure" else ""}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], cwd=root, env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        sent = [process.stdout.readline() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        sent += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    assert archived(path)
    found = verified(path)
    assert found.is_whole
    assert not found.is_closed
    told = [name.strip().decode() for name in sent if name.endswith(b"\n")]
    logged = [line["order"] for line in of_kind(path, "sending")]
    assert logged[: len(told)] == told
    assert len(logged) - len(told) <= 1  # recorded, and killed before it was told


async def test_thousands_of_orders_at_once_are_in_the_file_in_time(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    async with fake_client(call_log=CallLog(path, max_bytes=100_000)) as at:
        await asyncio.gather(*(buy(at, f"many-{number}") for number in range(2000)))
    assert len(archived(path)) > 5
    assert verified(path).is_whole
    assert len(of_kind(path, "sending")) == 2000
