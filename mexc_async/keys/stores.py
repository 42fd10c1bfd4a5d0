"""Choice of the key store, and of the source of its password."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Protocol

from mexc_async.errors import ConfigError
from mexc_async.keys.encryption import Password
from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.key_ring import KeyBook
from mexc_async.keys.os_keyring import OsKeyring
from mexc_async.rest.credentials import Credentials

STORE_VARIABLE = "MEXC_KEYS"
PASSWORD_VARIABLE = "MEXC_KEYS_PASSWORD"  # noqa: S105 - the variable's name
FD_VARIABLE = "MEXC_KEYS_PASSWORD_FD"
KEYRING = "keyring"
_LONGEST = 4096


class KeyStore(Protocol):
    """Key store: `KeyFile`, `OsKeyring`, or one of your own."""

    def read(self) -> KeyBook:
        """Read the keys. Raises ConfigError."""
        ...

    def change(self, edit: Callable[[KeyBook], KeyBook]) -> KeyBook:
        """Read, edit and write the keys, all or nothing. Raises ConfigError."""
        ...

    def stamp(self) -> Hashable:
        """Return a value that differs after every change; cheap to call."""
        ...


class NamedKey:
    """One key of a store, read at each access."""

    def __init__(self, store: KeyStore, name: str | None = None) -> None:
        self.store = store
        self.name = name

    def load(self) -> Credentials:
        """Read the key from the store. Raises ConfigError."""
        return self.store.read()[self.name].credentials()

    def follows(self, api_key: str) -> bool:
        """Return True if the stored key replaced this access key in a rotation. Raises ConfigError."""
        return self.store.read()[self.name].follows == api_key

    def stamp(self) -> Hashable:
        """Return a value that differs after every change of the store."""
        return self.store.stamp()


def open_store(
    where: str | None = None, *, password: Password | None = None, environ: Mapping[str, str] | None = None
) -> KeyStore:
    """Open the store that `where` names, else MEXC_KEYS, else the key file in the user's configuration folder.

    Args:
        where: `keyring` for the system's keyring, or the path of a key file.
        password: source of the key file's password; default: MEXC_KEYS_PASSWORD, the file descriptor that
            MEXC_KEYS_PASSWORD_FD names, or the terminal.
        environ: variables to use instead of the process's environment.

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
    """Return a function that gets the password from a file descriptor, the environment, or the terminal."""

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
            f"the password is missing: set {PASSWORD_VARIABLE} or {FD_VARIABLE}, or run this at a terminal"
        ) from None
    try:
        password = getpass.getpass("Password of the key file: ")
        if is_new and getpass.getpass("Repeat the password: ") != password:
            raise ConfigError("the two passwords differ")
    except EOFError:
        raise ConfigError("no password was given") from None
    return password
