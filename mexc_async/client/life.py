"""A client's life: opened by its first call or by `open`, closed by `aclose` or with its event loop."""

from __future__ import annotations

import asyncio
import warnings
import weakref

from mexc_async.client.settings import Prepared
from mexc_async.client.wiring import Parts
from mexc_async.keys.events import KeyReplaced
from mexc_async.keys.replace import change_key
from mexc_async.keys.watch import follow, report_age
from mexc_async.rest.credentials import Credentials
from mexc_async.transport.lane import Lane
from mexc_async.transport.transport import SharedTransport
from mexc_async.transport.urls import ExchangeUrls, place_of

ENDED = "the client was closed with its event loop: make one Mexc(...) inside each asyncio.run"
_KEEPER = "mexc_async: keeper of a client"


class Life:
    """Opening and closing of a client's parts. Background tasks refer to it, and it to nothing that a user holds."""

    def __init__(
        self,
        parts: Parts,
        urls: ExchangeUrls,
        transport: SharedTransport,
        lane: Lane | None,
        prepared: Prepared,
        held: Held,
    ) -> None:
        self._api, self._router, self._tracker = parts.api, parts.router, parts.tracker
        self._alarms, self._log = parts.alarms, parts.log
        self._urls, self._transport, self._lane = urls, transport, lane
        self._simulator, self._watched = prepared.simulator, prepared.watched
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closing = False
        self._is_orphan = False
        """True once nobody refers to the client any more."""
        self._dropped = asyncio.Event()
        """Set when an open client became an orphan."""
        transport.users += 1
        weakref.finalize(held, self._drop).atexit = False

    async def start(self) -> None:
        """Start the simulated exchange, if the client has its own, and the background work."""
        api, tasks = self._api, self._api.tasks
        if self._log is not None:
            self._log.log.open()
        if self._simulator is not None:
            await self._simulator.start()
        if api.credentials is not None:
            api.clock_sync.start()
            self._alarms.start()
        tasks.spawn(report_age(lambda: api.credentials, api.clock.local, api.hooks))
        if self._watched is not None:
            tasks.spawn(follow(self._watched, lambda: api.credentials, self.replace_credentials, api.hooks))
        self._loop = asyncio.get_running_loop()
        tasks.spawn(self._keep()).set_name(_KEEPER)
        if self._is_orphan:  # as in `await Mexc().spot.ping()`: the call goes on, and the client ends with the loop
            self._warn()

    async def _keep(self) -> None:
        """Close the client when it is garbage, or when its event loop ends: `asyncio.run` then cancels all tasks."""
        try:
            await self._dropped.wait()
        except asyncio.CancelledError:
            if not self._is_closing:
                await _others_cancelled()
                await self.close(ENDED)
            raise
        await self.close()

    def _drop(self) -> None:
        """Close an open client that is garbage, with a ResourceWarning. Called in any thread."""
        self._is_orphan = True
        if self._loop is not None and not self._is_closing:
            self._warn()
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._dropped.set)

    def _warn(self) -> None:
        text = f"a client of {place_of(self._urls.rest)} was dropped without aclose()"
        warnings.warn(text, ResourceWarning, stacklevel=2)

    async def close(self, end: str | None = None) -> None:
        """Stop background work, fail pending calls, close connections; idempotent, from any task.

        Later calls raise ClientClosed with the text `end`.
        """
        api, is_first, self._is_closing = self._api, not self._is_closing, True
        api.tasks.end = end or api.tasks.end
        await self._router.aclose()
        if self._router.private is not None and not api.is_closed:
            await self._router.private.aclose()
        api.close()
        self._tracker.close()
        self._alarms.close()
        api.limiter.close()
        await api.tasks.aclose()
        self._transport.users -= is_first
        if not self._transport.users:
            await self._transport.aclose()
        if self._lane is not None:
            await self._lane.aclose()
        if self._log is not None:
            self._log.close()
        if self._simulator is not None:
            await self._simulator.stop()

    async def replace_credentials(self, credentials: Credentials, *, same_account: bool = False) -> None:
        """See `Mexc.replace_credentials`."""
        api, private = self._api, self._router.private
        old = await change_key(api, credentials, same_account)
        if self._log is not None:
            self._log.rename(credentials)
        if private is not None:
            private.replace_key(api.with_credentials(old))
        api.hooks.emit(KeyReplaced(old.masked_key, credentials.masked_key))


class Held:
    """Object that all parts of a client in a user's hands refer to: once it is garbage, nobody can close the client."""


async def _others_cancelled() -> None:
    """Wait for the other tasks that the end of the loop cancelled: they may still cancel orders with this client."""
    while others := {task for task in asyncio.all_tasks() if task.cancelling() and task.get_name() != _KEEPER}:
        await asyncio.wait(others)
