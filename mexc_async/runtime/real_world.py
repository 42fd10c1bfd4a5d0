"""Refuses what needs the outside world or real time while a loop of virtual time runs in this thread.

Python's audit events report sockets, processes, changes of files and, from 3.13 on, threads. The one audit hook of the
process is added at the first run, because Python has no way to remove it. It does nothing outside a run and in other
threads.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from types import FrameType

from mexc_async.runtime.virtual_loop import NO_PROCESS, NO_SOCKET, NO_THREAD, VirtualLoop

NO_SLEEP = "calls time.sleep, which blocks the event loop and moves no virtual time: await asyncio.sleep(...)"
NO_INPUT = "reads from the keyboard, which blocks the event loop: pass a parameter"
REFUSED = {
    "_thread.start_joinable_thread": NO_THREAD,
    "_thread.start_new_thread": NO_THREAD,
    "builtins.input": NO_INPUT,
    "os.exec": NO_PROCESS,
    "os.fork": NO_PROCESS,
    "os.forkpty": NO_PROCESS,
    "os.posix_spawn": NO_PROCESS,
    "os.spawn": NO_PROCESS,
    "os.system": NO_PROCESS,
    "socket.__new__": NO_SOCKET,
    "socket.bind": NO_SOCKET,
    "socket.connect": NO_SOCKET,
    "socket.getaddrinfo": NO_SOCKET,
    "socket.gethostbyaddr": NO_SOCKET,
    "socket.gethostbyname": NO_SOCKET,
    "socket.getnameinfo": NO_SOCKET,
    "socket.sendmsg": NO_SOCKET,
    "socket.sendto": NO_SOCKET,
    "subprocess.Popen": NO_PROCESS,
    "time.sleep": NO_SLEEP,
}
"""Audit events, and what the program does by them."""
LOOKS = 4
"""Looks of the watchdog in its time."""

CHANGES = frozenset({
    "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.removexattr", "os.rename", "os.rmdir",
    "os.setxattr", "os.symlink", "os.truncate", "os.utime", "sqlite3.connect",
})  # fmt: skip
"""Audit events of changes to files, beside the opening of one to write."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_guarded: dict[int, VirtualLoop] = {}
"""The loop that runs in a thread, by the thread's id."""
_sealed: set[int] = set()
"""Threads in which a program is dropped."""
_is_hooked = False


def _audit(event: str, facts: tuple[object, ...]) -> None:
    if _sealed and threading.get_ident() in _sealed:
        flags = facts[2] if event == "open" else 0
        if event in CHANGES or event in REFUSED or (isinstance(flags, int) and flags & _WRITES):
            raise OSError("a program that is dropped has no effect")
    elif event in REFUSED and (loop := _guarded.get(threading.get_ident())) is not None:
        raise loop.refusal(REFUSED[event])


def _hook() -> None:
    global _is_hooked
    if not _is_hooked:
        _is_hooked = True
        sys.addaudithook(_audit)


class _Nowhere(io.TextIOBase):
    """Output that goes nowhere."""

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def sealed() -> Iterator[None]:
    """Let what runs in this thread have no output and no effect on files: a program is dropped, `finally` and all.

    A file of Python's that is open already, and that holds text which it has not written, writes it when it is dropped.
    """
    _hook()
    own, level, hook = threading.get_ident(), logging.root.manager.disable, sys.unraisablehook
    with ExitStack() as undo:
        undo.callback(logging.disable, level)
        undo.callback(setattr, sys, "unraisablehook", hook)
        undo.callback(_sealed.discard, own)
        undo.enter_context(warnings.catch_warnings())
        undo.enter_context(redirect_stdout(_Nowhere()))
        undo.enter_context(redirect_stderr(_Nowhere()))
        warnings.simplefilter("ignore")
        logging.disable()
        sys.unraisablehook = lambda _: None
        _sealed.add(own)
        yield


@contextmanager
def refused_world(loop: VirtualLoop) -> Iterator[None]:
    """Refuse sockets, processes and threads in this thread: each raises VirtualTimeError, which also ends the run."""
    _hook()
    own, start = threading.get_ident(), threading.Thread.start

    def start_thread(thread: threading.Thread) -> None:
        if threading.get_ident() == own:
            raise loop.refusal(NO_THREAD)
        start(thread)

    _guarded[own] = loop
    threading.Thread.start = start_thread  # type: ignore[assignment,method-assign]  # no audit event before Python 3.13
    try:
        yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
        del _guarded[own]


@contextmanager
def watchdog(loop: VirtualLoop, limit_s: float | None) -> Iterator[None]:
    """Raise VirtualTimeError in a program that lets the loop not turn for `limit_s` seconds of real time.

    It needs the main thread and SIGALRM, and leaves a program's own handler of that signal alone. Code that catches the
    error and goes on gets a KeyboardInterrupt at the next look.
    """
    is_free = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    if limit_s is None or not is_free or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGALRM, _looker(loop, limit_s))
    signal.setitimer(signal.ITIMER_REAL, limit_s / LOOKS, limit_s / LOOKS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _looker(loop: VirtualLoop, limit_s: float) -> Callable[[int, FrameType | None], None]:
    """Return a handler that looks at the loop's progress."""
    seen, looks = loop.progress, 0

    def look(_: int, frame: FrameType | None) -> None:
        nonlocal seen, looks
        now = loop.progress
        looks = looks + 1 if now == seen and loop.is_running() else 0
        seen = now
        if looks > LOOKS:
            raise KeyboardInterrupt
        if looks == LOOKS and loop.runs_program(frame):
            raise loop.refusal(
                f"has not let the event loop turn for {limit_s:g} s of real time: await asyncio.sleep(0) in long "
                "calculations, or give the run a longer watchdog_s",
                frame,
            )

    return look
