"""Stream faults of one socket: what becomes of each push."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from mexc_async.sim.faults.faults import BREAKING, PROCESS, Fault, Faults, Kind, no_orders

_LONGEST_CUT = 8
_LOSING: tuple[Kind, ...] = (*BREAKING, "skip")
PUSH_KINDS: tuple[Kind, ...] = (*PROCESS, *BREAKING, "skip", "corrupt", "duplicate", "reorder", "delay")
"""Kinds of faults that apply to pushes, in the order in which they are drawn."""


class Passage(NamedTuple):
    """Result of the faults for one push on one socket."""

    frames: tuple[bytes, ...]
    delay_ms: int = 0
    broken: Kind | None = None
    """Kind that is to break the connection; None without one."""
    share: float = 0.0
    """Share of the frame that arrives before the connection breaks, from 0 to 1."""


class Wire:
    """The stream faults of one socket."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: dict[str, bytes] = {}
        """By channel, the push that is sent after the next one."""

    @property
    def is_holding(self) -> bool:
        """True while a push waits for the next one."""
        return bool(self._held)

    def carry(self, channel: str, frame: bytes, orders: Callable[[], tuple[str, ...]] = no_orders) -> Passage:
        """Draw the faults of `frame` and return what to send. `orders` finds the client order ids that it names."""
        drawn = self._drawn(channel)
        for fault in drawn.values():
            self._faults.report(fault, orders)
        for kind in BREAKING:
            if kind in drawn:
                share = self._faults.random_of(drawn[kind]).random() if kind == "cut" else 0.0
                return Passage((), broken=kind, share=share)
        if "skip" in drawn:
            return Passage(())
        if "corrupt" in drawn:
            frame = corrupted(frame, self._faults.random_of(drawn["corrupt"]))
        frames = (frame, frame) if "duplicate" in drawn else (frame,)
        earlier = self._held.pop(channel, None)
        if earlier is not None:
            frames = (*frames, earlier)
        elif "reorder" in drawn:
            self._held[channel] = frame
            return Passage(())
        return Passage(frames, drawn["delay"].delay_ms if "delay" in drawn else 0)

    def _drawn(self, channel: str) -> dict[Kind, Fault]:
        """Draw the faults that befall a push. All kinds count it; one that another makes pointless does not strike."""
        drawn: dict[Kind, Fault] = {}
        is_lost = is_late = False
        for kind in self._faults.in_force(PUSH_KINDS):
            if kind == "expire_key" and not channel.startswith("spot@private."):
                continue
            pointless = is_lost or (is_late and kind == "delay") or (kind == "reorder" and channel in self._held)
            pointless = pointless or (kind == "freeze" and "kill" in drawn)
            fault = self._faults.draw(kind, channel, may_strike=not pointless)
            if fault is not None:
                drawn[kind] = fault
                is_lost = is_lost or kind in _LOSING
                is_late = is_late or kind == "reorder"
        return drawn


def corrupted(frame: bytes, random: Random) -> bytes:
    """Return bytes that no decoder accepts: `frame` without its end, or 0xFF throughout."""
    if random.random() < 0.5:
        return b"\xff" * len(frame)
    return frame[: -random.randint(1, _LONGEST_CUT)]
