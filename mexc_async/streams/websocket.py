"""One WebSocket, two libraries behind one small interface: picows where it is installed, aiohttp anywhere.

A frame is handed to the listener in the call that read it: no task, no queue. Proxies are resolved here, not by the
libraries; compression is not offered (MEXC uses none); redirects are never followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

from mexc_async.errors import ConfigError, ConnectFailed, ConnectionLost
from mexc_async.runtime.log import logger
from mexc_async.transport.request_fields import bare

if TYPE_CHECKING:
    import aiohttp
    import picows

    from mexc_async.transport.transport import Dial

Library: TypeAlias = Literal["auto", "picows", "aiohttp"]

_words = logger.getChild("picows")
_words.setLevel(logging.DEBUG)  # below that picows logs the request, with the listen key in it


class Listener(Protocol):
    """Receiver of a socket's messages. No call may block; none comes after `on_closed`."""

    def on_frame(self, frame: bytes) -> None:
        """Handle a complete binary message."""
        ...

    def on_text(self, text: str) -> None:
        """Handle a complete text message."""
        ...

    def on_closed(self) -> None:
        """Handle the end of the socket, whoever ended it."""
        ...


class Socket(Protocol):
    """An open WebSocket."""

    def send(self, text: str) -> None:
        """Send a text message. Raises ConnectionLost when the socket is gone."""
        ...

    async def aclose(self) -> None:
        """Close the socket and wait until it is closed; idempotent."""
        ...


class SocketConfig(Struct, frozen=True, kw_only=True):
    """Settings of a connection to the exchange's sockets."""

    proxy: str | None = None
    tls: ssl.SSLContext | None = None
    library: Library = "auto"
    connect_s: float = 5.0
    max_frame_bytes: int = 8 << 20

    def __post_init__(self) -> None:
        if self.library not in ("auto", "picows", "aiohttp"):
            raise ConfigError(f"library {self.library!r} is not one of 'auto', 'picows', 'aiohttp'")

    def __repr__(self) -> str:
        return f"SocketConfig({self.library})"  # a proxy's URL may hold a password


Connect: TypeAlias = Callable[[str, Listener, SocketConfig], Awaitable[Socket]]
"""A function that opens a socket, as `connect` does."""


async def connect(url: str, listener: Listener, config: SocketConfig, dial: Dial | None = None) -> Socket:
    """Open a socket. Raises ConnectFailed; errors never contain the URL, which may hold a listen key.

    `dial` makes the connection, by default the operating system; the library is then aiohttp.
    """
    try:
        async with asyncio.timeout(config.connect_s):
            if config.library != "aiohttp" and dial is None:
                try:
                    return await _connect_picows(url, listener, config)
                except ModuleNotFoundError as error:
                    if config.library == "picows":
                        raise ConfigError(f"library 'picows' cannot be used: {error}") from None
            return await _connect_aiohttp(url, listener, config, dial)
    except TimeoutError as error:
        failure: BaseException = _failed(url, config, error)
    except BaseException as error:
        failure = bare(error)  # the variables of the libraries hold the URL
    finally:
        del url
    raise failure


def _failed(url: str, config: SocketConfig, error: BaseException, reason: str = "") -> ConnectFailed:
    way = f"{urlsplit(url).netloc}{' through the proxy' if config.proxy else ''}"
    if isinstance(error, TimeoutError):
        return ConnectFailed(f"no WebSocket connection to {way} in time")
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return ConnectFailed(f"no WebSocket connection to {way}: {reason or type(error).__name__}")


async def _connect_picows(url: str, listener: Listener, config: SocketConfig) -> Socket:
    import picows
    from python_socks import ProxyError  # picows needs it, and lets its errors through

    over_tls: dict[str, Any] = {}
    if (config.proxy or "").startswith("https:"):
        if "proxy_ssl_context" not in inspect.signature(picows.ws_connect).parameters:
            raise ModuleNotFoundError("a proxy over TLS needs picows 2.3")
        over_tls["proxy_ssl_context"] = config.tls
    text, binary, close = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CLOSE
    control = (picows.WSMsgType.PING, picows.WSMsgType.PONG)
    on_frame = listener.on_frame

    class Heard(picows.WSListener):
        is_wanted = True
        transport: picows.WSTransport | None = None

        def __init__(self) -> None:
            self.parts: list[bytes] = []
            self.kind = binary

        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            Heard.transport = transport
            if not Heard.is_wanted:
                transport.disconnect(graceful=False)

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            kind = frame.msg_type
            if kind is binary and frame.fin:
                on_frame(frame.get_payload_as_bytes())
            elif frame.fin and kind is text:
                listener.on_text(frame.get_payload_as_bytes().decode("utf-8", "replace"))
            elif kind is close:
                transport.send_close(picows.WSCloseCode.OK)
                transport.disconnect()
            elif kind not in control:
                self.on_fragment(transport, frame)

        def on_fragment(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type in (text, binary):
                self.parts, self.kind = [], frame.msg_type
            self.parts.append(frame.get_payload_as_bytes())
            if sum(map(len, self.parts)) > config.max_frame_bytes:
                transport.disconnect(graceful=False)
            elif frame.fin:
                whole, self.parts = b"".join(self.parts), []
                if self.kind is text:
                    listener.on_text(whole.decode("utf-8", "replace"))
                else:
                    listener.on_frame(whole)

        def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
            if Heard.is_wanted:
                listener.on_closed()

    try:
        transport, _ = await picows.ws_connect(
            Heard,
            url,
            ssl_context=config.tls,
            websocket_handshake_timeout=config.connect_s,
            max_frame_size=config.max_frame_bytes,
            max_redirects=0,
            proxy=config.proxy,
            **over_tls,
            use_aiofastnet=False,  # measured: worse on uvloop without TLS, no better with it
            logger_name=_words,
        )
    except asyncio.CancelledError:  # picows goes on with the handshake, until it is too late for that
        Heard.is_wanted = False
        if Heard.transport is not None:
            Heard.transport.disconnect(graceful=False)
        raise
    except ProxyError as error:
        raise _failed(url, config, error, str(error)) from None
    except (OSError, TimeoutError, picows.WSError, ValueError) as error:
        raise _failed(url, config, error) from None
    return _PicowsSocket(transport, text, (OSError, picows.WSError))


class _PicowsSocket:
    def __init__(
        self, transport: picows.WSTransport, text: picows.WSMsgType, errors: tuple[type[Exception], ...]
    ) -> None:
        self._transport = transport
        self._text = text
        self._errors = errors

    def send(self, text: str) -> None:
        if self._transport.is_disconnected:
            raise ConnectionLost("the WebSocket is closed")
        self._transport.send(self._text, text.encode())

    async def aclose(self) -> None:
        self._transport.disconnect(graceful=False)
        with contextlib.suppress(*self._errors):  # the error that ended it before
            await self._transport.wait_disconnected()


async def _connect_aiohttp(url: str, listener: Listener, config: SocketConfig, dial: Dial | None) -> Socket:
    import aiohttp

    from mexc_async.transport.dial import DialingConnector

    async def refuse(*_: object) -> None:
        raise ConnectFailed(f"no WebSocket connection to {urlsplit(url).netloc}: the answer is a redirect")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    session = aiohttp.ClientSession(
        connector=DialingConnector(dial), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, trace_configs=[trace]
    )
    try:
        socket = await session.ws_connect(
            url,
            autoping=True,
            compress=0,
            max_msg_size=config.max_frame_bytes,
            proxy=config.proxy,
            ssl=config.tls or True,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),  # pyright: ignore[reportCallIssue]  # attrs, wrapped
        )
    except aiohttp.ClientHttpProxyError as error:
        await session.close()
        raise _failed(url, config, error, f"it answered with status {error.status}") from None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        await session.close()
        raise _failed(url, config, error) from None
    except BaseException:
        await session.close()
        raise
    return _AiohttpSocket(session, socket, listener)


class _AiohttpSocket:
    """Socket of aiohttp, which reads only when asked: one task asks, for as long as the socket lives."""

    def __init__(
        self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, listener: Listener
    ) -> None:
        self._session = session
        self._socket = socket
        self._listener = listener
        self._sends: set[asyncio.Task[None]] = set()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        listener = self._listener
        try:
            async for message in self._socket:
                if isinstance(message.data, bytes):
                    listener.on_frame(message.data)
                elif isinstance(message.data, str):
                    listener.on_text(message.data)
        finally:
            listener.on_closed()

    def send(self, text: str) -> None:
        if self._socket.closed:
            raise ConnectionLost("the WebSocket is closed")
        task = asyncio.get_running_loop().create_task(self._socket.send_str(text))
        self._sends.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled():
            task.exception()  # the reader notices a socket that broke while sending

    async def aclose(self) -> None:
        for task in (*self._sends, self._reader):
            task.cancel()
        try:
            await asyncio.gather(*self._sends, self._reader, return_exceptions=True)
            with contextlib.suppress(Exception):
                await self._socket.close()
        finally:
            await self._session.close()
