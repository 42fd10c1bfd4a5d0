"""The connection pool: configuration, proxies, and translation of aiohttp's errors."""

from __future__ import annotations

import asyncio
import ssl
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import (
    ConfigError,
    ConnectFailed,
    MexcError,
)
from mexc_async.schema.answers import Reply
from mexc_async.transport.config import Timeouts, TransportConfig
from mexc_async.transport.pool import Pool
from mexc_async.transport.request_fields import Fields
from mexc_async.transport.transport import OnConnected
from mexc_async.transport.urls import ExchangeUrls, proxy_for
from tests.support import raw_server as server
from tests.support.mocked import Mocked
from tests.support.raw_server import Arrival, Behaviour, RawServer, Way

KEY = "mx0vglTESTkey12345"
SECRET = "s3cr3tOfTheTests0123456789abcdef"
TLS = Path(__file__).parents[1] / "support" / "tls"
SIGNED = f"/api/v3/order?signature={'5161' * 16}"
METHODS = ["GET", "POST", "PUT", "DELETE"]
HURRIED = Timeouts(read_s=0.2)


@asynccontextmanager
async def pool_to(rest: str, **config: Any) -> AsyncIterator[Pool]:
    pool = Pool(TransportConfig(urls=ExchangeUrls(rest), **config))
    try:
        yield pool
    finally:
        await pool.aclose()


async def send(
    pool: Pool,
    method: str = "GET",
    target: str = "/api/v3/ping",
    *,
    headers: Fields | None = None,
    timeout_s: float | None = None,
    on_connected: OnConnected = lambda carrier: None,
) -> Reply:
    async with asyncio.timeout(10):  # a hang is a failure, not a test that never ends
        return await pool.send(method, target, headers or {}, timeout_s, on_connected)


def test_a_context_that_does_not_verify_is_refused() -> None:
    lax = ssl.create_default_context()
    lax.check_hostname = False
    with pytest.raises(ConfigError, match="verify"):
        TransportConfig(urls=ExchangeUrls("https://api.mexc.com"), tls=lax)
    lax.verify_mode = ssl.CERT_NONE
    with pytest.raises(ConfigError, match="verify"):
        TransportConfig(urls=ExchangeUrls("https://api.mexc.com"), tls=lax)


# --- configuration ---


@pytest.mark.parametrize(
    ("rest", "config", "words"),
    [
        ("api.mexc.com", {}, "is not a URL"),
        ("ftp://api.mexc.com", {}, "is not a URL"),
        ("https://", {}, "is not a URL"),
        ("https://api.mexc.com?x=1", {}, "is not a URL"),
        ("https://api.mexc.com:99999", {}, "is not a URL"),
        ("https://[::1", {}, "is not a URL"),
        ("http://api.mexc.com", {}, "is not encrypted"),
        ("http://127.0.0.1.evil.example", {}, "is not encrypted"),
        ("https://h", {"proxy": "socks5://127.0.0.1:1"}, "socks5"),
        ("https://h", {"proxy": "127.0.0.1:3128"}, "proxy"),
        ("https://h", {"proxy": "http://"}, "proxy"),
        ("https://h", {"max_response_bytes": 1}, "max_response_bytes 1"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(rest: str, config: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TransportConfig(urls=ExchangeUrls(rest), **config)


@pytest.mark.parametrize("values", [(0, 1, 1), (1, -1, 1), (1, 1, 0), (1, 1, float("nan"))])
def test_time_outs_must_be_above_zero(values: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Timeouts(*values)


@pytest.mark.parametrize("rest", ["https://user:s3cret@h", "https://:s3cret@h", "http://user:s3cret@h"])
def test_a_login_in_the_base_url_is_refused_without_repeating_it(rest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ExchangeUrls(rest)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_plain_http_reaches_this_machine(host: str) -> None:
    assert ExchangeUrls(f"http://{host}:1").is_loopback


# --- proxies ---


def proxying(target: RawServer) -> Behaviour:
    """Pass the request on to `target` whatever it asks for, as an HTTP proxy does."""

    async def behave(arrival: Arrival, way: Way) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(arrival.head + b"\r\n\r\n")
        await way.write(await reader.readuntil(b"{}"))
        writer.close()
        await writer.wait_closed()
        return True

    return behave


async def test_a_proxy_that_was_named_gets_the_request_in_absolute_form() -> None:
    async with RawServer() as raw, RawServer(proxying(raw)) as proxy:
        url = f"http://user:pa55word@127.0.0.1:{proxy.port}"
        async with pool_to(raw.url, proxy=url) as pool:
            reply = await send(pool, target="/api/v3/time?a=b")
        assert reply.status == 200
        assert proxy.arrivals[0].line == f"GET {raw.url}/api/v3/time?a=b HTTP/1.1"
        assert proxy.arrivals[0].headers["proxy-authorization"].startswith("Basic ")


REFUSING = server.answer(b"no", 407)


async def refused_by(proxy: RawServer, config: dict[str, Any]) -> MexcError:
    async with pool_to("https://api.mexc.example", **{"timeouts": HURRIED} | config) as pool:
        with pytest.raises(ConnectFailed) as caught:
            await send(pool, target=SIGNED)
    assert caught.value.outcome_known
    (arrival,) = proxy.arrivals
    assert arrival.line == "CONNECT api.mexc.example:443 HTTP/1.1"
    return caught.value


async def test_a_proxy_from_an_argument_and_its_refusal() -> None:
    async with RawServer(REFUSING) as proxy:
        error = await refused_by(proxy, {"proxy": f"http://user:pa55word@127.0.0.1:{proxy.port}"})
        assert "407" in str(error)
        text = "".join(traceback.format_exception(error))
        assert "pa55word" not in text
        assert "5161" not in text


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
async def test_a_proxy_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawServer(REFUSING) as proxy:
        monkeypatch.setenv(name, f"http://user:pa55word@127.0.0.1:{proxy.port}")
        error = await refused_by(proxy, {})
        assert "pa55word" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("no_proxy", "trust_env", "rest", "expected"),
    [
        ("", True, "https://api.mexc.com", "http://proxy:1"),
        ("", False, "https://api.mexc.com", None),
        ("api.mexc.com", True, "https://api.mexc.com", None),
        (".mexc.com", True, "https://api.mexc.com", None),
        ("*", True, "https://api.mexc.com", None),
        ("other.com", True, "https://api.mexc.com", "http://proxy:1"),
        ("", True, "http://127.0.0.1:5", None),
        ("", True, "https://localhost:5", None),
        ("", True, "wss://wbs-api.mexc.com/ws", "http://proxy:1"),
        ("", True, "ws://127.0.0.1:5/ws", None),
    ],
)
def test_what_the_environment_says_about_proxies(
    no_proxy: str, trust_env: bool, rest: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(rest, None, trust_env) == expected


def test_a_proxy_of_the_environment_without_a_scheme_is_read_as_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy:3128")
    assert proxy_for("https://api.mexc.com", None, True) == "http://proxy:3128"


@pytest.mark.parametrize("value", ["socks5://user:pa55word@h:1", "user:pa55word@h:port", "http://"])
def test_a_proxy_of_the_environment_that_cannot_work_is_refused_at_once(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError, match="proxy") as caught:
        Pool(TransportConfig(urls=ExchangeUrls("https://api.mexc.com")))
    assert "pa55word" not in str(caught.value)


async def test_no_repr_shows_the_proxys_login() -> None:
    config = TransportConfig(urls=ExchangeUrls("https://api.mexc.com"), proxy="http://user:pa55word@h:1")
    assert "pa55word" not in f"{config!r} {config} {Pool(config)!r}"
    mexc = Mexc(proxy="http://user:pa55word@h:1")
    assert "pa55word" not in f"{mexc!r}"


async def test_a_proxy_that_ends_the_connection_is_a_failed_connection() -> None:
    async with RawServer(server.close) as proxy:
        await refused_by(proxy, {"proxy": f"http://127.0.0.1:{proxy.port}"})


async def test_a_silent_proxy_runs_into_the_connect_time_out() -> None:
    async with RawServer(server.silence) as proxy:
        await refused_by(proxy, {"proxy": f"http://127.0.0.1:{proxy.port}", "timeouts": Timeouts(connect_s=0.5)})


# --- the same, mocked ---


async def test_a_mocked_answer_passes_whole(mocked: Mocked) -> None:
    mocked.get("https://api.mexc.com/api/v3/time", payload={"serverTime": 1}, headers={"X-Cache": "no"})
    async with pool_to("https://api.mexc.com") as pool:
        reply = await send(pool, target="/api/v3/time")
    assert (reply.status, reply.body, reply.headers["x-cache"]) == (200, b'{"serverTime": 1}', "no")


@pytest.mark.parametrize("status", [400, 403, 418, 429, 500, 503])
async def test_mocked_refusals_are_replies_too(mocked: Mocked, status: int) -> None:
    mocked.get("https://api.mexc.com/api/v3/time", status=status, body=b"no", headers={"Retry-After": "7"})
    async with pool_to("https://api.mexc.com") as pool:
        reply = await send(pool, target="/api/v3/time")
    assert (reply.status, reply.headers["Retry-After"]) == (status, "7")


@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        (TimeoutError(), ConnectFailed),
        (OSError(111, "Connection refused"), ConnectFailed),
        (aiohttp.ServerDisconnectedError(), ConnectFailed),
        (aiohttp.InvalidURL("https://x"), ConfigError),
        (aiohttp.ClientPayloadError("cut"), ConnectFailed),
    ],
)
async def test_foreign_errors_before_the_connection_say_that_nothing_was_sent(
    mocked: Mocked, foreign: Exception, expected: type[MexcError]
) -> None:
    mocked.get("https://api.mexc.com/api/v3/time", exception=foreign)
    async with pool_to("https://api.mexc.com") as pool:
        with pytest.raises(expected) as caught:
            await send(pool, target="/api/v3/time")
    assert caught.value.outcome_known


async def test_errors_that_are_not_of_the_wire_pass_unchanged(mocked: Mocked) -> None:
    mocked.get("https://api.mexc.com/api/v3/time", exception=ZeroDivisionError())
    async with pool_to("https://api.mexc.com") as pool:
        with pytest.raises(ZeroDivisionError):
            await send(pool, target="/api/v3/time")
