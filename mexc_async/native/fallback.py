"""Warn, once, where a compiled core was built and is not in use, or not all of it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from mexc_async.native.loader import core_kind, faults

__all__ = ["core_kind"]


def _warn() -> None:
    """Warn unless all of the core is in use, or none was built, or the user chose the pure one."""
    if os.environ.get("MEXC_ASYNC_PURE"):
        return
    reasons = list(faults)
    if core_kind == "pure" and not reasons:
        files = sorted(Path(__file__).parent.glob("_compiled.*"))
        reasons = [f"{file.name} is for another Python" for file in files if file.suffix in (".so", ".pyd")]
    if reasons:
        part = "the compiled core" if core_kind == "pure" else "a part of the compiled core"
        text = f"mexc_async works without {part}, more slowly: {'; '.join(reasons)}"
        warnings.warn(text, RuntimeWarning, stacklevel=2)


_warn()
