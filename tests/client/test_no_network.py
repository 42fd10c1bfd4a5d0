"""An exchange that is not reached: a first connection that fails is an error, a later loss is retried for ever."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator

import picows  # noqa: F401 - its import takes longer than these time-outs
import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings
from mexc_async.errors import ConnectFailed
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.transport.config import Timeouts
from tests.support.streams import Script, Told, client, until

KEY = Credentials("mx0key", "secret")


@pytest.fixture
def closed() -> Iterator[str]:
    """Bind a port without listening: connections are refused, and no other process can take it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def deaf() -> Iterator[str]:
    """Listen without an answer: TCP connects, TLS never does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def reaching(rest: str, connect_s: float = 0.3) -> Mexc:
    """Return a client whose retries would last for long."""
    retry = RetryPolicy(budget_s=60, first_s=0.01, longest_s=0.01)
    return Mexc(KEY, rest=rest, network=NetworkSettings(timeouts=Timeouts(connect_s=connect_s), retry=retry))


async def a_stream(mexc: Mexc) -> None:
    async for _ in mexc.streams.trades("BTCUSDT"):
        pass


async def a_callback(mexc: Mexc) -> None:
    await mexc.streams.trades("BTCUSDT", callback=print).wait()


async def a_book(mexc: Mexc) -> None:
    async with mexc.books("BTCUSDT") as book:
        await book.synced()


async def books(mexc: Mexc) -> None:
    async with mexc.books(["BTCUSDT", "ETHUSDT"]) as both:
        await both.synced()


USES: dict[str, Callable[[Mexc], Awaitable[object]]] = {
    "a read": lambda mexc: mexc.spot.depth(symbol="BTCUSDT"),
    "an account": lambda mexc: mexc.spot.account(),
    "warm-up": lambda mexc: mexc.warm_up(2),
    "a stream": a_stream,
    "a callback": a_callback,
    "the private stream": lambda mexc: mexc.streams.fills().open(),
    "orders": lambda mexc: mexc.orders.follow(),
    "a book": a_book,
    "books": books,
}


@pytest.mark.parametrize("use", USES)
async def test_a_closed_port_is_named(closed: str, use: str) -> None:
    async with asyncio.timeout(30), reaching(f"http://{closed}", connect_s=1.0) as mexc:
        with pytest.raises(ConnectFailed, match=f"{closed}: Connect") as caught:
            await USES[use](mexc)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("use", USES)
async def test_a_host_that_never_answers_is_named(deaf: str, use: str) -> None:
    async with asyncio.timeout(30), reaching(f"https://{deaf}") as mexc:
        with pytest.raises(ConnectFailed, match=f"no (WebSocket )?connection to {deaf} in time"):
            await USES[use](mexc)


@pytest.mark.parametrize("use", ["a read", "a stream", "a book"])
async def test_a_name_that_does_not_resolve_is_named(use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: str, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    mexc = Mexc(
        rest="https://mexc.invalid",
        ws="wss://mexc.invalid/ws",
        network=NetworkSettings(timeouts=Timeouts(connect_s=0.3), trust_env=False),
    )
    async with asyncio.timeout(30), mexc:
        with pytest.raises(ConnectFailed, match=r"mexc\.invalid.*Name or service not known"):
            await USES[use](mexc)


async def test_a_book_without_rest_ends_with_the_reason(closed: str) -> None:
    async with (
        asyncio.timeout(30),
        Script() as script,
        Mexc(rest=f"http://{closed}", ws=script.url) as mexc,
        mexc.books("BTCUSDT") as book,
    ):
        with pytest.raises(ConnectFailed, match=f"no connection to {closed}"):
            await book.synced()
        assert book.is_closed


async def test_a_first_connection_has_the_connect_time_out_for_all_of_its_attempts() -> None:
    """A server that starts a moment later is found."""
    async with Script() as script, client(script.url) as mexc:
        script.status = 503
        opening = asyncio.create_task(mexc.streams.partial_depth("BTCUSDT").open())
        await until(lambda: len(script.attempts) >= 2)
        script.status = None
        stream = await opening
        assert stream.is_connected
        await stream.aclose()


async def test_a_later_loss_is_retried_with_states_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "mexc_async")
    async with Script() as script, client(script.url) as mexc:
        told = Told(mexc)
        stream = await mexc.streams.partial_depth("BTCUSDT").open()
        script.status = 503
        script.last.drop()
        await until(lambda: told.count("failed") >= 5, 30)
        assert not stream.is_connected
        late = asyncio.create_task(mexc.streams.partial_depth("ETHUSDT").open())
        await until(lambda: told.count("failed") >= 8, 30)
        assert not late.done()
        script.status = None
        other = await late
        await until(lambda: stream.is_connected)
        assert told.count("gap") == 1
        await other.aclose()
        await stream.aclose()
    assert [record.name for record in caplog.records if record.levelno == logging.WARNING] == ["mexc_async"]
