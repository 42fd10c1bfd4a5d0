"""Keys in the system's keyring, in a single entry, so that a change is atomic."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from hashlib import sha256
from typing import Protocol, cast

from mexc_async.errors import ConfigError
from mexc_async.keys.key_ring import KeyBook

SERVICE = "mexc-async"
ENTRY = "keys"
_PLAIN = ("plaintext", "keyring.backends.null")


class Backend(Protocol):
    """The part of the library `keyring` in use."""

    def get_password(self, service: str, username: str) -> str | None:
        """Return the entry, if there is one."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Write the entry."""
        ...


class OsKeyring:
    """Key store in the keyring that the library `keyring` finds on this system."""

    def __init__(self) -> None:
        """Find the keyring. Raises ConfigError without the library, or for a keyring that stores plain text."""
        self._backend, self._error = _found()

    def __repr__(self) -> str:
        return "OsKeyring()"

    def read(self) -> KeyBook:
        """Read the keys. Raises ConfigError."""
        text = self._text()
        try:
            return KeyBook() if text is None else KeyBook.decode(text)
        finally:
            del text  # a traceback may show all variables

    def change(self, edit: Callable[[KeyBook], KeyBook]) -> KeyBook:
        """Read, edit and write, without a lock: of two processes at once the later write wins. Raises ConfigError."""
        book = edit(self.read())
        try:
            self._backend.set_password(SERVICE, ENTRY, book.encode().decode())
        except self._error as error:
            refusal = _refused(error)
        else:
            return book
        raise refusal  # without the frames of the keyring, whose variables hold the secrets

    def stamp(self) -> Hashable:
        """Return a value that differs after every change of the entry."""
        return sha256((self._text() or "").encode()).digest()

    def _text(self) -> str | None:
        try:
            return self._backend.get_password(SERVICE, ENTRY)
        except self._error as error:
            raise _refused(error) from None


def _refused(error: Exception) -> ConfigError:
    return ConfigError(f"the system's keyring refused: {' '.join(str(error).split()) or type(error).__name__}")


def _found() -> tuple[Backend, type[Exception]]:
    """Return the keyring and its error class. Raises ConfigError."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise ConfigError("the system's keyring needs the library keyring: pip install 'mexc-async[keys]'") from None
    backend = keyring.get_keyring()
    kind = f"{type(backend).__module__}.{type(backend).__name__}"
    if kind.startswith("keyring.backends.fail"):
        raise ConfigError("this system has no keyring; use the encrypted key file instead")
    if any(word in kind.lower() for word in _PLAIN):
        raise ConfigError(f"the keyring {kind} stores secrets in plain text; use the encrypted key file instead")
    return cast(Backend, backend), keyring.errors.KeyringError  # a wrapper hides its parameters' names
