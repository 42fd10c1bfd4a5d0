"""Sockets through a proxy, for both libraries: configured or from the environment, with a login, refused, broken."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError
from mexc_async.streams.websocket import Library
from mexc_async.transport import urls
from tests.support.connect_proxy import Proxy
from tests.support.streams import Script, Told, client, nothing_left, until

TLS = Path(__file__).parent / "tls"
BTC = "spot@public.limit.depth.v3.api.pb@BTCUSDT@20"
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
USER, PASSWORD = "trader", "p:ss/w@rd %41"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


@pytest.fixture(params=["picows", "aiohttp"])
def library(request: pytest.FixtureRequest) -> Library:
    return cast(Library, request.param)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let addresses of this machine stand for addresses elsewhere, which alone use a proxy by default."""
    monkeypatch.setattr(urls, "is_loopback", lambda url: False)


def serving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    """Serve as the exchange."""
    async with nothing_left(), Script(tls=serving(), host="127.0.0.2") as server:
        yield server


def trading(script: Script, library: Library, **settings: Any) -> Mexc:
    trusting = ssl.create_default_context(cafile=str(TLS / "authority.pem"))
    return client(script.url, "https://127.0.0.2:9", ws_library=library, tls=trusting, **settings)


async def receives(mexc: Mexc, script: Script) -> None:
    """Subscribe and get pushes."""
    async with asyncio.timeout(10), mexc.streams.partial_depth("BTCUSDT") as stream:
        script.last.push(BTC, 1, 2)
        assert [(await anext(stream)).body.version for _ in range(2)] == [1, 2]


def target(script: Script) -> str:
    return script.url.split("/")[2]


@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_named_proxy(script: Script, library: Library, login: bool, scheme: str) -> None:
    if library == "picows" and scheme == "https":
        pytest.importorskip("picows", minversion="2.3")
    tls = serving() if scheme == "https" else None
    async with Proxy((USER, PASSWORD) if login else None, tls) as proxy:
        url = f"{scheme}://{LOGIN if login else ''}{proxy.address}"
        async with trading(script, library, proxy=url) as mexc:
            await receives(mexc, script)
        assert target(script) in proxy.asked
        await until(lambda: not proxy.tunnels)


@pytest.mark.parametrize("wanted", ["auto", "picows"])
async def test_a_picows_that_cannot_use_a_proxy_over_tls(
    script: Script, wanted: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    picows = pytest.importorskip("picows")
    monkeypatch.setattr(picows, "ws_connect", lambda listener, url: None)
    async with Proxy(tls=serving()) as proxy, trading(script, wanted, proxy=f"https://{proxy.address}") as mexc:
        if wanted == "auto":
            await receives(mexc, script)
        else:
            with pytest.raises(ConfigError, match=r"picows 2\.3"):
                await asyncio.wait_for(mexc.streams.partial_depth("BTCUSDT").open(), 5)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment(
    script: Script, library: Library, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy((USER, PASSWORD)) as proxy:
        monkeypatch.setenv(name, f"http://{LOGIN}{proxy.address}")
        async with trading(script, library) as mexc:
            await receives(mexc, script)
        assert target(script) in proxy.asked


@pytest.mark.parametrize("way", ["NO_PROXY", "trust_env", "named"])
async def test_the_environments_proxy_is_left_out(
    script: Script, library: Library, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy() as proxy, Proxy() as other:
        monkeypatch.setenv("ALL_PROXY", f"http://{proxy.address}")
        settings: dict[str, Any] = {}
        if way == "NO_PROXY":
            monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.2")
        elif way == "trust_env":
            settings["trust_env"] = False
        else:
            settings["proxy"] = f"http://{other.address}"
        async with trading(script, library, **settings) as mexc:
            await receives(mexc, script)
        assert proxy.asked == []
        assert bool(other.asked) is (way == "named")


@pytest.mark.parametrize("fault", ["login", "refuses", "hangs up"])
async def test_a_proxy_that_does_not_serve(
    script: Script, library: Library, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused login is reported and retried, and no log or event shows it."""
    logging.getLogger("mexc_async.picows").manager.disable = 0
    caplog.set_level(1)
    async with Proxy((USER, PASSWORD)) as proxy:
        user, secret = ("trader", "wr0ngPassw0rd") if fault == "login" else (USER, PASSWORD)
        proxy.status = 403 if fault == "refuses" else 200
        proxy.hangs_up = fault == "hangs up"
        url = f"http://{user}:{quote(secret, safe='')}@{proxy.address}"
        async with trading(script, library, proxy=url) as mexc:
            told = Told(mexc)
            opening = asyncio.create_task(mexc.streams.partial_depth("BTCUSDT").open())
            await until(lambda: told.count("failed") >= 2)
            reasons = {event.reason for event in told.of("failed")}
            assert all(f"{target(script)} through the proxy: " in reason for reason in reasons)
            if fault != "hangs up":
                assert all("407" in reason if fault == "login" else "403" in reason for reason in reasons)
            if fault == "login":
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
            else:
                proxy.status, proxy.hangs_up = 200, False
                stream = await opening
                await stream.aclose()
            said = f"{mexc!r}{mexc._router.config!r}{told.events!r}"
    own = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp"))
    for hidden in (secret, quote(secret, safe="")):
        assert hidden not in said + own
    assert any(record.levelname == "WARNING" and record.name == "mexc_async" for record in caplog.records)


async def test_a_proxy_that_is_not_there(script: Script, library: Library) -> None:
    async with Proxy() as gone:
        address = gone.address
    async with trading(script, library, proxy=f"http://{address}") as mexc:
        told = Told(mexc)
        opening = asyncio.create_task(mexc.streams.partial_depth("BTCUSDT").open())
        await until(lambda: told.count("failed"))
        assert "through the proxy" in told.of("failed")[0].reason
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)


async def test_a_tunnel_that_breaks_is_a_lost_socket(script: Script, library: Library) -> None:
    async with Proxy() as proxy, trading(script, library, proxy=f"http://{proxy.address}") as mexc:
        told = Told(mexc)
        async with mexc.streams.partial_depth("BTCUSDT") as stream:
            proxy.break_tunnels()
            await until(lambda: told.count("resubscribed"))
            script.last.push(BTC, 7)
            assert (await anext(stream)).body.version == 7
            assert stream.gaps == 1
