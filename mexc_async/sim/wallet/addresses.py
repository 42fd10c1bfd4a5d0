"""Generated deposit addresses in each network's format. The same owner always gets the same address."""

from __future__ import annotations

from random import Random
from string import ascii_lowercase, ascii_uppercase, digits
from typing import NamedTuple

from mexc_async.sim.wallet.currencies import Network

_HEX = "0123456789abcdef"
_BASE58 = "".join(c for c in digits + ascii_uppercase + ascii_lowercase if c not in "0OIl")
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

_SHAPES = {
    "TRX": ("T", _BASE58, 33),
    "SOL": ("", _BASE58, 44),
    "BTC": ("bc1q", _BECH32, 38),
    "LTC": ("ltc1q", _BECH32, 38),
    "DOGE": ("D", _BASE58, 33),
    "XRP": ("r", _BASE58, 33),
    "ADA": ("addr1", _BECH32, 53),
    "TON": ("UQ", _BASE58, 46),
}
_EVM = ("0x", _HEX, 40)
"""Format of every other network: all of them are EVM chains, and they share one address."""


class Address(NamedTuple):
    """A deposit address on a network."""

    text: str
    memo: str | None


def make_address(seed: int, owner: str, network: Network) -> Address:
    """Return the owner's address on the network. Networks with memos have one address for all, with a memo each."""
    prefix, alphabet, length = _SHAPES.get(network.short, _EVM)
    if not network.needs_memo:
        return Address(_text(f"{seed}:{owner}:{prefix}", prefix, alphabet, length), None)
    memo = str(Random(f"{seed}:{owner}:{prefix}:memo").randrange(10**7, 10**9))
    return Address(_text(f"{seed}:{prefix}", prefix, alphabet, length), memo)


def _text(seed: str, prefix: str, alphabet: str, length: int) -> str:
    return prefix + "".join(Random(seed).choices(alphabet, k=length))
