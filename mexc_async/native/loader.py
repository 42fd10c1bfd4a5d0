"""Load the compiled core where it was built, unless MEXC_ASYNC_PURE=1 is set; `fallback.py` warns of `faults`."""

from __future__ import annotations

from typing import Literal

__all__ = ["compiled", "core_kind", "faults"]

faults: tuple[str, ...] = ()
"""Reasons for which the compiled core, or a part of it, is not in use. Empty if no core was built."""
try:
    import mexc_async.native._compiled as compiled
except Exception as error:  # whatever it is, the pure core does the work
    compiled = None  # type: ignore[assignment]  # a module, or none
    if not (isinstance(error, ModuleNotFoundError) and error.name == "mexc_async.native._compiled"):
        faults = (f"{type(error).__name__}: {error}",)
else:
    faults = tuple(compiled.faults)

core_kind: Literal["compiled", "pure"] = "compiled" if compiled else "pure"
"""Results and errors are the same; `docs/performance.md` says what is quicker."""
