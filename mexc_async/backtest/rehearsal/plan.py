"""Plan of a rehearsal: everything that is the same in all of its seeds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from mexc_async.backtest.rehearsal.coverage import Aim
from mexc_async.backtest.strategy import Strategy
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Settings
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.market.latency import Latency
from mexc_async.sim.rest.config import SimConfig
from mexc_async.sim.wallet.account_audit import AccountAudit

Invariant: TypeAlias = Callable[[Mexc, AccountAudit], "Awaitable[str | None] | str | None"]
"""A user's rule over a client and the exchange's audit of its account, at the end of a seed.

It returns the text of a breach, or raises AssertionError with it; None if the rule holds.
"""
NEARBY = Latency(order=(1.0, 2.0, 2.5, 4.0, 9.0), answer=(1.0, 1.5, 2.0, 5.0), feed=(1.0, 2.0, 3.0, 8.0, 20.0))
"""Travel times of a rehearsal's exchange unless it is given another: a few milliseconds, so that messages cross."""
SECONDS = 20.0
"""Virtual time of a seed unless it is given another, seconds."""
USUAL = SimConfig(latency=NEARBY, flow=0.3)
"""Settings of the exchange unless it is given others."""


class Task(Struct, frozen=True):
    """A seed to run, and its faults."""

    seed: int
    faults: tuple[Fault, ...] = ()
    aim: Aim | None = None
    """Pair of kind and state that the seed aims at."""
    aimed: tuple[Fault, ...] = ()
    """Faults that come into force at the moment that it aims at."""
    has_story: bool = False
    """True to write a time line."""


class Plan(NamedTuple):
    """A strategy, its exchange and the rules."""

    strategy: Strategy
    seconds: float
    """Virtual time after which the strategy is cancelled, as by Ctrl-C."""
    exchange: SimConfig
    settings: Settings
    """Settings of the clients."""
    invariants: tuple[Invariant, ...] = ()
    leaves_orders: bool = False
    """True if the strategy may leave orders open that the client knows."""
    may_raise: tuple[type[Exception], ...] = ()
    """Errors that the strategy may end with."""
    is_quiet: bool = True
    """True to drop what the strategy prints and logs."""
