"""Runners of seeds: this process, or one process for each CPU. The outcomes are the same."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self

import msgspec

from mexc_async.backtest.rehearsal.outcome import Breach, SeedRun
from mexc_async.backtest.rehearsal.plan import Plan, Task
from mexc_async.backtest.rehearsal.worker import Shipment, answer_of, read, write
from mexc_async.backtest.rehearsal.world import recording_of, run_seed
from mexc_async.errors import ConfigError
from mexc_async.runtime.runner import collected

_START = "from mexc_async.backtest.rehearsal.worker import main; main()"
OnDone = Callable[[SeedRun], None]


class Runner(Protocol):
    """Runner of seeds."""

    def run(self, tasks: Sequence[Task], on_done: OnDone) -> list[SeedRun]:
        """Run the tasks and return their outcomes in the same order; `on_done` gets each as it comes."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Here:
    """Runner in this process."""

    def __init__(self, plan: Plan) -> None:
        """Read the recorded market, if there is one. Raises ValueError."""
        self._plan = plan
        self._recording = recording_of(plan)

    def run(self, tasks: Sequence[Task], on_done: OnDone) -> list[SeedRun]:
        """Run the tasks, one after the other."""
        found = []
        with collected("freeze"):
            for task in tasks:
                outcome = run_seed(self._plan, task, self._recording)
                on_done(outcome)
                found.append(outcome)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""


class Workers:
    """Runner in several processes."""

    def __init__(self, plan: Plan, count: int) -> None:
        """Start the processes. Raises ConfigError for a plan that other processes cannot use."""
        try:
            self._shipment = pickle.dumps(Shipment.of(plan))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ConfigError(f"a setting cannot be handed to other processes ({error}): give cpus=1") from None
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._all: list[_Worker] = []
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="mexc-rehearsal")
        for _ in range(count):
            self._add()

    def _add(self) -> None:
        worker = _Worker(self._shipment)
        self._all.append(worker)
        self._idle.put(worker)

    def run(self, tasks: Sequence[Task], on_done: OnDone) -> list[SeedRun]:
        """Run the tasks. Raises ConfigError if a process cannot use the plan."""
        futures: dict[Future[SeedRun], int] = {
            self._threads.submit(self._run, task): index for index, task in enumerate(tasks)
        }
        found: dict[int, SeedRun] = {}
        for future in as_completed(futures):
            outcome = found[futures[future]] = future.result()
            on_done(outcome)
        return [found[index] for index in range(len(tasks))]

    def _run(self, task: Task) -> SeedRun:
        """Run a task in an idle process; one that ends over it is a breach, and is replaced."""
        worker = self._idle.get()
        answer = worker.ask(task)
        if isinstance(answer, SeedRun):
            self._idle.put(worker)
            return answer
        if isinstance(answer, str):
            raise ConfigError(f"another process cannot run the strategy: {answer}")
        self._add()
        text = f"the process ended with status {worker.status()}"
        return SeedRun(seed=task.seed, breaches=(Breach("raised", text),))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._all:
            worker.end()
        self._threads.shutdown()


class _Worker:
    """One process."""

    def __init__(self, shipment: bytes) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a module of this package
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._shipment: bytes | None = shipment

    def ask(self, task: Task) -> SeedRun | str | None:
        """Run a task and return its outcome; a text if the plan cannot be used, None if the process has ended."""
        source, target = self._process.stdin, self._process.stdout
        assert source is not None
        assert target is not None
        with suppress(OSError):  # the answer says why
            if self._shipment is not None:
                write(source, self._shipment)
                self._shipment = None
            write(source, msgspec.msgpack.encode(task))
        message = read(target)
        return None if message is None else answer_of(message)

    def status(self) -> int:
        """Wait for the end and return the exit status."""
        return self._process.wait()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not written is lost
                    pipe.close()
        self._process.wait()


def runner_of(plan: Plan, cpus: int) -> Runner:
    """Return the runner for so many CPUs. Raises ConfigError."""
    return Here(plan) if cpus == 1 else Workers(plan, cpus)
