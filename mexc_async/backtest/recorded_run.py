"""A strategy on a recorded market in virtual time: the back-test."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, Unpack

from msgspec.structs import replace

from mexc_async.backtest.direct import DirectJoin
from mexc_async.backtest.memory import MemoryJoin
from mexc_async.backtest.result import Result
from mexc_async.backtest.session import Join, Session, own_settings
from mexc_async.backtest.strategy import Main, Strategy
from mexc_async.client.settings import Settings
from mexc_async.errors import ConfigError
from mexc_async.runtime.clock import SYSTEM
from mexc_async.runtime.runner import collected, pinned
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.schema.settings import check_path, check_setting
from mexc_async.schema.validation import number, whole
from mexc_async.sim.market.recording import read_recording
from mexc_async.sim.rest.server import SimConfig

JoinName: TypeAlias = Literal["direct", "memory"]
_JOINS: Mapping[str, Callable[[], Join]] = {"direct": DirectJoin, "memory": MemoryJoin}
_LAST_PUSHES_MS = 1000
"""Time for the pushes of the recording's last moment to arrive, before the run ends."""
_REPORTS = 500
"""Looks at the real time in a run, at regular virtual times."""
_REPORT_S = 0.2
"""Least real time between two reports of progress."""
_IPS = ("127.0.0.1",)
"""Addresses of every key of a back-test. A key without addresses would expire after 90 days."""
_DOLLARS = ("USDT", "USDC", "USD")
_check_sample = number("must be a number of seconds from 0.001", lambda value: 0.001 <= value < 1e9)


class Progress(NamedTuple):
    """Progress of a back-test."""

    time: int
    """Virtual time, milliseconds UTC."""
    share: float
    """Part of the recorded market that has been played, from 0 to 1."""
    speed: float
    """Virtual seconds per real second, since the start."""


def run(
    main: Main,
    *,
    tape: str | os.PathLike[str],
    seed: int = 7,
    parameters: Mapping[str, object] | None = None,
    exchange: SimConfig | None = None,
    join: JoinName = "direct",
    quote: str | None = None,
    sample_s: float = 60.0,
    watchdog_s: float | None = 60.0,
    pin_cpu: int | None = None,
    gc: Literal["freeze"] | None = "freeze",
    on_progress: Callable[[Progress], None] | None = None,
    on_interrupt: Callable[[Result], None] | None = None,
    **settings: Unpack[Settings],
) -> Result:
    """Run a strategy on a recorded market in virtual time, and return the result. The same inputs give the same bytes.

        result = backtest.run(main, tape="btc-1m.csv.gz", parameters={"levels": 5, "step": "0.001"})

    Client and exchange share this thread and one virtual clock, which jumps to the next event. The strategy's own time
    and random numbers are virtual too; sockets, threads and `time.sleep` are refused. Where the market ends, `main` is
    cancelled as by Ctrl-C.

    Args:
        main: the strategy, `async def main(mexc, **parameters)`.
        tape: file of the recorded market, a tape or bars, see `docs/simulator.md`.
        seed: seed of every random choice: the exchange's, the client's and the strategy's.
        parameters: values of the strategy's parameters, by name; text is converted to their annotated types.
        exchange: other settings of the simulated exchange: accounts, market models, latency, rate limits, faults. With
            one account `main` gets a `Mexc`, with several an `Accounts`.
        join: connection of client and exchange: `direct` is calls, `memory` real HTTP and WebSocket frames in memory.
            Results are equal; `direct` is quicker.
        quote: asset in which profit is counted; by default USDT, USDC or USD if a symbol is quoted in it,
            else the quote asset of the first symbol.
        sample_s: seconds between two points of the equity curve.
        watchdog_s: most real time that the strategy may use without an `await` that waits, in seconds; None for any.
        pin_cpu: as in `mexc_async.run`.
        gc: as in `mexc_async.run`.
        on_progress: function to call with the progress, a few times a second.
        on_interrupt: function to call with the result so far after Ctrl-C, before SystemExit is raised.
        settings: those of `Mexc`, apart from `rest`, `ws`, `proxy` and `clock`.

    Raises ConfigError, ValueError for a file that cannot be used, VirtualTimeError for what only real time allows, and
    what `main` raises.
    """
    strategy = Strategy(main, parameters)
    check_path("tape", tape)
    check_setting("seed", seed, whole)
    check_setting("sample_s", sample_s, _check_sample)
    if join not in _JOINS:
        raise ConfigError(f"join {join!r} is not one of {', '.join(map(repr, _JOINS))}")
    own = own_settings(settings)
    path, config = Path(tape), exchange or SimConfig()
    recording = read_recording(path, config.market_data)
    accounts = tuple(replace(account, ips=account.ips or _IPS) for account in config.accounts)
    config = replace(
        config, seed=seed, tape=path, loop_tape=False, generated=False, step_ms=0, flow=0.0, accounts=accounts
    )
    with ExitStack() as undo:
        undo.enter_context(pinned(pin_cpu))
        undo.enter_context(collected(gc))
        loop, length_ms = VirtualLoop(recording.start_ms, seed), recording.end_ms - recording.start_ms
        session = Session(
            strategy=strategy,
            config=config,
            clock=loop.clock,
            join=_JOINS[join](),
            recording=recording,
            quote=quote or _usual_quote([rules.quote for rules in recording.rules]),
            market=path.name,
            sample_s=sample_s,
            settings=own,
            length_ms=length_ms + _LAST_PUSHES_MS,
            on_interrupt=lambda result: None if on_interrupt is None or loop.failure else on_interrupt(result),
        )
        if on_progress is not None:
            _report(loop, recording.start_ms, length_ms, on_progress)
        return run_virtual(session.run(), loop, watchdog_s=watchdog_s)


def _usual_quote(listed: Sequence[str]) -> str:
    """Return the quote asset in which most traders count, of those that are listed."""
    return next((quote for quote in _DOLLARS if quote in listed), listed[0])


def _report(loop: VirtualLoop, start_ms: int, length_ms: int, on_progress: Callable[[Progress], None]) -> None:
    """Call `on_progress` during the run. The times of its looks depend on the market only."""
    began_s = last_s = SYSTEM.monotonic()
    step_s = max(length_ms / _REPORTS, 1) / 1000

    def look() -> None:
        nonlocal last_s
        now_s, now_ms = SYSTEM.monotonic(), loop.clock.wall_ms()
        if now_s - last_s >= _REPORT_S:
            last_s = now_s
            passed_ms = now_ms - start_ms
            on_progress(Progress(now_ms, min(passed_ms / max(length_ms, 1), 1.0), passed_ms / 1000 / (now_s - began_s)))
        if now_ms - start_ms < length_ms:
            loop.call_later(step_s, look)

    loop.call_later(step_s, look)
