"""A recorded market from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.market.bar_player import BarPlayer
from mexc_async.sim.market.bars import Bars, bars_of
from mexc_async.sim.market.listing import INFERRED, MarketData
from mexc_async.sim.market.models import USUAL, MarketModels
from mexc_async.sim.market.tape import Tape, TapePlayer, read_bytes, tape_of

Recording: TypeAlias = Tape | Bars
Player: TypeAlias = TapePlayer | BarPlayer


def read_recording(path: Path, data: MarketData = INFERRED) -> Recording:
    """Read a tape or bars; the content shows which. `data` replaces the facts that the file states about the market.

    Raises BadTape or BadBars.
    """
    content = read_bytes(path)
    first = content.lstrip()[:400].split(b"\n")[0]
    is_tape = not first or (first.startswith(b"{") and b'"open"' not in first)
    return tape_of(path, content, data) if is_tape else bars_of(path, content, data)


def player_of(
    exchange: Exchange,
    recording: Recording,
    *,
    now_ms: int,
    loop: bool = True,
    models: MarketModels = USUAL,
    seed: int = 7,
) -> Player:
    """Build the player of a recording into an exchange that lists its symbols."""
    if isinstance(recording, Bars):
        return BarPlayer(exchange, recording, now_ms=now_ms, loop=loop, models=models, seed=seed)
    return TapePlayer(exchange, recording, now_ms=now_ms, loop=loop, models=models, seed=seed)
