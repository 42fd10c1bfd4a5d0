"""The content of a key store: several keys by name, one of them in use. No code here reads a clock or a file."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from mexc_async.errors import ConfigError
from mexc_async.rest.credentials import Credentials
from mexc_async.schema.fields import Hiding

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
MAX_KEYS: Final = 1000


class StoredKey(Hiding, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key with its secret; its `repr` shows neither in full."""

    hidden = ("api_key", "api_secret", "replaces", "follows")
    api_key: str
    api_secret: str
    created_ms: int
    """Time of creation at the exchange, milliseconds UTC, as stated by the user or the exchange."""
    sub_account: str | None = None
    """Name of the sub-account; None for the account that the user logs in to."""
    replaces: str | None = None
    """The old access key that this one replaces, until the exchange has deleted it."""
    follows: str | None = None
    """The access key before this one; a rotation verified that both are of the same account."""

    def credentials(self) -> Credentials:
        """Return the credentials for a client. Raises ConfigError if the pair is invalid."""
        return Credentials(self.api_key, self.api_secret, created_ms=self.created_ms)


class KeyBook(msgspec.Struct, frozen=True):
    """The keys of a store, immutable: every change returns a new object."""

    keys: dict[str, StoredKey] = {}
    in_use: str | None = None
    """Name of the default key."""

    def __getitem__(self, name: str | None) -> StoredKey:
        """Return the key of this name; None is the one in use. Raises ConfigError if there is none."""
        wanted = self.in_use if name is None else name
        if not self.keys:
            raise ConfigError("no key is stored; add one with: mexc-async keys add NAME")
        if wanted is None:
            raise ConfigError("no key is in use; choose one with: mexc-async keys use NAME")
        if wanted not in self.keys:
            raise ConfigError(f"there is no key {wanted!r}; stored are: {', '.join(self.keys)}")
        return self.keys[wanted]

    def added(self, name: str, key: StoredKey) -> KeyBook:
        """Add a key; the first one is in use. Raises ConfigError for a bad name, a duplicate or a full store."""
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
        """Replace the key under an existing name. Raises ConfigError."""
        _ = self[name]
        return KeyBook({**self.keys, name: key}, self.in_use)

    def using(self, name: str) -> KeyBook:
        """Set the key in use. Raises ConfigError."""
        _ = self[name]
        return replace(self, in_use=name)

    def without(self, name: str) -> KeyBook:
        """Remove a key. If it was in use, a single remaining key becomes the one in use. Raises ConfigError."""
        _ = self[name]
        keys = {other: key for other, key in self.keys.items() if other != name}
        in_use = self.in_use if self.in_use != name else next(iter(keys)) if len(keys) == 1 else None
        return KeyBook(keys, in_use)

    def encode(self) -> bytes:
        """Encode as JSON with the secrets, for a store that protects them."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes | str) -> KeyBook:
        """Decode stored keys. Raises ConfigError, whose text repeats no data."""
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ConfigError("this release cannot read the format of the stored keys") from None
        finally:
            del data  # a traceback may show all variables


def renewed(old: StoredKey, **changes: Any) -> StoredKey:
    """Return the key with fields changed. Raises ConfigError if the new pair is invalid."""
    new = replace(old, **changes)
    new.credentials()
    return new
