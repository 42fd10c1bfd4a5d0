"""Programs on loops of their own in one virtual time: the order of all, and each way to end."""

# ruff: noqa: ASYNC110, ASYNC251

from __future__ import annotations

import asyncio
import gc
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mexc_async.errors import ConfigError, VirtualTimeError
from mexc_async.runtime import virtual_loop
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_process import ProcessKilled, VirtualProcess
from mexc_async.runtime.virtual_run import run_virtual

T = TypeVar("T")
START_MS = 1_700_000_000_000


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], watchdog_s: float | None = None) -> T:
    loop = VirtualLoop(START_MS, 7)
    return run_virtual(main(loop), loop, watchdog_s=watchdog_s)


def refused(main: Callable[[VirtualLoop], Coroutine[Any, Any, object]], watchdog_s: float | None = None) -> str:
    """Return the source line that the refusal of a run names."""
    with pytest.raises(VirtualTimeError) as caught:
        run(main, watchdog_s)
    found = re.match(r"(\S+\.py):(\d+) ", str(caught.value))
    assert found, str(caught.value)
    assert Path(found[1]).name == Path(__file__).name
    return Path(__file__).read_text().splitlines()[int(found[2]) - 1].strip()


def started(loop: VirtualLoop, main: Callable[[], Coroutine[Any, Any, T]], seed: int = 1) -> VirtualProcess[T]:
    process = VirtualProcess(loop, main, seed)
    process.start()
    return process


# Order


def test_loops_share_one_order_of_callbacks_and_timers() -> None:
    def traced(loops: int) -> list[tuple[float, str]]:
        trace: list[tuple[float, str]] = []

        async def talk(loop: VirtualLoop, name: int, said: list[asyncio.Future[int]]) -> None:
            for turn in range(20):
                await asyncio.sleep((name * turn % 3) / 1000)
                trace.append((loop.time(), f"{name}: {turn}"))
                reply = asyncio.get_running_loop().create_future()
                said.append(reply)
                for other in said[:-1]:
                    if not other.done():
                        other.set_result(name)
                if turn % 4 == 0:
                    with suppress(TimeoutError):
                        trace.append((loop.time(), f"{name} hears {await asyncio.wait_for(reply, 0.002)}"))

        async def main(loop: VirtualLoop) -> None:
            own = [loop, *(loop.sibling(number) for number in range(loops - 1))]
            said: list[asyncio.Future[int]] = []
            tasks = [own[name % loops].create_task(talk(loop, name, said)) for name in range(6)]
            await asyncio.sleep(1)
            assert all(task.done() and not task.exception() for task in tasks)

        run(main)
        return trace

    alone = traced(1)
    assert len(alone) > 120
    assert traced(2) == traced(3) == alone


def test_each_callback_runs_in_its_own_loop() -> None:
    async def main(loop: VirtualLoop) -> None:
        async def look(own: VirtualLoop) -> None:
            for _ in range(3):
                assert asyncio.get_running_loop() is own
                assert asyncio.current_task() in asyncio.all_tasks() == asyncio.all_tasks(own)
                assert own.is_running()
                await asyncio.create_task(asyncio.sleep(0.001))
                async with asyncio.timeout(1):
                    await asyncio.sleep(0)

        siblings = loop.sibling(1), loop.sibling(2)
        tasks = [own.create_task(look(own)) for own in siblings]
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(1)
        assert [task.exception() for task in tasks] == [None, None]
        assert asyncio.get_running_loop() is loop

    run(main)


def test_loops_share_the_time_and_draw_from_seeds_of_their_own() -> None:
    async def main(loop: VirtualLoop) -> tuple[str, str]:
        one, two = loop.sibling(1), loop.sibling(2)
        await asyncio.sleep(5)
        assert one.time() == two.clock.monotonic() == loop.time()
        assert one.clock.wall_ms() == START_MS + 5000
        return one.clock.token(9), two.clock.token(9)

    first, second = run(main)
    assert (first, second) == run(main)
    assert first != second


def test_generator_that_nobody_holds_is_closed_in_its_own_loop() -> None:
    closed: list[asyncio.AbstractEventLoop] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(asyncio.get_running_loop())

    async def main(loop: VirtualLoop) -> None:
        async def take_one() -> None:
            async for _ in numbers():
                break
            gc.collect()
            await asyncio.sleep(1)

        process = started(loop, take_one)
        await process.ended
        assert closed[:] == [process.loop]

    run(main)


# Ends


def test_process_ends_with_its_result_or_its_error() -> None:
    async def main(loop: VirtualLoop) -> None:
        async def good() -> int:
            await asyncio.sleep(1)
            return 7

        async def bad() -> None:
            await asyncio.sleep(2)
            raise KeyError("x")

        first, second = started(loop, good), started(loop, bad)
        assert first.is_alive
        assert await first.ended == 7
        with pytest.raises(KeyError, match="x"):
            await second.ended
        assert loop.clock.wall_ms() == START_MS + 2000
        assert [each.is_alive for each in (first, second)] == [False, False]
        first.kill()
        first.freeze(1)
        first.interrupt()
        with pytest.raises(ConfigError, match="once"):
            first.start()

    run(main)


def test_killed_process_runs_nothing_more() -> None:
    ran: list[str] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(5, ran.append, "timer")
        other = asyncio.create_task(wait("other task"))
        other.add_done_callback(lambda _: ran.append("callback"))
        await wait("main")

    async def wait(name: str) -> None:
        try:
            await asyncio.sleep(3)
            ran.append(name)
        except BaseException:
            ran.append(f"{name}: except")
            raise
        finally:
            ran.append(f"{name}: finally")

    async def main(loop: VirtualLoop) -> None:
        process = started(loop, work)
        await asyncio.sleep(2)
        process.loop.call_soon(ran.append, "ready")
        process.kill()
        with pytest.raises(ProcessKilled):
            await process.ended
        gc.collect()
        await asyncio.sleep(100)
        process.loop.call_soon(ran.append, "later")
        await asyncio.sleep(100)
        assert ran == []

    run(main)


def test_buried_process_is_gone_without_output_and_without_effect_on_files(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    reached: list[str] = []

    class Large:
        def __del__(self) -> None:
            reached.append("freed")
            raise ValueError("nobody sees this")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            reached.append("generator")

    async def work() -> None:
        large = Large()
        async for _ in numbers():
            try:
                await asyncio.gather(*(asyncio.create_task(wait()) for _ in range(3)))
            finally:
                print("finally", large)
                logging.getLogger("strategy").error("finally")
                asyncio.create_task(wait())  # noqa: RUF006 - nobody waits
                asyncio.get_running_loop().call_later(1, reached.append, "timer")
                for change in changes():
                    with suppress(OSError):
                        change()
                        reached.append("changed a file")
                await asyncio.sleep(1)

    def changes() -> Iterator[Callable[[], object]]:
        yield lambda: kept.write_text("other")
        yield lambda: (tmp_path / "new").touch()
        yield kept.unlink
        yield lambda: kept.rename(tmp_path / "renamed")
        yield (tmp_path / "folder").mkdir

    async def wait() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)

    async def main(loop: VirtualLoop) -> None:
        process = started(loop, work)
        await asyncio.sleep(2)
        process.kill()
        assert reached == []
        process.bury()
        assert reached == ["freed"]
        await asyncio.sleep(100)
        process.bury()
        kept.write_text(kept.read_text() + "!")

    run(main)
    gc.collect()
    assert reached == ["freed"]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.read_text() == "as it was!"
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    logging.getLogger("strategy").error("heard again")
    assert len(caplog.records) == 1


def test_run_that_ends_before_a_process_drops_it(capfd: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            print("finally")

    async def main(loop: VirtualLoop) -> str:
        started(loop, work)
        VirtualProcess(loop, work, 2)
        started(loop, work).kill()
        await asyncio.sleep(1)
        return "done"

    assert run(main) == "done"
    gc.collect()
    assert capfd.readouterr() == ("", "")


def test_process_may_be_killed_before_its_first_step() -> None:
    async def main(loop: VirtualLoop) -> None:
        process = started(loop, lambda: asyncio.sleep(1))
        process.kill()
        await asyncio.sleep(5)
        process.bury()
        VirtualProcess(loop, lambda: asyncio.sleep(1), 2).bury()

    run(main)
    gc.collect()


def test_frozen_process_stands_still_and_then_does_what_came_due() -> None:
    heard: list[tuple[int, str]] = []

    async def main(loop: VirtualLoop) -> None:
        def hear(what: str) -> None:
            heard.append((loop.clock.wall_ms() - START_MS, what))

        async def work() -> None:
            own = asyncio.get_running_loop()
            for second in range(1, 8):
                own.call_later(second, hear, f"timer {second}")
            await asyncio.sleep(6.5)

        process = started(loop, work)
        await asyncio.sleep(2.5)
        process.freeze(1)
        process.freeze(3)
        process.freeze(2)
        process.loop.call_soon(hear, "called")
        await process.ended

    run(main)
    late = ["called", "timer 3", "timer 4", "timer 5"]
    assert heard == [(1000, "timer 1"), (2000, "timer 2"), *((5500, each) for each in late), (6000, "timer 6")]


def test_frozen_process_can_be_killed() -> None:
    async def main(loop: VirtualLoop) -> None:
        process = started(loop, lambda: asyncio.sleep(2))
        await asyncio.sleep(1)
        process.freeze(3)
        process.kill()
        await asyncio.sleep(100)
        assert isinstance(process.ended.exception(), ProcessKilled)

    run(main)


def test_interrupted_process_cleans_up_and_ends() -> None:
    ended: list[str] = []

    async def stubborn() -> str:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            return "caught it"
        return "never"

    async def usual() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)
            ended.append("clean")

    async def main(loop: VirtualLoop) -> None:
        first, second = started(loop, stubborn), started(loop, usual)
        await asyncio.sleep(1)
        first.interrupt()
        second.interrupt()
        await asyncio.wait([first.ended])
        await asyncio.wait([second.ended])
        assert first.ended.result() == "caught it"
        assert second.ended.cancelled()
        assert ended == ["clean"]

    run(main)


def test_task_that_waits_for_the_end_of_the_cancelled_ones_does_not_wait_for_the_program() -> None:
    """As the keeper of a client does, which closes the client last."""
    ended: list[str] = []

    async def keep() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            own = asyncio.current_task()
            while others := [task for task in asyncio.all_tasks() if task.cancelling() and task is not own]:
                await asyncio.wait(others)
            ended.append("kept")

    async def main(loop: VirtualLoop) -> None:
        async def work() -> None:
            asyncio.create_task(keep())  # noqa: RUF006 - it is to be left
            await asyncio.sleep(1000)

        process = started(loop, work)
        await asyncio.sleep(1)
        process.interrupt()
        await asyncio.wait([process.ended])
        assert process.ended.cancelled()
        assert ended == ["kept"]
        assert loop.clock.wall_ms() == START_MS + 1000

    run(main)


def test_tasks_that_are_left_are_named_and_cancelled() -> None:
    ended: list[int] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(number)

    async def main(loop: VirtualLoop) -> None:
        async def work() -> None:
            asyncio.Task(wait(3), loop=asyncio.get_running_loop(), name="a library's")
            for number in range(3):
                asyncio.create_task(wait(number), name=f"waiter {number}")  # noqa: RUF006 - it is to be left
            await asyncio.sleep(1)

        process = started(loop, work)
        await process.ended
        left = [re.sub(r" \(.*\.", " (", each) for each in process.left()]
        assert left == [*(f"waiter {number} (wait)" for number in range(3)), "a library's (wait)"]

    run(main)
    assert ended == [0, 1, 2, 3]


def test_what_the_system_closes_is_closed_at_each_end() -> None:
    released: list[VirtualLoop] = []

    async def main(loop: VirtualLoop) -> None:
        returning, killed = (VirtualProcess(loop, lambda: asyncio.sleep(1), 1, released.append) for _ in range(2))
        for process in (returning, killed):
            process.start()
        await asyncio.sleep(0.5)
        killed.kill()
        assert released == [killed.loop]
        await returning.ended
        returning.bury()
        killed.bury()
        assert released == [killed.loop, returning.loop]

    run(main)


def test_process_has_a_decimal_context_of_its_own() -> None:
    async def main(loop: VirtualLoop) -> Decimal:
        async def work() -> Decimal:
            getcontext().prec = 3
            await asyncio.sleep(1)
            return Decimal(1) / 3

        assert await started(loop, work).ended == Decimal("0.333")
        return Decimal(1) / 3

    assert str(run(main)) == f"0.{'3' * 28}"


# Failures


async def waits_for_ever() -> None:
    await asyncio.Event().wait()


def test_wait_in_a_process_for_what_never_comes_names_its_line() -> None:
    async def main(loop: VirtualLoop) -> None:
        other = started(loop, lambda: asyncio.sleep(1), 2)
        await other.ended
        await started(loop, waits_for_ever).ended

    assert refused(main) == "await asyncio.Event().wait()"


def test_wait_for_what_a_killed_process_would_do_names_the_line_that_waits() -> None:
    async def main(loop: VirtualLoop) -> None:
        process = started(loop, waits_for_ever)
        await asyncio.sleep(1)
        process.kill()
        await loop.create_future()

    assert refused(main) == "await loop.create_future()"


def test_endless_loop_in_a_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_loop, "MOST_TURNS", 10_000)

    async def spins() -> None:
        while True:
            await asyncio.sleep(0)

    async def main(loop: VirtualLoop) -> None:
        process = started(loop, spins)
        try:
            await process.ended
        finally:
            await asyncio.sleep(10)  # time passes for the others

    assert refused(main) == "await asyncio.sleep(0)"


def test_refusal_in_a_process_is_raised_there_and_ends_the_run() -> None:
    async def sleeps() -> None:
        time.sleep(5)

    async def goes_on() -> None:
        while True:
            try:
                await asyncio.get_running_loop().create_connection(asyncio.Protocol, "192.0.2.1", 80)
            except VirtualTimeError:
                await asyncio.sleep(1)

    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(VirtualTimeError):
            await started(loop, sleeps).ended

    async def waits(loop: VirtualLoop) -> None:
        await started(loop, goes_on).ended

    assert refused(main) == "time.sleep(5)"
    assert refused(waits).startswith("await asyncio.get_running_loop().create_connection")


def test_process_without_an_await_is_stopped_by_the_watchdog() -> None:
    async def stuck() -> None:
        while True:
            pass

    async def main(loop: VirtualLoop) -> None:
        await started(loop, stuck).ended

    assert refused(main, watchdog_s=0.2) in ("while True:", "pass")
