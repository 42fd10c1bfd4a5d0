"""Call log of one or more clients: buffers lines, writes them, and handles a failure to write.

The line that precedes an order is written before the order is sent, in the same call: a completed write outlives the
process, whatever kills it, and with `fsync=True` the machine as well. All other lines are gathered, for 5 ms at most:
if they were lost, a look-up would recover their content.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from pathlib import Path
from typing import Literal, Protocol

from mexc_async.call_log.entries import Closed, Entry, Lost, Opened, chained
from mexc_async.call_log.files import LogWriter
from mexc_async.errors import CallLogFailed, ConfigError
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.runtime.log import logger
from mexc_async.schema.settings import check_path, check_setting
from mexc_async.schema.validation import boolean, instance_of, number, one_of, shown

GATHER_S = 0.005
"""Longest wait of a line for others that are written with it."""
RETRY_S = 1.0
"""Pause before another write after a failure; a line that must precede a call tries at once."""
MOST_WAITING = 10_000
"""Most lines buffered while they cannot be written."""
SHORTEST_SECRET = 8
"""A shorter key is none of MEXC's, and may be part of other words."""
LOOK_S = 1.0
"""Interval of checks that the file exists and is not too old."""


class Member(Protocol):
    """Client that writes into a log."""

    def now_ms(self) -> int:
        """Return the exchange's time."""
        ...

    def on_log(self, reason: str | None, lost: int) -> None:
        """Handle a failing log, with the reason; or, with None, one that works again, with the number of lost lines."""
        ...


class CallLog:
    """Log of every private call and push: `Mexc(credentials, call_log=CallLog("calls.jsonl"))`.

    One log is written by one process. Clients of one process and event loop may share it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = 64 << 20,
        max_age_s: float = 86_400.0,
        keep: int = 30,
        fsync: bool = False,
        on_failure: Literal["refuse", "warn"] = "refuse",
        clock: Clock = SYSTEM,
    ) -> None:
        """Set up a log; the file is opened with the first client.

        Args:
            path: the file being written; finished ones stand next to it, with number and time in their names.
            max_bytes: size at which a file is finished and the next begun, at least 1024.
            max_age_s: age at which it is, in seconds.
            keep: number of finished files; older ones are removed.
            fsync: wait for the disk at every write, so that lines outlive a power failure too. Each order then takes as
                long as the disk, and the event loop stands still meanwhile.
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
        check_setting("fsync", fsync, boolean)
        check_setting("clock", clock, instance_of(Clock))
        self.on_failure = on_failure
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._keep = keep
        self._fsync = fsync
        self._clock = clock
        self._members: list[Member] = []
        self._writer: LogWriter | None = None
        self._waiting: deque[Entry] = deque()
        self._lost = 0
        self._handle: asyncio.TimerHandle | None = None
        self._look_at = 0.0
        self._secrets: tuple[bytes, ...] = ()
        self.failure: str | None = None
        """Reason why the log cannot be written at present; None if it can."""

    # Clients

    def join(self, member: Member) -> None:
        """Add a client that will write."""
        if member not in self._members:
            self._members.append(member)

    def hide(self, secret: bytes) -> None:
        """Remove this from every line: a key in its JSON spelling."""
        if len(secret) >= SHORTEST_SECRET:
            self._secrets = tuple({*self._secrets, secret})

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
            self._waiting.append(Closed(member.now_ms(), self._clock.wall_ms()))
        if self._waiting:
            self._flush()
        self._members.remove(member)
        if is_last:
            self._close()

    def _close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._waiting:
            logger.error("call log: %d lines could not be written to %s", len(self._waiting), self.path)
            self._waiting.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def is_at(self, path: str | os.PathLike[str]) -> bool:
        """Return True if this is the log at that path."""
        return self.path == Path(path).absolute()

    # Lines come in

    def write_ahead(self, entry: Entry, *, may_refuse: bool) -> None:
        """Write a line, and all before it, now. Raises CallLogFailed if that fails and has to stop the call."""
        self._waiting.append(entry)
        if not self._flush() and may_refuse and self.on_failure == "refuse":
            self._waiting.pop()
            raise CallLogFailed(f"the call log {self.path} cannot be written: {self.failure}; nothing was sent")
        if self._handle is None:
            self._schedule()

    def add(self, entry: Entry) -> None:
        """Write a line soon."""
        self._waiting.append(entry)
        if self._handle is None:
            self._schedule()

    def is_last(self, entry: Entry | None) -> bool:
        """Return True if an entry came last and is not written yet, so that it may be extended."""
        return bool(self._waiting) and self._waiting[-1] is entry

    def flushed(self) -> Path:
        """Write the buffered lines now; return the path."""
        if self._waiting:
            self._flush()
        return self.path

    def _schedule(self) -> None:
        delay_s = GATHER_S if self.failure is None else RETRY_S
        self._handle = asyncio.get_running_loop().call_later(delay_s, self._due)

    def _due(self) -> None:
        self._handle = None
        if self._waiting and not self._flush():
            self._schedule()
        elif self._writer is not None:
            self._writer.mark()

    # Writing

    def _flush(self) -> bool:
        """Write all buffered lines; return False, with `failure` set, if that is not possible now."""
        try:
            self._write()
        except (OSError, CallLogFailed) as error:
            self._failed(error)
            return False
        if self.failure is not None:
            self._report(None)
        return True

    def _write(self) -> None:
        preface: list[Entry] = []
        writer = self._writer
        if writer is None or writer.size >= self._max_bytes or self._clock.monotonic() >= self._look_at:
            writer = self._looked_after(writer, preface)
        entries = (*preface, *self._waiting) if preface else self._waiting
        writer.append(*chained(writer.last, entries, self._secrets))
        self._waiting.clear()

    def _looked_after(self, writer: LogWriter | None, preface: list[Entry]) -> LogWriter:
        """Return the writer, opened if need be, on a file that exists and is neither full nor too old."""
        self._look_at = self._clock.monotonic() + LOOK_S
        if writer is not None and writer.is_lost:
            logger.warning("call log: %s was removed, beginning a new file", self.path)
            writer.close()
            self._writer = writer = None
        if writer is None:
            writer = self._writer = LogWriter(self.path, self._keep, self._fsync, self._clock)
            preface.append(Opened(self._now_ms(), self._clock.wall_ms(), 1, os.getpid(), writer.cut))
            if self._lost:
                preface.append(Lost(self._now_ms(), self._clock.wall_ms(), self._lost))
        if writer.size >= self._max_bytes or writer.age_s >= self._max_age_s:
            writer.rotate()
        return writer

    def _failed(self, error: OSError | CallLogFailed) -> None:
        """Buffer the lines, up to a bound, and report the failure; the next attempt opens the file again."""
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
            logger.warning("call log: %s can be written again, %d lines were lost", self.path, lost)
        else:
            logger.warning("call log: %s cannot be written (on_failure=%s): %s", self.path, self.on_failure, failure)
        for member in tuple(self._members):
            member.on_log(failure, lost)

    def _now_ms(self) -> int:
        return self._members[0].now_ms() if self._members else self._clock.wall_ms()

    def __repr__(self) -> str:
        return f"<CallLog {self.path}{f', failing: {self.failure}' if self.failure else ''}>"


def abandon(log: CallLog) -> None:
    """Release the file of a log as the end of a killed process does: what is buffered is lost, no end is written.

    For processes in virtual time. The clients that write into the log must be gone. Idempotent.
    """
    log._members.clear()
    log._waiting.clear()
    if log._writer is not None:
        log._writer.abandon()
        log._writer = None
