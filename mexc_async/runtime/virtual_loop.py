"""Event loop of virtual time: when nothing is ready, its clock jumps to the next timer.

Time moves in whole microseconds. Timers of the same microsecond run in the order in which they were set. Tasks
and futures hash by their number, so that the order of a set of them repeats itself in every run. Whatever needs real
time or the outside world is refused with a VirtualTimeError that names the line of the user's program.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from heapq import heapify, heappop, heappush
from itertools import count
from math import ceil
from random import Random
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, TypeVarTuple

from mexc_async.errors import VirtualTimeError
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.program_lines import line_of_call, line_of_task, line_on_stack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Work: TypeAlias = Generator[Any, None, T] | Coroutine[Any, Any, T]

ORIGIN_US = 100_000 * 1_000_000
"""Monotonic time at the start, microseconds: not near zero, which some programs take for "never"."""
NEVER_US = 10**18
DUST_US = 0.05
"""A timer this little after a microsecond is due at it: the rest of a sum of floats."""
MOST_TURNS = 1_000_000
"""Most turns of the loop at one instant."""
GRACE_S = 60.0
"""Virtual time that a program has to end by itself after a refusal, seconds."""
NO_SOCKET = (
    "opens a connection, and virtual time has no network: get the data before the run, or run it live or with the "
    "simulator in real time"
)
NO_THREAD = "starts a thread, and a thread runs in real time: do its work in a coroutine, or call the function directly"
NO_PROCESS = "starts a process, which runs in real time: run it before or after"
NO_SIGNAL = "handles a signal by the event loop: catch asyncio.CancelledError, as Ctrl-C and SIGTERM cancel the program"


def _refuser(doing: str) -> Callable[..., NoReturn]:
    """Return a method of the loop that refuses."""

    def refuse(loop: VirtualLoop, *_: object, **__: object) -> NoReturn:
        raise loop.refusal(doing)

    return refuse


class VirtualTask(asyncio.Task[T]):
    """Task that hashes by its number, so that sets of tasks iterate alike in every run."""

    _log_destroy_pending: bool

    def __init__(self, work: Work[T], *, number: int, loop: asyncio.AbstractEventLoop, **how: Any) -> None:
        self.number = number
        """Position in the order of creation."""
        super().__init__(work, loop=loop, **how)

    def __hash__(self) -> int:
        return self.number


class VirtualFuture(asyncio.Future[T]):
    """Future that hashes by its number, so that sets of futures iterate alike in every run."""

    number = 0
    """Position in the order in which futures were hashed first; 0 before."""

    def __hash__(self) -> int:
        if not self.number:
            loop = self.get_loop()
            assert isinstance(loop, VirtualLoop)
            self.number = loop.next_number()
        return self.number


class VirtualTimer(asyncio.TimerHandle):
    """Timer of a loop of virtual time."""

    _scheduled: bool
    _cancelled: bool


class VirtualLoop(asyncio.BaseEventLoop):
    """Event loop whose clock jumps to the next timer when nothing is ready; it has no file descriptor and no thread.

    Args:
        start_ms: wall time at the start, milliseconds since 1970, UTC.
        seed: seed of the random numbers of `clock`.
    """

    _ready: deque[asyncio.Handle]
    _stopping: bool
    _closed: bool
    _thread_id: int | None
    _check_closed: Callable[[], None]

    def __init__(self, start_ms: int, seed: int) -> None:
        super().__init__()
        self._now_us = ORIGIN_US
        self._now = ORIGIN_US / 1e6
        self._wall_offset_us = start_ms * 1000 - ORIGIN_US
        self._timers: list[tuple[int, int, VirtualTimer]] = []
        self._timers_cancelled = 0
        self._turns = 0
        """Turns at this instant; after a failure, turns since it."""
        self._next_timer = count().__next__
        self.next_number = count(1).__next__
        """Return the next number of a task or future."""
        self._main: asyncio.Task[Any] | None = None
        self.failure: VirtualTimeError | None = None
        """The first refusal."""
        self.seed = seed
        self.clock = Clock(monotonic=self.time, wall_ns=self._wall_ns, random=Random(seed))
        """Virtual time and seeded random numbers, for a client and a simulator on this loop."""
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Return virtual monotonic time, seconds."""
        return self._now

    def _wall_ns(self) -> int:
        return (self._now_us + self._wall_offset_us) * 1000

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call `callback` in the next turn."""
        if self._closed:
            self._check_closed()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> VirtualTimer:
        """Call `callback` after `delay` seconds: at least a microsecond later if `delay` is positive."""
        if delay <= 0:
            return self._set_timer(self._now_us, callback, args, context)
        after_us = delay * 1e6 - DUST_US
        due_us = self._now_us + max(1, ceil(after_us)) if after_us < NEVER_US else NEVER_US
        return self._set_timer(due_us, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> VirtualTimer:
        """Call `callback` at `when`, in seconds of `time()`: at least a microsecond from now if `when` is later."""
        if when <= self._now:
            return self._set_timer(self._now_us, callback, args, context)
        at_us = when * 1e6 - DUST_US
        due_us = max(self._now_us + 1, ceil(at_us)) if at_us < NEVER_US else NEVER_US
        return self._set_timer(due_us, callback, args, context)

    def _set_timer(
        self, due_us: int, callback: Callable[[*Ts], object], args: tuple[*Ts], context: Context | None
    ) -> VirtualTimer:
        self._check_closed()
        timer = VirtualTimer(due_us / 1e6, callback, args, self, context)
        heappush(self._timers, (due_us, self._next_timer(), timer))
        timer._scheduled = True
        return timer

    def _timer_handle_cancelled(self, handle: VirtualTimer) -> None:
        """Count the cancelled timers; drop them once they are the most."""
        if not handle._scheduled:
            return
        self._timers_cancelled += 1
        if self._timers_cancelled > 100 and self._timers_cancelled * 2 > len(self._timers):
            # The timer that is being cancelled does not say so yet.
            self._timers = [entry for entry in self._timers if not (entry[2] is handle or entry[2].cancelled())]
            heapify(self._timers)
            self._timers_cancelled = 0
            handle._scheduled = False

    def _run_once(self) -> None:
        """Run what is ready, else jump to the next timer and run what is due then."""
        ready = self._ready
        if ready or self._stopping:
            self._turns += 1
            if self._turns > MOST_TURNS:
                self._stop_endless()
        else:
            self._jump()
        timers, now_us = self._timers, self._now_us
        while timers and timers[0][0] <= now_us:
            timer = heappop(timers)[2]
            timer._scheduled = False
            if timer._cancelled:
                self._timers_cancelled -= 1
            else:
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _jump(self) -> None:
        """Set the clock to the next timer."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)[2]._scheduled = False
            self._timers_cancelled -= 1
        if not timers or timers[0][0] >= NEVER_US:
            self._end(
                f"{self._waiting_line()} waits for something that never comes, because nothing else runs and no timer "
                "is set: wait with a limit (asyncio.timeout), or for something that another task or the exchange does"
            )
            return
        due_us = timers[0][0]
        if due_us > self._now_us:
            self._now_us = due_us
            self._now = due_us / 1e6
            if self.failure is None:
                self._turns = 0

    def _stop_endless(self) -> None:
        """Refuse to go on at this instant."""
        self._turns = 0
        tasks = (getattr(getattr(handle, "_callback", None), "__self__", None) for handle in self._ready)
        lines = (line_of_task(task) for task in tasks if isinstance(task, asyncio.Task))
        line = next(filter(None, lines), None) or self._waiting_line()
        self._end(
            f"{line} repeats for ever at one instant ({MOST_TURNS:,} turns of the event loop): an endless loop has to "
            "wait for something that takes time, such as asyncio.sleep(1)"
        )

    def _waiting_line(self) -> str:
        """Return the line of the user's program that waits: that of the main task, else of the first task with one."""
        tasks = sorted(self.tasks(), key=lambda task: task is not self._main)
        return next(filter(None, map(line_of_task, tasks)), "the program")

    def _end(self, message: str) -> None:
        """Cancel the main task for such a failure. Raises the failure if it is not the first: the program goes on."""
        if self.failure is not None:
            raise self.failure
        self.failure = VirtualTimeError(message)
        self._cancel_main()

    def refusal(self, doing: str, frame: FrameType | None = None) -> VirtualTimeError:
        """Return the error for what the user's program does in `frame`, by default the caller's caller; keep the first.

        A program that goes on nevertheless is cancelled after GRACE_S.
        """
        frame = frame or sys._getframe(2)
        line = line_on_stack(frame, VirtualLoop._run_once.__code__)
        if line is None:  # a task of a library
            line = f"{self._waiting_line()} (by {line_of_call(frame)})"
        error = VirtualTimeError(f"{line} {doing}")
        if self.failure is None:
            self.failure = error
            self._turns = 0
            self.call_later(GRACE_S, self._cancel_main)
        return error

    def runs_program(self, frame: FrameType | None) -> bool:
        """Return True if a frame was reached from the user's program in this loop."""
        return line_on_stack(frame, VirtualLoop._run_once.__code__) is not None

    def supervise(self, main: asyncio.Task[Any]) -> None:
        """Set the task that a failure cancels."""
        self._main = main

    def _cancel_main(self) -> None:
        if self._main is not None:
            self._main.cancel()

    @property
    def progress(self) -> tuple[int, int]:
        """Microseconds and turns: the same twice if the loop did not turn in between."""
        return self._now_us, self._turns

    def tasks(self) -> list[VirtualTask[Any]]:
        """Return the tasks that are not done, in order of creation."""
        tasks = [task for task in asyncio.all_tasks(self) if isinstance(task, VirtualTask)]
        return sorted(tasks, key=lambda task: task.number)

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return VirtualFuture(loop=self)

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Work[T], **how: Any) -> VirtualTask[T]:
        return VirtualTask(work, number=self.next_number(), loop=loop, **how)

    def _process_events(self, event_list: list[object]) -> None:
        """Do nothing: there is no file descriptor."""

    def _write_to_self(self) -> None:
        """Do nothing: the loop never sleeps."""

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call `callback` soon, from the loop's own thread only. Raises VirtualTimeError."""
        if self._thread_id not in (None, threading.get_ident()):
            raise VirtualTimeError("another thread calls into virtual time, which has no moment for it: use one thread")
        return self.call_soon(callback, *args, context=context)

    def close(self) -> None:
        """Close the loop; drop its timers."""
        super().close()
        self._timers.clear()

    if not TYPE_CHECKING:
        add_signal_handler = _refuser(NO_SIGNAL)
        run_in_executor = _refuser(NO_THREAD)
        subprocess_exec = subprocess_shell = _refuser(NO_PROCESS)
        create_connection = create_server = create_datagram_endpoint = _refuser(NO_SOCKET)
        create_unix_connection = create_unix_server = connect_accepted_socket = start_tls = _refuser(NO_SOCKET)
        getaddrinfo = getnameinfo = sendfile = _refuser(NO_SOCKET)
        sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = _refuser(NO_SOCKET)
        sock_sendall = sock_sendto = sock_sendfile = sock_connect = sock_accept = _refuser(NO_SOCKET)
        add_reader = add_writer = connect_read_pipe = connect_write_pipe = _refuser(NO_SOCKET)
