"""Process that runs seeds of a rehearsal for another.

Messages are preceded by their length, four bytes. The first one is the pickled plan, each further one a task; the
answer to a task is a `SeedRun`, or a text if the plan cannot be used.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple

import msgspec

from mexc_async.backtest.rehearsal.outcome import SeedRun
from mexc_async.backtest.rehearsal.plan import Plan, Task
from mexc_async.backtest.rehearsal.reference import Reference
from mexc_async.backtest.rehearsal.world import recording_of, run_seed
from mexc_async.backtest.strategy import Strategy
from mexc_async.runtime.runner import collected

_LENGTH = 4


class Shipment(NamedTuple):
    """A plan as it travels to another process."""

    path: Sequence[str]
    """Where modules are found."""
    main: Reference
    invariants: Sequence[Reference]
    parameters: Mapping[str, object]
    plan: bytes
    """The rest of it, pickled: it may need the modules."""

    @classmethod
    def of(cls, plan: Plan) -> Shipment:
        """Pack a plan. Raises ConfigError for what only this process can find, and what pickling raises."""
        strategy = plan.strategy
        main, invariants = Reference.to(strategy.main), tuple(map(Reference.to, plan.invariants))
        rest = pickle.dumps(plan._replace(strategy=None, invariants=()))  # type: ignore[arg-type]  # restored at arrival
        return cls(tuple(sys.path), main, invariants, strategy.parameters, rest)

    def unpacked(self) -> Plan:
        """Return the plan."""
        sys.path[:] = self.path
        strategy = Strategy(self.main.find(), self.parameters)
        invariants = tuple(one.find() for one in self.invariants)
        plan: Plan = pickle.loads(self.plan)  # noqa: S301 - from the parent process
        return plan._replace(strategy=strategy, invariants=invariants)


def write(file: IO[bytes], message: bytes) -> None:
    """Write a message."""
    file.write(len(message).to_bytes(_LENGTH, "big") + message)
    file.flush()


def read(file: IO[bytes]) -> bytes | None:
    """Read a message; None at the end."""
    head = file.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    return file.read(int.from_bytes(head, "big"))


def answer_of(message: bytes) -> SeedRun | str:
    """Decode an answer."""
    answer: Any = msgspec.msgpack.decode(message, type=SeedRun | str)
    found: SeedRun | str = answer
    return found


def _serve(source: IO[bytes], target: IO[bytes]) -> None:
    first = read(source)
    if first is None:
        return
    encode, decoder = msgspec.msgpack.encode, msgspec.msgpack.Decoder(Task)
    try:
        shipment: Shipment = pickle.loads(first)  # noqa: S301 - from the parent process
        plan = shipment.unpacked()
        recording = recording_of(plan)
    except Exception as error:
        write(target, encode(f"{type(error).__name__}: {error}".partition("\n")[0]))
        return
    with collected("freeze"):
        while (message := read(source)) is not None:
            task = decoder.decode(message)
            write(target, encode(run_seed(plan, task, recording)))


def main() -> None:
    """Serve until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches the parent, which ends this process
    with os.fdopen(os.dup(1), "wb") as target, os.fdopen(os.dup(0), "rb") as source:
        nowhere = os.open(os.devnull, os.O_RDWR)  # what a strategy prints past Python is no answer
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        _serve(source, target)
