"""aiohttp's connector over connections that somebody else makes: to an exchange in this process."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from mexc_async.transport.transport import Dial


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
