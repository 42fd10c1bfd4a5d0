"""A recorded market from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.market.listing import INFERRED, MarketData
from mexc_async.sim.market.models import USUAL, MarketModels
from mexc_async.sim.market.tape import Tape, TapePlayer, read_tape

Recording: TypeAlias = Tape
Player: TypeAlias = TapePlayer


def read_recording(path: Path, data: MarketData = INFERRED) -> Recording:
    """Read a recording. `data` replaces what it holds about the market. Raises BadTape."""
    return read_tape(path, data)


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
    return TapePlayer(exchange, recording, now_ms=now_ms, loop=loop, models=models, seed=seed)
