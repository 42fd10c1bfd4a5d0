"""Connections that somebody else makes, in place of the operating system: to an exchange in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
from aiohttp.client_proto import ResponseHandler

Dial: TypeAlias = Callable[[Callable[[], asyncio.Protocol], str, int], Awaitable[asyncio.Protocol]]
"""Connect the protocol that the first argument builds with a host and port, and return it. Raises OSError."""


class DialingConnector(aiohttp.TCPConnector):
    """Connector of aiohttp whose connections `dial` makes; without it, the operating system does."""

    def __init__(self, dial: Dial | None, **settings: Any) -> None:
        if dial is not None:  # the other resolver, used where aiodns is installed, starts a thread at once
            settings["resolver"] = aiohttp.ThreadedResolver()
        super().__init__(**settings)
        self._dial = dial

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        if self._dial is None:
            return await super()._create_connection(req, traces, timeout)
        key = req.connection_key
        try:
            made = await self._dial(self._factory, key.host, key.port or 80)
        except OSError as error:
            raise aiohttp.ClientConnectorError(key, error) from error
        assert isinstance(made, ResponseHandler)
        return made
