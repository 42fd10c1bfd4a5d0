"""Lines of the user's program: the innermost line on a stack, or in a chain of awaits, that is not a library's."""

from __future__ import annotations

import asyncio
import os
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_ROOM = str(Path(__file__).parent) + os.sep
_COMPILED = "mexc_async/native/"
"""Start of the names of the compiled core's source files."""
_STANDARD = str(Path(os.__file__).parent) + os.sep
_INSTALLED = tuple(f"{os.sep}{folder}{os.sep}" for folder in ("site-packages", "dist-packages"))


def is_python(filename: str) -> bool:
    """Return True if a source file is of Python's own library."""
    return filename.startswith((_STANDARD, "<frozen ")) and not any(part in filename for part in _INSTALLED)


def is_sdk(filename: str) -> bool:
    """Return True if a source file is of this package."""
    return filename.startswith((_PACKAGE, _COMPILED))


def _is_below(filename: str) -> bool:
    return is_python(filename) or filename.startswith(_ROOM)


@cache
def is_program(filename: str) -> bool:
    """Return True if a source file is the user's: neither Python's, nor an installed library's, nor the SDK's."""
    return not (is_python(filename) or is_sdk(filename) or any(part in filename for part in _INSTALLED))


def line_on_stack(frame: FrameType | None, outermost: CodeType) -> str | None:
    """Return `file:line` of the innermost frame of the user's program, None without one.

    The frames outside the call of `outermost` do not count.
    """
    while frame is not None and frame.f_code is not outermost:
        if is_program(frame.f_code.co_filename):
            return _text(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def line_of_call(frame: FrameType | None) -> str:
    """Return `file:line` of the innermost frame outside Python's own library and this room."""
    while frame is not None and _is_below(frame.f_code.co_filename) and frame.f_back:
        frame = frame.f_back
    return "" if frame is None else _text(frame.f_code.co_filename, frame.f_lineno)


def is_call_of_program(frame: FrameType | None) -> bool:
    """Return True if the innermost frame outside Python's own library is of the user's program."""
    while frame is not None and is_python(frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None and is_program(frame.f_code.co_filename)


def is_call_of_sdk(frame: FrameType | None) -> bool:
    """Return True if the innermost frame outside Python's own library is of this package."""
    while frame is not None and is_python(frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None and is_sdk(frame.f_code.co_filename)


def line_of_task(task: asyncio.Task[object]) -> str | None:
    """Return `file:line` of the innermost await in the user's program that a task waits in, None without one."""
    found = None
    work: object = task.get_coro()
    while work is not None:
        frame = getattr(work, "cr_frame", None) or getattr(work, "gi_frame", None) or getattr(work, "ag_frame", None)
        if frame is not None and is_program(frame.f_code.co_filename):
            found = _text(frame.f_code.co_filename, frame.f_lineno)
        work = getattr(work, "cr_await", None) or getattr(work, "gi_yieldfrom", None) or getattr(work, "ag_await", None)
    return found


def _text(filename: str, line: int) -> str:
    """Return the place; the file by its path from the working directory if it is inside."""
    path = Path(filename)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def line_of_error(error: BaseException) -> str | None:
    """Return `file:line` of the innermost frame of the user's program that an error passed, None without one."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if is_program(trace.tb_frame.f_code.co_filename):
            found = _text(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return found
