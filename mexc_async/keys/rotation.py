"""A sub-account's key replaced by a new one with the same permissions and addresses, through the main account.

At no point is the only working key gone: the new one is made, tried and stored before the old one is deleted. What
fails before it is stored is undone; what is interrupted afterwards is finished by the next rotation.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from mexc_async.core.credentials import Credentials, masked
from mexc_async.errors import ApiError, ConfigError, MexcError
from mexc_async.keys.book import KeyBook, StoredKey, renewed
from mexc_async.keys.stores import KeyStore
from mexc_async.keys.undisturbed import undisturbed
from mexc_async.spot.api import Spot
from mexc_async.spot.subaccounts import SubAccountKey

TRIES = 5
"""A new key may take a moment until it is in force."""
PAUSE_S = 1.0
LATEST_S = 7.0
"""A request can be accepted until its time stamp is 5 s old; a key made by one without an answer shows by then."""


class Rotation:
    """The rotation of one stored key of a sub-account.

    Args:
        main: the spot endpoints of a client with a key of the main account.
        store: where the key is.
        name: of the key in the store.
        try_key: makes a signed call with credentials; raises what the exchange says.
    """

    def __init__(
        self, main: Spot, store: KeyStore, name: str, try_key: Callable[[Credentials], Awaitable[object]]
    ) -> None:
        self._main = main
        self._store = store
        self._name = name
        self._try_key = try_key
        old = store.read()[name]
        if old.sub_account is None:
            raise ConfigError(f"key {name!r} is of no sub-account: make its successor on MEXC's key page")
        self._sub_account: str = old.sub_account
        self.old = old

    async def switch(self) -> StoredKey:
        """Make a key, try it and store it in place of the old one, which stays in force. Raises MexcError."""
        row = await self._listed(self.old.api_key)
        if row is None:
            raise ConfigError(
                f"sub-account {self._sub_account!r} has no key {masked(self.old.api_key)} at the exchange"
            )
        made = await self._make(row)
        try:
            new = renewed(
                self.old,
                api_key=made.api_key,
                api_secret=made.secret_key or "",
                created_ms=made.create_time or self.old.created_ms,
                replaces=self.old.api_key,
                follows=self.old.api_key,
            )
            await self._try(new.credentials())
            self._store.change(self._in_place_of_old(new))
        except BaseException:
            await undisturbed(self._delete(made.api_key))
            raise
        return new

    async def finish(self) -> None:
        """Delete the key that was replaced, and forget it. Raises MexcError; may be repeated."""
        current = self._store.read()[self._name]
        if current.replaces is None:
            return
        await self._delete(current.replaces)
        self._store.change(lambda book: book.changed(self._name, renewed(book[self._name], replaces=None)))

    def _in_place_of_old(self, new: StoredKey) -> Callable[[KeyBook], KeyBook]:
        def edit(book: KeyBook) -> KeyBook:
            if book[self._name].api_key != self.old.api_key:
                raise ConfigError(f"key {self._name!r} was changed by somebody else meanwhile")
            return book.changed(self._name, new)

        return edit

    async def _make(self, like: SubAccountKey) -> SubAccountKey:
        """A new key; one that was made without its secret having arrived is of no use, and is deleted."""
        note = f"{self._name}-{secrets.token_hex(4)}"  # tells it from every other if no answer comes
        try:
            return await self._main.create_sub_account_api_key(
                sub_account=self._sub_account, note=note, permissions=like.permissions, ip=like.ip or None
            )
        except MexcError as error:
            if not error.outcome_known:
                await asyncio.sleep(LATEST_S)
                for row in await self._rows():
                    if row.note == note:
                        await self._delete(row.api_key)
            raise

    async def _try(self, credentials: Credentials) -> None:
        for left in reversed(range(TRIES)):
            try:
                await self._try_key(credentials)
            except ApiError:
                if not left:
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _rows(self) -> list[SubAccountKey]:
        return (await self._main.list_sub_account_api_keys(sub_account=self._sub_account)).sub_account

    async def _listed(self, api_key: str) -> SubAccountKey | None:
        return next((row for row in await self._rows() if row.api_key == api_key), None)

    async def _delete(self, api_key: str) -> None:
        """Delete a key; that it is gone is what counts. Raises MexcError."""
        for left in reversed(range(TRIES)):
            with suppress(ApiError):  # such as one that says that it is gone: the list tells
                await self._delete_once(api_key)
            if await self._listed(api_key) is None:
                return
            if left:
                await asyncio.sleep(PAUSE_S)
        raise MexcError(f"key {masked(api_key)} is still in force: delete it on MEXC's key page")

    async def _delete_once(self, api_key: str) -> None:
        try:
            await self._main.delete_sub_account_api_key(sub_account=self._sub_account, api_key=api_key)
        except MexcError as error:
            if error.outcome_known:
                raise
