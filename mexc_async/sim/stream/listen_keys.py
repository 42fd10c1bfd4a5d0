"""Listen keys: their owners and their expiry. The time is an argument."""

from __future__ import annotations

from random import Random
from string import ascii_lowercase, digits

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.refusals import Refusal

_ALPHABET = ascii_lowercase + digits
_LENGTH = 64


class _Key:
    __slots__ = ("ends_ms", "uid")

    def __init__(self, uid: str, ends_ms: int) -> None:
        self.uid = uid
        self.ends_ms = ends_ms


class ListenKeys:
    """The listen keys of all accounts. Expired ones are dropped."""

    def __init__(self, seed: int, *, valid_ms: int, most: int) -> None:
        self.most = most
        """Largest number of keys that an account may have at a time."""
        self._valid_ms = valid_ms
        self._random = Random(f"{seed}:listen keys")
        self._keys: dict[str, _Key] = {}
        self.changes = 0
        """Number of keys that were extended or closed so far."""

    def create(self, uid: str, now_ms: int) -> str:
        """Create a key. Raises Refusal 730003 if the account has too many."""
        if len(self.of(uid, now_ms)) >= self.most:
            raise Refusal(assumptions.TOO_MANY_LISTEN_KEYS, f"At most {self.most} listen keys.")
        key = "".join(self._random.choices(_ALPHABET, k=_LENGTH))
        self._keys[key] = _Key(uid, now_ms + self._valid_ms)
        return key

    def of(self, uid: str, now_ms: int) -> list[str]:
        """Return the account's valid keys, oldest first."""
        self._forget_ended(now_ms)
        return [name for name, key in self._keys.items() if key.uid == uid]

    def extend(self, uid: str, name: str, now_ms: int) -> None:
        """Extend a key to the full time from now. Raises Refusal 730708."""
        self._own(uid, name, now_ms).ends_ms = now_ms + self._valid_ms
        self.changes += 1

    def close(self, uid: str, name: str, now_ms: int) -> None:
        """Close a key. Raises Refusal 730708."""
        self._own(uid, name, now_ms)
        del self._keys[name]
        self.changes += 1

    def owner(self, name: str, now_ms: int) -> str | None:
        """Return the uid of a valid key's owner, else None."""
        key = self._keys.get(name)
        return key.uid if key is not None and now_ms < key.ends_ms else None

    def ends_ms(self, name: str) -> int:
        """Return the time at which a key ends; 0 for one that has ended."""
        key = self._keys.get(name)
        return 0 if key is None else key.ends_ms

    def _own(self, uid: str, name: str, now_ms: int) -> _Key:
        self._forget_ended(now_ms)
        key = self._keys.get(name)
        if key is None or key.uid != uid:
            raise Refusal(730708, "listen key does not exist or has expired.")
        return key

    def _forget_ended(self, now_ms: int) -> None:
        self._keys = {name: key for name, key in self._keys.items() if now_ms < key.ends_ms}
