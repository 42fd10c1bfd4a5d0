"""The connection pool over aiohttp: keep-alive connections, one request a call, aiohttp's errors translated once.

Several habits of aiohttp are switched off: to follow redirects, to send an idempotent request again over a new
connection when an old one is dead, to store cookies, to quote an encoded URL, to read proxies and `.netrc` files.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from mexc_async.errors import (
    ClientClosed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    MexcError,
    ProtocolError,
    RequestTimeout,
)
from mexc_async.runtime.tasks import OTHER_LOOP
from mexc_async.schema.answers import Reply, is_refusal
from mexc_async.transport.addresses import unreachable
from mexc_async.transport.config import Timeouts, TransportConfig
from mexc_async.transport.delivery import is_undelivered
from mexc_async.transport.dial import DialingConnector
from mexc_async.transport.http1 import decompressed
from mexc_async.transport.request_fields import Fields, bare
from mexc_async.transport.transport import Dial, OnConnected
from mexc_async.transport.urls import place_of, proxy_for

_READ_AT_ONCE = 1 << 16
_UNASKED = 100
"""Greatest count of connections that one call discards because unasked bytes arrived on them."""

_attempt: ContextVar[_Attempt] = ContextVar("attempt")


class _Attempt:
    """Connection of one request."""

    __slots__ = ("is_connected", "is_refused", "on_connected", "protocol")

    def __init__(self, on_connected: OnConnected) -> None:
        self.on_connected = on_connected
        self.is_connected = False
        self.is_refused = False
        self.protocol: ResponseHandler | None = None

    def connected(self, protocol: ResponseHandler | None) -> None:
        """Note the connection right before the first byte leaves."""
        self.is_connected, self.protocol = True, protocol
        self.on_connected(None)  # aiohttp closes a cancelled request's connection


class _Connector(DialingConnector):
    """Connector that reuses no connection with unasked bytes on it, and none after a refusal.

    aiohttp releases a connection at the last byte of an answer, before the answer is read. This connector releases it
    once the answer is known not to be a refusal, behind which a second answer might follow.
    """

    def __init__(self, dial: Dial | None, **settings: Any) -> None:
        super().__init__(dial, **settings)
        self._unread: dict[ResponseHandler, ConnectionKey | None] = {}
        """Connections in use, with aiohttp's key once it has released them."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        for _ in range(_UNASKED):
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                if connection.protocol is not None:
                    self._unread[connection.protocol] = None
                _attempt.get().connected(connection.protocol)
                return connection
            connection.close()  # aiohttp would take those bytes for the answer to the next request
        raise aiohttp.ClientConnectionError("the host sent bytes before any request")

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        if protocol in self._unread and not should_close:
            self._unread[protocol] = key
        else:
            super()._release(key, protocol, should_close=should_close)

    def finish(self, protocol: ResponseHandler, *, is_refused: bool) -> None:
        """Release a connection for the next call, or close it if its answer was a refusal."""
        key = self._unread.pop(protocol, None)
        if key is not None:
            super()._release(key, protocol, should_close=is_refused)


class Pool:
    """Pool of keep-alive connections to the exchange, opened on demand."""

    def __init__(self, config: TransportConfig, dial: Dial | None = None) -> None:
        """Set up a pool. `dial` makes its connections, by default the operating system."""
        self._config = config
        self._dial = dial
        self._urls = config.urls
        self._proxy = proxy_for(config.urls.rest, config.proxy, config.trust_env)
        self._timeout = _client_timeout(config.timeouts, None)
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self.users = 0
        """Open clients that use the pool; the last one closes it."""

    def _open(self) -> aiohttp.ClientSession:
        config = self._config
        if self._closed:
            raise ClientClosed("the client is closed")
        self._connector = connector = _Connector(
            self._dial,
            limit=0,  # the limiter bounds what is in flight, by priority
            ttl_dns_cache=config.dns_cache_s,
            keepalive_timeout=config.keepalive_s,
            local_addr=(config.local_address, 0) if config.local_address else None,
            ssl=config.tls or True,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,  # aiohttp accepts truncated gzip
            trust_env=False,
            skip_auto_headers=("Content-Type",),
            headers={"User-Agent": "mexc_async", "Accept": "application/json", "Accept-Encoding": "gzip, deflate"},
        )
        session._retry_connection = False  # aiohttp resends idempotent requests, and has no public switch for it
        self._session, self._loop = session, asyncio.get_running_loop()
        return session

    async def send(
        self,
        method: str,
        target: str,
        headers: Fields,
        timeout_s: float | None,
        on_connected: OnConnected,
        body: bytes = b"",
    ) -> Reply:
        """Send one request, once, and read its whole answer.

        Raises ConnectFailed, ConnectionLost, RequestTimeout, ProtocolError, ClientClosed.
        """
        attempt = _Attempt(on_connected)
        token = _attempt.set(attempt)
        try:
            return await self._exchanged(attempt, method, target, headers, timeout_s, body)
        except BaseException as error:
            failure = self._failure(error, attempt)
        finally:
            del target, headers  # a traceback may show all variables, and none with a signature or a key
            _attempt.reset(token)
            if attempt.protocol is not None:
                self._connector.finish(attempt.protocol, is_refused=attempt.is_refused)
        raise failure

    async def _exchanged(
        self, attempt: _Attempt, method: str, target: str, headers: Fields, timeout_s: float | None, body: bytes
    ) -> Reply:
        """Send a request by aiohttp and return its answer. Raises aiohttp's errors."""
        session = self._session or self._open()
        if self._loop is not asyncio.get_running_loop():
            raise ClientClosed(OTHER_LOOP)
        async with session.request(
            method,
            URL(self._urls.rest + target, encoded=True),
            headers=headers.items(),
            data=body or None,
            allow_redirects=False,
            proxy=self._proxy,
            # None would mean no time-out at all.
            timeout=self._timeout if timeout_s is None else _client_timeout(self._config.timeouts, timeout_s),
        ) as response:
            reply = Reply(response.status, response.headers, await self._read(response))
            attempt.is_refused = is_refusal(reply)
            if attempt.is_refused and self._is_foreign(attempt):
                raise ConnectionLost("a refusal came that may be the answer to another request")
            return reply

    def _failure(self, error: BaseException, attempt: _Attempt) -> BaseException:
        """Return the error to raise, without aiohttp's frames: their variables hold the signed URL and the key."""
        if isinstance(error, aiohttp.ClientError | TimeoutError | OSError):
            return _translate(error, attempt.is_connected, self._place)
        if isinstance(error, asyncio.CancelledError):
            # Closing, aiohttp cancels the lookup of a host; that must not look like a cancellation by the user.
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                text = "the client was closed while this call was under way"
                return ConnectionLost(text) if attempt.is_connected else ClientClosed(text)
        return bare(error)

    @property
    def _place(self) -> str:
        return f"{place_of(self._urls.rest)}{' through the proxy' if self._proxy else ''}"

    def _is_foreign(self, attempt: _Attempt) -> bool:
        """Return True if a refusal may answer another request, because it came too soon."""
        protocol = attempt.protocol
        return protocol is not None and is_undelivered(protocol.transport)

    def distrust(self) -> None:
        """Close every idle connection: an answer belonged to another request."""
        if self._session is not None:
            for idle in self._connector._conns.values():
                for protocol, _ in idle:
                    protocol.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        bound = self._config.max_response_bytes
        length = response.content_length
        if length is not None and length <= min(bound, _READ_AT_ONCE) and "Content-Encoding" not in response.headers:
            return await response.read()
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > bound:
                response.close()
                raise ProtocolError(f"the answer is larger than max_response_bytes {bound}", status=response.status)
            parts.append(part)
        return decompressed(b"".join(parts), response.headers.get("Content-Encoding"), bound, response.status)

    @property
    def open_connections(self) -> int:
        """Connections that are open and idle."""
        connector = self._session.connector if self._session else None
        return sum(len(idle) for idle in connector._conns.values()) if connector else 0

    async def aclose(self) -> None:
        """Close every connection; idempotent."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _client_timeout(timeouts: Timeouts, timeout_s: float | None) -> aiohttp.ClientTimeout:
    total = timeouts.total_s if timeout_s is None else timeout_s
    return aiohttp.ClientTimeout(
        total=total, connect=min(timeouts.connect_s, total), sock_read=min(timeouts.read_s, total), ceil_threshold=1e9
    )


def _translate(error: Exception, connected: bool, place: str) -> MexcError:
    """Translate aiohttp's errors into the SDK's, without their texts: these quote the signed URL."""
    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return RequestTimeout("no complete answer in time") if connected else unreachable(place, error)
    if isinstance(error, aiohttp.InvalidURL):
        return ConfigError("the URL cannot be used")
    if not connected:
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return ConnectFailed(f"TLS refused by {place}: {kind}; the certificate of the host could not be verified")
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return ConnectFailed(f"the proxy refused, HTTP {error.status}")
        return unreachable(place, error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error)
    if isinstance(error, aiohttp.ClientResponseError):
        return ProtocolError(f"not HTTP: {kind}")
    return ConnectionLost(f"the connection ended before the answer was complete ({kind})")
