"""Steps of Python code: a measure of work that does not depend on the machine or its load."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps_of(function: Callable[[], object]) -> int:
    """Call a function and return the number of bytecode instructions that ran; loops inside C are not seen."""
    steps, before, collects = 0, sys.gettrace(), gc.isenabled()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += event == "opcode"
        return trace

    gc.disable()  # its callbacks are no work of the function
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
        if collects:
            gc.enable()
    return steps
