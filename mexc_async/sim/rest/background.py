"""Simulator on its own thread, for programs and tests without an event loop or with a loop of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import TypeVar

from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.rest.server import SimConfig, Simulator

T = TypeVar("T")
R = TypeVar("R")


class BackgroundSimulator:
    """A running simulator on its own thread, which ends with `close` or with its `with`.

    Point any client at it, synchronous or not:

        with BackgroundSimulator() as sim:
            print(sim.rest)
    """

    def __init__(self, config: SimConfig | None = None, clock: Clock = SYSTEM) -> None:
        """Start the simulator, whose thread reads `clock`. Raises ValueError for a bad configuration."""
        self._simulator = Simulator(config, clock)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mexc-sim", daemon=True)
        self._thread.start()
        try:
            self._run(self._simulator.start())
        except BaseException:
            self._stop_thread()
            raise
        self.rest = self._simulator.rest
        """Base URL of the REST API."""
        self.spot_ws = self._simulator.spot_ws
        """URL of the spot WebSocket stream."""
        main = self._simulator.config.accounts[0]
        self.api_key = main.api_key
        self.api_secret = main.api_secret

    @property
    def exchange(self) -> Exchange:
        """The simulated exchange. Use it through `call`: it belongs to the simulator's thread."""
        return self._simulator.exchange

    def call(self, act: Callable[[Simulator], R]) -> R:
        """Run `act` on the simulator's thread and return its result: inject faults, open a gap, read order books."""

        async def run() -> R:
            return act(self._simulator)

        return self._run(run())

    def close(self) -> None:
        """Stop the simulator and end its thread. Safe to call again."""
        if self._loop.is_closed():
            return
        try:
            self._run(self._simulator.aclose())
        finally:
            self._stop_thread()

    def __enter__(self) -> BackgroundSimulator:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"BackgroundSimulator({self.rest!r})"

    def _run(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def _stop_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
