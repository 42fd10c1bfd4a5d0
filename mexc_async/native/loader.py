"""Load the compiled core where it was built, else, or with MEXC_ASYNC_PURE=1 set, the pure one."""

from __future__ import annotations

from typing import Literal

try:
    from mexc_async.native import _compiled as compiled
except ImportError:
    compiled = None  # type: ignore[assignment]  # a module, or none

__all__ = ["compiled", "core_kind"]

core_kind: Literal["compiled", "pure"] = "compiled" if compiled else "pure"
"""Results and errors are the same; `docs/performance.md` says what is quicker."""
