"""Exit of a command: one line on standard error, and a status for the kind of failure."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import typer

from mexc_async.runtime.runner import run

if TYPE_CHECKING:
    from mexc_async.client.mexc import Mexc
    from mexc_async.errors import MexcError

REFUSED = 1
"""The exchange refused or was unreachable, or the user declined."""
WRONG_INPUT = 2
INTERRUPTED = 130

Work: TypeAlias = "Callable[[Mexc], Awaitable[None]]"


def fail(message: object, status: int = WRONG_INPUT) -> NoReturn:
    """Print the error on one line and end the command."""
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(status)


def carry_out(mexc: Mexc, work: Work) -> None:
    """Open the client and run `work`. A failure ends the command: 1, 2 for wrong input, 130 after Ctrl-C."""
    from mexc_async.errors import ConfigError, GuardRefused, InvalidRequest, MexcError

    async def opened() -> None:
        try:
            async with mexc:
                await work(mexc)
        except (ConfigError, InvalidRequest, GuardRefused) as error:
            fail(error)
        except MexcError as error:  # printed here: the loop's end may wait for a name server
            fail("; ".join([f"{error}{_meaning(error)}", *getattr(error, "__notes__", ())]), REFUSED)

    try:
        run(opened())
    except SystemExit as ended:
        if ended.code == REFUSED:  # the reader closed the pipe
            raise
        # `run` raises it after Ctrl-C or SIGTERM
        fail("interrupted", int(ended.code or 0))


def _meaning(error: MexcError) -> str:
    """Return the documented meaning of a code: the exchange's own message may be in Chinese."""
    from mexc_async.error_codes import SPOT_CODES

    row = None if error.code is None else SPOT_CODES.get(error.code)
    return "" if row is None else f" ({type(error).__name__}: {row.meaning})"
