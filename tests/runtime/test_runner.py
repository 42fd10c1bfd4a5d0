"""`mexc_async.run`: choice of the loop, end by a signal, and restored process state."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mexc_async.errors import ConfigError
from mexc_async.runtime.runner import THRESHOLDS, run
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig


async def loop_name() -> str:
    return type(asyncio.get_running_loop()).__module__.split(".")[0]


def test_a_program_returns_its_result_and_raises_its_error() -> None:
    async def fails() -> None:
        raise LookupError("of the program's own")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def seven() -> int:
        return 7

    assert run(seven()) == 7
    with pytest.raises(LookupError, match="of the program's own"):
        run(fails())
    with pytest.raises(asyncio.CancelledError):  # no signal ended it, so there is no exit status
        run(cancelled())


def test_the_loop_may_be_chosen() -> None:
    pytest.importorskip("uvloop")
    assert run(loop_name()) == run(loop_name(), loop="uvloop") == "uvloop"
    assert run(loop_name(), loop="asyncio") == "asyncio"


def test_without_uvloop_the_plain_loop_serves_unless_uvloop_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run(loop_name()) == "asyncio"
    with pytest.raises(ConfigError, match="loop 'uvloop' is not installed here"):
        run(loop_name(), loop="uvloop")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"loop": "trio"}, "loop 'trio' is not one of 'uvloop', 'asyncio'"),
    ({"pin_cpu": 10_000}, "pin_cpu 10000 is not one of this process's CPUs, "),
    ({"pin_cpu": True}, "pin_cpu True is not one of"),
    ({"pin_cpu": "0"}, "pin_cpu '0' is not one of"),
    ({"gc": "off"}, "gc 'off' is not one of 'freeze', None"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG, ids=str)
def test_wrong_settings_are_refused_before_anything_runs(settings: dict[str, Any], words: str) -> None:
    ran = []

    async def main() -> None:
        ran.append(1)

    with pytest.raises(ConfigError) as caught:
        run(main(), **settings)
    assert words in str(caught.value)
    assert ran == []


def test_only_a_coroutine_can_be_run() -> None:
    with pytest.raises(ConfigError, match=r"run takes a coroutine, as in run\(main\(\)\), not <function"):
        run(loop_name)  # type: ignore[arg-type]  # what is easily forgotten


async def test_inside_a_loop_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="await main"):
        run(loop_name())


@contextmanager
def nothing_changed() -> Iterator[None]:
    def found() -> tuple[object, ...]:
        handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        return (*handlers, os.sched_getaffinity(0), gc.get_threshold(), gc.get_freeze_count())

    before = found()
    yield
    assert found() == before


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    """Undo the freeze of all tests, which `run` would leave as it is."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("nothing_frozen")
def test_options_hold_while_the_program_runs_and_no_longer() -> None:
    cpu = min(os.sched_getaffinity(0))

    async def main() -> tuple[object, ...]:
        return os.sched_getaffinity(0), gc.get_threshold(), gc.get_freeze_count() > 1000

    with nothing_changed():
        assert run(main(), pin_cpu=cpu) == ({cpu}, THRESHOLDS, True)
    with nothing_changed():
        assert run(main(), gc=None) == (os.sched_getaffinity(0), gc.get_threshold(), False)
    with nothing_changed(), pytest.raises(LookupError):
        run(failing(), pin_cpu=cpu, spin=True)


async def failing() -> None:
    raise LookupError


@pytest.mark.parametrize("spin", [True, False])
def test_a_spinning_loop_never_sleeps(spin: bool) -> None:
    waits: list[float | None] = []

    async def main() -> None:
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # what the plain loop sleeps in
        select = selector.select

        def noted(timeout: float | None = None) -> object:
            waits.append(timeout)
            return select(timeout)

        selector.select = noted
        await asyncio.sleep(0.05)
        selector.select = select

    run(main(), loop="asyncio", spin=spin)
    assert waits
    assert all(wait == 0 for wait in waits) is spin


def test_a_spinning_program_ends_on_uvloop_too() -> None:
    pytest.importorskip("uvloop")
    assert run(asyncio.sleep(0.01, 5), loop="uvloop", spin=True) == 5


def test_off_the_main_thread_it_runs_without_signals() -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(run(loop_name())))
    thread.start()
    thread.join(10)
    assert len(found) == 1


# --- a real process that gets a signal ---

PROGRAM = """
import asyncio, sys
from decimal import Decimal
import mexc_async
from mexc_async import Credentials, Mexc, OrderSettings

rest, ws, key, secret, mode = sys.argv[1:]

async def main():
    async with Mexc(Credentials(key, secret), rest=rest, ws=ws, orders=OrderSettings(id_prefix="child")) as mexc:
        best = await mexc.spot.book_ticker(symbol="XRPUSDT")
        await mexc.load_rules()
        price = mexc.rules("XRPUSDT").price(best.bid_price * Decimal("0.9"))
        async with mexc.orders.session(timeout_s=1.0):
            for _ in range(3):
                await mexc.orders.limit_buy("XRPUSDT", quantity=Decimal(50), price=price)
            print("open", flush=True)
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                print("cancelled", flush=True)
                if mode != "returns":
                    raise
    return 5

print("returned", mexc_async.run(main()))
"""


@pytest.fixture
def sim() -> Iterator[BackgroundSimulator]:
    with BackgroundSimulator(SimConfig(flow=0, limits="none")) as simulator:
        yield simulator


@contextmanager
def child(sim: BackgroundSimulator, mode: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), sim.rest, sim.spot_ws, sim.api_key, sim.api_secret, mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "open\n":
                raise AssertionError(process.communicate(timeout=60))
            yield process
        finally:
            process.kill()


def open_orders(sim: BackgroundSimulator) -> list[str]:
    lines = sim.call(lambda simulator: simulator.statement()).orders
    return [str(line.client_id) for line in lines if line.status in ("NEW", "PARTIALLY_FILLED")]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_cancels_the_program_and_no_order_stays_open(
    sim: BackgroundSimulator, number: signal.Signals, status: int
) -> None:
    with child(sim) as process:
        assert len(open_orders(sim)) == 3
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("cancelled\n", "")
        assert process.returncode == status
    assert open_orders(sim) == []


def test_a_program_that_catches_the_cancellation_ends_as_it_likes(sim: BackgroundSimulator) -> None:
    with child(sim, "returns") as process:
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30) == ("cancelled\nreturned 5\n", "")
        assert process.returncode == 0
    assert open_orders(sim) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_orders_that_could_not_be_cancelled_are_told(
    sim: BackgroundSimulator, number: signal.Signals, status: int
) -> None:
    with child(sim) as process:
        sim.call(lambda simulator: simulator.inject(Fault(kind="error", on="cancel_order", at="read", status=503)))
        try:
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        finally:
            sim.call(lambda simulator: simulator.clear_faults())
    assert (out, process.returncode) == ("cancelled\n", status)
    assert err.startswith("3 orders of this session may still be open: child")
    assert len(open_orders(sim)) == 3


def test_more_signals_do_not_cut_the_clean_up_short(sim: BackgroundSimulator) -> None:
    with child(sim) as process:
        for _ in range(5):
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 143
    assert open_orders(sim) == []
