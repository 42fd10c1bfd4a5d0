"""The encrypted key file: only its owner may read it, and a change replaces it atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

from mexc_async.errors import ConfigError
from mexc_async.keys.encryption import COST, Password, decrypt, encrypt
from mexc_async.keys.key_ring import KeyBook

_LARGEST = 1 << 20
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFile:
    """Key store in a file encrypted with a password. The password stays in memory after the first prompt."""

    def __init__(self, path: Path, password: Password, *, cost: int = COST) -> None:
        """Name the file; the first access reads it. Raises ConfigError on a system without file modes."""
        if os.name != "posix":
            raise ConfigError("the encrypted key file needs a system with file modes; use the system's keyring")
        self.path = path
        self._ask = password
        self._cost = cost
        self._password: str | None = None

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r})"

    def read(self) -> KeyBook:
        """Read the keys; a missing file holds none. Raises ConfigError."""
        try:
            encrypted = self._bytes()
            return KeyBook() if encrypted is None else KeyBook.decode(decrypt(encrypted, lambda: self._secret(False)))
        except ConfigError as error:
            if error.message == "wrong password":
                self._password = None
            raise ConfigError(f"key file {self.path}: {error.message}") from None
        except OSError as error:
            raise ConfigError(f"key file {self.path}: {error.strerror or error}") from None

    def change(self, edit: Callable[[KeyBook], KeyBook]) -> KeyBook:
        """Read, edit and write under a lock. Raises ConfigError, with the file unchanged."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                is_new = not os.path.lexists(self.path)
                book = edit(self.read())
                try:
                    self._replace(encrypt(book.encode(), self._secret(is_new), self._cost))
                except ConfigError as error:
                    raise ConfigError(f"key file {self.path}: {error.message}") from None
        except OSError as error:
            raise ConfigError(f"key file {self.path}: {error.strerror or error}") from None
        return book

    def stamp(self) -> Hashable:
        """Return a value that differs after every write to the file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _secret(self, is_new: bool) -> str:
        if self._password is None:
            self._password = self._ask(is_new)
        return self._password

    def _bytes(self) -> bytes | None:
        try:
            with open(self.path, "rb", opener=self._opened) as file:
                return file.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ConfigError("it is a symbolic link; name the file itself") from None
            raise

    def _opened(self, path: str, _: int) -> int:
        # Non-blocking, or a named pipe in the file's place would block the program.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            self._check(os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError("it is not a regular file")
        if found.st_uid != os.geteuid():
            raise ConfigError(f"it belongs to user {found.st_uid}, not to you")
        mode = stat.S_IMODE(found.st_mode)
        if mode & _OTHERS:
            raise ConfigError(f"its mode {mode:04o} lets other users read it; close it with: chmod 600 {self.path}")
        if found.st_size > _LARGEST:
            raise ConfigError("it is too large for a key file")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder, which leaves no lock file behind."""
        import fcntl

        handle = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(f"key file {self.path}: another process is changing it; try again") from None
            yield
        finally:
            os.close(handle)

    def _replace(self, encrypted: bytes) -> None:
        draft = self.path.with_name(f"{self.path.name}.new")
        draft.unlink(missing_ok=True)  # left by a process killed while it wrote
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(encrypted)
                file.flush()
                os.fsync(handle)
            draft.replace(self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
