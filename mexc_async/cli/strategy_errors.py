"""Errors of a strategy and of its run, as a command shows them: one line, after the strategy's own traceback."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from mexc_async.cli.exit_status import REFUSED, fail

_PACKAGE = str(Path(__file__).parents[1])


@contextmanager
def ended_by_errors(place: str) -> Iterator[None]:
    """End the command with one line for any error, and with a traceback for one that the strategy raised.

    `place` is the strategy, such as `grid.py:main`. Status 1 for the strategy's errors, 2 for wrong input, 130 or 143
    after Ctrl-C or SIGTERM.
    """
    from mexc_async.errors import ConfigError, VirtualTimeError

    file = str(Path(place.partition(":")[0]).resolve())
    try:
        yield
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, str) or ended.code < 128:
            raise
        fail("interrupted", ended.code)
    except VirtualTimeError as error:  # names the line
        fail(error, REFUSED)
    except Exception as error:
        own = _own(error.__traceback__, file)
        if own is None and isinstance(error, SyntaxError) and error.filename == file:
            fail(f"{Path(file).name}:{error.lineno}: {error.msg}")
        if own is None and isinstance(error, ConfigError | ValueError):
            fail(error)
        if own is None:
            raise
        shown = traceback.TracebackException.from_exception(error.with_traceback(own))
        _leave_out_package(shown)
        sys.stderr.writelines(shown.format())
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
            own = _own(error.__traceback__, file) or own
        fail(f"{_line(own, file)}: {type(error).__name__}: {_first_line(error)}", REFUSED)


def _own(trace: TracebackType | None, file: str) -> TracebackType | None:
    """Return a traceback from the strategy's file on; None if it never gets there."""
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    return trace


def _line(trace: TracebackType | None, file: str) -> str:
    """Return the last line of the strategy's file in a traceback, such as `grid.py:31`."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{Path(file).name}:{line}"


def _leave_out_package(shown: traceback.TracebackException | None) -> None:
    """Remove the SDK's own frames from a traceback, and from those of its causes."""
    if shown is not None:
        own = [frame for frame in shown.stack if not frame.filename.startswith(_PACKAGE)]
        shown.stack = traceback.StackSummary.from_list(own)
        for inner in (shown.__cause__, shown.__context__, *(shown.exceptions or ())):
            _leave_out_package(inner)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "without a message")
