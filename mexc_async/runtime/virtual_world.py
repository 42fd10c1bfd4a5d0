"""Time and randomness of a program in virtual time: what it reads from Python follows the loop and the seed.

During a run, in this process:

- `datetime.now`, `utcnow`, `today`, `time.time`, `time_ns`, `gmtime`, `localtime`, `strftime` and `clock_gettime` of
  the real-time clock read virtual wall time, in all threads, however they were imported (by time-machine).
- `time.monotonic`, `perf_counter`, `process_time` and `thread_time`, their `_ns` forms, and `time.ctime` read virtual
  time in the thread of the run; `time.sleep` is refused there.
- The functions of `random`, generators without a seed, `numpy.random` if it is loaded, `os.urandom`, and by it
  `secrets`, `uuid.uuid4` and `random.SystemRandom` draw from the seed; all but the first and the third in the thread
  of the run only.

Names that the program imported (`from time import monotonic`) are replaced in its modules, and in the modules that it
imports during the run. Not covered are references kept elsewhere (`clock = time.monotonic` in a class, default
arguments), names that installed libraries imported, times of files, `uuid.uuid1`'s node, and `hash` of text.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, NoReturn

from mexc_async.errors import ConfigError
from mexc_async.runtime.program_lines import is_program
from mexc_async.runtime.real_world import NO_SLEEP
from mexc_async.runtime.virtual_loop import VirtualLoop

Function = Callable[..., Any]


@contextmanager
def virtual_world(loop: VirtualLoop) -> Iterator[None]:
    """Give the program in this thread the loop's time and the seed's randomness; restore everything at the end.

    Raises ConfigError without time-machine.
    """
    with ExitStack() as undo:
        undo.enter_context(_wall_time(loop))
        undo.enter_context(_seeded(loop.seed))
        undo.enter_context(_substituted(_substitutes(loop)))
        yield


@contextmanager
def _wall_time(loop: VirtualLoop) -> Iterator[None]:
    try:
        import time_machine
    except ImportError:
        raise ConfigError("virtual time needs time-machine: pip install 'mexc-async[backtest]'") from None
    travel = time_machine.travel(0, tick=False)
    # Its time is asked for at each reading, so that a jump of the loop costs nothing.
    travel.start().time_ns = loop.clock.wall_ns  # type: ignore[method-assign]
    try:
        yield
    finally:
        travel.stop()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generators that `random` and numpy share between all callers."""
    numpy = sys.modules.get("numpy.random")
    state = random.getstate()
    numpy_state = None if numpy is None else numpy.get_state()
    random.seed(f"{seed}:random")
    if numpy is not None:
        numpy.seed(random.Random(f"{seed}:numpy").getrandbits(32))
    try:
        yield
    finally:
        random.setstate(state)
        if numpy is not None:
            numpy.set_state(numpy_state)


def _substitutes(loop: VirtualLoop) -> list[tuple[object, str, Function]]:
    """Return what to replace: the owner, the name, the function of the run."""

    def now_ns() -> int:
        return round(loop.time() * 1e6) * 1000

    def sleep(_: float) -> NoReturn:
        raise loop.refusal(NO_SLEEP)

    real_ctime, real_seed = time.ctime, random.Random.seed
    system = random.Random(f"{loop.seed}:os.urandom")
    unseeded = random.Random(f"{loop.seed}:Random")

    def ctime(seconds: float | None = None) -> str:
        return real_ctime(time.time() if seconds is None else seconds)

    def seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
        real_seed(generator, unseeded.getrandbits(128) if a is None else a, version)

    clocks = ("monotonic", "perf_counter", "process_time", "thread_time")
    return [
        *((time, name, loop.time) for name in clocks if hasattr(time, name)),
        *((time, f"{name}_ns", now_ns) for name in clocks if hasattr(time, name)),
        (time, "ctime", ctime),
        (time, "sleep", sleep),
        (os, "urandom", system.randbytes),
        (random, "_urandom", system.randbytes),
        (random.Random, "seed", seed),
    ]


@contextmanager
def _substituted(substitutes: list[tuple[object, str, Function]]) -> Iterator[None]:
    """Replace functions where they are defined and in the program's modules, for this thread."""
    restored: dict[int, Function] = {}
    virtual: dict[int, Function] = {}
    made = []
    for owner, name, function in substitutes:
        real = getattr(owner, name)
        own = virtual.get(id(real)) or _here(function, real)
        virtual[id(real)], restored[id(own)] = own, real
        made.append((owner, name, own, real))
    for owner, name, own, _ in made:
        setattr(owner, name, own)
    _rename(virtual)
    try:
        yield
    finally:
        for owner, name, own, real in made:
            if getattr(owner, name) is own:
                setattr(owner, name, real)
        _rename(restored)


def _here(virtual: Function, real: Function) -> Function:
    """Return a function that is `virtual` in this thread and `real` in all others."""
    own, ident = threading.get_ident(), threading.get_ident

    def read(*args: Any, **how: Any) -> Any:
        return virtual(*args, **how) if ident() == own else real(*args, **how)

    return read


def _rename(others: dict[int, Function]) -> None:
    """Give the names in the program's modules that hold one of these functions the other one, by its id."""
    for module in list(sys.modules.values()):
        names = vars(module) if isinstance(module, ModuleType) else {}
        if _is_program(names):
            for name, value in list(names.items()):
                if (other := others.get(id(value))) is not None:
                    names[name] = other


def _is_program(names: dict[str, Any]) -> bool:
    """Return True for the names of a module of the user's program."""
    file = names.get("__file__")
    return names.get("__name__") == "__main__" or (file is not None and is_program(file))
