"""The simulated exchange as a child process: it serves, it ends with its owner, and it reports why it cannot start."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from mexc_async.client import sim_process as simulator_module
from mexc_async.client.sim_process import SimulatorProcess
from mexc_async.errors import ConfigError


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(simulator: SimulatorProcess) -> int:
    assert simulator._process is not None
    return simulator._process.pid


async def test_it_serves_until_it_is_stopped() -> None:
    simulator = SimulatorProcess("--seed", "3")
    await simulator.start()
    url = simulator.rest
    pid = pid_of(simulator)
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v3/ping") as response:
            assert response.status == 200
    finally:
        await simulator.stop()
    assert not is_alive(pid)
    await simulator.stop()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/api/v3/ping")


async def test_each_has_a_login_of_its_own() -> None:
    one, other = SimulatorProcess(), SimulatorProcess()
    assert one.credentials.api_key != other.credentials.api_key
    await one.stop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limits", "some"], "limits 'some' is none of default, guide, none"),
        (["--tape", "no/such/tape.jsonl"], "no/such/tape.jsonl"),
    ],
)
async def test_a_child_that_does_not_start_is_quoted(arguments: list[str], words: str) -> None:
    simulator = SimulatorProcess(*arguments)
    with pytest.raises(ConfigError, match="did not start") as caught:
        await simulator.start()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert simulator._process is None


Child = Callable[[str], None]


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Child:
    """Write a program that is started in place of the simulator."""
    program = tmp_path / "child"
    monkeypatch.setattr("mexc_async.client.sim_process.sys", SimpleNamespace(executable=str(program)))

    def write(code: str) -> None:
        program.write_text(f"#!{sys.executable}\nimport signal, sys, time\n{code}\n")
        program.chmod(0o755)

    return write


SLEEP = "time.sleep(600)"
READY = """print('{"rest":"http://127.0.0.1:1","spot_ws":"ws://127.0.0.1:1/ws"}', flush=True)"""


async def test_a_child_that_says_nothing_is_given_up(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator_module, "START_S", 0.2)
    child(SLEEP)
    simulator = SimulatorProcess()
    with pytest.raises(ConfigError, match=r"did not start within 0\.2 s"):
        await simulator.start()
    assert simulator._process is None


async def test_a_child_that_ends_without_a_word(child: Child) -> None:
    child("")
    with pytest.raises(ConfigError, match="no message"):
        await SimulatorProcess().start()


async def test_a_child_that_says_something_else(child: Child) -> None:
    child(f"print('hello', flush=True)\n{SLEEP}")
    simulator = SimulatorProcess()
    with pytest.raises(ConfigError, match="hello"):
        await simulator.start()
    assert simulator._process is None


async def test_a_start_that_is_cancelled_leaves_no_child(child: Child) -> None:
    child(SLEEP)
    simulator = SimulatorProcess()
    starting = asyncio.create_task(simulator.start())
    async with asyncio.timeout(5):
        while simulator._process is None:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    pid = pid_of(simulator)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_alive(pid)


async def test_a_start_that_is_stopped_from_elsewhere_ends(child: Child) -> None:
    child(SLEEP)
    simulator = SimulatorProcess()
    starting = asyncio.create_task(simulator.start())
    async with asyncio.timeout(5):
        while simulator._process is None:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    pid = pid_of(simulator)
    async with asyncio.timeout(5):
        await simulator.stop()
        with pytest.raises(ConfigError):
            await starting
    assert not is_alive(pid)


async def test_a_child_that_does_not_listen_is_killed(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator_module, "STOP_S", 0.2)
    child(f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{READY}\n{SLEEP}")
    simulator = SimulatorProcess()
    assert (simulator.rest, simulator.ws) == ("http://127.0.0.1", "ws://127.0.0.1/ws")
    await simulator.start()
    assert (simulator.rest, simulator.ws) == ("http://127.0.0.1:1", "ws://127.0.0.1:1/ws")
    pid = pid_of(simulator)
    await simulator.stop()
    assert not is_alive(pid)


async def test_a_child_that_ended_by_itself_is_stopped_without_fuss(child: Child) -> None:
    child(READY)
    simulator = SimulatorProcess()
    await simulator.start()
    assert simulator._process is not None
    await simulator._process.wait()
    await simulator.stop()


async def test_a_child_that_writes_much_is_not_held_up(child: Child, tmp_path: Path) -> None:
    """Let a full pipe not stop the child, whose output is not read once it serves."""
    done = tmp_path / "done"
    child(f"{READY}\nsys.stderr.write('x' * 4_000_000)\nopen({str(done)!r}, 'w').close()\n{SLEEP}")
    simulator = SimulatorProcess()
    await simulator.start()
    try:
        async with asyncio.timeout(30):
            while not done.exists():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
    finally:
        await simulator.stop()
