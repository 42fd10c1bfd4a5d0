"""Call log of one or more clients: gathers entries, writes them, and handles a failure to write.

The entry that precedes an order is written before the order is sent, in the same call: a completed write outlives the
process, whatever kills it, and with `sync="always"` the machine as well. All other entries are gathered, for 5 ms at
most: if they were lost, a look-up would recover their content.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from pathlib import Path
from typing import Literal, Protocol

from mexc_async.call_log.appender import Appender
from mexc_async.call_log.entries import FORMAT, Closed, Done, Entry, Lost, Opened, packed
from mexc_async.call_log.writer import LogWriter
from mexc_async.errors import CallLogFailed, ConfigError
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.runtime.log import logger
from mexc_async.schema.settings import check_path, check_setting
from mexc_async.schema.validation import instance_of, number, one_of, shown

GATHER_S = 0.005
"""Longest wait of an entry for others that are written with it."""
RETRY_S = 1.0
"""Pause before another write after a failure; an entry that must precede a call tries at once."""
MOST_WAITING = 10_000
"""Most entries held while they cannot be written."""
SHORTEST_SECRET = 8
"""A shorter key is none of MEXC's, and may be part of other words."""
LOOK_MS = 1_000
"""Interval of checks that the file is still there as it was written, and not too old."""
SYNC_S = 1.0
"""Longest time for which entries are not forced to the disk, with `sync="interval"`."""


class Member(Protocol):
    """Client that writes into a log."""

    def now_ms(self) -> int:
        """Return the exchange's time."""
        ...

    def on_log(self, reason: str | None, lost: int) -> None:
        """Handle a failing log, with the reason; or with None one that works again, with the count of lost entries."""
        ...


class CallLog:
    """Log of every private call and push: `Mexc(credentials, call_log=CallLog("calls.log"))`.

    One log is written by one process. Clients of one process and event loop may share it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = 64 << 20,
        max_age_s: float = 86_400.0,
        keep: int = 30,
        sync: Literal["always", "interval", "os"] = "os",
        on_failure: Literal["refuse", "warn"] = "refuse",
        clock: Clock = SYSTEM,
    ) -> None:
        """Set up a log; the file is opened with the first client.

        Args:
            path: the file being written; finished ones stand next to it, with number and time in their names.
            max_bytes: size at which a file is finished and the next begun, at least 1024.
            max_age_s: age at which it is, in seconds.
            keep: number of finished files; older ones are removed.
            sync: what outlives a power failure. `os` leaves the time of writing to the disk to the system, which takes
                up to half a minute; `interval` asks for it every second, in a thread; `always` waits for the disk at
                every write, so that each order takes as long as the disk, and the event loop stands still meanwhile.
                Entries outlive the process in any case.
            on_failure: reaction while the log cannot be written: `refuse` every call that changes something, except
                cancels, before it is sent; or `warn` and continue.
            clock: the clock of the clients that write.

        Raises ConfigError.
        """
        check_path("call_log", path)
        self.path = Path(path).absolute()
        check_setting("on_failure", on_failure, one_of(("refuse", "warn")))
        for name, value, least in (("max_bytes", max_bytes, 1024), ("keep", keep, 1)):
            if type(value) is not int or not least <= value < 1 << 62:
                raise ConfigError(f"{name} {shown(value)} must be a whole number of at least {least}")
        check_setting("max_age_s", max_age_s, number("must be a number of seconds above 0", lambda age: 0 < age < 1e9))
        check_setting("sync", sync, one_of(("always", "interval", "os")))
        check_setting("clock", clock, instance_of(Clock))
        self.on_failure = on_failure
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._keep = keep
        self._sync = sync
        self._clock = clock
        self._members: list[Member] = []
        self._writer: LogWriter | None = None
        self.appender = Appender()
        self._waiting: deque[bytes] = deque()
        """Entries while there is no writer."""
        self._open: Done | None = None
        """The last entry, while its call may add the orders that it placed."""
        self._lost = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sync_timer: asyncio.TimerHandle | None = None
        self._secrets: tuple[bytes, ...] = ()
        self.failure: str | None = None
        """Reason why the log cannot be written at present; None if it can."""

    # Clients

    def join(self, member: Member) -> None:
        """Add a client that will write."""
        if member not in self._members:
            self._members.append(member)

    def hide(self, secret: bytes) -> None:
        """Remove this key from every entry."""
        if len(secret) >= SHORTEST_SECRET:
            self._secrets = tuple({*self._secrets, secret})
            self.appender.secrets = self._secrets

    def open(self) -> None:
        """Open the file, so that a failure shows now and not with the first order. Idempotent."""
        if self._writer is None:
            self._flush()

    def leave(self, member: Member) -> None:
        """Remove a client that is closed; the last one closes the log. Idempotent."""
        if member not in self._members:
            return
        is_last = len(self._members) == 1
        if is_last and self._writer is not None:
            self._put(Closed(member.now_ms(), self._clock.wall_ms()))
        self.flushed()
        self._members.remove(member)
        if is_last:
            self._close()

    def _close(self) -> None:
        for timer in (self._timer, self._sync_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._sync_timer = None
        if self._waiting:
            logger.error("call log: %d entries could not be written to %s", len(self._waiting), self.path)
            self._waiting.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def is_at(self, path: str | os.PathLike[str]) -> bool:
        """Return True if this is the log at that path."""
        return self.path == Path(path).absolute()

    # Entries come in

    def write_ahead(self, entry: Entry, *, may_refuse: bool) -> None:
        """Write an entry, and all before it, now. Raises CallLogFailed if that fails and has to stop the call."""
        self._put(entry)
        if not self._flush() and may_refuse and self.on_failure == "refuse":
            self._waiting.pop()
            raise CallLogFailed(f"the call log {self.path} cannot be written: {self.failure}; nothing was sent")
        self.due()

    def add(self, entry: Entry) -> None:
        """Write an entry soon."""
        self._put(entry)
        self.due()

    def hold(self, entry: Done) -> None:
        """Write an entry soon, and let it be extended until another one comes; see `is_last`."""
        self._close_last()
        self._open = self.appender.held = entry
        self.due()

    def is_last(self, entry: Done) -> bool:
        """Return True if an entry came last and is not written yet, so that it may be extended."""
        return self._open is entry

    def flushed(self) -> Path:
        """Write the gathered entries now; return the path."""
        self._close_last()
        if self._waiting or self._writer is not None:
            self._flush()
        return self.path

    def due(self) -> None:
        """Have what was added written soon."""
        if self._timer is None:
            delay_s = GATHER_S if self.failure is None else RETRY_S
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        has_more = self._writer is not None or self._waiting or self._open is not None
        if has_more and not self._flush():
            self.due()
        elif self._writer is not None:
            self._writer.mark()
            if self._sync == "interval" and self._sync_timer is None:
                self._sync_timer = asyncio.get_running_loop().call_later(SYNC_S, self._start_sync)

    def _put(self, entry: Entry) -> None:
        self._close_last()
        self._put_packed(packed(entry, self._secrets))

    def _close_last(self) -> None:
        """Pack the entry that could be extended so far."""
        if self._open is not None:
            entry, self._open, self.appender.held = self._open, None, None
            self._put_packed(packed(entry, self._secrets))

    def _put_packed(self, content: bytes) -> None:
        if self._writer is None:
            self._waiting.append(content)
        else:
            self.appender.add(content)

    # Writing

    def _flush(self) -> bool:
        """Write all entries; return False, with `failure` set, if that is not possible now."""
        self._close_last()
        try:
            self._write()
        except (OSError, CallLogFailed) as error:
            self._failed(error)
            return False
        if self.failure is not None:
            self._report(None)
        return True

    def _write(self) -> None:
        preface, now_ms = 0, self._clock.wall_ms()
        appender = self.appender
        is_seen = appender.look_at_ms - LOOK_MS <= now_ms < appender.look_at_ms
        if self._writer is None or appender.size >= self._max_bytes or not is_seen:
            preface = self._look_after(now_ms)
        try:
            appender.flush(self._sync == "always")
        except OSError:
            self._waiting.extend(appender.take()[preface:])
            raise

    def _look_after(self, now_ms: int) -> int:
        """See that there is a writer, on a file that exists and is neither full nor too old.

        Return the number of entries about the log itself that were added before all others.
        """
        writer, appender, is_new, preface = self._writer, self.appender, False, 0
        if writer is not None and writer.is_lost:
            logger.warning("call log: %s was removed, or changed by others: it is opened again", self.path)
            self._waiting.extend(appender.take())
            writer.close()
            self._writer = writer = None
        if writer is None:
            writer = self._writer = LogWriter(self.path, self._keep, self._sync != "os", self._clock, appender)
            is_new = True
        if appender.size >= self._max_bytes or writer.age_s >= self._max_age_s:
            writer.rotate()
        if is_new:
            about: list[Entry] = [Opened(self._now_ms(), now_ms, FORMAT, os.getpid(), writer.cut)]
            if self._lost:
                about.append(Lost(self._now_ms(), now_ms, self._lost))
            preface = len(about)
            for content in (*map(packed, about), *self._waiting):
                appender.add(content)
            self._waiting.clear()
        is_quick = self._sync != "always"
        appender.look_at_ms, appender.most_bytes = now_ms + LOOK_MS, self._max_bytes if is_quick else 0
        return preface

    def _failed(self, error: OSError | CallLogFailed) -> None:
        """Hold the entries, up to a bound, and report the failure; the next attempt opens the file again."""
        self._waiting.extend(self.appender.take())
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self._lost += 1
        if self.failure is None:
            self._report(error.message if isinstance(error, CallLogFailed) else error.strerror or str(error))

    def _report(self, failure: str | None) -> None:
        self.failure = failure
        lost, self._lost = self._lost, 0 if failure is None else self._lost
        if failure is None:
            logger.warning("call log: %s can be written again, %d entries were lost", self.path, lost)
        else:
            logger.warning("call log: %s cannot be written (on_failure=%s): %s", self.path, self.on_failure, failure)
        for member in tuple(self._members):
            member.on_log(failure, lost)

    def _now_ms(self) -> int:
        return self._members[0].now_ms() if self._members else self._clock.wall_ms()

    # The disk

    def _start_sync(self) -> None:
        """Force what was written to the disk, in a thread where there may be one."""
        self._sync_timer = None
        if self._writer is None:
            return
        copy = self._writer.duplicate()
        if not self._clock.has_system_time:  # virtual time, where the loop has no threads
            self._on_synced(_sync_and_close(copy))
            return
        syncing = asyncio.get_running_loop().run_in_executor(None, _sync_and_close, copy)
        syncing.add_done_callback(lambda done: None if done.cancelled() else self._on_synced(done.result()))

    def _on_synced(self, error: OSError | None) -> None:
        if error is not None:
            self._failed(error)
            self.due()

    def __repr__(self) -> str:
        return f"<CallLog {self.path}{f', failing: {self.failure}' if self.failure else ''}>"


def abandon(log: CallLog) -> None:
    """Release the file of a log as the end of a killed process does: what is buffered is lost, no end is written.

    For processes in virtual time. The clients that write into the log must be gone. Idempotent.
    """
    log._members.clear()
    log._waiting.clear()
    log.appender.take()
    log._open = log.appender.held = None
    if log._writer is not None:
        log._writer.abandon()
        log._writer = None


def _sync_and_close(fd: int) -> OSError | None:
    """Wait for the disk; return the error, if there is one."""
    try:
        os.fdatasync(fd)
    except OSError as error:
        return error
    finally:
        os.close(fd)
    return None
