"""API credentials that never show the secret in a log, an error or a pickle."""

from __future__ import annotations

from typing import Final

from mexc_async.errors import ConfigError, MissingCredentials
from mexc_async.rest.signing import Signer
from mexc_async.schema.settings import check_setting
from mexc_async.schema.validation import whole

DAY_MS: Final = 86_400_000
OLD_DAYS: Final = 75
"""Age in days from which the client warns about a key."""
ENDS_DAYS: Final = 90
"""MEXC expires a key without an IP list at this age (reference: `keys_and_accounts`)."""


class Credentials:
    """An API key, and the signer made from its secret.

    The object does not store the secret. `repr` and `str` show the key's first and last characters only.
    `created_ms` is the time at which the key was made, if known: a client warns when the key grows old.
    Raises MissingCredentials when a part is empty, ConfigError when one holds white space or is not ASCII.
    """

    __slots__ = ("api_key", "created_ms", "signer")

    def __init__(self, api_key: str, api_secret: str, *, created_ms: int | None = None) -> None:
        self.api_key = ""  # a traceback may show this object unfinished
        refusal = _refusal("API key", api_key) or _refusal("API secret", api_secret) or _time_refusal(created_ms)
        if refusal is not None:
            del api_key, api_secret  # a traceback may show all variables
            raise refusal
        self.api_key = api_key
        self.created_ms = created_ms
        self.signer = Signer(api_secret.encode())

    def age_days(self, now_ms: int) -> int | None:
        """Return the key's age in whole days; None if unknown."""
        return None if self.created_ms is None else age_days(self.created_ms, now_ms)

    @property
    def masked_key(self) -> str:
        """The first and last characters of the key."""
        return masked(self.api_key)

    def __repr__(self) -> str:
        return f"Credentials({self.masked_key})"

    def __reduce__(self) -> str:
        raise TypeError("Credentials are not pickled: a pickle would hold the secret")


def masked(api_key: str) -> str:
    """Return the first and last characters of an access key, which identify it."""
    return f"{api_key[:5]}...{api_key[-2:]}" if len(api_key) > 11 else "***"


def age_days(created_ms: int, now_ms: int) -> int:
    """Return a key's age in whole days."""
    return max(now_ms - created_ms, 0) // DAY_MS


def age_advice(days: int) -> str | None:
    """Return advice on an old key; None while it is young."""
    if days >= ENDS_DAYS:
        return f"it is {days} days old: a key without an IP list expires after {ENDS_DAYS} days; rotate it now"
    if days >= OLD_DAYS:
        return f"it is {days} days old: a key without an IP list expires after {ENDS_DAYS} days; rotate it soon"
    return None


def _refusal(name: str, text: object) -> ConfigError | None:
    """Return the error about a malformed key or secret, which never repeats it; None for a sound one."""
    if not isinstance(text, str):
        return ConfigError(f"the {name} must be text, not {type(text).__name__}")
    if not text:
        return MissingCredentials(f"the {name} is empty")
    if text != text.strip():
        return ConfigError(f"the {name} begins or ends with white space, as happens when it is pasted: remove it")
    if any(char.isspace() for char in text):
        return ConfigError(f"the {name} has white space inside: copy it again in one piece")
    if not text.isascii() or not text.isprintable():
        return ConfigError(f"the {name} holds characters that MEXC's keys never have: copy it again")
    return None


def _time_refusal(created_ms: object) -> ConfigError | None:
    try:
        if created_ms is not None:
            check_setting("created_ms", created_ms, whole)
    except ConfigError as error:
        return error.with_traceback(None)
    return None
