"""`mexc-async guard` with real processes that are killed, stopped or suspended while they trade on the simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mexc_async.cli.guard.watch import HeartbeatWatch, ProcessWatch, started_at
from mexc_async.errors import ConfigError
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.sim.wallet.account_audit import OrderLine
from tests.support.command import COMMAND, invoke

WINDOW_MS = 1000
PROGRAM = """
import asyncio, contextlib, sys
from decimal import Decimal
from mexc_async import Credentials, Mexc, OrderSettings

rest, ws, key, secret, prefix, count, beat = sys.argv[1:]

async def main():
    ours = OrderSettings(id_prefix=prefix)
    settings = dict(rest=rest, ws=ws, orders=ours, recv_window_ms=WINDOW, limits="unlimited")
    async with Mexc(Credentials(key, secret), **settings) as mexc:
        await mexc.load_rules()
        best = await mexc.spot.book_ticker(symbol="XRPUSDT")
        price = mexc.rules("XRPUSDT").price(best.bid_price * Decimal("0.9"))
        beating = mexc.orders.heartbeat(beat, every_s=0.1) if beat else contextlib.nullcontext()
        async with beating:
            for _ in range(int(count)):
                await mexc.orders.limit_buy("XRPUSDT", quantity=Decimal(50), price=price)
            print("placed", flush=True)
            if count == "0":  # one order that stays on its way, when it is told to
                await asyncio.to_thread(sys.stdin.readline)
                await mexc.orders.limit_buy("XRPUSDT", quantity=Decimal(50), price=price)
            await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def sim() -> Iterator[BackgroundSimulator]:
    with BackgroundSimulator(SimConfig(flow=0, limits="none")) as simulator:
        yield simulator


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def client(
    sim: BackgroundSimulator, prefix: str = "bot", count: int = 3, beat: Path | str = "", window_ms: int = WINDOW_MS
) -> Iterator[subprocess.Popen[str]]:
    """Start a process and wait until it has placed its orders."""
    program = textwrap.dedent(PROGRAM).replace("WINDOW", str(window_ms))
    arguments = [sim.rest, sim.spot_ws, sim.api_key, sim.api_secret, prefix, str(count), str(beat)]
    pipe = subprocess.PIPE
    with ended(
        subprocess.Popen([sys.executable, "-c", program, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    ) as it:
        assert it.stdout is not None
        if it.stdout.readline() != "placed\n":
            raise AssertionError(it.communicate(timeout=60))
        yield it


@contextmanager
def guarding(sim: BackgroundSimulator, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a guard and wait until it watches."""
    environment = {**os.environ, "MEXC_API_KEY": sim.api_key, "MEXC_API_SECRET": sim.api_secret}
    window = () if "--recv-window-ms" in arguments else ("--recv-window-ms", str(WINDOW_MS))
    command = [*COMMAND, "guard", "--rest", sim.rest, *window, *arguments]
    pipe = subprocess.PIPE
    with ended(subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "watching" not in line:
            raise AssertionError((line, process.communicate(timeout=60)))
        yield process


def orders(sim: BackgroundSimulator, prefix: str = "bot") -> list[OrderLine]:
    lines = sim.call(lambda simulator: simulator.statement()).orders
    return [line for line in lines if (line.client_id or "").startswith(prefix)]


def statuses(sim: BackgroundSimulator, prefix: str = "bot") -> set[str]:
    return {line.status for line in orders(sim, prefix)}


def until(sim: BackgroundSimulator, is_so: Any, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not sim.call(is_so):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def release(simulator: Simulator) -> None:
    """Let every request that a fault holds back go on."""
    for waiter in simulator._gate._waiting:
        if not waiter.done():
            waiter.set_result(True)


def result(guard: subprocess.Popen[str]) -> tuple[list[str], int]:
    """Return the guard's output after the start of the watch, and its status."""
    out, err = guard.communicate(timeout=60)
    assert err == ""
    return out.splitlines(), guard.returncode


def test_a_killed_clients_orders_are_cancelled_and_nobody_elses(sim: BackgroundSimulator) -> None:
    with (
        client(sim, "other") as other,
        client(sim) as dead,
        guarding(sim, "--pid", str(dead.pid), "--prefix", "bot") as guard,
    ):
        dead.send_signal(signal.SIGKILL)  # not waited for: a zombie counts as ended
        lines, status = result(guard)
        assert status == 0
        assert statuses(sim) == {"CANCELED"}
        assert statuses(sim, "other") == {"NEW"}
        assert other.poll() is None
    assert lines[0] == f"process {dead.pid} has ended: cancelling orders whose id begins with 'bot'"
    assert sorted(line.split()[0] for line in lines[1:-1]) == sorted(str(line.client_id) for line in orders(sim))
    assert all(line.endswith(" XRPUSDT: CANCELED, 0 filled") for line in lines[1:-1])
    assert lines[-1] == "3 orders have ended, none is open and none can be accepted any more"


@pytest.mark.parametrize("is_accepted", [True, False])
def test_an_order_that_was_on_its_way_when_its_client_died_is_cancelled_too(
    sim: BackgroundSimulator, is_accepted: bool
) -> None:
    """Hold an order at the exchange until the guard has looked, or until it is too late to accept it."""
    window_ms, held_ms = (2 * WINDOW_MS, 600_000) if is_accepted else (WINDOW_MS, WINDOW_MS + 500)
    sim.call(lambda simulator: simulator.inject(Fault(kind="hold", on="new_order", delay_ms=held_ms)))
    watched = ("--prefix", "bot", "--recv-window-ms", str(window_ms))
    with client(sim, count=0, window_ms=window_ms) as dead, guarding(sim, "--pid", str(dead.pid), *watched) as guard:
        sim.call(lambda simulator: simulator.inject(Fault(kind="hold", on="open_orders", delay_ms=1)))
        assert dead.stdin is not None
        print("now", file=dead.stdin, flush=True)
        until(sim, lambda simulator: any(count.struck for count in simulator.fault_counts()))
        dead.kill()
        if is_accepted:
            until(sim, lambda simulator: all(count.struck for count in simulator.fault_counts()))
            sim.call(release)
        lines, status = result(guard)
    assert status == 0
    found = [line.status for line in orders(sim)]
    assert found == (["CANCELED"] if is_accepted else [])
    assert lines[-1].startswith(f"{len(found)} orders have ended, none is open")


def test_every_order_of_the_account_may_be_cancelled(sim: BackgroundSimulator) -> None:
    with client(sim, "other"), client(sim) as dead, guarding(sim, "--pid", str(dead.pid), "--all") as guard:
        dead.kill()
        lines, status = result(guard)
        assert status == 0
        assert statuses(sim) == statuses(sim, "other") == {"CANCELED"}
    assert lines[-1].startswith("6 orders have ended")


def test_a_client_that_hangs_is_noticed_by_its_heartbeat(sim: BackgroundSimulator, tmp_path: Path) -> None:
    beat = tmp_path / "bot.beat"
    with (
        client(sim, beat=beat) as hung,
        guarding(sim, "--heartbeat", str(beat), "--max-age", "3", "--prefix", "bot", "--json") as guard,
    ):
        beats = set[int]()
        while len(beats) < 35:  # longer than the maximum age: the guard ignores a client that beats
            beats.add(beat.stat().st_mtime_ns)
            time.sleep(0.01)
        assert statuses(sim) == {"NEW"}
        hung.send_signal(signal.SIGSTOP)
        lines, status = result(guard)
        assert (status, hung.poll()) == (0, None)
        assert statuses(sim) == {"CANCELED"}
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["gone", "ended", "ended", "ended", "done"]
    assert events[0]["reason"].startswith(f"heartbeat {beat} has stopped for ")
    assert {event["client_order_id"] for event in events[1:-1]} == {line.client_id for line in orders(sim)}
    assert (events[-1]["ended"], events[-1]["left"], events[-1]["ok"]) == (3, [], True)


def test_what_fails_is_tried_again(sim: BackgroundSimulator) -> None:
    with client(sim) as dead, guarding(sim, "--pid", str(dead.pid), "--prefix", "bot") as guard:
        faults = (
            Fault(kind="error", on="open_orders", at="read", status=502, times=3),
            Fault(kind="mute", on="cancel_order", times=1),
            Fault(kind="error", on="cancel_order", at="read", status=504, times=2),
        )
        sim.call(lambda simulator: simulator.inject(*faults))
        dead.kill()
        lines, status = result(guard)
    assert (status, statuses(sim)) == (0, {"CANCELED"})
    assert lines[-1].startswith("3 orders have ended")


def test_what_cannot_be_cancelled_shows_in_the_status(sim: BackgroundSimulator) -> None:
    with client(sim) as dead, guarding(sim, "--pid", str(dead.pid), "--prefix", "bot", "--give-up-s", "3.5") as guard:
        sim.call(lambda simulator: simulator.inject(Fault(kind="error", on="DELETE *", at="read", status=503)))
        dead.kill()
        lines, status = result(guard)
    assert (status, statuses(sim)) == (1, {"NEW"})
    assert any(line.startswith("failed, trying again: ") for line in lines)
    assert lines[-1].startswith("gave up after 3.5 s: 3 orders may still be open: bot")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_guard_may_be_told_to_stop(sim: BackgroundSimulator, number: signal.Signals, status: int) -> None:
    with client(sim) as living, guarding(sim, "--pid", str(living.pid), "--prefix", "bot") as guard:
        guard.send_signal(number)
        assert result(guard) == ([], status)
        assert statuses(sim) == {"NEW"}


def test_a_client_that_ends_by_itself_leaves_nothing_either(sim: BackgroundSimulator) -> None:
    with client(sim) as ending, guarding(sim, "--pid", str(ending.pid), "--prefix", "bot") as guard:
        ending.terminate()
        assert ending.wait(10) != 0
        _, status = result(guard)
    assert (status, statuses(sim)) == (0, {"CANCELED"})


def test_a_key_that_does_not_serve_shows_before_there_is_anything_to_cancel(
    sim: BackgroundSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEXC_API_KEY", sim.api_key)
    monkeypatch.setenv("MEXC_API_SECRET", "not-the-secret")
    line = invoke("guard", "--pid", str(os.getppid()), "--prefix", "bot", "--rest", sim.rest).error(1)
    assert line.startswith("error: GET /api/v3/openOrders: ")
    assert "not-the-secret" not in line


HERE = str(os.getppid())
WRONG: list[tuple[list[str], str]] = [
    (["--prefix", "m"], "give one of --pid and --heartbeat; neither given"),
    (["--pid", HERE, "--heartbeat", __file__, "--prefix", "m"], "give one of --pid and --heartbeat; both given"),
    (["--pid", HERE], "give one of --prefix and --all; neither given"),
    (["--pid", HERE, "--prefix", "m", "--all"], "give one of --prefix and --all; both given"),
    (["--pid", HERE, "--prefix", ""], "--prefix '' is empty"),
    (["--pid", HERE, "--prefix", "a b"], "--prefix 'a b' must be 1 to 32 visible ASCII characters"),
    (["--pid", "4194305", "--prefix", "m"], "--pid 4194305: there is no such process"),
    (["--pid", "-1", "--prefix", "m"], "--pid -1 is not the id of another process"),
    (["--heartbeat", "no/such.beat", "--prefix", "m"], "--heartbeat no/such.beat: No such file or directory"),
    (["--heartbeat", "/", "--prefix", "m"], "--heartbeat / is not a file"),
    (["--heartbeat", __file__, "--max-age", "0", "--prefix", "m"], "--max-age 0 must be a number of seconds from 0.1"),
    (["--heartbeat", __file__, "--max-age", "nan", "--prefix", "m"], "--max-age nan must be"),
    (["--pid", HERE, "--prefix", "m", "--recv-window-ms", "60001"], "--recv-window-ms 60001 must be from 1 to 60000"),
    (["--pid", HERE, "--prefix", "m", "--give-up-s", "3"], "--give-up-s 3 must be from 7"),
    (["--pid", HERE, "--prefix", "m", "--rest", "http://example.com"], "rest 'http://example.com' is not encrypted"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=lambda value: " ".join(value)[:40])
def test_wrong_input_is_one_line_and_status_2(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEXC_API_KEY", "mx0notAKey")
    monkeypatch.setenv("MEXC_API_SECRET", "not-a-secret")
    assert words in invoke("guard", *arguments).error()


def test_without_a_key_nothing_is_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEXC_KEYS", str(tmp_path / "keys"))
    monkeypatch.delenv("MEXC_API_KEY", raising=False)
    monkeypatch.delenv("MEXC_API_SECRET", raising=False)
    line = invoke("guard", "--pid", HERE, "--prefix", "m").error()
    assert "no API key: set MEXC_API_KEY and MEXC_API_SECRET" in line


# --- the watched process or file ---


def test_a_process_is_known_by_its_start_and_not_only_by_its_number() -> None:
    starts: list[str | None] = ["100", "100", "101", None]
    watch = ProcessWatch(7, lambda _: starts.pop(0))
    assert watch.gone(0.0) is None
    assert watch.gone(1.0) == "process 7 has ended, and another process has its id now"
    assert watch.gone(2.0) == "process 7 has ended"


def test_when_a_process_was_started_can_be_told_whatever_it_is_called(tmp_path: Path) -> None:
    script = tmp_path / "a) Z (b 1 2 3"
    script.write_text("import time; time.sleep(600)")
    script.with_name("python) Z 9").symlink_to(sys.executable)
    with ended(subprocess.Popen([script.with_name("python) Z 9"), str(script)], text=True)) as process:
        first = started_at(process.pid)
        assert first is not None
        assert first.isdigit()
        assert started_at(process.pid) == first
        process.kill()
        deadline = time.monotonic() + 10
        while started_at(process.pid) is not None:  # a zombie until it is waited for
            assert time.monotonic() < deadline
    assert started_at(process.pid) is None


def test_a_heartbeat_is_judged_by_how_long_it_stays_the_same(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    beat.touch()
    os.utime(beat, (1, 1))  # whatever age its time stamp shows
    watch = HeartbeatWatch(beat, 1.0, 100.0)
    for now_s in (100.4, 100.8, 101.0):
        assert watch.gone(now_s) is None
    os.utime(beat, (2**40, 2**40))  # a changed system clock does not matter
    assert watch.gone(101.2) is None
    for now_s in (101.6, 102.0, 102.2):
        assert watch.gone(now_s) is None
    assert watch.gone(102.3) == f"heartbeat {beat} has stopped for 1.1 s"


def test_a_heartbeat_that_is_taken_away_has_stopped(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    beat.touch()
    watch = HeartbeatWatch(beat, 1.0, 100.0)
    beat.unlink()
    assert [watch.gone(100.0 + step / 4) is None for step in range(6)] == [True] * 5 + [False]


def test_a_guard_that_was_held_up_itself_gives_the_client_time_to_beat(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    beat.touch()
    watch = HeartbeatWatch(beat, 1.0, 100.0)
    assert watch.gone(200.0) is None  # the guard itself was suspended for a hundred seconds
    assert watch.gone(200.4) is None
    assert watch.gone(200.6) is not None


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beat = tmp_path / "beat"
    beat.touch()

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigError, match="beat: Permission denied"):
        HeartbeatWatch(beat, 1.0, 0.0)
