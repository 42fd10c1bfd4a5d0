"""Reference to a function by its place, so that another process can find it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from mexc_async.backtest.strategy import name_of, run_file
from mexc_async.errors import ConfigError


class Reference(NamedTuple):
    """Place of a function."""

    module: str
    file: str
    name: str
    keywords: tuple[tuple[str, object], ...] = ()
    """Arguments that a `partial` of it adds."""

    @classmethod
    def to(cls, function: Callable[..., Any]) -> Reference:
        """Return the place of a function. Raises ConfigError for one that only this process can find."""
        keywords: dict[str, object] = {}
        if isinstance(function, partial) and not function.args:
            keywords = function.keywords
            function = function.func
        module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
        file = getattr(sys.modules.get(module or ""), "__file__", None)
        if module is None or file is None or not name.isidentifier():
            raise ConfigError(
                f"{name_of(function)} is no function of a module's top level, so that other processes cannot find it: "
                "move it there, or give cpus=1"
            )
        return cls(module, str(Path(file).resolve()), name, tuple(keywords.items()))

    def find(self) -> Callable[..., Any]:
        """Return the function, in this process."""
        function: Callable[..., Any] = getattr(self._module(), self.name)
        return partial(function, **dict(self.keywords)) if self.keywords else function

    def _module(self) -> object:
        known = sys.modules.get(self.module) if self.module != "__main__" else None
        if known is None and self.module != "__main__":
            try:
                known = import_module(self.module)
            except ModuleNotFoundError:
                known = None
        if known is None or str(Path(getattr(known, "__file__", None) or "").resolve()) != self.file:
            known = run_file(Path(self.file))
        return known
