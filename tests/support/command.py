"""Commands of the command line, run in this process as `mexc-async` would."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NamedTuple, TypeAlias
from unittest.mock import patch

import orjson

from mexc_async.cli.app import main

COMMAND = [sys.executable, "-m", "mexc_async.cli.app"]
"""The start of a command in a process of its own, for tests that kill, signal or stop it."""


class Ended(NamedTuple):
    """Result of a command: status and output."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """The printed JSON, decoded."""
        assert self.status == 0, self.err
        value: object = orjson.loads(self.out)
        return value

    def error(self, status: int = 2) -> str:
        """Return the one line of its error."""
        assert self.status == status, self
        assert self.out == ""
        *asked, line = self.err.splitlines()
        assert not asked
        assert line.startswith("error: ")
        return line


Run: TypeAlias = Callable[..., Ended]


class Terminal(io.StringIO):
    """Standard input that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def without_uvloop() -> Iterator[None]:
    """Hide uvloop: its loops are collected too late when warnings are errors."""
    modules: dict[str, Any] = sys.modules
    found = modules.get("uvloop")
    modules["uvloop"] = None
    try:
        yield
    finally:
        del modules["uvloop"]
        if found is not None:
            modules["uvloop"] = found


def invoke(*arguments: str, stdin: io.StringIO | None = None, environ: Mapping[str, str] | None = None) -> Ended:
    """Run a command; prompts have no one to answer them unless `stdin` is given.

    `environ` replaces the environment.
    """
    out, err, status = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["mexc-async", *arguments]),
        patch.object(sys, "stdin", stdin or io.StringIO()),
        without_uvloop(),
        patch.dict(os.environ, environ or {}, clear=environ is not None),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    out.seek(0)
    return Ended(status, out.read(), err.getvalue())
