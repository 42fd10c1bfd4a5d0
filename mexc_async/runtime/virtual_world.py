"""Time and randomness of a program in virtual time: what it reads from Python follows the loop and the seed.

During a run, in this process:

- `datetime.now`, `utcnow`, `today`, `time.time`, `time_ns`, `gmtime`, `localtime`, `strftime` and `clock_gettime` of
  the real-time clock read virtual wall time, in all threads, however they were imported (by time-machine).
- `time.monotonic`, `perf_counter`, `process_time` and `thread_time`, their `_ns` forms, and `time.ctime` read virtual
  time in the thread of the run; `time.sleep` is refused there.
- The functions of `random`, generators without a seed, `numpy.random` if it is loaded, `os.urandom`, and by it
  `secrets`, `uuid.uuid4` and `random.SystemRandom` draw from the seed; all but the first and the third in the thread
  of the run only.

Names that the program and installed libraries imported (`from time import monotonic`) are replaced in their modules,
and in modules that are imported during the run. Libraries draw from a sequence of their own, so that what they draw
does not change the program's. Not covered are references kept elsewhere (a class attribute, a default argument), names
in Python's own library and in the SDK, times of files, the node of `uuid.uuid1`, and `hash` of text.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import ModuleType
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from mexc_async.errors import ConfigError
from mexc_async.runtime.program_lines import is_call_of_program, is_program, is_python, is_sdk
from mexc_async.runtime.real_world import NO_SLEEP
from mexc_async.runtime.virtual_loop import VirtualLoop

Function = Callable[..., Any]

_imported: WeakKeyDictionary[ModuleType, tuple[str, ...]] = WeakKeyDictionary()
"""Names of what was replaced in an installed library: to look at each of its names takes a while."""


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

    real_ctime, real_seed, real_shared = time.ctime, random.Random.seed, random.seed
    own, of_libraries = (random.Random(f"{loop.seed}:{whose}") for whose in ("program", "libraries"))

    def source() -> random.Random:
        return own if is_call_of_program(sys._getframe(3)) else of_libraries

    def urandom(size: int) -> bytes:
        return source().randbytes(size)

    def ctime(seconds: float | None = None) -> str:
        return real_ctime(time.time() if seconds is None else seconds)

    def seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
        real_seed(generator, source().getrandbits(128) if a is None else a, version)

    def seed_shared(a: Any = None, version: int = 2) -> None:
        real_shared(source().getrandbits(128) if a is None else a, version)

    clocks = ("monotonic", "perf_counter", "process_time", "thread_time")
    return [
        *((time, name, loop.time) for name in clocks if hasattr(time, name)),
        *((time, f"{name}_ns", now_ns) for name in clocks if hasattr(time, name)),
        (time, "ctime", ctime),
        (time, "sleep", sleep),
        (os, "urandom", urandom),
        (random, "_urandom", urandom),
        (random, "seed", seed_shared),
        (random.Random, "seed", seed),
    ]


@contextmanager
def _substituted(substitutes: list[tuple[object, str, Function]]) -> Iterator[None]:
    """Replace functions where they are defined and where they were imported, for this thread."""
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
    """Replace functions, by their ids, in the modules of the program and of installed libraries."""
    for key, module in list(sys.modules.items()):
        names = vars(module) if isinstance(module, ModuleType) else {}
        file = names.get("__file__")
        if _is_covered(file, key):
            known = _imported.get(module)
            if known is None or is_program(file or ""):
                known = _imported[module] = tuple(name for name, value in list(names.items()) if id(value) in others)
            for name in known:
                if (other := others.get(id(names.get(name)))) is not None:
                    names[name] = other


@cache
def _is_covered(file: str | None, name: str) -> bool:
    """Return True for a module whose names are replaced; the program in a notebook has no file."""
    return name == "__main__" if file is None else not (is_python(file) or is_sdk(file))
