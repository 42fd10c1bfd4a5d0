"""The lane: a lean HTTP/1.1 transport over connections of its own. Same interface and errors as the pool over aiohttp.

A client has two: one for orders and cancels, which `rest/keep_warm.py` keeps warm, and one for everything else, so that
a large answer delays no order. A connection has one request in flight at most: an answer cannot be taken for another's,
and a lost connection leaves the outcome of one order unknown, not of several. A request is one write and one future.
The lane never sends it again; it only replaces a connection that is known to be closed before the first byte is
written.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from functools import cache
from math import inf
from operator import attrgetter
from urllib.parse import SplitResult, urlsplit

from mexc_async.errors import (
    ClientClosed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
)
from mexc_async.native.loader import compiled
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.tasks import Tasks
from mexc_async.schema.answers import Reply, is_refusal
from mexc_async.transport.addresses import Address, Addresses, unreachable
from mexc_async.transport.config import TransportConfig
from mexc_async.transport.connection import Connection, nearness_of
from mexc_async.transport.http1 import KnownHeads
from mexc_async.transport.request_fields import Fields
from mexc_async.transport.transport import Dial, OnConnected
from mexc_async.transport.urls import place_of

_HEAD_START_S = 0.25
"""Seconds for one address to connect before the next one is tried in parallel."""
_ORDER_PATIENCE_S, _PATIENCE_S = 0.5, 2.0
"""Seconds of silence after which an address is avoided: orders are answered soon, other calls may take a while."""
_FIELDS = {"User-Agent": "mexc_async", "Accept": "application/json"}
_NO_BODY = "\r\nContent-Length: 0\r\n"
_MOST_FRAMES = 1000


class Lane:
    """Set of keep-alive connections, opened on demand; the nearest free one is used first.

    Pings keep the connections for orders warm, and test those whose next answer may be another request's. All others
    are closed in such a case, and when they were idle for `keepalive_s`.
    """

    def __init__(self, config: TransportConfig, clock: Clock, for_orders: bool, dial: Dial | None = None) -> None:
        """Set up a lane. `dial` makes its connections, by default the operating system."""
        self.config = config
        self.for_orders = for_orders
        self.patience_s = _ORDER_PATIENCE_S if for_orders else _PATIENCE_S
        """Seconds of silence after which an address counts as slow."""
        self.users = 0
        """Open clients that use the lane; the last one closes it."""
        self._keep_s = inf if for_orders else config.keepalive_s
        self._connect_by = dial
        self.grows_cold = dial is None
        """True if hosts close idle connections, and addresses change."""
        self.monotonic = clock.monotonic
        self.connections: set[Connection] = set()
        self.attention = asyncio.Event()
        """Set when connections need care: a request found none free, or an address is slow to answer."""
        self.wanted = 0
        """Most connections that requests needed at the same time."""
        self.heads = None if compiled else KnownHeads()
        """Known heads of answers, shared by the connections."""
        self.ready: list[Connection] = []
        """Connections that can take a request, the nearest last."""
        self.unproven: asyncio.Queue[Connection] = asyncio.Queue()
        """Connections on which another answer may follow, as behind a refusal: each is held until a ping succeeds."""
        self.timeout_s = config.timeouts.total_s
        """Time-out of a request without one of its own."""
        self._tasks = Tasks()
        self._tls = config.tls
        self._addresses: Addresses | None = None
        self._frames: dict[tuple[str, int], tuple[Fields, str, str]] = {}
        """Text around a target, by method and identity of the headers."""
        self._emptied = asyncio.Event()

    def send(
        self,
        method: str,
        target: str,
        headers: Fields,
        timeout_s: float | None,
        on_connected: OnConnected,
        body: bytes = b"",
    ) -> Awaitable[Reply]:
        """Send one request, once, and read its whole answer.

        Raises ConnectFailed, ConnectionLost, RequestTimeout, ProtocolError, ClientClosed.
        """
        try:
            data = self.written(method, target, headers, body)
            if timeout_s is None:
                timeout_s = self.timeout_s
            if not self.for_orders:
                return self._exchange(data, timeout_s, on_connected)
            now = self.monotonic()
            connection = self._take(now)
            if connection is None:
                return self._exchange(data, timeout_s, on_connected)
            on_connected(connection)
            return connection.request(data, timeout_s, now)
        finally:
            data, target = b"", ""  # a traceback may show all variables, and none with a signature or a key

    def written(self, method: str, target: str, headers: Fields, body: bytes) -> bytes:
        """Return a request's bytes."""
        try:
            start, end = self.framed(method, headers)
            if body:
                end = end.replace(_NO_BODY, f"\r\nContent-Length: {len(body)}\r\n")
            return f"{start}{target}{end}".encode("ascii") + body
        finally:
            target = end = ""

    def framed(self, method: str, headers: Fields) -> tuple[str, str]:
        """Return the text before and behind the target; callers reuse it while the headers stay the same."""
        known = self._frames.get((method, id(headers)))
        if known is None or known[0] is not headers:  # Python reuses the id of deleted headers
            known = self._frame(method, headers)
        return known[1], known[2]

    async def _exchange(self, data: bytes, timeout_s: float, on_connected: OnConnected) -> Reply:
        """Send a request over a free connection, or over a new one."""
        try:
            self._tasks.check_open()
            now = self.monotonic()
            deadline = now + timeout_s
            while (connection := self._take(now)) is None:
                self.wanted = max(self.wanted, len(self.connections) + 1)
                self.attention.set()
                await self.open(deadline - now)
                now = self.monotonic()
            on_connected(connection)
            answer = connection.request(data, max(deadline - now, 0.001), now)
            data = b""
            try:
                return await answer
            finally:
                if connection.answer is answer and not self.for_orders:  # cancelled: nobody waits for the rest
                    connection.close()
        finally:
            data = b""

    def _take(self, now: float) -> Connection | None:
        """Take a free connection that is fit for use; None without one."""
        idle = self.ready
        while idle:
            connection = idle.pop()
            if now - connection.used_at <= self._keep_s and connection.is_fit(now):
                if idle and now - idle[0].used_at > self._keep_s:
                    idle[0].close()  # one a request: those that a burst opened end soon
                return connection
            connection.close()
        return None

    def _frame(self, method: str, headers: Fields) -> tuple[Fields, str, str]:
        url = self._url()
        # An ack is too short to gain by compression.
        encoding = {"Accept-Encoding": "identity" if self.for_orders else "gzip, deflate"}
        fields = {"Host": url.netloc, **_FIELDS, **encoding, **dict(headers.items())}
        bad = [name for name, value in fields.items() if not f"{name}{value}".isprintable()]
        if bad:
            del fields
            raise ConfigError(f"header {bad[0]!r} holds a line break or another control character")
        lines = "".join([f"\r\n{name}: {value}" for name, value in fields.items()])
        end = f" HTTP/1.1{lines}{'' if method == 'GET' else _NO_BODY[:-2]}\r\n\r\n"
        if len(self._frames) >= _MOST_FRAMES:
            self._frames.clear()
        self._frames[method, id(headers)] = frame = headers, f"{method} {url.path}", end
        return frame

    def _url(self) -> SplitResult:
        return urlsplit(self.config.urls.rest)

    # Connections

    @property
    def open_connections(self) -> int:
        """Connections that are open and idle."""
        return len(self.ready)

    async def open(self, timeout_s: float, address: Address | None = None) -> None:
        """Open a connection, to the nearest address that answers if none is named.

        Raises ConnectFailed, ClientClosed.
        """
        work = self._tasks.spawn(self._open(min(timeout_s, self.config.timeouts.connect_s), address))
        try:
            await asyncio.wait((work,))
        finally:
            self._tasks.cancel(work)
        if work.cancelled():
            raise ClientClosed("the client was closed while this call was under way")
        work.result()

    async def _open(self, timeout_s: float, address: Address | None) -> None:
        url = self._url()
        is_tls = url.scheme == "https"
        if is_tls and self._tls is None:
            self._tls = _default_tls()
        try:
            async with asyncio.timeout(timeout_s):
                if address is None:
                    await self._race(await self.addresses.ranked())
                else:
                    await self._dial(address)
        except TimeoutError as error:
            raise unreachable(place_of(self.config.urls.rest), error) from None
        except ssl.SSLError as error:
            host, kind = place_of(self.config.urls.rest), type(error).__name__
            text = f"TLS refused by {host}: {kind}; the certificate of the host could not be verified"
            raise ConnectFailed(text) from error
        except OSError as error:
            raise unreachable(place_of(self.config.urls.rest), error) from error

    @property
    def addresses(self) -> Addresses:
        """The IP addresses of the host."""
        if self._addresses is None:
            url = self._url()
            port = url.port or (443 if url.scheme == "https" else 80)
            self._addresses = Addresses(url.hostname or "", port, self.config.dns_cache_s, self.monotonic)
        return self._addresses

    async def _race(self, addresses: list[Address]) -> None:
        """Connect to the first address that answers; try the next one when an attempt fails or takes long."""
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
                self._tasks.cancel(attempt)

    async def _dial(self, address: Address) -> None:
        """Open one connection and offer it to the next request."""
        config, is_tls = self.config, self._url().scheme == "https"
        connection = Connection(self, self.ready, address)
        started = self.monotonic()
        try:
            if self._connect_by is not None:
                await self._connect_by(lambda: connection, address.host, address.port)
            else:
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    address.host,
                    address.port,
                    ssl=self._tls if is_tls else None,
                    server_hostname=self.addresses.host if is_tls else None,
                    local_addr=(config.local_address, 0) if config.local_address else None,
                )
        except BaseException as error:
            # Cancelled: another address was quicker.
            address.round_trip_s = (
                inf if isinstance(error, OSError) else max(address.round_trip_s, self.monotonic() - started)
            )
            raise
        if address.round_trip_s in (0.0, inf):
            address.round_trip_s = self.monotonic() - started
        connection.free()

    def forget(self, connection: Connection) -> None:
        """Give no further request to a connection."""
        if connection in self.ready:
            self.ready.remove(connection)

    def gone(self, connection: Connection) -> None:
        """Drop a closed connection."""
        self.forget(connection)
        self.connections.discard(connection)
        if not self.connections:
            self._emptied.set()

    def slow(self, connection: Connection, waited_s: float) -> None:
        """Avoid the connections of a slow address until a ping succeeds on them again; close them where none comes."""
        address = connection.address
        address.round_trip_s = max(address.round_trip_s, waited_s)
        if not self.for_orders:
            for other in [other for other in self.ready if other.address is address]:
                if other.used_at < connection.used_at:  # no answer since
                    other.close()
            return
        for other in self.connections:
            if other.address is address:
                other.nearness = min(other.nearness, -waited_s)
                other.checked_at = -inf
        self.ready.sort(key=nearness_of)
        self.attention.set()

    def measured(self, connection: Connection, round_trip_s: float) -> None:
        """Record a ping's round trip."""
        connection.nearness = -round_trip_s
        connection.checked_at = self.monotonic()
        connection.address.round_trip_s = round_trip_s
        self.ready.sort(key=nearness_of)

    def hold(self, connection: Connection) -> None:
        """Hold this free connection until a ping has tested it; close it where no ping comes."""
        if self.for_orders:
            connection.hold()
            self.unproven.put_nowait(connection)
        else:
            connection.close()

    def distrust(self) -> None:
        """Hold or close all free connections: an answer belonged to another request."""
        for connection in self.idle():
            self.forget(connection)
            self.hold(connection)

    def idle(self) -> list[Connection]:
        """Return the free connections, the least used first."""
        return sorted(self.ready, key=attrgetter("used_at"))

    def claim(self, connection: Connection) -> None:
        """Take this connection for a ping. Raises ConnectFailed if it is neither free nor held."""
        if connection in self.ready:
            self.ready.remove(connection)
            connection.hold()
        elif not connection.is_held or connection.answer is not None or connection.transport.is_closing():
            raise ConnectFailed("the connection is in use, or gone")

    async def aclose(self) -> None:
        """Close every connection; idempotent."""
        await self._tasks.aclose()
        for connection in list(self.connections):
            connection.close(ConnectionLost("the client was closed while this call was under way"))
        if self.connections:
            self._emptied.clear()
            await self._emptied.wait()


@cache
def _default_tls() -> ssl.SSLContext:
    """Return the context with the system's certificate authorities: loading them takes a while."""
    return ssl.create_default_context()


class PinnedConnection:
    """Transport for a ping over one connection for orders. It measures the connection, and closes it on failure.

    A ping tests a held connection: any answer but a ping's closes it too.
    """

    def __init__(self, lane: Lane, connection: Connection) -> None:
        self._lane = lane
        self._connection = connection

    async def send(
        self,
        method: str,
        target: str,
        headers: Fields,
        timeout_s: float | None,
        on_connected: OnConnected,
        body: bytes = b"",
    ) -> Reply:
        """Send one ping over the connection. Raises ConnectFailed if it is neither free nor held."""
        lane, connection = self._lane, self._connection
        data = lane.written(method, target, headers, body)
        is_fit = _is_pong if connection.is_held else _is_success
        lane.claim(connection)
        on_connected(connection)
        sent_at = lane.monotonic()
        try:
            reply = await connection.request(data, timeout_s or lane.config.timeouts.total_s, sent_at)
        except BaseException:
            connection.close()
            raise
        finally:
            data = b""
        if is_fit(reply) and not connection.transport.is_closing():
            lane.measured(connection, lane.monotonic() - sent_at)
            connection.release()
        else:
            connection.close()
        return reply

    def distrust(self) -> None:
        """Do nothing: pings test connections."""

    async def aclose(self) -> None:
        """Do nothing: the lane closes its connections."""


def _is_success(reply: Reply) -> bool:
    """Return True for any success but an order's, which would be the second answer to an earlier request."""
    return not is_refusal(reply) and b'"orderId"' not in reply.body


def _is_pong(reply: Reply) -> bool:
    """Return True if this is the answer to a ping and to no other request."""
    return reply.status == 200 and reply.body.strip() == b"{}"
