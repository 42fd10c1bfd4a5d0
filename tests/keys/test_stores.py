"""Choice of the store, sources of passwords, and the system's keyring behind a stand-in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest

from mexc_async.errors import ConfigError
from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.key_ring import KeyBook, StoredKey
from mexc_async.keys.os_keyring import OsKeyring
from mexc_async.keys.stores import NamedKey, open_store, password_from

KEY = StoredKey(api_key="mx0abcdefghijkl", api_secret="0123456789abcdef", created_ms=1)


class Memory(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.is_locked:
            raise keyring.errors.KeyringLocked("the collection is\nlocked")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.is_locked:
            raise keyring.errors.KeyringLocked("the collection is\nlocked")
        self.entries[service, username] = password


class PlaintextKeyring(Memory):
    """A keyring whose name says that it stores plain text."""


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    backend = Memory()
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    return backend


def test_keys_come_back_from_the_keyring(memory: Memory) -> None:
    store = OsKeyring()
    assert store.read() == KeyBook()
    before = store.stamp()
    store.change(lambda book: book.added("a", KEY))
    assert OsKeyring().read()["a"] == KEY
    assert store.stamp() != before
    assert list(memory.entries) == [("mexc-async", "keys")]
    assert NamedKey(store, "a").load().api_key == KEY.api_key


def test_a_keyring_that_refuses_is_one_line(memory: Memory) -> None:
    store = OsKeyring()
    store.change(lambda book: book.added("a", KEY))
    memory.is_locked = True
    for attempt in (store.read, store.stamp, lambda: store.change(lambda book: book.without("a"))):
        with pytest.raises(ConfigError, match=r"^the system's keyring refused: the collection is locked$"):
            attempt()
    memory.is_locked = False
    assert store.read()["a"] == KEY
    memory.entries["mexc-async", "keys"] = "{"
    with pytest.raises(ConfigError, match="cannot read the format of the stored keys"):
        store.read()


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        (keyring.backends.fail.Keyring, "this system has no keyring"),
        (PlaintextKeyring, "stores secrets in plain text"),
    ],
)
def test_a_keyring_that_would_not_protect_is_refused(
    monkeypatch: pytest.MonkeyPatch, backend: Callable[[], object], words: str
) -> None:
    monkeypatch.setattr(keyring, "get_keyring", backend)
    with pytest.raises(ConfigError, match=words):
        OsKeyring()


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'mexc-async\[keys\]'"):
        OsKeyring()


@pytest.mark.usefixtures("memory")
def test_the_store_is_named_by_argument_environment_or_custom(tmp_path: Path) -> None:
    def path(where: str | None, **environ: str) -> Path:
        store = open_store(where, environ=environ)
        assert isinstance(store, KeyFile)
        return store.path

    assert isinstance(open_store("keyring", environ={}), OsKeyring)
    assert isinstance(open_store(environ={"MEXC_KEYS": "keyring"}), OsKeyring)
    assert path("/a/b", MEXC_KEYS="/c") == Path("/a/b")
    assert path(None, MEXC_KEYS="~/c") == Path.home() / "c"
    assert path(None, XDG_CONFIG_HOME=str(tmp_path)) == tmp_path / "mexc-async" / "keys"
    assert path(None) == Path.home() / ".config" / "mexc-async" / "keys"


def test_passwords_come_from_a_descriptor_or_the_environment() -> None:
    def descriptor(text: bytes) -> int:
        reading, writing = os.pipe()
        os.write(writing, text)
        os.close(writing)
        return reading

    environ = {"MEXC_KEYS_PASSWORD": "from the environment"}
    assert password_from(environ)(False) == "from the environment"
    assert password_from(environ, descriptor(b"from the descriptor\n"))(True) == "from the descriptor"
    assert password_from({"MEXC_KEYS_PASSWORD_FD": str(descriptor(b"with\r"))})(False) == "with\r"
    for wrong in ("nine", "987654"):
        with pytest.raises(ConfigError, match=f"no password can be read from file descriptor '{wrong}'"):
            password_from({"MEXC_KEYS_PASSWORD_FD": wrong})(False)
