"""Refusals of virtual time: each is one line that names the line of the program, and ends the run."""

# ruff: noqa: ASYNC110, ASYNC221, ASYNC250, ASYNC251

from __future__ import annotations

import _thread
import asyncio
import gc
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mexc_async.call_log.client_log import past_orders
from mexc_async.errors import ConfigError, VirtualTimeError
from mexc_async.runtime import virtual_loop
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual

HERE = Path(__file__).name


def run(main: Callable[[], Coroutine[Any, Any, object]], watchdog_s: float | None = None) -> object:
    return run_virtual(main(), VirtualLoop(1_700_000_000_000, 7), watchdog_s=watchdog_s)


def refused(main: Callable[[], Coroutine[Any, Any, object]], watchdog_s: float | None = None) -> tuple[str, str]:
    """Return the source line that the refusal of a program names, and the refusal."""
    with pytest.raises(VirtualTimeError) as caught:
        run(main, watchdog_s)
    text = str(caught.value)
    assert "\n" not in text
    found = re.match(r"(\S+\.py):(\d+) ", text)
    assert found, text
    assert Path(found[1]).name == HERE
    return Path(__file__).read_text().splitlines()[int(found[2]) - 1].strip(), text


async def sleeps() -> None:
    time.sleep(0.001)


async def starts_thread() -> None:
    threading.Thread(target=print).start()


async def uses_executor() -> None:
    await asyncio.to_thread(print)


async def uses_pool() -> None:
    ThreadPoolExecutor(1).submit(print)


async def opens_socket() -> None:
    socket.socket()


async def connects() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def looks_up() -> None:
    socket.getaddrinfo("localhost", 80)


async def starts_process() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


async def starts_async_process() -> None:
    await asyncio.create_subprocess_exec(sys.executable)


async def handles_signal() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)


async def asks() -> None:
    input()


@pytest.mark.parametrize(
    ("program", "line", "says"),
    [
        (sleeps, "time.sleep(0.001)", "await asyncio.sleep"),
        (starts_thread, "threading.Thread(target=print).start()", "starts a thread"),
        (uses_executor, "await asyncio.to_thread(print)", "starts a thread"),
        (uses_pool, "ThreadPoolExecutor(1).submit(print)", "starts a thread"),
        (opens_socket, "socket.socket()", "no network"),
        (connects, 'await asyncio.open_connection("127.0.0.1", 9)', "no network"),
        (looks_up, 'socket.getaddrinfo("localhost", 80)', "no network"),
        (starts_process, 'subprocess.run([sys.executable, "-c", ""], check=True)', "starts a process"),
        (starts_async_process, "await asyncio.create_subprocess_exec(sys.executable)", "starts a process"),
        (handles_signal, "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)", "CancelledError"),
        (asks, "input()", "keyboard"),
    ],
)
def test_outside_world_is_refused_and_the_line_named(
    program: Callable[[], Coroutine[Any, Any, None]], line: str, says: str
) -> None:
    named, text = refused(program)
    assert named == line
    assert says in text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python leaves half a loop behind
def test_loop_of_real_time_is_refused() -> None:
    async def main() -> None:
        asyncio.new_event_loop()

    assert refused(main)[0] == "asyncio.new_event_loop()"
    gc.collect()


def test_refusal_in_a_function_that_a_task_calls_names_that_function() -> None:
    def deep() -> None:
        time.sleep(5)

    async def worker() -> None:
        await asyncio.sleep(1)
        deep()

    async def main() -> None:
        task = asyncio.create_task(worker())
        await asyncio.sleep(10_000)
        await task

    assert refused(main)[0] == "time.sleep(5)"


def test_work_that_the_sdk_would_do_in_a_thread_is_done_at_once(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"

    async def main() -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            await past_orders(log, "nobody", 1.0)
        log.touch()
        assert list(await past_orders(log, "nobody", 1.0)) == []

    run(main)


def test_refusal_reaches_the_result_even_if_the_program_catches_it() -> None:
    seen = []

    async def main() -> str:
        try:
            time.sleep(5)
        except VirtualTimeError as error:
            seen.append(error)
        return "went well"

    assert refused(main)[0] == "time.sleep(5)"
    assert len(seen) == 1


def test_program_that_goes_on_after_a_refusal_is_ended() -> None:
    loop = VirtualLoop(0, 7)

    async def main() -> None:
        while True:
            try:
                time.sleep(5)
            except VirtualTimeError:
                await asyncio.sleep(1)

    with pytest.raises(VirtualTimeError, match=r"time\.sleep"):
        run_virtual(main(), loop)
    assert loop.clock.wall_ms() == 60_000


def test_clean_up_after_a_refusal_runs_to_its_end() -> None:
    done = []

    async def main() -> None:
        try:
            time.sleep(5)
        finally:
            await asyncio.sleep(10)
            done.append("clean")

    refused(main)
    assert done == ["clean"]


def test_wait_for_what_never_comes_names_the_line_of_main() -> None:
    async def forever(event: asyncio.Event) -> None:
        await event.wait()

    async def main() -> None:
        other = asyncio.create_task(forever(asyncio.Event()))
        await asyncio.sleep(1)
        await asyncio.gather(other)  # main waits here

    line, text = refused(main)
    assert line == "await asyncio.gather(other)  # main waits here"
    assert "waits for something that never comes" in text


def test_wait_without_end_is_found_too() -> None:
    async def main() -> None:
        await asyncio.sleep(float("inf"))

    assert refused(main)[0] == 'await asyncio.sleep(float("inf"))'


def test_clean_up_that_waits_for_ever_too_does_not_hang() -> None:
    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    assert refused(main)[0] == "await asyncio.Event().wait()"
    gc.collect()  # what is left of the program makes no noise


def test_endless_loop_at_one_instant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_loop, "MOST_TURNS", 10_000)

    async def spins() -> None:
        while True:
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.sleep(1)
        task = asyncio.create_task(spins())
        await asyncio.sleep(1)
        task.cancel()

    line, text = refused(main)
    assert line == "await asyncio.sleep(0)"
    assert "10,000 turns" in text


def test_program_that_ignores_its_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_loop, "MOST_TURNS", 10_000)

    async def main() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0.001)

    assert refused(main)[0] == "await asyncio.Event().wait()"


def test_many_turns_are_fine_while_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_loop, "MOST_TURNS", 100)

    async def main() -> str:
        for _ in range(1000):
            await asyncio.sleep(0.001)
            await asyncio.sleep(0)
        return "done"

    assert run(main) == "done"


def test_loop_without_an_await_is_stopped_by_the_watchdog() -> None:
    async def main() -> None:
        while True:
            pass

    line, text = refused(main, watchdog_s=0.2)
    assert line in ("while True:", "pass")
    assert "0.2 s of real time" in text
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_loop_that_catches_everything_is_stopped_by_the_watchdog() -> None:
    async def main() -> None:
        while True:
            try:
                while True:
                    pass
            except Exception:
                continue

    assert "0.2 s of real time" in refused(main, watchdog_s=0.2)[1]


def test_watchdog_lets_a_long_run_be() -> None:
    async def main() -> str:
        end = real + 1.0
        while monotonic() < end:
            await asyncio.sleep(1)
        return "done"

    thread_time = threading.Event()  # another thread reads real time
    clock: list[float] = []

    def tick() -> None:
        while not thread_time.wait(0.01):
            clock.append(time.monotonic())

    def monotonic() -> float:
        return clock[-1]

    thread = threading.Thread(target=tick)
    thread.start()
    while not clock:
        pass
    real = clock[-1]
    try:
        assert run(main, watchdog_s=0.4) == "done"
    finally:
        thread_time.set()
        thread.join()


def test_call_from_another_thread_is_refused_there() -> None:
    loop = VirtualLoop(0, 7)
    go, errors = threading.Event(), []

    def call() -> None:
        go.wait(60)
        try:
            loop.call_soon_threadsafe(print)
        except VirtualTimeError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()

    async def main() -> None:
        go.set()
        thread.join()

    run_virtual(main(), loop)
    assert "another thread" in str(errors[0])


def test_other_threads_and_the_time_after_are_free() -> None:
    go, seen = threading.Event(), list[str]()

    def other() -> None:
        go.wait(60)
        time.sleep(0)
        socket.socket().close()
        _thread.start_new_thread(seen.append, ("thread",))
        inner = threading.Thread(target=seen.append, args=("inner",))
        inner.start()
        inner.join()

    thread = threading.Thread(target=other)
    thread.start()

    async def main() -> None:
        go.set()
        thread.join()

    run(main)
    socket.socket().close()
    time.sleep(0)
    inner = threading.Thread(target=seen.append, args=("after",))
    inner.start()
    inner.join()
    assert {"inner", "after"} <= set(seen)


def test_run_in_a_run_and_in_a_loop_is_refused() -> None:
    async def inner() -> None:
        raise AssertionError("must not run")

    async def main() -> None:
        with pytest.raises(ConfigError, match="outside event loops and runs"):
            run(inner)

    run(main)
    asyncio.run(main())


def test_ctrl_c_cancels_the_program_as_in_real_time() -> None:
    seen = []

    async def main() -> None:
        try:
            while True:
                await asyncio.sleep(1)
                signal.raise_signal(signal.SIGINT)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 130
    assert seen == ["cancelled"]


def test_program_that_catches_sigterm_gives_its_result() -> None:
    async def main() -> str:
        try:
            await asyncio.sleep(1)
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            return "until here"
        return "never"

    assert run(main) == "until here"
