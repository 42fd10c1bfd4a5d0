"""The API key and its secret, held so that the secret cannot slip into a log, an error or a pickle."""

from __future__ import annotations

from mexc_async.core.signing import Signer
from mexc_async.errors import ConfigError, MissingCredentials


class Credentials:
    """An API key, and the signer made from its secret.

    The secret itself is not kept. `repr` and `str` show the key's first and last characters only.
    Raises MissingCredentials when a part is empty, ConfigError when one holds white space or is not ASCII.
    """

    __slots__ = ("api_key", "signer")

    def __init__(self, api_key: str, api_secret: str) -> None:
        _check("API key", api_key)
        _check("API secret", api_secret)
        self.api_key = api_key
        self.signer = Signer(api_secret.encode())

    @property
    def masked_key(self) -> str:
        """Enough of the key to tell it from others."""
        return f"{self.api_key[:5]}...{self.api_key[-2:]}" if len(self.api_key) > 11 else "***"

    def __repr__(self) -> str:
        return f"Credentials({self.masked_key})"

    def __reduce__(self) -> str:
        raise TypeError("Credentials are not pickled: a pickle would hold the secret")


def _check(name: str, text: str) -> None:
    """Refuse what cannot be right; the message never repeats the text."""
    if not isinstance(text, str):
        raise ConfigError(f"the {name} must be text, not {type(text).__name__}")
    if not text:
        raise MissingCredentials(f"the {name} is empty")
    if text != text.strip():
        raise ConfigError(f"the {name} begins or ends with white space, as happens when it is pasted: remove it")
    if any(char.isspace() for char in text):
        raise ConfigError(f"the {name} has white space inside: copy it again in one piece")
    if not text.isascii() or not text.isprintable():
        raise ConfigError(f"the {name} holds characters that MEXC's keys never have: copy it again")
