"""A client's key: warned about while it grows old, and replaced when the store that it came from holds another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol

from mexc_async.errors import ClientClosed, MexcError
from mexc_async.keys.events import KeyAged, KeyNotReplaced
from mexc_async.rest.credentials import ENDS_DAYS, Credentials, age_advice
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import logger

AGE_CHECK_S = 24 * 3600.0


class KeySource(Protocol):
    """A source from which an API key can be read again, such as a file."""

    def load(self) -> Credentials:
        """Return the current key. Raises ConfigError."""
        ...

    def follows(self, api_key: str) -> bool:
        """Return True if somebody made sure that the new key is of the same account as this one."""
        ...

    def stamp(self) -> Hashable:
        """Differs whenever the source was changed in between; cheap. Raises ConfigError."""
        ...


class Replace(Protocol):
    """`Mexc.replace_credentials`."""

    def __call__(self, credentials: Credentials, *, same_account: bool) -> Awaitable[None]:
        """Take another key. Raises MexcError."""
        ...


class Watched:
    """A source whose changes are noticed."""

    def __init__(self, source: KeySource, every_s: float) -> None:
        """Read the source, whose stamp is taken first: a change in between is seen as one later."""
        self._source = source
        self._stamp = source.stamp()
        self.every_s = every_s
        self.credentials = source.load()

    async def changed(self) -> Credentials | None:
        """Return the source's key if it changed since the last call, else None. Reads it in a thread."""
        stamp = await asyncio.to_thread(self._source.stamp)
        if stamp == self._stamp:
            return None
        found = await asyncio.to_thread(self._source.load)
        self._stamp = stamp
        return found

    async def follows(self, old: Credentials) -> bool:
        """Return True if the source says that its key is of the same account."""
        return await asyncio.to_thread(self._source.follows, old.api_key)


async def follow(
    watched: Watched,
    current: Callable[[], Credentials | None],
    replace: Replace,
    hooks: Hooks,
) -> None:
    """Take every other key that the source comes to hold; what fails is reported and tried again."""
    pending: Credentials | None = None
    reported = ""
    while True:
        await asyncio.sleep(watched.every_s)
        try:
            pending = await watched.changed() or pending
            if pending is not None and (key := current()) is not None and pending.api_key != key.api_key:
                await replace(pending, same_account=await watched.follows(key))
            pending, reported = None, ""
        except ClientClosed:
            return
        except MexcError as error:
            if str(error) != reported:  # once, not every few seconds
                reported = str(error)
                logger.error("the key in the store cannot be used: %s", error)
                hooks.emit(KeyNotReplaced(error))


async def report_age(credentials: Callable[[], Credentials | None], clock: Clock, hooks: Hooks) -> None:
    """Warn about an old key now and once a day."""
    while True:
        if (key := credentials()) is not None:
            warn_of_age(key, clock.wall_ms(), hooks)
        await asyncio.sleep(AGE_CHECK_S)


def warn_of_age(key: Credentials, now_ms: int, hooks: Hooks) -> None:
    """A warning from 75 days, an error from 90."""
    days = key.age_days(now_ms)
    if days is None or (advice := age_advice(days)) is None:
        return
    has_reached_end = days >= ENDS_DAYS
    logger.log(logging.ERROR if has_reached_end else logging.WARNING, "API key %s: %s", key.masked_key, advice)
    hooks.emit(KeyAged(key.masked_key, days, has_reached_end))
