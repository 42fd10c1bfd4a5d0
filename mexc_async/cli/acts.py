"""What changes something: it is asked about first, and carried to its end once it has begun."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from mexc_async.cli.outcome import INTERRUPTED, REFUSED, fail

if TYPE_CHECKING:
    from mexc_async.client import Mexc


def confirm(mexc: Mexc, what: str, yes: bool) -> None:
    """Show where and what, and go on only if the answer is yes. Ends the command otherwise; nothing was sent."""
    if yes:
        return
    where = repr(mexc).removeprefix("<Mexc ").removesuffix(">")
    if not sys.stdin.isatty():
        fail(f"{where}: {what}: not done, since nobody can be asked here; give --yes to do it without asking")
    print(f"{where}\n{what}\nGo on? [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline().strip().lower()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        fail("interrupted; nothing was sent", INTERRUPTED)
    if answer not in ("y", "yes"):
        fail("not confirmed; nothing was sent", REFUSED)


async def to_its_end(mexc: Mexc, act: Coroutine[Any, Any, None]) -> None:
    """Do what cannot be looked up afterwards: Ctrl-C waits for its answer, which alone tells what became of it."""
    task = mexc.orders.spawn(act)
    was_interrupted = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            was_interrupted = True
            print("interrupted; waiting for the answer to what was sent", file=sys.stderr)
    task.result()
    if was_interrupted:
        raise asyncio.CancelledError
