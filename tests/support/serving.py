"""The example services, served in this process on a free port, with the test's own client.

`python -m tests.support.serving KIND REST WS KEY`, with SECRET in the environment, serves in a separate process.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import uvicorn
from aiohttp import web

from mexc_async.client.mexc import Mexc
from mexc_async.contrib import aiohttp_web, fastapi
from mexc_async.contrib.service import MexcService
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.transport.config import Timeouts
from tests.support.settings import flat

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KINDS = ("fastapi", "aiohttp")
SOON_S = 0.1
"""Test value for the six seconds after an earlier run that may have used a key."""


def example(kind: str) -> ModuleType:
    """Load the example again, since its application serves once."""
    name = f"{kind}_service"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def application(kind: str, make: Callable[[], Mexc], **options: Any) -> tuple[Any, MexcService]:
    """Return the example's application with a client."""
    module = example(kind)
    if kind == "fastapi":
        return module.app, fastapi.use_mexc(module.app, make, **options)
    app = web.Application()
    app.add_routes(module.routes)
    return app, aiohttp_web.use_mexc(app, make, **options)


def maker(simulator: BackgroundSimulator, **settings: Any) -> Callable[[], Mexc]:
    """Return a function that creates clients of a simulator."""
    credentials = Credentials(simulator.api_key, simulator.api_secret)
    usual = {"rest": simulator.rest, "ws": simulator.spot_ws, "limits": "unlimited"}
    return lambda: Mexc(credentials, **flat(**usual | settings))


@asynccontextmanager
async def serving(kind: str, make: Callable[[], Mexc], **options: Any) -> AsyncIterator[tuple[str, MexcService]]:
    """Serve the example during the block; yield the URL and the service."""
    app, service = application(kind, make, **{"earlier_s": SOON_S} | options)
    async with served(kind, app) as url:
        yield url, service


@asynccontextmanager
async def served(kind: str, app: Any) -> AsyncIterator[str]:
    """Serve an application during the block; yield its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if kind == "fastapi":
            config = uvicorn.Config(app, log_level="warning", ws="none", lifespan="on", backlog=512)
            server = uvicorn.Server(config)
            task = asyncio.create_task(server.serve([listener]))
            while not server.started:
                await asyncio.wait([task], timeout=0.01)
                assert not task.done(), task
            try:
                yield url
            finally:
                server.should_exit = True
                await task
        else:
            runner = web.AppRunner(app, shutdown_timeout=5, handler_cancellation=True)
            await runner.setup()
            await web.SockSite(runner, listener, backlog=512).start()
            try:
                yield url
            finally:
                await runner.cleanup()


def main(kind: str, rest: str, ws: str, key: str) -> None:
    """Serve until a signal; print the URL as the first line."""

    def make() -> Mexc:
        return Mexc(
            Credentials(key, os.environ["SECRET"]), **flat(rest=rest, ws=ws, timeouts=Timeouts(read_s=30, total_s=30))
        )

    app, _ = application(kind, make, earlier_s=SOON_S)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        if kind == "fastapi":
            uvicorn.Server(uvicorn.Config(app, ws="none")).run([listener])
        else:
            web.run_app(app, sock=listener, print=None, shutdown_timeout=20)


if __name__ == "__main__":
    main(*sys.argv[1:])
