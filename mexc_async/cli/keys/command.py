"""`mexc-async keys`: several API keys by name, stored encrypted.

Secrets come from the terminal or standard input only: other users of the machine can read a command line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from mexc_async.cli.exit_status import fail
from mexc_async.cli.time_argument import time_ms
from mexc_async.runtime.clock import SYSTEM

if TYPE_CHECKING:
    from mexc_async.keys.key_ring import KeyBook, StoredKey
    from mexc_async.keys.stores import KeyStore
    from mexc_async.rest.credentials import Credentials

Name = Annotated[str, typer.Argument(help="Name of the key.")]
Where = Annotated[
    str | None,
    typer.Option("--store", help="`keyring` or a key file; default: MEXC_KEYS, else ~/.config/mexc-async/keys."),
]
PasswordFd = Annotated[
    int | None, typer.Option(help="File descriptor to read the key file's password from, instead of a prompt.")
]
Created = Annotated[
    str | None, typer.Option(help="Date of the key's creation at MEXC, such as 2026-09-01; default: now.")
]
_LONGEST_LINE = 4096


def add(
    name: Name,
    sub_account: Annotated[str | None, typer.Option(help="Sub-account that the key belongs to, if any.")] = None,
    created: Created = None,
    store: Where = None,
    password_fd: PasswordFd = None,
) -> None:
    """Store a key; its two parts are read from the terminal, or from standard input, one a line."""
    from mexc_async.errors import ConfigError
    from mexc_async.keys.encryption import check_library
    from mexc_async.keys.key_file import KeyFile

    try:
        made_ms = created_ms(created)
        keys = open_keys(store, password_fd)
        if isinstance(keys, KeyFile):
            check_library()  # before a secret is typed in vain
        key = read_key(made_ms, sub_account)
        book = keys.change(lambda book: book.added(name, key))
    except ConfigError as error:
        fail(_brief(error))
    note = " and is in use" if book.in_use == name else f"; use it with: mexc-async keys use {name}"
    print(f"{name} ({_masked(key)}) is stored{note}")


def list_keys(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    store: Where = None,
    password_fd: PasswordFd = None,
) -> None:
    """List the stored keys with their age, without their secrets."""
    from mexc_async.errors import ConfigError
    from mexc_async.keys.key_file import KeyFile

    try:
        keys = open_keys(store, password_fd)
        book = keys.read()
    except ConfigError as error:
        fail(error)
    rows = [_row(name, key, book) for name, key in book.keys.items()]
    if json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return
    if not rows:
        where = f"the key file {keys.path}" if isinstance(keys, KeyFile) else "the system's keyring"
        print(f"no key is stored in {where}; store one with: mexc-async keys add NAME")
        return
    _print_table(rows)
    for row in rows:
        if row["advice"]:
            print(
                f"{'error' if row['level'] == 'error' else 'warning'}: {row['name']}: {row['advice']}", file=sys.stderr
            )


def use(name: Name, store: Where = None, password_fd: PasswordFd = None) -> None:
    """Make a key the one in use: commands that name no key take it."""
    from mexc_async.errors import ConfigError

    try:
        open_keys(store, password_fd).change(lambda book: book.using(name))
    except ConfigError as error:
        fail(error)
    print(f"{name} is in use")


def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    store: Where = None,
    password_fd: PasswordFd = None,
) -> None:
    """Remove a key from the store; it stays valid at the exchange until you delete it there."""
    from mexc_async.errors import ConfigError

    try:
        keys = open_keys(store, password_fd)
        key = keys.read()[name]
        if not yes and not _agreed(f"Remove {name} ({_masked(key)}) and its secret for good?"):
            fail("nothing was removed", 1)
        keys.change(lambda book: book.without(name))
    except ConfigError as error:
        fail(error)
    print(f"{name} is removed; delete {_masked(key)} on MEXC's key page as well")


def open_keys(where: str | None, password_fd: int | None) -> KeyStore:
    """Open the store that the options name. Raises ConfigError."""
    import os

    from mexc_async.keys.stores import open_store, password_from

    return open_store(where, password=password_from(os.environ, password_fd))


def found_credentials(
    key: str | None = None, store: str | None = None, password_fd: int | None = None
) -> Credentials | None:
    """Find a stored key by name, else the environment's, else the one in use, else None. Raises ConfigError."""
    import os

    from mexc_async.errors import ConfigError, MissingCredentials
    from mexc_async.keys.environment import KEY_VARIABLE, SECRET_VARIABLE, from_environment
    from mexc_async.keys.stores import STORE_VARIABLE

    if key is None and store is None:
        if os.environ.get(KEY_VARIABLE) or os.environ.get(SECRET_VARIABLE):
            try:
                return from_environment()
            except MissingCredentials as error:
                raise ConfigError(error.message) from None
        if STORE_VARIABLE not in os.environ and not open_keys(None, password_fd).stamp():
            return None
    book = open_keys(store, password_fd).read()
    return book[key].credentials() if key is not None or book.in_use is not None else None


def needed_credentials() -> Credentials:
    """Return the environment's key, else the stored one in use. Raises ConfigError without either."""
    from mexc_async.errors import ConfigError

    if (credentials := found_credentials()) is None:
        raise ConfigError(
            "no API key: set MEXC_API_KEY and MEXC_API_SECRET, or store one with: mexc-async keys add NAME"
        )
    return credentials


def created_ms(text: str | None) -> int:
    """Parse a key's date of creation into milliseconds UTC; now by default. Raises ConfigError."""
    from mexc_async.errors import ConfigError, InvalidRequest

    now_ms = SYSTEM.wall_ms()
    if text is None:
        return now_ms
    try:
        made_ms = time_ms("--created", text)
    except InvalidRequest:
        raise ConfigError(f"--created {text!r} is not a date, such as 2026-09-01") from None
    if not 0 <= made_ms <= now_ms + 86_400_000:
        raise ConfigError(f"--created {text!r} is not in the past")
    return made_ms


def read_key(made_ms: int, sub_account: str | None = None) -> StoredKey:
    """Read key and secret from the terminal, the secret hidden, or from two lines of input. Raises ConfigError."""
    import getpass

    from mexc_async.errors import ConfigError
    from mexc_async.keys.key_ring import StoredKey

    if sys.stdin.isatty():
        print("Access key: ", end="", file=sys.stderr, flush=True)
        api_key = _line()
        try:
            api_secret = getpass.getpass("Secret (not shown): ")
        except EOFError:
            raise ConfigError("no secret was given") from None
    else:
        api_key, api_secret = _line(), _line()
    key = StoredKey(api_key=api_key, api_secret=api_secret, created_ms=made_ms, sub_account=sub_account)
    key.credentials()  # refuses an invalid pair
    return key


def _line() -> str:
    return sys.stdin.readline(_LONGEST_LINE).removesuffix("\n").removesuffix("\r")


def _agreed(question: str) -> bool:
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return _line().strip().lower() in ("y", "yes")


def _brief(error: Exception) -> str:
    """Return an error's message without its advice, which speaks of environment variables."""
    return str(getattr(error, "message", error))


def _masked(key: StoredKey) -> str:
    from mexc_async.rest.credentials import masked

    return masked(key.api_key)


def _row(name: str, key: StoredKey, book: KeyBook) -> dict[str, Any]:
    from mexc_async.rest.credentials import ENDS_DAYS, age_advice, age_days, masked

    days = age_days(key.created_ms, SYSTEM.wall_ms())
    advice = age_advice(days)
    return {
        "name": name,
        "in_use": name == book.in_use,
        "key": _masked(key),
        "age_days": days,
        "sub_account": key.sub_account,
        "replaces": None if key.replaces is None else masked(key.replaces),
        "level": "error" if days >= ENDS_DAYS else "warning" if advice else "ok",
        "advice": advice,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "name", "key", "age", "sub-account", box=None, pad_edge=False)
    for row in rows:
        age = f"{row['age_days']} days"
        if row["replaces"]:
            age += f", {row['replaces']} still to be deleted"
        table.add_row("*" if row["in_use"] else "", row["name"], row["key"], age, row["sub_account"] or "")
    Console(width=None if sys.stdout.isatty() else 200).print(table, "* is in use")
