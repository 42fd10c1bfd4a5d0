"""Ids in the formats of the wallet endpoints. They are unique and the same for the same seed."""

from __future__ import annotations

from random import Random

_HEX_DIGITS = 32
_FIRST_NUMBER = 11_945_860_693


class Ids:
    """A source of ids."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed}:ids")
        self._count = 0

    def hex(self) -> str:
        """Return 32 hex digits, such as 7213fea8e94b4a5593d507237e5a555b."""
        return format(self._random.getrandbits(4 * _HEX_DIGITS), f"0{_HEX_DIGITS}x")

    def hash(self) -> str:
        """Return a transaction hash of 64 hex digits."""
        return self.hex() + self.hex()

    def number(self) -> int:
        """Return the next number, such as 11945860693."""
        self._count += 1
        return _FIRST_NUMBER + self._count
