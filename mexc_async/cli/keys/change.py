"""`mexc-async keys rotate` and `allow-ip`: changes to a key at the exchange."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mexc_async.cli.exit_status import INTERRUPTED, REFUSED, fail
from mexc_async.cli.keys.command import Created, Name, PasswordFd, Where, created_ms, open_keys, read_key
from mexc_async.runtime.clock import SYSTEM
from mexc_async.runtime.runner import run

if TYPE_CHECKING:
    from mexc_async.client.mexc import Mexc
    from mexc_async.keys.key_ring import StoredKey
    from mexc_async.keys.stores import KeyStore
    from mexc_async.rest.credentials import Credentials

Rest = Annotated[str | None, typer.Option(help="URL of another exchange, such as a simulator.")]
_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?")
_LONGEST_S = 24 * 3600


def rotate(
    name: Name,
    through: Annotated[
        str | None, typer.Option(help="Name of the main account's key, for a sub-account's key.")
    ] = None,
    wait: Annotated[
        int, typer.Option(help="Seconds for running clients to switch, before the old key is deleted.")
    ] = 60,
    same_account: Annotated[
        bool,
        typer.Option(
            "--same-account", help="The old key has expired; confirm that the new one is of the same account."
        ),
    ] = False,
    created: Created = None,
    rest: Rest = None,
    store: Where = None,
    password_fd: PasswordFd = None,
) -> None:
    """Replace a key with a new one; running clients opened by Mexc.from_keys switch to it.

    A sub-account gets a new key with the same permissions and IP list, and the old key is deleted at the exchange.
    Create any other key on MEXC's key page first; this command prompts for it, as `keys add` does.
    """
    from mexc_async.errors import ConfigError, InvalidRequest, MexcError

    try:
        if not 0 <= wait <= _LONGEST_S:
            raise ConfigError(f"--wait {wait} must be from 0 to {_LONGEST_S}")
        keys, made_ms = open_keys(store, password_fd), created_ms(created)
        key = keys.read()[name]
        if key.sub_account is None:
            if through is not None:
                raise ConfigError(f"key {name!r} belongs to no sub-account; name one with: keys add --sub-account")
            new = read_key(made_ms)  # outside of the event loop, which would stop Ctrl-C from ending a prompt
            run(_replace(keys, name, new, same_account, rest))
        elif through is None:
            raise ConfigError(f"key {name!r} belongs to a sub-account: name the main account's key with --through")
        else:
            run(_rotate(keys, name, through, wait, rest))
    except (ConfigError, InvalidRequest) as error:
        fail(error.message)
    except MexcError as error:
        fail(error, REFUSED)
    except SystemExit as end:  # `run` raises it after Ctrl-C or SIGTERM
        left = f"if `keys list` shows an old key still to be deleted, `keys rotate {name}` deletes it"
        fail(f"interrupted; {left}", end.code if isinstance(end.code, int) else INTERRUPTED)


async def _replace(keys: KeyStore, name: str, new: StoredKey, same_account: bool, rest: str | None) -> None:
    """Test a new key at the exchange, and store it in place of the old one."""
    from mexc_async.errors import ConfigError, InvalidKey, MexcError, SignatureRejected
    from mexc_async.keys.key_ring import KeyBook, renewed

    old = keys.read()[name]
    if new.api_key == old.api_key:
        raise ConfigError("this is the old key: make a new one on MEXC's key page first")
    async with _client(old.credentials(), rest) as mexc:
        try:
            await mexc.replace_credentials(new.credentials(), same_account=same_account)
        except (InvalidKey, SignatureRejected) as error:  # their advice speaks of the environment's key
            source = "at the terminal" if sys.stdin.isatty() else "on standard input"
            masked = new.credentials().masked_key
            raise MexcError(
                f"the new key {masked}, given {source}, was refused: {error.code} {error.message}"
            ) from None

    def edit(book: KeyBook) -> KeyBook:
        if book[name].api_key != old.api_key:
            raise ConfigError(f"key {name!r} was changed by another process meanwhile")
        parts = {"api_key": new.api_key, "api_secret": new.api_secret, "created_ms": new.created_ms}
        return book.changed(name, renewed(old, **parts, follows=old.api_key))

    keys.change(edit)
    masked = old.credentials().masked_key
    print(f"{name} is {new.credentials().masked_key} now; delete {masked} on MEXC's key page once your programs use it")


async def _rotate(keys: KeyStore, name: str, through: str, wait: int, rest: str | None) -> None:
    from mexc_async.keys.rotation import Rotation
    from mexc_async.rest.credentials import masked

    async def try_key(credentials: Credentials) -> None:
        from mexc_async.errors import PermissionDenied

        async with _client(credentials, rest) as mexc:
            try:
                await mexc.spot.uid()
            except PermissionDenied:  # the old key may lack the permission or the address as well
                return

    book = keys.read()
    async with _client(book[through].credentials(), rest) as main:
        rotation = Rotation(main.spot, keys, name, try_key, main.clock.local)
        unfinished = rotation.old.replaces
        if unfinished is None:
            new = await rotation.switch()
            print(
                f"{name} is {masked(new.api_key)} now; {masked(rotation.old.api_key)} will be deleted in {wait} s",
                flush=True,
            )
            await asyncio.sleep(wait)
        await rotation.finish()
        print(f"{masked(unfinished or rotation.old.api_key)} is deleted at the exchange")


def allow_ip(
    name: Name,
    through: Annotated[str, typer.Option(help="Name of a key that may change this key's IP list.")],
    duration: Annotated[str, typer.Option("--for", help="Duration, such as 2h, 90m or 1h30m; a day at most.")],
    address: Annotated[
        str | None, typer.Option(help="IP address to add; default: this machine's, as the exchange sees it.")
    ] = None,
    rest: Rest = None,
    store: Where = None,
    password_fd: PasswordFd = None,
) -> None:
    """Add this machine's address to a key's IP list for a while; Ctrl-C and SIGTERM remove it early.

    Exit status 0 when the time is over or nothing had to change, 130 or 143 when ended early.
    """
    from mexc_async.errors import ConfigError, InvalidRequest, MexcError

    try:
        seconds = _seconds(duration)
        run(_allow(open_keys(store, password_fd), name, through, seconds, address, rest))
    except (ConfigError, InvalidRequest) as error:
        fail(error.message)
    except MexcError as error:
        fail(error, REFUSED)


def _seconds(text: str) -> int:
    from mexc_async.errors import ConfigError

    found = _DURATION.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not 0 < total <= _LONGEST_S:
        raise ConfigError(f"--for {text!r} is not a duration of up to a day, such as 2h, 90m or 1h30m")
    return total


async def _allow(keys: KeyStore, name: str, through: str, seconds: int, address: str | None, rest: str | None) -> None:
    from mexc_async.errors import ConfigError
    from mexc_async.keys.allow_ip import is_public, on_list
    from mexc_async.schema.validation import ip_address

    if address is not None:
        ip_address("--address", address)
    book = keys.read()
    key, helper = book[name], book[through]
    if address is None:
        async with _client(key.credentials(), rest) as mexc:
            address = await _own_address(mexc)
        if address is None:
            print(f"{name} accepts this machine's address already; nothing was changed")
            return
    async with _client(helper.credentials(), rest, read_only=False) as mexc:
        if not mexc.is_sim and not is_public(address):
            raise ConfigError(f"{address} is a private address: the exchange never sees it")
        try:
            async with on_list(mexc.spot, key.api_key, address):
                until = datetime.fromtimestamp(SYSTEM.wall_ms() / 1000 + seconds, UTC).astimezone()
                print(f"{address} is on the IP list of {name} until {until:%H:%M:%S}; Ctrl-C ends it early", flush=True)
                await asyncio.sleep(seconds)
        except asyncio.CancelledError:  # the address is off the list by now, or another error would be raised
            print(f"{address} was removed again")
            raise
        print(f"{address} was removed again")


async def _own_address(mexc: Mexc) -> str | None:
    """Return the address that the exchange sees and refuses; None if it refuses none. Raises ConfigError, MexcError."""
    from mexc_async.errors import ConfigError, IpNotAllowed, PermissionDenied
    from mexc_async.keys.allow_ip import address_in

    try:
        await mexc.spot.uid()
    except IpNotAllowed as refusal:
        if (address := address_in(refusal)) is None:
            raise ConfigError("the exchange does not name the address that it sees; give it with --address") from None
        return address
    except PermissionDenied:
        return None
    return None


def _client(credentials: Credentials, rest: str | None, read_only: bool = False) -> Mexc:
    from mexc_async.client.mexc import REST, Mexc

    return Mexc(credentials, rest=rest or REST, read_only=read_only)
