"""Several keys by name, one of them in use: what a store holds. Nothing here reads a clock or a file."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from mexc_async.core.credentials import Credentials
from mexc_async.core.fields import Hiding
from mexc_async.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
MAX_KEYS: Final = 1000


class StoredKey(Hiding, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key with its secret; its `repr` shows neither in full."""

    hidden = ("api_key", "api_secret", "replaces", "follows")
    api_key: str
    api_secret: str
    created_ms: int
    """When it was made at the exchange, as far as that is known."""
    sub_account: str | None = None
    """The sub-account that it belongs to; None is the account that the user logs in to."""
    replaces: str | None = None
    """The access key that it took the place of, until the exchange has deleted that."""
    follows: str | None = None
    """The access key before it, of which a rotation made sure that it is of the same account."""

    def credentials(self) -> Credentials:
        """What a client signs with."""
        return Credentials(self.api_key, self.api_secret, created_ms=self.created_ms)


class KeyBook(msgspec.Struct, frozen=True):
    """The keys of a store; every change makes a new book."""

    keys: dict[str, StoredKey] = {}
    in_use: str | None = None
    """The key that is meant where none is named."""

    def __getitem__(self, name: str | None) -> StoredKey:
        """The key of this name; None is the one in use. Raises ConfigError."""
        wanted = self.in_use if name is None else name
        if wanted is None:
            raise ConfigError("no key is stored; add one with: mexc-async keys add NAME")
        if wanted not in self.keys:
            raise ConfigError(f"there is no key {wanted!r}; stored are: {', '.join(self.keys) or 'none'}")
        return self.keys[wanted]

    def added(self, name: str, key: StoredKey) -> KeyBook:
        """With one more; the first is in use. Raises ConfigError."""
        if not _NAME.fullmatch(name):
            raise ConfigError(f"name {name!r} must be 1 to 32 letters, digits, dots, dashes or underscores")
        if name in self.keys:
            raise ConfigError(f"there is a key {name!r} already; replace it with: mexc-async keys rotate {name}")
        for other, old in self.keys.items():
            if old.api_key == key.api_key:
                raise ConfigError(f"this key is stored already, as {other!r}")
        if len(self.keys) >= MAX_KEYS:
            raise ConfigError(f"a store holds {MAX_KEYS} keys at most")
        return KeyBook({**self.keys, name: key}, self.in_use or name)

    def changed(self, name: str, key: StoredKey) -> KeyBook:
        """With another key under a name that there is. Raises ConfigError."""
        _ = self[name]
        return KeyBook({**self.keys, name: key}, self.in_use)

    def using(self, name: str) -> KeyBook:
        """With this one in use. Raises ConfigError."""
        _ = self[name]
        return replace(self, in_use=name)

    def without(self, name: str) -> KeyBook:
        """With one less; where that was in use, none is unless a single one is left. Raises ConfigError."""
        _ = self[name]
        keys = {other: key for other, key in self.keys.items() if other != name}
        in_use = self.in_use if self.in_use != name else next(iter(keys)) if len(keys) == 1 else None
        return KeyBook(keys, in_use)

    def encode(self) -> bytes:
        """As JSON, secrets and all: for a store that protects it."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes | str) -> KeyBook:
        """Raises ConfigError; its text repeats nothing of the data."""
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ConfigError("the stored keys are in no form that this release knows") from None


def renewed(old: StoredKey, **changes: Any) -> StoredKey:
    """The key with fields changed. Raises ConfigError when the pair could not be right."""
    new = replace(old, **changes)
    new.credentials()
    return new
