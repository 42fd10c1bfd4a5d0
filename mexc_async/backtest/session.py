"""One session of a strategy on a simulated exchange in this process, in whatever time its clock has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import copy_context
from decimal import getcontext, setcontext
from typing import NamedTuple, Protocol, TypeAlias

from mexc_async.accounts.accounts import Accounts
from mexc_async.backtest.ledger import Ledger
from mexc_async.backtest.result import BoundLimit, End, Result, fees_of, normal
from mexc_async.backtest.strategy import Strategy
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Network, Prepared, Settings
from mexc_async.errors import ConfigError
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import Clock
from mexc_async.sim.market.recording import Recording
from mexc_async.sim.rest.http import Listen
from mexc_async.sim.rest.server import SimConfig, Simulator

END_S = 60.0
"""Longest virtual time in seconds that a strategy may take to end once it is cancelled."""
Clients: TypeAlias = "Mexc | Accounts[Mexc]"


class Join(Protocol):
    """Connection of clients with a simulated exchange."""

    @property
    def listen(self) -> Listen:
        """Builder of the exchange's port."""
        ...

    @property
    def network(self) -> Network:
        """Makers of a client's connections."""
        ...


class Session(NamedTuple):
    """A strategy, the exchange to run it on, and the data of the result."""

    strategy: Strategy
    config: SimConfig
    clock: Clock
    quote: str
    """Asset in which the result is counted."""
    market: str
    """Name of the market for the result."""
    sample_s: float
    settings: Settings
    join: Join
    """Connection of the clients with the exchange."""
    recording: Recording | None = None
    """Recorded market, read before."""
    on_interrupt: Callable[[Result], None] | None = None
    """Called with the result so far after Ctrl-C."""
    length_ms: int | None = None
    """Time until the market ends and the strategy is cancelled; None without an end."""

    async def run(self) -> Result:
        """Run the strategy to its end, and return the result. Raises what the strategy raises.

        Cancelled, as by Ctrl-C, it cancels the strategy and calls `on_interrupt`. It then returns if the strategy did,
        and else raises CancelledError.
        """
        ledger = Ledger(self.quote, self.sample_s)
        join = self.join
        simulator = Simulator(self.config, self.clock, join.listen, watcher=ledger, recording=self.recording)
        start_ms = simulator.clock.wall_ms()
        async with simulator:
            async with self._clients(simulator) as clients:
                ended_by, is_cancelled = await self._to_its_end(clients)
                limits = tuple(_limits(clients, simulator))
            simulator.catch_up()
            end_ms = simulator.clock.wall_ms()
            ledger.sample(end_ms)
        fills = ledger.fills()
        result = Result(
            strategy=self.strategy.name,
            market=self.market,
            seed=self.config.seed,
            parameters=self.strategy.texts(),
            start_time=start_ms,
            end_time=end_ms,
            ended_by=ended_by,
            quote=self.quote,
            capital=normal(ledger.capital),
            profit=normal(ledger.profit()),
            fees=fees_of(fills),
            drawdown=ledger.drawdown(),
            equity=tuple(ledger.equity),
            orders=ledger.orders(),
            fills=fills,
            balances=ledger.balances(),
            limits=limits,
            warnings=(*(self.recording.warnings if self.recording else ()), *ledger.warnings()),
        )
        if ended_by == "interrupted" and self.on_interrupt is not None:
            self.on_interrupt(result)
        if is_cancelled:
            raise asyncio.CancelledError
        return result

    @asynccontextmanager
    async def _clients(self, simulator: Simulator) -> AsyncIterator[Clients]:
        keys = {one.name: Credentials(one.api_key, one.api_secret) for one in self.config.accounts}
        settings: Settings = {**self.settings, "rest": simulator.rest, "clock": self.clock}
        prepared = Prepared(network=self.join.network)
        if len(keys) > 1:
            async with Mexc.accounts(keys, prepared=prepared, **settings) as accounts:
                yield accounts
        else:
            (own,) = keys.values()
            async with Mexc(own, prepared=prepared, **settings) as mexc:
                yield mexc

    async def _to_its_end(self, clients: Clients) -> tuple[End, bool]:
        """Run the strategy until it returns, or until it ended after its cancellation, and return how it ended.

        The second value is True if the session was cancelled and the strategy did not catch it.
        """
        # A decimal context of its own: what the strategy sets in it must reach neither the exchange nor a later run.
        own = copy_context()
        own.run(setcontext, getcontext().copy())
        work = asyncio.create_task(self.strategy.start(clients), name=self.strategy.name, context=own)
        # A millisecond later, so that the last event reaches the strategy.
        left_s = None if self.length_ms is None else (self.length_ms + 1) / 1000
        try:
            await asyncio.wait({work}, timeout=left_s)
        except asyncio.CancelledError:
            session = asyncio.current_task()
            if session is not None:
                session.uncancel()  # raised again once the clients are closed
            await self._cancel(work)
            return "interrupted", work.cancelled()
        if work.done():
            work.result()
            return "returned", False
        await self._cancel(work)
        return "market ended", False

    async def _cancel(self, work: asyncio.Task[object]) -> None:
        """Cancel the strategy and wait for its end. Raises what it raises then.

        A strategy that goes on in a back-test is left to the end of the run, which names its line.
        """
        work.cancel()
        await asyncio.wait({work}, timeout=None if self.length_ms is None else END_S)
        if work.done() and not work.cancelled():
            work.result()


def own_settings(settings: Settings) -> Settings:
    """Return the settings of a session's client. Raises ConfigError for those that the session makes itself."""
    for name in ("rest", "ws", "proxy", "clock"):
        if name in settings:
            raise ConfigError(f"{name} is set by the run, which has an exchange and a clock of its own")
    return settings


def _limits(clients: Clients, simulator: Simulator) -> Iterator[BoundLimit]:
    """Yield the limits that bound: the client's own, the guard's, and the exchange's."""
    for use in clients.limits.report().limits:
        if use.bound:
            waited_ms = round(use.waited_s * 1000)
            yield BoundLimit(limit=use.limit, kind="waited", times=use.bound, waited_ms=waited_ms)
    for account, mexc in _by_account(clients):
        for rule, times in sorted(mexc.orders.exposure().refused.items()):
            yield BoundLimit(limit=f"{rule}{account}", kind="refused by the guard", times=times)
    for limit, times in sorted(simulator.rejected.items()):
        yield BoundLimit(limit=limit, kind="refused by the exchange", times=times)


def _by_account(clients: Clients) -> Iterator[tuple[str, Mexc]]:
    """Yield the clients with the ending of a limit's name: `@NAME` where there are several accounts."""
    if isinstance(clients, Mexc):
        yield "", clients
    else:
        yield from ((f"@{name}", clients[name]) for name in clients)
