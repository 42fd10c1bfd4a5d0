"""The one source of time and randomness: each client and each simulator has one `Clock` and hands it down.

No other module reads `time`, `datetime.now`, `loop.time()`, `random` or `secrets`; a test checks it. These forms may be
used everywhere:

- `asyncio.sleep`, `asyncio.timeout`, `asyncio.wait(timeout=)`, `asyncio.wait_for` and `loop.call_later`. They follow
  the time of the event loop. A program on virtual time uses a `VirtualLoop` and its clock, `loop.clock`.
- `Random(seed)`: a seeded generator draws nothing from the world.
- `runtime/virtual_world.py` replaces Python's functions of time and randomness during a run in virtual time.
- `os.urandom` for salts of encrypted files: these must never repeat, whatever the clock.
"""

from __future__ import annotations

import base64
import random as generators
import time
from collections.abc import Callable


class Clock:
    """Wall time, monotonic time and random numbers.

    By default they are the system's. A test or a back-test sets its own times, and a generator that repeats itself:
    `Clock(monotonic=..., wall_ns=..., random=Random(7))`.
    """

    __slots__ = ("monotonic", "random", "wall_ns")

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
        random: generators.Random | None = None,
    ) -> None:
        self.monotonic = monotonic
        """Return seconds that never go back. The compiled core is fastest where this is `time.monotonic` itself."""
        self.wall_ns = wall_ns
        """Return nanoseconds since 1970, UTC."""
        self.random = generators.SystemRandom() if random is None else random
        """The generator of jitter, pauses and tokens; the system's cannot be predicted."""

    @property
    def has_system_time(self) -> bool:
        """True if its wall time is the system's, which compiled code may read by itself."""
        return self.wall_ns is time.time_ns

    def wall_ms(self) -> int:
        """Return milliseconds since 1970, UTC."""
        return self.wall_ns() // 1_000_000

    def ahead(self, ms: int) -> Clock:
        """Return a clock whose wall time is `ms` ahead of this one's; the rest is shared."""
        return Clock(monotonic=self.monotonic, wall_ns=lambda: self.wall_ns() + ms * 1_000_000, random=self.random)

    def token(self, nbytes: int) -> str:
        """Return random bytes as URL-safe text: a name that no other process draws."""
        return base64.urlsafe_b64encode(self.random.randbytes(nbytes)).rstrip(b"=").decode()


SYSTEM = Clock()
"""The system's time and randomness."""
