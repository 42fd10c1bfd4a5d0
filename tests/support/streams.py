"""A scripted WebSocket server, and the waits of these tests."""

from __future__ import annotations

import asyncio
import gc
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from mexc_async.client.mexc import Mexc
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.events import Event
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.rest.server import Simulator
from mexc_async.spot.push import Push, encode_push
from mexc_async.spot.push_models import DepthSnapshot
from mexc_async.streams.events import StreamState
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.session import Timing
from mexc_async.transport.config import Timeouts
from tests.support.settings import flat

TLS = Path(__file__).with_name("tls")
CALM = Timing(ping_s=0.2, silence_s=60.0, ack_s=60.0, retry_s=0.02, longest_retry_s=0.1)
"""Timing that never takes a busy machine for a dead socket."""
QUICK = Timing(ping_s=0.2, silence_s=0.8, ack_s=0.8, retry_s=0.02, longest_retry_s=0.1)
"""Timing for tests of dead sockets."""
PATIENT = Timeouts(connect_s=60.0, total_s=60.0)
"""Time-outs that a busy machine does not exceed: a first connection that takes longer is an error."""
CONTINUATION, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9


async def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until a condition holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.004)


def numbered(channel: str, number: int) -> bytes:
    """Make a push with a unique number."""
    return encode_push(Push(channel=channel, body=DepthSnapshot(asks=(), bids=(), version_text=str(number))))


def frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """Make a server's frame as on the wire."""
    first = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        return struct.pack("!BB", first, len(payload)) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBH", first, 126, len(payload)) + payload
    return struct.pack("!BBQ", first, 127, len(payload)) + payload


class Peer:
    """One accepted socket, seen from the server."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.request = request
        self.socket = socket
        self.requests: list[tuple[str, tuple[str, ...]]] = []
        """(method, channels) of the requests."""
        self.topics: dict[str, None] = {}
        self.pongs: list[bytes] = []
        self.is_closed = False

    @property
    def is_open(self) -> bool:
        transport = self.request.transport
        return not self.is_closed and transport is not None and not transport.is_closing()

    def raw(self, data: bytes) -> None:
        """Send raw bytes."""
        assert self.request.transport is not None
        self.request.transport.write(data)

    def push(self, channel: str, *numbers: int) -> None:
        """Send numbered pushes."""
        self.raw(b"".join(frame(BINARY, numbered(channel, number)) for number in numbers))

    def text(self, text: str) -> None:
        """Send a text frame."""
        self.raw(frame(TEXT, text.encode()))

    def drop(self) -> None:
        """End the connection without a close frame."""
        assert self.request.transport is not None
        self.request.transport.abort()


class Script:
    """Script of the server. It accepts every channel outside `refused`, unless `is_mute`."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.peers: list[Peer] = []
        self.attempts: list[float] = []
        """Time of each handshake."""
        self.status: int | None = None
        """Status that answers the handshake, if set."""
        self.headers: dict[str, str] = {}
        self.is_stuck = False
        """True if the handshake gets no answer."""
        self.gate: asyncio.Event | None = None
        """Event that releases the answer to the handshake."""
        self.is_mute = False
        self.closes_at_once = False
        self.refused: set[str] = set()
        self.acks: Callable[[Peer, str, tuple[str, ...]], str | None] | None = None
        """Function that makes the text of an answer instead; None for no answer."""
        self.on_request: Callable[[Peer, str, tuple[str, ...]], None] | None = None
        self._tls = tls
        self._host = host
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def last(self) -> Peer:
        return self.peers[-1]

    @property
    def open_peers(self) -> list[Peer]:
        return [peer for peer in self.peers if peer.is_open]

    async def __aenter__(self) -> Script:
        app = web.Application()
        app.router.add_get("/ws", self._serve)
        runner = self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, self._host, 0, ssl_context=self._tls)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"{'wss' if self._tls else 'ws'}://{self._host}:{port}/ws"
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in self.open_peers:
            peer.drop()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.attempts.append(asyncio.get_running_loop().time())
        if self.is_stuck:
            await asyncio.Event().wait()
        if self.gate is not None:
            await self.gate.wait()
        if self.status is not None:
            return web.Response(status=self.status, headers=self.headers)
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        if self.closes_at_once:
            await socket.close()
            return socket
        peer = Peer(request, socket)
        self.peers.append(peer)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._answer(peer, message.data)
                elif message.type is WSMsgType.PONG:
                    peer.pongs.append(bytes(message.data))
        finally:
            peer.is_closed = True
        return socket

    def _answer(self, peer: Peer, text: str) -> None:
        asked = msgspec.json.decode(text)
        method, names = asked["method"], tuple(asked.get("params", ()))
        peer.requests.append((method, names))
        if self.on_request is not None:
            self.on_request(peer, method, names)
        if self.is_mute:
            return
        message = self.acks(peer, method, names) if self.acks else self._message(peer, method, names)
        if message is not None:
            peer.text(msgspec.json.encode({"id": asked.get("id", 0), "code": 0, "msg": message}).decode())

    def _message(self, peer: Peer, method: str, names: tuple[str, ...]) -> str:
        if method == "PING":
            return "PONG"
        if method == "UNSUBSCRIPTION":
            for name in names:
                peer.topics.pop(name, None)
            return ",".join(names)
        good = [name for name in names if name not in self.refused]
        peer.topics.update(dict.fromkeys(good))
        return acknowledgement(good, [name for name in names if name in self.refused])

    def subscribed(self) -> list[str]:
        """Return the channels of all open sockets, with repetitions."""
        return [topic for peer in self.open_peers for topic in peer.topics]


def acknowledgement(accepted: Iterable[str], refused: Iterable[str]) -> str:
    """Return MEXC's text of an acknowledgement."""
    good, bad = ",".join(accepted), ",".join(refused)
    no = f"Not Subscribed successfully! [{bad}].  Reason： Blocked! "
    if not bad:
        return good
    return f"Subscribed successful! [{good}]. {no}" if good else no


class Told:
    """States that a client's hooks reported."""

    def __init__(self, mexc: Mexc) -> None:
        self.events: list[Event] = []
        mexc.hooks.add(self.events.append)

    def of(self, state: str) -> list[StreamState]:
        return [event for event in self.events if isinstance(event, StreamState) and event.state == state]

    def states(self) -> list[str]:
        return [event.state for event in self.events if isinstance(event, StreamState)]

    def count(self, state: str) -> int:
        return self.states().count(state)


def client(ws: str, rest: str = "http://127.0.0.1:9", *, timing: Timing = CALM, **settings: Any) -> Mexc:
    """Make a client without credentials that detects a dead socket quickly."""
    per_socket, queue = settings.pop("per_socket", 20), settings.pop("queue", 1024)
    streams = StreamSettings(per_socket=per_socket, queue=queue, timing=timing)
    usual = {"limits": "unlimited", "timeouts": PATIENT}
    return Mexc(**flat(rest=rest, ws=ws, streams=streams, **usual | settings))


def sim_client(sim: Simulator, *, timing: Timing = CALM, **settings: Any) -> Mexc:
    """Make a client of the simulator's main account."""
    settings = {"credentials": Credentials(DEMO_KEY, DEMO_SECRET), **settings}
    return client(sim.spot_ws, sim.rest, timing=timing, **settings)


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Fail if the block leaves a task behind."""
    before = asyncio.all_tasks()  # a fixture's setup and teardown may be tasks of their own
    yield
    gc.collect()
    left: set[asyncio.Task[Any]] = set()

    def gone() -> bool:
        left.clear()
        left.update(asyncio.all_tasks() - before - {asyncio.current_task()})
        return not left

    try:
        await until(gone)
    except TimeoutError:
        raise AssertionError(f"tasks are left: {left}") from None
