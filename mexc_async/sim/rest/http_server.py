"""HTTP and WebSocket server: bytes to requests, and outcomes to bytes. Nothing else of the simulator knows aiohttp."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Container, Mapping
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import WSMsgType, web

from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest.http import Delivery, Handler, NoResponse, Peer, Request, Response
from mexc_async.sim.stream.channel import NORMAL, Channel, End, Message, Ping

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LARGEST_MESSAGE = 1 << 16
_CLOSE_S = 1.0
_LOOK_S = 0.02
"""Interval at which a connection that got the beginning of a response is checked for its end."""


class Connection(NamedTuple):
    """A client's connection; equal to another one with the same transport."""

    transport: asyncio.Transport | None

    @property
    def is_closing(self) -> bool:
        """True once the client has disconnected or the connection was reset."""
        return self.transport is None or self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send bytes, if it is still open."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def reset(self) -> None:
        """Reset it. Data that waits to be sent is lost, and the peer sees no orderly close."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()


class WebSocketChannel:
    """A WebSocket connection of aiohttp."""

    def __init__(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        self._socket = socket
        self._connection = connection

    @property
    def is_closing(self) -> bool:
        """True once the client has disconnected or the connection was reset."""
        return self._connection.is_closing

    async def receive(self) -> Message:
        """Return the client's next message."""
        while True:
            message = await self._socket.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                data: str | bytes = message.data
                return data
            if message.type is WSMsgType.PING:
                return Ping(message.data)
            if message.type is not WSMsgType.PONG:
                return End.CLOSE if message.type is WSMsgType.CLOSE else End.LOST

    async def send(self, data: str | bytes) -> None:
        """Send a text or a binary message. Raises ConnectionError if the client has gone."""
        if isinstance(data, str):
            await self._socket.send_str(data)
        else:
            await self._socket.send_bytes(data)

    async def pong(self, data: bytes) -> None:
        """Answer a ping. Raises ConnectionError if the client has gone."""
        await self._socket.pong(data)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Send a close frame or answer the client's, and wait up to 1 s for the end."""
        await self._socket.close(code=code, message=reason.encode())

    async def cut(self, data: bytes, share: float) -> None:
        """Send this share of a message's frame and close the connection, without a close frame."""
        frame = binary_frame(data)
        self._connection.write(frame[: int(len(frame) * share)])
        if self._connection.transport is not None:
            self._connection.transport.close()

    def reset(self) -> None:
        """Reset the connection."""
        self._connection.reset()


def server_of(handler: Handler) -> web.Server:
    """Build the server of a handler. It makes the protocol of each connection, whatever transport this has."""
    return web.Server(_Serving(handler).serve, access_log=None)


def reset_all(server: web.Server, spared: Container[Peer]) -> int:
    """Reset every connection of a server except the spared ones, and return their number."""
    connections = [Connection(each.transport) for each in server.connections if each.transport is not None]
    struck = [connection for connection in connections if connection not in spared]
    for connection in struck:
        connection.reset()
    return len(struck)


class _Serving:
    """Requests of aiohttp to a handler's, and its outcomes to responses of aiohttp."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = Connection(request.transport)
        headers = request.headers
        socket = _socket_of(request) if "Upgrade" in headers else None
        outcome = await self._handler(
            Request(
                request.method,
                request.raw_path,
                headers,
                request.remote or "",
                connection,
                _reader(request) if request.can_read_body else b"",
                None if socket is None else _accepting(request, socket, connection),
            )
        )
        if isinstance(outcome, Response):
            await _send_ahead(outcome, connection)
            return _sent(outcome)
        if outcome is NoResponse.STREAMED and socket is not None:
            return socket
        if outcome is NoResponse.CLOSED and connection.transport is not None:
            connection.transport.close()
        else:
            connection.reset()
        return web.Response(status=503)  # satisfies the server; nobody receives it


def _socket_of(request: web.BaseRequest) -> web.WebSocketResponse | None:
    """Return a socket for a request that asks for one correctly, else None."""
    socket = web.WebSocketResponse(
        autoping=False, autoclose=False, timeout=_CLOSE_S, compress=False, max_msg_size=_LARGEST_MESSAGE
    )
    return socket if socket.can_prepare(request) else None


def _accepting(
    request: web.BaseRequest, socket: web.WebSocketResponse, connection: Connection
) -> Callable[[Mapping[str, str]], Awaitable[Channel]]:
    async def accept(headers: Mapping[str, str]) -> Channel:
        socket.headers.update(headers)
        await socket.prepare(request)
        return WebSocketChannel(socket, connection)

    return accept


def _reader(request: web.BaseRequest) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        try:
            return await request.read()
        except web.HTTPException as error:
            raise Refusal(error.status, error.reason, error.status) from None

    return read


async def _send_ahead(response: Response, connection: Connection) -> None:
    """Send a copy or a part of a response, and wait as its delivery demands. The server sends the response itself."""
    transport = connection.transport
    if transport is None:
        return
    match response.delivery:
        case Delivery.TWICE:
            transport.write(on_the_wire(response))
        case Delivery.AGAIN:
            transport.write(on_the_wire(response))
            await asyncio.sleep(response.gap_ms / 1000)
        case Delivery.STALE:
            asyncio.get_running_loop().call_later(response.gap_ms / 1000, connection.write, on_the_wire(response))
        case Delivery.BROKEN_OFF:
            transport.write(beginning(response))
            transport.close()
        case Delivery.STALLED:
            transport.write(beginning(response))
            while not connection.is_closing:  # noqa: ASYNC110 - aiohttp does not announce it
                await asyncio.sleep(_LOOK_S)


def _sent(response: Response) -> web.Response:
    """Return aiohttp's form of a response, which the server sends next."""
    answer = web.Response(body=response.body or None, status=response.status, headers=response.headers)
    if response.delivery is Delivery.LAST:
        answer.force_close()
    return answer


def on_the_wire(response: Response) -> bytes:
    """Encode a response as the bytes on the connection."""
    reason = HTTPStatus(response.status).phrase if response.status in set(HTTPStatus) else ""
    head = [f"HTTP/1.1 {response.status} {reason}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*head, f"Content-Length: {len(response.body)}", "", ""]).encode() + response.body


def beginning(response: Response) -> bytes:
    """Encode the beginning of a response: at least one byte, and never the whole."""
    raw = on_the_wire(response)
    return raw[: max(1, min(len(raw) - 1, int(len(raw) * response.share)))]


def binary_frame(data: bytes) -> bytes:
    """Encode a binary message as one frame of a server (RFC 6455, section 5.2)."""
    size = len(data)
    if size < 126:
        return bytes((0x82, size)) + data
    if size < 1 << 16:
        return struct.pack("!BBH", 0x82, 126, size) + data
    return struct.pack("!BBQ", 0x82, 127, size) + data
