"""Rotation of a sub-account's key through the main account: a new key with the same permissions and IP list.

A working key exists at all times: the new one is created, tested and stored before the old one is deleted. A failure
before the new key is stored deletes it; the next rotation completes one that was interrupted later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from mexc_async.errors import ApiError, ConfigError, MexcError, ProtocolError
from mexc_async.keys.key_ring import KeyBook, StoredKey, renewed
from mexc_async.keys.shielded import shielded
from mexc_async.keys.stores import KeyStore
from mexc_async.rest.credentials import Credentials, masked
from mexc_async.runtime.clock import Clock
from mexc_async.spot.api import Spot
from mexc_async.spot.subaccounts import SubAccountKey

TRIES = 5
"""Attempts with a new key, which may take a moment to become valid."""
PAUSE_S = 1.0
LATEST_S = 7.0
"""Seconds after which a request without an answer has taken effect or never will: its time stamp is valid for 5 s."""


class Rotation:
    """The rotation of one stored key of a sub-account.

    Args:
        main: the spot endpoints of a client with a key of the main account.
        store: the key store.
        name: name of the key in the store.
        try_key: makes a signed call with credentials; raises the exchange's error.
        clock: draws what the note of a new key is made unique by.
    """

    def __init__(
        self,
        main: Spot,
        store: KeyStore,
        name: str,
        try_key: Callable[[Credentials], Awaitable[object]],
        clock: Clock,
    ) -> None:
        self._main = main
        self._store = store
        self._name = name
        self._try_key = try_key
        self._clock = clock
        old = store.read()[name]
        if old.sub_account is None:
            raise ConfigError(f"key {name!r} belongs to no sub-account: create its successor on MEXC's key page")
        self._sub_account: str = old.sub_account
        self.old = old

    async def switch(self) -> StoredKey:
        """Create a key, test it and store it in place of the old one, which stays valid. Raises MexcError."""
        row = await self._listed(self.old.api_key)
        if row is None:
            raise ConfigError(
                f"sub-account {self._sub_account!r} has no key {masked(self.old.api_key)} at the exchange"
            )
        if not row.permissions:
            raise ProtocolError(f"the exchange does not say what key {masked(self.old.api_key)} may do")
        made = await self._make(row.permissions, row.ip)
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
            await shielded(self._delete(made.api_key))
            raise
        return new

    async def finish(self) -> None:
        """Delete the replaced key at the exchange and in the store. Raises MexcError; safe to repeat."""
        current = self._store.read()[self._name]
        if current.replaces is None:
            return
        await self._delete(current.replaces)
        self._store.change(lambda book: book.changed(self._name, renewed(book[self._name], replaces=None)))

    def _in_place_of_old(self, new: StoredKey) -> Callable[[KeyBook], KeyBook]:
        def edit(book: KeyBook) -> KeyBook:
            if book[self._name].api_key != self.old.api_key:
                raise ConfigError(f"key {self._name!r} was changed by another process meanwhile")
            return book.changed(self._name, new)

        return edit

    async def _make(self, permissions: str, ip: str | None) -> SubAccountKey:
        """A new key; one that was made without its secret having arrived is of no use, and is deleted."""
        note = f"{self._name}-{self._clock.random.randbytes(4).hex()}"  # tells it from every other if no answer comes
        try:
            return await self._main.create_sub_account_api_key(
                sub_account=self._sub_account, note=note, permissions=permissions, ip=ip or None
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
        """Delete a key, and retry until the exchange no longer lists it. Raises MexcError."""
        for left in reversed(range(TRIES)):
            with suppress(ApiError):  # the key may be gone already: check the list below
                await self._delete_once(api_key)
            if await self._listed(api_key) is None:
                return
            if left:
                await asyncio.sleep(PAUSE_S)
        raise MexcError(f"key {masked(api_key)} is still valid: delete it on MEXC's key page")

    async def _delete_once(self, api_key: str) -> None:
        try:
            await self._main.delete_sub_account_api_key(sub_account=self._sub_account, api_key=api_key)
        except MexcError as error:
            if error.outcome_known:
                raise
