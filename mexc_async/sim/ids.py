"""Ids as the wallet's calls show them: long hex texts and long numbers, none twice, the same for the same seed."""

from __future__ import annotations

from random import Random

_HEX_DIGITS = 32
_FIRST_NUMBER = 11_945_860_693


class Ids:
    """One source of ids."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed}:ids")
        self._count = 0

    def hex(self) -> str:
        """32 hex digits, such as 7213fea8e94b4a5593d507237e5a555b."""
        return format(self._random.getrandbits(4 * _HEX_DIGITS), f"0{_HEX_DIGITS}x")

    def hash(self) -> str:
        """A transaction's hash."""
        return self.hex() + self.hex()

    def number(self) -> int:
        """The next number, such as 11945860693."""
        self._count += 1
        return _FIRST_NUMBER + self._count
