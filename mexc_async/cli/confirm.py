"""Calls that change something: confirm before the request, then wait for its answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from mexc_async.cli.exit_status import INTERRUPTED, REFUSED, fail

if TYPE_CHECKING:
    from mexc_async.client.mexc import Mexc


def confirm(mexc: Mexc, what: str, yes: bool) -> None:
    """Print the exchange and the change, and return after a yes. Any other answer ends the command, unsent."""
    if yes:
        return
    where = repr(mexc).removeprefix("<Mexc ").removesuffix(">")
    if not sys.stdin.isatty():
        fail(f"{where}: {what}: not done: there is no terminal to ask at; give --yes to skip the question")
    print(f"{where}\n{what}\nGo on? [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline().strip().lower()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        fail("interrupted; nothing was sent", INTERRUPTED)
    if answer not in ("y", "yes"):
        fail("not confirmed; nothing was sent", REFUSED)


async def to_its_end(mexc: Mexc, act: Coroutine[Any, Any, None]) -> None:
    """Await a call whose outcome cannot be queried later. Ctrl-C takes effect once the answer is here."""
    task = mexc.orders.spawn(act)
    was_interrupted = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            was_interrupted = True
            print("interrupted; waiting for the answer to the request", file=sys.stderr)
    task.result()
    if was_interrupted:
        raise asyncio.CancelledError
