"""The order lane: a lean way onto the wire for the calls whose latency counts. Same interface, same errors as the pool.

One request is in flight on a connection: an answer can then never be taken for another's, and a lost connection leaves
one order in doubt, not several. A request is one write and one future. It is never sent again: only a connection that
is known to be closed before the first byte was written is replaced.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from bisect import insort
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from operator import attrgetter
from time import monotonic
from typing import cast
from urllib.parse import SplitResult, urlsplit

from mexc_async.core.kind import compiled
from mexc_async.core.reply import Reply, first_bytes
from mexc_async.core.response import KnownHeads, ResponseReader
from mexc_async.errors import (
    ClientClosed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    MexcError,
    ProtocolError,
    RequestTimeout,
)
from mexc_async.net.addresses import Address, Addresses
from mexc_async.net.pool import PoolConfig
from mexc_async.net.tasks import Tasks

_HEAD_START_S = 0.25
"""How long an address may take to connect before the next one is tried beside it."""
_PATIENCE_S = 0.5
"""An address that lets a request wait for so long is passed over until it has proven itself again."""
_LOOK_S = 1.0
"""Before a connection that was unused for so long is used, it is looked at: the loop may not have seen its end yet."""
_FIELDS = {"User-Agent": "mexc_async", "Accept": "application/json", "Accept-Encoding": "identity"}
_NO_BODY = "\r\nContent-Length: 0\r\n"
_nearness = attrgetter("nearness")


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, lane: Lane, address: Address) -> None:
        self.address = address
        self.nearness = -inf
        """The measured round trip in seconds, negated; -inf before."""
        self.used_at = monotonic()
        self.checked_at = -inf
        """When it was pinged."""
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._reader = ResponseReader(lane.config.max_response_bytes, lane.heads)
        self._read_s = lane.config.timeouts.read_s
        self._patience_s = min(_PATIENCE_S, self._read_s)
        self._answer: asyncio.Future[Reply] | None = None
        self._timeout_s = 0.0
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not derive from it
        self._lane.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came: of the answer, or unasked."""
        answer = self._answer
        if answer is None:
            self.close()  # nobody asked: those bytes must not answer the next request
            return
        try:
            reply = self._reader.feed(data)
        except ProtocolError as error:
            self.close(error)
            return
        if reply is None:
            self._heard_at = monotonic()
            return
        self._answer = None
        if not answer.done():  # or else its caller was cancelled
            answer.set_result(reply)
        if self._reader.is_reusable:
            self._lane.free(self)
        else:
            self.close()

    def eof_received(self) -> None:
        """The host sends nothing more."""
        self._lane.forget(self)  # the transport closes itself, a moment later

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed: whoever waits for an answer gets one that lasts until the end, or an error."""
        if self._timer is not None:
            self._timer.cancel()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            try:
                reply = self._reader.end()
            except ProtocolError as failure:
                answer.set_exception(failure)
            else:
                if reply is not None and error is None:
                    answer.set_result(reply)
                else:
                    kind = type(error).__name__ if error else "closed by the host"
                    text = f"the connection ended before the answer was complete ({kind})"
                    answer.set_exception(ConnectionLost(text))
        self._lane.gone(self)

    # What the lane calls

    def request(self, data: bytes, timeout_s: float, now: float) -> asyncio.Future[Reply]:
        """Write a request; the future gets its answer."""
        self._answer = answer = self._loop.create_future()
        self.used_at = now
        self._timeout_s = timeout_s
        if self._timer is None or timeout_s < self._patience_s:
            self._watch(min(timeout_s, self._patience_s))
        self._transport.write(data)
        return answer

    def is_fit(self, now: float) -> bool:
        """Whether it is open and silent as far as can be known before anything is written."""
        if self._transport.is_closing():
            return False
        return now - self.used_at < _LOOK_S or not self._is_readable()

    def _is_readable(self) -> bool:
        """Whether something has come that the loop has not read: nothing was asked, so it is an end or garbage."""
        if not hasattr(select, "poll"):
            return False
        look = select.poll()
        look.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(look.poll(0))

    def close(self, error: MexcError | None = None) -> None:
        """End it; whoever waits for an answer gets `error`."""
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done() and error is not None:
            answer.set_exception(error)
        self._lane.forget(self)
        self._transport.abort()

    def _watch(self, seconds: float) -> None:
        """One timer, which outlives requests that are answered in time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds + 0.001, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._answer is None:
            return
        now = monotonic()
        waited_s, silent_s = now - self.used_at, now - max(self.used_at, self._heard_at)
        left_s = min(self._timeout_s - waited_s, self._read_s - silent_s)
        if left_s <= 0:
            self.close(RequestTimeout("no complete answer in time"))
            return
        if waited_s >= self._patience_s:
            self._lane.slow(self, waited_s)
        self._watch(min(left_s, self._patience_s))


class Lane:
    """Warm connections, opened as they are needed; the least busy and then the nearest is used first."""

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self.base = config.rest.rstrip("/")
        self.connections: set[Connection] = set()
        self.on_cold: Callable[[], None] = lambda: None
        """Called when a request found no connection that was free."""
        self.on_slow: Callable[[], None] = lambda: None
        """Called when an address lets a request wait."""
        self.heads = None if compiled else KnownHeads()
        """What is known of the heads of answers; shared by the connections."""
        self._idle: list[Connection] = []
        """The nearest last."""
        self._timeout_s = config.timeouts.total_s
        self._tasks = Tasks()
        self._tls = config.tls
        self._addresses: Addresses | None = None
        self._headers: Mapping[str, str] = {}
        self._tails: dict[str, str] = {}
        self._prefix = ""
        self._emptied = asyncio.Event()

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        timeout_s: float | None,
        on_connected: Callable[[], None],
        body: bytes = b"",
    ) -> Awaitable[Reply]:
        """Send one request, once, and read its whole answer.

        Raises ConnectFailed, ConnectionLost, RequestTimeout, ProtocolError, ClientClosed.
        """
        data = self.written(method, target, headers, body)
        if timeout_s is None:
            timeout_s = self._timeout_s
        now = monotonic()
        connection = self._take(now)
        if connection is None:
            return self._send_cold(data, timeout_s, on_connected)
        on_connected()
        return connection.request(data, timeout_s, now)

    def written(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """A request's bytes."""
        if headers is not self._headers:
            self._headers, self._tails = headers, {}
        tail = self._tails.get(method) or self._tail(method)
        if body:
            tail = tail.replace(_NO_BODY, f"\r\nContent-Length: {len(body)}\r\n")
        return f"{method} {self._prefix}{target}{tail}".encode("ascii") + body

    async def _send_cold(self, data: bytes, timeout_s: float, on_connected: Callable[[], None]) -> Reply:
        now = monotonic()
        deadline = now + timeout_s
        self.on_cold()
        while (connection := self._take(now)) is None:
            await self.open(deadline - now)
            now = monotonic()
        on_connected()
        return await connection.request(data, max(deadline - now, 0.001), now)

    def _take(self, now: float) -> Connection | None:
        """A connection that can be written to at once."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_fit(now):
                return connection
            connection.close()
        return None

    def _tail(self, method: str) -> str:
        """What follows a target, made once for headers that stay the same."""
        url = self._url()
        self._prefix = url.path
        fields = {"Host": url.netloc, **_FIELDS, **self._headers}
        for name, value in fields.items():
            if not f"{name}{value}".isprintable():
                raise ConfigError(f"header {name!r} holds a line break or another control character")
        lines = "".join([f"\r\n{name}: {value}" for name, value in fields.items()])
        self._tails[method] = tail = f" HTTP/1.1{lines}{'' if method == 'GET' else _NO_BODY[:-2]}\r\n\r\n"
        return tail

    def _url(self) -> SplitResult:
        return urlsplit(self.base)

    # Connections

    @property
    def open_connections(self) -> int:
        """Connections that are open and idle."""
        return len(self._idle)

    async def open(self, timeout_s: float, address: Address | None = None) -> None:
        """Open a connection, to the nearest address that answers if none is named.

        Raises ConnectFailed, ClientClosed.
        """
        work = self._tasks.spawn(self._open(min(timeout_s, self.config.timeouts.connect_s), address))
        try:
            await asyncio.wait((work,))
        finally:
            work.cancel()
        if work.cancelled():
            raise ClientClosed("the client was closed while this call was under way")
        work.result()

    async def _open(self, timeout_s: float, address: Address | None) -> None:
        url = self._url()
        is_tls = url.scheme == "https"
        if is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            async with asyncio.timeout(timeout_s):
                if address is None:
                    await self._race(await self.addresses.ranked())
                else:
                    await self._dial(address)
        except TimeoutError:
            raise ConnectFailed("no connection in time") from None
        except ssl.SSLError as error:
            text = f"TLS refused: {type(error).__name__}; the certificate of the host could not be verified"
            raise ConnectFailed(text) from error
        except OSError as error:
            raise ConnectFailed(f"no connection: {first_bytes(str(error).encode())}") from error

    @property
    def addresses(self) -> Addresses:
        """What the host's name stands for."""
        if self._addresses is None:
            url = self._url()
            port = url.port or (443 if url.scheme == "https" else 80)
            self._addresses = Addresses(url.hostname or "", port, self.config.dns_cache_s)
        return self._addresses

    async def _race(self, addresses: list[Address]) -> None:
        """Connect to the first address that answers; each is tried when the one before has failed, or takes long."""
        failure: BaseException | None = None
        attempts: set[asyncio.Task[None]] = set()
        left = iter(addresses)
        try:
            while True:
                address = next(left, None)
                if address is not None:
                    attempts.add(self._tasks.spawn(self._dial(address)))
                elif not attempts:
                    raise failure or OSError("the host has no address")
                pause_s = None if address is None else _HEAD_START_S
                done, attempts = await asyncio.wait(attempts, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    failure = failure or attempt.exception()
                if any(attempt.exception() is None for attempt in done):
                    return
        finally:
            for attempt in attempts:
                attempt.cancel()

    async def _dial(self, address: Address) -> None:
        """Open one connection; it is free for whoever comes first."""
        config, is_tls = self.config, self._tls is not None and self.base.startswith("https")
        connection = Connection(self, address)
        started = monotonic()
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                address.host,
                address.port,
                ssl=self._tls if is_tls else None,
                server_hostname=self.addresses.host if is_tls else None,
                local_addr=(config.local_address, 0) if config.local_address else None,
            )
        except BaseException as error:
            # Cancelled means that another address was quicker.
            address.round_trip_s = (
                inf if isinstance(error, OSError) else max(address.round_trip_s, monotonic() - started)
            )
            raise
        if address.round_trip_s in (0.0, inf):
            address.round_trip_s = monotonic() - started
        self.free(connection)

    def free(self, connection: Connection) -> None:
        """It can take a request."""
        if self._idle:
            insort(self._idle, connection, key=_nearness)
        else:  # as always when every connection is in use
            self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """It takes no further request."""
        if connection in self._idle:
            self._idle.remove(connection)

    def gone(self, connection: Connection) -> None:
        """It is closed."""
        self.forget(connection)
        self.connections.discard(connection)
        if not self.connections:
            self._emptied.set()

    def slow(self, connection: Connection, waited_s: float) -> None:
        """An address lets a request wait: pass over its connections until they have proven themselves again."""
        address = connection.address
        address.round_trip_s = max(address.round_trip_s, waited_s)
        for other in self.connections:
            if other.address is address:
                other.nearness = min(other.nearness, -waited_s)
                other.checked_at = -inf
        self._idle.sort(key=_nearness)
        self.on_slow()

    def measured(self, connection: Connection, round_trip_s: float) -> None:
        """A ping over it took so long."""
        connection.nearness = -round_trip_s
        connection.checked_at = monotonic()
        connection.address.round_trip_s = round_trip_s
        self._idle.sort(key=_nearness)

    def idle(self) -> list[Connection]:
        """Connections that are free, the least used first."""
        return sorted(self._idle, key=attrgetter("used_at"))

    def claim(self, connection: Connection) -> None:
        """Take this very connection. Raises ConnectFailed if it is not free."""
        if connection not in self._idle:
            raise ConnectFailed("the connection is in use, or gone")
        self._idle.remove(connection)

    async def aclose(self) -> None:
        """Close every connection; idempotent."""
        await self._tasks.aclose()
        for connection in list(self.connections):
            connection.close(ConnectionLost("the client was closed while this call was under way"))
        if self.connections:
            self._emptied.clear()
            await self._emptied.wait()


class Over:
    """A way onto the wire by one connection of the lane, which is measured by it."""

    def __init__(self, lane: Lane, connection: Connection) -> None:
        self._lane = lane
        self._connection = connection

    async def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        timeout_s: float | None,
        on_connected: Callable[[], None],
        body: bytes = b"",
    ) -> Reply:
        """Send one request over the connection. Raises ConnectFailed if it is not free."""
        lane, connection = self._lane, self._connection
        data = lane.written(method, target, headers, body)
        lane.claim(connection)
        on_connected()
        sent_at = monotonic()
        reply = await connection.request(data, timeout_s or lane.config.timeouts.total_s, sent_at)
        lane.measured(connection, monotonic() - sent_at)
        return reply

    async def aclose(self) -> None:
        """Nothing: the lane closes its connections."""
