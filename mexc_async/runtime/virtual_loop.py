"""Event loop of virtual time: when nothing is ready, its clock jumps to the next timer.

Time moves in whole microseconds. Timers of the same microsecond run in the order in which they were set. Tasks
and futures hash by their number, so that the order of a set of them repeats itself in every run. Whatever needs real
time or the outside world is refused with a VirtualTimeError that names the line of the user's program.

Several loops can share one time: `sibling` returns another loop, which the first one steps. All callbacks and timers
run in the order in which one loop would run them, each with its own loop as the running one.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextvars import Context
from heapq import heappop, heappush
from math import ceil
from random import Random
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple

from mexc_async.errors import VirtualTimeError
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.program_lines import is_call_of_sdk, line_of_call, line_of_task, line_on_stack
from mexc_async.runtime.virtual_tasks import VirtualFuture, VirtualTask, Work, position
from mexc_async.runtime.virtual_timeline import NEVER_US, Timeline, VirtualTimer

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

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


class VirtualLoop(asyncio.BaseEventLoop):
    """Event loop whose clock jumps to the next timer when nothing is ready; it has no file descriptor and no thread.

    Args:
        start_ms: wall time at the start, milliseconds since 1970, UTC.
        seed: seed of the random numbers of `clock`.
        first: the loop that steps this one, as `sibling` gives it.
    """

    _ready: deque[asyncio.Handle]
    _stopping: bool
    _closed: bool
    _thread_id: int | None
    _check_closed: Callable[[], None]
    _asyncgen_firstiter_hook: Callable[[AsyncGenerator[Any, Any]], None]

    def __init__(self, start_ms: int, seed: int, first: VirtualLoop | None = None) -> None:
        super().__init__()
        self._first = self if first is None else first
        line = Timeline(start_ms) if first is None else first._line
        self._line: Timeline = line
        self._ready = line.ready
        self._others: list[VirtualLoop] = []
        """Loops that this one steps."""
        self._aside: list[asyncio.Handle] | None = None
        """Callbacks that wait while the loop stands still; None while it runs."""
        self.is_killed = False
        """True once no callback of this loop runs any more."""
        self._main: asyncio.Task[Any] | None = None
        self.next_number = line.next_number
        """Return the next number of a task or future."""
        self.start_ms = start_ms
        self.seed = seed
        self.clock = Clock(monotonic=line.time, wall_ns=line.wall_ns, random=Random(seed))
        """Virtual time and seeded random numbers, for a client and a simulator on this loop."""
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Return virtual monotonic time, seconds."""
        return self._line.now

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
            return self._set_timer(self._line.now_us, callback, args, context)
        after_us = delay * 1e6 - DUST_US
        due_us = self._line.now_us + max(1, ceil(after_us)) if after_us < NEVER_US else NEVER_US
        return self._set_timer(due_us, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> VirtualTimer:
        """Call `callback` at `when`, in seconds of `time()`: at least a microsecond from now if `when` is later."""
        line = self._line
        if when <= line.now:
            return self._set_timer(line.now_us, callback, args, context)
        at_us = when * 1e6 - DUST_US
        due_us = max(line.now_us + 1, ceil(at_us)) if at_us < NEVER_US else NEVER_US
        return self._set_timer(due_us, callback, args, context)

    def _set_timer(
        self, due_us: int, callback: Callable[[*Ts], object], args: tuple[*Ts], context: Context | None
    ) -> VirtualTimer:
        if self._closed:
            self._check_closed()
        line = self._line
        timer = VirtualTimer(due_us / 1e6, callback, args, self, context)
        heappush(line.timers, (due_us, line.next_timer(), timer))
        timer._scheduled = True
        return timer

    def _timer_handle_cancelled(self, handle: VirtualTimer) -> None:
        """Count the cancelled timers; drop them once they are the most."""
        if not handle._scheduled:
            return
        line = self._line
        line.cancelled += 1
        if line.cancelled > 100 and line.cancelled * 2 > len(line.timers):
            line.drop_cancelled(handle)

    def _run_once(self) -> None:
        """Run what is ready, else jump to the next timer and run what is due then."""
        line, ready = self._line, self._ready
        if ready or self._stopping:
            line.turns += 1
            if line.turns > MOST_TURNS:
                self._stop_endless()
        elif not line.jump():
            self._end(
                f"{self._waiting_line()} waits for something that never comes, because nothing else runs and no timer "
                "is set: wait with a limit (asyncio.timeout), or for something that another task or the exchange does"
            )
        timers, now_us = line.timers, line.now_us
        while timers and timers[0][0] <= now_us:
            timer = heappop(timers)[2]
            timer._scheduled = False
            if timer._cancelled:
                line.cancelled -= 1
            else:
                ready.append(timer)
        if self._others:
            self._run_each(len(ready))
            return
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _stop_endless(self) -> None:
        """Refuse to go on at this instant."""
        self._line.turns = 0
        tasks = (getattr(getattr(handle, "_callback", None), "__self__", None) for handle in self._ready)
        lines = (line_of_task(task) for task in tasks if isinstance(task, asyncio.Task))
        line = next(filter(None, lines), None) or self._waiting_line()
        self._end(
            f"{line} repeats for ever at one instant ({MOST_TURNS:,} turns of the event loop): an endless loop has to "
            "wait for something that takes time, such as asyncio.sleep(1)"
        )

    def _waiting_line(self) -> str:
        """Return the line of the user's program that waits: that of a main task, else of the first task with one.

        The running loop counts first, then the other ones before the loop that steps them.
        """
        running = asyncio._get_running_loop()
        others = [loop for loop in self._first._others if not loop.is_killed]
        loops = sorted((*others, self._first), key=lambda loop: loop is not running)
        if running is self._first:
            loops.append(loops.pop(0))
        tasks = [task for loop in loops for task in sorted(loop.tasks(), key=lambda task: task is not loop._main)]
        return next(filter(None, map(line_of_task, tasks)), "the program")

    def _end(self, message: str) -> None:
        """End the run for such a failure. Raises the failure if it is not the first: the program goes on."""
        if self.failure is not None:
            raise self.failure
        self.failure = VirtualTimeError(message)
        self._cancel_main()

    @property
    def failure(self) -> VirtualTimeError | None:
        """The first refusal, in any loop of the run."""
        return self._line.failure

    @failure.setter
    def failure(self, error: VirtualTimeError) -> None:
        self._line.failure = error

    def refusal(self, doing: str, frame: FrameType | None = None) -> VirtualTimeError:
        """Return the error for what the user's program does in `frame`, by default the caller's caller; keep the first.

        A program that goes on nevertheless is ended after GRACE_S.
        """
        frame = frame or sys._getframe(2)
        line = line_on_stack(frame, VirtualLoop._run_once.__code__)
        if line is None:  # a task of a library
            line = f"{self._waiting_line()} (by {line_of_call(frame)})"
        error = VirtualTimeError(f"{line} {doing}")
        if self.failure is None:
            self.failure = error
            self._line.turns = 0
            self._first.call_later(GRACE_S, self._cancel_main)
        return error

    def runs_program(self, frame: FrameType | None) -> bool:
        """Return True if a frame was reached from the user's program in this loop."""
        return line_on_stack(frame, VirtualLoop._run_once.__code__) is not None

    def supervise(self, main: asyncio.Task[Any]) -> None:
        """Set the task that a failure cancels."""
        self._main = main

    def _cancel_main(self) -> None:
        """Let the other loops stand still, and cancel the main task of the first one."""
        first = self._first
        for each in first._others:
            each.halt()
        if first._main is not None:
            first._main.cancel()

    @property
    def progress(self) -> tuple[int, int]:
        """Microseconds and turns: the same twice if the loop did not turn in between."""
        return self._line.now_us, self._line.turns

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that are not done, in order of creation; last those that a library made by itself."""
        return sorted(asyncio.all_tasks(self), key=position)

    # Several loops

    def sibling(self, seed: int) -> VirtualLoop:
        """Return another loop in the same time, which this one steps until it is closed."""
        loop = VirtualLoop(self.start_ms, seed, self._first)
        loop._thread_id = threading.get_ident()
        self._first._others.append(loop)
        return loop

    @property
    def siblings(self) -> tuple[VirtualLoop, ...]:
        """The loops that this one steps."""
        return tuple(self._others)

    def halt(self) -> None:
        """Run no callback of this sibling until `resume`: each waits from its time on."""
        if self._aside is None:
            self._aside = []

    def resume(self) -> None:
        """Run what waited since `halt`, unless the loop was killed."""
        if self._aside is not None and not self.is_killed:
            aside, self._aside = self._aside, None
            self._ready.extend(aside)

    def kill(self) -> None:
        """Run no callback of this sibling any more. Timers and callbacks stay in memory until it is closed."""
        if not self.is_killed:
            self.halt()
            self.is_killed = True
            assert self._aside is not None
            self._aside += self._line.take_timers(self)

    def enter(self) -> None:
        """Make this the running loop of the thread."""
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)

    def _run_each(self, size: int) -> None:
        """Run so many callbacks of several loops, each in its own."""
        ready, running = self._ready, self
        try:
            for _ in range(size):
                handle = ready.popleft()
                if handle._cancelled:
                    continue
                loop: VirtualLoop = handle._loop  # type: ignore[attr-defined]  # missing in typeshed
                if loop._aside is not None:
                    loop._aside.append(handle)
                    continue
                if loop is not running:
                    running = loop
                    loop.enter()
                handle._run()
        finally:
            if running is not self:
                self.enter()

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        """Close an asynchronous generator that nobody holds; one of a killed process is dropped."""
        if not self.is_killed:
            super()._asyncgen_finalizer_hook(agen)  # type: ignore[misc]  # missing in typeshed

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
        """Close the loop; drop its timers and callbacks."""
        if self in self._first._others:
            self.kill()
            self._first._others.remove(self)
            waiting = [handle for handle in self._ready if getattr(handle, "_loop", None) is self]
            for handle in (*waiting, *self._line.take_timers(self)):
                handle.cancel()  # none is removed: a turn has counted them
            self._ready, self._thread_id, self._aside = deque(), None, None
        elif self is self._first:
            self._line.timers.clear()
        super().close()

    def run_in_executor(self, executor: object, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Call a function of the SDK at once, as if its work took no time. Raises VirtualTimeError for all others."""
        if not is_call_of_sdk(sys._getframe(1)):
            raise self.refusal(NO_THREAD)
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    if not TYPE_CHECKING:
        add_signal_handler = _refuser(NO_SIGNAL)
        subprocess_exec = subprocess_shell = _refuser(NO_PROCESS)
        create_connection = create_server = create_datagram_endpoint = _refuser(NO_SOCKET)
        create_unix_connection = create_unix_server = connect_accepted_socket = start_tls = _refuser(NO_SOCKET)
        getaddrinfo = getnameinfo = sendfile = _refuser(NO_SOCKET)
        sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = _refuser(NO_SOCKET)
        sock_sendall = sock_sendto = sock_sendfile = sock_connect = sock_accept = _refuser(NO_SOCKET)
        add_reader = add_writer = connect_read_pipe = connect_write_pipe = _refuser(NO_SOCKET)
