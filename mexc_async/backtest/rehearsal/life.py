"""One life of the client's process: it opens, restores after a kill, runs the strategy, settles and closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import copy_context
from decimal import getcontext, setcontext
from inspect import isawaitable
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from mexc_async.accounts.accounts import Accounts
from mexc_async.backtest.memory import MemoryJoin
from mexc_async.backtest.rehearsal.invariants import breaches_of
from mexc_async.backtest.rehearsal.outcome import Breach, Ended
from mexc_async.backtest.rehearsal.plan import Invariant, Plan
from mexc_async.backtest.strategy import name_of
from mexc_async.call_log.log import CallLog
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Prepared, Settings
from mexc_async.errors import MexcError
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.program_lines import line_of_error
from mexc_async.sim.rest.server import Simulator
from mexc_async.sim.wallet.account_audit import AccountAudit

END_S = 60.0
"""Longest virtual time that a strategy may take to end once it is cancelled, seconds."""
SETTLE_S = 120.0
"""Longest virtual time without faults in which the client has to learn the truth, seconds."""
LAST_REQUESTS_S = 10.0
"""Virtual time in which requests that a fault held back, such as a cancel, can still arrive, seconds."""
_KEEP_S = 1e6
"""Time for which the client remembers orders that have ended: all of a seed."""
_LINGER_S = 0.5
"""Virtual time in which connections end after the client has closed, seconds."""
_RETRY_S = 1.0
"""Pause before a restart of a client that could not restore its orders, seconds."""


class Surroundings(NamedTuple):
    """What a client's processes find outside themselves."""

    simulator: Simulator
    join: MemoryJoin
    before: Mapping[str, AccountAudit]
    """Audit of each account at the start."""
    call_log: Path


class Life:
    """One process of the client, from its start to its end."""

    def __init__(self, plan: Plan, around: Surroundings, clock: Clock, *, is_restart: bool) -> None:
        """`clock` is the process's own."""
        self._plan = plan
        self._around = around
        self._simulator = around.simulator
        self._clock = clock
        self._is_restart = is_restart
        self.log = CallLog(around.call_log, clock=clock)
        """The call log of this process."""
        self.work: asyncio.Task[object] | None = None
        self._is_stopped = False
        self.clients: dict[str, Mexc] = {}
        """The open clients, by account."""
        self.breaches: list[Breach] = []
        self.ended: Ended = "never"

    @property
    def has_ended(self) -> bool:
        """True once the strategy has ended."""
        return self.ended != "never"

    def stop(self) -> None:
        """Cancel the strategy, as by Ctrl-C."""
        self._is_stopped = True
        if self.work is not None:
            self.work.cancel()

    async def run(self) -> None:
        """Live to the end, and compare the client with the exchange before it closes."""
        async with self._opened() as clients:
            self.clients = (
                {name: clients[name] for name in clients}
                if isinstance(clients, Accounts)
                else {self._names()[0]: clients}
            )
            if self._is_restart:
                await self._restore()
            await self._run_strategy(clients)
            self._simulator.clear_faults()
            await self._settle()
            await self._check_own()
        await asyncio.sleep(_LINGER_S)
        if ends := self._around.join.open_ends(asyncio.get_running_loop()):
            self.breaches.append(Breach("left", f"{ends} connections are open after the client has closed"))

    def _names(self) -> list[str]:
        return [account.name for account in self._plan.exchange.accounts]

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Mexc | Accounts[Mexc]]:
        keys = {one.name: Credentials(one.api_key, one.api_secret) for one in self._plan.exchange.accounts}
        given = self._plan.settings
        settings: Settings = {
            **given,
            "rest": self._simulator.rest,
            "clock": self._clock,
            "call_log": self.log,
            "orders": replace(given.get("orders", OrderSettings()), keep_s=_KEEP_S),
        }
        prepared = Prepared(network=self._around.join.network)
        if len(keys) > 1:
            async with Mexc.accounts(keys, prepared=prepared, **settings) as accounts:
                yield accounts
        else:
            (own,) = keys.values()
            async with Mexc(own, prepared=prepared, **settings) as mexc:
                yield mexc

    async def _restore(self) -> None:
        """Restore the orders of earlier lives; repeat it, as a supervisor would, while the exchange fails."""
        for mexc in self.clients.values():
            while True:
                try:
                    await mexc.orders.restore()
                    break
                except MexcError:
                    await asyncio.sleep(_RETRY_S)

    async def _run_strategy(self, clients: Mexc | Accounts[Mexc]) -> None:
        """Run the strategy until it ends, and record how."""
        # A decimal context of its own: what the strategy sets in it must reach neither the exchange nor a later run.
        own = copy_context()
        own.run(setcontext, getcontext().copy())
        strategy = self._plan.strategy
        self.work = work = asyncio.create_task(strategy.start(clients), name=strategy.name, context=own)
        if self._is_stopped:
            work.cancel()
        await asyncio.wait({work})
        if work.cancelled():
            self.ended = "cancelled"
        elif (error := work.exception()) is None:
            self.ended = "returned"
        else:
            self.ended = "raised"
            if not isinstance(error, self._plan.may_raise):
                self.breaches.append(Breach("raised", described(error)))

    async def _settle(self) -> None:
        """Wait until the client knows the truth; without faults that takes a bounded time."""
        now_s = self._clock.monotonic
        began_s, pause_s = now_s(), 0.01
        while found := self._breaches():
            is_lasting = all(breach.rule == "open" for breach in found)  # known and right: nobody will cancel them
            if now_s() - began_s > (LAST_REQUESTS_S if is_lasting else SETTLE_S):
                break
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 1.0)
        self.breaches += found

    def _breaches(self) -> list[Breach]:
        found = []
        for name, mexc in self.clients.items():
            truth = self._simulator.statement(name)
            found += breaches_of(mexc, truth, self._around.before[name], self._plan.leaves_orders)
        return found

    async def _check_own(self) -> None:
        """Check the user's rules."""
        for check in self._plan.invariants:
            for name, mexc in self.clients.items():
                if text := await _text_of(check, mexc, self._simulator.statement(name)):
                    self.breaches.append(Breach(name_of(check).replace(".", ":").rpartition(":")[2], text))


async def _text_of(check: Invariant, mexc: Mexc, truth: AccountAudit) -> str | None:
    """Return the text of a user's rule that is broken."""
    try:
        found = check(mexc, truth)
        text = await found if isawaitable(found) else found
    except AssertionError as error:
        return str(error).partition("\n")[0] or f"an assertion in {line_of_error(error)} is false"
    except Exception as error:
        return described(error)
    return None if text is None else str(text)


def described(error: BaseException) -> str:
    """Describe an error in one line, with the line of the user's program that raised it."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    line = line_of_error(error)
    text = str(error).partition("\n")[0]
    return f"{line + ': ' if line else ''}{type(error).__name__}{': ' + text if text else ''}"
