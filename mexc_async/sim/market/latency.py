"""Latency between clients and the exchange: travel times of requests, answers and pushes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import TypeAlias

import msgspec

_LONGEST_MS = 60_000.0

Delay: TypeAlias = float | tuple[float, ...]
"""A constant in ms, or measured samples in ms, of which each travel draws one."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Travel times in ms, each a constant or a tuple of measured samples. Raises ValueError below 0 or above 60,000.

    An exchange that is one hop of 12 ms away has `Latency(order=12, answer=12, feed=12)`.
    """

    order: Delay = 0.0
    """From the moment a request is sent until the exchange handles it; also for the opening of a stream."""
    answer: Delay = 0.0
    """From the moment a request is handled until its sender has the answer; also for the opening of a stream."""
    feed: Delay = 0.0
    """From an event until its push arrives. The messages of one stream keep their order, whatever is drawn for each."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            delay = getattr(self, name)
            samples = delay if isinstance(delay, tuple) else (delay,)
            if not samples:
                raise ValueError(f"latency {name}: no samples")
            for each in samples:
                if not 0 <= each <= _LONGEST_MS:
                    raise ValueError(f"latency {name}: {each} ms is not between 0 and 60000")


class Travel:
    """Travel times of one direction, drawn from the seed.

    Each kind of message has draws of its own, so that more messages of one kind do not change those of another.
    """

    def __init__(self, delay: Delay, seed: int, direction: str, extra_ms: float = 0.0) -> None:
        """Add `extra_ms` to every travel."""
        samples = delay if isinstance(delay, tuple) else (delay,)
        self._samples = tuple(each + extra_ms for each in samples)
        self._source = f"{seed}:latency:{direction}"
        self._random: dict[str, Random] = {}
        self.is_instant = not any(self._samples)
        """True if nothing takes time."""

    def draw_ms(self, kind: str = "") -> float:
        """Return the next travel time of a kind of message in ms."""
        samples = self._samples
        if len(samples) == 1:
            return samples[0]
        random = self._random.get(kind)
        if random is None:
            random = self._random[kind] = Random(f"{self._source}:{kind}")
        return samples[random.randrange(len(samples))]


def parse_latency(texts: Iterable[str]) -> Latency:
    """Parse `NAME=MS` or `NAME=FILE` of each direction, such as `order=12.5`; a file has one sample in ms a line.

    Raises ValueError, in one line.
    """
    found: dict[str, Delay] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in Latency.__struct_fields__:
            raise ValueError(f"latency {text!r}: {name!r} is none of {', '.join(Latency.__struct_fields__)}")
        if not value:
            raise ValueError(f"latency {text!r}: write {name}=MS or {name}=FILE")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = _samples_in(Path(value), name)
    return Latency(**found)


def _samples_in(path: Path, name: str) -> tuple[float, ...]:
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise ValueError(f"latency {name}: {path}: {reason}") from None
    try:
        return tuple(map(float, lines))
    except ValueError as error:
        raise ValueError(f"latency {name}: {path}: {error}") from None
