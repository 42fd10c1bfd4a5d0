"""Encryption with a password: scrypt derives the key, AES-GCM encrypts and detects every change.

    mexc-keys, version, cost | salt | nonce | ciphertext and its tag | SHA-256 of all before

The digest separates damage from a wrong password. The tag proves that nobody tampered with the content or the head.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from hashlib import sha256
from os import urandom
from typing import TYPE_CHECKING

from mexc_async.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

COST = 17
"""log2 of scrypt's N, with r = 8 and p = 1: 128 MB and about 0.5 s per guess."""
COSTS = range(10, 21)
MIN_PASSWORD = 8
_MAGIC = b"mexc-keys\x01"
_SALT = len(_MAGIC) + 1
_NONCE = _SALT + 16
_HEAD = _NONCE + 12
_TAG = 16
_DIGEST = 32
Password = Callable[[bool], str]
"""Function that returns the password; True asks for the password of a new file."""


def encrypt(data: bytes, password: str, cost: int = COST) -> bytes:
    """Encrypt data. Raises ConfigError when the password is too short, or `cryptography` is not installed."""
    try:
        if len(password) < MIN_PASSWORD:
            raise ConfigError(f"the password must have at least {MIN_PASSWORD} characters")
        head = _MAGIC + bytes([cost]) + urandom(_HEAD - _SALT)
        cipher, _ = _cipher(head, password)
        encrypted = head + cipher.encrypt(head[_NONCE:], data, head)
        return encrypted + sha256(encrypted).digest()
    finally:
        del data, password  # a traceback may show all variables


def decrypt(encrypted: bytes, password: Callable[[], str]) -> bytes:
    """Decrypt data; ask for the password only if the data is complete.

    Raises ConfigError for another kind of file, damage, or a wrong password.
    """
    body, digest = encrypted[:-_DIGEST], encrypted[-_DIGEST:]
    if not encrypted.startswith(_MAGIC[:-1]):
        raise ConfigError("it is not a key file")
    if len(body) < _HEAD + _TAG or sha256(body).digest() != digest:
        raise ConfigError("it is damaged: put a copy in its place, or remove it and add the keys again")
    if not encrypted.startswith(_MAGIC) or encrypted[_SALT - 1] not in COSTS:
        raise ConfigError("it was written by a newer release")
    return _decrypted(body[:_HEAD], password(), body[_HEAD:])


def _decrypted(head: bytes, password: str, data: bytes) -> bytes:
    try:
        cipher, wrong = _cipher(head, password)
        try:
            return cipher.decrypt(head[_NONCE:], data, head)
        except wrong:
            raise ConfigError("wrong password") from None
    finally:
        del password


def check_library() -> None:
    """Raise ConfigError if `cryptography`, which encryption needs, is not installed."""
    try:
        import cryptography.exceptions  # noqa: F401 - it is there, and that is what had to be known
    except ImportError:
        raise ConfigError(
            "the encrypted key file needs the library cryptography: pip install 'mexc-async[keys]'"
        ) from None


def _cipher(head: bytes, password: str) -> tuple[AESGCM, type[Exception]]:
    """Return AES-GCM with the key derived from the password and the head's salt, and its error for a wrong key."""
    try:
        check_library()
    except ConfigError:
        del password
        raise
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    text = unicodedata.normalize("NFC", password).encode()
    key = Scrypt(salt=head[_SALT:_NONCE], length=32, n=2 ** head[_SALT - 1], r=8, p=1).derive(text)
    return AESGCM(key), InvalidTag
