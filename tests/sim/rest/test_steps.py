"""Steps of a simulator without requests: on a grid in real time, at due times in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

import orjson
import pytest

from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.exchange.events import BookEvent, Event
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.rest.server import SimConfig, Simulator, StartFailed
from mexc_async.sim.rest.steps import Steps
from mexc_async.sim.stream.channel import NORMAL, Message
from mexc_async.sim.stream.socket_lifetime import SocketRules
from mexc_async.spot import push_models as bodies
from tests.support.stream_client import stage

START_MS = 1_700_000_000_000


class Recorder:
    """Steps, with the times since the start at which they were made."""

    def __init__(self, loop: VirtualLoop, *due_ms: float, width_ms: int = 0) -> None:
        self.due_ms = list(due_ms)
        self.made_ms: list[int] = []
        self.fails = False
        self.steps = Steps(loop.clock, self._step, width_ms=lambda: width_ms, due_ms=self._next)

    def _next(self) -> float:
        return START_MS + min(self.due_ms, default=inf)

    def _step(self, now_ms: int) -> None:
        self.made_ms.append(now_ms - START_MS)
        self.due_ms = [due_ms for due_ms in self.due_ms if START_MS + due_ms > now_ms]
        if self.fails:
            raise ZeroDivisionError


def made(work: Callable[[Recorder], Coroutine[Any, Any, None]], *due_ms: float, width_ms: int = 0) -> list[int]:
    """Return the steps during `work` and the two hours after it."""

    async def main() -> list[int]:
        recorder = Recorder(loop, *due_ms, width_ms=width_ms)
        await work(recorder)
        await asyncio.sleep(7200 if not width_ms else 0)
        recorder.steps.stop()
        return recorder.made_ms

    loop = VirtualLoop(START_MS, 7)
    return run_virtual(main(), loop)


def test_a_step_is_made_at_each_due_time() -> None:
    async def work(recorder: Recorder) -> None:
        recorder.steps.start()

    assert made(work, 30, 60.5, 3_600_000) == [0, 30, 61, 3_600_000]


def test_what_is_due_already_waits_for_the_next_millisecond() -> None:
    async def work(recorder: Recorder) -> None:
        recorder.steps.start()
        await asyncio.sleep(0.0123)
        recorder.due_ms.append(5)
        recorder.steps.hasten()

    assert made(work) == [0, 13]


def test_a_nearer_event_brings_the_step_forward() -> None:
    async def work(recorder: Recorder) -> None:
        recorder.steps.hasten()  # no effect before the start
        recorder.steps.start()
        recorder.due_ms.append(20)
        recorder.steps.hasten()
        recorder.due_ms.append(40)
        recorder.steps.hasten()

    assert made(work, 5000) == [0, 20, 40, 5000]


def test_none_is_made_after_the_stop() -> None:
    async def work(recorder: Recorder) -> None:
        recorder.steps.start()
        recorder.steps.stop()
        recorder.due_ms.append(1)
        recorder.steps.hasten()

    assert made(work, 30) == [0]


def test_a_grid_makes_every_step() -> None:
    async def work(recorder: Recorder) -> None:
        await asyncio.sleep(0.013)
        recorder.steps.start()
        await asyncio.sleep(0.04)

    assert made(work, width_ms=10) == [13, 20, 30, 40, 50]


def test_a_step_that_fails_is_logged_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    async def work(recorder: Recorder) -> None:
        recorder.fails = True
        recorder.steps.start()

    with caplog.at_level(logging.ERROR, "mexc_async.sim"):
        assert made(work, 30) == [0, 30]
    assert "a step of the background market failed" in caplog.text


@pytest.mark.parametrize("step_ms", [-1, 60_001])
def test_a_width_out_of_range_is_refused(step_ms: int) -> None:
    with pytest.raises(StartFailed, match=f"step_ms {step_ms} is not between 0 and 60000"):
        SimConfig(step_ms=step_ms)


async def test_a_simulator_without_events_plans_no_step() -> None:
    async with Simulator(SimConfig(flow=0, step_ms=0)) as simulator:
        assert simulator._steps._at_ms == inf


async def test_streams_and_the_ends_of_sockets_need_no_grid() -> None:
    async with stage(flow=5, step_ms=0, sockets=SocketRules(unused_s=0.2)) as on:
        unused, stream = await on.connect(), await on.connect()
        await stream.subscribe("spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT")
        updates = [(await stream.push()).body for _ in range(5)]
        assert all(isinstance(each, bodies.DepthUpdate) for each in updates)
        assert await unused.end() == 1000


class Listener:
    """A port that serves nobody."""

    def __init__(self, handler: object, host: str, port: int) -> None: ...

    async def open(self) -> str:
        return "http://127.0.0.1:1"

    def reset_all(self, spared: object) -> int:
        return 0

    async def pause(self, seconds: float) -> None: ...

    async def aclose(self) -> None: ...


class Reader:
    """A stream that subscribes, and keeps the times and bytes of its pushes."""

    is_closing = False

    def __init__(self, loop: VirtualLoop, *names: str) -> None:
        self.received: list[tuple[int, str | bytes]] = []
        self._loop = loop
        self._requests = [orjson.dumps({"method": "SUBSCRIPTION", "params": names})]

    async def receive(self) -> Message:
        if self._requests:
            return self._requests.pop()
        await asyncio.sleep(20)
        return b'{"method":"PING"}'

    async def send(self, data: str | bytes) -> None:
        self.received.append((self._loop.clock.wall_ms() - START_MS, data))

    async def pong(self, data: bytes) -> None: ...

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        self.is_closing = True

    async def cut(self, data: bytes, share: float) -> None:
        self.is_closing = True

    def reset(self) -> None:
        self.is_closing = True


TAPE = "".join(
    orjson.dumps(row).decode() + "\n"
    for row in (
        {"ts_ms": 0, "symbol": "AB-GBP", "kind": "snapshot", "bids": [["9.9", "1"]], "asks": [["10.1", "1"]]},
        *(
            {"ts_ms": 37 * number, "symbol": "AB-GBP", "kind": "depth", "bids": [[f"9.{number % 9}", f"{number}"]]}
            for number in range(1, 60)
            if number % 7
        ),
        {"ts_ms": 2300, "symbol": "AB-GBP", "kind": "trade", "price": "9.9", "quantity": "1", "maker_side": "buy"},
    )
)
NAMES = ("spot@public.aggre.depth.v3.api.pb@100ms@ABGBP", "spot@public.kline.v3.api.pb@ABGBP@Min1")


def played(path: Path, *names: str, has_orders: bool, seconds: float = 8.35) -> tuple[Reader, list[Event], int]:
    """Play the tape in virtual time; return what a stream received, the exchange's events and the number of steps."""

    async def main() -> tuple[Reader, list[Event], int]:
        config = SimConfig(tape=file, generated=False, step_ms=0, flow=0)
        async with Simulator(config, loop.clock, Listener) as sim:
            events: list[Event] = []
            sim.exchange.subscribe(events.append)
            if has_orders:
                account = next(iter(sim.exchange.accounts.values()))
                low = {"side": "BUY", "type": "LIMIT", "price": Decimal(5), "quantity": Decimal(1)}
                sim.exchange.place(account, OrderRequest(symbol="ABGBP", **low), START_MS)  # type: ignore[arg-type]  # a dict
                events.clear()
            steps = 0
            step = sim._steps._step

            def count(now_ms: int) -> None:
                nonlocal steps
                steps += 1
                step(now_ms)

            sim._steps._step = count
            reader = Reader(loop, *names)
            serving = asyncio.create_task(sim.sockets.serve(reader, None))
            await asyncio.sleep(seconds)
            sim.catch_up()
            serving.cancel()
            return reader, events, steps

    file = path / "tape.jsonl"
    file.write_text(TAPE)
    loop = VirtualLoop(START_MS, 7)
    return run_virtual(main(), loop)


def test_a_recorded_market_that_nobody_trades_in_is_played_when_a_window_ends(tmp_path: Path) -> None:
    hidden, events, steps = played(tmp_path, *NAMES, has_orders=False)
    exact, same_events, exact_steps = played(tmp_path, *NAMES, has_orders=True)
    books = [event for event in events if isinstance(event, BookEvent)]
    assert [(each.time_ms, each.bids, each.asks) for each in books] == [
        (each.time_ms, each.bids, each.asks) for each in same_events if isinstance(each, BookEvent)
    ]
    assert len(books) > 100
    assert [at for at, _ in hidden.received] == [at for at, _ in exact.received]
    assert len(hidden.received) > 60
    assert steps < 0.75 * exact_steps


def test_a_recorded_market_that_nobody_sees_moves_every_second(tmp_path: Path) -> None:
    _, events, steps = played(tmp_path, has_orders=False)
    _, same_events, _ = played(tmp_path, has_orders=True)
    assert len(events) == len(same_events) > 100
    assert steps < 15
