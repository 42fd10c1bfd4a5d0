"""One socket and its reconnects, against a scripted server, the same for both libraries."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import cast

import pytest

from mexc_async.errors import ConfigError, ConnectFailed, ConnectionLost
from mexc_async.streams.events import UnknownFields
from mexc_async.streams.session import Timing
from mexc_async.streams.websocket import Library, SocketConfig, connect
from tests.support.streams import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    QUICK,
    TEXT,
    TLS,
    Script,
    Told,
    client,
    frame,
    nothing_left,
    numbered,
    until,
)

KEY = "verysecretlistenkey"
BTC = "spot@public.limit.depth.v3.api.pb@BTCUSDT@20"


@pytest.fixture(params=["picows", "aiohttp"])
def library(request: pytest.FixtureRequest) -> Library:
    return cast(Library, request.param)


class Heard:
    """Listener that records what a socket receives."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.texts: list[str] = []
        self.closed = 0

    def on_frame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def on_text(self, text: str) -> None:
        self.texts.append(text)

    def on_closed(self) -> None:
        self.closed += 1


def config(
    library: Library, tls: ssl.SSLContext | None = None, max_frame_bytes: int = 1 << 20, connect_s: float = 5.0
) -> SocketConfig:
    return SocketConfig(library=library, connect_s=connect_s, tls=tls, max_frame_bytes=max_frame_bytes)


async def failure(url: str, library: Library, tls: ssl.SSLContext | None = None, connect_s: float = 5.0) -> str:
    with pytest.raises(ConnectFailed) as caught:
        await connect(f"{url}?listenKey={KEY}", Heard(), config(library, tls, connect_s=connect_s))
    text = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert KEY not in text
    assert "?" not in text
    return str(caught.value)


async def test_a_refused_connection(library: Library) -> None:
    async with Script() as script:
        url = script.url
    assert url.split("/")[2] in await failure(url, library)


async def test_no_handshake_in_time(library: Library) -> None:
    async with nothing_left(), Script() as script:
        script.is_stuck = True
        assert "in time" in await failure(script.url, library, connect_s=0.3)


async def test_an_attempt_that_is_given_up_leaves_no_socket(library: Library) -> None:
    """The other end may accept the handshake in that very moment, or later."""
    async with nothing_left(), Script() as script:
        script.gate = asyncio.Event()
        heard = Heard()
        attempt = asyncio.create_task(connect(script.url, heard, SocketConfig(library=library, connect_s=30)))
        await until(lambda: script.attempts)
        attempt.cancel()
        assert isinstance((await asyncio.gather(attempt, return_exceptions=True))[0], asyncio.CancelledError)
        script.gate.set()
        if library == "picows":  # aiohttp has closed the connection already
            await until(lambda: script.peers)
        await until(lambda: not script.open_peers)
        assert heard.closed == 0


@pytest.mark.parametrize("status", [403, 503, 200])
async def test_another_status_than_101(library: Library, status: int) -> None:
    async with nothing_left(), Script() as script:
        script.status = status
        assert "no WebSocket connection" in await failure(script.url, library)


async def test_redirects_are_not_followed(library: Library) -> None:
    async with Script() as other, Script() as script:
        script.status, script.headers = 302, {"Location": other.url.replace("ws:", "http:")}
        await failure(script.url, library)
        assert other.attempts == []


async def test_tls_is_verified(library: Library) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    trusting = ssl.create_default_context(cafile=TLS / "authority.pem")
    async with Script(tls=context) as script:
        await failure(script.url, library)
        socket = await connect(script.url, Heard(), config(library, trusting))
        await socket.aclose()
    async with Script(tls=context, host="127.0.0.2") as script:  # the certificate is another host's
        await failure(script.url, library, trusting)


async def test_frames_texts_and_fragments(library: Library) -> None:
    heard = Heard()
    async with nothing_left(), Script() as script:
        socket = await connect(script.url, heard, config(library))
        await until(lambda: script.peers)
        peer = script.last
        big = bytes(range(256)) * 400
        peer.raw(frame(BINARY, b"whole") + frame(TEXT, "text é".encode()))
        peer.raw(frame(BINARY, b"in ", fin=False) + frame(PING, b"p1") + frame(CONTINUATION, b"three ", fin=False))
        peer.raw(frame(CONTINUATION, b"parts"))
        peer.raw(frame(TEXT, b"two ", fin=False) + frame(CONTINUATION, b"texts"))
        wire = frame(BINARY, big)
        peer.raw(wire[:70_000])
        peer.raw(wire[70_000:] + frame(BINARY, b""))
        await until(lambda: len(heard.frames) == 4 and peer.pongs)
        assert heard.frames == [b"whole", b"in three parts", big, b""]
        assert heard.texts == ["text é", "two texts"]
        assert peer.pongs == [b"p1"]
        await socket.aclose()
        await socket.aclose()
        with pytest.raises(ConnectionLost):
            socket.send("late")
        await until(lambda: peer.is_closed)
    assert heard.closed == 1


@pytest.mark.parametrize("parts", [1, 3])
async def test_an_oversized_message_ends_the_socket(library: Library, parts: int) -> None:
    heard = Heard()
    async with nothing_left(), Script() as script:
        socket = await connect(script.url, heard, config(library, max_frame_bytes=4096))
        await until(lambda: script.peers)
        payload = b"x" * (6000 // parts)
        for part in range(parts):
            script.last.raw(frame(CONTINUATION if part else BINARY, payload, fin=part == parts - 1))
        await until(lambda: heard.closed)
        assert heard.frames in ([], [payload])  # picows delivers the one that broke the bound, then ends
        await socket.aclose()


@pytest.mark.parametrize(
    "end",
    [
        frame(CLOSE, b""),
        frame(CLOSE, b"\x03\xe8bye"),
        frame(3, b"reserved opcode"),
        b"\xff\xff\xff\xff not a frame",
        None,
    ],
)
async def test_the_other_end_closes(library: Library, end: bytes | None) -> None:
    heard = Heard()
    async with nothing_left(), Script() as script:
        socket = await connect(script.url, heard, config(library))
        await until(lambda: script.peers)
        script.last.raw(end) if end is not None else script.last.drop()
        await until(lambda: heard.closed)
        await socket.aclose()
    assert heard.closed == 1


async def test_texts_go_out_in_order(library: Library) -> None:
    async with Script() as script:
        socket = await connect(script.url, Heard(), config(library))
        for number in range(50):
            socket.send(f'{{"method":"SUBSCRIPTION","params":["{number}"]}}')
        await until(lambda: script.peers and len(script.last.requests) == 50)
        assert [names for _, names in script.last.requests] == [(str(number),) for number in range(50)]
        await socket.aclose()


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(ConfigError, match="websockets"):
        SocketConfig(library=cast(Library, "websockets"))
    assert "secret" not in repr(SocketConfig(proxy="http://user:secret@proxy:1"))


# Reconnecting socket


async def test_everything_is_subscribed_again_after_a_drop(library: Library) -> None:
    symbols = [f"COIN{number}USDT" for number in range(45)]
    async with nothing_left(), Script() as script, client(script.url, ws_library=library, per_socket=30) as mexc:
        told = Told(mexc)
        async with mexc.streams.partial_depth(symbols) as stream:
            assert sorted(script.subscribed()) == sorted(stream.channels)
            assert sorted(len(peer.topics) for peer in script.peers) == [15, 30]
            for peer in list(script.peers):
                peer.drop()
            await until(lambda: told.states().count("resubscribed") >= 2 and len(script.subscribed()) == 45)
            assert sorted(script.subscribed()) == sorted(stream.channels)
            assert stream.gaps == 2
            assert told.count("gap") == 2
            script.last.push(stream.channels[-1], 7)
            assert (await anext(stream)).body.version == 7


async def test_a_silent_socket_is_replaced(library: Library) -> None:
    async with (
        nothing_left(),
        Script() as script,
        client(script.url, ws_library=library, timing=QUICK) as mexc,
        mexc.streams.partial_depth("BTCUSDT") as stream,
    ):
        script.is_mute = True  # the socket stays open, nothing arrives
        await until(lambda: stream.gaps)
        script.is_mute = False
        await until(lambda: len(script.open_peers) == 1 and script.subscribed() == [BTC])
        assert ("PING", ()) in script.peers[0].requests


async def test_pings_keep_an_idle_socket(library: Library) -> None:
    async with (
        nothing_left(),
        Script() as script,
        client(script.url, ws_library=library, timing=QUICK) as mexc,
        mexc.streams.partial_depth("BTCUSDT") as stream,
    ):
        await until(lambda: script.last.requests.count(("PING", ())) >= 6)  # 1.2 s; silence would be 0.8 s
        assert (stream.gaps, len(script.peers)) == (0, 1)


async def test_a_lost_ack_means_a_lost_socket(library: Library) -> None:
    timing = Timing(ping_s=0.1, silence_s=5.0, ack_s=0.3, retry_s=0.02)
    async with nothing_left(), Script() as script, client(script.url, ws_library=library, timing=timing) as mexc:
        script.acks = lambda peer, method, names: "PONG" if method == "PING" else None
        opening = asyncio.create_task(mexc.streams.partial_depth("BTCUSDT").open())
        await until(lambda: len(script.peers) >= 2)
        script.acks = None
        stream = await opening
        assert script.subscribed() == [BTC]
        await stream.aclose()


async def test_attempts_are_spaced(library: Library) -> None:
    timing = Timing(ping_s=5.0, retry_s=0.04, longest_retry_s=0.16)
    for fault in ("status", "closes"):
        async with nothing_left(), Script() as script, client(script.url, ws_library=library, timing=timing) as mexc:
            script.status = 403 if fault == "status" else None
            script.closes_at_once = fault == "closes"
            opening = asyncio.create_task(mexc.streams.partial_depth("BTCUSDT").open())
            await until(lambda script=script: len(script.attempts) == 7)  # type: ignore[misc]  # the loop's own
            pauses = [later - earlier for earlier, later in zip(script.attempts, script.attempts[1:], strict=False)]
            assert pauses[0] >= 0.02
            assert min(pauses[2:]) >= 0.08, "each pause is at least half of 0.04, 0.08, 0.16, 0.16 s ..."
            script.status, script.closes_at_once = None, False
            stream = await opening
            await stream.aclose()


async def test_no_key_and_no_url_in_errors_and_logs(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("mexc_async.picows").manager.disable = 0
    with caplog.at_level(1):
        async with Script() as script, client(f"{script.url}", ws_library=library) as mexc:
            mexc._urls.ws = f"{script.url}?listenKey={KEY}"
            told = Told(mexc)
            script.status = 403
            opening = asyncio.create_task(mexc.streams.partial_depth("BTCUSDT").open())
            await until(lambda: told.count("failed"))
            script.status = None
            stream = await opening
            script.last.drop()
            await until(lambda: told.count("resubscribed"))
            script.last.text("Invalid listen key")
            await until(lambda: "Invalid listen key" in caplog.text)
            await stream.aclose()
    own = [record.getMessage() for record in caplog.records if not record.name.startswith(("aiohttp", "asyncio"))]
    assert KEY not in "\n".join(own) + repr(told.events)
    assert any(record.levelname == "WARNING" and record.name == "mexc_async" for record in caplog.records)


@pytest.mark.parametrize("old_lags", [True, False])
async def test_a_move_to_a_new_socket_neither_loses_nor_repeats(library: Library, old_lags: bool) -> None:
    """Let both sockets carry the same numbers; one of them lags behind."""
    timing = Timing(ping_s=5.0, silence_s=5.0, ack_s=2.0, lifetime_s=0.3, retry_s=0.02)
    async with nothing_left(), Script() as script, client(script.url, ws_library=library, timing=timing) as mexc:
        told = Told(mexc)
        number = 0
        behind: list[int] = []

        def step() -> None:
            """Push once on every socket that has the channel; the laggard gets its own later."""
            nonlocal number
            number += 1
            peers = [peer for peer in script.open_peers if BTC in peer.topics]
            if len(peers) < 2:
                missing = [] if old_lags else behind
                for peer in peers:
                    peer.push(BTC, *missing, number)
                behind.clear()
                return
            fast, slow = peers if not old_lags else peers[::-1]
            fast.push(BTC, number)
            behind.append(number)
            if len(behind) > 3:
                slow.push(BTC, behind.pop(0))

        def before_pong(peer: object, method: str, names: tuple[str, ...]) -> None:
            """Send the pong after all that its socket was sent before."""
            if method == "PING" and old_lags and behind:
                script.open_peers[0].push(BTC, *behind)
                behind.clear()

        script.on_request = before_pong
        async with mexc.streams.partial_depth("BTCUSDT", queue=100_000) as stream:

            def moved() -> bool:
                step()
                return told.count("moved") >= 3

            await until(moved)
            step()
            last = number
            seen: list[int] = []
            while not seen or seen[-1] < last - 5:
                seen.append((await anext(stream)).body.version)
            assert seen == list(range(1, len(seen) + 1))
            assert (stream.gaps, told.count("gap"), told.count("resubscribed")) == (0, 0, 0)
            assert told.count("moved") >= 3


async def test_a_move_that_fails_is_tried_again(library: Library) -> None:
    timing = Timing(ping_s=5.0, silence_s=5.0, ack_s=2.0, lifetime_s=0.2, retry_s=0.02)
    async with nothing_left(), Script() as script, client(script.url, ws_library=library, timing=timing) as mexc:
        told = Told(mexc)
        async with mexc.streams.partial_depth("BTCUSDT") as stream:
            script.status = 503
            await until(lambda: len(script.attempts) >= 3)
            assert len(script.peers) == 1
            script.last.push(BTC, 1)
            assert (await anext(stream)).body.version == 1
            script.status = None
            await until(lambda: told.count("moved"))
            assert stream.gaps == 0


async def test_a_channel_joined_during_a_failing_move_is_not_forgotten(library: Library) -> None:
    timing = Timing(ping_s=5.0, silence_s=5.0, ack_s=5.0, lifetime_s=0.2, retry_s=0.02)
    eth = BTC.replace("BTC", "ETH")
    async with (
        nothing_left(),
        Script() as script,
        client(script.url, ws_library=library, timing=timing) as mexc,
        mexc.streams.partial_depth("BTCUSDT") as stream,
    ):
        script.acks = lambda peer, method, names: None  # the new socket gets no answer
        await until(lambda: len(script.peers) == 2 and script.last.requests)
        opening = asyncio.create_task(mexc.streams.partial_depth("ETHUSDT").open())
        await until(lambda: len(script.last.requests) == 2)
        script.acks = None
        script.last.drop()
        other = await opening
        assert stream.gaps == 0
        await until(lambda: eth in script.subscribed())
        await other.aclose()


async def test_the_old_socket_may_die_during_a_move(library: Library) -> None:
    timing = Timing(ping_s=5.0, silence_s=5.0, ack_s=5.0, lifetime_s=0.3, retry_s=0.02)
    async with nothing_left(), Script() as script, client(script.url, ws_library=library, timing=timing) as mexc:
        told = Told(mexc)
        async with mexc.streams.partial_depth("BTCUSDT") as stream:

            def on_request(peer: object, method: str, names: tuple[str, ...]) -> None:
                if method == "PING":  # the new socket is subscribed, the old one is pinged for its last pushes
                    script.peers[0].drop()

            script.on_request = on_request
            await until(lambda: told.count("gap"))
            assert told.states()[-2:] == ["connected", "resubscribed"]
            script.on_request = None
            script.last.push(BTC, 5)
            assert (await anext(stream)).body.version == 5
            assert stream.gaps == 1


async def test_malformed_frames_are_counted_and_the_socket_stays(library: Library) -> None:
    async with (
        nothing_left(),
        Script() as script,
        client(script.url, ws_library=library) as mexc,
        mexc.streams.partial_depth("BTCUSDT") as stream,
    ):
        good = numbered(BTC, 1)
        for bad in (b"", b"\xff" * 30, good[:-1], good + b"\x0a", b"\x0a\xff\xff\xff\xff\x0f"):
            script.last.raw(frame(BINARY, bad))
        script.last.text("{nonsense")
        script.last.raw(frame(BINARY, good))
        assert (await anext(stream)).body.version == 1
        assert mexc.streams.bad_frames >= 4
        assert (stream.gaps, len(script.peers)) == (0, 1)


async def test_fields_that_are_not_known_are_reported_and_their_push_delivered(library: Library) -> None:
    async with (
        nothing_left(),
        Script() as script,
        client(script.url, ws_library=library) as mexc,
        mexc.streams.partial_depth("BTCUSDT") as stream,
    ):
        told = Told(mexc)
        script.last.raw(frame(BINARY, numbered(BTC, 1) + b"\xa2\x7d\x01x"))  # field 2004
        assert (await anext(stream)).body.version == 1
        assert [event for event in told.events if isinstance(event, UnknownFields)] == [UnknownFields(BTC, 1)]
        assert mexc.streams.unknown_fields == 1
