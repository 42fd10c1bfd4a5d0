"""Way of one order through the package: `python -m benchmarks.order_way [--list]`.

Counts the Python files, the calls of functions, and the changes of file from one call to the next, from the user's call
to its return. Compiled functions do not show in it: their files are named below. Both cores and a refusal by the
limiter are traced, each over a warm connection, in the usual configuration.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from types import FrameType
from typing import Any, NamedTuple

import orjson

from benchmarks.clients import ROOT
from benchmarks.mock_exchange import ROUTES
from benchmarks.order_subjects import HOST, KEY, PRICE, QUANTITY, SECRET
from mexc_async.client.mexc import Mexc
from mexc_async.errors import RateLimited
from mexc_async.native.loader import core_kind
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import SYSTEM

PACKAGE = f"{ROOT / 'mexc_async'}{os.sep}"
COMPILED = (
    "limits/_limits.pxi", "rest/_express.pxi", "rest/_hmac.pxi", "rest/_order.pxi", "transport/_lane.pxi"
)  # fmt: skip
"""Files of the compiled core that an order passes in the usual configuration."""
PLACED, REFUSED = "placed", "refused by the limiter"
TIME = "/api/v3/time"
_TIMES = 5
"""Orders that are traced; the shortest way counts, without what the client does in the background."""


class Step(NamedTuple):
    """A call of a function of the package."""

    file: str
    function: str


class Trace:
    """Calls of the package's functions inside the block; a coroutine counts once, however often it goes on."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._seen: set[FrameType] = set()

    def __enter__(self) -> Trace:
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _on_event(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE) and frame not in self._seen:
            self._seen.add(frame)
            self.steps.append(Step(code.co_filename.removeprefix(PACKAGE), code.co_qualname))


def counts(steps: list[Step]) -> tuple[int, int, int]:
    """Return the number of files, of calls, and of changes of file."""
    changes = sum(before.file != after.file for before, after in pairwise(steps))
    return len({step.file for step in steps}), len(steps), changes


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            path = target.partition("?")[0]
            body = orjson.dumps(
                {"serverTime": SYSTEM.wall_ms()} if path == TIME else ROUTES.get(f"{method} {path}", {})
            )
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
    writer.close()


async def traced() -> dict[str, list[Step]]:
    """Return the shortest way of an order that is placed, and of one that the limiter refuses."""
    server = await asyncio.start_server(_serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Mexc(Credentials(KEY, SECRET), rest=f"http://{HOST}:{port}") as mexc:
        await mexc.warm_up(2)
        await mexc.load_rules()
        quantity, price = Decimal(QUANTITY), Decimal(PRICE)

        async def placed() -> None:
            await mexc.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=quantity, price=price)

        hasty = mexc.using(max_wait_s=0)

        async def refused() -> None:
            with suppress(RateLimited):
                await hasty.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=quantity, price=price)

        ways = {PLACED: await _shortest(placed)}
        while True:  # until the limit is used up
            try:
                await hasty.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=quantity, price=price)
            except RateLimited:
                break
        return ways | {REFUSED: await _shortest(refused)}


async def _shortest(act: Callable[[], Awaitable[None]]) -> list[Step]:
    await act()
    found: list[list[Step]] = []
    for _ in range(_TIMES):
        await asyncio.sleep(0.01)
        with Trace() as trace:
            await act()
        found.append(trace.steps[1:] if trace.steps and trace.steps[0].file.startswith("benchmarks") else trace.steps)
    return min(found, key=len)


def _other_core() -> dict[str, list[Step]]:
    """Return the ways through the pure core, traced by another process."""
    command = [sys.executable, "-m", "benchmarks.order_way", "--json"]
    environment = {**os.environ, "MEXC_ASYNC_PURE": "1"}
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=environment)
    return {way: [Step(*step) for step in steps] for way, steps in orjson.loads(done.stdout).items()}


def _lines(kind: str, ways: dict[str, list[Step]], is_listed: bool) -> Iterator[str]:
    for way, steps in ways.items():
        yield "{:9} {:24}{:3} files {:4} calls {:4} changes of file".format(kind, way, *counts(steps))
        if is_listed:
            yield from (f"    {step.file:32} {step.function}" for step in steps)
        if kind == "compiled" and way == PLACED:
            both = counts(steps)[0] + len(COMPILED)
            yield f"{'':9} {'with .pxi':24}{both:3} files"


def main(arguments: list[str] | None = None) -> int:
    """Print the figures of both cores."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.order_way", description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print every call")
    parser.add_argument("--json", action="store_true", help="print the calls of the core in use as JSON")
    options = parser.parse_args(arguments)
    ways = asyncio.run(traced())
    if options.json:
        print(orjson.dumps({way: [tuple(step) for step in steps] for way, steps in ways.items()}).decode())
        return 0
    kinds = {core_kind: ways} if core_kind == "pure" else {"compiled": ways, "pure": _other_core()}
    for kind, found in kinds.items():
        print(*_lines(kind, found, options.list), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
