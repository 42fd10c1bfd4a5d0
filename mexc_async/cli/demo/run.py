"""The demo's two parts, one after the other, each on its own simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mexc_async.cli.demo.market import Demo, burst
from mexc_async.cli.demo.summary import BalanceDifference, Counters, Phase, Summary, render
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings
from mexc_async.errors import ConfigError, InvalidRequest, MexcError
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.runner import run

WIDE = 100
"""Columns of a terminal from which on the table shows the last price as well."""
BURST = "burst"
BURST_S = 3.0
BURST_RATE = 99.0
"""Requests per second that the burst must reach on the profile `guide`, which allows 100."""


def run_demo(seconds: float, symbols: list[str], seed: int, tape: Path | None) -> Summary:
    """Run both parts and print the summary, also after Ctrl-C. Raises ConfigError or InvalidRequest for wrong input."""
    return run(_demo(seconds, symbols, seed, tape))


async def _demo(seconds: float, symbols: list[str], seed: int, tape: Path | None) -> Summary:
    console, clock = Console(), Clock(random=Random(seed))
    phases: list[Phase] = []
    balances: list[BalanceDifference] = []
    problems: list[str] = []
    interrupted = False
    try:
        await _trade(console, clock, seconds, symbols, seed, tape, phases, balances)
        await _burst(console, clock, symbols[0], seed, tape, phases)
    except asyncio.CancelledError:  # Ctrl-C or SIGTERM
        interrupted = True
    except (ConfigError, InvalidRequest):
        raise
    except (MexcError, ExceptionGroup) as error:
        problems += _reasons(error)
    problems += [f"{phase.name}: {name}, {count} x" for phase in phases for name, count in phase.errors.items()]
    if phases and phases[-1].name == BURST and not interrupted and phases[-1].requests_per_s < BURST_RATE:
        problems.append(f"burst: {phases[-1].requests_per_s:.1f} requests/s, expected at least {BURST_RATE:g}")
    summary = Summary(
        ok=not problems,
        interrupted=interrupted,
        symbols=symbols,
        seed=seed,
        tape=str(tape) if tape else None,
        phases=phases,
        balances=balances,
        problems=problems,
    )
    console.print(render(summary))
    return summary


def _reasons(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [reason for inner in error.exceptions for reason in _reasons(inner)]
    return [f"{type(error).__name__}: {error}"]


async def _trade(
    console: Console,
    clock: Clock,
    seconds: float,
    symbols: list[str],
    seed: int,
    tape: Path | None,
    phases: list[Phase],
    balances: list[BalanceDifference],
) -> None:
    """Run the first part, and record its figures even if it fails."""
    counters = Counters(clock)
    async with _opened(console, Mexc.sim(seed=seed, tape=str(tape) if tape else None, clock=clock)) as mexc:
        for symbol in symbols:
            mexc.rules(symbol)  # refuse an unknown symbol before trading
        console.print(f"{mexc!r} {', '.join(symbols)} for {seconds:g} s")
        before = await _holdings(mexc)
        mexc.hooks.add(counters.listen)
        demo = Demo(mexc, symbols, counters, clock)
        started = clock.monotonic()
        try:
            async with _shown(console, clock, demo, counters, seconds):
                await demo.run(seconds)
        finally:
            phases.append(counters.phase("market data and grid", clock.monotonic() - started, mexc.limits.report()))
            after = await _holdings(mexc)
            balances += [
                BalanceDifference(asset, before.get(asset, Decimal(0)), after.get(asset, Decimal(0)))
                for asset in sorted(before | after)
                if before.get(asset) != after.get(asset)
            ]


async def _burst(
    console: Console, clock: Clock, symbol: str, seed: int, tape: Path | None, phases: list[Phase]
) -> None:
    """Run the second part, on an exchange with the limit of MEXC's guides: 100 requests/s."""
    counters = Counters(clock)
    path = str(tape) if tape else None
    client = Mexc.sim(
        seed=seed,
        sim_limits="guide",
        tape=path,
        limits="guide",
        network=NetworkSettings(connections=40),
        clock=clock,
    )
    async with _opened(console, client) as mexc:
        console.print(f"{mexc!r} {symbol}, a burst of {BURST_S:g} s")
        seconds = 0.0
        try:
            seconds = await burst(mexc, symbol, BURST_S, counters, clock)
        finally:
            phases.append(counters.phase(BURST, seconds, mexc.limits.report()))


@asynccontextmanager
async def _opened(console: Console, mexc: Mexc) -> AsyncIterator[Mexc]:
    """Open a client and its simulated exchange; a terminal shows that this is under way."""
    async with AsyncExitStack() as stack:
        with console.status("starting a simulated exchange on this machine"):
            await stack.enter_async_context(mexc)
            await mexc.warm_up()
        yield mexc


async def _holdings(mexc: Mexc) -> dict[str, Decimal]:
    account = await mexc.spot.account()
    return {balance.asset: balance.free + balance.locked for balance in account.balances}


@asynccontextmanager
async def _shown(console: Console, clock: Clock, demo: Demo, counters: Counters, seconds: float) -> AsyncIterator[None]:
    """Show a live table while the body runs, on a terminal only."""
    if not console.is_terminal:
        yield
        return
    started = clock.monotonic()
    with Live(console=console, auto_refresh=False, transient=True) as live:

        async def refresh() -> None:
            while True:
                elapsed = clock.monotonic() - started
                live.update(live_table(demo, counters, elapsed, seconds, console.width), refresh=True)
                await asyncio.sleep(0.25)

        task = asyncio.create_task(refresh())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def live_table(demo: Demo, counters: Counters, elapsed: float, seconds: float, width: int) -> RenderableType:
    """Render the figures of this moment; a column is left out on a terminal of fewer than 100 columns."""
    report = demo.mexc.limits.report()
    is_wide = width >= WIDE
    table = Table(box=SIMPLE_HEAD, padding=(0, 1) if is_wide else 0, show_edge=False)
    table.add_column("symbol", no_wrap=True)
    for name in ("bid", "ask", *(["last"] if is_wide else []), "hour", "book", "push/s", "lag ms", "orders", "traded"):
        table.add_column(name, justify="right", no_wrap=True)
    for quote in demo.quotes.values():
        prices = (quote.bid, quote.ask, *([quote.last] if is_wide else []))
        table.add_row(
            quote.symbol,
            *("" if price is None else f"{price:f}" for price in prices),
            "" if quote.change is None else f"{quote.change * 100:+.2f} %",
            quote.book.state.value,
            f"{quote.pushes / max(elapsed, 0.1):.0f}",
            "" if quote.lag_ms is None else f"{max(quote.lag_ms, 0.0):.0f}",
            str(quote.open_orders),
            f"{quote.filled:.2f}",
        )
    head = (
        f"{elapsed:4.1f} of {seconds:g} s  {counters.requests} requests  {counters.pushes} pushes  "
        f"{counters.orders} orders  {counters.fills} fills  {sum(counters.errors.values())} errors"
    )
    most = "" if report.binding is None else f", most often for {report.binding}"
    waits = f"{report.waiting} calls wait for rate limits{most}"
    return Group("", Text(head, style="bold"), "", table, "", waits)
