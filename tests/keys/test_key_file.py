"""The encrypted file: its content is unreadable, changes are detected, and only its owner may read it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.errors import ConfigError
from mexc_async.keys import encryption
from mexc_async.keys.encryption import decrypt, encrypt
from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.key_ring import KeyBook, StoredKey

PASSWORD = "correct horse"
COST = 10
KEY = StoredKey(api_key="mx0abcdefghijkl", api_secret="0123456789abcdef", created_ms=1)
DATA = KeyBook().added("a", KEY).encode()
ENCRYPTED = encrypt(DATA, PASSWORD, COST)


def key_file(path: Path, password: str = PASSWORD) -> KeyFile:
    return KeyFile(path, lambda is_new: password, cost=COST)


def filled(path: Path) -> KeyFile:
    file = key_file(path)
    file.change(lambda book: book.added("a", KEY))
    return file


def with_digest(body: bytes) -> bytes:
    return body + sha256(body).digest()


def test_what_was_sealed_comes_back_with_the_password_only() -> None:
    assert decrypt(ENCRYPTED, lambda: PASSWORD) == DATA
    with pytest.raises(ConfigError, match=r"^wrong password$"):
        decrypt(ENCRYPTED, lambda: PASSWORD + " ")


def test_the_file_is_what_its_description_says() -> None:
    salt, nonce, encrypted_data = ENCRYPTED[11:27], ENCRYPTED[27:39], ENCRYPTED[39:-32]
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=2**COST, r=8, p=1, dklen=32)
    assert AESGCM(key).decrypt(nonce, encrypted_data, ENCRYPTED[:39]) == DATA
    assert ENCRYPTED[:11] == b"mexc-keys\x01" + bytes([COST])


def test_the_same_keys_are_never_sealed_the_same() -> None:
    again = encrypt(DATA, PASSWORD, COST)
    assert again[:11] == ENCRYPTED[:11]
    assert not {again[11:27], again[27:39]} & {ENCRYPTED[11:27], ENCRYPTED[27:39]}
    assert KEY.api_secret.encode() not in ENCRYPTED


def test_letters_that_look_alike_are_one_password() -> None:
    assert decrypt(encrypt(DATA, "pässwörter", COST), lambda: "pa\u0308sswo\u0308rter") == DATA


@given(position=st.integers(0, len(ENCRYPTED) - 1), change=st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, change: int) -> None:
    data = bytearray(ENCRYPTED)
    data[position] ^= change
    with pytest.raises(ConfigError):
        decrypt(bytes(data), lambda: PASSWORD)


@given(position=st.integers(0, len(ENCRYPTED) - 33), change=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_is_noticed_by_the_cipher_when_the_digest_was_made_to_fit(position: int, change: int) -> None:
    body = bytearray(ENCRYPTED[:-32])
    body[position] ^= change
    if position == 10 and body[10] > COST + 4:  # wrong, and slow to refuse
        body[10] = 9
    with pytest.raises(ConfigError):
        decrypt(with_digest(bytes(body)), lambda: PASSWORD)


@given(length=st.integers(0, len(ENCRYPTED) - 1))
def test_a_cut_file_is_noticed(length: int) -> None:
    with pytest.raises(ConfigError):
        decrypt(ENCRYPTED[:length], lambda: PASSWORD)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is not a key file"),
        (b"MEXC_API_KEY=...", "it is not a key file"),
        (ENCRYPTED + b"\n", "it is damaged"),
        (ENCRYPTED[:20], "it is damaged"),
        (with_digest(b"mexc-keys\x02" + ENCRYPTED[10:-32]), "newer release"),
        (with_digest(b"mexc-keys\x01\x1f" + ENCRYPTED[11:-32]), "newer release"),
    ],
    ids=["empty", "another file", "longer", "cut", "version", "cost"],
)
def test_each_kind_of_wrong_file_is_told_before_a_password_is_asked_for(data: bytes, words: str) -> None:
    def never() -> str:
        raise AssertionError("asked")

    with pytest.raises(ConfigError, match=words):
        decrypt(data, never)


def test_short_passwords_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"key file {tmp_path / 'keys'}: the password must have at least 8"):
        key_file(tmp_path / "keys", "1234567").change(lambda book: book.added("a", KEY))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    with pytest.raises(ConfigError, match=r"pip install 'mexc-async\[keys\]'"):
        encrypt(DATA, PASSWORD, COST)


def test_the_usual_cost_is_that_of_128_megabytes() -> None:
    assert 128 * 8 * 2**encryption.COST == 128 << 20


def test_the_file_is_its_owners_alone_from_its_first_moment(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = filled(tmp_path / "new" / "folder" / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.path.parent.iterdir()] == ["keys"]
    assert KEY.api_secret.encode() not in file.path.read_bytes()


def test_a_file_that_is_not_there_holds_no_key_and_needs_no_password(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys", lambda is_new: pytest.fail("asked"))
    assert (file.read(), file.stamp()) == (KeyBook(), None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601, 0o610])
def test_an_open_mode_is_refused_on_reading_and_on_writing(tmp_path: Path, mode: int) -> None:
    file = filled(tmp_path / "keys")
    before = file.path.read_bytes()
    file.path.chmod(mode)
    for attempt in (file.read, lambda: file.change(lambda book: book.without("a"))):
        with pytest.raises(
            ConfigError, match=f"its mode {mode:04o} lets other users read it; close it with: chmod 600 "
        ):
            attempt()
    assert file.path.read_bytes() == before


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "keys")
    (tmp_path / "link").symlink_to(tmp_path / "keys")
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "large").touch(mode=0o600)
    os.truncate(tmp_path / "large", 2 << 20)
    for name, words in (
        ("link", "symbolic link"),
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
        ("large", "too large"),
    ):
        with pytest.raises(ConfigError, match=words):
            key_file(tmp_path / name).read()


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = filled(tmp_path / "keys")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigError, match=f"belongs to user {owner}, not to you"):
        file.read()


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = filled(tmp_path / "keys")
    before = file.path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigError, match=f"key file {file.path}: No space left on device"):
            file.change(lambda book: book.without("a"))
    with pytest.raises(ConfigError, match="already"):
        file.change(lambda book: book.added("a", KEY))
    assert file.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_what_a_killed_process_left_is_no_hindrance(tmp_path: Path) -> None:
    file = filled(tmp_path / "keys")
    (tmp_path / "keys.new").write_bytes(b"half")
    file.change(lambda book: book.using("a"))
    assert file.read().in_use == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_two_processes_do_not_write_at_once(tmp_path: Path) -> None:
    file = filled(tmp_path / "keys")
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another process is changing it"):
            file.change(lambda book: book.without("a"))
        assert file.read()["a"] == KEY
    finally:
        os.close(handle)


def test_the_password_is_asked_for_once_and_again_after_a_wrong_one(tmp_path: Path) -> None:
    filled(tmp_path / "keys")
    answers = ["a wrong one", PASSWORD]
    file = KeyFile(tmp_path / "keys", lambda is_new: answers.pop(0), cost=COST)
    with pytest.raises(ConfigError, match=f"key file {tmp_path / 'keys'}: wrong password"):
        file.read()
    assert file.read() == file.read()
    assert answers == []


def test_a_change_shows_in_the_stamp(tmp_path: Path) -> None:
    file = filled(tmp_path / "keys")
    before = file.stamp()
    assert file.stamp() == before
    file.change(lambda book: book.using("a"))
    assert file.stamp() != before


def test_a_file_shows_no_password(tmp_path: Path) -> None:
    assert repr(filled(tmp_path / "keys")) == f"KeyFile('{tmp_path / 'keys'}')"
