"""Which store, and where its password comes from."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Protocol

from mexc_async.core.credentials import Credentials
from mexc_async.errors import ConfigError
from mexc_async.keys.book import KeyBook
from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.os_keyring import OsKeyring
from mexc_async.keys.sealed import Password

STORE_VARIABLE = "MEXC_KEYS"
PASSWORD_VARIABLE = "MEXC_KEYS_PASSWORD"  # noqa: S105 - the variable's name
FD_VARIABLE = "MEXC_KEYS_PASSWORD_FD"
KEYRING = "keyring"
_LONGEST = 4096


class KeyStore(Protocol):
    """Keeps a book of keys: `KeyFile`, `OsKeyring`, or one of your own."""

    def read(self) -> KeyBook:
        """The keys. Raises ConfigError."""
        ...

    def change(self, edit: Callable[[KeyBook], KeyBook]) -> KeyBook:
        """Read, edit and write, or leave everything as it was. Raises ConfigError."""
        ...

    def stamp(self) -> Hashable:
        """Differs whenever the keys were changed in between; cheap."""
        ...


class NamedKey:
    """One key of a store, read anew whenever it is asked for."""

    def __init__(self, store: KeyStore, name: str | None = None) -> None:
        self.store = store
        self.name = name

    def load(self) -> Credentials:
        """The key as it is stored now. Raises ConfigError."""
        return self.store.read()[self.name].credentials()

    def follows(self, api_key: str) -> bool:
        """Whether a rotation put what is stored now in place of this access key. Raises ConfigError."""
        return self.store.read()[self.name].follows == api_key

    def stamp(self) -> Hashable:
        """Differs whenever the store was changed in between."""
        return self.store.stamp()


def open_store(
    where: str | None = None, *, password: Password | None = None, environ: Mapping[str, str] | None = None
) -> KeyStore:
    """The store that `where` names, else MEXC_KEYS, else the key file in the user's configuration folder.

    Args:
        where: `keyring` for the system's keyring, or the path of a key file.
        password: of the key file; by default MEXC_KEYS_PASSWORD, the file descriptor that MEXC_KEYS_PASSWORD_FD
            names, or the terminal.
        environ: instead of the process's environment.

    Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    where = where or environ.get(STORE_VARIABLE)
    if where == KEYRING:
        return OsKeyring()
    folder = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = Path(where).expanduser() if where else folder / "mexc-async" / "keys"
    return KeyFile(path, password or password_from(environ))


def password_from(environ: Mapping[str, str], fd: int | None = None) -> Password:
    """Who gives the password: a file descriptor, the environment, or who sits at the terminal."""

    def ask(is_new: bool) -> str:
        if fd is not None:
            return _from_descriptor(str(fd))
        if PASSWORD_VARIABLE in environ:
            return environ[PASSWORD_VARIABLE]
        if FD_VARIABLE in environ:
            return _from_descriptor(environ[FD_VARIABLE])
        return _from_terminal(is_new)

    return ask


def _from_descriptor(text: str) -> str:
    try:
        with os.fdopen(int(text), "rb") as file:
            line = file.readline(_LONGEST)
        return line.removesuffix(b"\n").decode()
    except (OSError, ValueError):
        raise ConfigError(f"no password can be read from file descriptor {text!r}") from None


def _from_terminal(is_new: bool) -> str:
    try:
        os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise ConfigError(
            f"it needs its password: set {PASSWORD_VARIABLE} or {FD_VARIABLE}, or run this at a terminal"
        ) from None
    try:
        password = getpass.getpass("Password of the key file: ")
        if is_new and getpass.getpass("The same again: ") != password:
            raise ConfigError("the two passwords differ")
    except EOFError:
        raise ConfigError("no password was given") from None
    return password
